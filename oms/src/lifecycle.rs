//! What may happen to an order, and where it then stands: one table, in the words of FIX.
//!
//! The states are those of OrdStatus (tag 39), the transitions those of the "Order State Change Matrices"
//! of FIX 4.4 (volume 4, appendix D), as far as these states go: a pending cancel outranks a pending replace,
//! both outrank what has been executed, and fills go on under either until the venue has answered.

use tidegate_model::event::OrdStatus;
use tidegate_model::event::OrdStatus::{
    Canceled, Expired, Filled, New, PartiallyFilled, PendingCancel, PendingNew, PendingReplace,
    Rejected,
};

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrdEvent {
    /// The venue has it.
    Accept,
    /// The venue refuses it.
    Reject,
    /// Some of what was open is executed.
    PartialFill,
    /// All of what was open is executed.
    Fill,
    /// A cancel is sent.
    RequestCancel,
    /// It is canceled, asked for or not.
    Cancel,
    /// The venue refuses the cancel.
    RejectCancel,
    /// A replace is sent.
    RequestReplace,
    /// The venue has replaced it.
    Replace,
    /// The venue refuses the replace.
    RejectReplace,
    /// Its time ends.
    Expire,
}

impl OrdEvent {
    /// Every event, in the order of the table's columns.
    pub const ALL: [Self; 11] = [
        Self::Accept,
        Self::Reject,
        Self::PartialFill,
        Self::Fill,
        Self::RequestCancel,
        Self::Cancel,
        Self::RejectCancel,
        Self::RequestReplace,
        Self::Replace,
        Self::RejectReplace,
        Self::Expire,
    ];
}

/// What the status alone does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The venue has accepted it or executed some of it.
    pub acknowledged: bool,
    /// Some of it is executed.
    pub executed: bool,
    /// A replace is on its way.
    pub replacing: bool,
}

impl Standing {
    /// Where the order stands with no request under way but perhaps a replace.
    const fn resumed(self) -> OrdStatus {
        if self.replacing { PendingReplace } else { self.working() }
    }

    /// Where the order stands with no request under way.
    const fn working(self) -> OrdStatus {
        if self.executed {
            PartiallyFilled
        } else if self.acknowledged {
            New
        } else {
            PendingNew
        }
    }
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It cannot happen.
    Not,
    /// The new status.
    To(OrdStatus),
    /// The status stays.
    Stay,
    /// Back to where it stood before the cancel was sent.
    Resume,
    /// Back to where it stood before the replace was sent.
    Work,
    /// As `Stay`, but only before the venue's first answer.
    StayIfFirst,
    /// As `To(Rejected)`, but only before the venue's first answer.
    RejectIfFirst,
}

use Next::{Not, RejectIfFirst, Resume, Stay, StayIfFirst, To, Work};

/// The table. Rows are [`OrdStatus`] in wire order, columns [`OrdEvent`] in declared order.
#[rustfmt::skip]
const TABLE: [(OrdStatus, [Next; 11]); 9] = [
    //                 Accept       Reject         PartialFill          Fill        RequestCancel      Cancel        RejectCancel  RequestReplace      Replace  RejectReplace  Expire
    (New,             [Not,         Not,           To(PartiallyFilled), To(Filled), To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired)]),
    (PartiallyFilled, [Not,         Not,           Stay,                To(Filled), To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired)]),
    (Filled,          [Not,         Not,           Not,                 Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not]),
    (Canceled,        [Not,         Not,           Not,                 Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not]),
    (Rejected,        [Not,         Not,           Not,                 Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not]),
    (Expired,         [Not,         Not,           Not,                 Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not]),
    (PendingNew,      [To(New),     To(Rejected),  To(PartiallyFilled), To(Filled), To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired)]),
    (PendingCancel,   [StayIfFirst, RejectIfFirst, Stay,                To(Filled), Not,               To(Canceled), Resume,       Not,                Stay,    Stay,          To(Expired)]),
    (PendingReplace,  [StayIfFirst, RejectIfFirst, Stay,                To(Filled), To(PendingCancel), To(Canceled), Not,          Not,                Work,    Work,          To(Expired)]),
];

/// Where an order with `status` stands after `event`, or `None` if it cannot happen to it.
///
/// `standing` is the order's before the event. [`OrdEvent::Replace`] and [`OrdEvent::RejectReplace`]
/// cannot happen unless a replace is on its way.
#[inline]
pub fn next_status(status: OrdStatus, event: OrdEvent, standing: Standing) -> Option<OrdStatus> {
    let answers_replace = matches!(event, OrdEvent::Replace | OrdEvent::RejectReplace);
    if answers_replace && !standing.replacing {
        return None;
    }
    let (row, cells) = &TABLE[usize::from(status.wire()) - 1];
    debug_assert!(*row == status, "rows are in wire order");
    match cells[event as usize] {
        Not => None,
        To(next) => Some(next),
        Stay => Some(status),
        Resume => Some(standing.resumed()),
        Work => Some(standing.working()),
        StayIfFirst => (!standing.acknowledged).then_some(status),
        RejectIfFirst => (!standing.acknowledged).then_some(Rejected),
    }
}
