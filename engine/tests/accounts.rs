//! Accounts through the whole state machine: what a command or a fill does to positions and cash, and what is told.

mod support;
use support::*;
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution, PostingKind};
use tidegate_model::ids::Code;
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

/// One input, as it can be given again.
#[derive(Clone, Copy)]
enum Given {
    Market(MarketEvent),
    Command(Command),
}

/// A desk that remembers its inputs: every test ends with the same inputs given again, to the same state.
struct Office {
    desk: Desk,
    inputs: Vec<(UnixNanos, Given)>,
}

impl Office {
    fn new() -> Self {
        Self { desk: Desk::new(0), inputs: Vec::new() }
    }

    fn market(&mut self, event: MarketEvent) -> Vec<Event> {
        self.inputs.push((self.desk.now, Given::Market(event)));
        self.desk.market(event)
    }

    fn command(&mut self, command: Command) -> Vec<Event> {
        self.inputs.push((self.desk.now, Given::Command(command)));
        self.desk.command(command)
    }

    /// The refusal in the answer to a command, if it was refused.
    fn refused(&mut self, command: Command) -> Option<RejectReason> {
        let events = self.command(command);
        let Some(Event::Ack(ack)) = events.last() else { panic!("an answer comes last") };
        assert!(ack.reject().is_none() || events.len() == 1, "what is refused does nothing");
        ack.reject().map(|reject| reject.reason)
    }

    /// Does a command that is not refused.
    fn done(&mut self, command: Command) -> Vec<Event> {
        let events = self.command(command);
        let Some(Event::Ack(ack)) = events.last() else { panic!("an answer comes last") };
        assert_eq!(ack.reject(), None, "{command:?}");
        events
    }

    /// An order of the desk's account that is executed at once against a displayed one at its price.
    fn trade(&mut self, side: Side, cents: i64, qty: u64) -> Vec<Event> {
        let number = self.inputs.len() as u64 + 1_000;
        let price = support::cents(cents);
        self.market(add(number, side.opposite(), price, qty));
        let name = format!("trade-{number}");
        let order = new_order(&name, side, Some(price), qty, TimeInForce::Ioc);
        let events = self.command(Command::NewOrder(order));
        let done: u64 = trades(&events).iter().map(|told| told.last_qty.0).sum();
        assert_eq!(done, qty, "{:?}", lines(&events));
        self.market(market(Kind::Delete, number));
        events
    }

    fn cash(&self, currency: &str) -> i128 {
        let code = Code::new(currency).expect("a code");
        self.desk.core.oms().account_in(ACCOUNT, code).expect("held").cash.0
    }

    /// Gives every input again to another engine.
    fn replay(&self) {
        let mut again = Desk::new(0);
        for (now, given) in &self.inputs {
            again.now = *now;
            match given {
                Given::Market(event) => drop(again.market(*event)),
                Given::Command(command) => drop(again.command(*command)),
            }
        }
        let (one, two) = (&self.desk.core, &again.core);
        assert_eq!(one.state_hash(), two.state_hash(), "a replay reaches the same state");
        assert_eq!(one.oms().hash(), one.oms().hash_from_scratch());
        assert_eq!(one.risk().hash(), one.risk().hash_from_scratch());
    }
}

/// The executions among `events`.
fn trades(events: &[Event]) -> Vec<Execution> {
    let trade = |event: &Event| match event {
        Event::Execution(told) if told.exec_type == ExecType::Trade.wire() => Some(*told),
        _ => None,
    };
    events.iter().filter_map(trade).collect()
}

#[test]
fn executions_are_numbered_through() {
    let mut desk = Desk::new(0);
    desk.market(add(9, Side::Buy, cents(9_999), 10));
    desk.market(add(1, Side::Sell, cents(10_000), 10));
    desk.market(add(2, Side::Sell, cents(10_001), 10));
    let mut events = desk.order(Side::Buy, Some(cents(10_001)), 15, TimeInForce::Ioc);
    events.extend(desk.order(Side::Buy, Some(cents(10_001)), 9, TimeInForce::Day));
    events.extend(desk.market(add(3, Side::Sell, cents(10_001), 4)));
    let numbers: Vec<_> = trades(&events).iter().map(|told| told.exec_id.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4], "two levels, what is left of the second, a maker's fill");
    let others = events.iter().filter_map(|event| match event {
        Event::Execution(told) if told.exec_type != ExecType::Trade.wire() => Some(told.exec_id.0),
        _ => None,
    });
    assert!(
        others.clone().count() > 0 && others.sum::<u64>() == 0,
        "only executions have a number"
    );
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a code")
}

