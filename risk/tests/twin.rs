//! Risk against a naive twin that keeps lists and adds everything up anew for every question.

mod desk;

use desk::{START, instrument, limits};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_model::command::{
    KillSwitch, NewOrder, OrderType, ReplaceOrder, SetLimits, SetMargin, TimeInForce,
};
use tidegate_model::fx::Rate;
use tidegate_model::{
    AccountId, ClientOrderId, InstrumentId, Lots, Money, OrderId, PrincipalId, RejectReason, Scope,
    Side, StrategyId, Ticks, UnixNanos,
};
use tidegate_risk::{Funds, MarginFunds, OrderContext, OrderExposure, PairExposure, Risk};

const ACCOUNTS: u32 = 3;
/// One of them is a margin account.
const ON_MARGIN: u32 = 1;
/// Two that share a page of the pair table and one that does not.
const INSTRUMENTS: [u32; 3] = [0, 255, 256];

type Key = (u32, u32);

#[derive(Clone, Debug)]
enum Step {
    New { key: Key, buy: bool, market: bool, qty: u64, price: i64 },
    Replace { pick: usize, qty: u64, price: i64 },
    Fill { pick: usize, part: u64, price: i64 },
    Close { pick: usize },
    Cancel { account: u32 },
    Limits(SetLimits),
    Kill { account: u32, engaged: bool },
    Wait { ns: u64 },
    Reference { price: Option<i64> },
    Equity { account: u32, money: i128 },
    Margin { instrument: u32, initial_e6: u32, per_lot: i128 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = || (0..ACCOUNTS, prop::sample::select(INSTRUMENTS.to_vec()));
    let price = || 1_i64..40;
    let limits = (0..ACCOUNTS, 0_i128..2_000, 0_i128..4_000, 1_u64..120, 1_u64..150).prop_flat_map(
        |(account, notional, credit, qty, position)| {
            (0_u32..12_000, 0_u32..12, 0_u32..50, 0_u32..50).prop_map(
                move |(collar, orders, rate, burst)| SetLimits {
                    max_order_notional: Money(notional),
                    credit: Money(credit),
                    max_order_qty: Lots(qty),
                    max_position: Lots(position),
                    price_collar_bp: collar,
                    max_open_orders: orders,
                    messages_per_sec: rate,
                    message_burst: burst,
                    account: AccountId(account),
                    ..limits()
                },
            )
        },
    );
    prop_oneof![
        12 => (key(), any::<bool>(), prop::bool::weighted(0.2), 1_u64..100, price()).prop_map(
            |(key, buy, market, qty, price)| Step::New { key, buy, market, qty, price }
        ),
        4 => (any::<usize>(), 1_u64..100, price())
            .prop_map(|(pick, qty, price)| Step::Replace { pick, qty, price }),
        6 => (any::<usize>(), 1_u64..100, price())
            .prop_map(|(pick, part, price)| Step::Fill { pick, part, price }),
        4 => any::<usize>().prop_map(|pick| Step::Close { pick }),
        1 => (0..ACCOUNTS).prop_map(|account| Step::Cancel { account }),
        1 => limits.prop_map(Step::Limits),
        1 => (0..=ACCOUNTS, prop::bool::weighted(0.3))
            .prop_map(|(account, engaged)| Step::Kill { account, engaged }),
        3 => (0_u64..2_000_000_000).prop_map(|ns| Step::Wait { ns }),
        2 => prop::option::weighted(0.95, price()).prop_map(|price| Step::Reference { price }),
        2 => (0..ACCOUNTS, -100_i128..8_000)
            .prop_map(|(account, money)| Step::Equity { account, money }),
        1 => (prop::sample::select(INSTRUMENTS.to_vec()), 0_u32..1_500_000, 0_i128..4)
            .prop_map(|(instrument, initial_e6, per_lot)| {
                Step::Margin { instrument, initial_e6, per_lot }
            }),
    ]
}

#[derive(Clone, Debug)]
struct TwinOrder {
    key: Key,
    side: Side,
    qty: u64,
    cum_qty: u64,
    price: i64,
}

impl TwinOrder {
    fn leaves(&self) -> i128 {
        i128::from(self.qty - self.cum_qty)
    }

