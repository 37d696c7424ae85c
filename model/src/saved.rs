//! How parts of the engine's state are written into a snapshot and read again, with serde.
//!
//! A struct is saved by its derive, field after field, so that a new field cannot be forgotten. What it cannot know is said
//! beside the field: how many a table may hold, and that most of a table is blank.
//!
//! * [`Room`]: a table that never grows beyond its bound, with all its room reserved.
//! * [`Sparse`]: a table most of which is blank: only the rest is written.
//! * [`records`]: plain-old-data, as it lies in memory.
//! * [`room`]: scratch, which is empty between inputs and not saved.
//!
//! Bytes are from outside: every length has a bound, and nothing is allocated beyond it.

use bytemuck::Pod;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

/// Writes a plain-old-data type as its bytes, and reads it from as many.
#[macro_export]
macro_rules! saved_as_bytes {
    ($($type:ty),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_bytes(bytemuck::bytes_of(self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::saved::of_bytes(from)
            }
        }
    )+};
}

/// Reads a plain-old-data type from its bytes.
///
/// # Errors
/// If there are not as many as it has.
pub fn of_bytes<'de, T: Pod, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct OfBytes<T>(PhantomData<T>);

    impl<T: Pod> Visitor<'_> for OfBytes<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} bytes", size_of::<T>())
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
            bytemuck::try_pod_read_unaligned(bytes)
                .map_err(|_| E::invalid_length(bytes.len(), &self))
        }
    }

    from.deserialize_bytes(OfBytes(PhantomData))
}

/// No items, and room for `COUNT`: for scratch that is not saved.
pub fn room<T, const COUNT: usize>() -> Vec<T> {
    Vec::with_capacity(COUNT)
}

/// Writes to the room of a table's first `count` items beyond those that it has, so that none of them waits for the system to
/// hand out a page. `blank` is what is written.
pub fn touch<T: Clone>(items: &mut Vec<T>, count: usize, blank: T) {
    let len = items.len();
    items.resize(count.max(len), blank);
    items.truncate(len);
}

/// Room for `count` items, and for as many again as there are: a table that was read has what it would have had by growing.
pub fn make_room<T>(items: &mut Vec<T>, count: usize) {
    let wanted = count.max(2 * items.len());
    items.reserve_exact(wanted - items.len());
}

/// A table of at most `COUNT_MAX` items that has its room reserved, so that it never moves. For `#[serde(with)]`.
#[derive(Debug)]
pub struct Room<const COUNT_MAX: usize>;

impl<const COUNT_MAX: usize> Room<COUNT_MAX> {
    /// Writes every item.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn serialize<T: Serialize, S: Serializer>(items: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(items)
    }

    /// Reads the items, and reserves the room for all that there may be.
    ///
    /// # Errors
    /// Those of `from`, and more than `COUNT_MAX` items.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        from.deserialize_seq(Items::<T, COUNT_MAX> { room: COUNT_MAX, items: PhantomData })
    }
}

/// A table of at most `COUNT_MAX` items that grows as it is used. For `#[serde(with)]`.
#[derive(Debug)]
pub struct UpTo<const COUNT_MAX: usize>;

impl<const COUNT_MAX: usize> UpTo<COUNT_MAX> {
    /// Writes every item.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn serialize<T: Serialize, S: Serializer>(items: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(items)
    }

    /// Reads the items.
    ///
    /// # Errors
    /// Those of `from`, and more than `COUNT_MAX` items.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        from.deserialize_seq(Items::<T, COUNT_MAX> { room: 0, items: PhantomData })
    }
}

