//! The market of one instrument behind the benchmark's messages: ids become handles, and what the market says becomes records.

use crate::ids::{Codes, Handles};
use crate::ring::Record;
use tidegate_engine::matching::{Markets, Plain, Reports, Trade};
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::{AccountId, Lots, Reject, Side, Ticks};

/// Orders that may be live at once.
const HANDLES_MAX: u32 = 1 << 22;

/// [`Record::kind`]: a new order is in.
pub const ORDER_ACK: u16 = 0;
/// [`Record::kind`]: the message's order traded.
pub const TRADE: u16 = 1;
/// [`Record::kind`]: a cancel is done, or what an immediate-or-cancel order did not trade is off.
pub const CANCEL_ACK: u16 = 2;
/// [`Record::kind`]: a modify is done.
pub const MODIFY_ACK: u16 = 3;
/// [`Record::kind`]: there is no such order to cancel.
pub const CANCEL_REJECT: u16 = 4;
/// [`Record::kind`]: there is no such order to modify.
pub const MODIFY_REJECT: u16 = 5;

/// `new_order_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NewOrder {
    /// Its name from now on.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
    /// Limit, in ticks.
    pub price_ticks: i64,
    /// Lots.
    pub quantity: u32,
    /// 0 buy, 1 sell.
    pub side: u8,
    /// 1: immediate or cancel.
    pub ioc: u8,
    /// 0.
    pub reserved: [u8; 2],
}

/// `cancel_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Cancel {
    /// The order.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
}

/// `modify_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Modify {
    /// The order.
    pub order_id: u64,
    /// The message's number.
    pub sequence_number: u64,
    /// Its limit from now on, in ticks.
    pub new_price_ticks: i64,
    /// Its open lots from now on.
    pub new_quantity: u32,
    /// 0 buy, 1 sell.
    pub side: u8,
    /// 0.
    pub reserved: [u8; 3],
}

const _: () = assert!(size_of::<NewOrder>() == 32);
const _: () = assert!(size_of::<Cancel>() == 16);
const _: () = assert!(size_of::<Modify>() == 32);

/// A market and the names of its orders.
#[derive(Debug)]
pub struct Session {
    markets: Markets,
    codes: Codes,
    handles: Handles,
}

/// Turns what the market says about one message into records. All of it is about the message's order, but for the makers that it
/// trades with.
struct Sink<'e, P> {
    push: P,
    handles: &'e mut Handles,
    seq: u64,
    /// The message's order.
    code: u32,
    price: i64,
    qty: u32,
    side: u16,
    /// What a refusal is called.
    refusal: u16,
}

impl<P: FnMut(Record)> Sink<'_, P> {
    #[inline(always)]
    fn push(&mut self, kind: u16, price: i64, qty: u32, maker: u32) {
        let &mut Self { seq, code: order, side, .. } = self;
        (self.push)(Record { seq, price, qty, order, maker, kind, side });
    }
}

impl<P: FnMut(Record)> Reports for Sink<'_, P> {
    #[inline(always)]
    fn accepted(&mut self, _: u32, _: Ticks) {
        self.push(ORDER_ACK, self.price, self.qty, 0);
    }

    #[inline(always)]
    fn trade(&mut self, trade: &Trade) {
        self.push(TRADE, trade.price.0, trade.qty.0 as u32, self.handles.code(trade.maker));
    }

    #[inline(always)]
    fn canceled(&mut self, _: u32, qty: Lots, _: CancelReason) {
        self.push(CANCEL_ACK, self.price, qty.0 as u32, 0);
    }

    #[inline(always)]
    fn replaced(&mut self, _: u32, price: Ticks, leaves: Lots) {
        self.push(MODIFY_ACK, price.0, leaves.0 as u32, 0);
    }

    fn triggered(&mut self, _: u32, _: Ticks) {}

    fn rejected(&mut self, handle: u32, _: Reject) {
        self.handles.remove(handle);
    }

    #[inline(always)]
    fn refused(&mut self, _: u32, _: Reject) {
        self.push(self.refusal, 0, 0, 0);
    }

    #[inline(always)]
    fn ended(&mut self, handle: u32) {
        self.handles.remove(handle);
    }
}

#[inline(always)]
pub(crate) fn side(side: u8) -> Side {
    if side == 0 { Side::Buy } else { Side::Sell }
}

impl Default for Session {
    fn default() -> Self {
        let mut markets = Markets::new(HANDLES_MAX);
        markets.define(Ticks(1));
        markets.prefault();
        Self { markets, codes: Codes::default(), handles: Handles::default() }
    }
}

impl Session {
    /// A new order; `push` gets the records that follow, in order.
    #[inline(always)]
    pub fn enter(&mut self, order: &NewOrder, push: impl FnMut(Record)) {
        let Self { markets, codes, handles } = self;
        let code = codes.code_of(order.order_id);
        let plain = Plain {
            handle: handles.insert(code),
            account: AccountId(0),
            side: side(order.side),
            time_in_force: if order.ioc != 0 { TimeInForce::Ioc } else { TimeInForce::Gtc },
            qty: Lots(order.quantity.into()),
            price: Ticks(order.price_ticks),
        };
        let mut sink = Sink {
            push,
            handles,
            seq: order.sequence_number,
            code,
            price: order.price_ticks,
            qty: order.quantity,
            side: order.side.into(),
            refusal: CANCEL_REJECT,
        };
        markets.enter_plain(0, &plain, &mut sink);
    }

    /// A cancel; `push` gets the one record that follows.
    #[inline(always)]
    pub fn cancel(&mut self, cancel: &Cancel, push: impl FnMut(Record)) {
        let Self { markets, codes, handles } = self;
        let code = codes.code_of(cancel.order_id);
        let handle = handles.find(code);
        let (side, price) = markets.order(handle).unwrap_or((Side::Buy, Ticks::ZERO));
        let mut sink = Sink {
            push,
            handles,
            seq: cancel.sequence_number,
            code,
            price: price.0,
            qty: 0,
            side: side.index() as u16,
            refusal: CANCEL_REJECT,
        };
        markets.cancel(handle, &mut sink);
    }

    /// A modify; `push` gets the records that follow, in order.
    #[inline(always)]
    pub fn modify(&mut self, modify: &Modify, push: impl FnMut(Record)) {
        let Self { markets, codes, handles } = self;
        let code = codes.code_of(modify.order_id);
        let handle = handles.find(code);
        let mut sink = Sink {
            push,
            handles,
            seq: modify.sequence_number,
            code,
            price: modify.new_price_ticks,
            qty: modify.new_quantity,
            side: modify.side.into(),
            refusal: MODIFY_REJECT,
        };
        let leaves = Lots(modify.new_quantity.into());
        markets.replace(handle, leaves, Ticks(modify.new_price_ticks), None, &mut sink);
    }

    /// The best displayed price.
    pub fn best(&self, side: Side) -> Option<Ticks> {
        self.markets.best(0, side)
    }

    /// Lots displayed at a price.
    pub fn displayed(&self, side: Side, price: Ticks) -> Lots {
        self.markets.displayed(0, side, price)
    }

    /// Displayed prices of a side, best first, with lots and orders.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Ticks, Lots, u32)> {
        self.markets.levels(0, side)
    }
}
