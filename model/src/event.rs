//! What the engine says, in one record of 256 bytes: a head and a body whose type the head names.
//!
//! ```text
//! offset  size  field       unit
//!      0     8  seq         the input that caused it
//!      8     4  ordinal     its place among the events of that input, from 0
//!     12     1  kind        EventKind
//!     13     1  flags       FLAG_LAST_OF_INPUT or 0
//!     14     2  strategy    whose order it tells of, or 0
//!     16     8  ts          the engine's time, UTC nanoseconds
//!     24     8  request_id  the request it answers, or 0
//!     32     4  principal   whose request
//!     36     4  session     by which connection
//!     40     4  account     or AccountId::NONE
//!     44     4  instrument  or InstrumentId::NONE
//!     48   208  body        Execution, Position, ... ; zero-padded
//! ```

use crate::command::{
    GrantLocate, KillSwitch, OrderType, Reason, SetControl, SetFactors, SetGroup, SetLimits,
    SetListed, SetPrincipal, SetTickTable,
};
use crate::ids::{
    AccountId, ClientOrderId, Code, ExecId, InstrumentId, OrderId, PrincipalId, SessionId,
    StrategyId,
};
use crate::instrument::Instrument;
use crate::reject::{Reject, RejectReason};
use crate::scope::{Scope, ScopeKind};
use crate::units::{Lots, Money, SeqNo, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What an [`EventRecord`] tells.
    EventKind {
        /// An order changed: [`Execution`] (FIX 8).
        Execution = 1 => "execution",
        /// A cancel or replace was refused: [`Execution`] of the order as it stands, with the reason (FIX 9).
        CancelReject = 2 => "cancel_reject",
        /// A position changed: [`Position`].
        Position = 3 => "position",
        /// An account's cash changed: [`Account`].
        Account = 4 => "account",
        /// An instrument was defined: [`Instrument`].
        Instrument = 5 => "instrument",
        /// An account's limits were set: [`SetLimits`].
        Limits = 6 => "limits",
        /// An administrative command was done or refused: [`Ack`].
        Ack = 7 => "ack",
        /// Cash was booked that no execution and no transfer moved: [`Posting`].
        Posting = 9 => "posting",
        /// What an account is worth: [`Equity`].
        Equity = 10 => "equity",
        /// The tick table of an instrument was set: [`SetTickTable`].
        TickTable = 15 => "tick_table",
        /// A list of orders was taken or refused, or has ended: [`ListStatus`] (FIX N).
        ListStatus = 16 => "list_status",
        /// A market of the house stepped to another phase: [`PhaseChange`].
        Phase = 20 => "phase",
        /// The link to a venue changed: [`RouteState`].
        RouteState = 25 => "route_state",
        /// Here and a venue do not agree: [`RouteDifference`].
        RouteDifference = 26 => "route_difference",
        /// A principal is known, or may something else: [`SetPrincipal`].
        Principal = 30 => "principal",
        /// A control is in force, or was taken away: [`SetControl`].
        Control = 31 => "control",
        /// The group of a member was set: [`SetGroup`].
        Group = 32 => "group",
        /// An instrument was put on a list, or taken off: [`SetListed`].
        Listed = 33 => "listed",
        /// The factors of an instrument were set: [`SetFactors`].
        Factors = 34 => "factors",
        /// What may be sold short was set: [`GrantLocate`].
        Locate = 35 => "locate",
        /// A proposal was made, decided or lapsed: [`Proposal`].
        Proposal = 36 => "proposal",
        /// What one control says of an order that was not sent: [`Verdict`].
        Verdict = 37 => "verdict",
        /// A control stopped a scope, or lets it go on: [`Tripped`].
        Tripped = 38 => "tripped",
        /// A kill switch was engaged or released: [`KillSwitch`]. (Versions that knew two scopes only told of it as 8.)
        KillSwitch = 39 => "kill_switch",
    }
);