struct Items<T, const COUNT_MAX: usize> {
    room: usize,
    items: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, const COUNT_MAX: usize> Visitor<'de> for Items<T, COUNT_MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {COUNT_MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::with_capacity(self.room);
        while let Some(item) = seq.next_element()? {
            if items.len() == COUNT_MAX {
                return Err(de::Error::invalid_length(COUNT_MAX + 1, &self));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// A table of at most `LEN_MAX` items most of which are blank: only the others are written, each behind the count of blank ones
/// before it. For `#[serde(with)]`.
#[derive(Debug)]
pub struct Sparse<const LEN_MAX: usize>;

impl<const LEN_MAX: usize> Sparse<LEN_MAX> {
    /// Writes the length, and every item that is not blank.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn serialize<T: Serialize + Default + PartialEq, S: Serializer>(
        items: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let blank = T::default();
        let used = || items.iter().enumerate().filter(|(_, item)| **item != blank);
        let mut seq = to.serialize_seq(Some(1 + 2 * used().count()))?;
        seq.serialize_element(&items.len())?;
        let mut next = 0;
        for (at, item) in used() {
            seq.serialize_element(&(at - next))?;
            seq.serialize_element(item)?;
            next = at + 1;
        }
        seq.end()
    }

    /// Reads the table. It has no room beyond its length.
    ///
    /// # Errors
    /// Those of `from`, a length above `LEN_MAX`, and an item beyond the length.
    pub fn deserialize<'de, T, D, C>(from: D) -> Result<C, D::Error>
    where
        T: Deserialize<'de> + Default + Clone,
        D: Deserializer<'de>,
        C: From<Vec<T>> + AsRef<[T]>,
    {
        from.deserialize_seq(SparseItems::<T, LEN_MAX>(PhantomData)).map(C::from)
    }
}

struct SparseItems<T, const LEN_MAX: usize>(PhantomData<T>);

impl<'de, T, const LEN_MAX: usize> Visitor<'de> for SparseItems<T, LEN_MAX>
where
    T: Deserialize<'de> + Default + Clone,
{
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a table of at most {LEN_MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let len: usize = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        if len > LEN_MAX {
            return Err(de::Error::invalid_length(len, &self));
        }
        let mut items = vec![T::default(); len];
        let mut next = 0;
        while let Some(gap) = seq.next_element::<usize>()? {
            let at = usize::checked_add(next, gap).filter(|at| *at < len);
            let at = at.ok_or_else(|| de::Error::custom("an item lies beyond its table"))?;
            items[at] = seq
                .next_element()?
                .ok_or_else(|| de::Error::custom("an item of a table is missing"))?;
            next = at + 1;
        }
        Ok(items)
    }
}

/// Tables of plain-old-data, written as it lies in memory. For `#[serde(with)]`.
pub mod records {
    use super::*;

    /// Records in one piece of bytes: the encoding counts bytes in 32 bits.
    const PIECE_LEN: usize = 1 << 16;

    struct Piece<'a>(&'a [u8]);

    impl Serialize for Piece<'_> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_bytes(self.0)
        }
    }

    /// Writes the records, in pieces.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn serialize<T: Pod, S: Serializer>(records: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(records.chunks(PIECE_LEN).map(|piece| Piece(bytemuck::cast_slice(piece))))
    }

    /// Reads the records; there are as many as there are bytes for.
    ///
    /// # Errors
    /// Those of `from`, and a piece that does not end with a record.
    pub fn deserialize<'de, T: Pod, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
        struct Pieces<T>(PhantomData<T>);

        impl<'de, T: Pod> Visitor<'de> for Pieces<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "pieces of records of {} bytes", size_of::<T>())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let mut records: Vec<T> = Vec::new();
                while let Some(piece) = seq.next_element::<&'de [u8]>()? {
                    if piece.len() % size_of::<T>() != 0 {
                        return Err(de::Error::invalid_length(piece.len(), &self));
                    }
                    let first = records.len();
                    records.resize(first + piece.len() / size_of::<T>(), T::zeroed());
                    bytemuck::cast_slice_mut(&mut records[first..]).copy_from_slice(piece);
                }
                Ok(records)
            }
        }

        from.deserialize_seq(Pieces(PhantomData))
    }
}

/// What is wrong with a saved part of the state: it was read, and contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} is inconsistent: {why}")]
pub struct Inconsistent {
    /// The part.
    pub part: &'static str,
    /// What is wrong.
    pub why: &'static str,
}

impl Inconsistent {
    /// `Err` unless `holds`.
    ///
    /// # Errors
    /// [`Inconsistent`] with both texts.
    pub fn unless(holds: bool, part: &'static str, why: &'static str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { part, why }) }
    }
}

/// A sum that was read again from its parts: `Err` if it is not what was saved.
///
/// # Errors
/// [`Inconsistent`].
pub fn check_hash(
    part: &'static str,
    saved: crate::StateHash,
    counted: crate::StateHash,
) -> Result<(), Inconsistent> {
    Inconsistent::unless(saved == counted, part, "its hash is not that of its records")
}
