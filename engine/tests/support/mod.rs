//! A desk for tests: a state machine with one instrument, two accounts, and short words for what happens to it.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod quoted;
pub mod saved;

use saved::reload_sometimes;
use std::collections::BTreeMap;
use tidegate_engine::core::{Collected, Core, Input};
use tidegate_model::command::*;
use tidegate_model::event::{
    CancelReason, Event, ExecType, Execution, ListOrderStatus, OrdStatus, Proposal,
};
use tidegate_model::ids::Code;
use tidegate_model::market::{Bar, Definition, MarketEventKind as Kind};
use tidegate_model::*;

pub const ACCOUNT: AccountId = AccountId(1);
pub const INSTRUMENT: InstrumentId = InstrumentId(0);
pub const MONEY: i128 = tidegate_model::units::MONEY_PER_UNIT;

/// Of so many inputs of a desk one leaves a state that is saved and read again, so that every test also shows that nothing of what
/// it is about is forgotten by that.
const EACH: u64 = 16;

pub struct Desk {
    pub core: Core,
    pub out: Collected,
    pub now: UnixNanos,
    pub names: u64,
}

pub fn configure(latency_ns: u64) -> Configure {
    Configure {
        paper_latency_ns: latency_ns,
        orders_max: 1 << 12,
        book_orders_max: 1 << 14,
        currency: Code::EMPTY,
    }
}

pub fn limits(account: AccountId) -> SetLimits {
    SetLimits {
        max_order_notional: Money(1_000_000 * MONEY),
        credit: Money(1_000_000 * MONEY),
        max_order_qty: Lots(10_000),
        max_position: Lots(20_000),
        price_collar_bp: 1_000,
        max_open_orders: 1_000,
        messages_per_sec: 1_000_000,
        message_burst: 1_000_000,
        account,
        reserved: [0; 12],
        reason: Reason::EMPTY,
    }
}

pub fn definition() -> MarketEvent {
    Definition {
        kind: Kind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 7,
        ts_event: UnixNanos(1),
        ts_recv: UnixNanos(1),
        symbol: Symbol::new("ACME").expect("valid"),
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    }
    .into_event()
}

/// Cents as ticks of 0.0001.
pub fn cents(cents: i64) -> Ticks {
    Ticks(cents * 100)
}

pub fn setup_commands() -> Vec<Command> {
    let mut commands = Vec::new();
    for account in [AccountId(1), AccountId(2)] {
        let currency = Code::new("USD").expect("valid");
        commands.push(Command::OpenAccount(OpenAccount::of(account, currency)));
        let amount = Money(100_000 * MONEY);
        commands.push(Command::Transfer(Transfer::of_base(account, amount)));
        commands.push(Command::SetLimits(limits(account)));
    }
    commands
}

pub fn market(kind: Kind, order_ref: u64) -> MarketEvent {
    MarketEvent { kind: kind.wire(), channel_id: 7, order_ref, ..Default::default() }
}

pub fn add(order_ref: u64, side: Side, price: Ticks, qty: u64) -> MarketEvent {
    MarketEvent { side: side.wire(), price, qty: Lots(qty), ..market(Kind::Add, order_ref) }
}

pub fn level(side: Side, price: Ticks, qty: u64) -> MarketEvent {
    MarketEvent { side: side.wire(), price, qty: Lots(qty), ..market(Kind::Level, 0) }
}

/// A trade whose aggressor is on `side`.
pub fn trade(side: Side, price: Ticks, qty: u64) -> MarketEvent {
    MarketEvent { side: side.wire(), price, qty: Lots(qty), ..market(Kind::Trade, 0) }
}

pub fn execute(order_ref: u64, qty: u64) -> MarketEvent {
    MarketEvent { qty: Lots(qty), ..market(Kind::Execute, order_ref) }
}

pub fn new_order(
    name: &str,
    side: Side,
    price: Option<Ticks>,
    qty: u64,
    tif: TimeInForce,
) -> NewOrder {
    let order_type = if price.is_some() { OrderType::Limit } else { OrderType::Market };
    NewOrder {
        client_order_id: ClientOrderId::new(name).expect("valid"),
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side: side.wire(),
        order_type: order_type.wire(),
        time_in_force: tif.wire(),
        flags: 0,
        qty: Lots(qty),
        price: price.unwrap_or_default(),
        ..NewOrder::BLANK
    }
}