fn rate(from: &str, to: &str, mantissa: u64, scale: u8) -> Command {
    let (from, to) = (code(from), code(to));
    Command::SetRate(SetRate { from, to, mantissa, scale, reserved: [0; 7] })
}

/// `amount` cents of money.
fn money(cents: i128) -> Money {
    Money(cents * MONEY / 100)
}

/// What postings say: kind, currency, amount in cents.
fn postings(events: &[Event]) -> Vec<(PostingKind, String, i128)> {
    let told = |event: &Event| match event {
        Event::Posting(told) => Some((
            PostingKind::from_wire(told.kind).expect("known"),
            told.currency.to_string(),
            told.amount.0 * 100 / MONEY,
        )),
        _ => None,
    };
    events.iter().filter_map(told).collect()
}

#[test]
fn an_instrument_of_another_currency_is_paid_in_it() {
    let mut office = Office::new();
    let symbol = Symbol::new("SAP").expect("valid");
    let share = Instrument { currency: code("EUR"), ..Instrument::us_equity(symbol) };
    office.done(Command::DefineInstrument(share));
    let channel = MarketEvent { channel_id: 8, ..Default::default() };
    let mut definition = definition().definition().expect("a definition");
    (definition.symbol, definition.channel_id) = (symbol, 8);
    office.market(definition.into_event());
    for (side, order_ref, price) in [(Side::Buy, 1, 9_999), (Side::Sell, 2, 10_000)] {
        let event = add(order_ref, side, cents(price), 50);
        office.market(MarketEvent { channel_id: channel.channel_id, ..event });
    }
    let buy = |name: &str, qty| {
        let order = new_order(name, Side::Buy, Some(cents(10_000)), qty, TimeInForce::Ioc);
        Command::NewOrder(NewOrder { instrument: InstrumentId(1), ..order })
    };
    let told = |events: &[Event]| lines(events).join("; ");
    assert_eq!(
        told(&office.command(buy("a", 10))),
        "0 rejected -> rejected currency_mismatch: limit=0 value=1"
    );
    let amount = money(100_000);
    let to_euro = Convert {
        amount,
        received: Money::ZERO,
        from: code("USD"),
        to: code("EUR"),
        account: ACCOUNT,
        reserved: [0; 12],
    };
    assert_eq!(office.refused(Command::Convert(to_euro)), Some(RejectReason::NoRate));
    office.done(rate("USD", "EUR", 9, 1));
    let events = office.done(Command::Convert(to_euro));
    let conversion = |currency: &str, cents| (PostingKind::Conversion, currency.to_string(), cents);
    assert_eq!(postings(&events), [conversion("USD", -100_000), conversion("EUR", 90_000)]);

    assert_eq!(
        told(&office.command(buy("b", 1))),
        "0 rejected -> rejected no_rate: limit=0 value=1"
    );
    office.done(rate("EUR", "USD", 11, 1));
    let lacks = told(&office.command(buy("c", 10)));
    assert!(
        lacks.contains("buying_power"),
        "1,000 euros are not there, and credit is in dollars: {lacks}"
    );
    let events = office.command(buy("d", 9));
    assert_eq!(told(&events), "1 new -> new; 1 trade 9@10000 -> filled");
    assert_eq!((office.cash("EUR"), office.cash("USD")), (0, money(9_900_000).0));
    let Some(Event::Account(account)) = events.last() else { panic!("the account comes last") };
    assert_eq!((account.currency, account.base), (code("EUR"), code("USD")));

    let report = ReportEquity { account: ACCOUNT, reserved: [0; 4] };
    let events = office.done(Command::ReportEquity(report));
    let Event::Equity(worth) = events[0] else { panic!("the answer") };
    // The last trade of the feed is none, so the middle of 99.99 and 100.00 counts: 99.995 x 9 x 1.1.
    assert_eq!(worth.equity.0, money(9_900_000).0 + 989_950_500_000_000_000_000);
    assert_eq!((worth.currency, worth.unmarked), (code("USD"), 0));
    let all = ReportEquity { account: AccountId::NONE, reserved: [0; 4] };
    let events = office.done(Command::ReportEquity(all));
    assert_eq!(events.len(), 3, "two accounts, and the answer");
    office.replay();
}