wire_enum!(
    /// Why an execution report was sent (FIX tag 150).
    ExecType {
        /// The venue has the order.
        New = 1 => "new",
        /// Some of it, or the last of it, was executed.
        Trade = 2 => "trade",
        /// It was canceled.
        Canceled = 3 => "canceled",
        /// Price or quantity changed.
        Replaced = 4 => "replaced",
        /// It was refused.
        Rejected = 5 => "rejected",
        /// Its time ended.
        Expired = 6 => "expired",
        /// It passed the gate and is on its way to the venue.
        PendingNew = 7 => "pending_new",
        /// A cancel is on its way to the venue.
        PendingCancel = 8 => "pending_cancel",
        /// A replace is on its way to the venue.
        PendingReplace = 9 => "pending_replace",
        /// Its stop price was reached, and it goes to the venue (FIX `L`).
        Triggered = 10 => "triggered",
        /// The engine changed its quantity, or renewed it for another day, unasked.
        Restated = 11 => "restated",
        /// Nothing more will be executed today.
        DoneForDay = 12 => "done_for_day",
        /// One of its executions was taken back.
        TradeCancel = 13 => "trade_cancel",
        /// One of its executions was put right.
        TradeCorrect = 14 => "trade_correct",
        /// Nothing happened to it: this is how it stands (FIX `I`).
        OrderStatus = 15 => "order_status",
        /// It waits until a person approves it: [`Proposal`].
        PendingApproval = 16 => "pending_approval",
    }
);

wire_enum!(
    /// Where an order stands (FIX tag 39).
    OrdStatus {
        /// At the venue, nothing executed.
        New = 1 => "new",
        /// At the venue, some executed.
        PartiallyFilled = 2 => "partially_filled",
        /// All executed.
        Filled = 3 => "filled",
        /// Canceled.
        Canceled = 4 => "canceled",
        /// Refused.
        Rejected = 5 => "rejected",
        /// Its time ended.
        Expired = 6 => "expired",
        /// On its way to the venue.
        PendingNew = 7 => "pending_new",
        /// A cancel is under way.
        PendingCancel = 8 => "pending_cancel",
        /// A replace is under way.
        PendingReplace = 9 => "pending_replace",
        /// Open, but nothing more will be executed today.
        DoneForDay = 10 => "done_for_day",
        /// It waits until a person approves it; it has no number yet.
        PendingApproval = 11 => "pending_approval",
    }
);

impl OrdStatus {
    /// True if nothing can happen to the order any more.
    #[inline]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Expired)
    }
}

wire_enum!(
    /// Which side of a trade an order was on (FIX tag 851).
    Liquidity {
        /// It rested.
        Maker = 1 => "maker",
        /// It took.
        Taker = 2 => "taker",
        /// It traded in an auction, where nobody rests and nobody takes.
        Auction = 4 => "auction",
    }
);

wire_enum!(
    /// Why an order was canceled without being refused.
    CancelReason {
        /// Its owner asked.
        User = 1 => "user",
        /// The rest of an immediate-or-cancel order.
        Ioc = 2 => "ioc",
        /// A fill-or-kill order that could not be filled.
        Fok = 3 => "fok",
        /// A market order met an empty book.
        NoLiquidity = 4 => "no_liquidity",
        /// A kill switch was engaged.
        KillSwitch = 5 => "kill_switch",
        /// Its session closed.
        Disconnect = 6 => "disconnect",
        /// An operator's mass cancel.
        MassCancel = 7 => "mass_cancel",
        /// An execution could not be booked: price and quantity pass the engine's integers.
        CannotBook = 8 => "cannot_book",
        /// An immediate order whose minimum quantity was not to be had.
        MinQty = 9 => "min_qty",
        /// It would have traded with an order of its own account.
        SelfTrade = 10 => "self_trade",
        /// Its time in force ended.
        Expired = 11 => "expired",
        /// It would have traded outside the price band.
        PriceBand = 12 => "price_band",
        /// It was filled, and an execution of it was taken back.
        TradeBust = 16 => "trade_bust",
        /// The venue that it was routed to does not know it.
        LostAtVenue = 30 => "lost_at_venue",
        /// The venue that it was routed to canceled it by itself.
        AtVenue = 31 => "at_venue",
        /// What another order of its list did.
        Contingent = 32 => "contingent",
        /// A table of the engine was full when it came to its turn.
        Capacity = 33 => "capacity",
        /// The children of a parent order were refused again and again.
        ChildrenRefused = 34 => "children_refused",
        /// Positions are being closed.
        Flatten = 35 => "flatten",
        /// What became of its parent order, or makes way for the next child.
        Parent = 36 => "parent",
        /// A control was met by what happened: a loss, the market's volatility.
        Control = 37 => "control",
    }
);

