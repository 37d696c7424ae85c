//! A session at the shared-memory door, in batches.

use crate::error::{FullError, LappedError, of_attach, of_ended};
use crate::terms::PyInstrument;
use bytemuck::{Zeroable, cast_slice};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};
use tidegate_model::command::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, MassCancel, NewOrder, OrderType, ReplaceOrder,
    TimeInForce,
};
use tidegate_model::event::EventKind;
use tidegate_model::{
    AccountId, ClientOrderId, Command, Event, EventRecord, Instrument, InstrumentId, Lots, OrderId,
    PublicUpdate, Side, Ticks,
};
use tidegate_shm::protocol::Position;
use tidegate_shm::{Attach, Ended, Next, ReleaseLevel, Session};

/// Records of one batch at most: what the largest ring holds.
const BATCH_MAX: usize = 1 << 20;
/// Sleeps between looks in vain, and how often Ctrl-C is looked at meanwhile.
const NAP: Duration = Duration::from_micros(50);
const SIGNALS_EVERY: Duration = Duration::from_millis(50);
/// Looks in vain before it sleeps.
const LOOKS: u32 = 256;

struct Inner {
    session: Session,
    public: Vec<PublicUpdate>,
    events: Vec<EventRecord>,
    /// To be told with the next poll.
    lapped: Option<u64>,
    ended: Option<Ended>,
    instruments: BTreeMap<u32, Instrument>,
}

impl Inner {
    fn take_public(&mut self, max: usize) {
        while self.public.len() < max && self.lapped.is_none() {
            match self.session.next_public() {
                Ok(Next::Item(update)) => self.public.push(update),
                Ok(Next::Empty) => return,
                Ok(Next::Lapped { skipped }) => self.lapped = Some(skipped),
                Err(ended) => return self.end(ended),
            }
        }
    }

    fn take_events(&mut self, max: usize) {
        while self.events.len() < max && self.ended.is_none() {
            match self.session.next_event() {
                Ok(Some(record)) => {
                    if record.kind == EventKind::Instrument.wire()
                        && let Some(Event::Instrument(terms)) = record.event()
                    {
                        self.instruments.insert(record.instrument.0, terms);
                    }
                    self.events.push(record);
                }
                Ok(None) => return,
                Err(ended) => return self.end(ended),
            }
        }
    }

    fn end(&mut self, ended: Ended) {
        self.ended.get_or_insert(ended);
    }

    fn sent(sent: Result<u64, tidegate_shm::SendError>) -> PyResult<u64> {
        sent.map_err(|error| FullError::new_err(error.to_string()))
    }
}

/// A session at the door: batches of records, and orders as the engine takes them. Closing it ends it.
#[pyclass(frozen, subclass, name = "RawSession", module = "tidegate._tidegate")]
pub struct PySession {
    inner: Mutex<Option<Inner>>,
}

/// The guard of a session that is not closed and that no other thread uses.
struct Open<'s>(MutexGuard<'s, Option<Inner>>);

impl Open<'_> {
    fn inner(&mut self) -> PyResult<&mut Inner> {
        self.0.as_mut().ok_or_else(|| PyValueError::new_err("the session is closed"))
    }
}

