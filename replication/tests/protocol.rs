//! Several nodes, a store and links on one made-up clock: whatever breaks, what was released is in the journal of everyone who
//! ever leads after. A failure prints the seed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate_journal::frame::KIND_COMMAND;
use tidegate_model::SeqNo;
use tidegate_replication::catchup::Held;
use tidegate_replication::follower::{FollowerError, Start, Told};
use tidegate_replication::leader::{Action, Identity, Limits, LinkId, Names};
use tidegate_replication::lease::{
    Answer, Ask, Candidate, Question, Record, Revision, Standing, Timing,
};
use tidegate_replication::message::{Control, EpochBegins, Message, Progress, RecordsBuilder};
use tidegate_replication::{Follower, History, Leader, Lease, Moment};

const INSTANCE: u128 = 0x71de;
const STEP_NS: u64 = 5_000_000;
const MS: u64 = 1_000_000;

/// One entry of a journal: the epoch it was written in, and what makes it itself.
type Entry = (u64, u64);

/// A small generator of its own, so that a seed is all there is to a run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

enum Role {
    Standby(Box<Follower>),
    Primary(Box<Leader>),
    /// Ended; started again some time.
    Down,
}

struct Node {
    name: String,
    log: Vec<Entry>,
    /// Entries that a loss of power keeps.
    synced: usize,
    role: Role,
    lease: Lease,
    /// Counts its processes: an answer to one is none to the next.
    life: u64,
    /// Has everything that it ever confirmed.
    is_complete: bool,
    /// Parts in a million by which its clock is fast.
    clock_ppm: i64,
    paused_until: u64,
    /// The epoch of the next record, if it is another.
    begins: Option<u64>,
    /// How far it has released what it leads.
    told: u64,
}

/// One connection, from a standby to a primary; bytes in order.
struct Link {
    from: usize,
    to: usize,
    id: Option<LinkId>,
    up: VecDeque<(u64, Vec<u8>)>,
    down: VecDeque<(u64, Vec<u8>)>,
    sent: SeqNo,
}

/// A question on its way.
struct Asked {
    arrives: u64,
    back: u64,
    is_answered: bool,
    node: usize,
    life: u64,
    ask: Ask,
}

#[derive(Default)]
struct Store {
    record: Option<Record>,
    revision: u64,
}

struct World {
    dice: Dice,
    now: u64,
    nodes: Vec<Node>,
    links: Vec<Link>,
    store: Store,
    asks: Vec<Asked>,
    answers: Vec<(u64, usize, u64, u64, Answer)>,
    released: BTreeMap<u64, Entry>,
    entries: u64,
    takeovers: u64,
    with_power_loss: bool,
}

fn history(log: &[Entry]) -> History {
    let mut history = History::default();
    for (at, (epoch, _)) in log.iter().enumerate() {
        if history.last_epoch() == Some(*epoch) {
            history.grow(SeqNo(at as u64 + 1));
        } else {
            history.begin(*epoch);
        }
    }
    history
}

fn lease(name: &str, may_create: bool) -> Lease {
    let instance = Some(format!("{INSTANCE:032x}"));
    let who = Candidate { name: name.into(), address: format!("{name}:1"), instance, may_create };
    Lease::new(who, Timing::default())
}

fn follower(node: &Node) -> Role {
    Role::Standby(Box::new(Follower::new(Start {
        name: node.name.clone(),
        instance: Some(INSTANCE),
        behaviour_version: 1,
        history: history(&node.log),
        is_complete: node.is_complete,
        back_to: SeqNo::ZERO,
        replicated: SeqNo::ZERO,
    })))
}