/// One order as it stands after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Execution {
    /// Sum of price x quantity over all executions, in ticks x lots. AvgPx is this over `cum_qty`.
    pub cum_ticks_lots: i128,
    /// The fee of this execution; negative is a rebate.
    pub fee: Money,
    /// The limit that refused it, in the unit that `reject_reason` names.
    pub reject_limit: i128,
    /// The value that was refused.
    pub reject_value: i128,
    /// The client's name for the order.
    pub client_order_id: ClientOrderId,
    /// The engine's number for the order; 0 if it was refused before it got one.
    pub order_id: OrderId,
    /// OrderQty.
    pub qty: Lots,
    /// CumQty.
    pub cum_qty: Lots,
    /// LeavesQty.
    pub leaves_qty: Lots,
    /// LastQty: executed, or canceled, by this event.
    pub last_qty: Lots,
    /// LastPx of an execution. As an order that waits for its stop price is entered or gets new terms, that price:
    /// [`Self::stop_price`].
    pub last_price: Ticks,
    /// Limit price; 0 for market orders.
    pub price: Ticks,
    /// Why: the sequence number of the market event that caused the fill, or 0.
    pub cause_seq: SeqNo,
    /// An [`ExecType`] on the wire.
    pub exec_type: u8,
    /// An [`OrdStatus`] on the wire.
    pub ord_status: u8,
    /// A [`crate::Side`] on the wire.
    pub side: u8,
    /// A [`crate::command::OrderType`] on the wire.
    pub order_type: u8,
    /// A [`crate::command::TimeInForce`] on the wire.
    pub time_in_force: u8,
    /// A [`Liquidity`] on the wire, or 0.
    pub liquidity: u8,
    /// A [`RejectReason`] on the wire, or 0.
    pub reject_reason: u8,
    /// A [`CancelReason`] on the wire, or 0.
    pub cancel_reason: u8,
    /// Lots displayed ahead in the queue when the order came to rest.
    pub queue_ahead_at_entry: Lots,
    /// The number of the execution that this event tells; 0 if it tells none.
    pub exec_id: ExecId,
    /// The order that this one belongs to: the first of its list, the algorithm whose child it is; 0 if it stands alone.
    pub parent_id: OrderId,
    /// Of a fill on paper: what [`Self::queue_ahead_at_fill`] and [`Self::impact`] tell, 2^32 - 1 if it is more.
    pub fill_detail: u32,
    /// Of a fill on paper: a [`crate::command::FillModelKind`] on the wire. 0 elsewhere.
    pub fill_model: u8,
    /// What kind of market event `cause_seq` names: a [`crate::market::MarketEventKind`] on the wire; 0 if it names none.
    pub cause_kind: u8,
    /// Whose limit refused it: a [`ScopeKind`] on the wire; 0 if no control did.
    pub reject_scope: u8,
    /// Zero.
    pub reserved: u8,
}

/// A position of one account in one instrument after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Position {
    /// What the open position cost (above 0 long, below 0 short), in money.
    pub cost: Money,
    /// Realised profit and loss before fees since the account opened.
    pub realised: Money,
    /// Fees paid since the account opened; negative is rebates.
    pub fees: Money,
    /// Lots held; below 0 is short.
    pub qty: i64,
    /// Lots bought since the account opened.
    pub bought: Lots,
    /// Lots sold since the account opened.
    pub sold: Lots,
    /// Zero.
    pub reserved: [u8; 8],
}

crate::saved_as_bytes!(Position);

