//! What a strategy trades with.

use crate::error::FullError;
use crate::terms::{PyInstrument, money};
use crate::told::PyBook;
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidegate_client::strategy::{
    Desk, Full, InstrumentId, Lots, Open, Order, OrderKey, Side, Ticks, TimeInForce, UnixNanos,
};

/// What a time in force may be here: an order of a strategy has no time of its own to expire at.
const TIMES_IN_FORCE: [TimeInForce; 6] = [
    TimeInForce::Day,
    TimeInForce::Gtc,
    TimeInForce::Ioc,
    TimeInForce::Fok,
    TimeInForce::AtTheOpen,
    TimeInForce::AtTheClose,
];

/// Who sits at a desk of Python: during a callback the host's desk, else an empty one.
pub struct Seat {
    /// The desk.
    pub desk: Desk,
    /// True during a callback.
    pub is_taken: bool,
    /// When the strategy wants to be called.
    pub wake_at: Option<UnixNanos>,
    /// What there is to trade, by number.
    pub instruments: Vec<Py<PyInstrument>>,
    /// The same by symbol.
    by_symbol: BTreeMap<String, usize>,
}

/// A strategy's desk: instruments, books, positions, and the way to send orders. It can be used during a callback only.
#[pyclass(frozen, name = "Desk", module = "tidegate")]
pub struct PyDesk {
    seat: Mutex<Seat>,
    stop: Arc<AtomicBool>,
    /// False where nothing but the end of the file ends it.
    can_stop: bool,
}

impl PyDesk {
    /// A desk without anybody; what is asked to stop is `stop`.
    pub fn new(stop: Arc<AtomicBool>, can_stop: bool) -> Self {
        let seat = Seat {
            desk: Desk::new(0, "none"),
            is_taken: false,
            wake_at: None,
            instruments: Vec::new(),
            by_symbol: BTreeMap::new(),
        };
        Self { seat: Mutex::new(seat), stop, can_stop }
    }

    /// The seat, for a moment: nothing of Python is called while it is held.
    pub fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the host's desk there, or takes it away again.
    pub fn swap(&self, desk: &mut Desk, is_taken: bool) {
        let mut seat = self.seat();
        std::mem::swap(&mut seat.desk, desk);
        seat.is_taken = is_taken;
    }

    /// An instrument has come.
    pub fn add(&self, symbol: &str, instrument: Py<PyInstrument>) {
        let mut seat = self.seat();
        let at = seat.instruments.len();
        seat.by_symbol.insert(symbol.to_string(), at);
        seat.instruments.push(instrument);
    }

    /// The instrument with the desk's number `id`.
    pub fn instrument_at(&self, py: Python<'_>, id: InstrumentId) -> Option<Py<PyInstrument>> {
        self.seat().instruments.get(id.index()).map(|instrument| instrument.clone_ref(py))
    }

    /// The seat during a callback.
    fn taken(&self) -> PyResult<MutexGuard<'_, Seat>> {
        let seat = self.seat();
        if seat.is_taken {
            return Ok(seat);
        }
        Err(PyRuntimeError::new_err(
            "the desk can be used only during a callback of the strategy; keep what you need of it",
        ))
    }

    /// The instrument that a user means: an `Instrument`, or its symbol.
    fn find(&self, py: Python<'_>, named: &Bound<'_, PyAny>) -> PyResult<Py<PyInstrument>> {
        if let Ok(symbol) = named.extract::<String>() {
            let seat = self.taken()?;
            return match seat.by_symbol.get(&symbol) {
                Some(at) => Ok(seat.instruments[*at].clone_ref(py)),
                None => Err(PyKeyError::new_err(format!("{symbol} is not traded at this desk"))),
            };
        }
        let Ok(instrument) = named.cast::<PyInstrument>() else {
            return Err(PyTypeError::new_err("an instrument is an Instrument or its symbol"));
        };
        let seat = self.taken()?;
        let here = seat.instruments.get(instrument.get().id.index()).map(|here| here.get());
        if here.is_some_and(|here| here.terms == instrument.get().terms) {
            return Ok(instrument.clone().unbind());
        }
        Err(PyKeyError::new_err(format!(
            "{} is an instrument of another desk",
            instrument.get().terms.symbol
        )))
    }
}

