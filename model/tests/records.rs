//! Records keep what is put into them, and their bytes are those of every version before.
//!
//! `golden/v1.txt` is kept for ever. A new format gets a file of its own beside it.

use bytemuck::{bytes_of, pod_read_unaligned};
use proptest::prelude::*;
use tidegate_model::command::{
    Action, ControlKind, Decide, Decision, Enable, GrantLocate, MAY_CONTROL, MAY_TRADE, Reason,
    ReferenceKind, Role, SetControl, SetFactors, SetGroup, SetListed, SetPrincipal,
};
use tidegate_model::command::{
    AddLatencyPoints, Algorithm, AmendKind, AmendTrade, AssignFees, CURVE_BUCKETS_MAX, CancelOrder,
    CommandKind, Configure, Contingency, Convert, CorporateAction, CorporateActionKind,
    FLAG_CANCEL_ON_DISCONNECT, FLAG_FILL_ON_TOUCH, FillModelKind, Flatten, KillSwitch, LatencyLeg,
    LatencyModel, LatencyPoint, MassCancel, NewAlgorithm, NewList, NewOrder, OpenAccount,
    OrderType, Phase, ReplaceOrder, ReportEquity, SetBands, SetBorrow, SetFees, SetFillModel,
    SetImpact, SetLatency, SetLimits, SetMargin, SetPhase, SetRate, SetReference, SetTickTable,
    SetVolumeCurve, Settle, TimeInForce, Transfer,
};
use tidegate_model::command::{
    ConfirmPosition, FLAG_FOREIGN_CANCELED, RouteLink, RoutePosition, RouteReport, RouteReportKind,
    RouteStatus,
};
use tidegate_model::event::{
    Account, Ack, Equity, EventKind, ExecType, Execution, Liquidity, ListOrderStatus, ListStatus,
    OrdStatus, PhaseCause, PhaseChange, Position, Posting, PostingKind, Proposal, ProposalStatus,
    RouteDifference, RouteDifferenceKind, RouteState, Tripped, Verdict,
};
use tidegate_model::ids::Code;
use tidegate_model::market::{Bar, Definition, MarketEventKind};
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, Event, EventRecord, ExecId, GroupId,
    Instrument, InstrumentId, Lots, MarketEvent, Money, OrderId, PrincipalId, PublicKind,
    PublicUpdate, Reject, RejectReason, Scope, SeqNo, SessionId, Side, StrategyId, Symbol,
    TickTable, Ticks, UnixNanos,
};

/// 30 December 2019, 09:35:00 in New York.
const TS: u64 = 1_577_716_500_000_000_000;

fn client_order_id() -> ClientOrderId {
    ClientOrderId::new("mm-000001").expect("a valid id")
}

fn code(text: &str) -> Code {
    Code::new(text).expect("a valid code")
}

fn instrument() -> Instrument {
    let symbol = Symbol::new("AAPL").expect("a valid symbol");
    let mut instrument = Instrument::us_equity(symbol);
    instrument.maker_fee_e8 = -2_000;
    instrument.taker_fee_e8 = 3_000;
    instrument.checked().expect("a valid instrument")
}

fn limits() -> SetLimits {
    SetLimits {
        max_order_notional: Money(1),
        credit: Money(-2),
        max_order_qty: Lots(3),
        max_position: Lots(4),
        price_collar_bp: 5,
        max_open_orders: 6,
        messages_per_sec: 7,
        message_burst: 8,
        account: AccountId(9),
        reserved: [0; 12],
        reason: Reason::EMPTY,
    }
}

/// Steps of 0.0001 up to 1.00, and of 0.0002 from there.
fn tick_table() -> SetTickTable {
    let table = TickTable::parse("0:0.0001 1:0.0002", 100_000).expect("a table");
    let bands = table.packed().expect("few digits");
    SetTickTable { instrument: InstrumentId(2), count: 2, reserved: [0; 3], bands }
}

