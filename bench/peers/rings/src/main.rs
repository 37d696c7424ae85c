//! 64 bytes there and back: between two threads, and between two processes, through our rings and through those of others, in turn.
//!
//! One side sends a message and spins until the other has sent it back; the clock is read before and after. Both are pinned.

use anyhow::{Context, Result, bail, ensure};
use core_affinity::CoreId;
use disruptor::{BusySpin, Polling, Producer, build_single_producer};
use hdrhistogram::Histogram;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{NodeBuilder, ServiceName, ipc};
use quanta::Clock;
use std::hint::spin_loop;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidegate_ring::queue::{Receiver, Sender};
use tidegate_ring::{Access, Memory, queue};
use tidegate_shm::socket;

type Message = [u64; 8];

const CAPACITY: usize = 1_024;
const WARM_UP: u64 = 100_000;
const TRIPS: u64 = 500_000;
const ROUNDS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// A way of one's own: the sending end of one ring, the receiving end of another.
trait Ends {
    fn send(&mut self, message: &Message) -> Result<()>;
    fn take(&mut self) -> Result<Option<Message>>;
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    // The other process: it is told its core, for it has inherited that of whoever started it.
    if let [_, role, what, core] = &args[..] {
        let core = CoreId { id: core.parse()? };
        return match role.as_str() {
            "echo-queue" => echo(queue_of_child(Path::new(what))?, core),
            _ => echo(Iceoryx::open(what, false)?, core),
        };
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [other, own, ..] = cores[..] else { bail!("two cores are needed") };
    let mut all: Vec<(&str, &str, Vec<Histogram<u64>>)> = vec![
        ("queue_threads", "ours, two threads", Vec::new()),
        ("rtrb_threads", "rtrb, two threads", Vec::new()),
        ("disruptor_threads", "disruptor, two threads", Vec::new()),
        ("queue_processes", "ours, two processes", Vec::new()),
        ("iceoryx2_processes", "iceoryx2, two processes", Vec::new()),
    ];
    println!("64 bytes there and back between cores {} and {}; nanoseconds", own.id, other.id);
    for _ in 0..ROUNDS {
        for (name, what, times) in &mut all {
            let found = match *name {
                "queue_threads" => threads(queue_threads()?, own, other)?,
                "rtrb_threads" => threads(rtrb_threads(), own, other)?,
                "disruptor_threads" => threads(disruptor_threads(), own, other)?,
                "queue_processes" => queue_processes(own, other)?,
                _ => iceoryx_processes(own, other)?,
            };
            let at = |quantile| found.value_at_quantile(quantile);
            println!(
                "  {what:<24} p50 {:>6}  p99 {:>7}  p99.9 {:>8}",
                at(0.5),
                at(0.99),
                at(0.999)
            );
            times.push(found);
        }
    }
    let rows: Vec<_> = all.iter_mut().map(|(name, what, times)| row(name, what, times)).collect();
    if let Some(at) = args.iter().position(|arg| arg == "--json") {
        let path = args.get(at + 1).context("--json FILE")?;
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn row(name: &str, what: &str, times: &mut [Histogram<u64>]) -> serde_json::Value {
    times.sort_by_key(|times| times.value_at_quantile(0.5));
    let rounds: Vec<u64> = times.iter().map(|times| times.value_at_quantile(0.5)).collect();
    let median = &times[times.len() / 2];
    let at = |quantile| median.value_at_quantile(quantile);
    serde_json::json!({
        "name": name, "what": what, "rounds": rounds,
        "figures": {"p50": at(0.5), "p99": at(0.99), "p99_9": at(0.999), "p99_99": at(0.9999), "max": median.max()},
    })
}

/// Sends and waits, pinned to a core, on a thread that is pinned to nothing else.
fn drive(mut ends: impl Ends, core: CoreId) -> Result<Histogram<u64>> {
    core_affinity::set_for_current(core);
    let clock = Clock::new();
    let mut times = Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3)?;
    for trip in 0..WARM_UP + TRIPS {
        let sent = clock.raw();
        ends.send(&[trip; 8])?;
        let came = loop {
            if let Some(message) = ends.take()? {
                break message;
            }
            spin_loop();
        };
        let took = clock.delta_as_nanos(sent, clock.raw());
        ensure!(came == [trip; 8], "another message came back");
        if trip >= WARM_UP {
            times.saturating_record(took);
        }
    }
    Ok(times)
}

/// Answers until the process is ended, at the latest by the end of the one that asks.
fn echo(mut ends: impl Ends, core: CoreId) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    core_affinity::set_for_current(core);
    loop {
        if let Some(message) = ends.take()? {
            ends.send(&message)?;
        }
        spin_loop();
    }
}

fn threads<E: Ends + Send + 'static>(
    (ours, mut theirs): (E, E),
    own: CoreId,
    other: CoreId,
) -> Result<Histogram<u64>> {
    let is_over = Arc::<AtomicBool>::default();
    let seen = Arc::clone(&is_over);
    let answering = std::thread::spawn(move || {
        core_affinity::set_for_current(other);
        while !seen.load(Ordering::Relaxed) {
            if let Ok(Some(message)) = theirs.take() {
                theirs.send(&message).expect("one message fits");
            }
            spin_loop();
        }
    });
    let driving = std::thread::spawn(move || drive(ours, own));
    let times = driving.join();
    is_over.store(true, Ordering::Relaxed);
    answering.join().ok().context("the answering thread failed")?;
    times.ok().context("the driving thread failed")?
}

struct Queue(Sender<Message>, Receiver<Message>);

impl Ends for Queue {
    fn send(&mut self, message: &Message) -> Result<()> {
        ensure!(self.0.push(message).is_ok(), "it is full");
        Ok(())
    }
    fn take(&mut self) -> Result<Option<Message>> {
        Ok(self.1.pop())
    }
}

