//! Between the engine's integers and the protocol's text. Exact both ways: what does not fit is refused, and only
//! averages are rounded, as their fields say.

pub(crate) mod amounts;
pub(crate) mod controls;
pub(crate) mod desk;
pub(crate) mod latency;
pub(crate) mod lists;
pub(crate) mod markets;
mod order_terms;
pub(crate) mod rejects;
pub(crate) mod reports;
pub(crate) mod requests;
pub(crate) mod risk;