    fn notional(&self) -> i128 {
        self.leaves() * i128::from(self.price)
    }

    fn exposure(&self) -> OrderExposure {
        OrderExposure {
            account: AccountId(self.key.0),
            instrument: InstrumentId(self.key.1),
            side: self.side,
            qty: Lots(self.leaves() as u64),
            notional: Money(self.notional()),
            strategy: StrategyId::NONE,
            principal: PrincipalId::OPERATOR,
            limit: Ticks(self.price),
        }
    }
}

/// Everything as lists and maps; tokens as every message that was ever counted.
#[derive(Default)]
struct Twin {
    orders: Vec<TwinOrder>,
    positions: BTreeMap<Key, (i64, i128)>,
    limits: BTreeMap<u32, SetLimits>,
    killed: BTreeMap<u32, bool>,
    tokens_e9: BTreeMap<u32, (u128, u64)>,
    equity: BTreeMap<u32, i128>,
    reference: Option<i64>,
    now: u64,
    /// Share of the value in millionths, and money a lot.
    margins: BTreeMap<u32, (i128, i128)>,
}

impl Twin {
    /// What lots of a value tie up in an account.
    fn tied_up(&self, account: u32, instrument: u32, value: i128, lots: i128) -> i128 {
        if account != ON_MARGIN {
            return value;
        }
        let (share, per_lot) = self.margins.get(&instrument).copied().unwrap_or((1_000_000, 0));
        (value * share + 999_999) / 1_000_000 + lots * per_lot
    }

    fn pair(&self, key: Key, orders: &[TwinOrder]) -> PairExposure {
        let mut pair = PairExposure::default();
        for order in orders.iter().filter(|order| order.key == key) {
            let side = order.side.index();
            pair.open_qty[side].0 += order.leaves() as u64;
            pair.open_notional[side].0 += order.notional();
        }
        let (qty, cost) = self.positions.get(&key).copied().unwrap_or_default();
        pair.position = qty;
        pair.cost = Money(cost);
        pair
    }

    /// What the account's orders and positions could come to: for each instrument the worse of executing
    /// all buys and executing all sells, where executing them does more than close the position.
    fn committed(&self, account: u32, orders: &[TwinOrder]) -> i128 {
        INSTRUMENTS
            .iter()
            .map(|instrument| {
                let pair = self.pair((account, *instrument), orders);
                let position = i128::from(pair.position);
                let buys = i128::from(pair.open_qty[0].0);
                let sells = i128::from(pair.open_qty[1].0);
                let mut worst = 0;
                let tied_up = |value, lots| self.tied_up(account, *instrument, value, lots);
                if position + buys > 0 {
                    let value = pair.cost.0.max(0) + pair.open_notional[0].0;
                    worst = worst.max(tied_up(value, position + buys));
                }
                if position - sells < 0 {
                    let value = (-pair.cost.0).max(0) + pair.open_notional[1].0;
                    worst = worst.max(tied_up(value, sells - position));
                }
                worst
            })
            .sum()
    }

    fn refill(&mut self, account: u32) {
        let Some(limits) = self.limits.get(&account) else { return };
        let full = u128::from(limits.message_burst) * 1_000_000_000;
        let (level, since) = self.tokens_e9.get(&account).copied().unwrap_or((full, 0));
        let gained = u128::from(self.now - since) * u128::from(limits.messages_per_sec);
        self.tokens_e9.insert(account, ((level + gained).min(full), self.now));
    }

    fn admit(&mut self, account: u32) -> Result<(), RejectReason> {
        if !self.limits.contains_key(&account) {
            return Err(RejectReason::NoLimits);
        }
        let killed = |scope: u32| self.killed.get(&scope).copied().unwrap_or(false);
        if killed(ACCOUNTS) || killed(account) {
            return Err(RejectReason::KillSwitch);
        }
        self.refill(account);
        let level = &mut self.tokens_e9.get_mut(&account).expect("refilled").0;
        *level = level.checked_sub(1_000_000_000).ok_or(RejectReason::MessageRate)?;
        Ok(())
    }