#[test]
fn fees_are_what_the_schedule_in_force_says() {
    let mut office = quoted();
    let per_share = SetFees {
        schedule: 3,
        taker_per_lot_nano: 5_000_000,
        order_min_nano: 1_000_000_000,
        sell_e8: 2_780,
        sell_round_nano: 10_000_000,
        ..SetFees::default()
    };
    let assign = |account, instrument, schedule| {
        Command::AssignFees(AssignFees { account, instrument, schedule, reserved: [0; 4] })
    };
    let none = AccountId::NONE;
    assert_eq!(office.refused(assign(none, INSTRUMENT, 3)), Some(RejectReason::BadField));
    office.done(Command::SetFees(per_share));
    let wrong = InstrumentId(9);
    assert_eq!(office.refused(assign(none, wrong, 3)), Some(RejectReason::UnknownInstrument));
    let odd = SetFees { schedule: 0, ..per_share };
    assert_eq!(office.refused(Command::SetFees(odd)), Some(RejectReason::BadField));
    let fee = |events: &[Event]| trades(events).iter().map(|told| told.fee.0).sum::<i128>();
    assert_eq!(fee(&office.trade(Side::Buy, 10_000, 100)), 0);
    office.done(assign(none, INSTRUMENT, 3));
    assert_eq!(fee(&office.trade(Side::Buy, 10_000, 100)), money(100).0, "the least of an order");
    assert_eq!(fee(&office.trade(Side::Buy, 10_000, 300)), money(150).0);
    // 500 x 0.005, and 50,000 x 27.80 / 1,000,000.
    assert_eq!(fee(&office.trade(Side::Sell, 10_000, 500)), money(250 + 139).0);
    let account = *office.desk.core.oms().account(ACCOUNT).expect("open");
    assert_eq!(account.fees, money(100 + 150 + 250 + 139));
    assert_eq!(account.cash, money(10_000_000 - 639));
    office.done(assign(none, INSTRUMENT, 0));
    assert_eq!(fee(&office.trade(Side::Buy, 10_000, 100)), 0);
    office.replay();
}

fn corporate(kind: CorporateActionKind) -> CorporateAction {
    CorporateAction {
        amount: Money::ZERO,
        price: Ticks::ZERO,
        instrument: INSTRUMENT,
        numerator: 0,
        denominator: 0,
        kind: kind.wire(),
        reserved: [0; 11],
    }
}

fn split(numerator: u32, denominator: u32, price: Ticks) -> Command {
    let kind = corporate(CorporateActionKind::Split);
    Command::CorporateAction(CorporateAction { numerator, denominator, price, ..kind })
}

fn dividend(amount: Money) -> Command {
    let kind = corporate(CorporateActionKind::CashDividend);
    Command::CorporateAction(CorporateAction { amount, ..kind })
}

/// An office with a market of 99.90 to 100.10, so that there is a reference.
fn quoted() -> Office {
    let mut office = Office::new();
    office.market(add(1, Side::Buy, cents(9_990), 1));
    office.market(add(2, Side::Sell, cents(10_010), 1));
    office
}

