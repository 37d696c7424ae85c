//! Lists of orders, parent orders and closing of positions, as callers ask for them.

use super::requests::{Checked, account, instrument, new_order, units};
use crate::error::Refusal;
use crate::view::View;
use tidegate_client::proto;
use tidegate_model::command::{
    Algorithm, CURVE_BUCKETS_MAX, Contingency, Flatten, LIST_LEGS_MAX, NewAlgorithm, NewList,
    NewOrder, SetVolumeCurve,
};
use tidegate_model::{Command, InstrumentId, Lots, UnixNanos};

/// A leg, or a parent, as the order that it is.
fn leg(
    view: &View,
    request: &proto::SubmitOrderRequest,
    list_id: u32,
    leg: u8,
) -> Checked<NewOrder> {
    match new_order(view, request)? {
        Command::NewOrder(order) => Ok(NewOrder { list_id, leg, ..order }),
        _ => Err(Refusal::invalid("legs", "a leg is a new order")),
    }
}

/// A list: its head, then its legs.
pub(crate) fn list(view: &View, request: &proto::SubmitListRequest) -> Checked<Vec<Command>> {
    let known = u8::try_from(request.contingency).ok().and_then(Contingency::from_wire);
    let contingency = known.ok_or_else(|| {
        let text = "CONTINGENCY_OCO (1), _OTO (2), _ONE_TRIGGERS_OCO (3) or _BRACKET (4)";
        let number = request.contingency;
        Refusal::invalid("contingency", format_args!("{number} is not allowed: {text}"))
    })?;
    let count = request.legs.len();
    if !(2..=LIST_LEGS_MAX).contains(&count) {
        let text = format_args!("there are {count}, 2 to {LIST_LEGS_MAX} are allowed").to_string();
        return Err(Refusal::invalid("legs", text));
    }
    if request.list_id == 0 {
        return Err(Refusal::invalid("list_id", "must be above 0"));
    }
    let owner = request.legs[0].account;
    if request.legs.iter().any(|leg| leg.account != owner) {
        return Err(Refusal::invalid("account", "every leg trades for the same account"));
    }
    let head = NewList {
        account: account(owner)?,
        list_id: request.list_id,
        contingency: contingency.wire(),
        leg_count: count as u8,
        reserved: [0; 6],
    };
    let mut commands = vec![Command::NewList(head)];
    for (number, order) in (1..).zip(&request.legs) {
        commands.push(Command::NewOrder(leg(view, order, request.list_id, number)?));
    }
    Ok(commands)
}

/// A parent order: how it is worked, then what it is.
pub(crate) fn algorithm(
    view: &View,
    request: &proto::SubmitAlgorithmRequest,
) -> Checked<Vec<Command>> {
    /// It ties the two messages together, and nobody else sees it.
    const LIST_ID: u32 = 1;
    let known = u8::try_from(request.algorithm).ok().and_then(Algorithm::from_wire);
    let algorithm = known.ok_or_else(|| {
        let text = "ALGORITHM_TWAP (1), _VWAP (2), _POV (3) or _ICEBERG (4)";
        let number = request.algorithm;
        Refusal::invalid("algorithm", format_args!("{number} is not allowed: {text}"))
    })?;
    let Some(parent) = &request.parent else {
        return Err(Refusal::invalid("parent", "is missing"));
    };
    let order = leg(view, parent, LIST_ID, 1)?;
    let (_, terms) = instrument(view, &parent.symbol)?;
    let slice_qty = match request.slice_qty.as_str() {
        "" => Lots::ZERO,
        text => units("slice_qty", &terms, text)?,
    };
    let head = NewAlgorithm {
        account: order.account,
        list_id: LIST_ID,
        start_at: UnixNanos(request.start_at),
        end_at: UnixNanos(request.end_at),
        interval_ns: request.interval_ns,
        slice_qty,
        rate_bp: request.rate_bp,
        curve: request.curve,
        algorithm: algorithm.wire(),
        reserved: [0; 7],
    };
    Ok(vec![Command::NewAlgorithm(head), Command::NewOrder(order)])
}

/// A curve of volume.
pub(crate) fn curve(request: &proto::SetVolumeCurveRequest) -> Checked<Command> {
    let count = request.weights.len();
    if !(1..=CURVE_BUCKETS_MAX).contains(&count) {
        let text =
            format_args!("there are {count}, 1 to {CURVE_BUCKETS_MAX} are allowed").to_string();
        return Err(Refusal::invalid("weights", text));
    }
    let mut weights = [0; CURVE_BUCKETS_MAX];
    for (weight, asked) in weights.iter_mut().zip(&request.weights) {
        *weight = u16::try_from(*asked).map_err(|_| {
            Refusal::invalid("weights", format_args!("{asked} is out of range: 0 to 65535"))
        })?;
    }
    Ok(Command::SetVolumeCurve(SetVolumeCurve {
        begin_ns: request.begin_ns,
        bucket_ns: request.bucket_ns,
        curve: request.curve,
        bucket_count: count as u8,
        reserved: [0; 3],
        weights,
    }))
}

/// Positions to be closed.
pub(crate) fn flatten(view: &View, request: &proto::FlattenRequest) -> Checked<Command> {
    let at = UnixNanos(if request.take_back { u64::MAX } else { request.at });
    let instrument = match request.symbol.as_str() {
        "" => InstrumentId::NONE,
        text => instrument(view, text)?.0,
    };
    Ok(Command::Flatten(Flatten::of(at, account(request.account)?, instrument)))
}