    /// The controls, asked of the world as it would be with `order` in place of `replaced`.
    fn ask(
        &self,
        order: &TwinOrder,
        market: bool,
        replaced: Option<usize>,
    ) -> Result<TwinOrder, RejectReason> {
        let account = order.key.0;
        let limits = self.limits[&account];
        if order.qty > limits.max_order_qty.0 {
            return Err(RejectReason::MaxOrderQuantity);
        }
        let reference = i128::from(self.reference.ok_or(RejectReason::NoReferencePrice)?);
        let bp = i128::from(limits.price_collar_bp);
        let price = i128::from(order.price);
        let outside = match order.side {
            Side::Buy => price * 10_000 > reference * (10_000 + bp),
            Side::Sell => price * 10_000 < reference * (10_000 - bp),
        };
        if !market && outside {
            return Err(RejectReason::PriceCollar);
        }
        let dearest = match (order.side, market) {
            (Side::Buy, false) => price,
            (Side::Buy, true) => reference * (10_000 + bp) / 10_000,
            (Side::Sell, false) => price.max(reference),
            (Side::Sell, true) => reference,
        };
        if dearest * i128::from(order.qty) > limits.max_order_notional.0 {
            return Err(RejectReason::MaxOrderNotional);
        }
        let counted = TwinOrder { price: dearest as i64, ..order.clone() };
        let mut orders = self.orders.clone();
        match replaced {
            Some(index) => orders[index] = counted.clone(),
            None => orders.push(counted.clone()),
        }
        let pair = self.pair(order.key, &orders);
        let toward = if order.side == Side::Buy { 1 } else { -1 };
        let open = i128::from(pair.open_qty[order.side.index()].0);
        let reached = i128::from(pair.position) * toward + open;
        if reached > i128::from(limits.max_position.0) {
            return Err(RejectReason::PositionLimit);
        }
        let count = orders.iter().filter(|order| order.key.0 == account).count();
        if replaced.is_none() && count > limits.max_open_orders as usize {
            return Err(RejectReason::MaxOpenOrders);
        }
        let equity = self.equity.get(&account).copied().unwrap_or_default();
        if reached > 0 && self.committed(account, &orders) > equity + limits.credit.0 {
            return Err(match account {
                ON_MARGIN => RejectReason::InitialMargin,
                _ => RejectReason::BuyingPower,
            });
        }
        Ok(counted)
    }
}

/// Risk and its twin, asked the same.
struct Both {
    risk: Risk,
    twin: Twin,
}

impl Both {
    fn new() -> Self {
        let mut risk = Risk::new();
        for account in 0..ACCOUNTS {
            let opened = match account {
                ON_MARGIN => risk.open_margin_account(AccountId(account)),
                _ => risk.open_account(AccountId(account)),
            };
            opened.expect("a new account");
        }
        for instrument in INSTRUMENTS {
            risk.define_instrument(InstrumentId(instrument), &desk::instrument(), &|_| {
                Some(Rate::ONE)
            })
            .expect("in range");
        }
        let twin = Twin { now: START.0, reference: Some(20), ..Twin::default() };
        let mut both = Self { risk, twin };
        for account in 0..ACCOUNTS - 1 {
            both.run(&Step::Limits(SetLimits { account: AccountId(account), ..limits() }));
            both.run(&Step::Equity { account, money: 20_000 });
        }
        both
    }

