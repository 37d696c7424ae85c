//! A gate that lets everything sensible pass, and the order management behind it.
#![allow(dead_code, reason = "each test file uses its part")]

use tidegate_model::command::{
    CostMethod, MAY_TRADE, NewOrder, OpenAccount, OrderType, Reason, ReplaceOrder, Role, SetLimits,
    SetPrincipal, TimeInForce,
};
use tidegate_model::event::Liquidity;
use tidegate_model::fx::Rate;
use tidegate_model::ids::Code;
use tidegate_model::{
    AccountId, ClientOrderId, Instrument, InstrumentId, Lots, Money, OrderId, PrincipalId, Reject,
    SessionId, Side, StrategyId, Symbol, Ticks, UnixNanos,
};
use tidegate_oms::oms::Fill;
use tidegate_oms::{Booking, Named, Oms, OrderSlot, Requester};
use tidegate_risk::{OrderContext, Risk, RiskApproved};

pub const USD: Code = Code(*b"USD\0\0\0\0\0");
pub const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
pub const WHO: Requester =
    Requester { principal: PrincipalId(5), session: SessionId(6), request_id: 7 };

/// One tick of one lot is one unit of money.
pub fn instrument() -> Instrument {
    let mut instrument = Instrument::us_equity(Symbol::new("TEST").expect("a symbol"));
    instrument.tick_size_nano = 1;
    instrument.lot_size_nano = 1;
    instrument.order_tick = Ticks(1);
    instrument.checked().expect("acceptable")
}

pub fn name(number: u64) -> ClientOrderId {
    ClientOrderId::new(&format!("order-{number}")).expect("a name")
}

pub fn order(account: u32, instrument: u32, name: u64, side: Side, qty: u64) -> NewOrder {
    NewOrder {
        client_order_id: self::name(name),
        account: AccountId(account),
        instrument: InstrumentId(instrument),
        side: side.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: TimeInForce::Day.wire(),
        flags: 0,
        qty: Lots(qty),
        price: Ticks(100),
        ..NewOrder::BLANK
    }
}

pub struct Desk {
    pub oms: Oms,
    pub risk: Risk,
    pub terms: Instrument,
}

impl Desk {
    pub fn new(orders_max: u32, accounts: u32, instruments: u32) -> Self {
        Self::with(orders_max, accounts, instruments, CostMethod::Average)
    }

    pub fn with(orders_max: u32, accounts: u32, instruments: u32, cost_method: CostMethod) -> Self {
        let mut oms = Oms::new(orders_max).expect("a power of two");
        let mut risk = Risk::new();
        for account in 0..accounts {
            let account = AccountId(account);
            let cost_method = cost_method.wire();
            let open = OpenAccount { cost_method, ..OpenAccount::of(account, USD) };
            oms.open_account(&open).expect("a new account");
            risk.open_account(account).expect("a new account");
            let limits = SetLimits {
                max_order_notional: Money::MAX,
                credit: Money(i128::MAX >> 2),
                max_order_qty: Lots::MAX,
                max_position: Lots::MAX,
                price_collar_bp: 1_000_000,
                max_open_orders: u32::MAX,
                messages_per_sec: u32::MAX,
                message_burst: u32::MAX,
                account,
                reserved: [0; 12],
                reason: Reason::EMPTY,
            };
            risk.set_limits(&limits).expect("known");
        }
        for id in 0..instruments {
            risk.define_instrument(InstrumentId(id), &instrument(), &|_| Some(Rate::ONE))
                .expect("in range");
        }
        // The first order of one that nobody told of makes its record.
        let known = SetPrincipal {
            principal: WHO.principal,
            account: AccountId::NONE,
            strategy: StrategyId::NONE,
            role: Role::Person.wire(),
            permissions: MAY_TRADE,
            reserved: [0; 4],
            name: [0; 24],
        };
        risk.set_principal(&known).expect("sensible");
        Self { oms, risk, terms: instrument() }
    }

