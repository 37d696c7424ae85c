//! What a strategy hears.

use crate::terms::{PyInstrument, PyLevel};
use pyo3::prelude::*;
use tidegate_client::strategy::{Book, ExecType, Level, Lots, Report, Ticks, Trade};

/// What one sees of an instrument's market: best bid and offer, the last price, and whether it trades.
#[pyclass(frozen, name = "Book", module = "tidegate")]
pub struct PyBook {
    /// Of what.
    pub instrument: Py<PyInstrument>,
    /// As last heard.
    pub book: Book,
}

impl PyBook {
    fn level(&self, py: Python<'_>, level: Level) -> PyLevel {
        let Level { price, qty } = level;
        PyLevel { instrument: self.instrument.clone_ref(py), price, qty }
    }
}

#[pymethods]
impl PyBook {
    /// Whose market.
    #[getter]
    fn instrument(&self, py: Python<'_>) -> Py<PyInstrument> {
        self.instrument.clone_ref(py)
    }

    /// The instrument's symbol.
    #[getter]
    fn symbol(&self) -> &str {
        self.instrument.get().terms.symbol.as_str()
    }

    /// Best bid, or None.
    #[getter]
    fn bid(&self, py: Python<'_>) -> Option<PyLevel> {
        self.book.bid.map(|level| self.level(py, level))
    }

    /// Best offer, or None.
    #[getter]
    fn ask(&self, py: Python<'_>) -> Option<PyLevel> {
        self.book.ask.map(|level| self.level(py, level))
    }

    /// (bid, ask) of an instrument that trades and has both, or None.
    #[getter]
    fn touch(&self, py: Python<'_>) -> Option<(PyLevel, PyLevel)> {
        let (bid, ask) = self.book.touch()?;
        Some((self.level(py, bid), self.level(py, ask)))
    }

    /// True unless the instrument is halted, paused, or only quoted.
    #[getter]
    fn is_trading(&self) -> bool {
        self.book.is_trading
    }

    /// The last price in currency, or None.
    #[getter]
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.book.last.map(|ticks| self.instrument.get().price_of(py, ticks)).transpose()
    }

    /// The last price in ticks, or None.
    #[getter]
    fn last_ticks(&self) -> Option<i64> {
        self.book.last.map(|ticks| ticks.0)
    }

    fn __repr__(&self) -> String {
        let terms = &self.instrument.get().terms;
        let side = |level: Option<Level>| match level {
            Some(Level { price, qty }) => {
                format!("{} x {}", terms.format_price(price), terms.format_qty(qty))
            }
            None => "none".into(),
        };
        let (bid, ask) = (side(self.book.bid), side(self.book.ask));
        format!("<Book {} bid {bid} ask {ask}>", terms.symbol)
    }
}

/// A trade of the market.
#[pyclass(frozen, name = "Trade", module = "tidegate")]
pub struct PyTrade {
    /// What was traded.
    pub instrument: Py<PyInstrument>,
    /// As heard.
    pub trade: Trade,
}

#[pymethods]
impl PyTrade {
    /// What was traded.
    #[getter]
    fn instrument(&self, py: Python<'_>) -> Py<PyInstrument> {
        self.instrument.clone_ref(py)
    }

    /// The instrument's symbol.
    #[getter]
    fn symbol(&self) -> &str {
        self.instrument.get().terms.symbol.as_str()
    }

    /// The price in ticks.
    #[getter]
    fn ticks(&self) -> i64 {
        self.trade.price.0
    }

    /// The quantity in lots.
    #[getter]
    fn lots(&self) -> u64 {
        self.trade.qty.0
    }

    /// The price in currency.
    #[getter]
    fn price<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().price_of(py, self.trade.price)
    }

    /// The quantity.
    #[getter]
    fn qty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().qty_of(py, self.trade.qty.0.into())
    }

    /// Who took, "buy" or "sell", where the feed tells.
    #[getter]
    fn aggressor(&self) -> Option<&'static str> {
        self.trade.aggressor.map(|side| side.as_str())
    }

    /// Exchange time, UTC nanoseconds.
    #[getter]
    fn ts_event(&self) -> u64 {
        self.trade.ts_event.0
    }

    fn __repr__(&self) -> String {
        let (terms, trade) = (&self.instrument.get().terms, &self.trade);
        let (qty, price) = (terms.format_qty(trade.qty), terms.format_price(trade.price));
        format!("<Trade {} {qty} at {price}>", terms.symbol)
    }
}