impl World {
    fn new(seed: u64, nodes: usize, with_power_loss: bool) -> Self {
        let mut dice = Dice(seed);
        let nodes = (0..nodes).map(|at| {
            let name = ["a", "b", "c"][at].to_string();
            let mut node = Node {
                lease: lease(&name, at == 0),
                name,
                log: Vec::new(),
                synced: 0,
                role: Role::Down,
                life: 0,
                is_complete: true,
                clock_ppm: dice.below(2_000) as i64 - 1_000,
                paused_until: 0,
                begins: None,
                told: 0,
            };
            node.role = follower(&node);
            node
        });
        let nodes = nodes.collect();
        Self {
            dice,
            now: 1_000 * MS,
            nodes,
            links: Vec::new(),
            store: Store::default(),
            asks: Vec::new(),
            answers: Vec::new(),
            released: BTreeMap::new(),
            entries: 0,
            takeovers: 0,
            with_power_loss,
        }
    }

    fn clock(&self, at: usize) -> Moment {
        let now = i128::from(self.now);
        let drift = now * i128::from(self.nodes[at].clock_ppm) / 1_000_000;
        Moment((now + drift) as u64 + 7_000 * MS * at as u64)
    }

    /// Runs with trouble for some steps, and then without.
    fn run(&mut self, troubled: u64, calm: u64) {
        for step in 0..troubled + calm {
            self.now += STEP_NS;
            if step < troubled {
                self.trouble();
            } else {
                for at in 0..self.nodes.len() {
                    if matches!(self.nodes[at].role, Role::Down) {
                        self.restart(at);
                    }
                }
            }
            self.store_moves();
            for at in 0..self.nodes.len() {
                if self.nodes[at].paused_until <= self.now {
                    self.node_moves(at);
                }
            }
            self.links_move();
        }
    }

    fn trouble(&mut self) {
        let at = self.dice.below(self.nodes.len() as u64) as usize;
        if self.dice.one_in(150) {
            self.nodes[at].paused_until = self.now + self.dice.below(3_000) * MS;
        }
        if self.dice.one_in(200) {
            let loses_power = self.with_power_loss && self.dice.one_in(3);
            self.end(at);
            if loses_power {
                let node = &mut self.nodes[at];
                node.log.truncate(node.synced);
                node.is_complete = false;
            }
        }
        if self.dice.one_in(60) && !self.links.is_empty() {
            let link = self.dice.below(self.links.len() as u64) as usize;
            self.break_link(link);
        }
        if matches!(self.nodes[at].role, Role::Down) && self.dice.one_in(40) {
            self.restart(at);
        }
    }

    fn end(&mut self, at: usize) {
        self.break_links_of(at);
        self.nodes[at].role = Role::Down;
    }

    fn restart(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.lease = lease(&node.name, at == 0);
        node.life += 1;
        node.told = 0;
        node.begins = None;
        node.role = follower(node);
    }

    fn break_links_of(&mut self, at: usize) {
        while let Some(link) = self.links.iter().position(|link| link.from == at || link.to == at) {
            self.break_link(link);
        }
    }

    fn break_link(&mut self, at: usize) {
        let link = self.links.swap_remove(at);
        if let (Role::Primary(leader), Some(id)) = (&mut self.nodes[link.to].role, link.id) {
            leader.closed(id);
        }
        if let Role::Standby(follower) = &mut self.nodes[link.from].role {
            follower.disconnected();
        }
    }

    /// Questions arrive or do not; answers come back or do not. A question that was given up may still arrive.
    fn store_moves(&mut self) {
        for at in (0..self.asks.len()).rev() {
            if self.asks[at].arrives > self.now {
                continue;
            }
            let Asked { back, is_answered, node, life, ask, .. } = self.asks.swap_remove(at);
            let answer = match ask.question {
                Question::Read => {
                    let record = self.store.record.clone();
                    Answer::Is(record.map(|record| (record, Revision(self.store.revision))))
                }
                Question::Swap { expected, record } if expected.0 == self.store.revision => {
                    self.store.revision += 1;
                    self.store.record = Some(record);
                    Answer::Swapped(Revision(self.store.revision))
                }
                Question::Swap { .. } => Answer::Differs,
            };
            let answer = if is_answered { answer } else { Answer::Unknown };
            self.answers.push((back, node, life, ask.number, answer));
        }
        for at in (0..self.answers.len()).rev() {
            let (due, node, ..) = self.answers[at];
            if due > self.now || self.nodes[node].paused_until > self.now {
                continue;
            }
            let (_, node, life, number, answer) = self.answers.swap_remove(at);
            if self.nodes[node].life == life {
                let now = self.clock(node);
                self.nodes[node].lease.answer(now, number, answer);
            }
        }
    }

