//! The internal market behind the C interface of the public matching-engine benchmark (flash1-dev/matching-engine-benchmark,
//! `api/matching_engine_api.h`): [`Markets`], as production runs it, and a ring for its reports.
//!
//! The benchmark's harness loads this as a shared library, calls `engine_on_*` for each message on one thread and drains the reports
//! on another. How to run it stands in `docs/matching-challenge.md`.

#![allow(unsafe_code)]

mod ids;
mod ring;

use ids::{Codes, Handles, id_of};
use ring::{Record, Ring};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::slice;
use tidegate_engine::matching::{Markets, Plain, Reports, Trade};
use tidegate_model::command::TimeInForce;
use tidegate_model::event::CancelReason;
use tidegate_model::{AccountId, Lots, Reject, Side, Ticks};

/// Orders that may be live at once.
const HANDLES_MAX: u32 = 1 << 22;

/// `new_order_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NewOrder {
    order_id: u64,
    sequence_number: u64,
    price_ticks: i64,
    quantity: u32,
    side: u8,
    ioc: u8,
    reserved: [u8; 2],
}

/// `cancel_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Cancel {
    order_id: u64,
    sequence_number: u64,
}

/// `modify_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Modify {
    order_id: u64,
    sequence_number: u64,
    new_price_ticks: i64,
    new_quantity: u32,
    side: u8,
    reserved: [u8; 3],
}

/// `me_report_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Report {
    kind: u8,
    side: u8,
    reserved: [u8; 6],
    sequence_number: u64,
    order_id: u64,
    price_ticks: i64,
    quantity: u32,
    reserved2: u32,
    maker_order_id: u64,
    taker_order_id: u64,
    reserved3: u64,
}

const _: () = assert!(size_of::<NewOrder>() == 32);
const _: () = assert!(size_of::<Cancel>() == 16);
const _: () = assert!(size_of::<Modify>() == 32);
const _: () = assert!(size_of::<Report>() == 64);

/// `me_transport_t`.
#[repr(C)]
pub struct Transport {
    create: extern "C" fn(u32) -> *mut c_void,
    push: extern "C" fn(*mut c_void, *const Report) -> c_int,
    drain: unsafe extern "C" fn(*mut c_void, *mut Report, u32) -> u32,
    flush: unsafe extern "C" fn(*mut c_void),
    destroy: unsafe extern "C" fn(*mut c_void),
}

const ORDER_ACK: u16 = 0;
const TRADE: u16 = 1;
const CANCEL_ACK: u16 = 2;
const MODIFY_ACK: u16 = 3;
const CANCEL_REJECT: u16 = 4;
const MODIFY_REJECT: u16 = 5;

struct Engine {
    markets: Markets,
    codes: Codes,
    handles: Handles,
    ring: *const Ring,
}

struct Global(UnsafeCell<Option<Engine>>);

// SAFETY: the harness calls every `engine_*` function on one thread.
unsafe impl Sync for Global {}

static ENGINE: Global = Global(UnsafeCell::new(None));

#[inline(always)]
fn engine() -> &'static mut Engine {
    // SAFETY: one thread calls in, and no call is made from within another.
    unsafe { (*ENGINE.0.get()).as_mut().expect("engine_init comes first") }
}

/// Turns what the market says about one message into reports. All of it is about the message's order, but for the makers that it
/// trades with.
struct Sink<'e> {
    ring: &'e Ring,
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

impl Sink<'_> {
    #[inline(always)]
    fn push(&self, kind: u16, price: i64, qty: u32, maker: u32) {
        let &Self { seq, code: order, side, .. } = self;
        // SAFETY: the thread that calls in is the only one that writes.
        unsafe { self.ring.push(Record { seq, price, qty, order, maker, kind, side }) }
    }
}

impl Reports for Sink<'_> {
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
fn side(side: u8) -> Side {
    if side == 0 { Side::Buy } else { Side::Sell }
}

/// `engine_init`.
///
/// # Safety
/// `sink` comes from this library's transport.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_init(_seed: u64, _transport: *const Transport, sink: *mut c_void) {
    let mut markets = Markets::new(HANDLES_MAX);
    markets.define(Ticks(1));
    markets.prefault();
    // SAFETY: no call is under way.
    unsafe {
        *ENGINE.0.get() = Some(Engine {
            markets,
            codes: Codes::default(),
            handles: Handles::default(),
            ring: sink.cast(),
        })
    };
}

/// `engine_shutdown`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_shutdown() {
    // SAFETY: no call is under way.
    unsafe { *ENGINE.0.get() = None };
}

