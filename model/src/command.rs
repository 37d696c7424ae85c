//! What asks the engine for something: orders, administration, time. One record of 160 bytes, a head and a
//! body whose type the head names.
//!
//! ```text
//! offset  size  field         unit
//!      0     1  kind          CommandKind
//!      1     7  reserved      zero
//!      8     8  ts_recv       time the engine's host received it, UTC nanoseconds
//!     16     8  request_id    the session's own number, given back in the answer
//!     24     4  principal     who asks
//!     28     4  session       by which connection
//!     32   128  body          NewOrder, CancelOrder, ... ; zero-padded
//! ```

use crate::ids::{AccountId, ClientOrderId, Code, InstrumentId, OrderId, PrincipalId, SessionId};
use crate::instrument::Instrument;
use crate::units::{Lots, Money, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What a [`CommandRecord`] asks for.
    CommandKind {
        /// [`NewOrder`] (FIX D).
        NewOrder = 1 => "new_order",
        /// [`CancelOrder`] (FIX F).
        CancelOrder = 2 => "cancel_order",
        /// [`ReplaceOrder`] (FIX G).
        ReplaceOrder = 3 => "replace_order",
        /// [`MassCancel`] (FIX q).
        MassCancel = 4 => "mass_cancel",
        /// [`Instrument`]: defines or confirms one.
        DefineInstrument = 16 => "define_instrument",
        /// [`OpenAccount`].
        OpenAccount = 17 => "open_account",
        /// [`Transfer`]: cash in or out.
        Transfer = 18 => "transfer",
        /// [`SetLimits`].
        SetLimits = 19 => "set_limits",
        /// [`KillSwitch`].
        KillSwitch = 20 => "kill_switch",
        /// [`Configure`]: the first input of every journal.
        Configure = 21 => "configure",
        /// The session is gone: its orders that asked for it are canceled. No body.
        SessionClosed = 32 => "session_closed",
        /// Time passed: nothing but `ts_recv`. No body.
        Time = 33 => "time",
        /// The trading day ends: DAY orders expire, client order ids may be used again. No body.
        DayRoll = 34 => "day_roll",
    }
);

wire_enum!(
    /// How an order is priced (FIX tag 40).
    OrderType {
        /// At any price.
        Market = 1 => "market",
        /// At its price or better.
        Limit = 2 => "limit",
    }
);

wire_enum!(
    /// How long an order lives (FIX tag 59).
    TimeInForce {
        /// Until the trading day ends.
        Day = 1 => "day",
        /// Until canceled.
        Gtc = 2 => "gtc",
        /// What can be executed at once; the rest is canceled.
        Ioc = 3 => "ioc",
        /// All at once or nothing.
        Fok = 4 => "fok",
    }
);

/// [`NewOrder::flags`]: cancel the order when its session closes.
pub const FLAG_CANCEL_ON_DISCONNECT: u8 = 1;
/// Every flag that an order may carry.
pub const FLAGS_KNOWN: u8 = FLAG_CANCEL_ON_DISCONNECT;

/// A new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct NewOrder {
    /// The client's own name for it.
    pub client_order_id: ClientOrderId,
    /// The account it trades for.
    pub account: AccountId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// A [`crate::Side`] on the wire.
    pub side: u8,
    /// An [`OrderType`] on the wire.
    pub order_type: u8,
    /// A [`TimeInForce`] on the wire.
    pub time_in_force: u8,
    /// `FLAG_*`.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 4],
    /// OrderQty in lots.
    pub qty: Lots,
    /// Limit price in ticks; 0 for market orders.
    pub price: Ticks,
}

/// Cancels one order, named by id or, where that is 0, by the client's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct CancelOrder {
    /// The client's name of the order (FIX OrigClOrdID), or empty.
    pub client_order_id: ClientOrderId,
    /// The engine's number of the order, or 0.
    pub order_id: OrderId,
    /// The account that owns it.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Changes price and quantity of one order, named as in [`CancelOrder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ReplaceOrder {
    /// The client's name of the order, or empty.
    pub client_order_id: ClientOrderId,
    /// The engine's number of the order, or 0.
    pub order_id: OrderId,
    /// The account that owns it.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
    /// New OrderQty in lots, the executed part included.
    pub qty: Lots,
    /// New limit price in ticks.
    pub price: Ticks,
}

/// Cancels every open order in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MassCancel {
    /// Of this account, or [`AccountId::NONE`] for all.
    pub account: AccountId,
    /// Of this instrument, or [`InstrumentId::NONE`] for all.
    pub instrument: InstrumentId,
    /// Of this [`crate::Side`], or 0 for both.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Opens an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OpenAccount {
    /// Its number, below [`AccountId::COUNT_MAX`].
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 4],
    /// The one currency it holds.
    pub currency: Code,
}

/// Pays cash in (above 0) or out (below 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Transfer {
    /// The amount.
    pub amount: Money,
    /// The account.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 12],
}

/// Sets every limit of one account; the account cannot trade before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetLimits {
    /// Largest notional of one order.
    pub max_order_notional: Money,
    /// Largest sum of notionals of open orders and positions above the account's cash (credit).
    pub credit: Money,
    /// Largest quantity of one order, in lots.
    pub max_order_qty: Lots,
    /// Largest position, long or short, in one instrument, in lots, with every open order executed.
    pub max_position: Lots,
    /// Widest distance of a limit price from the reference on its aggressive side, in 1e-4 (basis points).
    pub price_collar_bp: u32,
    /// Most open orders.
    pub max_open_orders: u32,
    /// New, cancel and replace messages a second, on event time.
    pub messages_per_sec: u32,
    /// Messages that may come at once (the token bucket's depth).
    pub message_burst: u32,
    /// The account.
    pub account: AccountId,
    /// Zero.
    pub reserved: [u8; 12],
}

