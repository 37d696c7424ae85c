//! Levels, supposing the worst: whoever cancels stood behind us.
//!
//! Bias: pessimistic. Our order is at most as far forward as it would be in truth, and is filled no earlier.

use super::levels::{Cancels, Change};
use tidegate_model::Lots;
use tidegate_model::command::FillModelKind;

/// Only trades bring ours forward, and a level that is shorter than what was ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskAverse;

impl Cancels for RiskAverse {
    fn kind(&self) -> FillModelKind {
        FillModelKind::RiskAverse
    }

    fn ahead_after(&self, change: &Change) -> Lots {
        change.ahead.min(change.after)
    }
}
