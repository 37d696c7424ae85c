//! Rings between two threads on two cores: how long a message goes there and back, and how many get through.
//!
//! *There and back*: this thread sends a message and spins until the other has sent it back; the clock is read before and after, and
//! what reading it costs is in the figure. *Streaming*: one thread sends as fast as the other takes; the figure is the mean.

#![allow(missing_docs, reason = "a bench")]

use core_affinity::CoreId;
use hdrhistogram::Histogram;
use quanta::Clock;
use std::hint::spin_loop;
use std::time::Instant;
use tidegate_ring::broadcast::{Next, broadcast};
use tidegate_ring::queue::queue;

const CAPACITY: usize = 1_024;
const WARM_UP: u64 = 100_000;
const TRIPS: u64 = 1_000_000;
const STREAMED: u64 = 20_000_000;

/// Sends a number; false if there is no room.
type SendOne = Box<dyn FnMut(u64) -> bool + Send>;
/// Takes a number, if one is there.
type TakeOne = Box<dyn FnMut() -> Option<u64> + Send>;

/// A way from one thread to another.
trait Way: Send + 'static {
    fn pair() -> (SendOne, TakeOne);
}

struct Rtrb<const N: usize>;
struct Queue<const N: usize>;
struct Broadcast;

impl<const N: usize> Way for Rtrb<N> {
    fn pair() -> (SendOne, TakeOne) {
        let (mut sender, mut receiver) = rtrb::RingBuffer::<[u64; N]>::new(CAPACITY);
        (
            Box::new(move |n| sender.push([n; N]).is_ok()),
            Box::new(move || receiver.pop().ok().map(|message| message[N - 1])),
        )
    }
}

impl<const N: usize> Way for Queue<N>
where
    [u64; N]: bytemuck::Pod,
{
    fn pair() -> (SendOne, TakeOne) {
        let (mut sender, mut receiver) = queue::<[u64; N]>(CAPACITY).expect("memory");
        (
            Box::new(move |n| sender.push(&[n; N]).is_ok()),
            Box::new(move || receiver.pop().map(|message| message[N - 1])),
        )
    }
}

impl Way for Broadcast {
    fn pair() -> (SendOne, TakeOne) {
        let (mut writer, mut reader) = broadcast::<[u64; 7]>(CAPACITY).expect("memory");
        (
            Box::new(move |n| {
                writer.publish(&[n; 7]);
                true
            }),
            Box::new(move || match reader.next_if(|_| true) {
                Next::Item(message) => Some(message[6]),
                Next::Empty => None,
                Next::Lapped { skipped } => panic!("a reader in step lost {skipped}"),
            }),
        )
    }
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_test = std::env::args().any(|arg| arg == "--test");
    if is_test || !names.iter().all(|name| "ring".contains(name.as_str())) {
        return;
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [one, other, ..] = cores[..] else {
        println!("ring: needs two cores, this machine offers {}", cores.len());
        return;
    };
    println!("ring: two threads on cores {} and {}; nanoseconds there and back", one.id, other.id);
    for _ in 0..3 {
        there_and_back::<Rtrb<8>>("rtrb, 64 bytes", one, other);
        there_and_back::<Queue<7>>("queue, 56 bytes", one, other);
        there_and_back::<Queue<8>>("queue, 64 bytes", one, other);
        there_and_back::<Broadcast>("broadcast, 56 bytes", one, other);
        there_and_back::<Rtrb<20>>("rtrb, 160 bytes", one, other);
        there_and_back::<Queue<20>>("queue, 160 bytes", one, other);
        there_and_back::<Rtrb<32>>("rtrb, 256 bytes", one, other);
        there_and_back::<Queue<32>>("queue, 256 bytes", one, other);
    }
    println!("ring: streaming, million messages a second");
    for _ in 0..3 {
        streaming::<Rtrb<8>>("rtrb, 64 bytes", one, other);
        streaming::<Queue<7>>("queue, 56 bytes", one, other);
        streaming::<Queue<8>>("queue, 64 bytes", one, other);
        streaming::<Rtrb<32>>("rtrb, 256 bytes", one, other);
        streaming::<Queue<32>>("queue, 256 bytes", one, other);
    }
}

fn there_and_back<W: Way>(name: &str, one: CoreId, other: CoreId) {
    let ((mut send, mut take_there), (mut send_back, mut take)) = (W::pair(), W::pair());
    let answering = std::thread::spawn(move || {
        core_affinity::set_for_current(other);
        for _ in 0..WARM_UP + TRIPS {
            let n = loop {
                match take_there() {
                    Some(n) => break n,
                    None => spin_loop(),
                }
            };
            assert!(send_back(n), "the other waits for it");
        }
    });
    core_affinity::set_for_current(one);
    let clock = Clock::new();
    let mut figures = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("a shape");
    for n in 1..=WARM_UP + TRIPS {
        let from = clock.raw();
        assert!(send(n), "it is empty");
        while take().is_none() {
            spin_loop();
        }
        if n > WARM_UP {
            figures.saturating_record(clock.delta_as_nanos(from, clock.raw()));
        }
    }
    answering.join().expect("the other thread does not panic");
    let at = |quantile| figures.value_at_quantile(quantile);
    println!("  {name:<22} p50 {:>5}  p99 {:>6}  p99.9 {:>7}", at(0.5), at(0.99), at(0.999));
}

fn streaming<W: Way>(name: &str, one: CoreId, other: CoreId) {
    let (mut send, mut take) = W::pair();
    let sending = std::thread::spawn(move || {
        core_affinity::set_for_current(other);
        for n in 1..=STREAMED {
            while !send(n) {
                spin_loop();
            }
        }
    });
    core_affinity::set_for_current(one);
    let started = Instant::now();
    for n in 1..=STREAMED {
        loop {
            match take() {
                Some(found) => break assert_eq!(found, n),
                None => spin_loop(),
            }
        }
    }
    let rate = STREAMED as f64 / started.elapsed().as_secs_f64() / 1e6;
    sending.join().expect("the other thread does not panic");
    println!("  {name:<22} {rate:>6.1}");
}
