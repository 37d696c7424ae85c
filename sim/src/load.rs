//! What clients, operators and the market ask for: orders at a market of the house and at the paper venue, and what must be there
//! before them.

use crate::dice::Dice;
use tidegate_model::command::*;
use tidegate_model::ids::Code;
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::{Definition, MarketEventKind};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::*;

/// The accounts that trade.
pub const ACCOUNTS: [AccountId; 3] = [AccountId(1), AccountId(2), AccountId(3)];
/// What each begins with.
pub const DEPOSIT: i128 = 10_000_000 * MONEY_PER_UNIT;
/// The channel of the feed.
const CHANNEL: u32 = 7;
/// The middle of all prices, in ticks of 0.0001.
const MIDDLE: i64 = 1_000_000;

/// Sizes that a simulation can afford to make often.
pub fn configure() -> Configure {
    Configure {
        paper_latency_ns: 0,
        orders_max: 1 << 12,
        book_orders_max: 1 << 10,
        currency: Code::EMPTY,
    }
}

/// The instrument that has a market of the house.
pub fn house() -> Symbol {
    Symbol::new("HOUSE").expect("valid")
}

/// What makes a new journal fit to trade in, in order.
pub fn set_up() -> Vec<Command> {
    let symbol = house();
    let house = Instrument {
        venue_kind: venue_kind::INTERNAL,
        order_tick_from: Ticks::ZERO,
        ..Instrument::us_equity(symbol)
    };
    let mut commands = vec![Command::DefineInstrument(house)];
    for account in ACCOUNTS {
        let currency = Code::new("USD").expect("valid");
        commands.push(Command::OpenAccount(OpenAccount::of(account, currency)));
        commands.push(Command::Transfer(Transfer::of_base(account, Money(DEPOSIT))));
        commands.push(Command::SetLimits(SetLimits {
            max_order_notional: Money(DEPOSIT),
            credit: Money(DEPOSIT),
            max_order_qty: Lots(10_000),
            max_position: Lots(1_000_000),
            price_collar_bp: 9_000,
            max_open_orders: 1_000,
            messages_per_sec: 1_000_000,
            message_burst: 1_000_000,
            account,
            reserved: [0; 12],
            reason: Reason::EMPTY,
        }));
    }
    commands
}

/// The instrument that the feed brings.
pub fn definition(now: UnixNanos) -> MarketEvent {
    Definition {
        kind: MarketEventKind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: CHANNEL,
        ts_event: now,
        ts_recv: now,
        symbol: Symbol::new("PAPER").expect("valid"),
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    }
    .into_event()
}

/// An order, or the cancel of one, of a client.
pub fn command(dice: &mut Dice, number: u64) -> Command {
    let account = *dice.pick(&ACCOUNTS);
    if dice.one_in(4) && number > 1 {
        let name = format!("o{}", dice.within(1, number - 1));
        return Command::CancelOrder(CancelOrder {
            client_order_id: ClientOrderId::new(&name).expect("short"),
            order_id: OrderId(0),
            account,
            reserved: [0; 4],
        });
    }
    let side = if dice.one_in(2) { Side::Buy } else { Side::Sell };
    let tif = *dice.pick(&[TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc]);
    let flags = if dice.one_in(5) { FLAG_CANCEL_ON_DISCONNECT } else { 0 };
    Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId::new(&format!("o{number}")).expect("short"),
        account,
        instrument: InstrumentId(dice.below(2) as u32),
        side: side.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: tif.wire(),
        flags,
        qty: Lots(dice.within(1, 100)),
        price: Ticks(MIDDLE + dice.within(0, 20) as i64 * 100 - 1_000),
        ..NewOrder::BLANK
    })
}

/// A piece of news from the feed, on an order of its own number.
pub fn market(dice: &mut Dice, number: u64, now: UnixNanos) -> MarketEvent {
    let blank =
        MarketEvent { channel_id: CHANNEL, ts_event: now, ts_recv: now, ..MarketEvent::default() };
    if number > 1 && dice.one_in(3) {
        let kind = MarketEventKind::Delete.wire();
        return MarketEvent { kind, order_ref: dice.within(1, number - 1), ..blank };
    }
    let buys = dice.one_in(2);
    let away = dice.within(1, 10) as i64 * 100;
    let (side, price) = if buys { (Side::Buy, MIDDLE - away) } else { (Side::Sell, MIDDLE + away) };
    MarketEvent {
        kind: MarketEventKind::Add.wire(),
        order_ref: number,
        side: side.wire(),
        price: Ticks(price),
        qty: Lots(dice.within(1, 50)),
        ..blank
    }
}