/// An order of ours as it stands, and why we hear of it.
#[pyclass(frozen, name = "Report", module = "tidegate")]
pub struct PyReport {
    /// What it trades.
    pub instrument: Py<PyInstrument>,
    /// As heard.
    pub report: Report,
}

impl PyReport {
    fn price_of<'py>(&self, py: Python<'py>, ticks: Ticks) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().price_of(py, ticks)
    }

    fn qty_of<'py>(&self, py: Python<'py>, lots: Lots) -> PyResult<Bound<'py, PyAny>> {
        self.instrument.get().qty_of(py, lots.0.into())
    }
}

#[pymethods]
impl PyReport {
    /// The order, as buy() and sell() named it.
    #[getter]
    fn key(&self) -> u64 {
        self.report.key.0
    }

    /// What it trades.
    #[getter]
    fn instrument(&self, py: Python<'_>) -> Py<PyInstrument> {
        self.instrument.clone_ref(py)
    }

    /// The instrument's symbol.
    #[getter]
    fn symbol(&self) -> &str {
        self.instrument.get().terms.symbol.as_str()
    }

    /// "buy" or "sell".
    #[getter]
    fn side(&self) -> &'static str {
        self.report.side.as_str()
    }

    /// What happened: "new", "trade", "canceled", "rejected" and so on; None if a cancel or replace was refused, or never arrived.
    #[getter]
    fn exec_type(&self) -> Option<&'static str> {
        self.report.exec_type.map(|exec_type| exec_type.as_str())
    }

    /// Where the order stands: "new", "partially_filled", "filled", "canceled", "rejected" and so on.
    #[getter]
    fn status(&self) -> &'static str {
        self.report.status.as_str()
    }

    /// True if nothing can happen to the order any more.
    #[getter]
    fn is_final(&self) -> bool {
        self.report.status.is_final()
    }

    /// True if this tells of an execution.
    #[getter]
    fn is_fill(&self) -> bool {
        self.report.exec_type == Some(ExecType::Trade)
    }

    /// Why the order, or the change of it, was refused; or None.
    #[getter]
    fn reject(&self) -> Option<&'static str> {
        self.report.reject.map(|reason| reason.as_str())
    }

    /// Limit price in currency; 0 of a market order.
    #[getter]
    fn price<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price_of(py, self.report.price)
    }

    /// Limit price in ticks; 0 of a market order.
    #[getter]
    fn ticks(&self) -> i64 {
        self.report.price.0
    }

    /// Executed so far.
    #[getter]
    fn cum_qty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.qty_of(py, self.report.cum_qty)
    }

    /// Executed so far, in lots.
    #[getter]
    fn cum_lots(&self) -> u64 {
        self.report.cum_qty.0
    }

    /// May still be executed.
    #[getter]
    fn leaves_qty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.qty_of(py, self.report.leaves_qty)
    }

    /// May still be executed, in lots.
    #[getter]
    fn leaves_lots(&self) -> u64 {
        self.report.leaves_qty.0
    }

    /// Executed, or canceled, now.
    #[getter]
    fn last_qty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.qty_of(py, self.report.last_qty)
    }

    /// Executed, or canceled, now, in lots.
    #[getter]
    fn last_lots(&self) -> u64 {
        self.report.last_qty.0
    }

    /// Price of this execution in currency.
    #[getter]
    fn last_price<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.price_of(py, self.report.last_price)
    }

    /// Price of this execution in ticks.
    #[getter]
    fn last_ticks(&self) -> i64 {
        self.report.last_price.0
    }

    fn __repr__(&self) -> String {
        let (terms, report) = (&self.instrument.get().terms, &self.report);
        let why = report.exec_type.map_or("refused", |exec_type| exec_type.as_str());
        let reject = report.reject.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!(
            "<Report {} {} {} {why}, {}, {} done, {} left{reject}>",
            report.key,
            report.side,
            terms.symbol,
            report.status,
            terms.format_qty(report.cum_qty),
            terms.format_qty(report.leaves_qty),
        )
    }
}
