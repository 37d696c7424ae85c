//! What operators ask of the markets of the house.

use super::order_terms::percent;
use super::requests::{Checked, instrument, order_price};
use crate::error::Refusal;
use crate::view::View;
use tidegate_client::proto;
use tidegate_model::command::{PAUSE_NS_MAX, Phase, SetBands, SetPhase, SetReference};
use tidegate_model::{Command, InstrumentId};

/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;

/// One instrument, or every one.
fn scope(view: &View, symbol: &str) -> Checked<InstrumentId> {
    if symbol.is_empty() { Ok(InstrumentId::NONE) } else { Ok(instrument(view, symbol)?.0) }
}

/// Another phase.
pub(crate) fn set_phase(view: &View, request: &proto::SetPhaseRequest) -> Checked<Command> {
    let known = u8::try_from(request.phase).ok().and_then(Phase::from_wire);
    let phase = known.ok_or_else(|| {
        let allowed = "PHASE_PRE_OPEN (1) to PHASE_CLOSED (6)";
        Refusal::invalid("phase", format_args!("{} is not allowed: {allowed}", request.phase))
    })?;
    let instrument = scope(view, &request.symbol)?;
    Ok(Command::SetPhase(SetPhase::now(instrument, phase)))
}

/// Other price bands.
pub(crate) fn set_bands(view: &View, request: &proto::SetBandsRequest) -> Checked<Command> {
    let share = |field: &'static str, text: &str| match text {
        "" => Ok(0),
        text => percent(field, text),
    };
    let pause_ms_max = PAUSE_NS_MAX / MS;
    if request.pause_ms > pause_ms_max {
        return Err(Refusal::invalid(
            "pause_ms",
            format_args!("{} is out of range: 0 to {pause_ms_max}", request.pause_ms),
        ));
    }
    Ok(Command::SetBands(SetBands {
        pause_ns: request.pause_ms * MS,
        instrument: scope(view, &request.symbol)?,
        static_ppm: share("static_percent", &request.static_percent)?,
        dynamic_ppm: share("dynamic_percent", &request.dynamic_percent)?,
        reserved: [0; 4],
    }))
}

/// Another reference price.
pub(crate) fn set_reference(view: &View, request: &proto::SetReferenceRequest) -> Checked<Command> {
    let (instrument, terms) = instrument(view, &request.symbol)?;
    let price = order_price("price", &terms, &request.price)?;
    Ok(Command::SetReference(SetReference { price, instrument, reserved: [0; 4] }))
}