    fn node_moves(&mut self, at: usize) {
        let now = self.clock(at);
        if matches!(self.nodes[at].role, Role::Down) {
            return;
        }
        if self.dice.one_in(10) {
            self.nodes[at].synced = self.nodes[at].log.len();
        }
        if let Role::Standby(follower) = &self.nodes[at].role {
            let (complete, newest) = (follower.is_complete(), follower.newest_epoch());
            self.nodes[at].is_complete = complete;
            self.nodes[at].lease.journal(complete, newest);
        }
        if let Some(ask) = self.nodes[at].lease.ask(now) {
            let late = if self.dice.one_in(50) { 900 * MS } else { 0 };
            let arrives = self.now + self.dice.below(20) * MS + late;
            let late = if self.dice.one_in(30) { 600 * MS } else { 0 };
            let back = arrives + self.dice.below(20) * MS + late;
            let is_answered = !self.dice.one_in(40);
            let life = self.nodes[at].life;
            self.asks.push(Asked { arrives, back, is_answered, node: at, life, ask });
        }
        let (standing, is_held) =
            (self.nodes[at].lease.standing(), self.nodes[at].lease.is_held(now));
        match (&self.nodes[at].role, standing) {
            (Role::Standby(_), Standing::Holder { epoch, .. }) if is_held => {
                self.promote(at, epoch)
            }
            (Role::Standby(_), Standing::Over { .. }) => self.end(at),
            (Role::Standby(_), _) => self.follow(at, now),
            (Role::Primary(_), Standing::Holder { .. }) if is_held => self.lead(at, now),
            (Role::Primary(_), _) => self.end(at),
            (Role::Down, _) => {}
        }
    }

    fn promote(&mut self, at: usize, epoch: u64) {
        self.break_links_of(at);
        self.takeovers += 1;
        let name = self.nodes[at].name.clone();
        let in_sync = self.nodes[at].lease.record().expect("it holds it").in_sync.clone();
        for (seq, entry) in &self.released {
            let held = self.nodes[at].log.get(*seq as usize - 1);
            assert_eq!(held, Some(entry), "{name} leads in epoch {epoch} without {seq}");
        }
        let identity = Identity { instance: INSTANCE, epoch, behaviour_version: 1 };
        let names: Names = self.nodes.iter().map(|node| node.name.clone()).collect();
        let others: Names = names.into_iter().filter(|other| *other != name).collect();
        let log = &mut self.nodes[at].log;
        let limits = Limits::default();
        let mut leader = Leader::new(identity, limits, history(log), &others, in_sync);
        // Each epoch begins with an input.
        self.entries += 1;
        log.push((epoch, self.entries));
        leader.grown(SeqNo(log.len() as u64));
        self.nodes[at].role = Role::Primary(Box::new(leader));
    }

