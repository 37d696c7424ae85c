//! Two threads: one sends events and takes what comes back, on the other the engine spins with the strategy inside.

use crate::Cores;
use crate::desk::{Market, config, is_at_venue};
use crate::open_loop::{Figures, Load, Stamps};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_bench::desk::{self, Taker};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::lane::lane;
use tidegate_engine::runtime::{self, BookRequests, EngineConfig, Inputs, Outputs};

pub fn measure(load: Load, cores: Cores) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let (mut feed, feed_in) = runtime::feed_ring();
    let (events_out, mut events) = runtime::event_ring()?;
    let (stages, mut samples) = runtime::stage_ring();
    let (public, _public) = broadcast::channel(Arc::default())?;
    let (mut operator, operator_in) = lane();
    let config = EngineConfig { pin_core: Some(cores.engine.id), ..config(&dir) };
    let book_requests = Arc::new(BookRequests::default());
    let inputs = Inputs { feed: feed_in, lanes: vec![operator_in], book_requests };
    let outputs = Outputs {
        events: events_out,
        public,
        stages,
        routes: Vec::new(),
        seats: Default::default(),
    };
    let engine = runtime::start(config, inputs, outputs, EventPosition::default(), Taker)?;
    core_affinity::set_for_current(cores.other);
    while !engine.status.alive.load(Ordering::Acquire) {
        ensure!(!engine.is_finished(), "the engine has stopped");
        std::thread::yield_now();
    }
    let (mut market, opening) = Market::begin();
    for event in opening {
        feed.push(event).expect("it is empty");
    }
    for command in desk::set_up() {
        operator.try_send(command).expect("it is empty");
    }
    tidegate_engine::memory::populate()?;
    std::thread::sleep(Duration::from_millis(50));

    let mut stamps = Stamps::begin(load);
    stamps.restart();
    let mut sent = 0;
    while stamps.answered() < load.total {
        if sent < load.total && stamps.now() >= stamps.due(sent) && !feed.is_full() {
            feed.push(market.next()).expect("there is room");
            sent += 1;
        }
        while let Some(record) = events.pop() {
            if is_at_venue(&record) && record.session == desk::SESSION {
                stamps.stamp();
            }
        }
        while samples.pop().is_ok() {}
        ensure!(!engine.is_finished(), "the engine has stopped");
    }
    let figures = stamps.figures();
    engine.stop()?;
    Ok(figures)
}
