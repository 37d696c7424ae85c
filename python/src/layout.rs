//! What lies where in records, from which the Python side makes NumPy's dtypes.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tidegate_model::event::{
    Account, CancelReason, EventKind, EventRecord, ExecType, Execution, Liquidity, OrdStatus,
    Position,
};
use tidegate_model::ids::Code;
use tidegate_model::instrument::Instrument;
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, ClientOrderId, ExecId, InstrumentId, Lots, Money, OrderId, PrincipalId, PublicKind,
    PublicUpdate, RejectReason, SeqNo, SessionId, Side, StrategyId, Symbol, Ticks, UnixNanos,
};

/// How NumPy calls a type.
trait Format {
    const FORMAT: &'static str;
}

macro_rules! formats {
    ($($kind:ty = $format:literal,)+) => { $(impl Format for $kind { const FORMAT: &'static str = $format; })+ };
}

// i128 is a text of ours: NumPy has no such integer. Bytes that a record keeps as zeros are V.
formats! {
    u8 = "u1",
    u32 = "<u4",
    i64 = "<i8",
    u64 = "<u8",
    i128 = "i128",
    [u8; 2] = "V2",
    [u8; 4] = "V4",
    [u8; 8] = "V8",
    [u8; 208] = "V208",
    SeqNo = "<u8",
    UnixNanos = "<u8",
    Ticks = "<i8",
    Lots = "<u8",
    Money = "i128",
    InstrumentId = "<u4",
    AccountId = "<u4",
    PrincipalId = "<u4",
    SessionId = "<u4",
    StrategyId = "<u2",
    OrderId = "<u8",
    ExecId = "<u8",
    ClientOrderId = "S40",
    Symbol = "S24",
    Code = "S8",
}

fn format_of<R, T: Format>(_: fn(&R) -> &T) -> &'static str {
    T::FORMAT
}

/// A record: its size, and name, format and offset of each field.
type Layout = (usize, Vec<(&'static str, &'static str, usize)>);

macro_rules! layout {
    ($record:ident { $($field:ident),+ $(,)? }) => {{
        // Naming every field once more, so that a new one is not forgotten.
        #[expect(unused_variables, reason = "only the compiler looks at it")]
        fn every(record: &$record) { let $record { $($field),+ } = record; }
        let _: fn(&$record) = every;
        let layout: Layout = (size_of::<$record>(), vec![
            $((stringify!($field), format_of(|record: &$record| &record.$field), std::mem::offset_of!($record, $field))),+
        ]);
        layout
    }};
}

/// The layouts of the records that batches are made of, by name.
#[pyfunction]
pub fn layouts(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all: [(&str, Layout); 6] = [
        (
            "PublicUpdate",
            layout!(PublicUpdate {
                seq,
                ts_event,
                ts,
                instrument,
                kind,
                side,
                reserved,
                price,
                qty,
                orders,
                reserved_tail
            }),
        ),
        (
            "EventRecord",
            layout!(EventRecord {
                seq,
                ordinal,
                kind,
                flags,
                strategy,
                ts,
                request_id,
                principal,
                session,
                account,
                instrument,
                body
            }),
        ),
        (
            "Execution",
            layout!(Execution {
                cum_ticks_lots,
                fee,
                reject_limit,
                reject_value,
                client_order_id,
                order_id,
                qty,
                cum_qty,
                leaves_qty,
                last_qty,
                last_price,
                price,
                cause_seq,
                exec_type,
                ord_status,
                side,
                order_type,
                time_in_force,
                liquidity,
                reject_reason,
                cancel_reason,
                queue_ahead_at_entry,
                exec_id,
                parent_id,
                fill_detail,
                fill_model,
                cause_kind,
                reject_scope,
                reserved
            }),
        ),
        ("Position", layout!(Position { cost, realised, fees, qty, bought, sold, reserved })),
        (
            "Account",
            layout!(Account {
                cash,
                deposits,
                realised,
                fees,
                currency,
                base,
                dividends,
                borrow,
                conversions
            }),
        ),
        (
            "Instrument",
            layout!(Instrument {
                symbol,
                venue,
                currency,
                tick_size_nano,
                lot_size_nano,
                multiplier_nano,
                order_tick,
                order_tick_from,
                order_lot,
                maker_fee_e8,
                taker_fee_e8,
                asset_class,
                venue_kind,
                price_scale,
                qty_scale,
                settlement,
                route,
                reserved,
                money_per_tick_lot
            }),
        ),
    ];
    let layouts = PyDict::new(py);
    for (name, layout) in all {
        layouts.set_item(name, layout)?;
    }
    Ok(layouts)
}

/// The numbers in records, with their names, by what they are.
#[pyfunction]
pub fn numbers(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    macro_rules! add {
        ($($kind:ident),+) => {
            $({
                let named = PyDict::new(py);
                for value in $kind::ALL {
                    named.set_item(value.as_str(), value.wire())?;
                }
                all.set_item(stringify!($kind), named)?;
            })+
        };
    }
    add!(
        PublicKind,
        EventKind,
        ExecType,
        OrdStatus,
        Side,
        TradingStatus,
        Liquidity,
        CancelReason,
        RejectReason
    );
    Ok(all)
}