#[test]
fn dividends_and_splits_reach_every_holder() {
    let mut office = quoted();
    office.trade(Side::Buy, 10_000, 15);
    let usd = |kind, cents| (kind, "USD".to_string(), cents);
    let events = office.done(dividend(money(25)));
    assert_eq!(postings(&events), [usd(PostingKind::Dividend, 375)]);
    assert_eq!(events.len(), 3, "what moved cash, the account, the answer");
    assert_eq!(office.refused(dividend(Money::ZERO)), Some(RejectReason::BadField));
    let odd = CorporateAction { kind: 9, ..corporate(CorporateActionKind::Split) };
    assert_eq!(office.refused(Command::CorporateAction(odd)), Some(RejectReason::BadField));
    let far = CorporateAction { instrument: InstrumentId(7), ..odd };
    let refused = office.refused(Command::CorporateAction(far));
    assert_eq!(refused, Some(RejectReason::UnknownInstrument));
    assert_eq!(office.refused(split(0, 1, cents(1))), Some(RejectReason::BadField));
    assert_eq!(office.refused(split(1, 1_000_001, cents(1))), Some(RejectReason::BadField));

    // What rests would mean something else after a split.
    let order = new_order("rests", Side::Buy, Some(cents(9_000)), 5, TimeInForce::Gtc);
    office.command(Command::NewOrder(order));
    assert_eq!(office.refused(split(2, 1, Ticks::ZERO)), Some(RejectReason::OpenOrders));
    let all =
        MassCancel { account: AccountId::NONE, instrument: INSTRUMENT, side: 0, reserved: [0; 7] };
    office.command(Command::MassCancel(all));
    assert_eq!(office.refused(split(1, 2, Ticks::ZERO)), Some(RejectReason::BadPrice));
    let events = office.done(split(1, 2, cents(20_000)));
    assert_eq!(postings(&events), [usd(PostingKind::CashInLieu, 10_000)]);
    let held = *office.desk.core.oms().position(ACCOUNT, INSTRUMENT);
    assert_eq!((held.qty, held.cost, held.realised), (7, money(140_000), Money::ZERO));
    let exposure = office.desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    assert_eq!((exposure.position, exposure.cost), (7, held.cost), "the gate knows");
    assert_eq!(office.cash("USD"), money(10_000_000 - 150_000 + 375 + 10_000).0);
    office.replay();
}

#[test]
fn a_future_is_settled_every_day() {
    let mut office = Office::new();
    let symbol = Symbol::new("ESZ6").expect("valid");
    let future = Instrument {
        settlement: tidegate_model::instrument::Settlement::Daily.wire(),
        multiplier_nano: 50_000_000_000,
        ..Instrument::us_equity(symbol)
    };
    office.done(Command::DefineInstrument(future));
    let mut definition = definition().definition().expect("a definition");
    (definition.symbol, definition.channel_id) = (symbol, 8);
    office.market(definition.into_event());
    for (side, order_ref, price) in [(Side::Buy, 1, 9_999), (Side::Sell, 2, 10_000)] {
        office.market(MarketEvent { channel_id: 8, ..add(order_ref, side, cents(price), 50) });
    }
    let order = |name: &str, side, price| {
        let order = new_order(name, side, Some(cents(price)), 3, TimeInForce::Ioc);
        Command::NewOrder(NewOrder { instrument: InstrumentId(1), ..order })
    };
    office.command(order("a", Side::Buy, 10_000));
    assert_eq!(office.cash("USD"), money(10_000_000).0, "nothing is paid for it");
    let settle = |cents| {
        let (price, instrument) = (support::cents(cents), InstrumentId(1));
        Command::Settle(Settle { price, instrument, reserved: [0; 4] })
    };
    // 3 x 50 x 2.00, and back down by 3.00.
    let settled = |cents| vec![(PostingKind::Settlement, "USD".to_string(), cents)];
    assert_eq!(postings(&office.done(settle(10_200))), settled(30_000));
    assert_eq!(postings(&office.done(settle(9_900))), settled(-45_000));
    assert_eq!(postings(&office.done(settle(9_900))), [], "nothing moved");
    office.command(order("b", Side::Sell, 9_999));
    let held = *office.desk.core.oms().position(ACCOUNT, InstrumentId(1));
    assert_eq!((held.qty, held.cost, held.realised), (0, Money::ZERO, money(-150)));
    assert_eq!(office.cash("USD"), money(10_000_000 - 150).0);
    let wrong = Settle { price: cents(1), instrument: InstrumentId(9), reserved: [0; 4] };
    assert_eq!(office.refused(Command::Settle(wrong)), Some(RejectReason::UnknownInstrument));
    office.replay();
}