/// A quantity as a user gives it: as it is, or in lots.
fn lots_of(
    instrument: &PyInstrument,
    qty: Option<&Bound<'_, PyAny>>,
    lots: Option<u64>,
) -> PyResult<Lots> {
    let found = match (qty, lots) {
        (Some(qty), None) => instrument.lots_of(qty)?,
        (None, Some(lots)) => Lots(lots),
        _ => return Err(PyTypeError::new_err("say how much, by qty or by lots")),
    };
    if found == Lots::ZERO {
        return Err(PyValueError::new_err("a quantity must be above 0"));
    }
    Ok(found)
}

/// A price as a user gives it: in currency, or in ticks.
fn ticks_of(
    instrument: &PyInstrument,
    price: Option<&Bound<'_, PyAny>>,
    ticks: Option<i64>,
) -> PyResult<Option<Ticks>> {
    match (price, ticks) {
        (Some(price), None) => instrument.ticks_of(price).map(Some),
        (None, ticks) => Ok(ticks.map(Ticks)),
        (Some(_), Some(_)) => Err(PyTypeError::new_err("say one of price and ticks")),
    }
}

/// The time in force with that name; without, an order with a price rests for the day, and one without takes what is there.
fn time_in_force(name: Option<&str>, has_price: bool) -> PyResult<TimeInForce> {
    let Some(name) = name else {
        return Ok(if has_price { TimeInForce::Day } else { TimeInForce::Ioc });
    };
    TIMES_IN_FORCE.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
        let names = TIMES_IN_FORCE.map(|known| known.as_str()).join(", ");
        PyValueError::new_err(format!("'{name}' is no time in force; there are {names}"))
    })
}

fn full(full: Full) -> PyErr {
    FullError::new_err(full.to_string())
}

impl PyDesk {
    #[expect(clippy::too_many_arguments, reason = "they are those of buy and sell")]
    fn submit(
        &self,
        py: Python<'_>,
        side: Side,
        instrument: &Bound<'_, PyAny>,
        qty: Option<&Bound<'_, PyAny>>,
        price: Option<&Bound<'_, PyAny>>,
        lots: Option<u64>,
        ticks: Option<i64>,
        lives: Option<&str>,
    ) -> PyResult<u64> {
        let instrument = self.find(py, instrument)?;
        let instrument = instrument.get();
        let qty = lots_of(instrument, qty, lots)?;
        let price = ticks_of(instrument, price, ticks)?;
        let time_in_force = time_in_force(lives, price.is_some())?;
        let order = Order { instrument: instrument.id, side, qty, price, time_in_force };
        Ok(self.taken()?.desk.submit(order).map_err(full)?.0)
    }
}

#[pymethods]
impl PyDesk {
    /// Buys `qty` (or `lots`) at `price` or better (or at `ticks`); without a price, at any. Returns the order's key.
    #[pyo3(signature = (instrument, qty=None, price=None, *, lots=None, ticks=None, time_in_force=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a word of the order")]
    fn buy(
        &self,
        py: Python<'_>,
        instrument: &Bound<'_, PyAny>,
        qty: Option<&Bound<'_, PyAny>>,
        price: Option<&Bound<'_, PyAny>>,
        lots: Option<u64>,
        ticks: Option<i64>,
        time_in_force: Option<&str>,
    ) -> PyResult<u64> {
        self.submit(py, Side::Buy, instrument, qty, price, lots, ticks, time_in_force)
    }