fn principal() -> SetPrincipal {
    let mut name = [0; 24];
    name[..5].copy_from_slice(b"alice");
    SetPrincipal {
        principal: PrincipalId(11),
        account: AccountId(1),
        strategy: StrategyId(6),
        role: Role::Person.wire(),
        permissions: MAY_TRADE | MAY_CONTROL,
        reserved: [0; 4],
        name,
    }
}

fn control() -> SetControl {
    SetControl {
        limit: -3,
        window_ns: 1_000_000_000,
        hold_ns: 2,
        scope: Scope::group(GroupId(4)),
        count: 5,
        control: ControlKind::Drawdown.wire(),
        action: Action::Flatten.wire(),
        option: ReferenceKind::PreviousClose.wire(),
        off: 0,
        reason: Reason::new("desk closes").expect("short"),
    }
}

fn group() -> SetGroup {
    SetGroup {
        member: Scope::account(AccountId(1)),
        group: 4,
        reserved: [0; 4],
        reason: Reason::EMPTY,
    }
}

fn listed() -> SetListed {
    SetListed {
        instrument: InstrumentId(2),
        list: 64,
        listed: 1,
        reserved: [0; 2],
        reason: Reason::EMPTY,
    }
}

fn factors() -> SetFactors {
    SetFactors { instrument: InstrumentId(2), loadings_e6: [-1, 2, -3, 4, -5, 6, -7, 8] }
}

fn locate() -> GrantLocate {
    GrantLocate {
        qty: Lots(500),
        account: AccountId(1),
        instrument: InstrumentId(2),
        reason: Reason::EMPTY,
    }
}

