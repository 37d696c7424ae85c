//! Cursors of pages: signed, so that nobody makes one up, and good for one user and one list.

use crate::error::{ApiError, Result};
use crate::http::guard::Caller;
use crate::keys::{Keys, Purpose};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde::Deserialize;

/// Bytes of the signature in a cursor.
const TAG_BYTES: usize = 32;
/// Characters of a cursor at most: a place is one number.
const LEN_MAX: usize = 128;
/// Rows of a page where none is asked for, and at most.
const LIMIT: (u32, u32) = (50, 200);

/// Signs and reads cursors.
#[derive(Debug)]
pub struct Cursors(hmac::Key);

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
pub struct Page {
    /// `meta.next_cursor` of the page before; absent: the first page.
    pub cursor: Option<String>,
    /// Rows of the page, 1 to 200; absent: 50.
    pub limit: Option<u32>,
}

impl Page {
    /// Rows of the page.
    ///
    /// # Errors
    /// [`crate::error::Code::InvalidField`].
    pub fn size(&self) -> Result<usize> {
        let (default, max) = LIMIT;
        match self.limit.unwrap_or(default) {
            size if (1..=max).contains(&size) => Ok(size as usize),
            _ => Err(ApiError::field("limit", format!("1 to {max}"))),
        }
    }
}

impl Cursors {
    /// With the gateway's key.
    pub fn new(keys: &Keys) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &keys.of(Purpose::Cursor)))
    }

    fn signed(caller: &Caller, list: &str, place: &[u8]) -> Vec<u8> {
        [list.as_bytes(), b"\0", caller.user.as_bytes(), place].concat()
    }

    /// A cursor of `list` after `place`.
    pub fn make(&self, caller: &Caller, list: &str, place: u64) -> String {
        let place = place.to_be_bytes();
        let tag = hmac::sign(&self.0, &Self::signed(caller, list, &place));
        BASE64.encode([&place[..], tag.as_ref()].concat())
    }

    /// The place that the page begins after; `None` for the first page.
    ///
    /// # Errors
    /// [`crate::error::Code::InvalidField`] for what was not made for this user and list.
    pub fn read(&self, caller: &Caller, list: &str, page: &Page) -> Result<Option<u64>> {
        let Some(text) = &page.cursor else { return Ok(None) };
        let foreign =
            || ApiError::field("cursor", "is not one that this list gave out; begin without one");
        let bytes = (text.len() <= LEN_MAX).then(|| BASE64.decode(text).ok()).flatten();
        let bytes = bytes.filter(|bytes| bytes.len() == 8 + TAG_BYTES).ok_or_else(foreign)?;
        let (place, tag) = bytes.split_at(8);
        hmac::verify(&self.0, &Self::signed(caller, list, place), tag).map_err(|_| foreign())?;
        place.try_into().map(|place| Some(u64::from_be_bytes(place))).map_err(|_| foreign())
    }

    /// Cuts rows that were read one beyond the page, and makes the cursor of the next.
    pub fn cut<T>(
        &self,
        caller: &Caller,
        list: &str,
        rows: &mut Vec<T>,
        size: usize,
        place: impl Fn(&T) -> u64,
    ) -> Option<String> {
        if rows.len() <= size {
            return None;
        }
        rows.truncate(size);
        rows.last().map(|row| self.make(caller, list, place(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{Permissions, Role};
    use uuid::Uuid;

    fn caller(user: u128) -> Caller {
        Caller {
            user: Uuid::from_u128(user),
            principal: 1_000,
            role: Role::Trader,
            permissions: Permissions::default(),
            session: None,
            ip: [127, 0, 0, 1].into(),
        }
    }

    #[test]
    fn a_cursor_is_good_for_its_user_and_list_only() {
        let cursors = Cursors::new(&Keys::new(&[3; 32]));
        let page = |cursor: &str| Page { cursor: Some(cursor.into()), limit: None };
        let cursor = cursors.make(&caller(1), "orders", 77);
        assert_eq!(cursors.read(&caller(1), "orders", &page(&cursor)), Ok(Some(77)));
        assert_eq!(cursors.read(&caller(1), "orders", &Page::default()), Ok(None));
        assert!(cursors.read(&caller(2), "orders", &page(&cursor)).is_err());
        assert!(cursors.read(&caller(1), "audit", &page(&cursor)).is_err());
        for bad in ["", "x", &cursor[1..], &"a".repeat(1_000)] {
            assert!(cursors.read(&caller(1), "orders", &page(bad)).is_err(), "{bad}");
        }
        let other = Cursors::new(&Keys::new(&[4; 32]));
        assert!(other.read(&caller(1), "orders", &page(&cursor)).is_err());
    }

    #[test]
    fn a_page_that_is_full_says_where_the_next_begins() {
        let cursors = Cursors::new(&Keys::new(&[3; 32]));
        let mut rows = vec![9, 8, 7];
        let next = cursors.cut(&caller(1), "orders", &mut rows, 2, |row| *row);
        assert_eq!(rows, [9, 8]);
        let page = Page { cursor: next, limit: None };
        assert_eq!(cursors.read(&caller(1), "orders", &page), Ok(Some(8)));
        assert_eq!(cursors.cut(&caller(1), "orders", &mut rows, 2, |row| *row), None);
        for (limit, size) in [(None, Some(50)), (Some(200), Some(200)), (Some(0), None)] {
            assert_eq!(Page { cursor: None, limit }.size().ok(), size);
        }
    }
}
