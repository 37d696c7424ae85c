//! Two processes: one drives the engine, which takes each event when it is due; in the other a strategy looks at the broadcast and
//! answers through its own ring of orders. Both clocks are the engine's process's.

use crate::Cores;
use crate::desk::{Driven, Watch};
use crate::open_loop::{Figures, Load, Stamps};
use anyhow::{Context, Result, bail, ensure};
use bytemuck::Zeroable;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_bench::desk;
use tidegate_engine::broadcast::{BROADCAST_AT, BROADCAST_CAPACITY};
use tidegate_engine::runtime::seats::{EVENTS_CAPACITY, ORDERS_CAPACITY, Seat, SeatStatus};
use tidegate_model::command::CancelOrder;
use tidegate_model::{Command as Request, Lots, PrincipalId, PublicKind, ReleaseLevel, Side};
use tidegate_ring::queue::{Receiver, Sender};
use tidegate_ring::{Access, Memory};
use tidegate_shm::protocol::{self, Head, Hello, Kind, Position, Welcome};
use tidegate_shm::{Attach, Next, Session, socket};

/// How long the other process may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The other process, which ends with this.
pub struct Other(pub Child);

impl Other {
    /// This program in another role.
    pub fn start(role: &str, door: &Path, core: usize) -> Result<Self> {
        let program = std::env::current_exe()?;
        let child = Command::new(program).arg(role).arg(door).arg(core.to_string()).spawn();
        Ok(Self(child.context("cannot start the other process")?))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn measure(load: Load, cores: Cores) -> Result<Figures> {
    let mut stamps = Stamps::begin(load);
    let mut driven = Driven::start(Watch { inner: (), stamps: stamps.clone() })?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("door");
    let listener = socket::listen_at(&path)?;
    let other = Other::start("strategy", &path, cores.other.id)?;
    let connection = socket::accept_within(&listener, PATIENCE)?.context("nobody came")?;
    let mut hello = [0; size_of::<Head>() + size_of::<Hello>()];
    socket::receive(&connection, &mut hello)?;

    // What a server's door does, but for asking who comes.
    let len = protocol::session_len(ORDERS_CAPACITY, EVENTS_CAPACITY);
    let (memory, fd) = Memory::shared("tick-to-order", len, Access::ReadWrite)?;
    let memory = Arc::new(memory);
    let status = Arc::<SeatStatus>::default();
    let events_at = protocol::events_at(ORDERS_CAPACITY);
    let seat = Seat {
        session: desk::SESSION,
        principal: PrincipalId(1),
        account: Some(desk::ACCOUNT),
        orders: Receiver::new(Arc::clone(&memory), 0, ORDERS_CAPACITY),
        events: Sender::new(memory, events_at, EVENTS_CAPACITY),
        status: Arc::clone(&status),
    };
    ensure!(driven.ends.usher.open(seat).is_ok(), "the engine takes nobody");
    driven.turn()?;
    let began = status.began().context("the engine has not seen the seat")?;
    let position = Position::new(began.seq.0, began.ordinal);
    let welcome = Welcome {
        position,
        session: desk::SESSION.0,
        principal: 1,
        level: ReleaseLevel::Process.wire().into(),
        public_at: BROADCAST_AT as u32,
        public_capacity: BROADCAST_CAPACITY as u32,
        orders_capacity: ORDERS_CAPACITY as u32,
        events_at: events_at as u32,
        events_capacity: EVENTS_CAPACITY as u32,
    };
    let public = driven.ends.public.shared();
    // Everything is released as soon as it is there.
    let reached = protocol::reached_word(ReleaseLevel::Process);
    public.memory.words()[reached].store(u64::MAX, std::sync::atomic::Ordering::Relaxed);
    let [first, last] = [Kind::Welcome, Kind::Begin].map(|kind| Head::new(kind, 0));
    let parts = [bytemuck::bytes_of(&first), bytemuck::bytes_of(&welcome)];
    socket::send(&connection, &parts, &[public.fd.as_fd(), fd.as_fd()])?;
    let parts = [bytemuck::bytes_of(&last), bytemuck::bytes_of(&position)];
    socket::send(&connection, &parts, &[])?;
    // Its first request says that it looks.
    let until = Instant::now() + PATIENCE;
    loop {
        driven.turn()?;
        if driven.ends.events.pop().is_some_and(|record| record.session == desk::SESSION) {
            break;
        }
        ensure!(Instant::now() < until, "the other process says nothing");
    }

    core_affinity::set_for_current(cores.engine);
    stamps.restart();
    let mut sent = 0;
    // What is on its way at most: no ring is longer.
    const AHEAD_MAX: u64 = ORDERS_CAPACITY as u64;
    let mut idle = 0_u64;
    while stamps.answered() < load.total {
        let has_room = sent - stamps.answered() < AHEAD_MAX;
        if sent < load.total && has_room && stamps.now() >= stamps.due(sent) {
            driven.offer();
            sent += 1;
            idle = 0;
        }
        driven.turn()?;
        driven.drain();
        idle += 1;
        if idle > 1 << 30 {
            bail!("only {} of {sent} events were answered: {:?}", stamps.answered(), status.end());
        }
    }
    let figures = stamps.figures();
    drop(connection);
    drop(other);
    Ok(figures)
}

/// The other process: takes one lot of whatever was refreshed.
pub fn strategy(door: &Path, core: usize) -> Result<()> {
    let mut session = Session::attach(door, &Attach { token: "any".into(), ..Default::default() })?;
    core_affinity::set_for_current(core_affinity::CoreId { id: core });
    session.cancel(CancelOrder { account: desk::ACCOUNT, ..CancelOrder::zeroed() })?;
    let mut answered = 0;
    loop {
        match session.next_public()? {
            Next::Item(update) => {
                if update.kind != PublicKind::Level.wire() || update.qty == Lots::ZERO {
                    continue;
                }
                let side = if update.side == Side::Buy.wire() { Side::Sell } else { Side::Buy };
                let order = desk::taking_order(answered, side, update.price);
                let Some(Request::NewOrder(order)) = order.command() else {
                    bail!("it is a new order");
                };
                session.submit(order)?;
                answered += 1;
            }
            Next::Lapped { skipped } => bail!("{skipped} updates were missed"),
            // The ring of events must not fill; nothing is made of them.
            Next::Empty => while session.next_event()?.is_some() {},
        }
    }
}