#[test]
fn who_is_short_pays_for_the_night() {
    let mut office = quoted();
    office.trade(Side::Sell, 10_000, 100);
    let borrow =
        SetBorrow { instrument: INSTRUMENT, rate_e6: 36_000, days_per_year: 360, reserved: [0; 6] };
    office.done(Command::SetBorrow(borrow));
    let wrong = SetBorrow { instrument: InstrumentId(9), ..borrow };
    assert_eq!(office.refused(Command::SetBorrow(wrong)), Some(RejectReason::UnknownInstrument));
    let charged = |cents| vec![(PostingKind::Borrow, "USD".to_string(), cents)];
    // 10,000 a day at 3.6 % of 360: a dollar. The last trade was at 100.00.
    assert_eq!(postings(&office.done(Command::DayRoll)), charged(-100));
    office.desk.now.0 += 3 * 86_400 * 1_000_000_000;
    assert_eq!(postings(&office.done(Command::DayRoll)), charged(-300));
    assert_eq!(postings(&office.done(Command::DayRoll)), [], "the same day");
    let account = *office.desk.core.oms().account(ACCOUNT).expect("open");
    assert_eq!((account.borrow, account.fees), (money(400), Money::ZERO));
    office.replay();
}

fn amend(kind: AmendKind, order: u64, exec: u64, qty: u64, price: Ticks) -> Command {
    Command::AmendTrade(AmendTrade {
        order_id: OrderId(order),
        exec_id: ExecId(exec),
        qty: Lots(qty),
        price,
        account: ACCOUNT,
        kind: kind.wire(),
        reserved: [0; 3],
    })
}

/// A filled order is canceled for what is taken back, one that works is restated, and what rests stays as it is.
#[test]
fn a_trade_is_taken_back_or_put_right() {
    let mut office = quoted();
    office.market(add(3, Side::Sell, cents(10_000), 10));
    let order = |name: &str, qty, tif| {
        Command::NewOrder(new_order(name, Side::Buy, Some(cents(10_000)), qty, tif))
    };
    office.command(order("rests", 15, TimeInForce::Day));
    office.market(add(4, Side::Sell, cents(9_998), 20));
    office.command(order("takes", 15, TimeInForce::Day));
    let reports = |events: Vec<Event>| lines(&events);
    let open = office.desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty;

    // Order 1 executed 10 and then 5 at its own price as a maker; order 2 took 15.
    let events = office.done(amend(AmendKind::Bust, 1, 1, 0, Ticks::ZERO));
    assert_eq!(
        reports(events.clone()),
        ["1 trade_cancel -> partially_filled", "1 canceled 10 trade_bust -> canceled"]
    );
    let Event::Execution(told) = &events[0] else { panic!("the report comes first") };
    assert_eq!(
        (told.exec_id, told.last_qty, told.last_price),
        (ExecId(1), Lots(10), cents(10_000))
    );
    assert_eq!((told.cum_qty, told.leaves_qty), (Lots(5), Lots(10)));
    let events = office.done(amend(AmendKind::Correct, 2, 3, 10, cents(9_000)));
    assert_eq!(
        reports(events),
        ["2 trade_correct -> partially_filled", "2 canceled 5 trade_bust -> canceled"]
    );
    let held = *office.desk.core.oms().position(ACCOUNT, INSTRUMENT);
    assert_eq!((held.qty, held.cost), (15, money(5 * 10_000 + 10 * 9_000)));
    assert_eq!(office.cash("USD"), money(10_000_000 - 140_000).0);
    let known = office.desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    assert_eq!((known.position, known.cost, known.open_qty), (15, held.cost, open));

    // An order that works: 3 of 8 are executed, and taken back; 5 still rest.
    office.market(add(5, Side::Sell, cents(9_995), 3));
    office.market(market(Kind::Delete, 4));
    let events = office.command(order("works", 8, TimeInForce::Day));
    assert_eq!(reports(events), ["3 new -> new", "3 trade 3@9995 -> partially_filled"]);
    let events = office.done(amend(AmendKind::Bust, 3, 4, 0, Ticks::ZERO));
    assert_eq!(reports(events), ["3 trade_cancel -> new", "3 restated -> new"]);
    let events = office.market(add(6, Side::Sell, cents(9_990), 20));
    assert_eq!(reports(events), ["3 trade 5@10000 -> filled"], "what rested rests as it was");
    office.replay();
}

