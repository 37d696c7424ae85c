//! The Python package `tidegate`: what it has of Rust. What users see stands in `lib/tidegate/`, which wraps it.
//!
//! * [`host`]: strategies written in Python, on every host of [`tidegate_client::strategy`].
//! * [`desk`], [`terms`] and [`told`]: what they trade with, and what they hear.
//! * [`session`]: a session at the shared-memory door, whose batches become NumPy arrays; [`layout`]: what lies where in them.
//!
//! Nothing here is `unsafe`. The interpreter is left alone while there is nothing to hear.
//!
//! Start reading at [`host`].

mod desk;
mod error;
mod host;
mod layout;
mod session;
mod terms;
mod told;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// The compiled `.proto` files, from which `tidegate.aio` makes its messages.
#[pyfunction]
fn file_descriptor_set(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, tidegate_client::proto::FILE_DESCRIPTOR_SET)
}

/// The compiled part of the package.
#[pymodule(gil_used = true)]
fn _tidegate(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    error::add_to(module)?;
    module.add_class::<terms::PyInstrument>()?;
    module.add_class::<terms::PyLevel>()?;
    module.add_class::<told::PyBook>()?;
    module.add_class::<told::PyTrade>()?;
    module.add_class::<told::PyReport>()?;
    module.add_class::<desk::PyDesk>()?;
    module.add_class::<desk::PyOrder>()?;
    module.add_class::<host::PyTally>()?;
    module.add_class::<session::PySession>()?;
    module.add_function(wrap_pyfunction!(host::trade, module)?)?;
    module.add_function(wrap_pyfunction!(host::trade_over_shared_memory, module)?)?;
    module.add_function(wrap_pyfunction!(host::trade_in_lock_step, module)?)?;
    module.add_function(wrap_pyfunction!(layout::layouts, module)?)?;
    module.add_function(wrap_pyfunction!(layout::numbers, module)?)?;
    module.add_function(wrap_pyfunction!(file_descriptor_set, module)?)?;
    Ok(())
}
