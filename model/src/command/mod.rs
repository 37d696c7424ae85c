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

mod accounts;
mod admin;
mod algorithm;
mod list;
mod market;
mod order;
mod paper;
mod risk;
mod route;

pub use accounts::{
    AmendKind, AmendTrade, AssignFees, Convert, CorporateAction, CorporateActionKind, ReportEquity,
    SetBorrow, SetFees, SetMargin, SetRate, Settle,
};
pub use admin::{AccountKind, Configure, CostMethod, KillSwitch, OpenAccount, SetLimits, Transfer};
pub use algorithm::{
    ALGORITHM_DURATION_MAX_NS, ALGORITHM_INTERVAL_MIN_NS, Algorithm, CURVE_BUCKETS_MAX, CURVES_MAX,
    Flatten, NewAlgorithm, SetVolumeCurve,
};
pub use list::{Contingency, LIST_LEGS_MAX, NewList};
pub use market::{
    BAND_PPM_MAX, PAUSE_NS_MAX, Phase, SetBands, SetPhase, SetReference, SetTickTable,
};
pub use order::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, FLAG_HIDDEN, FLAGS_KNOWN, MassCancel, NewOrder,
    OrderType, PPM_PER_UNIT, PegKind, PostOnly, ReplaceOrder, SelfTrade, TimeInForce, TrailUnit,
};

pub use paper::{
    AddLatencyPoints, COEFFICIENT_E4_MAX, EXPONENT_E3_MAX, FLAG_FILL_ON_TOUCH, FillModelKind,
    HALF_LIFE_NS_MAX, LATENCY_NS_MAX, LATENCY_POINTS_MAX, LatencyLeg, LatencyModel, LatencyPoint,
    SetFillModel, SetImpact, SetLatency, VOLATILITY_E6_MAX, VOLUME_SHARE_BP_MAX,
};

pub use risk::{
    Action, CONTROLS_VERSION, COUNT_MAX, ControlKind, Decide, Decision, Enable, FACTORS_MAX,
    GrantLocate, KillMode, LISTS_OF_INSTRUMENTS_MAX, MAY_CONTROL, MAY_ESTIMATE, MAY_TRADE,
    NO_LIMIT, ORDER_PROPOSAL_LIFE_NS, PERMISSIONS_KNOWN, PROPOSAL_LIFE_NS, Reason, ReferenceKind,
    Role, SetControl, SetFactors, SetGroup, SetListed, SetPrincipal, WINDOW_MAX_NS,
};
pub use route::{
    ConfirmPosition, FLAG_FOREIGN_CANCELED, ROUTES_MAX, RouteLink, RoutePosition, RouteReport,
    RouteReportKind, RouteStatus,
};

