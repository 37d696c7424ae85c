//! Two threads: one sends events and takes what comes back, on the other the engine spins, with a strategy inside or without one.

use crate::Cores;
use crate::desk::{Ends, Market, config};
use crate::open_loop::{Figures, Load, Stamps};
use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidegate_bench::desk::{self, Taker};
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::runtime::{self, EngineConfig, EngineHandle, Strategy};
use tidegate_model::Event;
use tidegate_model::event::ExecType;

/// An engine that spins on its core, seen from the other one.
struct Spinning {
    engine: EngineHandle,
    ends: Ends,
    market: Market,
    _dir: TempDir,
}

impl Spinning {
    /// An engine in which the market is open and the account may trade. This thread moves to the other core.
    fn start<S: Strategy + 'static>(strategy: S, cores: Cores) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (mut ends, inputs, outputs) = Ends::new()?;
        let config = EngineConfig { pin_core: Some(cores.engine.id), ..config(&dir) };
        let engine = runtime::start(config, inputs, outputs, EventPosition::default(), strategy)?;
        core_affinity::set_for_current(cores.other);
        while !engine.status.alive.load(Ordering::Acquire) {
            ensure!(!engine.is_finished(), "the engine has stopped");
            std::thread::yield_now();
        }
        let market = ends.open_market();
        tidegate_engine::memory::populate()?;
        std::thread::sleep(Duration::from_millis(50));
        Ok(Self { engine, ends, market, _dir: dir })
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.engine.is_finished(), "the engine has stopped");
        Ok(())
    }
}

/// Each event is answered with an order.
pub fn measure(load: Load, cores: Cores) -> Result<Figures> {
    let mut spinning = Spinning::start(Taker, cores)?;
    let mut stamps = Stamps::begin(load);
    stamps.restart();
    let mut sent = 0;
    while stamps.answered() < load.total {
        let Spinning { ends: Ends { feed, events, traces, .. }, market, .. } = &mut spinning;
        if sent < load.total && stamps.now() >= stamps.due(sent) && !feed.is_full() {
            feed.push(market.next()).expect("there is room");
            sent += 1;
        }
        while let Some(record) = events.pop() {
            let Some(Event::Execution(it)) = record.event() else { continue };
            if let Some(reject) = it.reject() {
                // It would be waited for in vain.
                bail!("an order was refused: {reject}");
            }
            if it.exec_type == ExecType::New.wire() && record.session == desk::SESSION {
                stamps.stamp();
            }
        }
        while traces.pop().is_ok() {}
        spinning.check()?;
    }
    let figures = stamps.figures();
    spinning.engine.stop()?;
    Ok(figures)
}

/// Events that are only taken in, journaled and applied, as fast as the engine does.
pub fn ingest(events: u64, cores: Cores) -> Result<Figures> {
    let mut spinning = Spinning::start((), cores)?;
    let status = Arc::clone(&spinning.engine.status);
    let taken = || status.market_events.load(Ordering::Relaxed);
    let before = taken();
    let began = Instant::now();
    for _ in 0..events {
        let event = spinning.market.next();
        while spinning.ends.feed.is_full() {
            spinning.check()?;
            std::hint::spin_loop();
        }
        spinning.ends.feed.push(event).expect("there is room");
    }
    while taken() - before < events {
        spinning.check()?;
        std::hint::spin_loop();
    }
    let took = began.elapsed().as_nanos() as u64;
    spinning.engine.stop()?;
    Ok(Figures::of(&Histogram::new(3)?, events, took))
}