    /// The gate's answer to an order.
    pub fn ask(&mut self, order: NewOrder) -> Result<RiskApproved<NewOrder>, Reject> {
        let context = OrderContext::plain(
            NOW,
            &self.terms,
            Some(Ticks(100)),
            self.oms.funds(order.account, &self.terms, None)?,
        );
        let context = OrderContext { principal: WHO.principal, ..context };
        self.risk.check_new(order, &context)
    }

    pub fn approve(&mut self, order: NewOrder) -> RiskApproved<NewOrder> {
        self.ask(order).expect("sensible")
    }

    /// Admits and counts an approved order.
    pub fn admit(&mut self, approved: &RiskApproved<NewOrder>) -> Result<OrderSlot, Reject> {
        let order = approved.get();
        let name = self.oms.name_hash(order.account, &order.client_order_id);
        let slot = self.oms.admit(approved, name, WHO, NOW, &self.terms)?;
        self.risk.order_opened(approved.exposure());
        Ok(slot)
    }

    /// Approves, admits and counts an order; one that is sent again is the one that it was.
    pub fn enter(&mut self, order: NewOrder) -> Result<OrderSlot, Reject> {
        let approved = self.approve(order);
        let name = self.oms.name_hash(order.account, &order.client_order_id);
        if let Named::Same(slot) = self.oms.check_client_order_id(&order, name)? {
            return Ok(slot);
        }
        self.admit(&approved)
    }

    /// As [`Self::enter`], where the gate may say no.
    pub fn try_enter(&mut self, order: NewOrder) -> Option<OrderSlot> {
        let approved = self.ask(order).ok()?;
        Some(self.admit(&approved).expect("room"))
    }

    /// Executes some of an order and tells the gate.
    pub fn fill(&mut self, slot: OrderSlot, qty: u64, price: i64, liquidity: Liquidity) -> Fill {
        let before = self.oms.exposure(slot);
        let fill = self.oms.fill(slot, Lots(qty), Ticks(price), liquidity, &self.terms);
        let fill = fill.expect("fits");
        let Booking { position_qty, position_cost, .. } = fill.booking;
        let (account, instrument) = (before.account, before.instrument);
        self.risk.position_changed(account, instrument, position_qty, position_cost);
        self.oms.recount(&mut self.risk, slot, &before);
        fill
    }

    /// Asks for the name of an order like no other.
    pub fn check_name(&self, account: u32, name: &ClientOrderId) -> Result<(), Reject> {
        let unlike = order(account, 0, 0, Side::Sell, 77_777);
        let order = NewOrder { client_order_id: *name, ..unlike };
        let hash = self.oms.name_hash(order.account, name);
        let found = self.oms.check_client_order_id(&order, hash)?;
        assert_eq!(found, Named::Free, "no order is like it");
        Ok(())
    }

    /// Approves new terms of an order.
    pub fn approve_replace(
        &mut self,
        slot: OrderSlot,
        qty: u64,
        price: i64,
    ) -> Result<RiskApproved<ReplaceOrder>, Reject> {
        let order = *self.oms.order(slot);
        let replace = ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: order.order_id,
            account: order.account,
            reserved: [0; 4],
            qty: Lots(qty),
            price: Ticks(price),
            stop_price: Ticks::ZERO,
        };
        let context = OrderContext::plain(
            NOW,
            &self.terms,
            Some(Ticks(100)),
            self.oms.funds(order.account, &self.terms, None).expect("its currency"),
        );
        let context = OrderContext { principal: WHO.principal, ..context };
        self.risk.check_replace(replace, &self.oms.exposure(slot), order.cum_qty, &context)
    }

    pub fn find(&self, account: u32, order_id: u64, name: u64) -> Result<OrderSlot, Reject> {
        self.oms.find(AccountId(account), OrderId(order_id), &self::name(name))
    }
}
