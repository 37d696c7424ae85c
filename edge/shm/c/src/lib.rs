//! The shared-memory door for C. `tidegate_shm.h` says what each function does; here is what is between it and [`Session`].
//!
//! A pointer that is null is an error and never followed; everything else that C says about a pointer has to be believed, as the header
//! asks. No panic crosses over: one would end the session with [`TG_INTERNAL`].
//!
//! Records are written to C's memory byte by byte as they are, so it needs no alignment of ours. That the header's structs are
//! the engine's is shown from both sides: tests compare the header's offsets with these types, the C compiler with its own.

#![allow(unsafe_code)]

#[cfg(test)]
mod header;

use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use tidegate_model::command::{CancelOrder, MassCancel, NewOrder, ReplaceOrder};
use tidegate_model::{AccountId, Command, EventRecord, InstrumentId, PublicUpdate};
use tidegate_shm::protocol::{Code, Position};
use tidegate_shm::{Attach, Ended, Next, ReleaseLevel, SendError, Session, ShmError};

/// It was done.
pub const TG_OK: c_int = 0;
/// A pointer is null, or a text or number is none that is allowed.
pub const TG_ARGUMENT: c_int = -1;
/// Nobody is at the door.
pub const TG_CONNECT: c_int = -2;
/// The server says no.
pub const TG_REFUSED: c_int = -3;
/// The session is over.
pub const TG_ENDED: c_int = -4;
/// Public updates were missed.
pub const TG_LAPPED: c_int = -5;
/// The ring of orders is full.
pub const TG_FULL: c_int = -6;
/// A defect of this library.
pub const TG_INTERNAL: c_int = -7;

/// Records of one call at most, so that a count fits what is returned.
const BATCH_MAX: usize = 1 << 20;

/// A session, as C has it: `tg_session`.
pub struct Handle {
    session: Session,
    /// Why it is over, for every later call.
    ended: Option<Ended>,
    /// A panic was caught: what is inside may be half of something.
    is_broken: bool,
    /// Updates that were missed, told once those before them are taken.
    skipped: Option<u64>,
}

/// `tg_attach_options`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Options {
    /// The last event that is known.
    pub after: Position,
    /// The account whose events are heard beside those of one's own requests, or 2^32 - 1.
    pub account: u32,
    /// 1 to hear what was told after `after`.
    pub resumes: u32,
    /// A release level on the wire, or 0.
    pub level: u32,
    /// Zero.
    pub reserved: u32,
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// What went wrong: the number that C sees, and the text.
struct Failure(c_int, String);

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self(TG_ENDED, ended.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self(TG_FULL, error.to_string())
    }
}

impl From<ShmError> for Failure {
    fn from(error: ShmError) -> Self {
        let number = match &error {
            ShmError::Connect { .. } => TG_CONNECT,
            ShmError::Token { .. } => TG_ARGUMENT,
            ShmError::Refused { code: Code::Unavailable, .. } => TG_ENDED,
            _ => TG_REFUSED,
        };
        Self(number, error.to_string())
    }
}

fn argument(text: impl Into<String>) -> Failure {
    Failure(TG_ARGUMENT, text.into())
}

/// What C is told. The text stays for `tg_last_error`.
fn told(outcome: Result<c_int, Failure>) -> c_int {
    match outcome {
        Ok(number) => number,
        Err(Failure(number, text)) => {
            let text = CString::new(text.replace('\0', "?")).unwrap_or_default();
            // The thread is ending when its texts are gone; nobody asks any more.
            let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = text);
            number
        }
    }
}

/// Does `work` without letting a panic through.
fn guarded(work: impl FnOnce() -> Result<c_int, Failure>) -> c_int {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    told(outcome.unwrap_or_else(|_| {
        Err(Failure(TG_INTERNAL, "a defect of the library; please report it".into()))
    }))
}

/// Does `work` with the session behind `handle`.
///
/// # Safety
/// `handle` is null, or what `tg_attach` gave, and no other thread uses it meanwhile.
unsafe fn with(
    handle: *mut Handle,
    work: impl FnOnce(&mut Handle) -> Result<c_int, Failure>,
) -> c_int {
    // SAFETY: the caller's word: it is null or a handle of ours that nobody else uses.
    let Some(handle) = (unsafe { handle.as_mut() }) else {
        return told(Err(argument("session is null")));
    };
    if handle.is_broken {
        return told(Err(Failure(TG_INTERNAL, "a defect broke this session; detach it".into())));
    }
    let number = guarded(|| work(&mut *handle));
    handle.is_broken = number == TG_INTERNAL;
    number
}

