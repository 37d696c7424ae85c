//! What limits an account may be given.

use tidegate_model::command::SetLimits;
use tidegate_model::hash::hash_words;
use tidegate_model::{Money, Reject, RejectReason};

const TAG_LIMITS: u64 = 0x7269_736b_6c69_6d73;

/// Refuses limits that mean nothing. A limit of zero is one: it lets nothing pass.
///
/// # Errors
/// [`RejectReason::BadField`] with the value, if an amount is below zero.
pub fn check_limits(limits: &SetLimits) -> Result<(), Reject> {
    for amount in [limits.max_order_notional, limits.credit] {
        if amount < Money::ZERO {
            return Err(Reject::of(RejectReason::BadField, amount.0));
        }
    }
    Ok(())
}

/// True if `new` lets anything pass that `old` does not.
pub(crate) fn is_loosened(old: &SetLimits, new: &SetLimits) -> bool {
    new.max_order_notional > old.max_order_notional
        || new.credit > old.credit
        || new.max_order_qty > old.max_order_qty
        || new.max_position > old.max_position
        || new.price_collar_bp > old.price_collar_bp
        || new.max_open_orders > old.max_open_orders
        || new.messages_per_sec > old.messages_per_sec
        || new.message_burst > old.message_burst
}

/// The canonical hash of limits in force.
pub(crate) fn hash_limits(limits: &SetLimits) -> u64 {
    let money = |amount: Money| [amount.0 as u64, (amount.0 >> 64) as u64];
    let [notional_low, notional_high] = money(limits.max_order_notional);
    let [credit_low, credit_high] = money(limits.credit);
    let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    hash_words(
        TAG_LIMITS,
        &[
            notional_low,
            notional_high,
            credit_low,
            credit_high,
            limits.max_order_qty.0,
            limits.max_position.0,
            pair(limits.price_collar_bp, limits.max_open_orders),
            pair(limits.messages_per_sec, limits.message_burst),
            u64::from(limits.account.0),
        ],
    )
}
