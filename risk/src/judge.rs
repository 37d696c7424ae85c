//! Who hears what each control says: one that stops at the first no, and one that writes down everything.

use tidegate_model::event::Verdict;
use tidegate_model::{AccountId, Reject, RejectReason, Scope};

/// Hears what each control says of an order.
pub(crate) trait Judge {
    /// True if it wants the value of what passes too; else that need not be reckoned where it takes long.
    const TELLS: bool;

    /// A control of `scope` allows `limit`, the order makes it `value`.
    ///
    /// # Errors
    /// The refusal, if nothing more is to be asked.
    fn hear(
        &mut self,
        scope: Option<Scope>,
        reason: RejectReason,
        limit: i128,
        value: i128,
        passes: bool,
    ) -> Result<(), Reject>;
}

/// The first no is the answer.
pub(crate) struct FirstNo;

impl Judge for FirstNo {
    const TELLS: bool = false;

    #[inline(always)]
    fn hear(
        &mut self,
        scope: Option<Scope>,
        reason: RejectReason,
        limit: i128,
        value: i128,
        passes: bool,
    ) -> Result<(), Reject> {
        if passes {
            return Ok(());
        }
        Err(Reject {
            scope: scope.and_then(|s| s.scope_kind()),
            ..Reject::new(reason, limit, value)
        })
    }
}

/// Every answer is told; that of the limits which every account has, as the account's.
pub(crate) struct EveryVerdict<'a> {
    pub account: AccountId,
    pub tell: &'a mut dyn FnMut(Verdict),
}

impl Judge for EveryVerdict<'_> {
    const TELLS: bool = true;

    fn hear(
        &mut self,
        scope: Option<Scope>,
        reason: RejectReason,
        limit: i128,
        value: i128,
        passes: bool,
    ) -> Result<(), Reject> {
        (self.tell)(Verdict {
            limit,
            value,
            scope: scope.unwrap_or(Scope::account(self.account)),
            reason: reason.wire(),
            passes: passes.into(),
            reserved: [0; 6],
        });
        Ok(())
    }
}
