//! Traces: every request is a span of the trace that its caller names (W3C Trace Context), the engine's edge hears its id, and a
//! collector gets it if there is one.

use crate::config;
use crate::gateway::Gateway;
use crate::http::answer::request_id;
use crate::http::origin::Origin;
use crate::keys::random;
use anyhow::{Context as _, Result};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use std::cell::RefCell;
use std::fmt;
use std::time::Instant;
use tidegate_client::TRACEPARENT;
use tracing::Instrument as _;

/// What a request says of the trace that it belongs to.
const HEADER: &str = "traceparent";
/// What may be noted on one request.
const NOTES_MAX: usize = 16;

tokio::task_local! {
    /// What is noted on the request that is under way.
    static NOTES: RefCell<Vec<KeyValue>>;
}

/// Notes something on the request that is under way, e.g. `order.id`, for whoever looks at its trace.
pub(crate) fn note(key: &'static str, value: impl ToString) {
    // Outside of a request there is nothing to note it on.
    let _ = NOTES.try_with(|notes| {
        let mut notes = notes.borrow_mut();
        if notes.len() < NOTES_MAX {
            notes.push(KeyValue::new(key, value.to_string()));
        }
    });
}

/// Where spans go.
pub struct Traces(Option<(SdkTracerProvider, SdkTracer)>);

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// As configured.
    ///
    /// # Errors
    /// An address that cannot be one.
    pub fn open(config: &config::Telemetry) -> Result<Self> {
        if config.otlp.is_empty() {
            return Ok(Self(None));
        }
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(&config.otlp).build();
        let exporter = exporter.with_context(|| format!("telemetry.otlp: {}", config.otlp))?;
        let resource = Resource::builder()
            .with_service_name("tidegate-gateway")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("tidegate-gateway");
        Ok(Self(Some((provider, tracer))))
    }

    /// What makes spans, if anybody collects them.
    pub(crate) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|(_, tracer)| tracer.clone())
    }

    /// Sends what is left.
    pub async fn close(&self) {
        let Some((provider, _)) = &self.0 else { return };
        let provider = provider.clone();
        let closed = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::warn!("the last traces are lost: {closed:?}");
        }
    }

    /// The span of a request, and how those that are asked for it name it.
    fn begin(&self, name: String, parent: Option<SpanContext>) -> (Option<Span>, SpanContext) {
        if let Some((_, tracer)) = &self.0 {
            let context = match parent {
                Some(parent) => Context::new().with_remote_span_context(parent),
                None => Context::new(),
            };
            let span = tracer
                .span_builder(name)
                .with_kind(SpanKind::Server)
                .start_with_context(tracer, &context);
            let context = span.span_context().clone();
            return (Some(span), context);
        }
        // Nobody collects, and log lines have the trace's id all the same.
        let (trace, flags) = parent.map_or_else(
            || (TraceId::from_bytes(random()), TraceFlags::default()),
            |parent| (parent.trace_id(), parent.trace_flags()),
        );
        let span = SpanId::from_bytes(random());
        (None, SpanContext::new(trace, span, flags, false, TraceState::NONE))
    }
}

/// What the caller says, if it can be read (W3C Trace Context, 3.2).
fn parent(headers: &HeaderMap) -> Option<SpanContext> {
    read(headers.get(HEADER)?.to_str().ok()?)
}

/// A trace and a span as [`HEADER`] names them.
pub(super) fn read(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (part.len() == length && is_hex).then_some(part)
    };
    let [version, trace, span, flags] = [part(2)?, part(32)?, part(16)?, part(2)?];
    if version == "ff" || version == "00" && parts.next().is_some() {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

fn traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}

/// The method as figures and traces have it: nobody makes up new ones.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Counts, times and traces a request.
pub async fn observe<F: Future<Output = Response>>(
    gateway: &Gateway,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let route = route.unwrap_or_else(|| "other".to_string());
    let origin = Origin::of(request.extensions());
    let begun = gateway.ops.traces.begin(format!("{method} {route}"), parent(request.headers()));
    let (mut span, context) = begun;
    // Whatever is logged at all says which request it is of.
    let logged = tracing::warn_span!(
        "request", method, route, request_id = request_id(), trace_id = %context.trace_id()
    );
    let answering = async {
        let response = next(request).await;
        (response, NOTES.with(RefCell::take))
    };
    let answering = NOTES.scope(RefCell::default(), answering);
    let answering = TRACEPARENT.scope(traceparent(&context), answering);
    let (response, notes) = answering.instrument(logged.clone()).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    gateway.ops.metrics.answered(method, &route, status, took);
    logged.in_scope(|| tracing::info!(status, took_us = took.as_micros() as u64, "answered"));
    if let Some(span) = &mut span {
        span.set_attributes(notes);
        span.set_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("client.address", origin.ip.to_string()),
            KeyValue::new("tidegate.request_id", request_id()),
        ]);
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.end();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_taken_for_a_trace() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (text, is_good) in [
            (good, true),
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6-00f067aa0ba902b7-01", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, text.parse().expect("a value"));
            assert_eq!(parent(&headers).is_some(), is_good, "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, good.parse().expect("a value"));
        assert_eq!(parent(&headers).map(|parent| traceparent(&parent)).as_deref(), Some(good));
    }
}