/// An account's cash in one currency after an event. In each currency, with the positions paid for in it:
/// cash + cost of positions = deposits + realised + dividends - fees - borrow + conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Account {
    /// Cash.
    pub cash: Money,
    /// Deposits less withdrawals.
    pub deposits: Money,
    /// Realised profit and loss over all instruments, before fees.
    pub realised: Money,
    /// Fees over all instruments.
    pub fees: Money,
    /// The currency of all of them.
    pub currency: Code,
    /// The account's base currency; empty in logs of versions that knew only one.
    pub base: Code,
    /// Dividends received, less those paid on short positions.
    pub dividends: Money,
    /// Paid for what was borrowed.
    pub borrow: Money,
    /// Received from other currencies, less what was given for them.
    pub conversions: Money,
}

crate::saved_as_bytes!(Account);

wire_enum!(
    /// What moved cash in a [`Posting`].
    PostingKind {
        /// A conversion between two currencies of the account; there is one for each of them.
        Conversion = 1 => "conversion",
        /// A cash dividend: received by who is long, paid by who is short.
        Dividend = 2 => "dividend",
        /// For the fraction of a lot that a split left: received by who is long, paid by who is short.
        CashInLieu = 3 => "cash_in_lieu",
        /// What a position that is settled daily made or lost since it was settled before (variation margin).
        Settlement = 4 => "settlement",
        /// The cost of what is borrowed to be short.
        Borrow = 5 => "borrow",
    }
);

/// Cash that no execution and no transfer moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Posting {
    /// What was added to cash; below 0 it was taken.
    pub amount: Money,
    /// The currency of the amount.
    pub currency: Code,
    /// Lots held that it was reckoned on, below 0 short; or 0.
    pub qty: i64,
    /// The price that it was reckoned at, in ticks; or 0.
    pub price: Ticks,
    /// A [`PostingKind`] on the wire.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// What an account is worth, in its base currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Equity {
    /// Cash of all currencies and all positions at their marks.
    pub equity: Money,
    /// The part of it that is profit and loss of open positions.
    pub unrealised: Money,
    /// The base currency.
    pub currency: Code,
    /// Positions that count at their cost because there is no mark.
    pub unmarked: u32,
    /// Zero.
    pub reserved: [u8; 4],
    /// Of a margin account, what opening its positions would take now; 0 of a cash account.
    pub initial_margin: Money,
    /// Of a margin account, what keeping them takes; 0 of a cash account.
    pub maintenance_margin: Money,
    /// Equity less the maintenance margin: below 0 the account must come up with as much.
    pub excess_liquidity: Money,
}

/// How a route stands after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RouteState {
    /// Open orders that left on it, or wait to.
    pub open_orders: u32,
    /// Those of them whose last request has no known outcome.
    pub unsure_orders: u32,
    /// The route.
    pub route: u8,
    /// A [`crate::command::RouteLink`] on the wire.
    pub link: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

wire_enum!(
    /// What differs between here and a venue, and the rule that settles it.
    RouteDifferenceKind {
        /// The venue has an open order that did not come from here: shown; canceled where the route is configured so.
        ForeignOrder = 1 => "foreign_order",
        /// The venue does not know an order that is open here: canceled here.
        LostOrder = 2 => "lost_order",
        /// The venue has an order open that has ended here: canceled there.
        LateOrder = 3 => "late_order",
        /// The venue gave an order other terms, unasked: taken over.
        Terms = 4 => "terms",
        /// The venue told an execution that cannot be booked: shown; the instrument is blocked.
        Execution = 5 => "execution",
        /// The positions differ: shown; the instrument is blocked until an operator confirms, which is shown as settled.
        Position = 6 => "position",
        /// The venue tells of two orders that one request made: shown; the instrument is blocked.
        SecondOrder = 7 => "second_order",
    }
);

/// Here and a venue do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct RouteDifference {
    /// The engine's number of the order, or 0.
    pub order_id: OrderId,
    /// The venue's number of the order, or 0.
    pub venue_order_id: u64,
    /// Lots here: of the position, executed, or ordered.
    pub here: i64,
    /// Lots there.
    pub there: i64,
    /// The route.
    pub route: u8,
    /// A [`RouteDifferenceKind`] on the wire.
    pub kind: u8,
    /// 1 if the rule has settled it, 0 if somebody has to.
    pub settled: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