/// `engine_on_new_order`.
///
/// # Safety
/// `order` points to a `new_order_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_new_order(order: *const NewOrder) {
    // SAFETY: as the caller promises.
    let order = unsafe { &*order };
    let Engine { markets, codes, handles, ring } = engine();
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
        // SAFETY: the harness keeps the transport alive until after `engine_shutdown`.
        ring: unsafe { &**ring },
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

/// `engine_on_cancel`.
///
/// # Safety
/// `cancel` points to a `cancel_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_cancel(cancel: *const Cancel) {
    // SAFETY: as the caller promises.
    let cancel = unsafe { &*cancel };
    let Engine { markets, codes, handles, ring } = engine();
    let code = codes.code_of(cancel.order_id);
    let handle = handles.find(code);
    let (side, price) = markets.order(handle).unwrap_or((Side::Buy, Ticks::ZERO));
    let mut sink = Sink {
        // SAFETY: as in `engine_on_new_order`.
        ring: unsafe { &**ring },
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

/// `engine_on_modify`.
///
/// # Safety
/// `modify` points to a `modify_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_modify(modify: *const Modify) {
    // SAFETY: as the caller promises.
    let modify = unsafe { &*modify };
    let Engine { markets, codes, handles, ring } = engine();
    let code = codes.code_of(modify.order_id);
    let handle = handles.find(code);
    let mut sink = Sink {
        // SAFETY: as in `engine_on_new_order`.
        ring: unsafe { &**ring },
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

/// `me_msg_t`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Message {
    kind: u8,
    reserved: [u8; 7],
    body: Body,
}

/// What is in a [`Message`]: its kind tells.
#[derive(Clone, Copy)]
#[repr(C)]
union Body {
    new_order: NewOrder,
    cancel: Cancel,
    modify: Modify,
}

const _: () = assert!(size_of::<Message>() == 40);

/// `engine_on_batch`: one message after the other, each carried out before the next is looked at.
///
/// # Safety
/// `messages` points to `count` of `me_msg_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_batch(messages: *const Message, count: u32) {
    // SAFETY: as the caller promises.
    for Message { kind, body, .. } in unsafe { slice::from_raw_parts(messages, count as usize) } {
        // SAFETY: `kind` tells which of them `body` is.
        unsafe {
            match kind {
                0 => engine_on_new_order(&body.new_order),
                1 => engine_on_cancel(&body.cancel),
                _ => engine_on_modify(&body.modify),
            }
        }
    }
}

/// `engine_flush`: every message is carried out when its call returns.
#[unsafe(no_mangle)]
pub extern "C" fn engine_flush() {
    // SAFETY: as in `engine_on_new_order`; this is the thread that writes.
    unsafe { (*engine().ring).flush() };
}

/// `engine_query_best_bid`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_bid() -> i64 {
    engine().markets.best(0, Side::Buy).map_or(i64::MIN, |price| price.0)
}

/// `engine_query_best_ask`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_ask() -> i64 {
    engine().markets.best(0, Side::Sell).map_or(i64::MAX, |price| price.0)
}

/// `engine_query_depth_at`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_depth_at(price_ticks: i64, at: u8) -> u64 {
    engine().markets.displayed(0, side(at), Ticks(price_ticks)).0
}

extern "C" fn create(capacity: u32) -> *mut c_void {
    Box::into_raw(Box::new(Ring::new(capacity))).cast()
}

/// Unused: the market writes into its own ring.
extern "C" fn push(_: *mut c_void, _: *const Report) -> c_int {
    0
}

unsafe extern "C" fn drain(ring: *mut c_void, out: *mut Report, max: u32) -> u32 {
    // SAFETY: `ring` comes from `create`, and the draining thread is the only one that reads.
    unsafe {
        (*ring.cast::<Ring>()).drain(max, |at, record| {
            let is_trade = record.kind == TRADE;
            out.add(at).write(Report {
                kind: record.kind as u8,
                side: record.side as u8,
                reserved: [0; 6],
                sequence_number: record.seq,
                order_id: id_of(record.order),
                price_ticks: record.price,
                quantity: record.qty,
                reserved2: 0,
                maker_order_id: id_of(record.maker),
                taker_order_id: if is_trade { id_of(record.order) } else { 0 },
                reserved3: 0,
            });
        })
    }
}

unsafe extern "C" fn flush(ring: *mut c_void) {
    // SAFETY: `ring` comes from `create`; the harness calls this on the thread that writes.
    unsafe { (*ring.cast::<Ring>()).flush() };
}

unsafe extern "C" fn destroy(ring: *mut c_void) {
    // SAFETY: `ring` comes from `create`, and no thread uses it any more.
    drop(unsafe { Box::from_raw(ring.cast::<Ring>()) });
}

static TRANSPORT: Transport = Transport { create, push, drain, flush, destroy };

/// `engine_get_transport`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_get_transport() -> *const Transport {
    &raw const TRANSPORT
}