    fn run(&mut self, step: &Step) {
        let (risk, twin) = (&mut self.risk, &mut self.twin);
        let terms = instrument();
        let pick =
            |pick: usize, orders: &[TwinOrder]| (!orders.is_empty()).then(|| pick % orders.len());
        let funds_of = |twin: &Twin, account: u32| {
            let equity = Money(twin.equity.get(&account).copied().unwrap_or(0));
            let rates = [Some(Rate::ONE); AccountId::CURRENCIES_MAX];
            let standing = Ok([equity, Money::ZERO]);
            (Funds::of_base(equity), MarginFunds { equity: Ok(equity), standing, rates })
        };
        // The price where a market order is bound is asked for elsewhere.
        let limitless = |counted: OrderExposure| OrderExposure { limit: Ticks::ZERO, ..counted };
        match *step {
            Step::New { key, buy, market, qty, price } => {
                let side = if buy { Side::Buy } else { Side::Sell };
                let order_type = if market { OrderType::Market } else { OrderType::Limit };
                let new = NewOrder {
                    client_order_id: ClientOrderId::EMPTY,
                    account: AccountId(key.0),
                    instrument: InstrumentId(key.1),
                    side: side.wire(),
                    order_type: order_type.wire(),
                    time_in_force: TimeInForce::Day.wire(),
                    flags: 0,
                    qty: Lots(qty),
                    price: Ticks(if market { 0 } else { price }),
                    ..NewOrder::BLANK
                };
                let (funds, margin) = funds_of(twin, key.0);
                let context = OrderContext::plain(
                    UnixNanos(twin.now),
                    &terms,
                    twin.reference.map(Ticks),
                    Funds { margin: Some(&margin), ..funds },
                );
                let answer = risk.check_new(new, &context);
                let order = TwinOrder { key, side, qty, cum_qty: 0, price };
                let expected = twin.admit(key.0).and_then(|()| twin.ask(&order, market, None));
                let told = answer.as_ref().map(|a| *a.exposure()).map_err(|reject| reject.reason);
                let limitless =
                    |counted: OrderExposure| OrderExposure { limit: Ticks::ZERO, ..counted };
                let expected_told = expected.as_ref().map(TwinOrder::exposure).map_err(|r| *r);
                assert_eq!(told.map(limitless), expected_told.map(limitless));
                if let (Ok(approved), Ok(order)) = (answer, expected) {
                    risk.order_opened(approved.exposure());
                    twin.orders.push(order);
                }
            }
            Step::Replace { pick: number, qty, price } => {
                let Some(index) = pick(number, &twin.orders) else { return };
                let current = twin.orders[index].clone();
                let (funds, margin) = funds_of(twin, current.key.0);
                let context = OrderContext::plain(
                    UnixNanos(twin.now),
                    &terms,
                    twin.reference.map(Ticks),
                    Funds { margin: Some(&margin), ..funds },
                );
                let replace = ReplaceOrder {
                    client_order_id: ClientOrderId::EMPTY,
                    order_id: OrderId(1),
                    account: AccountId(current.key.0),
                    reserved: [0; 4],
                    qty: Lots(qty),
                    price: Ticks(price),
                    stop_price: Ticks::ZERO,
                };
                let cum_qty = Lots(current.cum_qty);
                let answer = risk.check_replace(replace, &current.exposure(), cum_qty, &context);
                let order = TwinOrder { qty, price, ..current.clone() };
                let expected = twin.admit(current.key.0).and_then(|()| {
                    if qty <= current.cum_qty {
                        return Err(RejectReason::QuantityBelowExecuted);
                    }
                    twin.ask(&order, false, Some(index))
                });
                let told = answer.map(|a| *a.exposure()).map_err(|reject| reject.reason);
                let expected_told = expected.as_ref().map(TwinOrder::exposure).map_err(|r| *r);
                assert_eq!(told.map(limitless), expected_told.map(limitless));
                if let Ok(order) = expected {
                    risk.order_changed(&current.exposure(), &order.exposure());
                    twin.orders[index] = order;
                }
            }
            Step::Fill { pick: number, part, price } => {
                let Some(index) = pick(number, &twin.orders) else { return };
                let before = twin.orders[index].exposure();
                let order = &mut twin.orders[index];
                let qty = part.min(order.qty - order.cum_qty);
                order.cum_qty += qty;
                let sign = if order.side == Side::Buy { 1 } else { -1 };
                let held = twin.positions.entry(order.key).or_default();
                // Risk takes any cost that it is told; how it comes about is the order management's.
                held.0 += sign * qty as i64;
                held.1 += i128::from(sign * price) * i128::from(qty);
                let order = order.clone();
                if order.leaves() == 0 {
                    twin.orders.remove(index);
                    risk.order_closed(&before);
                } else {
                    risk.order_changed(&before, &order.exposure());
                }
                let (qty, cost) = twin.positions[&order.key];
                risk.position_changed(before.account, before.instrument, qty, Money(cost));
            }
            Step::Close { pick: number } => {
                let Some(index) = pick(number, &twin.orders) else { return };
                let order = twin.orders.remove(index);
                risk.order_closed(&order.exposure());
            }
            Step::Cancel { account } => {
                risk.count_cancel(UnixNanos(twin.now), AccountId(account), PrincipalId(0));
                twin.refill(account);
                if let Some((level, _)) = twin.tokens_e9.get_mut(&account) {
                    *level = level.saturating_sub(1_000_000_000);
                }
            }
            Step::Limits(limits) => {
                risk.set_limits(&limits).expect("limits that mean something");
                let account = limits.account.0;
                let full = u128::from(limits.message_burst) * 1_000_000_000;
                if twin.limits.insert(account, limits).is_some()
                    && let Some((level, _)) = twin.tokens_e9.get_mut(&account)
                {
                    *level = (*level).min(full);
                } else {
                    twin.tokens_e9.insert(account, (full, 0));
                }
            }
            Step::Kill { account, engaged } => {
                let scope = match account {
                    ACCOUNTS => Scope::FIRM,
                    account => Scope::account(AccountId(account)),
                };
                risk.kill(&KillSwitch::of(scope, engaged)).expect("known");
                twin.killed.insert(account, engaged);
            }
            Step::Margin { instrument, initial_e6, per_lot } => {
                let set = SetMargin {
                    initial_per_lot: Money(per_lot),
                    maintenance_per_lot: Money::ZERO,
                    instrument: InstrumentId(instrument),
                    initial_e6,
                    maintenance_e6: initial_e6 / 2,
                    reserved: [0; 4],
                };
                risk.set_margin(&set).expect("margins that mean something");
                match (initial_e6, per_lot) {
                    (0, 0) => twin.margins.remove(&instrument),
                    (share, per_lot) => twin.margins.insert(instrument, (share.into(), per_lot)),
                };
            }
            Step::Wait { ns } => twin.now += ns,
            Step::Reference { price } => twin.reference = price,
            Step::Equity { account, money } => {
                twin.equity.insert(account, money);
            }
        }
    }