    /// Sells, as buy() buys.
    #[pyo3(signature = (instrument, qty=None, price=None, *, lots=None, ticks=None, time_in_force=None))]
    #[expect(clippy::too_many_arguments, reason = "each is a word of the order")]
    fn sell(
        &self,
        py: Python<'_>,
        instrument: &Bound<'_, PyAny>,
        qty: Option<&Bound<'_, PyAny>>,
        price: Option<&Bound<'_, PyAny>>,
        lots: Option<u64>,
        ticks: Option<i64>,
        time_in_force: Option<&str>,
    ) -> PyResult<u64> {
        self.submit(py, Side::Sell, instrument, qty, price, lots, ticks, time_in_force)
    }

    /// Asks for the end of an order. False if it is finished, or never was: then nothing is asked.
    fn cancel(&self, key: u64) -> PyResult<bool> {
        let mut seat = self.taken()?;
        let is_open = seat.desk.order(OrderKey(key)).is_some();
        seat.desk.cancel(OrderKey(key)).map_err(full)?;
        Ok(is_open)
    }

    /// Asks for another quantity, executed part included, and another limit price. False if the order is finished.
    #[pyo3(signature = (key, qty=None, price=None, *, lots=None, ticks=None))]
    fn replace(
        &self,
        py: Python<'_>,
        key: u64,
        qty: Option<&Bound<'_, PyAny>>,
        price: Option<&Bound<'_, PyAny>>,
        lots: Option<u64>,
        ticks: Option<i64>,
    ) -> PyResult<bool> {
        let Some(open) = self.taken()?.desk.order(OrderKey(key)) else { return Ok(false) };
        let Some(instrument) = self.instrument_at(py, open.instrument) else { return Ok(false) };
        let instrument = instrument.get();
        let qty = lots_of(instrument, qty, lots)?;
        let Some(price) = ticks_of(instrument, price, ticks)? else {
            return Err(PyTypeError::new_err("say the new price, by price or by ticks"));
        };
        self.taken()?.desk.replace(OrderKey(key), qty, price).map_err(full)?;
        Ok(true)
    }

    /// Asks for the end of all open orders of the account.
    fn cancel_all(&self) -> PyResult<()> {
        self.taken()?.desk.cancel_all().map_err(full)
    }

    /// The account that we trade for.
    #[getter]
    fn account(&self) -> PyResult<u32> {
        Ok(self.taken()?.desk.account())
    }

    /// The time of the market, UTC nanoseconds; never a clock's in a backtest.
    #[getter]
    fn now(&self) -> PyResult<u64> {
        Ok(self.taken()?.desk.now().0)
    }

