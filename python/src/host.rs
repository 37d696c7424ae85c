//! A strategy written in Python, on the hosts of [`tidegate_client::strategy`].
//!
//! A host runs on the thread that called it, without the interpreter; each callback takes the interpreter and gives it back. An
//! exception in a callback ends the host: what that callback had asked for is not sent, what is open is canceled, and the
//! exception goes to the caller. Ctrl-C (in a callback too), a time limit and an event are looked at twenty times a second, and end it in good order.

use crate::desk::PyDesk;
use crate::error::{of_client, of_shared};
use crate::terms::PyInstrument;
use crate::told::{PyBook, PyReport, PyTrade};
use core::fmt;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tidegate_client::Client;
use tidegate_client::ClientError;
use tidegate_client::proto;
use tidegate_client::strategy::{
    self, Desk, ExecType, InstrumentId, Live, Report, Shared, Strategy, Symbol, Tally, Trade,
    UnixNanos, Wait,
};
use tokio::sync::Notify;

/// How often Ctrl-C, the time limit and the event are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long symbols may take to be there: a feed defines them as it starts.
const SYMBOLS_WAIT: Duration = Duration::from_secs(5);
/// When none are named, those there are when no new one has come for this long.
const SYMBOLS_QUIET: Duration = Duration::from_millis(500);
/// How often their list is looked at.
const SYMBOLS_POLL: Duration = Duration::from_millis(100);
/// Refusals that are logged where nobody hears them; the tally counts all.
const REFUSALS_LOGGED: u32 = 10;
/// Bytes of a prefix of order names.
const PREFIX_LEN_MAX: usize = 15;

/// What ends a host.
struct End {
    stop: Arc<AtomicBool>,
    wake: Notify,
    /// What a callback raised.
    raised: Mutex<Option<PyErr>>,
    /// What a signal raised: Ctrl-C.
    signal: Mutex<Option<PyErr>>,
    until: Option<Instant>,
    /// Something with `is_set`, like `threading.Event`.
    event: Option<Py<PyAny>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl End {
    fn new(seconds: Option<f64>, event: Option<Py<PyAny>>) -> PyResult<Arc<Self>> {
        let wait = seconds.map(Duration::try_from_secs_f64).transpose();
        let wait = wait.map_err(|error| PyValueError::new_err(format!("seconds: {error}")))?;
        let until =
            match wait {
                Some(wait) => Some(Instant::now().checked_add(wait).ok_or_else(|| {
                    PyValueError::new_err("seconds: more than the clock can count")
                })?),
                None => None,
            };
        Ok(Arc::new(Self {
            stop: Arc::new(AtomicBool::new(false)),
            wake: Notify::new(),
            raised: Mutex::new(None),
            signal: Mutex::new(None),
            until,
            event,
        }))
    }

    fn now(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    fn is_now(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn raise(&self, error: PyErr) {
        lock(&self.raised).get_or_insert(error);
        self.now();
    }

    fn signal(&self, error: PyErr) {
        lock(&self.signal).get_or_insert(error);
        self.now();
    }

    fn has_raised(&self) -> bool {
        lock(&self.raised).is_some()
    }

    /// Looks at Ctrl-C, the time and the event.
    fn look(&self, py: Python<'_>) {
        if let Err(error) = py.check_signals() {
            self.signal(error);
        }
        if self.until.is_some_and(|until| Instant::now() >= until) {
            self.now();
        }
        match self.event.as_ref().map(|event| event.bind(py).call_method0("is_set")?.is_truthy()) {
            Some(Ok(true)) => self.now(),
            Some(Err(error)) => self.raise(error),
            _ => {}
        }
    }

    /// Done when it is to end.
    async fn reached(&self) {
        while !self.is_now() {
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => Python::attach(|py| self.look(py)),
            }
        }
    }

    /// What the caller is to be told in place of how it went.
    fn verdict(&self) -> PyResult<()> {
        let raised = lock(&self.raised).take();
        raised.or_else(|| lock(&self.signal).take()).map_or(Ok(()), Err)
    }
}

/// Which callbacks a strategy has.
#[derive(Clone, Copy)]
struct Has {
    on_instrument: bool,
    on_book: bool,
    on_trade: bool,
    on_report: bool,
    on_fill: bool,
}

impl Has {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let base = object.py().import("tidegate")?.getattr("Strategy")?;
        let kind = object.get_type();
        let has = |name: &str| {
            let here = object.getattr_opt(name)?;
            let Some(here) = here else { return Ok(false) };
            // One that an instance has of its own counts, and one that its class has in place of the base's.
            let function = here.getattr_opt("__func__")?.unwrap_or(here);
            Ok::<_, PyErr>(!function.is(&base.getattr(name)?))
        };
        if kind.is(&base) {
            return Err(PyValueError::new_err("a strategy is a class of its own"));
        }
        Ok(Self {
            on_instrument: has("on_instrument")?,
            on_book: has("on_book")?,
            on_trade: has("on_trade")?,
            on_report: has("on_report")?,
            on_fill: has("on_fill")?,
        })
    }
}

/// A strategy of Python as one of Rust.
struct Seated {
    object: Py<PyAny>,
    has: Has,
    desk: Py<PyDesk>,
    end: Arc<End>,
    /// True if the host has nothing else that looks at signals.
    looks: bool,
    /// Refusals that nobody heard.
    unheard: u32,
}

impl Seated {
    fn new(
        object: &Bound<'_, PyAny>,
        end: &Arc<End>,
        looks: bool,
        can_stop: bool,
    ) -> PyResult<Self> {
        let py = object.py();
        let desk = Py::new(py, PyDesk::new(Arc::clone(&end.stop), can_stop))?;
        let has = Has::of(object)?;
        Ok(Self {
            object: object.clone().unbind(),
            has,
            desk,
            end: Arc::clone(end),
            looks,
            unheard: 0,
        })
    }