fn commands() -> Vec<Command> {
    let account = AccountId(1);
    vec![
        Command::NewOrder(NewOrder {
            client_order_id: client_order_id(),
            account,
            instrument: InstrumentId(2),
            side: Side::Buy.wire(),
            order_type: OrderType::Limit.wire(),
            time_in_force: TimeInForce::Day.wire(),
            flags: FLAG_CANCEL_ON_DISCONNECT,
            qty: Lots(300),
            price: Ticks(2_891_200),
            ..NewOrder::BLANK
        }),
        Command::CancelOrder(CancelOrder {
            client_order_id: client_order_id(),
            order_id: OrderId(77),
            account,
            reserved: [0; 4],
        }),
        Command::ReplaceOrder(ReplaceOrder {
            client_order_id: client_order_id(),
            order_id: OrderId(77),
            account,
            reserved: [0; 4],
            qty: Lots(200),
            price: Ticks(-5),
            stop_price: Ticks::ZERO,
        }),
        Command::MassCancel(MassCancel {
            account,
            instrument: InstrumentId::NONE,
            side: Side::Sell.wire(),
            reserved: [0; 7],
        }),
        Command::DefineInstrument(instrument()),
        Command::OpenAccount(OpenAccount::of(account, code("USD"))),
        Command::Transfer(Transfer::of_base(account, Money(-1))),
        Command::SetLimits(limits()),
        Command::KillSwitch(KillSwitch {
            scope: Scope::default(),
            ..KillSwitch::of(Scope::FIRM, true)
        }),
        Command::Configure(Configure {
            paper_latency_ns: 250_000,
            orders_max: 1 << 16,
            book_orders_max: 1 << 20,
            currency: Code::EMPTY,
        }),
        Command::SessionClosed,
        Command::Time,
        Command::DayRoll,
        Command::SetRate(SetRate {
            from: code("EUR"),
            to: code("USD"),
            mantissa: 11_215,
            scale: 4,
            reserved: [0; 7],
        }),
        Command::Convert(Convert {
            amount: Money(1),
            received: Money(2),
            from: code("EUR"),
            to: code("USD"),
            account,
            reserved: [0; 12],
        }),
        Command::ReportEquity(ReportEquity { account, reserved: [0; 4] }),
        Command::SetFees(SetFees {
            schedule: 1,
            reserved: [0; 4],
            maker_e8: -2,
            taker_e8: 3,
            maker_per_lot_nano: -4,
            taker_per_lot_nano: 5,
            per_trade_nano: 6,
            trade_min_nano: 7,
            trade_max_nano: 8,
            order_min_nano: 9,
            order_max_nano: 10,
            sell_e8: 11,
            sell_per_lot_nano: 12,
            sell_per_lot_max_nano: 13,
            sell_round_nano: 14,
        }),
        Command::AssignFees(AssignFees {
            account,
            instrument: InstrumentId::NONE,
            schedule: 1,
            reserved: [0; 4],
        }),
        Command::SetMargin(SetMargin {
            initial_per_lot: Money(5),
            maintenance_per_lot: Money(4),
            instrument: InstrumentId(2),
            initial_e6: 500_000,
            maintenance_e6: 250_000,
            reserved: [0; 4],
        }),
        Command::SetBorrow(SetBorrow {
            instrument: InstrumentId(2),
            rate_e6: 30_000,
            days_per_year: 360,
            reserved: [0; 6],
        }),
        Command::CorporateAction(CorporateAction {
            amount: Money(5),
            price: Ticks(6),
            instrument: InstrumentId(2),
            numerator: 3,
            denominator: 2,
            kind: CorporateActionKind::Split.wire(),
            reserved: [0; 11],
        }),
        Command::Settle(Settle { price: Ticks(-7), instrument: InstrumentId(2), reserved: [0; 4] }),
        Command::AmendTrade(AmendTrade {
            order_id: OrderId(77),
            exec_id: ExecId(78),
            qty: Lots(79),
            price: Ticks(80),
            account,
            kind: AmendKind::Correct.wire(),
            reserved: [0; 3],
        }),
        Command::NewList(NewList {
            account,
            list_id: 5,
            contingency: Contingency::Bracket.wire(),
            leg_count: 3,
            reserved: [0; 6],
        }),
        Command::NewAlgorithm(NewAlgorithm {
            account,
            list_id: 5,
            start_at: UnixNanos(6),
            end_at: UnixNanos(7),
            interval_ns: 8,
            slice_qty: Lots(9),
            rate_bp: 10,
            curve: 11,
            algorithm: Algorithm::Vwap.wire(),
            reserved: [0; 7],
        }),
        Command::SetVolumeCurve(SetVolumeCurve {
            begin_ns: 1,
            bucket_ns: 2,
            curve: 3,
            bucket_count: 48,
            reserved: [0; 3],
            weights: [0x0102; CURVE_BUCKETS_MAX],
        }),
        Command::Flatten(Flatten::of(UnixNanos(1), account, InstrumentId(2))),
        Command::SetFillModel(SetFillModel {
            instrument: InstrumentId(2),
            model: FillModelKind::Power.wire(),
            flags: FLAG_FILL_ON_TOUCH,
            reserved: [0; 2],
            exponent_e3: 1_500,
            volume_share_bp: 250,
            log_unit: Lots(100),
        }),
        Command::SetLatency(SetLatency {
            constant_ns: 250_000,
            seed: 7,
            leg: LatencyLeg::Answer.wire(),
            model: LatencyModel::Distribution.wire(),
            reserved: [0; 6],
        }),
        Command::AddLatencyPoints(AddLatencyPoints {
            points: [LatencyPoint { at: 500_000_000, ns: 300_000 }; 7],
            leg: LatencyLeg::Feed.wire(),
            count: 7,
            reserved: [0; 6],
        }),
        Command::SetImpact(SetImpact {
            instrument: InstrumentId(2),
            volatility_e6: 20_000,
            daily_volume: Lots(30_000_000),
            half_life_ns: 600_000_000_000,
            coefficient_e4: 10_000,
            reserved: [0; 4],
        }),
        Command::SetPhase(SetPhase {
            instrument: InstrumentId(2),
            phase: Phase::CloseAuction.wire(),
            reserved: [0; 3],
            due_at: UnixNanos(0),
        }),
        Command::SetBands(SetBands {
            pause_ns: 300_000_000_000,
            instrument: InstrumentId(2),
            static_ppm: 100_000,
            dynamic_ppm: 50_000,
            reserved: [0; 4],
        }),
        Command::SetReference(SetReference {
            price: Ticks(2_891_200),
            instrument: InstrumentId(2),
            reserved: [0; 4],
        }),
        Command::SetTickTable(tick_table()),
        Command::RouteReport(RouteReport {
            fee: Money(-9),
            order_id: OrderId(7),
            venue_order_id: 70,
            exec_id: 71,
            cursor: [72, 73],
            qty: Lots(300),
            price: Ticks(2_891_200),
            cum_qty: Lots(400),
            attempt: 2,
            code: 5,
            route: 3,
            kind: RouteReportKind::Executed.wire(),
            liquidity: Liquidity::Taker.wire(),
            flags: FLAG_FOREIGN_CANCELED,
            reserved: [0; 7],
        }),
        Command::RouteStatus(RouteStatus {
            cursor: [72, 73],
            route: 3,
            link: RouteLink::Up.wire(),
            reserved: [0; 6],
        }),
        Command::RoutePosition(RoutePosition {
            symbol: Symbol::new("AAPL").expect("a valid symbol"),
            qty: -300,
            route: 3,
            reserved: [0; 7],
        }),
        Command::ConfirmPosition(ConfirmPosition { instrument: InstrumentId(2), reserved: [0; 4] }),
        Command::SetPrincipal(principal()),
        Command::SetControl(control()),
        Command::SetGroup(group()),
        Command::SetListed(listed()),
        Command::SetFactors(factors()),
        Command::GrantLocate(locate()),
        Command::Enable(Enable {
            scope: Scope::strategy(StrategyId(6)),
            reason: Reason::new("looked at").expect("short"),
        }),
        Command::Decide(Decide {
            proposal: 5,
            hash: 0x0102_0304_0506_0708,
            decision: Decision::Approve.wire(),
            reserved: [0; 7],
            reason: Reason::new("checked").expect("short"),
        }),
        Command::CheckOrder(NewOrder {
            client_order_id: client_order_id(),
            account,
            strategy: StrategyId(6),
            ..NewOrder::BLANK
        }),
    ]
}

