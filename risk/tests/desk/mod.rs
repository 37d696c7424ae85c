//! One account that may do anything, to be narrowed by each test.
#![allow(dead_code, reason = "each test file uses its part")]

use tidegate_model::command::{NewOrder, OrderType, Reason, ReplaceOrder, SetLimits, TimeInForce};
use tidegate_model::event::Verdict;
use tidegate_model::fx::Rate;
use tidegate_model::{
    AccountId, ClientOrderId, Instrument, InstrumentId, Lots, Money, OrderId, PrincipalId, Reject,
    Side, Symbol, Ticks, UnixNanos,
};
use tidegate_risk::{
    Funds, MarketView, OrderContext, OrderExposure, OwnOrders, Parties, Risk, RiskApproved,
};

pub const ACCOUNT: AccountId = AccountId(7);
pub const INSTRUMENT: InstrumentId = InstrumentId(3);
pub const START: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
pub const REFERENCE: i64 = 1_000;

/// One tick of one lot is one unit of [`Money`], so that amounts in tests are price x quantity.
pub fn instrument() -> Instrument {
    let mut instrument = Instrument::us_equity(Symbol::new("TEST").expect("a symbol"));
    instrument.tick_size_nano = 1;
    instrument.lot_size_nano = 1;
    instrument.order_tick = Ticks(1);
    instrument.checked().expect("acceptable")
}

pub fn limits() -> SetLimits {
    SetLimits {
        max_order_notional: Money(i128::MAX),
        credit: Money::ZERO,
        max_order_qty: Lots::MAX,
        max_position: Lots::MAX,
        price_collar_bp: 10_000,
        max_open_orders: u32::MAX,
        messages_per_sec: u32::MAX,
        message_burst: u32::MAX,
        account: ACCOUNT,
        reserved: [0; 12],
        reason: Reason::EMPTY,
    }
}

pub fn order(side: Side, qty: u64, price: i64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new("a").expect("a name"),
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side: side.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: TimeInForce::Day.wire(),
        flags: 0,
        qty: Lots(qty),
        price: Ticks(price),
        ..NewOrder::BLANK
    }
}

pub fn market(side: Side, qty: u64) -> NewOrder {
    NewOrder { order_type: OrderType::Market.wire(), ..order(side, qty, 0) }
}

pub struct Desk {
    pub risk: Risk,
    pub now: UnixNanos,
    pub terms: Instrument,
    pub reference: Option<Ticks>,
    pub equity: Money,
    /// Who asks.
    pub principal: PrincipalId,
    pub market: MarketView,
    /// The best limit of own orders of the other side, whoever asks.
    pub own_best: Option<Ticks>,
    pub is_approved: bool,
}

impl Desk {
    pub fn with(limits: SetLimits) -> Self {
        let mut risk = Risk::new();
        risk.open_account(ACCOUNT).expect("a new account");
        risk.define_instrument(INSTRUMENT, &instrument(), &|_| Some(Rate::ONE))
            .expect("a new instrument");
        risk.set_limits(&limits).expect("limits that mean something");
        let equity = Money(i128::MAX >> 2);
        Self {
            risk,
            now: START,
            terms: instrument(),
            reference: Some(Ticks(REFERENCE)),
            equity,
            principal: PrincipalId::OPERATOR,
            market: MarketView::default(),
            own_best: None,
            is_approved: false,
        }
    }

    pub fn check(&mut self, order: NewOrder) -> Result<RiskApproved<NewOrder>, Reject> {
        let own_best = self.own_best;
        let own = |_: Side, _: &dyn Fn(Parties) -> bool| own_best;
        let funds = Funds::of_base(self.equity);
        let context = OrderContext::plain(self.now, &self.terms, self.reference, funds);
        let context = OrderContext {
            principal: self.principal,
            market: self.market,
            own: OwnOrders(&own),
            is_approved: self.is_approved,
            ..context
        };
        self.risk.check_new(order, &context)
    }

    /// What each control would say.
    pub fn explain(&self, order: &NewOrder) -> Result<Vec<Verdict>, Reject> {
        let funds = Funds::of_base(self.equity);
        let context = OrderContext::plain(self.now, &self.terms, self.reference, funds);
        let context = OrderContext { principal: self.principal, ..context };
        let mut verdicts = Vec::new();
        self.risk.explain_new(order, &context, &mut |verdict| verdicts.push(verdict))?;
        Ok(verdicts)
    }

    /// Approves an order and counts it as open.
    pub fn open(&mut self, order: NewOrder) -> Result<OrderExposure, Reject> {
        let exposure = *self.check(order)?.exposure();
        self.risk.order_opened(&exposure);
        Ok(exposure)
    }

    pub fn check_replace(
        &mut self,
        current: &OrderExposure,
        cum_qty: u64,
        qty: u64,
        price: i64,
    ) -> Result<OrderExposure, Reject> {
        let funds = Funds::of_base(self.equity);
        // By who entered it.
        let context = OrderContext {
            principal: current.principal,
            ..OrderContext::plain(self.now, &self.terms, self.reference, funds)
        };
        let replace = ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(1),
            account: current.account,
            reserved: [0; 4],
            qty: Lots(qty),
            price: Ticks(price),
            stop_price: Ticks::ZERO,
        };
        let approved = self.risk.check_replace(replace, current, Lots(cum_qty), &context)?;
        Ok(*approved.exposure())
    }

    /// Holds `qty` lots (below 0 is short) that cost `cost`.
    pub fn hold(&mut self, qty: i64, cost: i128) {
        // A pair exists once an order of it was approved.
        let exposure = self.open(order(Side::Buy, 1, 1)).expect("a small order");
        self.risk.order_closed(&exposure);
        self.risk.position_changed(ACCOUNT, INSTRUMENT, qty, Money(cost));
    }
}