    /// The account's cash in its base currency; None before that is known.
    #[getter]
    fn cash<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let cash = self.taken()?.desk.cash();
        cash.map(|cash| money(py, cash)).transpose()
    }

    /// What there is to trade, in the order in which it came.
    #[getter]
    fn instruments(&self, py: Python<'_>) -> Vec<Py<PyInstrument>> {
        self.seat().instruments.iter().map(|instrument| instrument.clone_ref(py)).collect()
    }

    /// The instrument with that symbol; KeyError if it is not there.
    fn instrument(&self, py: Python<'_>, symbol: &Bound<'_, PyAny>) -> PyResult<Py<PyInstrument>> {
        self.find(py, symbol)
    }

    /// The market of an instrument as last heard.
    fn book(&self, py: Python<'_>, instrument: &Bound<'_, PyAny>) -> PyResult<PyBook> {
        let instrument = self.find(py, instrument)?;
        let book = *self.taken()?.desk.book(instrument.get().id);
        Ok(PyBook { instrument, book })
    }

    /// What we hold of it, below 0 short.
    fn position<'py>(
        &self,
        py: Python<'py>,
        instrument: &Bound<'_, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let instrument = self.find(py, instrument)?;
        let lots = self.taken()?.desk.position(instrument.get().id);
        instrument.get().qty_of(py, lots.into())
    }

    /// What we hold of it in lots, below 0 short.
    fn position_lots(&self, py: Python<'_>, instrument: &Bound<'_, PyAny>) -> PyResult<i64> {
        let instrument = self.find(py, instrument)?;
        let lots = self.taken()?.desk.position(instrument.get().id);
        Ok(lots)
    }

    /// The order with that key, or None if it is finished.
    fn order(&self, py: Python<'_>, key: u64) -> PyResult<Option<PyOrder>> {
        let open = self.taken()?.desk.order(OrderKey(key));
        Ok(open.and_then(|open| {
            let instrument = self.instrument_at(py, open.instrument)?;
            Some(PyOrder { key: OrderKey(key), instrument, open })
        }))
    }

    /// Our orders that are not finished, the oldest first.
    #[getter]
    fn orders(&self, py: Python<'_>) -> PyResult<Vec<PyOrder>> {
        let open: Vec<_> = self.taken()?.desk.orders().collect();
        let order = |(key, open): (OrderKey, Open)| {
            let instrument = self.instrument_at(py, open.instrument)?;
            Some(PyOrder { key, instrument, open })
        };
        Ok(open.into_iter().filter_map(order).collect())
    }

    /// Asks for a call of on_timer at `ts` (as `now`); of several times the earliest counts, and the call clears them all.
    fn wake_at(&self, ts: u64) -> PyResult<()> {
        let mut seat = self.taken()?;
        let at = UnixNanos(ts);
        seat.wake_at = Some(seat.wake_at.map_or(at, |earlier| earlier.min(at)));
        Ok(())
    }

    /// The same in `seconds` from now.
    fn wake_in(&self, seconds: f64) -> PyResult<()> {
        let wait = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let wait_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let now = self.now()?;
        self.wake_at(now.saturating_add(wait_ns))
    }

    /// Ends the strategy after this callback: on_end is called, and what is open is canceled.
    fn stop(&self) -> PyResult<()> {
        drop(self.taken()?);
        if !self.can_stop {
            return Err(PyRuntimeError::new_err(
                "a backtest ends with its file, or by an exception",
            ));
        }
        self.stop.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// An order of ours that is not finished.
#[pyclass(frozen, name = "Order", module = "tidegate")]
pub struct PyOrder {
    key: OrderKey,
    instrument: Py<PyInstrument>,
    open: Open,
}

#[pymethods]
impl PyOrder {
    /// As buy() and sell() named it.
    #[getter]
    fn key(&self) -> u64 {
        self.key.0
    }

    /// What it trades.
    #[getter]
    fn instrument(&self, py: Python<'_>) -> Py<PyInstrument> {
        self.instrument.clone_ref(py)
    }

    /// "buy" or "sell".
    #[getter]
    fn side(&self) -> &'static str {
        self.open.side.as_str()
    }

    /// Where it stands, "pending_new" until the engine has said so.
    #[getter]
    fn status(&self) -> &'static str {
        self.open.status.as_str()
    }

    /// Limit price in currency; 0 of a market order.
    #[getter]
    fn price<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().price_of(py, self.open.price)
    }

    /// Limit price in ticks; 0 of a market order.
    #[getter]
    fn ticks(&self) -> i64 {
        self.open.price.0
    }

    /// Executed so far, in lots.
    #[getter]
    fn cum_lots(&self) -> u64 {
        self.open.cum_qty.0
    }

    /// May still be executed, in lots.
    #[getter]
    fn leaves_lots(&self) -> u64 {
        self.open.leaves_qty.0
    }

    fn __repr__(&self) -> String {
        let (terms, open) = (&self.instrument.get().terms, &self.open);
        format!(
            "<Order {} {} {} {} at {}, {}>",
            self.key,
            open.side,
            terms.format_qty(open.leaves_qty),
            terms.symbol,
            terms.format_price(open.price),
            open.status
        )
    }
}