fn command_record(command: Command) -> CommandRecord {
    let mut record = CommandRecord::new(command).from_session(PrincipalId(11), SessionId(12), 13);
    record.ts_recv = UnixNanos(TS);
    record
}

fn events() -> Vec<Event> {
    let execution = Execution {
        cum_ticks_lots: 867_360_000,
        fee: Money(-3),
        reject_limit: 0,
        reject_value: 0,
        client_order_id: client_order_id(),
        order_id: OrderId(77),
        qty: Lots(500),
        cum_qty: Lots(300),
        leaves_qty: Lots(200),
        last_qty: Lots(300),
        last_price: Ticks(2_891_200),
        price: Ticks(2_891_300),
        cause_seq: SeqNo(41),
        exec_type: ExecType::Trade.wire(),
        ord_status: OrdStatus::PartiallyFilled.wire(),
        side: Side::Buy.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: TimeInForce::Gtc.wire(),
        liquidity: Liquidity::Maker.wire(),
        reject_reason: 0,
        cancel_reason: 0,
        queue_ahead_at_entry: Lots(1_200),
        exec_id: ExecId(0),
        parent_id: OrderId(0),
        fill_detail: 0,
        fill_model: 0,
        cause_kind: 0,
        reject_scope: 0,
        reserved: 0,
    };
    let refused = Execution {
        reject_limit: -1,
        reject_value: 77,
        reject_reason: RejectReason::UnknownOrder.wire(),
        ..execution
    };
    let ack = Ack {
        reject_limit: 1,
        reject_value: -2,
        value: 3,
        command_kind: CommandKind::Transfer.wire(),
        reject_reason: RejectReason::BuyingPower.wire(),
        reject_scope: 0,
        reserved: [0; 5],
    };
    vec![
        Event::Execution(execution),
        Event::CancelReject(refused),
        Event::Position(Position {
            cost: Money(1 << 100),
            realised: Money(-1),
            fees: Money(2),
            qty: -300,
            bought: Lots(4),
            sold: Lots(304),
            reserved: [0; 8],
        }),
        Event::Account(Account {
            cash: Money(1),
            deposits: Money(2),
            realised: Money(-3),
            fees: Money(4),
            currency: code("USD"),
            base: Code::EMPTY,
            dividends: Money::ZERO,
            borrow: Money::ZERO,
            conversions: Money::ZERO,
        }),
        Event::Instrument(instrument()),
        Event::Limits(limits()),
        Event::Ack(ack),
        Event::Posting(Posting {
            amount: Money(-5),
            currency: code("EUR"),
            qty: -300,
            price: Ticks(2_891_200),
            kind: PostingKind::Conversion.wire(),
            reserved: [0; 7],
        }),
        Event::Equity(Equity {
            equity: Money(1),
            unrealised: Money(-2),
            currency: code("USD"),
            unmarked: 3,
            reserved: [0; 4],
            initial_margin: Money::ZERO,
            maintenance_margin: Money::ZERO,
            excess_liquidity: Money::ZERO,
        }),
        Event::TickTable(tick_table()),
        Event::ListStatus(ListStatus {
            reject_limit: 1,
            reject_value: -2,
            first_order_id: OrderId(77),
            list_id: 5,
            contingency: Contingency::Bracket.wire(),
            leg_count: 3,
            status: ListOrderStatus::Reject.wire(),
            reject_reason: RejectReason::BuyingPower.wire(),
            reserved: [0; 16],
        }),
        Event::Phase(PhaseChange {
            reopen_at: UnixNanos(TS),
            last_price: Ticks(2_891_200),
            phase: Phase::Halt.wire(),
            before: Phase::Continuous.wire(),
            cause: PhaseCause::PriceBand.wire(),
            reserved: [0; 5],
        }),
        Event::RouteState(RouteState {
            open_orders: 5,
            unsure_orders: 2,
            route: 3,
            link: RouteLink::Reconciling.wire(),
            reserved: [0; 6],
        }),
        Event::RouteDifference(RouteDifference {
            order_id: OrderId(7),
            venue_order_id: 70,
            here: -300,
            there: 300,
            route: 3,
            kind: RouteDifferenceKind::Position.wire(),
            settled: 1,
            reserved: [0; 5],
        }),
        Event::Principal(principal()),
        Event::Control(control()),
        Event::Group(group()),
        Event::Listed(listed()),
        Event::Factors(factors()),
        Event::Locate(locate()),
        Event::Proposal(Proposal {
            number: 5,
            hash: 0x0102_0304_0506_0708,
            lapses_at: UnixNanos(TS),
            proposer: PrincipalId(11),
            decider: PrincipalId(12),
            command_kind: CommandKind::SetControl.wire(),
            status: ProposalStatus::Approved.wire(),
            reserved: [0; 6],
            body: [7; 128],
        }),
        Event::Verdict(Verdict {
            limit: 1,
            value: -2,
            scope: Scope::principal(PrincipalId(11)),
            reason: RejectReason::FatFinger.wire(),
            passes: 1,
            reserved: [0; 6],
        }),
        Event::Tripped(Tripped {
            limit: 1,
            value: -2,
            until: UnixNanos(TS),
            scope: Scope::instrument(InstrumentId(2)),
            control: ControlKind::Volatility.wire(),
            action: Action::StopOpening.wire(),
            stopped: 1,
            reserved: [0; 13],
            reason: Reason::EMPTY,
        }),
        Event::KillSwitch(KillSwitch::of(Scope::FIRM, true)),
    ]
}

