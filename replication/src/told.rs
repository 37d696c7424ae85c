//! What was said of whom, so that what repeats every half second is said once.

use std::collections::BTreeMap;

/// Names and addresses that are remembered: more than a deployment has nodes. Strangers beyond that make all be said again.
const TOLD_MAX: usize = 64;

/// The last that was said of each.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, String>);

impl Told {
    /// Whether `text` is news of `who`: something else was said last, or nothing.
    pub(crate) fn is_news(&mut self, who: &str, text: &str) -> bool {
        if self.0.get(who).is_some_and(|last| last == text) {
            return false;
        }
        if self.0.len() >= TOLD_MAX && !self.0.contains_key(who) {
            self.0.clear();
        }
        self.0.insert(who.to_string(), text.to_string());
        true
    }

    /// It is well with `who`: whatever comes next is news.
    pub(crate) fn is_well(&mut self, who: &str) {
        self.0.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_of_each() {
        let mut told = Told::default();
        assert!(told.is_news("a", "no") && !told.is_news("a", "no"));
        assert!(told.is_news("b", "no") && !told.is_news("a", "no"));
        assert!(told.is_news("a", "never") && told.is_news("a", "no"));
        told.is_well("b");
        assert!(told.is_news("b", "no"));
        for n in 0..10 * TOLD_MAX {
            assert!(told.is_news(&format!("stranger {n}"), "no"));
            assert!(told.0.len() <= TOLD_MAX);
        }
    }
}