    fn lead(&mut self, at: usize, now: Moment) {
        let node = &mut self.nodes[at];
        let Role::Primary(leader) = &mut node.role else { return };
        if leader.fenced().is_some() {
            return self.end(at);
        }
        let epoch = leader.identity().epoch;
        for _ in 0..self.dice.below(4) {
            self.entries += 1;
            node.log.push((epoch, self.entries));
        }
        leader.grown(SeqNo(node.log.len() as u64));
        let mut closing = Vec::new();
        while let Some(action) = leader.act(now) {
            match action {
                Action::Send { link, message } => {
                    let mut links = self.links.iter_mut();
                    if let Some(found) = links.find(|l| l.to == at && l.id == Some(link)) {
                        let earliest = found.down.back().map_or(0, |(at, _)| *at);
                        found.down.push_back((earliest.max(self.now + MS), message.to_bytes()));
                    }
                }
                Action::Close { link, .. } => closing.push(link),
                Action::RecordState => {}
                Action::WriteInSync(set) => node.lease.write_in_sync(set),
            }
        }
        if let Some(set) = node.lease.in_sync() {
            leader.in_sync_stands(set);
        }
        for link in self.links.iter_mut().filter(|link| link.to == at) {
            let Some(id) = link.id else { continue };
            let Some(end) = leader.may_send(id) else { continue };
            let end = end.0.min(link.sent.0 + 1 + self.dice.below(8));
            let mut out = Vec::new();
            while link.sent.0 < end {
                let place = link.sent.0 as usize;
                let (written, entry) = node.log[place];
                let begins = EpochBegins { epoch: written, behaviour_version: 1, after: link.sent };
                Control::Epoch(begins).encode(&mut out);
                let mut builder = RecordsBuilder::begin(epoch, link.sent, &mut out);
                assert!(builder.push(KIND_COMMAND, &entry.to_le_bytes(), &mut out));
                builder.finish(&mut out);
                link.sent = link.sent.next();
            }
            leader.sent(id, link.sent);
            if !out.is_empty() {
                let earliest = link.down.back().map_or(0, |(at, _)| *at);
                let due = earliest.max(self.now + self.dice.below(30) * MS);
                link.down.push_back((due, out));
            }
        }
        for seq in node.told + 1..=leader.replicated().0 {
            let entry = node.log[seq as usize - 1];
            let before = self.released.insert(seq, entry);
            let is_same = before.is_none_or(|before| before == entry);
            assert!(is_same, "{seq} was released as {before:?}, now {entry:?}");
        }
        node.told = leader.replicated().0;
        for link in closing {
            let mut links = self.links.iter();
            if let Some(place) = links.position(|l| l.to == at && l.id == Some(link)) {
                self.break_link(place);
            }
        }
    }

    fn follow(&mut self, at: usize, now: Moment) {
        let linked = self.links.iter().position(|link| link.from == at);
        let node = &mut self.nodes[at];
        let Role::Standby(follower) = &mut node.role else { return };
        if let Some(link) = linked {
            if follower.silence(now).is_some_and(|silence| silence > Duration::from_millis(600)) {
                return self.break_link(link);
            }
            let received = SeqNo(node.log.len() as u64);
            let synced = SeqNo(node.synced as u64);
            let progress = Progress { received, applied: received, synced: synced.min(received) };
            if let Some(control) = follower.confirm(progress) {
                let up = &mut self.links[link].up;
                let earliest = up.back().map_or(0, |(at, _)| *at);
                let due = earliest.max(self.now + self.dice.below(10) * MS);
                up.push_back((due, control.to_bytes()));
            }
            return;
        }
        // It looks for whoever leads, or believes to.
        let leads = |to: &usize| matches!(self.nodes[*to].role, Role::Primary(_));
        let leaders: Vec<_> = (0..self.nodes.len()).filter(leads).collect();
        if leaders.is_empty() || !self.dice.one_in(10) {
            return;
        }
        let to = leaders[self.dice.below(leaders.len() as u64) as usize];
        let Role::Standby(follower) = &mut self.nodes[at].role else { return };
        let up = VecDeque::from([(self.now, follower.connected(now).to_bytes())]);
        let (down, sent) = (VecDeque::new(), SeqNo::ZERO);
        self.links.push(Link { from: at, to, id: None, up, down, sent });
    }

    fn links_move(&mut self) {
        let mut broken = Vec::new();
        for at in 0..self.links.len() {
            let (from, to) = (self.links[at].from, self.links[at].to);
            let now = self.now;
            let mut is_good = true;
            while is_good
                && self.nodes[to].paused_until <= now
                && let Some((_, bytes)) = self.links[at].up.pop_front_if(|(due, _)| *due <= now)
            {
                is_good = self.leader_hears(at, &bytes);
            }
            while is_good
                && self.nodes[from].paused_until <= now
                && let Some((_, bytes)) = self.links[at].down.pop_front_if(|(due, _)| *due <= now)
            {
                is_good = self.follower_hears(at, &bytes);
            }
            if !is_good {
                broken.push((from, to));
            }
        }
        for (from, to) in broken {
            let mut links = self.links.iter();
            if let Some(at) = links.position(|link| link.from == from && link.to == to) {
                self.break_link(at);
            }
        }
    }