    fn compare(&self) {
        for account in 0..ACCOUNTS {
            for instrument in INSTRUMENTS {
                let expected = self.twin.pair((account, instrument), &self.twin.orders);
                let pair = self.risk.exposure(AccountId(account), InstrumentId(instrument));
                assert_eq!(pair, expected, "account {account}, instrument {instrument}");
            }
            let committed = self.risk.committed(AccountId(account));
            assert_eq!(committed.0, self.twin.committed(account, &self.twin.orders));
            let open = self.twin.orders.iter().filter(|order| order.key.0 == account).count();
            assert_eq!(self.risk.open_orders(AccountId(account)) as usize, open);
        }
        assert_eq!(self.risk.hash(), self.risk.hash_from_scratch());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The same answers, and after every step the same exposure as counted from scratch.
    #[test]
    fn incremental_exposure_is_exposure_from_scratch(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut both = Both::new();
        for step in &steps {
            both.run(step);
            both.compare();
        }
    }
}

/// The same inputs give the same hash, and what differs in anything that shapes an answer differs in it.
#[test]
fn hash_tells_states_apart() {
    let run = |steps: &[Step]| {
        let mut both = Both::new();
        steps.iter().for_each(|step| both.run(step));
        both.risk.hash()
    };
    let new = Step::New { key: (0, 255), buy: true, market: false, qty: 5, price: 18 };
    let close = Step::Close { pick: 0 };
    let empty = run(&[]);
    assert_eq!(run(std::slice::from_ref(&new)), run(std::slice::from_ref(&new)));
    assert_ne!(run(std::slice::from_ref(&new)), empty);
    assert_ne!(run(&[Step::Kill { account: 1, engaged: true }]), empty);
    assert_ne!(run(&[Step::Kill { account: ACCOUNTS, engaged: true }]), empty);
    let limits = SetLimits { account: AccountId(0), max_position: Lots(9), ..limits() };
    assert_ne!(run(&[Step::Limits(limits)]), empty);
    // A pair that is used up equals one never used: the message remains, and that the firm had an order.
    let other = Step::New { key: (0, 256), buy: false, market: false, qty: 7, price: 30 };
    assert_eq!(run(&[new, close.clone()]), run(&[other, close]));
}
