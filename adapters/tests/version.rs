//! A venue of another version is not believed in anything: its route stays down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tidegate_adapters::runner::{self, Policy};
use tidegate_adapters::{Adapter, AdapterError, Known, Reports};
use tidegate_model::command::RouteLink;
use tidegate_model::{Command, RoutedKind};

/// A venue that connects at once, and agrees when it is told to.
struct Venue {
    agrees: Arc<AtomicBool>,
    connected: Arc<AtomicU32>,
}

impl Adapter for Venue {
    fn check_version(&self) -> Result<(), AdapterError> {
        if self.agrees.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(AdapterError::Version { expected: "0.1.0".into(), found: "0.2.0".into() })
    }

    async fn connect(&mut self) -> Result<[u64; 2], AdapterError> {
        self.connected.fetch_add(1, Ordering::AcqRel);
        Ok([0; 2])
    }

    async fn reconcile(&mut self, _: Known, _: &mut Reports) -> Result<(), AdapterError> {
        Ok(())
    }

    async fn send(&mut self, _: &RoutedKind, _: &mut Reports) -> Result<(), AdapterError> {
        Ok(())
    }

    async fn next(&mut self, _: &mut Reports) -> Result<(), AdapterError> {
        std::future::pending().await
    }
}

#[test]
fn a_venue_of_another_version_keeps_its_route_down() {
    let (agrees, connected) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let venue = Venue { agrees: Arc::clone(&agrees), connected: Arc::clone(&connected) };
    let (_requests, ring) = rtrb::RingBuffer::new(16);
    let (lane, mut said) = rtrb::RingBuffer::new(64);
    let policy = Policy { route: 0, timeout: Duration::from_secs(1), requests_per_sec: 100 };
    let runner = runner::start(venue, policy, ring, lane).expect("a thread");
    let mut links = Vec::new();
    let mut hear = |until: &dyn Fn(&[RouteLink]) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !until(&links) {
            assert!(Instant::now() < deadline, "{links:?}");
            while let Ok(record) = said.pop() {
                let Some(Command::RouteStatus(status)) = record.command() else {
                    panic!("{record:?}")
                };
                links.push(RouteLink::from_wire(status.link).expect("a link"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    hear(&|links| links == [RouteLink::Down; 3]);
    assert!(connected.load(Ordering::Acquire) >= 3, "it tries again");
    agrees.store(true, Ordering::Release);
    hear(&|links| links.last() == Some(&RouteLink::Reconciling));
    runner.stop();
}