use crate::ids::{PrincipalId, SessionId};
use crate::instrument::Instrument;
use crate::units::UnixNanos;
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
        /// [`SetRate`]: what a currency is worth in another.
        SetRate = 40 => "set_rate",
        /// [`Convert`]: cash from one currency into another.
        Convert = 41 => "convert",
        /// [`ReportEquity`]: asks what an account is worth.
        ReportEquity = 42 => "report_equity",
        /// [`SetFees`]: a schedule of fees.
        SetFees = 43 => "set_fees",
        /// [`AssignFees`]: whom a schedule of fees is for.
        AssignFees = 44 => "assign_fees",
        /// [`SetMargin`]: the margins of an instrument.
        SetMargin = 45 => "set_margin",
        /// [`SetBorrow`]: what being short costs.
        SetBorrow = 46 => "set_borrow",
        /// [`CorporateAction`]: a dividend or a split.
        CorporateAction = 47 => "corporate_action",
        /// [`Settle`]: the settlement price of an instrument.
        Settle = 48 => "settle",
        /// [`AmendTrade`]: a trade is taken back or put right.
        AmendTrade = 49 => "amend_trade",
        /// [`NewList`]: the head of a list of orders that depend on each other.
        NewList = 50 => "new_list",
        /// [`NewAlgorithm`]: how the parent order that follows is worked.
        NewAlgorithm = 51 => "new_algorithm",
        /// [`SetVolumeCurve`]: how the volume of a day spreads over it.
        SetVolumeCurve = 52 => "set_volume_curve",
        /// [`Flatten`]: closes positions, now or at a time.
        Flatten = 53 => "flatten",
        /// [`SetFillModel`].
        SetFillModel = 60 => "set_fill_model",
        /// [`SetLatency`].
        SetLatency = 61 => "set_latency",
        /// [`AddLatencyPoints`].
        AddLatencyPoints = 62 => "add_latency_points",
        /// [`SetImpact`]: what our own taking does to the price.
        SetImpact = 63 => "set_impact",
        /// [`SetPhase`]: what the markets of the house do with orders.
        SetPhase = 65 => "set_phase",
        /// [`SetBands`]: how far prices may go at once.
        SetBands = 66 => "set_bands",
        /// [`SetReference`]: a price to begin from.
        SetReference = 67 => "set_reference",
        /// [`SetTickTable`]: the step of order prices by price.
        SetTickTable = 74 => "set_tick_table",
        /// [`RouteReport`]: what a venue said of a routed order.
        RouteReport = 75 => "route_report",
        /// [`RouteStatus`]: the link to a venue changed.
        RouteStatus = 76 => "route_status",
        /// [`RoutePosition`]: what a venue holds.
        RoutePosition = 77 => "route_position",
        /// [`ConfirmPosition`]: a difference of positions is known and expected.
        ConfirmPosition = 78 => "confirm_position",
        /// [`SetPrincipal`]: who a principal is, and what it may.
        SetPrincipal = 90 => "set_principal",
        /// [`SetControl`]: one control of one scope.
        SetControl = 91 => "set_control",
        /// [`SetGroup`]: who is limited together.
        SetGroup = 92 => "set_group",
        /// [`SetListed`]: an instrument on a list, or off.
        SetListed = 93 => "set_listed",
        /// [`SetFactors`]: the factors of an instrument.
        SetFactors = 94 => "set_factors",
        /// [`GrantLocate`]: what may be sold short.
        GrantLocate = 95 => "grant_locate",
        /// [`Enable`]: a scope goes on that a control stopped.
        Enable = 96 => "enable",
        /// [`Decide`]: a proposal is approved or refused.
        Decide = 97 => "decide",
        /// [`NewOrder`]: asks what each control would say, and sends nothing.
        CheckOrder = 98 => "check_order",
    }
);

/// The kind of what is no command, in a ring of them: whoever shares memory with the engine asks for a whole picture of a book. The
/// instrument's number is in the first four bytes of the body. It is not journaled.
pub const PICTURE_WANTED: u8 = u8::MAX;

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

