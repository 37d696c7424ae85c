//! Controls, and who may change them: each is a journaled command that says who, when and why.
//!
//! What tightens is done at once. What loosens - a limit raised, a control taken away, a kill switch released - becomes a
//! proposal, which a second person decides ([`Decide`]). `docs/controls.md` tells what each control stops.

use crate::ids::{AccountId, InstrumentId, PrincipalId, StrategyId};
use crate::scope::Scope;
use crate::units::Lots;
use bytemuck::{Pod, Zeroable};
use core::fmt;

/// Factors of a portfolio's risk at most; a sidecar estimates them.
pub const FACTORS_MAX: usize = 8;
/// Lists of instruments: each is one bit of a word.
pub const LISTS_OF_INSTRUMENTS_MAX: u8 = 64;
/// Executions that [`ControlKind::ExecutionThrottle`] counts, and messages that may be compared or counted by number, at most.
pub const COUNT_MAX: u32 = 1_024;
/// What stands for "no limit" in [`SetControl::limit`] of an event: the control was taken away.
pub const NO_LIMIT: i128 = i128::MAX;
/// The longest window of a control: 31 days.
pub const WINDOW_MAX_NS: u64 = 31 * 86_400_000_000_000;

wire_enum!(
    /// Every control that can be set for a [`Scope`]. The first line says what [`SetControl::limit`] counts; the smaller it is
    /// the tighter the control, unless it says otherwise. Money is in the account's base currency for one order, and in the
    /// firm's for sums.
    ControlKind {
        /// Lots of one order.
        MaxOrderQty = 1 => "max_order_qty",
        /// Notional of one order, in money.
        MaxOrderNotional = 2 => "max_order_notional",
        /// Distance of an order's price from the reference on its aggressive side, in basis points. [`SetControl::option`] is a
        /// [`ReferenceKind`].
        PriceCollar = 3 => "price_collar",
        /// The same from the reference at the start of a window of [`SetControl::window_ns`], however far it has moved since.
        WindowCollar = 4 => "window_collar",
        /// An order's quantity as a multiple of the account's average in the instrument, in hundredths; asked from the
        /// [`SetControl::count`]th order on.
        FatFinger = 5 => "fat_finger",
        /// New orders, replaces and cancels a second, on event time; [`SetControl::count`] may come at once.
        MessageRate = 6 => "message_rate",
        /// Orders of one account that are the same in everything but their name, within [`SetControl::window_ns`]; at most 8.
        DuplicateOrders = 7 => "duplicate_orders",
        /// Value of all positions and all open orders, in money.
        GrossExposure = 8 => "gross_exposure",
        /// Value of long less short positions if every open order of one side executes, in money.
        NetExposure = 9 => "net_exposure",
        /// Lots long in one instrument if every open buy executes.
        PositionLong = 10 => "position_long",
        /// Lots short in one instrument if every open sell executes.
        PositionShort = 11 => "position_short",
        /// Open orders.
        OpenOrders = 12 => "open_orders",
        /// Notional of all open orders, in money.
        OpenExposure = 13 => "open_exposure",
        /// Notional executed since the day began and open now, in money.
        DayNotional = 14 => "day_notional",
        /// Orders that passed since the day began.
        DayOrders = 15 => "day_orders",
        /// Executions since the day began.
        DayTrades = 16 => "day_trades",
        /// The list of instruments that may not be traded, by its number; a position in them may be reduced. Set once for each
        /// list.
        RestrictedList = 17 => "restricted_list",
        /// The list of instruments that alone may be traded, by its number.
        AllowedList = 18 => "allowed_list",
        /// Lots that may be sold short in one instrument beyond what was located for the account ([`GrantLocate`]).
        ShortSale = 19 => "short_sale",
        /// Lots of own orders of this scope that an order may meet: 0 refuses every order that would trade with one.
        SelfTrade = 20 => "self_trade",
        /// Age of the book at which no aggressive order passes any more, in nanoseconds.
        StaleMarket = 21 => "stale_market",
        /// Executions within [`SetControl::window_ns`], at most [`COUNT_MAX`]. One more disables the scope until somebody who may
        /// enables it ([`Enable`]).
        ExecutionThrottle = 22 => "execution_throttle",
        /// Loss since the day began, realised and not, in money; then [`SetControl::action`].
        DayLoss = 23 => "day_loss",
        /// Loss from the day's best result, in money; then [`SetControl::action`].
        Drawdown = 24 => "drawdown",
        /// Root of the sum of squares of a portfolio's factors, in money, with every open order that makes it worse.
        FactorExposure = 25 => "factor_exposure",
        /// Value of one instrument's position and open orders as a share of the account's equity, in basis points.
        Concentration = 26 => "concentration",
        /// Equity above the maintenance margin as a share of equity, in basis points: below it a margin account may only reduce.
        /// The larger the tighter.
        LiquidationDistance = 27 => "liquidation_distance",
        /// Losing executions in a row. With one more the scope may only reduce for [`SetControl::window_ns`].
        ConsecutiveLosses = 28 => "consecutive_losses",
        /// Of an instrument: how far its reference may move within [`SetControl::window_ns`], in basis points. Further, and
        /// [`SetControl::action`] holds for [`SetControl::hold_ns`] for everybody in it or, where [`SetControl::option`] is 1,
        /// in the whole market.
        Volatility = 29 => "volatility",
        /// 0: every order of the scope is canceled when its session closes, whether it asked for it or not.
        CancelOnDisconnect = 30 => "cancel_on_disconnect",
        /// 0: only orders pass that reduce a position.
        ReduceOnly = 31 => "reduce_only",
        /// Sides that may be traded, as bits: 1 buy, 2 sell. Fewer is tighter.
        Sides = 32 => "sides",
        /// The time from which on nothing passes any more, in UTC nanoseconds.
        ExpiresAt = 33 => "expires_at",
        /// Notional of one order, in money: above it the order waits until a person approves it.
        ApprovalAbove = 34 => "approval_above",
    }
);

