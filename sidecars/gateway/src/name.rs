//! Names that people give things.

use crate::error::{ApiError, Result};

/// Control characters, and those that turn the direction of text: a name shows as it is.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name as it is kept: without spaces around it, 1 to `len_max` characters, none of which hides.
///
/// # Errors
/// [`crate::error::Code::InvalidField`] naming `name`.
pub(crate) fn checked(given: &str, len_max: usize) -> Result<String> {
    let name = given.trim();
    let is_fine = (1..=len_max).contains(&name.chars().count()) && !name.chars().any(is_hidden);
    let rule = || ApiError::field("name", format!("1 to {len_max} characters"));
    is_fine.then(|| name.to_string()).ok_or_else(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        for (given, expected) in [
            (" Ann ", Some("Ann")),
            ("äöü", Some("äöü")),
            ("", None),
            ("  ", None),
            ("four", None),
            ("a\u{0}", None),
            ("a\u{202e}", None),
        ] {
            assert_eq!(checked(given, 3).ok().as_deref(), expected, "{given:?}");
        }
    }
}