    fn leader_hears(&mut self, at: usize, bytes: &[u8]) -> bool {
        let to = self.links[at].to;
        let now = self.clock(to);
        let Role::Primary(leader) = &mut self.nodes[to].role else { return false };
        let (message, _) = Message::split(bytes).expect("valid").expect("whole");
        let link = &mut self.links[at];
        match (link.id, message) {
            (None, Message::Control(Control::Hello(hello))) => {
                let Ok((id, welcome)) = leader.greet(now, &hello, &Held::default()) else {
                    return false;
                };
                (link.id, link.sent) = (Some(id), welcome.common);
                link.down.push_back((self.now + MS, Control::Welcome(welcome).to_bytes()));
                true
            }
            (None, _) => false,
            (Some(id), message) => leader.hear(now, id, &message).is_ok(),
        }
    }

    fn follower_hears(&mut self, at: usize, bytes: &[u8]) -> bool {
        let from = self.links[at].from;
        let now = self.clock(from);
        let node = &mut self.nodes[from];
        let Role::Standby(follower) = &mut node.role else { return false };
        let mut rest = bytes;
        while let Some((message, len)) = Message::split(rest).expect("valid") {
            rest = &rest[len..];
            match follower.hear(now, message) {
                Ok(Told::Follow { cut_after: Some(after), .. }) => {
                    node.log.truncate(after.0 as usize);
                    node.synced = node.synced.min(node.log.len());
                    follower.cut();
                }
                Ok(Told::Epoch(begins)) => node.begins = Some(begins.epoch),
                Ok(Told::Records(records)) => {
                    for record in records.iter() {
                        let before = node.log.last().map(|(epoch, _)| *epoch);
                        let epoch = node.begins.take().or(before).expect("records are of an epoch");
                        let entry = u64::from_le_bytes(record.payload.try_into().expect("8 bytes"));
                        node.log.push((epoch, entry));
                        assert_eq!(node.log.len() as u64, record.seq.0);
                    }
                }
                Ok(_) => {}
                Err(FollowerError::OldLeader { .. }) => {
                    let fenced = follower.fenced().to_bytes();
                    self.links[at].up.push_back((self.now, fenced));
                    return false;
                }
                Err(error @ FollowerError::WouldLose { .. }) => panic!("{error}"),
                Err(_) => return false,
            }
        }
        true
    }
}

struct Ran {
    released: u64,
    takeovers: u64,
    /// Released while nothing was in trouble any more.
    in_calm: u64,
}

fn run(seed: u64, nodes: usize, with_power_loss: bool) -> Ran {
    let mut world = World::new(seed, nodes, with_power_loss);
    let mut before = 0;
    let all = std::panic::AssertUnwindSafe(|| {
        world.run(4_000, 0);
        before = world.released.len() as u64;
        world.run(0, 2_000);
    });
    if let Err(panic) = std::panic::catch_unwind(all) {
        eprintln!("seed {seed}, {nodes} nodes, loss of power: {with_power_loss}");
        std::panic::resume_unwind(panic);
    }
    let released = world.released.len() as u64;
    Ran { released, takeovers: world.takeovers, in_calm: released - before }
}

#[test]
fn what_was_released_is_in_every_later_leaders_journal() {
    let (mut released, mut takeovers) = (0, 0);
    for seed in 0..60 {
        for nodes in [2, 3] {
            for with_power_loss in [false, true] {
                let ran = run(seed, nodes, with_power_loss);
                released += ran.released;
                takeovers += ran.takeovers;
                // A loss of power of several nodes may leave nobody who is known to have everything.
                let goes_on = ran.in_calm > 0 || with_power_loss;
                assert!(goes_on, "seed {seed}, {nodes} nodes: nothing goes on when trouble ends");
            }
        }
    }
    // A test in which nothing happens shows nothing.
    assert!(released > 100_000 && takeovers > 1_000, "{released} released, {takeovers} takeovers");
}