wire_enum!(
    /// What a collar measures from.
    ReferenceKind {
        /// The last trade, else the middle of the book.
        Last = 1 => "last",
        /// The middle of the book, else the last trade.
        Mid = 2 => "mid",
        /// The last price of the day before.
        PreviousClose = 3 => "previous_close",
    }
);

wire_enum!(
    /// What a control does that was met by what happened, not by an order.
    Action {
        /// Only orders pass that reduce a position.
        StopOpening = 1 => "stop_opening",
        /// The same, and every open order is canceled.
        Cancel = 2 => "cancel",
        /// The same, and positions are closed.
        Flatten = 3 => "flatten",
    }
);

wire_enum!(
    /// What stands behind a principal.
    Role {
        /// A human being, who can be asked.
        Person = 1 => "person",
        /// A program that trades. It may change no control.
        Strategy = 2 => "strategy",
        /// A model that proposes orders. It may change no control.
        Agent = 3 => "agent",
    }
);

wire_enum!(
    /// What a kill switch lets through while it is engaged, beside cancels.
    KillMode {
        /// Nothing.
        Block = 1 => "block",
        /// Orders that reduce a position.
        ReduceOnly = 2 => "reduce_only",
    }
);

wire_enum!(
    /// What becomes of a proposal.
    Decision {
        /// It is carried out.
        Approve = 1 => "approve",
        /// It is dropped.
        Refuse = 2 => "refuse",
    }
);

/// Why, in the words of whoever asks: up to 48 bytes of printable ASCII, zero-padded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct Reason(pub [u8; 48]);

impl Reason {
    /// No reason.
    pub const EMPTY: Self = Self([0; 48]);

    /// A reason; `None` if it has more than 48 bytes or one that is not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 48];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then_some(Self(bytes))
    }

    /// The text, without padding.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        core::str::from_utf8(&self.0[..len]).unwrap_or("?")
    }
}