/// Engages or releases a kill switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct KillSwitch {
    /// Its scope: one account, or [`AccountId::NONE`] for the firm.
    pub account: AccountId,
    /// 1 engages it and cancels every open order in scope; 0 releases it.
    pub engaged: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What shapes the engine's answers and is neither instrument nor account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Configure {
    /// Time from the gate to the paper venue, in nanoseconds of event time.
    pub paper_latency_ns: u64,
    /// Orders that may be open or kept for the day; a power of two.
    pub orders_max: u32,
    /// Displayed orders that all books together may hold.
    pub book_orders_max: u32,
}

/// A command as it travels; the layout is in the head of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(16))]
pub struct CommandRecord {
    /// A [`CommandKind`] on the wire.
    pub kind: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Receive time; the engine takes the later of this and its own last time.
    pub ts_recv: UnixNanos,
    /// The session's own number for the request.
    pub request_id: u64,
    /// Who asks.
    pub principal: PrincipalId,
    /// By which connection.
    pub session: SessionId,
    /// The body's bytes.
    pub body: [u8; 128],
}

const _: () = assert!(size_of::<CommandRecord>() == 160);

/// A command as one matches on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// See [`CommandKind::NewOrder`].
    NewOrder(NewOrder),
    /// See [`CommandKind::CancelOrder`].
    CancelOrder(CancelOrder),
    /// See [`CommandKind::ReplaceOrder`].
    ReplaceOrder(ReplaceOrder),
    /// See [`CommandKind::MassCancel`].
    MassCancel(MassCancel),
    /// See [`CommandKind::DefineInstrument`].
    DefineInstrument(Instrument),
    /// See [`CommandKind::OpenAccount`].
    OpenAccount(OpenAccount),
    /// See [`CommandKind::Transfer`].
    Transfer(Transfer),
    /// See [`CommandKind::SetLimits`].
    SetLimits(SetLimits),
    /// See [`CommandKind::KillSwitch`].
    KillSwitch(KillSwitch),
    /// See [`CommandKind::Configure`].
    Configure(Configure),
    /// See [`CommandKind::SessionClosed`].
    SessionClosed,
    /// See [`CommandKind::Time`].
    Time,
    /// See [`CommandKind::DayRoll`].
    DayRoll,
}

impl CommandRecord {
    /// Frames `command`; times and ids are the caller's to fill.
    pub fn new(command: Command) -> Self {
        let mut record = Self::zeroed();
        let mut put = |kind: CommandKind, bytes: &[u8]| {
            record.kind = kind.wire();
            record.body[..bytes.len()].copy_from_slice(bytes);
        };
        use bytemuck::bytes_of;
        match &command {
            Command::NewOrder(body) => put(CommandKind::NewOrder, bytes_of(body)),
            Command::CancelOrder(body) => put(CommandKind::CancelOrder, bytes_of(body)),
            Command::ReplaceOrder(body) => put(CommandKind::ReplaceOrder, bytes_of(body)),
            Command::MassCancel(body) => put(CommandKind::MassCancel, bytes_of(body)),
            Command::DefineInstrument(body) => put(CommandKind::DefineInstrument, bytes_of(body)),
            Command::OpenAccount(body) => put(CommandKind::OpenAccount, bytes_of(body)),
            Command::Transfer(body) => put(CommandKind::Transfer, bytes_of(body)),
            Command::SetLimits(body) => put(CommandKind::SetLimits, bytes_of(body)),
            Command::KillSwitch(body) => put(CommandKind::KillSwitch, bytes_of(body)),
            Command::Configure(body) => put(CommandKind::Configure, bytes_of(body)),
            Command::SessionClosed => put(CommandKind::SessionClosed, &[]),
            Command::Time => put(CommandKind::Time, &[]),
            Command::DayRoll => put(CommandKind::DayRoll, &[]),
        }
        record
    }

    /// The same record, asked by `principal` in `session` as its request `request_id`.
    #[must_use]
    pub fn from_session(
        mut self,
        principal: PrincipalId,
        session: SessionId,
        request_id: u64,
    ) -> Self {
        self.principal = principal;
        self.session = session;
        self.request_id = request_id;
        self
    }

    fn body<T: Pod>(&self) -> T {
        bytemuck::pod_read_unaligned(&self.body[..size_of::<T>()])
    }

    /// The command inside, or `None` if its kind is not assigned. Fields are not checked yet.
    #[inline]
    pub fn command(&self) -> Option<Command> {
        Some(match CommandKind::from_wire(self.kind)? {
            CommandKind::NewOrder => Command::NewOrder(self.body()),
            CommandKind::CancelOrder => Command::CancelOrder(self.body()),
            CommandKind::ReplaceOrder => Command::ReplaceOrder(self.body()),
            CommandKind::MassCancel => Command::MassCancel(self.body()),
            CommandKind::DefineInstrument => Command::DefineInstrument(self.body()),
            CommandKind::OpenAccount => Command::OpenAccount(self.body()),
            CommandKind::Transfer => Command::Transfer(self.body()),
            CommandKind::SetLimits => Command::SetLimits(self.body()),
            CommandKind::KillSwitch => Command::KillSwitch(self.body()),
            CommandKind::Configure => Command::Configure(self.body()),
            CommandKind::SessionClosed => Command::SessionClosed,
            CommandKind::Time => Command::Time,
            CommandKind::DayRoll => Command::DayRoll,
        })
    }
}
