//! Why the engine said no. A reject is data: a reason that a client can match on, the limit and the value.

use crate::scope::ScopeKind;
use core::fmt;

wire_enum!(
    /// Every reason for which an order or command is refused, banded by who refuses:
    /// 1.. the request itself, 40.. the order's state, 80.. risk, 160.. the venue.
    RejectReason {
        /// The instrument is not defined. `value`: its id.
        UnknownInstrument = 1 => "unknown_instrument",
        /// The account is not open. `value`: its id.
        UnknownAccount = 2 => "unknown_account",
        /// `client_order_id` is missing or not printable ASCII.
        BadClientOrderId = 3 => "bad_client_order_id",
        /// The account has used this `client_order_id` today for another order.
        DuplicateClientOrderId = 4 => "duplicate_client_order_id",
        /// A field has a value that is not assigned, or one that its type of order may not have. `value`: as sent.
        BadField = 5 => "bad_field",
        /// The price is not a multiple of the tick. `limit`: ticks per step; `value`: price in ticks.
        Tick = 6 => "tick",
        /// The quantity is not a multiple of the lot. `limit`: lots per step; `value`: lots.
        Lot = 7 => "lot",
        /// The quantity is zero. `value`: 0.
        ZeroQuantity = 8 => "zero_quantity",
        /// The price is zero or below. `value`: ticks.
        BadPrice = 9 => "bad_price",
        /// A table of the engine is full. `limit`: its size.
        CapacityExceeded = 10 => "capacity_exceeded",
        /// The definition is not acceptable.
        BadInstrument = 11 => "bad_instrument",
        /// The account is open already. `value`: its id.
        DuplicateAccount = 12 => "duplicate_account",
        /// The symbol is defined already with other terms. `value`: its instrument id.
        DuplicateSymbol = 13 => "duplicate_symbol",
        /// An amount does not fit the engine's integers.
        Overflow = 14 => "overflow",
        /// The command is not known to this version. `value`: its kind.
        UnknownCommand = 15 => "unknown_command",
        /// The account holds nothing in the currency of the instrument. `value`: its id.
        CurrencyMismatch = 16 => "currency_mismatch",
        /// The order's own end lies in the past. `limit`: now; `value`: its expiry.
        Expired = 17 => "expired",
        /// No rate from one of the currencies into the other is set. `value`: the account's id.
        NoRate = 18 => "no_rate",
        /// Orders of the instrument are open. `value`: how many.
        OpenOrders = 19 => "open_orders",
        /// No such execution of the order is kept. `value`: its number.
        UnknownTrade = 20 => "unknown_trade",
        /// A settlement, a dividend or a split came after the execution, or more executions than are kept. `value`: its number.
        TooLateToAmend = 21 => "too_late_to_amend",

        /// No such order, or not this account's. `value`: order id.
        UnknownOrder = 40 => "unknown_order",
        /// The order is filled, canceled, expired or rejected. `value`: order id.
        TooLateToCancel = 41 => "too_late_to_cancel",
        /// A cancel or replace of the order is under way. `value`: order id.
        PendingCancelOrReplace = 42 => "pending_cancel_or_replace",
        /// A replace asks for no more than what is executed. `limit`: executed lots; `value`: lots asked for.
        QuantityBelowExecuted = 43 => "qty_below_executed",
        /// The instrument's venue has no such type, time in force or instruction. `value`: the field as sent.
        UnsupportedByVenue = 44 => "unsupported_by_venue",
        /// The session has begun no such list. `value`: the list's id.
        UnknownList = 45 => "unknown_list",
        /// The session went on to something else before the last leg. `limit`: legs announced; `value`: legs that came.
        ListIncomplete = 46 => "list_incomplete",
        /// Two legs of which one cancels the other would rest at one venue on one side, where both might be executed. One of
        /// them must wait for a stop price. `value`: the number of the second.
        ContingentOverCommit = 47 => "contingent_over_commit",
        /// A leg's quantity follows another's, and is not its own to have. `limit`: the quantity in lots; `value`: as asked.
        ContingentQuantity = 48 => "contingent_qty",
        /// There is no such curve of volume, or it has none while the parent works. `value`: its number.
        UnknownCurve = 49 => "unknown_curve",
        /// The order is the child of an algorithm, which alone gives it new terms. `value`: the number of its parent.
        ChildOrder = 50 => "child_order",
        /// A parent cannot be smaller than what its children have executed and have at work. `limit`: that; `value`: as asked,
        /// in lots.
        BelowAtWork = 51 => "below_at_work",

        /// The account has no limits, so it may not trade.
        NoLimits = 80 => "no_limits",
        /// A kill switch is engaged; [`Reject::scope`] says whose.
        KillSwitch = 81 => "kill_switch",
        /// More lots than one order may have.
        MaxOrderQuantity = 82 => "max_order_qty",
        /// More notional than one order may have (money units).
        MaxOrderNotional = 83 => "max_order_notional",
        /// The price is too far from the reference. `limit`: the bound in ticks; `value`: price in ticks.
        PriceCollar = 84 => "price_collar",
        /// There is no reference price to check against.
        NoReferencePrice = 85 => "no_reference_price",
        /// Cash and credit do not cover every open order (money units).
        BuyingPower = 86 => "buying_power",
        /// The position, with every open order executed, would pass its limit (lots).
        PositionLimit = 87 => "position_limit",
        /// Too many messages. `limit`: a second; `value`: tokens left, 0.
        MessageRate = 88 => "message_rate",
        /// Too many open orders.
        MaxOpenOrders = 89 => "max_open_orders",
        /// What the margin account has does not cover the initial margin with every open order executed (money units of its
        /// base currency).
        InitialMargin = 90 => "initial_margin",
        /// The principal may not do this. `limit`: what it may, as [`crate::command::PERMISSIONS_KNOWN`] counts; `value`: its number.
        NotPermitted = 91 => "not_permitted",
        /// The price is too far from the reference at the window's start. `limit`: the bound in ticks; `value`: price in ticks.
        WindowCollar = 92 => "window_collar",
        /// Too large beside the account's average order. `limit`, `value`: hundredths of the average.
        FatFinger = 93 => "fat_finger",
        /// The same order was sent within the window. `limit`, `value`: how often.
        DuplicateOrder = 94 => "duplicate_order",
        /// Positions and open orders would be worth more (money units).
        GrossExposure = 95 => "gross_exposure",
        /// Long less short, with every open order of one side executed, would be more (money units).
        NetExposure = 96 => "net_exposure",
        /// The long position, with every open buy executed, would pass its limit (lots).
        PositionLong = 97 => "position_long",
        /// The short position, with every open sell executed, would pass its limit (lots).
        PositionShort = 98 => "position_short",
        /// Open orders would come to more (money units).
        OpenExposure = 99 => "open_exposure",
        /// The day's executions and open orders would come to more (money units).
        DayNotional = 100 => "day_notional",
        /// No more orders today.
        DayOrders = 101 => "day_orders",
        /// No more executions today.
        DayTrades = 102 => "day_trades",
        /// The instrument is on a restricted list, or not on the only one allowed. `limit`: the list; `value`: the instrument.
        Restricted = 103 => "restricted",
        /// More would be short than was located (lots).
        ShortSale = 104 => "short_sale",
        /// It would trade with an open order of its own side of the house. `limit`: lots that may; `value`: the price in ticks that it meets.
        SelfTrade = 105 => "self_trade",
        /// The book has not been heard of for too long (nanoseconds).
        StaleMarket = 106 => "stale_market",
        /// Too many executions disabled the scope, and nobody has enabled it. `limit`: executions; `value`: since when, UTC nanoseconds.
        Disabled = 107 => "disabled",
        /// The loss of the day stopped the scope, and the order does not only reduce (money units).
        DayLoss = 108 => "day_loss",
        /// The loss from the day's best stopped the scope, and the order does not only reduce (money units).
        Drawdown = 109 => "drawdown",
        /// The factors of the portfolio would come to more (money units).
        FactorExposure = 110 => "factor_exposure",
        /// One instrument would be too large a share of equity (basis points).
        Concentration = 111 => "concentration",
        /// Equity is too near the maintenance margin, and the order does not only reduce (basis points).
        LiquidationDistance = 112 => "liquidation_distance",
        /// Losses in a row stopped the scope, and the order does not only reduce. `limit`: losses; `value`: until when, UTC nanoseconds.
        CoolDown = 113 => "cool_down",
        /// The market moved too far, and the order does not only reduce. `limit`: basis points; `value`: until when, UTC nanoseconds.
        Volatility = 114 => "volatility",
        /// Only orders pass that reduce a position. `limit`: lots that may; `value`: lots.
        ReduceOnly = 115 => "reduce_only",
        /// The side may not be traded. `limit`: the sides that may, as bits; `value`: the side.
        SideNotAllowed = 116 => "side_not_allowed",
        /// The permission to trade has ended. `limit`: when; `value`: now, UTC nanoseconds.
        TokenExpired = 117 => "token_expired",
        /// A person must approve such an order, which must be a new one that stands alone (money units).
        ApprovalNeeded = 118 => "approval_needed",
        /// The person who was asked refused. `value`: the proposal.
        ApprovalRefused = 119 => "approval_refused",
        /// Nobody approved it in time, or it was changed. `value`: the proposal.
        ApprovalLapsed = 120 => "approval_lapsed",
        /// There is no such proposal, or it is decided. `value`: its number.
        UnknownProposal = 121 => "unknown_proposal",
        /// The hash is not that of the proposal: something else was looked at. `value`: the proposal.
        WrongHash = 122 => "wrong_hash",
        /// Nobody decides what they asked for themselves. `value`: the principal.
        SamePerson = 123 => "same_person",
        /// Only a person decides. `value`: the principal.
        NotAPerson = 124 => "not_a_person",
        /// There is no such scope. `value`: its number.
        UnknownScope = 125 => "unknown_scope",
        /// The control has no such value, or not for such a scope. `limit`: what it may be; `value`: as given.
        BadControl = 126 => "bad_control",
        /// The members of a group are of one kind. `limit`: that; `value`: the kind given.
        MixedGroup = 127 => "mixed_group",

        /// The instrument is halted, paused or closed. `value`: its status.
        NotTrading = 160 => "not_trading",
        /// The market's phase does not take such an order. `value`: the phase.
        Phase = 161 => "phase",
        /// A post-only order would take. `limit`: the best opposite price; `value`: its own, in ticks.
        PostOnlyWouldCross = 162 => "post_only_would_cross",
        /// A live order has this id. `value`: the id.
        DuplicateId = 163 => "duplicate_id",
        /// The instrument has no market of the house. `value`: its id.
        NoMarket = 164 => "no_market",
        /// Orders rest at the paper venue, and how they are filled cannot change under them. `value`: how many.
        OrdersResting = 179 => "orders_resting",
        /// The link to the instrument's venue is down or reconciling, and the order does not reduce the account's position.
        /// `value`: the route.
        RouteDown = 180 => "route_down",
        /// The venue that the order was routed to refused it. `limit`: the route; `value`: the venue's reason.
        RouteRefused = 181 => "route_refused",
        /// The position here and at the venue differ, and no operator has confirmed it. `limit`: lots at the venue; `value`:
        /// lots here.
        RouteBlocked = 182 => "route_blocked",
        /// What became of an earlier request of the order is not known yet. `value`: order id.
        RouteUncertain = 183 => "route_uncertain",
        /// The command names no route of this engine, or says of it what cannot be. `value`: the route or field.
        BadRoute = 184 => "bad_route",
        /// The order was kept while its route was down, and would not only reduce the position any more. `limit`: lots that
        /// may be; `value`: its lots.
        NotReducing = 185 => "not_reducing",
    }
);

/// A refusal: the reason, the limit that was met and the value that met it, in the units the reason names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// The limit in force.
    pub limit: i128,
    /// The value that passed it.
    pub value: i128,
    /// Whose limit it was, where a control refused.
    pub scope: Option<ScopeKind>,
}

impl Reject {
    /// A refusal with its figures.
    #[inline]
    pub const fn new(reason: RejectReason, limit: i128, value: i128) -> Self {
        Self { reason, limit, value, scope: None }
    }

    /// The same refusal, by a control of a scope of this kind.
    #[inline]
    #[must_use]
    pub const fn by(mut self, scope: ScopeKind) -> Self {
        self.scope = Some(scope);
        self
    }

    /// A refusal about one thing, where no limit is involved.
    #[inline]
    pub const fn of(reason: RejectReason, value: i128) -> Self {
        Self { reason, limit: 0, value, scope: None }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: limit={} value={}", self.reason, self.limit, self.value)?;
        self.scope.map_or(Ok(()), |scope| write!(f, " scope={scope}"))
    }
}