wire_enum!(
    /// Why a market of the house stepped to another phase.
    PhaseCause {
        /// It was asked to: by an operator, or by the instrument's calendar.
        Command = 1 => "command",
        /// A trade, or the price of an auction, would have been outside the price bands.
        PriceBand = 2 => "price_band",
        /// The pause that a price band brought is over.
        Reopening = 3 => "reopening",
    }
);

/// A market of the house is in another phase, or stays in a halt for longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PhaseChange {
    /// When the market reopens by itself; 0 if it does not.
    pub reopen_at: UnixNanos,
    /// The price of its last trade; 0 before the first.
    pub last_price: Ticks,
    /// The phase it is in: a [`crate::command::Phase`] on the wire.
    pub phase: u8,
    /// The phase before.
    pub before: u8,
    /// A [`PhaseCause`] on the wire.
    pub cause: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

/// The answer to an administrative command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Ack {
    /// The limit that refused it.
    pub reject_limit: i128,
    /// The value that was refused.
    pub reject_value: i128,
    /// What the command says it returns: orders canceled, the instrument's id.
    pub value: u64,
    /// The [`crate::command::CommandKind`] that is answered.
    pub command_kind: u8,
    /// A [`RejectReason`] on the wire, or 0 if it was done.
    pub reject_reason: u8,
    /// Whose limit refused it: a [`ScopeKind`] on the wire; 0 if no control did.
    pub reject_scope: u8,
    /// Zero.
    pub reserved: [u8; 5],
}

wire_enum!(
    /// Where a proposal stands.
    ProposalStatus {
        /// It waits for a person.
        Pending = 1 => "pending",
        /// It was approved, and carried out; what carried it out may still have been refused, which is told beside it.
        Approved = 2 => "approved",
        /// It was refused.
        Refused = 3 => "refused",
        /// Nobody decided in time.
        Lapsed = 4 => "lapsed",
        /// Whoever asked took it back, or asked for something else in its place.
        Withdrawn = 5 => "withdrawn",
    }
);

/// Something that waits for a second person, or no longer does. The event's head names who asked, or who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Proposal {
    /// Its number, from 1, never reused.
    pub number: u64,
    /// The hash of what was asked for, which the decision repeats.
    pub hash: u64,
    /// When it lapses.
    pub lapses_at: UnixNanos,
    /// Who asked.
    pub proposer: PrincipalId,
    /// Who decided; 0 while nobody has.
    pub decider: PrincipalId,
    /// The [`crate::command::CommandKind`] of what was asked for.
    pub command_kind: u8,
    /// A [`ProposalStatus`] on the wire.
    pub status: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// The body of what was asked for.
    pub body: [u8; 128],
}

/// What one control of one scope says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Verdict {
    /// The limit in force.
    pub limit: i128,
    /// What the order would make of what is counted, in the same unit.
    pub value: i128,
    /// Whose limit.
    pub scope: Scope,
    /// The [`RejectReason`] that it would give, on the wire.
    pub reason: u8,
    /// 1 if the order passes it, 0 if it would be refused.
    pub passes: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A control stopped a scope by what happened, or lets it go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Tripped {
    /// The limit in force.
    pub limit: i128,
    /// What met it.
    pub value: i128,
    /// Until when it holds; 0: until somebody enables the scope, or the day ends.
    pub until: UnixNanos,
    /// Whom it stopped.
    pub scope: Scope,
    /// A [`crate::command::ControlKind`] on the wire.
    pub control: u8,
    /// A [`crate::command::Action`] on the wire: what it does.
    pub action: u8,
    /// 1 if it stops, 0 if the scope goes on.
    pub stopped: u8,
    /// Zero.
    pub reserved: [u8; 13],
    /// Of a scope that goes on: why, in the words of whoever enabled it.
    pub reason: Reason,
}

crate::saved_as_bytes!(Tripped);