/// The text behind a pointer of C.
///
/// # Safety
/// `text` is null, or bytes that end with a zero and stay as they are meanwhile.
unsafe fn bytes<'t>(text: *const c_char, name: &str) -> Result<&'t [u8], Failure> {
    if text.is_null() {
        return Err(argument(format!("{name} is null")));
    }
    // SAFETY: the caller's word: not null, it ends with a zero.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// As [`bytes`], of what must be UTF-8.
///
/// # Safety
/// As [`bytes`].
unsafe fn text<'t>(text: *const c_char, name: &str) -> Result<&'t str, Failure> {
    // SAFETY: the caller's word is the same.
    let bytes = unsafe { bytes(text, name) }?;
    std::str::from_utf8(bytes).map_err(|_| argument(format!("{name} is not UTF-8")))
}

/// The value behind a pointer of C, copied.
///
/// # Safety
/// `pointer` is null, or points to a `T` of C, aligned as C aligns it.
unsafe fn read<T: Copy>(pointer: *const T, name: &str) -> Result<T, Failure> {
    if pointer.is_null() {
        return Err(argument(format!("{name} is null")));
    }
    // SAFETY: the caller's word: not null, it points to one. An unaligned read asks for nothing more.
    Ok(unsafe { pointer.read_unaligned() })
}

/// Writes `value` to where C wants it.
///
/// # Safety
/// `pointer` is null, or points to memory for a `T`.
unsafe fn write<T: Copy>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: the caller's word: there is memory for one.
        unsafe { pointer.write_unaligned(value) };
    }
}

fn batch(records_are_null: bool, max: usize) -> Result<usize, Failure> {
    if records_are_null {
        return Err(argument("records is null"));
    }
    if !(1..=BATCH_MAX).contains(&max) {
        return Err(argument(format!("max is {max}; it must be 1 to {BATCH_MAX}")));
    }
    Ok(max)
}

/// Comes in at `door` with `token`, and gives a session.
///
/// # Safety
/// `door` and `token` are texts of C, `options` is null or options, `session` has room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_attach(
    door: *const c_char,
    token: *const c_char,
    options: *const Options,
    session: *mut *mut Handle,
) -> c_int {
    guarded(|| {
        if session.is_null() {
            return Err(argument("session is null"));
        }
        // SAFETY: not null, and the caller's word that it has room for a pointer.
        unsafe { write(session, ptr::null_mut()) };
        // SAFETY: the caller's word.
        let (door, token) = unsafe { (bytes(door, "door")?, text(token, "token")?) };
        let mut attach = Attach { token: token.to_string(), ..Attach::default() };
        if !options.is_null() {
            // SAFETY: not null, and the caller's word that they are options.
            let options = unsafe { read(options, "options") }?;
            let level = u8::try_from(options.level).ok();
            attach.account = (options.account != AccountId::NONE.0).then_some(options.account);
            attach.after = (options.resumes != 0).then_some(options.after);
            attach.level = match options.level {
                0 => None,
                other => Some(
                    level
                        .and_then(ReleaseLevel::from_wire)
                        .ok_or_else(|| argument(format!("{other} is no release level")))?,
                ),
            };
        }
        let attached = Session::attach(Path::new(OsStr::from_bytes(door)), &attach)?;
        let handle = Handle { session: attached, ended: None, is_broken: false, skipped: None };
        // SAFETY: as above.
        unsafe { write(session, Box::into_raw(Box::new(handle))) };
        Ok(TG_OK)
    })
}

/// Ends a session and frees it. Null is let be.
///
/// # Safety
/// `session` is null, or what `tg_attach` gave and nobody has detached or uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_detach(session: *mut Handle) {
    if session.is_null() {
        return;
    }
    guarded(|| {
        // SAFETY: the caller's word: it is a box that `tg_attach` gave away, and comes back once.
        drop(unsafe { Box::from_raw(session) });
        Ok(TG_OK)
    });
}

/// What went wrong last on this thread. It stays until the next call that fails here.
#[unsafe(no_mangle)]
pub extern "C" fn tg_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Takes public updates that are there: how many, or an error.
///
/// # Safety
/// `records` has room for `max` updates, `skipped` is null or has room for a number; the session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_poll_public(
    session: *mut Handle,
    records: *mut PublicUpdate,
    max: usize,
    skipped: *mut u64,
) -> c_int {
    // SAFETY: the caller's word on the session.
    unsafe {
        with(session, |handle| {
            let max = batch(records.is_null(), max)?;
            write(skipped, 0);
            if let Some(lost) = handle.skipped.take() {
                write(skipped, lost);
                return Err(Failure(TG_LAPPED, format!("{lost} public updates were missed")));
            }
            if let Some(ended) = &handle.ended {
                return Err(ended.clone().into());
            }
            let mut count = 0;
            while count < max {
                match handle.session.next_public() {
                    Ok(Next::Item(update)) => {
                        // SAFETY: the caller's word: there is room for `max`, and `count` is below it.
                        write(records.add(count), update);
                        count += 1;
                    }
                    Ok(Next::Empty) => break,
                    Ok(Next::Lapped { skipped: lost }) if count == 0 => {
                        write(skipped, lost);
                        let text = format!("{lost} public updates were missed");
                        return Err(Failure(TG_LAPPED, text));
                    }
                    Ok(Next::Lapped { skipped: lost }) => {
                        handle.skipped = Some(lost);
                        break;
                    }
                    Err(ended) => {
                        handle.ended = Some(ended.clone());
                        if count == 0 {
                            return Err(ended.into());
                        }
                        break;
                    }
                }
            }
            Ok(count as c_int)
        })
    }
}