const MARGIN_ACCOUNT: AccountId = AccountId(3);

/// 10,000 dollars in a margin account without credit; half of the value opens a position, a quarter keeps it.
fn on_margin() -> Office {
    let mut office = Office::new();
    let usd = code("USD");
    let kind = AccountKind::Margin.wire();
    let open = OpenAccount { kind, ..OpenAccount::of(MARGIN_ACCOUNT, usd) };
    let odd = OpenAccount { kind: 9, ..open };
    assert_eq!(office.refused(Command::OpenAccount(odd)), Some(RejectReason::BadField));
    office.done(Command::OpenAccount(open));
    office.done(Command::Transfer(Transfer::of_base(MARGIN_ACCOUNT, money(1_000_000))));
    let limits = SetLimits {
        credit: Money::ZERO,
        price_collar_bp: 10_000,
        ..support::limits(MARGIN_ACCOUNT)
    };
    office.done(Command::SetLimits(limits));
    office.done(Command::SetMargin(half()));
    office.market(trade(Side::Buy, cents(10_000), 1));
    office
}

fn half() -> SetMargin {
    SetMargin {
        initial_per_lot: Money::ZERO,
        maintenance_per_lot: Money::ZERO,
        instrument: INSTRUMENT,
        initial_e6: 500_000,
        maintenance_e6: 250_000,
        reserved: [0; 4],
    }
}

impl Office {
    /// What becomes of an order of the margin account at a price where the market takes all of it.
    fn on_margin(&mut self, side: Side, price: i64, qty: u64) -> String {
        let number = self.inputs.len() as u64 + 1_000;
        self.market(add(number, side.opposite(), cents(price), qty));
        let name = format!("margin-{number}");
        let order = new_order(&name, side, Some(cents(price)), qty, TimeInForce::Ioc);
        let order = NewOrder { account: MARGIN_ACCOUNT, ..order };
        let events = self.command(Command::NewOrder(order));
        self.market(market(Kind::Delete, number));
        let told = lines(&events);
        told.last().expect("an answer").split(" -> ").nth(1).expect("a state").to_string()
    }

    /// Equity, initial margin, maintenance margin and excess liquidity of the margin account, in cents.
    fn margin_report(&mut self) -> [i128; 4] {
        let report = ReportEquity { account: MARGIN_ACCOUNT, reserved: [0; 4] };
        let events = self.done(Command::ReportEquity(report));
        let Event::Equity(told) = events[0] else { panic!("the answer") };
        [told.equity, told.initial_margin, told.maintenance_margin, told.excess_liquidity]
            .map(|amount| amount.0 * 100 / MONEY)
    }
}

#[test]
fn a_margin_account_opens_what_its_margin_covers() {
    let mut office = on_margin();
    let refusal = |limit: i128, value: i128| {
        format!("rejected initial_margin: limit={} value={}", money(limit).0, money(value).0)
    };
    assert_eq!(office.on_margin(Side::Buy, 10_000, 201), refusal(1_000_000, 1_005_000));
    assert_eq!(office.on_margin(Side::Buy, 10_000, 200), "filled", "half of 20,000");
    assert_eq!(office.margin_report(), [1_000_000, 1_000_000, 500_000, 500_000]);

    // Down to 90: 2,000 are lost, and the position ties up 1,000 less.
    office.market(trade(Side::Sell, cents(9_000), 1));
    assert_eq!(office.margin_report(), [800_000, 900_000, 450_000, 350_000]);
    assert_eq!(office.on_margin(Side::Buy, 9_000, 1), refusal(900_000, 1_004_500));
    // Down to 60: what is left keeps no such position.
    office.market(trade(Side::Sell, cents(6_000), 1));
    assert_eq!(office.margin_report(), [200_000, 600_000, 300_000, -100_000]);
    assert_eq!(office.on_margin(Side::Sell, 6_000, 200), "filled", "what only reduces passes");
    assert_eq!(office.margin_report(), [200_000, 0, 0, 200_000]);
    assert_eq!(office.on_margin(Side::Sell, 6_000, 67), refusal(200_000, 201_000), "short too");
    assert_eq!(office.on_margin(Side::Sell, 6_000, 66), "filled");
    // Up to 65: 330 are lost, and the short position ties up more.
    office.market(trade(Side::Buy, cents(6_500), 1));
    assert_eq!(office.margin_report(), [167_000, 214_500, 107_250, 59_750]);
    office.replay();
}