crate::saved_as_bytes!(CommandRecord);

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
    /// See [`CommandKind::SetRate`].
    SetRate(SetRate),
    /// See [`CommandKind::Convert`].
    Convert(Convert),
    /// See [`CommandKind::ReportEquity`].
    ReportEquity(ReportEquity),
    /// See [`CommandKind::SetFees`].
    SetFees(SetFees),
    /// See [`CommandKind::AssignFees`].
    AssignFees(AssignFees),
    /// See [`CommandKind::SetMargin`].
    SetMargin(SetMargin),
    /// See [`CommandKind::SetBorrow`].
    SetBorrow(SetBorrow),
    /// See [`CommandKind::CorporateAction`].
    CorporateAction(CorporateAction),
    /// See [`CommandKind::Settle`].
    Settle(Settle),
    /// See [`CommandKind::AmendTrade`].
    AmendTrade(AmendTrade),
    /// See [`CommandKind::NewList`].
    NewList(NewList),
    /// See [`CommandKind::NewAlgorithm`].
    NewAlgorithm(NewAlgorithm),
    /// See [`CommandKind::SetVolumeCurve`].
    SetVolumeCurve(SetVolumeCurve),
    /// See [`CommandKind::Flatten`].
    Flatten(Flatten),
    /// See [`CommandKind::SetFillModel`].
    SetFillModel(SetFillModel),
    /// See [`CommandKind::SetLatency`].
    SetLatency(SetLatency),
    /// See [`CommandKind::AddLatencyPoints`].
    AddLatencyPoints(AddLatencyPoints),
    /// See [`CommandKind::SetImpact`].
    SetImpact(SetImpact),
    /// See [`CommandKind::SetPhase`].
    SetPhase(SetPhase),
    /// See [`CommandKind::SetBands`].
    SetBands(SetBands),
    /// See [`CommandKind::SetReference`].
    SetReference(SetReference),
    /// See [`CommandKind::SetTickTable`].
    SetTickTable(SetTickTable),
    /// See [`CommandKind::RouteReport`].
    RouteReport(RouteReport),
    /// See [`CommandKind::RouteStatus`].
    RouteStatus(RouteStatus),
    /// See [`CommandKind::RoutePosition`].
    RoutePosition(RoutePosition),
    /// See [`CommandKind::ConfirmPosition`].
    ConfirmPosition(ConfirmPosition),
    /// See [`CommandKind::SetPrincipal`].
    SetPrincipal(SetPrincipal),
    /// See [`CommandKind::SetControl`].
    SetControl(SetControl),
    /// See [`CommandKind::SetGroup`].
    SetGroup(SetGroup),
    /// See [`CommandKind::SetListed`].
    SetListed(SetListed),
    /// See [`CommandKind::SetFactors`].
    SetFactors(SetFactors),
    /// See [`CommandKind::GrantLocate`].
    GrantLocate(GrantLocate),
    /// See [`CommandKind::Enable`].
    Enable(Enable),
    /// See [`CommandKind::Decide`].
    Decide(Decide),
    /// See [`CommandKind::CheckOrder`].
    CheckOrder(NewOrder),
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
            Command::SetRate(body) => put(CommandKind::SetRate, bytes_of(body)),
            Command::Convert(body) => put(CommandKind::Convert, bytes_of(body)),
            Command::ReportEquity(body) => put(CommandKind::ReportEquity, bytes_of(body)),
            Command::SetFees(body) => put(CommandKind::SetFees, bytes_of(body)),
            Command::AssignFees(body) => put(CommandKind::AssignFees, bytes_of(body)),
            Command::SetMargin(body) => put(CommandKind::SetMargin, bytes_of(body)),
            Command::SetBorrow(body) => put(CommandKind::SetBorrow, bytes_of(body)),
            Command::CorporateAction(body) => put(CommandKind::CorporateAction, bytes_of(body)),
            Command::Settle(body) => put(CommandKind::Settle, bytes_of(body)),
            Command::AmendTrade(body) => put(CommandKind::AmendTrade, bytes_of(body)),
            Command::NewList(body) => put(CommandKind::NewList, bytes_of(body)),
            Command::NewAlgorithm(body) => put(CommandKind::NewAlgorithm, bytes_of(body)),
            Command::SetVolumeCurve(body) => put(CommandKind::SetVolumeCurve, bytes_of(body)),
            Command::Flatten(body) => put(CommandKind::Flatten, bytes_of(body)),
            Command::SetFillModel(body) => put(CommandKind::SetFillModel, bytes_of(body)),
            Command::SetLatency(body) => put(CommandKind::SetLatency, bytes_of(body)),
            Command::AddLatencyPoints(body) => put(CommandKind::AddLatencyPoints, bytes_of(body)),
            Command::SetImpact(body) => put(CommandKind::SetImpact, bytes_of(body)),
            Command::SetPhase(body) => put(CommandKind::SetPhase, bytes_of(body)),
            Command::SetBands(body) => put(CommandKind::SetBands, bytes_of(body)),
            Command::SetReference(body) => put(CommandKind::SetReference, bytes_of(body)),
            Command::SetTickTable(body) => put(CommandKind::SetTickTable, bytes_of(body)),
            Command::RouteReport(body) => put(CommandKind::RouteReport, bytes_of(body)),
            Command::RouteStatus(body) => put(CommandKind::RouteStatus, bytes_of(body)),
            Command::RoutePosition(body) => put(CommandKind::RoutePosition, bytes_of(body)),
            Command::ConfirmPosition(body) => put(CommandKind::ConfirmPosition, bytes_of(body)),
            Command::SetPrincipal(body) => put(CommandKind::SetPrincipal, bytes_of(body)),
            Command::SetControl(body) => put(CommandKind::SetControl, bytes_of(body)),
            Command::SetGroup(body) => put(CommandKind::SetGroup, bytes_of(body)),
            Command::SetListed(body) => put(CommandKind::SetListed, bytes_of(body)),
            Command::SetFactors(body) => put(CommandKind::SetFactors, bytes_of(body)),
            Command::GrantLocate(body) => put(CommandKind::GrantLocate, bytes_of(body)),
            Command::Enable(body) => put(CommandKind::Enable, bytes_of(body)),
            Command::Decide(body) => put(CommandKind::Decide, bytes_of(body)),
            Command::CheckOrder(body) => put(CommandKind::CheckOrder, bytes_of(body)),
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

    /// The new order inside, where it lies; `None` of any other command.
    #[inline]
    pub fn new_order(&self) -> Option<&NewOrder> {
        (self.kind == CommandKind::NewOrder.wire()).then(|| bytemuck::from_bytes(&self.body))
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
            CommandKind::SetRate => Command::SetRate(self.body()),
            CommandKind::Convert => Command::Convert(self.body()),
            CommandKind::ReportEquity => Command::ReportEquity(self.body()),
            CommandKind::SetFees => Command::SetFees(self.body()),
            CommandKind::AssignFees => Command::AssignFees(self.body()),
            CommandKind::SetMargin => Command::SetMargin(self.body()),
            CommandKind::SetBorrow => Command::SetBorrow(self.body()),
            CommandKind::CorporateAction => Command::CorporateAction(self.body()),
            CommandKind::Settle => Command::Settle(self.body()),
            CommandKind::AmendTrade => Command::AmendTrade(self.body()),
            CommandKind::NewList => Command::NewList(self.body()),
            CommandKind::NewAlgorithm => Command::NewAlgorithm(self.body()),
            CommandKind::SetVolumeCurve => Command::SetVolumeCurve(self.body()),
            CommandKind::Flatten => Command::Flatten(self.body()),
            CommandKind::SetFillModel => Command::SetFillModel(self.body()),
            CommandKind::SetLatency => Command::SetLatency(self.body()),
            CommandKind::AddLatencyPoints => Command::AddLatencyPoints(self.body()),
            CommandKind::SetImpact => Command::SetImpact(self.body()),
            CommandKind::SetPhase => Command::SetPhase(self.body()),
            CommandKind::SetBands => Command::SetBands(self.body()),
            CommandKind::SetReference => Command::SetReference(self.body()),
            CommandKind::SetTickTable => Command::SetTickTable(self.body()),
            CommandKind::RouteReport => Command::RouteReport(self.body()),
            CommandKind::RouteStatus => Command::RouteStatus(self.body()),
            CommandKind::RoutePosition => Command::RoutePosition(self.body()),
            CommandKind::ConfirmPosition => Command::ConfirmPosition(self.body()),
            CommandKind::SetPrincipal => Command::SetPrincipal(self.body()),
            CommandKind::SetControl => Command::SetControl(self.body()),
            CommandKind::SetGroup => Command::SetGroup(self.body()),
            CommandKind::SetListed => Command::SetListed(self.body()),
            CommandKind::SetFactors => Command::SetFactors(self.body()),
            CommandKind::GrantLocate => Command::GrantLocate(self.body()),
            CommandKind::Enable => Command::Enable(self.body()),
            CommandKind::Decide => Command::Decide(self.body()),
            CommandKind::CheckOrder => Command::CheckOrder(self.body()),
        })
    }
}
