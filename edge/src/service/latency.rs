//! What each stage takes.

use super::Shared;
use crate::convert::latency;
use crate::error::Refusal;
use crate::outlet::{Inlet, Outlet, outlet};
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::latency_service_server::LatencyService;
use tidegate_engine::latency::Window;
use tidegate_engine::runtime::unix_now;
use tidegate_model::PrincipalId;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tonic::{Request, Response, Status};

/// How often a stream tells if it is not asked for another interval, in milliseconds.
const INTERVAL_MS: u32 = 1_000;
/// The shortest and the longest that may be asked for.
const INTERVAL_MS_MIN: u32 = 100;
const INTERVAL_MS_MAX: u32 = 60_000;

/// LatencyService.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(pub Arc<Shared>);

fn interval(asked_ms: u32) -> Result<Duration, Refusal> {
    match asked_ms {
        0 => Ok(Duration::from_millis(INTERVAL_MS.into())),
        INTERVAL_MS_MIN..=INTERVAL_MS_MAX => Ok(Duration::from_millis(asked_ms.into())),
        _ => Err(Refusal::invalid(
            "interval_ms",
            format_args!(
                "{asked_ms} is out of range: {INTERVAL_MS_MIN} to {INTERVAL_MS_MAX}, or 0"
            ),
        )),
    }
}

impl Latencies {
    /// What is known, with the alerts after `told`, which is moved on.
    fn report(&self, window: Window, told: &mut u64) -> proto::LatencyReport {
        let known = &self.0.latency;
        let (alerts, last) = known.alerts_after(*told);
        *told = last;
        let dropped = self.0.status.traces_dropped.load(std::sync::atomic::Ordering::Relaxed);
        let report = known.report(window, unix_now());
        let figures = latency::report(&report, &alerts, window);
        proto::LatencyReport {
            alerts_count: last,
            dropped: figures.dropped.saturating_add(dropped),
            ..figures
        }
    }
}

#[tonic::async_trait]
impl LatencyService for Latencies {
    async fn get_latency(
        &self,
        request: Request<proto::GetLatencyRequest>,
    ) -> Result<Response<proto::LatencyReport>, Status> {
        self.0.auth.reader(&request)?;
        let window = latency::window(request.get_ref().window)?;
        Ok(Response::new(self.report(window, &mut 0)))
    }

    type StreamLatencyStream = Outlet<proto::LatencyReport>;

    async fn stream_latency(
        &self,
        request: Request<proto::StreamLatencyRequest>,
    ) -> Result<Response<Self::StreamLatencyStream>, Status> {
        let client = self.0.auth.reader(&request)?;
        let window = latency::window(request.get_ref().window)?;
        let every = interval(request.get_ref().interval_ms)?;
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        tokio::spawn(self.clone().stream(window, every, inlet));
        Ok(Response::new(out))
    }

    type StreamTracesStream = Outlet<proto::LatencyTrace>;

    async fn stream_traces(
        &self,
        request: Request<proto::StreamTracesRequest>,
    ) -> Result<Response<Self::StreamTracesStream>, Status> {
        let owner = self.0.auth.collector(&request)?;
        let client = self.0.auth.reader(&request)?;
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        tokio::spawn(self.clone().traces(owner, self.0.traces.subscribe(), inlet));
        Ok(Response::new(out))
    }
}

impl Latencies {
    async fn traces(
        self,
        owner: PrincipalId,
        mut told: broadcast::Receiver<(PrincipalId, proto::LatencyTrace)>,
        inlet: Inlet<proto::LatencyTrace>,
    ) {
        let mut shutdown = self.0.shutdown.clone();
        loop {
            let heard = tokio::select! {
                heard = told.recv() => heard,
                () = inlet.closed() => return,
                _ = shutdown.wait_for(|down| *down) => {
                    return inlet.close(Status::unavailable("the server is shutting down"));
                }
            };
            match heard {
                Ok((whose, trace)) if whose == owner => {
                    let Ok(room) = inlet.reserve().await else { return };
                    room.send(trace);
                }
                // A collector that is slow misses some.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn stream(self, window: Window, every: Duration, inlet: Inlet<proto::LatencyReport>) {
        let mut shutdown = self.0.shutdown.clone();
        let mut told = 0;
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = inlet.closed() => return,
                _ = shutdown.wait_for(|down| *down) => {
                    return inlet.close(Status::unavailable("the server is shutting down"));
                }
            }
            // A client that reads nothing gets later reports, not more of them.
            let Ok(room) = inlet.reserve().await else { return };
            room.send(self.report(window, &mut told));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(interval(0).expect("the default"), Duration::from_secs(1));
        assert_eq!(interval(100).expect("the least"), Duration::from_millis(100));
        for refused in [1, 99, 60_001, u32::MAX] {
            assert_eq!(interval(refused).expect_err("out of range").field, "interval_ms");
        }
    }
}