/// Takes events that are there: how many, or an error.
///
/// # Safety
/// `records` has room for `max` events; the session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_poll_events(
    session: *mut Handle,
    records: *mut EventRecord,
    max: usize,
) -> c_int {
    // SAFETY: the caller's word on the session.
    unsafe {
        with(session, |handle| {
            let max = batch(records.is_null(), max)?;
            let mut count = 0;
            while count < max {
                match handle.session.next_event() {
                    Ok(Some(record)) => {
                        // SAFETY: the caller's word: there is room for `max`, and `count` is below it.
                        write(records.add(count), record);
                        count += 1;
                    }
                    Ok(None) => break,
                    Err(ended) => {
                        let ended = handle.ended.get_or_insert(ended).clone();
                        if count == 0 {
                            return Err(ended.into());
                        }
                        break;
                    }
                }
            }
            if let (0, Some(ended)) = (count, &handle.ended) {
                return Err(ended.clone().into());
            }
            Ok(count as c_int)
        })
    }
}

/// Sends `command`, and says under which number it is answered.
///
/// # Safety
/// `request_id` is null or has room for a number; the session as for every call.
unsafe fn send(
    session: *mut Handle,
    request_id: *mut u64,
    command: impl FnOnce() -> Result<Command, Failure>,
) -> c_int {
    // SAFETY: the caller's word on the session and the number.
    unsafe {
        with(session, |handle| {
            let command = command()?;
            if let Some(ended) = &handle.ended {
                return Err(ended.clone().into());
            }
            let number = handle.session.send(command)?;
            write(request_id, number);
            Ok(TG_OK)
        })
    }
}

/// Sends a new order.
///
/// # Safety
/// `order` is null or an order, `request_id` null or room for a number; the session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_submit(
    session: *mut Handle,
    order: *const NewOrder,
    request_id: *mut u64,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { send(session, request_id, || Ok(Command::NewOrder(read(order, "order")?))) }
}

/// Asks for the end of an order.
///
/// # Safety
/// As [`tg_submit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_cancel(
    session: *mut Handle,
    cancel: *const CancelOrder,
    request_id: *mut u64,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { send(session, request_id, || Ok(Command::CancelOrder(read(cancel, "cancel")?))) }
}

/// Asks for other terms of an order.
///
/// # Safety
/// As [`tg_submit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_replace(
    session: *mut Handle,
    replace: *const ReplaceOrder,
    request_id: *mut u64,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { send(session, request_id, || Ok(Command::ReplaceOrder(read(replace, "replace")?))) }
}

/// Asks for the end of every open order in scope.
///
/// # Safety
/// As [`tg_submit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_mass_cancel_orders(
    session: *mut Handle,
    scope: *const MassCancel,
    request_id: *mut u64,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe { send(session, request_id, || Ok(Command::MassCancel(read(scope, "scope")?))) }
}

/// Asks for a whole picture of a book among the public updates.
///
/// # Safety
/// The session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_ask_picture(session: *mut Handle, instrument: u32) -> c_int {
    // SAFETY: the caller's word.
    unsafe {
        with(session, |handle| {
            handle.session.ask_picture(InstrumentId(instrument))?;
            Ok(TG_OK)
        })
    }
}

/// Asks the system whether the server is still there.
///
/// # Safety
/// The session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_check(session: *mut Handle) -> c_int {
    // SAFETY: the caller's word.
    unsafe {
        with(session, |handle| {
            if handle.ended.is_none() {
                handle.ended = handle.session.check().err();
            }
            match &handle.ended {
                Some(ended) => Err(ended.clone().into()),
                None => Ok(TG_OK),
            }
        })
    }
}

/// The session's number, and whom the engine takes its requests for.
///
/// # Safety
/// `number` and `principal` are null or have room for one; the session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_identity(
    session: *mut Handle,
    number: *mut u32,
    principal: *mut u32,
) -> c_int {
    // SAFETY: the caller's word.
    unsafe {
        with(session, |handle| {
            write(number, handle.session.session().0);
            write(principal, handle.session.principal().0);
            Ok(TG_OK)
        })
    }
}

/// The last event that was polled.
///
/// # Safety
/// `position` is null or has room for one; the session as for every call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_get_position(session: *mut Handle, position: *mut Position) -> c_int {
    // SAFETY: the caller's word.
    unsafe {
        with(session, |handle| {
            if position.is_null() {
                return Err(argument("position is null"));
            }
            write(position, handle.session.position());
            Ok(TG_OK)
        })
    }
}