#[test]
fn margins_that_are_set_later_hold_for_what_is_there() {
    let mut office = on_margin();
    assert_eq!(office.on_margin(Side::Buy, 10_000, 100), "filled");
    let committed = |office: &Office| office.desk.core.risk().committed(MARGIN_ACCOUNT);
    assert_eq!(committed(&office), money(500_000));
    let per_lot = SetMargin {
        initial_per_lot: money(300),
        maintenance_per_lot: money(200),
        initial_e6: 0,
        maintenance_e6: 0,
        ..half()
    };
    office.done(Command::SetMargin(per_lot));
    assert_eq!(committed(&office), money(30_000));
    assert_eq!(office.margin_report(), [1_000_000, 30_000, 20_000, 980_000]);
    office.done(Command::SetMargin(SetMargin {
        initial_per_lot: Money::ZERO,
        maintenance_per_lot: Money::ZERO,
        ..per_lot
    }));
    assert_eq!(committed(&office), money(1_000_000), "none set: all of the value");
    assert_eq!(office.margin_report(), [1_000_000, 1_000_000, 1_000_000, 0]);
    let wrong = SetMargin { instrument: InstrumentId(9), ..half() };
    let refused = office.refused(Command::SetMargin(wrong));
    assert_eq!(refused, Some(RejectReason::UnknownInstrument));
    let more = SetMargin { maintenance_e6: 500_001, ..half() };
    assert_eq!(office.refused(Command::SetMargin(more)), Some(RejectReason::BadField));
    office.replay();
}

/// All currencies pay together, where a cash account pays each from its own.
#[test]
fn currencies_of_a_margin_account_pay_together() {
    let mut office = on_margin();
    let share = Instrument {
        currency: code("EUR"),
        ..Instrument::us_equity(Symbol::new("SAP").expect("valid"))
    };
    office.done(Command::DefineInstrument(share));
    let mut definition = definition().definition().expect("a definition");
    (definition.symbol, definition.channel_id) = (share.symbol, 8);
    office.market(definition.into_event());
    office.market(MarketEvent { channel_id: 8, ..add(1, Side::Sell, cents(10_000), 500) });
    office.market(MarketEvent { channel_id: 8, ..add(2, Side::Buy, cents(10_000), 1) });
    let (instrument, amount) = (InstrumentId(1), Money::ZERO);
    let mut hold = Transfer::of_base(MARGIN_ACCOUNT, amount);
    hold.currency = code("EUR");
    office.done(Command::Transfer(hold));
    let buy = |office: &mut Office, name: &str, qty| {
        let order = new_order(name, Side::Buy, Some(cents(10_000)), qty, TimeInForce::Ioc);
        let order = NewOrder { account: MARGIN_ACCOUNT, instrument, ..order };
        lines(&office.command(Command::NewOrder(order))).pop().expect("an answer")
    };
    assert!(buy(&mut office, "a", 10).contains("no_rate"));
    office.done(rate("EUR", "USD", 125, 2));
    office.done(Command::SetMargin(SetMargin { instrument, ..half() }));
    // 10,000 dollars carry 16,000 euros at half of their value.
    let refused = buy(&mut office, "b", 161);
    assert!(refused.contains(&format!("value={}", money(1_006_250).0)), "{refused}");
    assert!(buy(&mut office, "c", 160).ends_with("160@10000 -> filled"));
    assert_eq!(office.margin_report(), [1_000_000, 1_000_000, 500_000, 500_000]);
    office.replay();
}