fn queue_threads() -> Result<(Queue, Queue)> {
    let (out, there) = queue::queue(CAPACITY)?;
    let (back_out, back) = queue::queue(CAPACITY)?;
    Ok((Queue(out, back), Queue(back_out, there)))
}

/// A process that ends with this one.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn other(role: &str, what: &str, core: CoreId) -> Result<Other> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(Other(command.args([role, what, &core.id.to_string()]).spawn()?))
}

fn queue_processes(own: CoreId, opposite: CoreId) -> Result<Histogram<u64>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("door");
    let listener = socket::listen_at(&path)?;
    let _other = other("echo-queue", path.to_str().context("a path of text")?, opposite)?;
    let connection = socket::accept_within(&listener, PATIENCE)?.context("nobody came")?;
    let len = queue::len::<Message>(CAPACITY);
    let (memory, fd) = Memory::shared("rings", 2 * len, Access::ReadWrite)?;
    let memory = Arc::new(memory);
    let ends =
        Queue(Sender::new(Arc::clone(&memory), 0, CAPACITY), Receiver::new(memory, len, CAPACITY));
    socket::send(&connection, &[&[1]], &[fd.as_fd()])?;
    let driving = std::thread::spawn(move || drive(ends, own));
    driving.join().ok().context("the driving thread failed")?
}

fn queue_of_child(door: &Path) -> Result<Queue> {
    let socket = socket::connect_to(door)?;
    let (_, fds) = socket::receive(&socket, &mut [0])?;
    let [fd] = <[OwnedFd; 1]>::try_from(fds).ok().context("no memory was given")?;
    let memory = Arc::new(Memory::open(&fd, Access::ReadWrite)?);
    let len = queue::len::<Message>(CAPACITY);
    Ok(Queue(Sender::new(Arc::clone(&memory), len, CAPACITY), Receiver::new(memory, 0, CAPACITY)))
}

struct Rtrb(rtrb::Producer<Message>, rtrb::Consumer<Message>);

impl Ends for Rtrb {
    fn send(&mut self, message: &Message) -> Result<()> {
        Ok(self.0.push(*message)?)
    }
    fn take(&mut self) -> Result<Option<Message>> {
        Ok(self.1.pop().ok())
    }
}

fn rtrb_threads() -> (Rtrb, Rtrb) {
    let (out, there) = rtrb::RingBuffer::new(CAPACITY);
    let (back_out, back) = rtrb::RingBuffer::new(CAPACITY);
    (Rtrb(out, back), Rtrb(back_out, there))
}

type DisruptorEnd = (Box<dyn FnMut(&Message) + Send>, Box<dyn FnMut() -> Option<Message> + Send>);

struct Disruptor(DisruptorEnd);

impl Ends for Disruptor {
    fn send(&mut self, message: &Message) -> Result<()> {
        (self.0.0)(message);
        Ok(())
    }
    fn take(&mut self) -> Result<Option<Message>> {
        Ok((self.0.1)())
    }
}

fn disruptor_threads() -> (Disruptor, Disruptor) {
    let way = || -> DisruptorEnd {
        let builder = build_single_producer(CAPACITY, || [0u64; 8], BusySpin);
        let (mut poller, builder) = builder.new_event_poller();
        let mut producer = builder.build();
        let send = move |message: &Message| producer.publish(|place| *place = *message);
        let take = move || match poller.poll() {
            Ok(mut events) => (&mut events).next().copied(),
            Err(Polling::NoEvents | Polling::Shutdown) => None,
        };
        (Box::new(send), Box::new(take))
    };
    let ((out, there), (back_out, back)) = (way(), way());
    (Disruptor((out, back)), Disruptor((back_out, there)))
}

struct Iceoryx {
    out: Publisher<ipc::Service, Message, ()>,
    back: Subscriber<ipc::Service, Message, ()>,
}

impl Iceoryx {
    fn open(name: &str, is_first: bool) -> Result<Self> {
        let node = NodeBuilder::new().create::<ipc::Service>()?;
        let [one, other] = ["there", "back"].map(|way| format!("tidegate-bench/{name}/{way}"));
        let service = |name: &str| -> Result<_> {
            let name = ServiceName::new(name)?;
            Ok(node.service_builder(&name).publish_subscribe::<Message>().open_or_create()?)
        };
        let (out, back) = if is_first { (&one, &other) } else { (&other, &one) };
        let out = service(out)?.publisher_builder().create()?;
        let back = service(back)?.subscriber_builder().create()?;
        Ok(Self { out, back })
    }
}

impl Ends for Iceoryx {
    fn send(&mut self, message: &Message) -> Result<()> {
        let sample = self.out.loan_uninit()?.write_payload(*message);
        sample.send()?;
        Ok(())
    }
    fn take(&mut self) -> Result<Option<Message>> {
        Ok(self.back.receive()?.map(|sample| *sample))
    }
}

fn iceoryx_processes(own: CoreId, opposite: CoreId) -> Result<Histogram<u64>> {
    let name = format!("{}-{:?}", std::process::id(), Instant::now());
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let ends = Iceoryx::open(&name, true)?;
    let _other = other("echo-iceoryx2", &name, opposite)?;
    // The other side has to be connected, or what is sent is lost: it is sent again until an answer comes.
    let mut ends = ends;
    let until = Instant::now() + PATIENCE;
    loop {
        ends.send(&[u64::MAX; 8])?;
        std::thread::sleep(Duration::from_millis(20));
        if ends.take()?.is_some() {
            break;
        }
        ensure!(Instant::now() < until, "nobody came");
    }
    while ends.take()?.is_some() {}
    drive(ends, own)
}
