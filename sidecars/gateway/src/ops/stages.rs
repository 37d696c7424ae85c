//! What the engine did with a request, as spans below the gateway's: the edge tells the stamps of every call that belongs to a trace
//! which is recorded (docs/latency.md says what each stage is).

use super::trace::read;
use crate::gateway::Gateway;
use opentelemetry::trace::{Span as _, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use std::sync::Weak;
use std::time::{Duration, SystemTime};
use tidegate_client::proto::{LatencyTrace, StreamTracesRequest};

/// Wait before the edge is asked again, and between two looks whether the gateway is still there.
const PAUSE: Duration = Duration::from_secs(1);

/// Collects for as long as the gateway lives.
pub(crate) async fn follow(gateway: Weak<Gateway>, tracer: SdkTracer) {
    loop {
        let Some(engine) = gateway.upgrade().map(|gateway| gateway.engine.clone()) else { return };
        match engine.stream_traces(StreamTracesRequest {}).await {
            Err(error) => tracing::debug!("no stages of the engine: {error}"),
            Ok(mut told) => loop {
                match tokio::time::timeout(PAUSE, told.message()).await {
                    Ok(Ok(Some(trace))) => record(&tracer, &trace),
                    Err(_) if gateway.strong_count() > 0 => {}
                    Ok(_) | Err(_) => break,
                }
            },
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One span for the whole way through the engine, and below it one for the step to each stage.
fn record(tracer: &SdkTracer, trace: &LatencyTrace) {
    let (Some(parent), Some(way)) = (read(&trace.traceparent), &trace.way) else { return };
    let [first, .., last] = &way.steps[..] else { return };
    let at = |ts: u64| SystemTime::UNIX_EPOCH + Duration::from_nanos(ts);
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let begin = |name: String, from: u64, context: &Context| {
        tracer.span_builder(name).with_start_time(at(from)).start_with_context(tracer, context)
    };
    let above = Context::new().with_remote_span_context(parent);
    let mut whole = begin(format!("engine {}", way.kind), first.ts, &above);
    whole.set_attributes([
        KeyValue::new("tidegate.seq", number(way.seq)),
        KeyValue::new("tidegate.session", i64::from(way.session)),
        KeyValue::new("tidegate.engine_request", number(way.request_id)),
    ]);
    let above = Context::new().with_remote_span_context(whole.span_context().clone());
    let mut from = first.ts;
    for step in &way.steps {
        begin(step.stage.clone(), from, &above).end_with_timestamp(at(step.ts));
        from = step.ts;
    }
    whole.end_with_timestamp(at(last.ts));
}