wire_enum!(
    /// Where a list of orders stands (FIX tag 431).
    ListOrderStatus {
        /// Every leg passed the gate, and the list is at work.
        Executing = 3 => "executing",
        /// Every leg is at its end.
        AllDone = 6 => "all_done",
        /// It was refused, and none of its legs is kept.
        Reject = 7 => "reject",
    }
);

/// A list of orders as it stands after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ListStatus {
    /// The limit that refused it.
    pub reject_limit: i128,
    /// The value that was refused.
    pub reject_value: i128,
    /// The number of its first leg, which every leg's [`Execution::parent_id`] repeats; 0 if it was refused.
    pub first_order_id: OrderId,
    /// The session's own number for it.
    pub list_id: u32,
    /// A [`crate::command::Contingency`] on the wire, as sent.
    pub contingency: u8,
    /// How many legs it has, as sent.
    pub leg_count: u8,
    /// A [`ListOrderStatus`] on the wire.
    pub status: u8,
    /// A [`RejectReason`] on the wire, or 0.
    pub reject_reason: u8,
    /// Zero.
    pub reserved: [u8; 16],
}

impl ListStatus {
    /// The refusal this report carries, if it is one.
    pub fn reject(&self) -> Option<Reject> {
        RejectReason::from_wire(self.reject_reason)
            .map(|reason| Reject::new(reason, self.reject_limit, self.reject_value))
    }
}

/// No later event belongs to the same input: all that it did has been told.
pub const FLAG_LAST_OF_INPUT: u8 = 1;

/// An event as it travels; the layout is in the head of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct EventRecord {
    /// The input that caused it.
    pub seq: SeqNo,
    /// Its place among the events of that input.
    pub ordinal: u32,
    /// An [`EventKind`] on the wire.
    pub kind: u8,
    /// [`FLAG_LAST_OF_INPUT`], or 0.
    pub flags: u8,
    /// The strategy whose order it tells of, or 0.
    pub strategy: StrategyId,
    /// The engine's time.
    pub ts: UnixNanos,
    /// The request it answers, or 0.
    pub request_id: u64,
    /// Whose request.
    pub principal: PrincipalId,
    /// By which connection.
    pub session: SessionId,
    /// The account, or [`AccountId::NONE`].
    pub account: AccountId,
    /// The instrument, or [`InstrumentId::NONE`].
    pub instrument: InstrumentId,
    /// The body's bytes.
    pub body: [u8; 208],
}

crate::saved_as_bytes!(EventRecord);

const _: () = assert!(size_of::<EventRecord>() == 256);
const _: () = assert!(size_of::<Execution>() == 208);

/// An event as one matches on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// See [`EventKind::Execution`].
    Execution(Execution),
    /// See [`EventKind::CancelReject`].
    CancelReject(Execution),
    /// See [`EventKind::Position`].
    Position(Position),
    /// See [`EventKind::Account`].
    Account(Account),
    /// See [`EventKind::Instrument`].
    Instrument(Instrument),
    /// See [`EventKind::Limits`].
    Limits(SetLimits),
    /// See [`EventKind::Ack`].
    Ack(Ack),
    /// See [`EventKind::KillSwitch`].
    KillSwitch(KillSwitch),
    /// See [`EventKind::Posting`].
    Posting(Posting),
    /// See [`EventKind::Equity`].
    Equity(Equity),
    /// See [`EventKind::TickTable`].
    TickTable(SetTickTable),
    /// See [`EventKind::ListStatus`].
    ListStatus(ListStatus),
    /// See [`EventKind::RouteState`].
    RouteState(RouteState),
    /// See [`EventKind::RouteDifference`].
    RouteDifference(RouteDifference),
    /// See [`EventKind::Phase`].
    Phase(PhaseChange),
    /// See [`EventKind::Principal`].
    Principal(SetPrincipal),
    /// See [`EventKind::Control`].
    Control(SetControl),
    /// See [`EventKind::Group`].
    Group(SetGroup),
    /// See [`EventKind::Listed`].
    Listed(SetListed),
    /// See [`EventKind::Factors`].
    Factors(SetFactors),
    /// See [`EventKind::Locate`].
    Locate(GrantLocate),
    /// See [`EventKind::Proposal`].
    Proposal(Proposal),
    /// See [`EventKind::Verdict`].
    Verdict(Verdict),
    /// See [`EventKind::Tripped`].
    Tripped(Tripped),
}