    /// Calls back, with the desk in Python's hands meanwhile.
    fn call(
        &self,
        desk: &mut Desk,
        call: impl FnOnce(Python<'_>, &Bound<'_, PyAny>, &Bound<'_, PyDesk>) -> PyResult<()>,
    ) {
        if self.end.has_raised() {
            return;
        }
        let seat = self.desk.get();
        seat.swap(desk, true);
        let called = Python::attach(|py| call(py, self.object.bind(py), self.desk.bind(py)));
        seat.swap(desk, false);
        if let Err(error) = called {
            // What was asked for on the way to an error is not what anybody wanted.
            desk.take_requests();
            match Python::attach(|py| error.is_instance_of::<PyKeyboardInterrupt>(py)) {
                true => self.end.signal(error),
                false => self.end.raise(error),
            }
        }
        if self.end.is_now() {
            self.end.wake.notify_one();
        }
        let wake_at = seat.seat().wake_at;
        if let Some(at) = wake_at {
            desk.wake_at(at);
        }
    }

    fn keep_looking(&self, desk: &mut Desk) {
        if self.looks {
            desk.wake_at(UnixNanos(desk.now().0.saturating_add(LOOK.as_nanos() as u64)));
        }
    }
}

impl Strategy for Seated {
    fn on_start(&mut self, desk: &mut Desk) {
        self.call(desk, |_, strategy, desk| strategy.call_method1("on_start", (desk,)).map(drop));
        self.keep_looking(desk);
    }

    fn on_instrument(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        let terms = *desk.terms(instrument);
        let is_heard = self.has.on_instrument;
        self.call(desk, |py, strategy, desk| {
            let symbol = terms.symbol;
            let instrument = Py::new(py, PyInstrument { id: instrument, terms })?;
            desk.get().add(symbol.as_str(), instrument.clone_ref(py));
            if is_heard {
                strategy.call_method1("on_instrument", (instrument, desk))?;
            }
            Ok(())
        });
    }

    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        if !self.has.on_book {
            return;
        }
        let book = *desk.book(instrument);
        self.call(desk, |py, strategy, desk| {
            let Some(instrument) = desk.get().instrument_at(py, instrument) else { return Ok(()) };
            strategy.call_method1("on_book", (PyBook { instrument, book }, desk)).map(drop)
        });
    }

    fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {
        if !self.has.on_trade {
            return;
        }
        let trade = *trade;
        self.call(desk, |py, strategy, desk| {
            let instrument = desk.get().instrument_at(py, trade.instrument);
            let Some(instrument) = instrument else { return Ok(()) };
            strategy.call_method1("on_trade", (PyTrade { instrument, trade }, desk)).map(drop)
        });
    }

    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        let Has { on_report, on_fill, .. } = self.has;
        let is_fill = report.exec_type == Some(ExecType::Trade);
        let is_refusal = report.reject.is_some();
        if !(on_report || on_fill && is_fill || is_refusal) {
            return;
        }
        let report = *report;
        if is_refusal && !on_report {
            self.unheard = self.unheard.saturating_add(1);
        }
        let unheard = self.unheard;
        self.call(desk, |py, strategy, desk| {
            let instrument = desk.get().instrument_at(py, report.instrument);
            let Some(instrument) = instrument else { return Ok(()) };
            let told = Py::new(py, PyReport { instrument, report })?;
            if on_report {
                strategy.call_method1("on_report", (&told, desk))?;
            } else if is_refusal && unheard <= REFUSALS_LOGGED {
                let last = if unheard < REFUSALS_LOGGED { "" } else { "; more are not logged" };
                let told = told.bind(py).repr()?;
                warn(py, &format!("refused, and no on_report hears of it: {told}{last}"))?;
            }
            if on_fill && is_fill {
                strategy.call_method1("on_fill", (&told, desk))?;
            }
            Ok(())
        });
    }

    fn on_timer(&mut self, desk: &mut Desk) {
        if self.looks {
            Python::attach(|py| self.end.look(py));
        }
        let now = desk.now();
        let is_due = {
            let mut seat = self.desk.get().seat();
            seat.wake_at.take_if(|at| *at <= now).is_some()
        };
        if is_due {
            self.call(desk, |_, strategy, desk| {
                strategy.call_method1("on_timer", (desk,)).map(drop)
            });
        }
        let wake_at = self.desk.get().seat().wake_at;
        if let Some(at) = wake_at {
            desk.wake_at(at);
        }
        self.keep_looking(desk);
    }

    fn on_end(&mut self, desk: &mut Desk) {
        self.call(desk, |_, strategy, desk| strategy.call_method1("on_end", (desk,)).map(drop));
    }
}

/// A remark for people: to the logger `tidegate`.
fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    py.import("logging")?
        .call_method1("getLogger", ("tidegate",))?
        .call_method1("warning", (text,))?;
    Ok(())
}

fn note(text: fmt::Arguments<'_>) {
    // Whoever has broken their logging wants to trade all the same.
    Python::attach(|py| warn(py, &text.to_string()).unwrap_or(()));
}

/// What orders are called: unique over restarts too, unless the user says what.
fn prefix(given: Option<String>) -> PyResult<String> {
    let Some(prefix) = given else {
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(format!("py-{:x}", started.as_millis()));
    };
    let is_good = (1..=PREFIX_LEN_MAX).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_graphic());
    if is_good {
        return Ok(prefix);
    }
    Err(PyValueError::new_err(format!(
        "'{prefix}' cannot begin order names: 1 to {PREFIX_LEN_MAX} printable ASCII characters"
    )))
}

/// What a strategy did.
#[pyclass(frozen, name = "Tally", module = "tidegate")]
pub struct PyTally {
    tally: Tally,
}

#[pymethods]
impl PyTally {
    /// New orders sent.
    #[getter]
    fn orders(&self) -> u64 {
        self.tally.orders
    }

    /// Cancels sent.
    #[getter]
    fn cancels(&self) -> u64 {
        self.tally.cancels
    }

    /// Replaces sent.
    #[getter]
    fn replaces(&self) -> u64 {
        self.tally.replaces
    }

    /// Executions of our orders.
    #[getter]
    fn fills(&self) -> u64 {
        self.tally.fills
    }

    /// Requests that were refused.
    #[getter]
    fn rejects(&self) -> u64 {
        self.tally.rejects
    }

    /// Microseconds from sending a request to hearing its first answer: the median, and what 99 of 100 stay within.
    #[getter]
    fn round_trips_us(&self) -> (u64, u64) {
        let [median, p99] = self.tally.quantiles_us([500, 990]);
        (median, p99)
    }

    fn __repr__(&self) -> String {
        let Tally { orders, cancels, replaces, fills, rejects, .. } = &self.tally;
        let [median, p99] = self.tally.quantiles_us([500, 990]);
        format!(
            "<Tally {orders} orders, {cancels} cancels, {replaces} replaces, {fills} fills, {rejects} rejects, \
             round trip {median} us, p99 {p99} us>"
        )
    }
}

