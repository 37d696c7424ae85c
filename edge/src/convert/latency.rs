//! What each stage takes, as messages.

use crate::error::Refusal;
use tidegate_client::proto;
use tidegate_engine::latency::{Alert, Figures, Path, Report, Slow, What, Window};
use tidegate_engine::runtime::Traced;

pub(crate) fn window(asked: i32) -> Result<Window, Refusal> {
    match proto::LatencyWindow::try_from(asked) {
        Ok(proto::LatencyWindow::Unspecified) => Ok(Window::Start),
        Ok(proto::LatencyWindow::Minute) => Ok(Window::Minute),
        Err(_) => {
            Err(Refusal::invalid("window", format_args!("{asked} is no LatencyWindow: 0 or 1")))
        }
    }
}

pub(crate) fn report(report: &Report, alerts: &[Alert], window: Window) -> proto::LatencyReport {
    let window = match window {
        Window::Start => proto::LatencyWindow::Unspecified,
        Window::Minute => proto::LatencyWindow::Minute,
    };
    proto::LatencyReport {
        ts: report.at.0,
        window: window.into(),
        figures: report.figures.iter().map(figures).collect(),
        slowest: report.slowest.iter().map(waterfall).collect(),
        worst_by_second: report.worst_by_second.clone(),
        alerts: alerts.iter().map(alert).collect(),
        alerts_count: 0,
        traces: report.traces,
        dropped: report.dropped,
        pending: report.pending,
    }
}

fn figures(figures: &Figures) -> proto::LatencyFigures {
    proto::LatencyFigures {
        name: figures.what.as_str().to_string(),
        count: figures.count,
        p50_ns: figures.p50_ns,
        p90_ns: figures.p90_ns,
        p99_ns: figures.p99_ns,
        p999_ns: figures.p999_ns,
        p9999_ns: figures.p9999_ns,
        max_ns: figures.max_ns,
        budget_ns: figures.budget_ns.unwrap_or(0),
        breaches: figures.breaches,
    }
}

pub(crate) fn waterfall(slow: &Slow) -> proto::LatencyWaterfall {
    let trace = &slow.trace;
    let kind = match trace.followed {
        Traced::Request(kind) => kind.as_str(),
        Traced::Market => "market_event",
        Traced::Arrival | Traced::Fill => "fill",
    };
    let steps = slow
        .steps()
        .map(|(stage, ts)| proto::LatencyStep { stage: stage.as_str().to_string(), ts });
    proto::LatencyWaterfall {
        path: What::Path(slow.path).as_str().to_string(),
        kind: kind.to_string(),
        seq: trace.seq.0,
        session: trace.session.0,
        request_id: trace.request_id,
        took_ns: slow.took_ns,
        steps: steps.collect(),
    }
}

fn alert(alert: &Alert) -> proto::LatencyAlert {
    let path = match alert.what {
        What::Path(path) => path,
        What::Stage(_) if alert.trace.followed == Traced::Fill => Path::Fill,
        What::Stage(_) => Path::Order,
    };
    let worst = Slow::of(path, alert.trace);
    proto::LatencyAlert {
        number: alert.number,
        ts: alert.at.0,
        name: alert.what.as_str().to_string(),
        took_ns: alert.took_ns,
        budget_ns: alert.budget_ns,
        breaches: alert.breaches,
        worst: Some(waterfall(&worst)),
    }
}