/// A person who may decide.
pub const OFFICER: u32 = 8_001;

/// A person who may do anything.
pub fn person(number: u32) -> SetPrincipal {
    SetPrincipal {
        principal: PrincipalId(number),
        account: AccountId::NONE,
        strategy: StrategyId::NONE,
        role: Role::Person.wire(),
        permissions: PERMISSIONS_KNOWN,
        reserved: [0; 4],
        name: [0; 24],
    }
}

/// The approval of exactly this.
pub fn approval(proposal: &Proposal) -> Decide {
    Decide {
        proposal: proposal.number,
        hash: proposal.hash,
        decision: Decision::Approve.wire(),
        reserved: [0; 7],
        reason: Reason::EMPTY,
    }
}

impl Desk {
    pub fn new(latency_ns: u64) -> Self {
        let core = Core::new(configure(latency_ns)).expect("the sizes are allowed");
        let mut desk = Self { core, out: Collected::default(), now: UnixNanos(1_000), names: 0 };
        desk.command(Command::Configure(configure(latency_ns)));
        desk.market(definition());
        for command in setup_commands() {
            desk.command(command);
        }
        desk.out.events.clear();
        desk
    }

    pub fn market(&mut self, event: MarketEvent) -> Vec<Event> {
        self.market_of(self.now, event)
    }

    /// An event that is told now and happened at `ts_event`.
    pub fn market_of(&mut self, ts_event: UnixNanos, event: MarketEvent) -> Vec<Event> {
        let event = MarketEvent { ts_recv: self.now, ts_event, ..event };
        let seq = self.core.seq().next();
        self.core.apply(seq, Input::Market(&event), &mut self.out);
        reload_sometimes(&mut self.core, EACH);
        self.told()
    }

    pub fn command(&mut self, command: Command) -> Vec<Event> {
        let mut record = CommandRecord::new(command);
        record.ts_recv = self.now;
        record.session = SessionId(5);
        let seq = self.core.seq().next();
        self.core.apply(seq, Input::Command(&record), &mut self.out);
        reload_sometimes(&mut self.core, EACH);
        self.told()
    }

    /// The same by a principal.
    pub fn command_by(&mut self, principal: u32, command: Command) -> Vec<Event> {
        let mut record =
            CommandRecord::new(command).from_session(PrincipalId(principal), SessionId(5), 0);
        record.ts_recv = self.now;
        let seq = self.core.seq().next();
        self.core.apply(seq, Input::Command(&record), &mut self.out);
        reload_sometimes(&mut self.core, EACH);
        self.told()
    }

    /// A command that loosens something: asked for, and approved by a person.
    pub fn agreed(&mut self, command: Command) -> Vec<Event> {
        self.command(Command::SetPrincipal(person(OFFICER)));
        let told = self.command(command);
        let proposal = told.iter().find_map(|event| match event {
            Event::Proposal(proposal) => Some(*proposal),
            _ => None,
        });
        let proposal = proposal.expect("it waits for a second person");
        self.command_by(OFFICER, Command::Decide(approval(&proposal)))
    }

    fn told(&mut self) -> Vec<Event> {
        self.out.updates.clear();
        self.out.events.drain(..).map(|record| record.event().expect("a known kind")).collect()
    }

    pub fn order(
        &mut self,
        side: Side,
        price: Option<Ticks>,
        qty: u64,
        tif: TimeInForce,
    ) -> Vec<Event> {
        self.names += 1;
        let name = format!("order-{}", self.names);
        self.command(Command::NewOrder(new_order(&name, side, price, qty, tif)))
    }

    /// A bar of 1,000 ns that begins now, told at its end.
    pub fn bar(&mut self, open: i64, high: i64, low: i64, close: i64, volume: u64) -> Vec<Event> {
        let begin = self.now;
        self.now.0 += 1_000;
        let [open, high, low, close] = [open, high, low, close].map(cents);
        let (end, volume) = (self.now, Lots(volume));
        let bar = Bar { channel_id: 7, begin, end, open, high, low, close, volume, feed_seq: 1 };
        let [first, second] = bar.into_events();
        let mut told = self.market(first);
        told.extend(self.market(second));
        told
    }

    /// Sets how resting orders are filled.
    pub fn fill_by(&mut self, model: FillModelKind, set: SetFillModel) -> Vec<Event> {
        let set = SetFillModel { instrument: INSTRUMENT, model: model.wire(), ..set };
        self.command(Command::SetFillModel(set))
    }

