//! Instruments, and what their integers mean: prices to ticks and back, quantities to lots and back, exactly.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString, PyType};
use std::hash::{DefaultHasher, Hash, Hasher};
use tidegate_client::strategy::{Instrument, InstrumentId, Lots, Money, Ticks};
use tidegate_model::decimal::{format_nano, parse_nano};
use tidegate_model::instrument::format_money;

/// Digits after the point that count: prices and quantities are whole numbers of 1e-9.
const DECIMALS_MAX: usize = 9;

/// Python's own decimals.
fn decimal_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    DECIMAL.import(py, "decimal", "Decimal")
}

/// A text as a `decimal.Decimal`.
pub fn decimal<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    decimal_type(py)?.call1((text,))
}

/// An amount of money as a `decimal.Decimal`.
pub fn money(py: Python<'_>, money: Money) -> PyResult<Bound<'_, PyAny>> {
    decimal(py, &format_money(money))
}

/// The exact decimal text of what a user gave: a `Decimal`, a text or an integer. A float is not exact, and is refused.
fn exact_text(value: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    let refused = |hint: &str| {
        let kind = value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} must be a Decimal, a str or an int, not {kind}{hint}"))
    };
    if value.is_instance_of::<PyFloat>() {
        return Err(refused(
            ": a float is not exact. Say Decimal('139.05') or '139.05', or choose how to round: \
             ticks=instrument.ticks_down(x) or ticks_up(x)",
        ));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.to_string());
    }
    if value.is_instance(decimal_type(value.py())?)? {
        return value.call_method1("__format__", ("f",))?.extract();
    }
    if value.is_instance_of::<PyBool>() {
        return Err(refused(""));
    }
    if value.is_instance_of::<PyInt>() || value.hasattr("__index__")? {
        return Ok(value.call_method0("__index__")?.str()?.to_str()?.to_string());
    }
    Err(refused(""))
}

/// The whole number of 1e-9 at or below `text`, and whether something is left above it.
fn floor_nano(text: &str) -> PyResult<(i64, bool)> {
    let wrong = |_| PyValueError::new_err(format!("'{text}' is no price: a number within 9.2e9"));
    let (head, rest) = match text.find('.') {
        Some(point) if text.len() - point - 1 > DECIMALS_MAX => {
            text.split_at(point + 1 + DECIMALS_MAX)
        }
        _ => (text, ""),
    };
    let is_more = rest.bytes().any(|digit| digit != b'0');
    let nano = parse_nano(head).map_err(wrong)?;
    let is_below_zero = text.starts_with('-');
    Ok((nano - i64::from(is_more && is_below_zero), is_more))
}

/// An instrument: its names, its units, and the way from prices and quantities to ticks and lots and back.
#[pyclass(frozen, name = "Instrument", module = "tidegate")]
pub struct PyInstrument {
    /// The desk's number, or the engine's where a session told it.
    pub id: InstrumentId,
    /// What its integers mean.
    pub terms: Instrument,
}

impl PyInstrument {
    /// Ticks of a price that a user gave.
    pub fn ticks_of(&self, price: &Bound<'_, PyAny>) -> PyResult<Ticks> {
        let text = exact_text(price, "a price")?;
        self.terms.parse_price(&text).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Lots of a quantity that a user gave.
    pub fn lots_of(&self, qty: &Bound<'_, PyAny>) -> PyResult<Lots> {
        let text = exact_text(qty, "a quantity")?;
        self.terms.parse_qty(&text).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Ticks as a price in currency.
    pub fn price_of<'py>(&self, py: Python<'py>, ticks: Ticks) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, &self.terms.format_price(ticks))
    }

    /// Lots, below 0 short, as a quantity.
    pub fn qty_of<'py>(&self, py: Python<'py>, lots: i128) -> PyResult<Bound<'py, PyAny>> {
        let units = lots * i128::from(self.terms.lot_size_nano);
        decimal(py, &tidegate_model::decimal::format_scaled(units, 9, self.terms.qty_scale))
    }

    /// The multiple of the order tick nearest to what a user gave, above or below.
    fn rounded(&self, price: &Bound<'_, PyAny>, is_up: bool) -> PyResult<i64> {
        // The shortest text that reads as this float: what its author meant.
        let text = match price.cast::<PyFloat>() {
            Ok(float) => format!("{}", float.extract::<f64>()?),
            Err(_) => exact_text(price, "a price")?,
        };
        let (nano, is_more) = floor_nano(&text)?;
        let tick = self.terms.tick_size_nano;
        let step_at = |ticks: i64| self.terms.order_tick_at(Ticks(ticks)).0;
        let ticks = if is_up {
            let whole = nano.div_euclid(tick) + i64::from(nano.rem_euclid(tick) != 0 || is_more);
            let step = step_at(whole);
            whole + (step - whole.rem_euclid(step)) % step
        } else {
            let whole = nano.div_euclid(tick);
            whole - whole.rem_euclid(step_at(whole))
        };
        Ok(ticks)
    }
}

