//! How much a strategy may say.

use tidegate_client::strategy::UnixNanos;

/// Messages a second that a strategy allows itself. Accounts have limits too; running into them costs rejects.
const MESSAGES_PER_SEC: u64 = 200;
/// Messages that may go out at once.
const MESSAGES_AT_ONCE: u64 = 40;
/// A message's worth, in messages a second times nanoseconds.
const WORTH: u64 = 1_000_000_000;

/// A budget of messages on the market's time.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    left: u64,
    at: UnixNanos,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: MESSAGES_AT_ONCE * WORTH, at: UnixNanos::ZERO }
    }
}

impl Budget {
    /// Takes one message out of the budget; false if there is none left.
    pub fn afford(&mut self, now: UnixNanos) -> bool {
        let passed = now.0.saturating_sub(self.at.0);
        let grown = self.left.saturating_add(passed.saturating_mul(MESSAGES_PER_SEC));
        self.left = grown.min(MESSAGES_AT_ONCE * WORTH);
        self.at = self.at.max(now);
        let is_enough = self.left >= WORTH;
        self.left -= if is_enough { WORTH } else { 0 };
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_a_burst_out_and_then_so_many_a_second() {
        let mut budget = Budget::default();
        let begin = 1_700_000_000 * WORTH;
        let burst = (0..100).filter(|_| budget.afford(UnixNanos(begin))).count();
        assert_eq!(burst as u64, MESSAGES_AT_ONCE);
        assert!(!budget.afford(UnixNanos(begin + 4_999_999)));
        assert!(budget.afford(UnixNanos(begin + 5_000_000)));
        assert!(!budget.afford(UnixNanos(begin)), "time that goes back gives nothing");
    }
}