impl Default for Reason {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// [`SetPrincipal::permissions`]: may enter orders.
pub const MAY_TRADE: u8 = 1;
/// [`SetPrincipal::permissions`]: may set controls and limits, engage and release kill switches, propose and decide.
pub const MAY_CONTROL: u8 = 2;
/// [`SetPrincipal::permissions`]: may supply factors ([`SetFactors`]).
pub const MAY_ESTIMATE: u8 = 4;
/// Every permission there is.
pub const PERMISSIONS_KNOWN: u8 = MAY_TRADE | MAY_CONTROL | MAY_ESTIMATE;
/// The version of what controls mean; a configuration says which one its limits were written for.
pub const CONTROLS_VERSION: u32 = 1;

/// Lets the engine know of a principal: what it is, what it may, and for whom. Asked by the configuration, or by a gateway for
/// the principals that it acts for; both ask as the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetPrincipal {
    /// Who.
    pub principal: PrincipalId,
    /// The only account that it may trade for; [`AccountId::NONE`] for any.
    pub account: AccountId,
    /// The strategy that its orders belong to; 0: whichever they name.
    pub strategy: StrategyId,
    /// A [`Role`] on the wire.
    pub role: u8,
    /// Bits of [`PERMISSIONS_KNOWN`]. A strategy or an agent never has [`MAY_CONTROL`].
    pub permissions: u8,
    /// Zero.
    pub reserved: [u8; 4],
    /// What people call it: printable ASCII, zero-padded.
    pub name: [u8; 24],
}

crate::saved_as_bytes!(SetPrincipal);

/// Sets one control of one scope, or takes it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetControl {
    /// The limit, in what the [`ControlKind`] counts, not below 0; ignored where [`Self::off`] is 1.
    pub limit: i128,
    /// Over what time, in nanoseconds, where the control has such.
    pub window_ns: u64,
    /// For how long, in nanoseconds, where the control has such.
    pub hold_ns: u64,
    /// Whom it is for.
    pub scope: Scope,
    /// How many, where the control has such.
    pub count: u32,
    /// A [`ControlKind`] on the wire.
    pub control: u8,
    /// An [`Action`] on the wire, where the control has such; else 0.
    pub action: u8,
    /// As the control says; else 0.
    pub option: u8,
    /// 1 takes the control away.
    pub off: u8,
    /// Why.
    pub reason: Reason,
}

impl SetControl {
    /// Sets the limit of `control` for `scope`; whatever else a control may have is 0, and the reason is empty.
    pub const fn of(control: ControlKind, scope: Scope, limit: i128) -> Self {
        Self {
            limit,
            window_ns: 0,
            hold_ns: 0,
            scope,
            count: 0,
            control: control.wire(),
            action: 0,
            option: 0,
            off: 0,
            reason: Reason::EMPTY,
        }
    }
}

/// Puts a principal, an account, a strategy or an instrument into a group, out of the one where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetGroup {
    /// Who or what; neither the firm nor a group.
    pub member: Scope,
    /// The group, from 1; all members of a group are of one kind. 0: into none.
    pub group: u32,
    /// Zero.
    pub reserved: [u8; 4],
    /// Why.
    pub reason: Reason,
}

/// Puts an instrument on a list, or takes it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetListed {
    /// The instrument.
    pub instrument: InstrumentId,
    /// The list, from 1 to [`LISTS_OF_INSTRUMENTS_MAX`].
    pub list: u8,
    /// 1 on, 0 off.
    pub listed: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Why.
    pub reason: Reason,
}

/// Says how much of an instrument's value belongs to each factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetFactors {
    /// The instrument.
    pub instrument: InstrumentId,
    /// In millionths of its value; from -10,000,000 to 10,000,000.
    pub loadings_e6: [i32; FACTORS_MAX],
}

/// Says how much of an instrument was located for an account to borrow, until the day ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct GrantLocate {
    /// Lots in all, in place of what was located before.
    pub qty: Lots,
    /// For whom.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// Why.
    pub reason: Reason,
}

/// Lets a scope open positions again that [`ControlKind::ExecutionThrottle`] disabled, or that a loss, losses in a row or the
/// market's volatility stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Enable {
    /// Whom.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
}

/// Decides a proposal: a change that loosens, or an order above its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Decide {
    /// Its number.
    pub proposal: u64,
    /// Its hash, so that exactly what was looked at is decided.
    pub hash: u64,
    /// A [`Decision`] on the wire.
    pub decision: u8,
    /// Zero.
    pub reserved: [u8; 7],
    /// Why.
    pub reason: Reason,
}

/// When a proposal lapses that nobody decides.
pub const PROPOSAL_LIFE_NS: u64 = 24 * 3_600_000_000_000;
/// When an order lapses that nobody approves: 5 minutes.
pub const ORDER_PROPOSAL_LIFE_NS: u64 = 300_000_000_000;
