//! The internal market behind the C interface of the public matching-engine benchmark (flash1-dev/matching-engine-benchmark,
//! `api/matching_engine_api.h`): the market as production runs it, and a ring for its reports.
//!
//! The benchmark's harness loads this as a shared library, calls `engine_on_*` for each message on one thread and drains the reports
//! on another. How to run it stands in `docs/matching-challenge.md`.

#![allow(unsafe_code)]

pub mod ids;
pub mod ring;
pub mod session;

use ids::id_of;
use ring::{Record, Ring};
use session::{Cancel, Modify, NewOrder, Session, TRADE, side};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::slice;
use tidegate_model::{Side, Ticks};

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

struct Engine {
    session: Session,
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

/// Writes into the ring that the harness made.
///
/// # Safety
/// The ring lives, and this thread is the only one that writes into it: so it is between `engine_init` and `engine_shutdown`.
#[inline(always)]
unsafe fn push_to(ring: *const Ring) -> impl FnMut(Record) {
    // SAFETY: as the caller promises.
    move |record| unsafe { (*ring).push(record) }
}

/// `engine_init`.
///
/// # Safety
/// `sink` comes from this library's transport.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn engine_init(_seed: u64, _transport: *const Transport, sink: *mut c_void) {
    // SAFETY: no call is under way.
    unsafe { *ENGINE.0.get() = Some(Engine { session: Session::default(), ring: sink.cast() }) };
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
    let Engine { session, ring } = engine();
    // SAFETY: as the caller promises; `engine_init` came before.
    unsafe { session.enter(&*order, push_to(*ring)) };
}

/// `engine_on_cancel`.
///
/// # Safety
/// `cancel` points to a `cancel_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_cancel(cancel: *const Cancel) {
    let Engine { session, ring } = engine();
    // SAFETY: as the caller promises; `engine_init` came before.
    unsafe { session.cancel(&*cancel, push_to(*ring)) };
}

/// `engine_on_modify`.
///
/// # Safety
/// `modify` points to a `modify_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn engine_on_modify(modify: *const Modify) {
    let Engine { session, ring } = engine();
    // SAFETY: as the caller promises; `engine_init` came before.
    unsafe { session.modify(&*modify, push_to(*ring)) };
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
    engine().session.best(Side::Buy).map_or(i64::MIN, |price| price.0)
}

/// `engine_query_best_ask`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_best_ask() -> i64 {
    engine().session.best(Side::Sell).map_or(i64::MAX, |price| price.0)
}

/// `engine_query_depth_at`.
#[unsafe(no_mangle)]
pub extern "C" fn engine_query_depth_at(price_ticks: i64, at: u8) -> u64 {
    engine().session.displayed(side(at), Ticks(price_ticks)).0
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