impl Event {
    /// The event's kind.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Execution(_) => EventKind::Execution,
            Self::CancelReject(_) => EventKind::CancelReject,
            Self::Position(_) => EventKind::Position,
            Self::Account(_) => EventKind::Account,
            Self::Instrument(_) => EventKind::Instrument,
            Self::Limits(_) => EventKind::Limits,
            Self::Ack(_) => EventKind::Ack,
            Self::KillSwitch(_) => EventKind::KillSwitch,
            Self::Posting(_) => EventKind::Posting,
            Self::Equity(_) => EventKind::Equity,
            Self::TickTable(_) => EventKind::TickTable,
            Self::ListStatus(_) => EventKind::ListStatus,
            Self::RouteState(_) => EventKind::RouteState,
            Self::RouteDifference(_) => EventKind::RouteDifference,
            Self::Phase(_) => EventKind::Phase,
            Self::Principal(_) => EventKind::Principal,
            Self::Control(_) => EventKind::Control,
            Self::Group(_) => EventKind::Group,
            Self::Listed(_) => EventKind::Listed,
            Self::Factors(_) => EventKind::Factors,
            Self::Locate(_) => EventKind::Locate,
            Self::Proposal(_) => EventKind::Proposal,
            Self::Verdict(_) => EventKind::Verdict,
            Self::Tripped(_) => EventKind::Tripped,
        }
    }
}

impl EventRecord {
    /// Frames `event`; the head is the caller's to fill. Inlined, so that nobody asks which event it is where that is known.
    #[inline(always)]
    pub fn new(event: &Event) -> Self {
        let body = match event {
            // The one that is sent for each order fills the body: nothing is zeroed first.
            Event::Execution(body) | Event::CancelReject(body) => bytemuck::cast(*body),
            Event::Position(body) => padded(bytemuck::bytes_of(body)),
            Event::Account(body) => padded(bytemuck::bytes_of(body)),
            Event::Instrument(body) => padded(bytemuck::bytes_of(body)),
            Event::Limits(body) => padded(bytemuck::bytes_of(body)),
            Event::Ack(body) => padded(bytemuck::bytes_of(body)),
            Event::KillSwitch(body) => padded(bytemuck::bytes_of(body)),
            Event::Posting(body) => padded(bytemuck::bytes_of(body)),
            Event::Equity(body) => padded(bytemuck::bytes_of(body)),
            Event::TickTable(body) => padded(bytemuck::bytes_of(body)),
            Event::ListStatus(body) => padded(bytemuck::bytes_of(body)),
            Event::RouteState(body) => padded(bytemuck::bytes_of(body)),
            Event::RouteDifference(body) => padded(bytemuck::bytes_of(body)),
            Event::Phase(body) => padded(bytemuck::bytes_of(body)),
            Event::Principal(body) => padded(bytemuck::bytes_of(body)),
            Event::Control(body) => padded(bytemuck::bytes_of(body)),
            Event::Group(body) => padded(bytemuck::bytes_of(body)),
            Event::Listed(body) => padded(bytemuck::bytes_of(body)),
            Event::Factors(body) => padded(bytemuck::bytes_of(body)),
            Event::Locate(body) => padded(bytemuck::bytes_of(body)),
            Event::Proposal(body) => padded(bytemuck::bytes_of(body)),
            Event::Verdict(body) => padded(bytemuck::bytes_of(body)),
            Event::Tripped(body) => padded(bytemuck::bytes_of(body)),
        };
        Self {
            seq: SeqNo::ZERO,
            ordinal: 0,
            kind: event.kind().wire(),
            flags: 0,
            strategy: StrategyId::NONE,
            ts: UnixNanos::ZERO,
            request_id: 0,
            principal: PrincipalId(0),
            session: SessionId(0),
            account: AccountId::NONE,
            instrument: InstrumentId::NONE,
            body,
        }
    }