    pub fn cancel(&mut self, order_id: u64) -> Vec<Event> {
        self.command(Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order_id),
            account: ACCOUNT,
            reserved: [0; 4],
        }))
    }

    pub fn replace(&mut self, order_id: u64, price: Ticks, qty: u64) -> Vec<Event> {
        self.replace_with_stop(order_id, price, qty, Ticks::ZERO)
    }

    /// The same of an order that waits for a stop price, which 0 leaves as it is.
    pub fn replace_with_stop(
        &mut self,
        order_id: u64,
        price: Ticks,
        qty: u64,
        stop_price: Ticks,
    ) -> Vec<Event> {
        self.command(Command::ReplaceOrder(ReplaceOrder {
            client_order_id: ClientOrderId::EMPTY,
            order_id: OrderId(order_id),
            account: ACCOUNT,
            reserved: [0; 4],
            qty: Lots(qty),
            price,
            stop_price,
        }))
    }

    /// Lets `ns` pass and tells the engine.
    pub fn pass(&mut self, ns: u64) -> Vec<Event> {
        self.now.0 += ns;
        self.command(Command::Time)
    }
}

/// The stop prices that reports tell, each with its order.
pub fn stop_prices(events: &[Event]) -> Vec<(u64, Option<Ticks>)> {
    let executions = events.iter().filter_map(|event| match event {
        Event::Execution(execution) => Some(execution),
        _ => None,
    });
    executions.map(|execution| (execution.order_id.0, execution.stop_price())).collect()
}

/// One line for each report about orders; positions and cash are left out.
pub fn lines(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(line).collect()
}

fn line(event: &Event) -> Option<String> {
    let of = |execution: &Execution| {
        let reason = execution.reject().map(|reject| format!(" {reject}")).unwrap_or_default();
        let status = OrdStatus::from_wire(execution.ord_status).map_or("-", OrdStatus::as_str);
        (execution.order_id.0, status, reason)
    };
    match event {
        Event::Execution(execution) => {
            let (id, status, reason) = of(execution);
            let exec_type = ExecType::from_wire(execution.exec_type).expect("known").as_str();
            let last = match ExecType::from_wire(execution.exec_type) {
                Some(ExecType::Trade) => {
                    format!(" {}@{}", execution.last_qty, execution.last_price.0 / 100)
                }
                Some(ExecType::Canceled) => {
                    let why = CancelReason::from_wire(execution.cancel_reason).expect("known");
                    format!(" {} {why}", execution.last_qty)
                }
                _ => String::new(),
            };
            Some(format!("{id} {exec_type}{last} -> {status}{reason}"))
        }
        Event::CancelReject(execution) => {
            let (id, status, reason) = of(execution);
            Some(format!("{id} cancel_reject -> {status}{reason}"))
        }
        Event::ListStatus(list) => {
            let status = ListOrderStatus::from_wire(list.status).expect("known");
            let reason = list.reject().map(|reject| format!(" {reject}")).unwrap_or_default();
            Some(format!("list {} {status}{reason}", list.list_id))
        }
        _ => None,
    }
}

/// The legs of a list: an entry, and around it a target beyond and a stop behind, or the like on both sides.
pub fn list_legs(
    at: usize,
    kind: Contingency,
    side: Side,
    limit: i64,
    far: [i64; 3],
    qty: u64,
    more: u64,
) -> Vec<NewOrder> {
    let pick = |at: u32, count: u64| (more >> at) % count;
    let sign = if side == Side::Buy { 1 } else { -1 };
    let price = |away: i64| cents(limit + sign * away);
    let tif = [TimeInForce::Gtc, TimeInForce::Day, TimeInForce::Gtd][pick(0, 3) as usize];
    let blank = |leg: u8, side: Side| NewOrder {
        list_id: at as u32 + 1,
        leg,
        ..new_order(&format!("o{at}-{leg}"), side, None, qty, tif)
    };
    let limit_at = |order: NewOrder, price: Ticks| NewOrder {
        order_type: OrderType::Limit.wire(),
        price,
        ..order
    };
    let stop_at = |order: NewOrder, stop_price: Ticks| match pick(8, 3) {
        0 => NewOrder { order_type: OrderType::Stop.wire(), stop_price, ..order },
        1 => NewOrder {
            order_type: OrderType::StopLimit.wire(),
            stop_price,
            price: stop_price,
            ..order
        },
        _ => NewOrder {
            order_type: OrderType::TrailingStop.wire(),
            trail: 100 * far[2],
            trail_unit: TrailUnit::Ticks.wire(),
            ..order
        },
    };
    let other = side.opposite();
    let entry = match pick(16, 3) {
        0 => blank(1, side),
        _ => limit_at(blank(1, side), price(0)),
    };
    let target = limit_at(blank(2, other), price(far[0]));
    let loss = stop_at(blank(3, other), price(-far[1]));
    match kind {
        Contingency::Oco if pick(24, 2) == 0 => {
            let sell = NewOrder { qty: Lots(1 + qty / 2), ..blank(2, other) };
            vec![limit_at(blank(1, side), price(-far[0])), limit_at(sell, price(far[1]))]
        }
        Contingency::Oco => {
            vec![limit_at(blank(1, side), price(-far[0])), stop_at(blank(2, side), price(far[1]))]
        }
        Contingency::Bracket if pick(24, 3) == 0 => vec![entry, target],
        _ => vec![entry, target, loss],
    }
}