fn event_record(event: &Event) -> EventRecord {
    EventRecord {
        seq: SeqNo(42),
        ordinal: 1,
        ts: UnixNanos(TS),
        request_id: 13,
        principal: PrincipalId(11),
        session: SessionId(12),
        account: AccountId(1),
        ..EventRecord::new(event)
    }
}

fn definition() -> Definition {
    Definition {
        kind: MarketEventKind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 13,
        ts_event: UnixNanos(TS),
        ts_recv: UnixNanos(TS + 1),
        symbol: Symbol::new("AAPL").expect("a valid symbol"),
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One line `name hex` for each kind of record.
fn golden_lines() -> String {
    let mut lines = String::new();
    let mut line = |name: String, bytes: &[u8]| {
        lines += &format!("{name} {}\n", hex(bytes));
    };
    for kind in MarketEventKind::ALL {
        let event = MarketEvent {
            kind: kind.wire(),
            side: Side::Sell.wire(),
            flags: 0x0102,
            channel_id: 13,
            ts_event: UnixNanos(TS),
            ts_recv: UnixNanos(TS + 1),
            order_ref: 0x0102_0304_0506_0708,
            price: Ticks(-2),
            qty: Lots(300),
            aux: 5,
            feed_seq: 6,
        };
        line(format!("market.{kind}"), bytes_of(&event));
    }
    line("definition".to_string(), bytes_of(&definition()));
    for kind in PublicKind::ALL {
        let update = PublicUpdate {
            seq: SeqNo(42),
            ts_event: UnixNanos(TS),
            ts: UnixNanos(TS + 1),
            instrument: InstrumentId(2),
            kind: kind.wire(),
            side: Side::Buy.wire(),
            reserved: [0; 2],
            price: Ticks(2_891_200),
            qty: Lots(300),
            orders: 4,
            reserved_tail: [0; 4],
        };
        line(format!("public.{kind}"), bytes_of(&update));
    }
    for command in commands() {
        let record = command_record(command);
        let kind = CommandKind::from_wire(record.kind).expect("a known kind");
        line(format!("command.{kind}"), bytes_of(&record));
    }
    for event in events() {
        line(format!("event.{}", event.kind()), bytes_of(&event_record(&event)));
    }
    lines
}

#[test]
fn bytes_are_those_of_version_1() {
    let golden = include_str!("golden/v1.txt");
    let lines = golden_lines();
    for (new, old) in lines.lines().zip(golden.lines()) {
        assert_eq!(new, old, "a record changed: journals on disk would not be read any more");
    }
    assert_eq!(lines.lines().count(), golden.lines().count(), "every record has its golden line");
}

#[test]
fn every_kind_round_trips() {
    let kinds: Vec<_> = commands()
        .into_iter()
        .map(|command| {
            let record = command_record(command);
            assert_eq!(record.command(), Some(command));
            assert_eq!(record.principal, PrincipalId(11));
            assert_eq!(record.session, SessionId(12));
            assert_eq!(record.request_id, 13);
            record.kind
        })
        .collect();
    let all: Vec<_> = CommandKind::ALL.iter().map(|kind| kind.wire()).collect();
    assert_eq!(kinds, all, "each kind of command is tried");

    let kinds: Vec<_> = events()
        .iter()
        .map(|event| {
            let record = event_record(event);
            assert_eq!(record.event(), Some(*event));
            assert_eq!(record.kind, event.kind().wire());
            assert_eq!(EventRecord::new(event).instrument, InstrumentId::NONE);
            assert_eq!(EventRecord::new(event).account, AccountId::NONE);
            record.kind
        })
        .collect();
    let all: Vec<_> = EventKind::ALL.iter().map(|kind| kind.wire()).collect();
    assert_eq!(kinds, all, "each kind of event is tried");
}

#[test]
fn a_definition_travels_as_a_market_event() {
    let event = definition().into_event();
    assert_eq!(event.kind(), Some(MarketEventKind::Definition));
    assert_eq!(event.channel_id, 13);
    assert_eq!(event.ts_event, UnixNanos(TS));
    assert_eq!(event.definition(), Some(definition()));
    assert_eq!(MarketEvent::default().definition(), None);
    assert_eq!(MarketEvent::default().kind(), None);
    assert_eq!(MarketEvent::default().side(), None);
}

#[test]
fn a_bar_travels_as_two_market_events() {
    let bar = Bar {
        channel_id: 13,
        begin: UnixNanos(TS),
        end: UnixNanos(TS + 60),
        open: Ticks(-2),
        high: Ticks(7),
        low: Ticks(-5),
        close: Ticks(3),
        volume: Lots(300),
        feed_seq: 6,
    };
    let [first, second] = bar.into_events();
    assert_eq!(Bar::from_events(&first, &second), Some(bar));
    assert_eq!((first.ts_recv, second.ts_recv), (bar.end, bar.end), "nobody knows it before");
    let refused = |first: MarketEvent, second: MarketEvent| {
        assert_eq!(Bar::from_events(&first, &second), None, "{first:?} {second:?}");
    };
    refused(second, first);
    refused(first, first);
    refused(MarketEvent { channel_id: 14, ..first }, second);
    refused(first, MarketEvent { ts_event: UnixNanos(TS + 61), ..second });
    refused(first, MarketEvent { aux: TS + 60, ..second });
    refused(MarketEvent { price: Ticks(8), ..first }, second);
    refused(first, MarketEvent { price: Ticks(-6), ..second });
    refused(MarketEvent { order_ref: first.aux, aux: first.order_ref, ..first }, second);
}

#[test]
fn refusals_come_out_as_they_went_in() {
    let refused = |event: &Event| match event {
        Event::Execution(body) | Event::CancelReject(body) => body.reject(),
        Event::Ack(body) => body.reject(),
        _ => None,
    };
    let rejects: Vec<_> = events().iter().map(refused).collect();
    assert_eq!(rejects[0], None);
    assert_eq!(rejects[1], Some(Reject::new(RejectReason::UnknownOrder, -1, 77)));
    assert_eq!(rejects[6], Some(Reject::new(RejectReason::BuyingPower, 1, -2)));
    assert_eq!(rejects[7], None);
}

proptest! {
    /// Whatever bytes arrive: a command or none, never a panic; what is read out goes back in unchanged.
    #[test]
    fn any_command_bytes(bytes in proptest::collection::vec(any::<u8>(), 160), kind: u8) {
        let mut record: CommandRecord = pod_read_unaligned(&bytes);
        record.kind = kind;
        let Some(command) = record.command() else {
            prop_assert_eq!(CommandKind::from_wire(kind), None);
            return Ok(());
        };
        let again = CommandRecord::new(command);
        prop_assert_eq!(again.kind, kind);
        prop_assert_eq!(again.command(), Some(command));
        let used = again.body.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        prop_assert_eq!(&again.body[..used], &record.body[..used]);
    }

    #[test]
    fn any_event_bytes(bytes in proptest::collection::vec(any::<u8>(), 256), kind: u8) {
        let mut record: EventRecord = pod_read_unaligned(&bytes);
        record.kind = kind;
        let Some(event) = record.event() else {
            prop_assert_eq!(EventKind::from_wire(kind), None);
            return Ok(());
        };
        prop_assert_eq!(event.kind().wire(), kind);
        let again = EventRecord::new(&event);
        prop_assert_eq!(again.event(), Some(event));
        let used = again.body.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        prop_assert_eq!(&again.body[..used], &record.body[..used]);
    }
}