impl PySession {
    fn open(&self) -> PyResult<Open<'_>> {
        match self.inner.try_lock() {
            Ok(guard) => Ok(Open(guard)),
            Err(TryLockError::Poisoned(poisoned)) => Ok(Open(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => {
                Err(PyRuntimeError::new_err("another thread is in this session"))
            }
        }
    }

    /// Takes a batch with `take` until something is there, waiting up to `timeout` without the interpreter.
    fn wait(
        &self,
        py: Python<'_>,
        timeout: f64,
        take: impl Fn(&mut Inner) -> bool + Send + Sync,
    ) -> PyResult<()> {
        let timeout = Duration::try_from_secs_f64(timeout)
            .map_err(|error| PyValueError::new_err(format!("timeout: {error}")))?;
        let began = Instant::now();
        loop {
            let is_there = py.detach(|| {
                let mut open = self.open()?;
                let inner = open.inner()?;
                let (turn, mut looks) = (Instant::now(), 0);
                loop {
                    if take(inner) || began.elapsed() >= timeout {
                        return Ok::<_, PyErr>(true);
                    }
                    if turn.elapsed() >= SIGNALS_EVERY {
                        return Ok(false);
                    }
                    looks += 1;
                    if looks > LOOKS { std::thread::sleep(NAP) } else { std::hint::spin_loop() }
                }
            })?;
            if is_there {
                return Ok(());
            }
            py.check_signals()?;
        }
    }
}

fn batch_max(max: usize) -> PyResult<usize> {
    if (1..=BATCH_MAX).contains(&max) {
        return Ok(max);
    }
    Err(PyValueError::new_err(format!("max is {max}; it must be 1 to {BATCH_MAX}")))
}

fn name(text: &str) -> PyResult<ClientOrderId> {
    ClientOrderId::new(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn named<T: Copy>(all: &[T], as_str: impl Fn(T) -> &'static str, text: &str) -> PyResult<T> {
    all.iter().copied().find(|value| as_str(*value) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|value| as_str(*value)).collect();
        PyValueError::new_err(format!("'{text}' is none of {}", names.join(", ")))
    })
}

#[pymethods]
impl PySession {
    #[new]
    #[pyo3(signature = (door, token, account=None, *, after=None, release_level=None))]
    fn new(
        py: Python<'_>,
        door: PathBuf,
        token: String,
        account: Option<u32>,
        after: Option<(u64, u32)>,
        release_level: Option<&str>,
    ) -> PyResult<Self> {
        let level =
            release_level.map(|text| named(ReleaseLevel::ALL, |level| level.as_str(), text));
        let after = after.map(|(seq, ordinal)| Position::new(seq, ordinal));
        let attach = Attach { token, account, after, level: level.transpose()? };
        let session = py.detach(|| Session::attach(&door, &attach));
        let inner = Inner {
            session: session.map_err(|error| of_attach(&error))?,
            public: Vec::new(),
            events: Vec::new(),
            lapped: None,
            ended: None,
            instruments: BTreeMap::new(),
        };
        Ok(Self { inner: Mutex::new(Some(inner)) })
    }

    /// Ends the session.
    fn close(&self) -> PyResult<()> {
        self.open()?.0.take();
        Ok(())
    }

    /// A batch of public updates as bytes.
    fn _poll_public<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let max = batch_max(max)?;
        self.wait(py, timeout, |inner| {
            inner.take_public(max);
            !inner.public.is_empty() || inner.lapped.is_some() || inner.ended.is_some()
        })?;
        let mut open = self.open()?;
        let inner = open.inner()?;
        if inner.public.is_empty() {
            if let Some(skipped) = inner.lapped.take() {
                let error = LappedError::new_err(format!(
                    "{skipped} public updates were missed: the reader was too slow; ask_picture() brings a whole book"
                ));
                error.value(py).setattr("skipped", skipped)?;
                return Err(error);
            }
            if let Some(ended) = &inner.ended {
                return Err(of_ended(ended));
            }
        }
        let batch = PyBytes::new(py, cast_slice(&inner.public));
        inner.public.clear();
        Ok(batch)
    }