/// Takes in which brackets were entered, by the numbers of their orders.
pub fn note_brackets(told: &[EventRecord], heads: &mut BTreeMap<u64, Vec<u64>>) {
    for record in told {
        match record.event() {
            Some(Event::ListStatus(list))
                if list.contingency == Contingency::Bracket.wire()
                    && list.status == ListOrderStatus::Executing.wire() =>
            {
                let first = list.first_order_id.0;
                heads.insert(first, (first + 1..first + u64::from(list.leg_count)).collect());
            }
            _ => {}
        }
    }
}

/// The head of a parent order of any kind, as the bits of `more` say; what is left of the order is the caller's.
pub fn algorithm(account: AccountId, list_id: u32, now: u64, more: u64) -> NewAlgorithm {
    let pick = |at: u32, count: u64| (more >> at) % count;
    let kind = [Algorithm::Twap, Algorithm::Pov, Algorithm::Iceberg][pick(0, 3) as usize];
    let has_schedule = kind == Algorithm::Twap;
    let ends = has_schedule || pick(8, 2) == 0;
    NewAlgorithm {
        account,
        list_id,
        start_at: UnixNanos(if pick(16, 2) == 0 { 0 } else { now + pick(20, 500) }),
        end_at: UnixNanos(if ends { now + 600 + pick(24, 1_000) * 1_000_000 } else { 0 }),
        interval_ns: if has_schedule { ALGORITHM_INTERVAL_MIN_NS } else { 0 },
        slice_qty: Lots(if has_schedule { 0 } else { 1 + pick(32, 60) }),
        rate_bp: if kind == Algorithm::Pov { 1 + pick(40, 10_000) as u32 } else { 0 },
        curve: 0,
        algorithm: kind.wire(),
        reserved: [0; 7],
    }
}

/// Children by their parents, as reports name them, and what they executed; legs of lists are among them.
pub type Families = BTreeMap<u64, (std::collections::BTreeSet<u64>, u64)>;

pub fn note_families(told: &[EventRecord], families: &mut Families) {
    for record in told {
        let Some(Event::Execution(told)) = record.event() else { continue };
        if told.parent_id.0 != 0 && told.parent_id != told.order_id {
            let (children, executed) = families.entry(told.parent_id.0).or_default();
            children.insert(told.order_id.0);
            if told.exec_type == ExecType::Trade.wire() {
                *executed += told.last_qty.0;
            }
        }
    }
}

/// What the children of a parent have executed and have at work is never more than the parent's quantity, and what they have
/// executed is what it has.
pub fn check_families(core: &Core, families: &Families) {
    let oms = core.oms();
    for (slot, parent) in oms.open_orders(AccountId::NONE) {
        if oms.algorithm_of(slot).is_none() {
            continue;
        }
        assert_eq!(oms.exposure(slot).qty, Lots::ZERO, "its children are counted");
        let Some((children, executed)) = families.get(&parent.order_id.0) else { continue };
        let children = children.iter().filter_map(|child| oms.by_id(OrderId(*child)));
        let at_work: u64 = children.map(|child| oms.order(child).leaves_qty().0).sum();
        assert_eq!(parent.cum_qty.0, *executed, "order {}", parent.order_id);
        assert!(parent.cum_qty.0 + at_work <= parent.qty.0, "order {}", parent.order_id);
    }
}