    /// True if no later event belongs to the same input.
    #[inline]
    pub const fn is_last_of_input(&self) -> bool {
        self.flags & FLAG_LAST_OF_INPUT != 0
    }

    fn body<T: Pod>(&self) -> T {
        bytemuck::pod_read_unaligned(&self.body[..size_of::<T>()])
    }

    /// The event inside, or `None` if its kind is not assigned.
    #[inline]
    pub fn event(&self) -> Option<Event> {
        Some(match EventKind::from_wire(self.kind)? {
            EventKind::Execution => Event::Execution(self.body()),
            EventKind::CancelReject => Event::CancelReject(self.body()),
            EventKind::Position => Event::Position(self.body()),
            EventKind::Account => Event::Account(self.body()),
            EventKind::Instrument => Event::Instrument(self.body()),
            EventKind::Limits => Event::Limits(self.body()),
            EventKind::Ack => Event::Ack(self.body()),
            EventKind::KillSwitch => Event::KillSwitch(self.body()),
            EventKind::Posting => Event::Posting(self.body()),
            EventKind::Equity => Event::Equity(self.body()),
            EventKind::TickTable => Event::TickTable(self.body()),
            EventKind::ListStatus => Event::ListStatus(self.body()),
            EventKind::RouteState => Event::RouteState(self.body()),
            EventKind::RouteDifference => Event::RouteDifference(self.body()),
            EventKind::Phase => Event::Phase(self.body()),
            EventKind::Principal => Event::Principal(self.body()),
            EventKind::Control => Event::Control(self.body()),
            EventKind::Group => Event::Group(self.body()),
            EventKind::Listed => Event::Listed(self.body()),
            EventKind::Factors => Event::Factors(self.body()),
            EventKind::Locate => Event::Locate(self.body()),
            EventKind::Proposal => Event::Proposal(self.body()),
            EventKind::Verdict => Event::Verdict(self.body()),
            EventKind::Tripped => Event::Tripped(self.body()),
        })
    }
}

#[inline]
fn padded(bytes: &[u8]) -> [u8; 208] {
    let mut body = [0; 208];
    body[..bytes.len()].copy_from_slice(bytes);
    body
}

impl Execution {
    /// Of a fill at rest on paper: lots displayed ahead when it happened, as [`Self::fill_model`] reckons. Above 0, the market
    /// went through the order's price. 0 elsewhere.
    pub const fn queue_ahead_at_fill(&self) -> Lots {
        let rested = self.liquidity == Liquidity::Maker.wire();
        Lots(if rested { self.fill_detail as u64 } else { 0 })
    }

    /// Of a fill that took on paper: ticks of [`Self::last_price`] that are the impact of our own taking. 0 elsewhere.
    pub const fn impact(&self) -> Ticks {
        let took = self.liquidity == Liquidity::Taker.wire();
        Ticks(if took { self.fill_detail as i64 } else { 0 })
    }

    /// StopPx, in the events that tell it: an order that waits for its stop price is entered, or gets new terms. One that trails
    /// the market tells none, for it moves with each trade.
    pub fn stop_price(&self) -> Option<Ticks> {
        let told = [ExecType::New, ExecType::PendingNew, ExecType::Replaced];
        let is_told = told.iter().any(|exec_type| self.exec_type == exec_type.wire());
        let waits = OrderType::from_wire(self.order_type).is_some_and(OrderType::waits);
        Some(self.last_price).filter(|stop| is_told && waits && *stop != Ticks::ZERO)
    }

    /// The refusal this report carries, if it is one.
    pub fn reject(&self) -> Option<Reject> {
        RejectReason::from_wire(self.reject_reason).map(|reason| Reject {
            scope: ScopeKind::from_wire(self.reject_scope),
            ..Reject::new(reason, self.reject_limit, self.reject_value)
        })
    }
}

impl Ack {
    /// The refusal this answer carries, if it is one.
    pub fn reject(&self) -> Option<Reject> {
        RejectReason::from_wire(self.reject_reason).map(|reason| Reject {
            scope: ScopeKind::from_wire(self.reject_scope),
            ..Reject::new(reason, self.reject_limit, self.reject_value)
        })
    }
}