#[pymethods]
impl PyInstrument {
    /// Its number at this desk.
    #[getter]
    fn id(&self) -> u32 {
        self.id.0
    }

    /// Its symbol.
    #[getter]
    fn symbol(&self) -> &str {
        self.terms.symbol.as_str()
    }

    /// The venue, e.g. `XNAS`.
    #[getter]
    fn venue(&self) -> &str {
        self.terms.venue.as_str()
    }

    /// The currency of its prices.
    #[getter]
    fn currency(&self) -> &str {
        self.terms.currency.as_str()
    }

    /// What one tick is worth.
    #[getter]
    fn tick_size<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, &format_nano(self.terms.tick_size_nano.into()))
    }

    /// What one lot is.
    #[getter]
    fn lot_size<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, &format_nano(self.terms.lot_size_nano.into()))
    }

    /// Units of the underlying per unit traded.
    #[getter]
    fn multiplier<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decimal(py, &format_nano(self.terms.multiplier_nano.into()))
    }

    /// The step of an order's quantity, in lots.
    #[getter]
    fn order_lots(&self) -> u64 {
        self.terms.order_lot.0
    }

    /// The step of an order's price at this price, both in ticks.
    fn order_ticks_at(&self, ticks: i64) -> i64 {
        self.terms.order_tick_at(Ticks(ticks)).0
    }

    /// Ticks of a price (Decimal, str or int): exactly, or ValueError.
    fn ticks(&self, price: &Bound<'_, PyAny>) -> PyResult<i64> {
        Ok(self.ticks_of(price)?.0)
    }

    /// The highest price that an order may name at or below `price`, in ticks; floats are welcome here.
    fn ticks_down(&self, price: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.rounded(price, false)
    }

    /// The lowest price that an order may name at or above `price`, in ticks; floats are welcome here.
    fn ticks_up(&self, price: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.rounded(price, true)
    }

    /// Ticks as a price in currency.
    fn price<'py>(&self, py: Python<'py>, ticks: i64) -> PyResult<Bound<'py, PyAny>> {
        self.price_of(py, Ticks(ticks))
    }

    /// Lots of a quantity (Decimal, str or int): exactly, or ValueError.
    fn lots(&self, qty: &Bound<'_, PyAny>) -> PyResult<u64> {
        Ok(self.lots_of(qty)?.0)
    }

    /// Lots as a quantity.
    fn qty<'py>(&self, py: Python<'py>, lots: i64) -> PyResult<Bound<'py, PyAny>> {
        self.qty_of(py, lots.into())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            (other.id, other.terms) == (self.id, self.terms)
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.id, self.terms.symbol).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("<Instrument {}>", self.terms.symbol)
    }
}

/// The best price of one side, and all that is displayed there.
#[pyclass(frozen, name = "Level", module = "tidegate")]
pub struct PyLevel {
    /// Of what.
    pub instrument: Py<PyInstrument>,
    /// The price.
    pub price: Ticks,
    /// Displayed there.
    pub qty: Lots,
}

#[pymethods]
impl PyLevel {
    /// The price in ticks.
    #[getter]
    fn ticks(&self) -> i64 {
        self.price.0
    }

    /// The quantity in lots.
    #[getter]
    fn lots(&self) -> u64 {
        self.qty.0
    }

    /// The price in currency.
    #[getter]
    fn price<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().price_of(py, self.price)
    }

    /// The quantity.
    #[getter]
    fn qty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().qty_of(py, self.qty.0.into())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            (other.price, other.qty) == (self.price, self.qty)
                && other.instrument.get().id == self.instrument.get().id
        })
    }

    fn __repr__(&self) -> String {
        let terms = &self.instrument.get().terms;
        format!("<Level {} x {}>", terms.format_price(self.price), terms.format_qty(self.qty))
    }
}
