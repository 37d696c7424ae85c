//! A strategy that answers a market event with an order, for what is measured from end to end.

use tidegate_engine::core::Core;
use tidegate_engine::runtime::{Orders, Strategy};
use tidegate_model::command::{
    Configure, NewOrder, OpenAccount, OrderType, Reason, SetLimits, SetReference, TimeInForce,
    Transfer,
};
use tidegate_model::ids::Code;
use tidegate_model::instrument::venue_kind;
use tidegate_model::market::{Definition, MarketEventKind};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, EventRecord, Instrument, InstrumentId, Lots,
    MarketEvent, Money, PrincipalId, SessionId, Side, Symbol, Ticks, UnixNanos,
};

/// The account that trades.
pub const ACCOUNT: AccountId = AccountId(1);
/// The session that its orders come from.
pub const SESSION: SessionId = SessionId(9);

/// Room for the orders of one bench run.
pub const CONFIGURE: Configure = Configure {
    paper_latency_ns: 0,
    orders_max: 1 << 20,
    book_orders_max: 1 << 22,
    currency: Code::EMPTY,
};

/// The same for runs that only follow the market.
pub const CONFIGURE_MARKET: Configure = Configure { orders_max: 1 << 10, ..CONFIGURE };

/// Commands that open the account with wide limits.
pub fn set_up() -> [CommandRecord; 3] {
    let currency = Code(*b"USD\0\0\0\0\0");
    let amount = Money(1_000_000_000 * MONEY_PER_UNIT);
    let limits = SetLimits {
        max_order_notional: amount,
        credit: amount,
        max_order_qty: Lots(1_000_000),
        max_position: Lots(1_000_000_000),
        price_collar_bp: 5_000,
        max_open_orders: 1_000_000,
        messages_per_sec: u32::MAX,
        message_burst: u32::MAX,
        account: ACCOUNT,
        reserved: [0; 12],
        reason: Reason::EMPTY,
    };
    [
        Command::OpenAccount(OpenAccount::of(ACCOUNT, currency)),
        Command::Transfer(Transfer::of_base(ACCOUNT, amount)),
        Command::SetLimits(limits),
    ]
    .map(CommandRecord::new)
}

/// Commands that open a market of the house, of the one instrument, with a price to begin from.
pub fn house() -> [CommandRecord; 2] {
    let symbol = Symbol::new("HOUSE").expect("a valid symbol");
    let (venue_kind, order_tick_from) = (venue_kind::INTERNAL, Ticks::ZERO);
    let terms = Instrument { venue_kind, order_tick_from, ..Instrument::us_equity(symbol) };
    let (price, instrument) = (Ticks(1_000_000), InstrumentId(0));
    let reference = SetReference { price, instrument, reserved: [0; 4] };
    [Command::DefineInstrument(terms), Command::SetReference(reference)].map(CommandRecord::new)
}

/// The definition of the one instrument, on channel 1.
pub fn definition() -> MarketEvent {
    Definition {
        kind: MarketEventKind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 1,
        ts_event: UnixNanos(1),
        ts_recv: UnixNanos(1),
        symbol: Symbol::new("BENCH").expect("a valid symbol"),
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    }
    .into_event()
}

/// An order resting at `price` on `side`.
pub fn add(order_ref: u64, side: Side, price: Ticks, qty: u64) -> MarketEvent {
    MarketEvent {
        kind: MarketEventKind::Add.wire(),
        side: side.wire(),
        channel_id: 1,
        order_ref,
        price,
        qty: Lots(qty),
        ..Default::default()
    }
}

/// Replaces order `order_ref` by `new_ref` at the same price: fresh liquidity each time.
pub fn refresh(order_ref: u64, new_ref: u64, price: Ticks, qty: u64, feed_seq: u64) -> MarketEvent {
    MarketEvent {
        kind: MarketEventKind::Replace.wire(),
        aux: new_ref,
        feed_seq,
        ..add(order_ref, Side::Buy, price, qty)
    }
}

/// An immediate-or-cancel order of one lot, named after the market event that it answers.
pub fn taking_order(feed_seq: u64, side: Side, price: Ticks) -> CommandRecord {
    let mut name = [0; 40];
    for (at, byte) in name[..16].iter_mut().enumerate() {
        *byte = b"0123456789abcdef"[(feed_seq >> (60 - 4 * at)) as usize & 15];
    }
    CommandRecord::new(Command::NewOrder(NewOrder {
        client_order_id: ClientOrderId(name),
        account: ACCOUNT,
        instrument: InstrumentId(0),
        side: side.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: TimeInForce::Ioc.wire(),
        flags: 0,
        qty: Lots(1),
        price,
        ..NewOrder::BLANK
    }))
    .from_session(PrincipalId(1), SESSION, feed_seq)
}

/// Takes one lot from whatever was refreshed, buying and selling in turn.
#[derive(Debug, Default)]
pub struct Taker;

impl Strategy for Taker {
    #[inline]
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders) {
        if event.kind != MarketEventKind::Replace.wire() {
            return;
        }
        // The side that was refreshed is the one whose best price the event names.
        let offer = core.books().best(InstrumentId(0), Side::Sell);
        let is_offer = offer.is_some_and(|level| level.price == event.price);
        let side = if is_offer { Side::Buy } else { Side::Sell };
        let sent = orders.send(taking_order(event.feed_seq, side, event.price));
        assert!(sent.is_ok(), "one order an event fits");
    }

    #[inline]
    fn on_event(&mut self, _: &EventRecord) {}
}
