//! Orders that depend on each other: a list is entered whole or not at all, and the engine keeps what its legs are to each
//! other, whatever their venue (FIX NewOrderList, E).
//!
//! A list is a [`NewList`], then its legs as [`super::NewOrder`] with the same `list_id` and the legs' numbers from 1, in
//! order, by the same session. Nothing is decided before the last leg has come.

use crate::ids::AccountId;
use bytemuck::{Pod, Zeroable};

/// Legs of a list: an entry and seven more are beyond any contingency in use, and few enough to look at with each report.
pub const LIST_LEGS_MAX: usize = 8;

wire_enum!(
    /// What the legs of a list are to each other (FIX ContingencyType, tag 1385).
    Contingency {
        /// One cancels the other: what one leg executes, the others shrink by; when one ends, so do they. 2 legs or more.
        Oco = 1 => "oco",
        /// One triggers the others: they are held until the first leg is filled. 2 legs or more.
        Oto = 2 => "oto",
        /// One triggers the others, and those are one-cancels-other. 3 legs or more.
        OneTriggersOco = 3 => "one_triggers_oco",
        /// An entry and its exits, one or two: they close what the entry has executed, as it executes it, and one cancels
        /// the other. An exit trades the entry's instrument on the other side, and has its quantity.
        Bracket = 4 => "bracket",
    }
);

/// The head of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NewList {
    /// The account that every leg trades for.
    pub account: AccountId,
    /// The session's own number for the list, which the legs repeat; above 0.
    pub list_id: u32,
    /// A [`Contingency`] on the wire.
    pub contingency: u8,
    /// How many legs follow: 2 to [`LIST_LEGS_MAX`].
    pub leg_count: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

crate::saved_as_bytes!(NewList);
