//! The strategy inside the engine, on one thread, which takes each event when it is due.

use crate::Cores;
use crate::desk::{Driven, Watch};
use crate::open_loop::{Figures, Load, Stamps};
use anyhow::Result;
use tidegate_bench::desk::Taker;

pub fn measure(load: Load, cores: Cores) -> Result<Figures> {
    let mut stamps = Stamps::begin(load);
    let mut driven = Driven::start(Watch { inner: Taker, stamps: stamps.clone() })?;
    core_affinity::set_for_current(cores.engine);
    stamps.restart();
    for event in 0..load.total {
        driven.drain();
        while stamps.now() < stamps.due(event) {
            std::hint::spin_loop();
        }
        driven.offer();
        driven.turn()?;
    }
    Ok(stamps.figures())
}