    /// A batch of events as bytes.
    fn _poll_events<'py>(
        &self,
        py: Python<'py>,
        max: usize,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let max = batch_max(max)?;
        self.wait(py, timeout, |inner| {
            inner.take_events(max);
            !inner.events.is_empty() || inner.ended.is_some()
        })?;
        let mut open = self.open()?;
        let inner = open.inner()?;
        if inner.events.is_empty()
            && let Some(ended) = &inner.ended
        {
            return Err(of_ended(ended));
        }
        let batch = PyBytes::new(py, cast_slice(&inner.events));
        inner.events.clear();
        Ok(batch)
    }

    /// The session's number: events of its requests carry it.
    #[getter]
    fn session(&self) -> PyResult<u32> {
        Ok(self.open()?.inner()?.session.session().0)
    }

    /// Whom the engine takes its requests for.
    #[getter]
    fn principal(&self) -> PyResult<u32> {
        Ok(self.open()?.inner()?.session.principal().0)
    }

    /// What its events wait for.
    #[getter]
    fn release_level(&self) -> PyResult<&'static str> {
        Ok(self.open()?.inner()?.session.level().as_str())
    }

    /// (seq, ordinal) of the last event that was polled: where to resume, as `after`.
    #[getter]
    fn position(&self) -> PyResult<(u64, u32)> {
        let position = self.open()?.inner()?.session.position();
        Ok((position.seq, position.ordinal))
    }

    /// The instruments that events told of so far, by the engine's number. Those there are come first, with the first polls.
    #[getter]
    fn instruments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let known: Vec<_> = {
            let mut open = self.open()?;
            open.inner()?.instruments.iter().map(|(id, terms)| (*id, *terms)).collect()
        };
        let instruments = PyDict::new(py);
        for (id, terms) in known {
            instruments.set_item(id, Py::new(py, PyInstrument { id: InstrumentId(id), terms })?)?;
        }
        Ok(instruments)
    }

    /// Sends an order, and returns the request's number, which events of it carry. `ticks` None is a market order.
    #[pyo3(signature = (client_order_id, *, account, instrument, side, lots, ticks=None, time_in_force=None, cancel_on_disconnect=true))]
    #[expect(clippy::too_many_arguments, reason = "each is a word of the order")]
    fn submit(
        &self,
        client_order_id: &str,
        account: u32,
        instrument: u32,
        side: &str,
        lots: u64,
        ticks: Option<i64>,
        time_in_force: Option<&str>,
        cancel_on_disconnect: bool,
    ) -> PyResult<u64> {
        let is_limit = ticks.is_some();
        let lives = time_in_force.unwrap_or(if is_limit { "day" } else { "ioc" });
        let order = NewOrder {
            client_order_id: name(client_order_id)?,
            account: AccountId(account),
            instrument: InstrumentId(instrument),
            side: named(Side::ALL, |side| side.as_str(), side)?.wire(),
            order_type: if is_limit { OrderType::Limit } else { OrderType::Market }.wire(),
            time_in_force: named(TimeInForce::ALL, |lives| lives.as_str(), lives)?.wire(),
            flags: if cancel_on_disconnect { FLAG_CANCEL_ON_DISCONNECT } else { 0 },
            qty: Lots(lots),
            price: Ticks(ticks.unwrap_or_default()),
            ..NewOrder::BLANK
        };
        Inner::sent(self.open()?.inner()?.session.send(Command::NewOrder(order)))
    }

    /// Asks for the end of an order, and returns the request's number.
    #[pyo3(signature = (client_order_id, *, account))]
    fn cancel(&self, client_order_id: &str, account: u32) -> PyResult<u64> {
        let cancel = CancelOrder {
            client_order_id: name(client_order_id)?,
            account: AccountId(account),
            ..CancelOrder::zeroed()
        };
        Inner::sent(self.open()?.inner()?.session.cancel(cancel))
    }

    /// Asks for another quantity, executed part included, and another limit price, and returns the request's number.
    #[pyo3(signature = (client_order_id, *, account, lots, ticks))]
    fn replace(&self, client_order_id: &str, account: u32, lots: u64, ticks: i64) -> PyResult<u64> {
        let replace = ReplaceOrder {
            client_order_id: name(client_order_id)?,
            order_id: OrderId(0),
            account: AccountId(account),
            reserved: [0; 4],
            qty: Lots(lots),
            price: Ticks(ticks),
            stop_price: Ticks::ZERO,
        };
        Inner::sent(self.open()?.inner()?.session.replace(replace))
    }

    /// Asks for the end of all open orders of the account, and returns the request's number.
    #[pyo3(signature = (*, account))]
    fn cancel_all(&self, account: u32) -> PyResult<u64> {
        let everything = MassCancel {
            account: AccountId(account),
            instrument: InstrumentId::NONE,
            side: 0,
            reserved: [0; 7],
        };
        Inner::sent(self.open()?.inner()?.session.mass_cancel(everything))
    }

    /// Asks for a whole picture of a book among the public updates: clear, its levels, picture_end.
    fn ask_picture(&self, instrument: u32) -> PyResult<()> {
        let asked = self.open()?.inner()?.session.ask_picture(InstrumentId(instrument));
        asked.map_err(|error| FullError::new_err(error.to_string()))
    }
}