/// Trades over memory shared with the server.
#[pyfunction]
#[pyo3(signature = (strategy, *, door, token, account, symbols, wait, seconds, stop, prefix))]
#[expect(clippy::too_many_arguments, reason = "the Python function in front of it has defaults")]
pub fn trade_over_shared_memory(
    strategy: &Bound<'_, PyAny>,
    door: PathBuf,
    token: String,
    account: u32,
    symbols: Vec<String>,
    wait: &str,
    seconds: Option<f64>,
    stop: Option<Py<PyAny>>,
    prefix: Option<String>,
) -> PyResult<PyTally> {
    let wait = match wait {
        "spin" => Wait::Spin,
        "yield" => Wait::Yield,
        "park" => Wait::Park,
        other => {
            let text = format!("'{other}' is no way to wait; there are spin, yield, park");
            return Err(PyValueError::new_err(text));
        }
    };
    let symbols = symbols.iter().map(|symbol| Symbol::new(symbol)).collect::<Result<_, _>>();
    let symbols = symbols.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let prefix = self::prefix(prefix)?;
    let shared = Shared { door, token, account, symbols, prefix, wait, note };
    let end = End::new(seconds, stop)?;
    let seated = Seated::new(strategy, &end, true, true)?;
    let traded =
        strategy.py().detach(|| strategy::trade_over_shared_memory(shared, seated, &end.stop));
    end.verdict()?;
    Ok(PyTally { tally: traded.map_err(|error| of_shared(&error))? })
}

/// Everything of a host over gRPC happens on the caller's thread.
fn block_on<T: Send>(py: Python<'_>, work: impl Future<Output = T> + Send) -> PyResult<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(py.detach(|| runtime.block_on(work)))
}

/// Trades over gRPC.
#[pyfunction]
#[pyo3(signature = (strategy, *, addr, token, account, symbols, min_interval_ms, seconds, stop, prefix))]
#[expect(clippy::too_many_arguments, reason = "the Python function in front of it has defaults")]
pub fn trade(
    strategy: &Bound<'_, PyAny>,
    addr: String,
    token: String,
    account: u32,
    symbols: Vec<String>,
    min_interval_ms: u32,
    seconds: Option<f64>,
    stop: Option<Py<PyAny>>,
    prefix: Option<String>,
) -> PyResult<PyTally> {
    let prefix = self::prefix(prefix)?;
    let end = End::new(seconds, stop)?;
    let seated = Seated::new(strategy, &end, false, true)?;
    let traded = block_on(strategy.py(), async {
        let client = Client::connect(&addr, Some(&token)).await?;
        let instruments = tokio::select! {
            instruments = instruments(&client, &symbols) => instruments?,
            () = end.reached() => return Ok(Tally::default()),
        };
        if instruments.is_empty() {
            note(format_args!("the server lists none of the symbols to trade"));
            return Ok(Tally::default());
        }
        let live = Live { account, instruments, prefix, min_interval_ms, note };
        strategy::trade(&client, live, seated, end.reached()).await
    })?;
    end.verdict()?;
    Ok(PyTally { tally: traded.map_err(|error| of_client(&error))? })
}

/// Finds what to trade; a feed defines instruments as it starts, so they may take a moment to be there.
async fn instruments(
    client: &Client,
    symbols: &[String],
) -> Result<Vec<proto::Instrument>, ClientError> {
    let began = Instant::now();
    let (mut count, mut changed_at) = (0, began);
    loop {
        let mut found = client.instruments().await?;
        found.retain(|told| symbols.is_empty() || symbols.contains(&told.symbol));
        if found.len() != count {
            (count, changed_at) = (found.len(), Instant::now());
        }
        let is_complete = if symbols.is_empty() {
            count > 0 && changed_at.elapsed() >= SYMBOLS_QUIET
        } else {
            count == symbols.len()
        };
        if is_complete || began.elapsed() >= SYMBOLS_WAIT {
            if count < symbols.len() {
                note(format_args!("the server lists {count} of {} symbols", symbols.len()));
            }
            return Ok(found);
        }
        tokio::time::sleep(SYMBOLS_POLL).await;
    }
}

/// Trades in a backtest that listens; returns its summary as JSON.
#[pyfunction]
#[pyo3(signature = (strategy, *, addr))]
pub fn trade_in_lock_step(strategy: &Bound<'_, PyAny>, addr: String) -> PyResult<String> {
    let end = End::new(None, None)?;
    let seated = Seated::new(strategy, &end, false, false)?;
    let traded = block_on(strategy.py(), async {
        let client = Client::connect(&addr, None).await?;
        tokio::select! {
            summary = strategy::trade_in_lock_step(&client, seated) => summary,
            // Something was raised: there is no summary.
            () = end.reached() => Ok(String::new()),
        }
    })?;
    end.verdict()?;
    traded.map_err(|error| of_client(&error))
}
