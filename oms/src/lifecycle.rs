//! What may happen to an order, and where it then stands: one table, in the words of FIX.
//!
//! The states are those of OrdStatus (tag 39), the transitions those of the "Order State Change Matrices"
//! of FIX 4.4 and 5.0 (volume 4, appendix D). An order that is in several states at once shows the one that goes before:
//! pending cancel, pending replace, done for day, filled, canceled or expired, partially filled, new. So an order that is
//! filled under a pending cancel stays pending cancel, with nothing left, until the cancel is refused (matrix B.1.c).
//!
//! Where the appendix leaves a choice: a filled order is not replaced to more (C.1.c refuses), and of two requests under
//! way the second is refused (D.2.d), but for a cancel, which may follow a replace. A canceled order stays canceled, whatever
//! its venue reports late (J.1.b). Not here, since no venue of ours does them: Stopped, Suspended, Calculated, Accepted for
//! bidding.

use tidegate_model::event::OrdStatus;
use tidegate_model::event::OrdStatus::{
    Canceled, DoneForDay, Expired, Filled, New, PartiallyFilled, PendingApproval, PendingCancel,
    PendingNew, PendingReplace, Rejected,
};

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrdEvent {
    /// The venue has it; or the engine, of an order that waits there.
    Accept,
    /// The venue refuses it.
    Reject,
    /// Some or all of what was open is executed; of a canceled order, an execution that the venue reports late.
    Trade,
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
    /// Its stop price is reached.
    Trigger,
    /// Its quantity is changed unasked; of one that is done for the day: the next day begins.
    Restate,
    /// Nothing more is executed today.
    EndOfDay,
    /// An execution is taken back.
    TradeCancel,
    /// An execution is put right.
    TradeCorrect,
}

impl OrdEvent {
    /// Every event, in the order of the table's columns.
    pub const ALL: [Self; 15] = [
        Self::Accept,
        Self::Reject,
        Self::Trade,
        Self::RequestCancel,
        Self::Cancel,
        Self::RejectCancel,
        Self::RequestReplace,
        Self::Replace,
        Self::RejectReplace,
        Self::Expire,
        Self::Trigger,
        Self::Restate,
        Self::EndOfDay,
        Self::TradeCancel,
        Self::TradeCorrect,
    ];
}

/// What the status alone does not tell: requests as before the event, quantities as after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// It was accepted, or something of it was executed, before.
    pub acknowledged: bool,
    /// Some of it is executed.
    pub executed: bool,
    /// All of it is executed.
    pub filled: bool,
    /// A replace was on its way.
    pub replacing: bool,
}

impl Standing {
    /// Where the order stands with no request under way but perhaps a replace.
    const fn resumed(self) -> OrdStatus {
        if self.replacing { PendingReplace } else { self.working() }
    }

    /// Where the order stands with no request under way.
    const fn working(self) -> OrdStatus {
        if self.filled {
            Filled
        } else if self.executed {
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
    /// Where it stands by its quantities.
    Work,
    /// As `Stay`, but only before the first answer.
    StayIfFirst,
    /// As `To(Rejected)`, but only while nothing is executed.
    RejectIfWhole,
}

use Next::{Not, RejectIfWhole, Resume, Stay, StayIfFirst, To, Work};

const COLUMNS: usize = OrdEvent::ALL.len();

/// The table. Rows are [`OrdStatus`] in wire order, columns [`OrdEvent`] in declared order.
#[rustfmt::skip]
const TABLE: [(OrdStatus, [Next; COLUMNS]); 11] = [
    //                 Accept       Reject         Trade       RequestCancel      Cancel        RejectCancel  RequestReplace      Replace  RejectReplace  Expire       Trigger  Restate  EndOfDay        TradeCancel  TradeCorrect
    (New,             [Not,         RejectIfWhole, Work,       To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired), Stay,    Work,    To(DoneForDay), Not,         Not]),
    (PartiallyFilled, [Not,         Not,           Work,       To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired), Not,     Work,    To(DoneForDay), Work,        Work]),
    (Filled,          [Not,         Not,           Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not,         Not,     Not,     Not,            Work,        Work]),
    (Canceled,        [Not,         Not,           Stay,       Not,               Not,          Not,          Not,                Not,     Not,           Not,         Not,     Not,     Not,            Stay,        Stay]),
    (Rejected,        [Not,         Not,           Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not,         Not,     Not,     Not,            Not,         Not]),
    (Expired,         [Not,         Not,           Stay,       Not,               Not,          Not,          Not,                Not,     Not,           Not,         Not,     Not,     Not,            Stay,        Stay]),
    (PendingNew,      [To(New),     RejectIfWhole, Work,       To(PendingCancel), To(Canceled), Not,          To(PendingReplace), Not,     Not,           To(Expired), Not,     Work,    Not,            Not,         Not]),
    (PendingCancel,   [StayIfFirst, RejectIfWhole, Stay,       Not,               To(Canceled), Resume,       Not,                Stay,    Stay,          To(Expired), Stay,    Stay,    Not,            Stay,        Stay]),
    (PendingReplace,  [StayIfFirst, RejectIfWhole, Stay,       To(PendingCancel), To(Canceled), Not,          Not,                Work,    Work,          To(Expired), Stay,    Stay,    Not,            Stay,        Stay]),
    (DoneForDay,      [Not,         Not,           Not,        Not,               To(Canceled), Not,          Not,                Not,     Not,           To(Expired), Not,     Work,    Not,            Stay,        Stay]),
    // The order store never has it: it gets the order when a person has approved it.
    (PendingApproval, [Not,         Not,           Not,        Not,               Not,          Not,          Not,                Not,     Not,           Not,         Not,     Not,     Not,            Not,         Not]),
];

/// Where an order with `status` stands after `event`, or `None` if it cannot happen to it.
///
/// Beside the table: the answer to a replace cannot come unless one is on its way; an order of which all is executed,
/// though a request hides it, is not canceled any more and takes no further request; and only what was accepted and not
/// executed is triggered.
#[inline]
pub fn next_status(status: OrdStatus, event: OrdEvent, standing: Standing) -> Option<OrdStatus> {
    use OrdEvent::{
        Cancel, Expire, RejectReplace, Replace, RequestCancel, RequestReplace, Trigger,
    };
    let possible = match event {
        Replace | RejectReplace => standing.replacing,
        Cancel | Expire | RequestCancel | RequestReplace => !standing.filled,
        Trigger => standing.acknowledged && !standing.executed,
        _ => true,
    };
    if !possible {
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
        RejectIfWhole => (!standing.executed).then_some(Rejected),
    }
}
