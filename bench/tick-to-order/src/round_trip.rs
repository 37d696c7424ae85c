//! A ring to another process and a ring back: the clock is read before a message is sent and when it has come back.

use crate::Cores;
use crate::open_loop::Figures;
use crate::shared_memory::Other;
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use quanta::Clock;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_ring::queue::{Receiver, Sender};
use tidegate_ring::{Access, Memory, queue};
use tidegate_shm::socket;

/// What goes over: 64 bytes.
type Message = [u64; 8];

const CAPACITY: usize = 1_024;
const WARM_UP: u64 = 100_000;
const TRIPS: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(10);

pub fn measure(cores: Cores) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("door");
    let listener = socket::listen_at(&path)?;
    let _other = Other::start("echo", &path, cores.other.id)?;
    let connection = socket::accept_within(&listener, PATIENCE)?.context("nobody came")?;
    let ring = queue::len::<Message>(CAPACITY);
    let (memory, fd) = Memory::shared("round-trip", 2 * ring, Access::ReadWrite)?;
    let memory = Arc::new(memory);
    let mut out = Sender::<Message>::new(Arc::clone(&memory), 0, CAPACITY);
    let mut back = Receiver::<Message>::new(memory, ring, CAPACITY);
    socket::send(&connection, &[&[1]], &[fd.as_fd()])?;

    core_affinity::set_for_current(cores.engine);
    let clock = Clock::new();
    let mut times = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3)?;
    let began = Instant::now();
    for trip in 0..WARM_UP + TRIPS {
        let sent = clock.raw();
        ensure!(out.push(&[trip; 8]).is_ok(), "one message fits");
        let came = loop {
            if let Some(message) = back.pop() {
                break message;
            }
            std::hint::spin_loop();
        };
        let took = clock.delta_as_nanos(sent, clock.raw());
        ensure!(came == [trip; 8], "another message came back");
        if trip >= WARM_UP {
            times.saturating_record(took);
        }
    }
    let took = began.elapsed().as_nanos() as u64;
    Ok(Figures::of(&times, WARM_UP + TRIPS, took))
}

/// The other process.
pub fn echo(door: &Path, core: usize) -> Result<()> {
    let socket = socket::connect_to(door)?;
    let (_, fds) = socket::receive(&socket, &mut [0])?;
    let [fd] = <[OwnedFd; 1]>::try_from(fds).ok().context("no memory was given")?;
    let ring = queue::len::<Message>(CAPACITY);
    let memory = Arc::new(Memory::open(&fd, Access::ReadWrite)?);
    let mut there = Receiver::<Message>::new(Arc::clone(&memory), 0, CAPACITY);
    let mut back = Sender::<Message>::new(memory, ring, CAPACITY);
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
    loop {
        if let Some(message) = there.pop() {
            ensure!(back.push(&message).is_ok(), "one message fits");
        }
        std::hint::spin_loop();
    }
}
