//! The world: machines, a network between them, a consensus store, clients and a feed, and everything that can go wrong with them;
//! all from one seed.

use crate::dice::Dice;
use crate::disk::Faults;
use crate::load;
use crate::machine::{Machine, dir_path};
use crate::net::{Net, Wire};
use crate::node::{Node, NodeEnd};
use crate::operator::{prune, replay, take_snapshot};
use crate::oracle::{Oracle, check_money};
use crate::store::Store;
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use tidegate_engine::replay::ReplayError;
use tidegate_engine::snapshot::ShadowError;
use tidegate_journal::{exchange, synced};
use tidegate_model::{CommandRecord, PrincipalId, ReleaseLevel, SeqNo, SessionId, StateHash};

/// Nanoseconds in a microsecond and a millisecond.
const US: u64 = 1_000;
const MS: u64 = 1_000_000;
/// Steps in which things go wrong.
const STEPS: u64 = 1_200;
/// Steps in which nothing does any more, and everything must come right.
const STEPS_TO_HEAL: u64 = 6_000;

/// What one seed makes of the world.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What outputs wait for.
    pub level: ReleaseLevel,
    /// Machines; with one there is neither follower nor store.
    pub machines: usize,
    /// What can go wrong, each once in so many steps; 0 for never.
    pub odds: Odds,
    /// What disks do wrong.
    pub faults: Faults,
    /// Millionths that clocks go wrong.
    pub drift_ppm: u64,
}

/// Each happens once in so many steps; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    /// A process is killed.
    pub kill: u64,
    /// A machine loses power.
    pub power: u64,
    /// A process is killed in the middle of something that it does to its disk.
    pub kill_within: u64,
    /// A disk is full for a while.
    pub full: u64,
    /// A process stands still for a while, past its lease perhaps.
    pub pause: u64,
    /// Two machines do not hear each other for a while.
    pub partition: u64,
    /// A machine does not hear the store for a while.
    pub store_lost: u64,
    /// A message is lost.
    pub lost: u64,
    /// A message overtakes others.
    pub overtakes: u64,
    /// A bit on a disk changes.
    pub rot: u64,
    /// Somebody takes a snapshot of what a disk has.
    pub snapshot: u64,
    /// Somebody takes away the segments that a disk has before its newest snapshot.
    pub prune: u64,
    /// A standby gets an empty disk.
    pub wipe: u64,
    /// A machine falls behind.
    pub slow: u64,
    /// An operator lets the primary give over.
    pub hand_over: u64,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(dice: &mut Dice) -> Self {
        let level = *dice.pick(&[
            ReleaseLevel::Process,
            ReleaseLevel::Power,
            ReleaseLevel::Replica,
            ReleaseLevel::Replica,
            ReleaseLevel::ReplicaPower,
        ]);
        let machines = if level.is_replicated() { dice.within(2, 3) as usize } else { 1 };
        // Each kind of trouble is there in half of the worlds: rare ones are not hidden behind common ones.
        let mut odds = |n: u64| if dice.one_in(2) { 0 } else { n };
        let mut plan = Self {
            level,
            machines,
            odds: Odds {
                kill: odds(150),
                power: odds(250),
                kill_within: odds(150),
                full: odds(300),
                pause: odds(200),
                partition: odds(200),
                store_lost: odds(250),
                lost: odds(60),
                overtakes: odds(60),
                rot: 0,
                snapshot: odds(80),
                prune: 0,
                wipe: 0,
                slow: odds(200),
                hand_over: odds(100),
            },
            faults: Faults { sync_fails: odds(60), misdirects: 0 },
            drift_ppm: odds(50_000),
        };
        if level.is_replicated() && dice.one_in(6) {
            plan.faults.misdirects = 40;
        }
        if dice.one_in(6) {
            plan.odds.rot = 400;
        }
        if plan.odds.snapshot > 0 && dice.one_in(2) {
            plan.odds.prune = 60;
        }
        if level.is_replicated() && dice.one_in(6) {
            plan.odds.wipe = 400;
        }
        plan
    }
}

/// What a run was like.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Inputs of the last primary.
    pub inputs: u64,
    /// Events that clients saw.
    pub events: usize,
    /// Times a process ended, whatever ended it.
    pub ends: u64,
    /// Epochs.
    pub epochs: u64,
    /// Starts that were refused because of damage.
    pub refused: u64,
    /// Times a standby began anew with a snapshot.
    pub caught_up: u64,
    /// The state that the run ended in.
    pub hash: StateHash,
    /// What happened, a line each.
    pub trace: String,
}

struct World {
    plan: Plan,
    dice: Dice,
    now: u64,
    machines: Vec<Machine>,
    nodes: Vec<Option<Node>>,
    /// Until when each process stands still.
    paused: Vec<u64>,
    full_until: Vec<u64>,
    net: Net,
    store: Store,
    oracle: Oracle,
    /// The newest epoch, and the last input before it.
    newest: u64,
    newest_after: SeqNo,
    orders: u64,
    news: u64,
    is_set_up: bool,
    /// So much went wrong that only an operator may decide who goes on.
    may_be_lost: bool,
    was_forced: bool,
    report: Report,
    heals: bool,
}

/// Runs the world of `seed`.
///
/// # Errors
/// What did not hold, with what happened before.
pub fn run(seed: u64) -> Result<Report> {
    let mut dice = Dice::new(seed);
    let plan = Plan::of(&mut dice);
    let mut world = World::new(plan, dice);
    let outcome = world.live();
    let trace = std::mem::take(&mut world.report.trace);
    match outcome {
        Ok(()) => Ok(Report { trace, ..world.report }),
        Err(error) => Err(error.context(format!("{trace}seed {seed}: {:?}", world.plan))),
    }
}

impl World {
    fn new(plan: Plan, mut dice: Dice) -> Self {
        let names = ["anna", "bert", "carl"];
        let machines: Vec<_> = names[..plan.machines]
            .iter()
            .map(|name| Machine::new(name, &mut dice, plan.drift_ppm))
            .collect();
        let count = machines.len();
        for machine in &machines {
            machine.disk.set_faults(plan.faults);
        }
        let net = Net::new(dice.fork(), plan.odds);
        let store = Store::new(dice.fork());
        Self {
            plan,
            dice,
            now: 1,
            machines,
            nodes: (0..count).map(|_| None).collect(),
            paused: vec![0; count],
            full_until: vec![0; count],
            net,
            store,
            oracle: Oracle::default(),
            newest: 0,
            newest_after: SeqNo::ZERO,
            orders: 0,
            news: 0,
            is_set_up: false,
            may_be_lost: false,
            was_forced: false,
            report: Report::default(),
            heals: false,
        }
    }

    fn tell(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.report.trace, "{:>9.3} ms  {text}", self.now as f64 / MS as f64);
    }

    fn live(&mut self) -> Result<()> {
        for _ in 0..STEPS {
            self.step()?;
        }
        self.heals = true;
        self.net.heal();
        self.store.heal();
        for (at, machine) in self.machines.iter().enumerate() {
            machine.disk.set_faults(Faults::default());
            machine.disk.set_capacity(64 << 20);
            machine.disk.stop_after(None);
            self.full_until[at] = 0;
            self.paused[at] = 0;
        }
        self.tell(format_args!("nothing goes wrong any more"));
        for step in 0..STEPS_TO_HEAL {
            self.step()?;
            let nobody = !self.nodes.iter().flatten().any(Node::is_leading);
            if step % (STEPS_TO_HEAL / 4) == STEPS_TO_HEAL / 8 && nobody && self.may_be_lost {
                self.force();
            }
            if step % (STEPS_TO_HEAL / 8) == STEPS_TO_HEAL / 16 && self.plan.odds.prune > 0 {
                self.snapshot_of_leader();
            }
            if self.is_whole() {
                return self.check_end();
            }
        }
        bail!("it did not come right: {}", self.standing());
    }

    fn standing(&self) -> String {
        let mut text =
            format!("{} events seen up to input {}", self.oracle.count(), self.oracle.last());
        for (machine, node) in self.machines.iter().zip(&self.nodes) {
            let _ = match node {
                None => write!(text, "; {} is down", machine.name),
                Some(node) => write!(text, "; {} {}", machine.name, node.standing()),
            };
        }
        text
    }

    fn step(&mut self) -> Result<()> {
        self.now += if self.dice.one_in(20) {
            self.dice.within(MS, 20 * MS)
        } else {
            self.dice.within(10 * US, MS)
        };
        if !self.heals {
            self.trouble()?;
        }
        self.deliver()?;
        for at in 0..self.machines.len() {
            if self.now < self.paused[at] {
                continue;
            }
            if self.nodes[at].is_none() {
                if self.dice.one_in(10) {
                    self.boot(at)?;
                }
                continue;
            }
            self.let_run(at)?;
        }
        self.check_overlap()?;
        self.net.pass(self.now);
        Ok(())
    }

    /// Something may go wrong.
    fn trouble(&mut self) -> Result<()> {
        let odds = self.plan.odds;
        let count = self.machines.len() as u64;
        let strikes = |dice: &mut Dice, odds: u64| {
            (odds > 0 && dice.one_in(odds)).then(|| dice.below(count) as usize)
        };
        if let Some(at) = strikes(&mut self.dice, odds.kill) {
            self.end(at, "is killed");
        }
        if let Some(at) = strikes(&mut self.dice, odds.power) {
            self.lose_power(at);
        }
        if let Some(at) = strikes(&mut self.dice, odds.kill_within) {
            let operations = self.dice.within(1, 30);
            self.machines[at].disk.stop_after(Some(operations));
        }
        if let Some(at) = strikes(&mut self.dice, odds.full) {
            self.full_until[at] = self.now + self.dice.within(MS, 100 * MS);
            self.machines[at].disk.set_capacity(0);
            let name = self.machines[at].name.clone();
            self.tell(format_args!("{name}'s disk is full"));
        }
        for at in 0..self.machines.len() {
            if self.full_until[at] != 0 && self.full_until[at] < self.now {
                self.full_until[at] = 0;
                self.machines[at].disk.set_capacity(64 << 20);
            }
        }
        if let Some(at) = strikes(&mut self.dice, odds.pause) {
            let span = self.dice.within(MS, 300 * MS);
            self.paused[at] = self.now + span;
            let name = self.machines[at].name.clone();
            self.tell(format_args!("{name} stands still for {} ms", span / MS));
        }
        if let Some(at) = strikes(&mut self.dice, odds.slow) {
            let span = self.dice.within(20 * MS, 400 * MS);
            self.net.slow(at, self.now + span);
            let name = self.machines[at].name.clone();
            self.tell(format_args!("{name} is slow for {} ms", span / MS));
        }
        if let Some(at) = strikes(&mut self.dice, odds.hand_over) {
            let clock = self.machines[at].clock(self.now);
            let node = self.nodes[at].as_mut();
            if let Some(to) = node.and_then(|node| node.give_over(clock, &mut self.dice)) {
                let name = self.machines[at].name.clone();
                self.tell(format_args!("{name} gives over to {to}"));
            }
        }
        if let Some(at) = strikes(&mut self.dice, odds.partition) {
            let other = (at + 1 + self.dice.below(count.max(2) - 1) as usize) % count as usize;
            let span = self.dice.within(MS, 200 * MS);
            self.net.part(at, other, self.now + span);
            self.tell(format_args!("machines {at} and {other} are parted for {} ms", span / MS));
        }
        if let Some(at) = strikes(&mut self.dice, odds.store_lost) {
            let span = self.dice.within(MS, 200 * MS);
            self.store.part(at, self.now + span);
            self.tell(format_args!("machine {at} does not hear the store for {} ms", span / MS));
        }
        if let Some(at) = strikes(&mut self.dice, odds.snapshot) {
            let taken = take_snapshot(&self.machines[at].dir());
            let name = self.machines[at].name.clone();
            match taken {
                Ok(seq) => {
                    self.tell(format_args!("a snapshot of {name}'s journal after input {seq}"))
                }
                Err(ShadowError::Replay(error @ ReplayError::Diverged { .. })) => {
                    return Err(error).with_context(|| format!("a snapshot of {name}'s journal"));
                }
                Err(error) => self.tell(format_args!("no snapshot of {name}'s journal: {error}")),
            }
        }
        if let Some(at) = strikes(&mut self.dice, odds.prune) {
            let pruned = prune(&self.machines[at].dir());
            let name = self.machines[at].name.clone();
            match pruned {
                Ok(0) => {}
                Ok(count) => self.tell(format_args!("{count} segments of {name}'s are taken away")),
                Err(error) => self.tell(format_args!("{name}'s journal is not pruned: {error}")),
            }
        }
        if let Some(at) = strikes(&mut self.dice, odds.wipe)
            && !self.nodes[at].as_ref().is_some_and(Node::is_leading)
            && !self.machines[at].has_led
        {
            self.end(at, "gets an empty disk");
            self.machines[at].disk.wipe(&dir_path());
            self.machines[at].is_complete = false;
            self.may_be_lost = true;
        }
        if let Some(at) = strikes(&mut self.dice, odds.rot)
            && self.machines[at].disk.rot(".tgj")
        {
            let name = self.machines[at].name.clone();
            self.tell(format_args!("a bit changed on {name}'s disk"));
        }
        for at in 0..self.machines.len() {
            for told in self.machines[at].disk.take_told() {
                let name = self.machines[at].name.clone();
                self.tell(format_args!("{name}: {told}"));
            }
        }
        Ok(())
    }

    fn end(&mut self, at: usize, how: &str) {
        let Some(node) = self.nodes[at].take() else { return };
        self.machines[at].has_led = node.is_leading();
        drop(node);
        self.report.ends += 1;
        let machine = &self.machines[at];
        machine.disk.end_process();
        machine.disk.stop_after(None);
        self.net.end(at);
        let name = machine.name.clone();
        self.tell(format_args!("{name} {how}"));
    }

    fn lose_power(&mut self, at: usize) {
        if self.nodes[at].is_none() {
            let name = self.machines[at].name.clone();
            self.tell(format_args!("{name} loses power while it is down"));
        }
        self.end(at, "loses power");
        let machine = &mut self.machines[at];
        // Nothing above was promised to survive this at the `process` level.
        let synced = synced::read(machine.dir()).ok().flatten();
        machine.disk.lose_power();
        // What a primary let out, its disk has, if it waits for that.
        self.may_be_lost |= self.plan.level.is_replicated();
        machine.is_complete &= self.plan.level.is_synced() && machine.has_led;
        if self.plan.level == ReleaseLevel::Process {
            self.oracle.forget_above(synced.map_or(SeqNo::ZERO, |synced| synced.seq));
        }
    }

    /// A disk has changed old events, which nobody finds before they are read.
    fn lose_log(&mut self, at: usize) -> Result<()> {
        self.end(at, "cannot read its event log");
        self.empty_disk(at)
    }

    /// What a machine has is damaged: an operator gives it an empty disk. The only one has nobody to begin anew with.
    fn empty_disk(&mut self, at: usize) -> Result<()> {
        self.report.refused += 1;
        if self.machines.len() == 1 {
            bail!(RefusedForGood);
        }
        let machine = &mut self.machines[at];
        machine.disk.wipe(&dir_path());
        machine.is_complete = false;
        self.may_be_lost = true;
        let name = self.machines[at].name.clone();
        self.tell(format_args!("{name} gets an empty disk"));
        Ok(())
    }

    /// Nobody may lead by himself: everyone who might has lost power or his disk. An operator takes the one that has most, and what
    /// that one lacks is lost.
    fn force(&mut self) {
        let have = |at: &usize| {
            let node = self.nodes[*at].as_ref();
            node.map_or((0, SeqNo::ZERO), |node| (node.last_epoch(), node.rig.last()))
        };
        let Some(best) = (0..self.machines.len()).max_by_key(have) else { return };
        let Some(node) = &mut self.nodes[best] else { return };
        node.force();
        let last = node.rig.last();
        self.was_forced = true;
        let name = self.machines[best].name.clone();
        self.tell(format_args!("an operator makes {name} lead after input {last}"));
    }

    /// Followers may be refused for want of a snapshot: an operator takes one.
    fn snapshot_of_leader(&mut self) {
        let leads = |node: &Option<Node>| node.as_ref().is_some_and(Node::is_leading);
        let Some(at) = self.nodes.iter().position(leads) else { return };
        if let Ok(seq) = take_snapshot(&self.machines[at].dir()) {
            let name = self.machines[at].name.clone();
            self.tell(format_args!("an operator's snapshot of {name}'s journal after input {seq}"));
        }
    }

    /// A machine starts its process.
    fn boot(&mut self, at: usize) -> Result<()> {
        let machine = &self.machines[at];
        let has_store = self.machines.len() > 1;
        let names = self.machines.iter().map(|machine| machine.name.clone()).collect();
        match Node::boot(at, machine, self.plan.level, self.now, has_store, names) {
            Ok(node) => {
                let (last, is_leading) = (node.rig.last(), node.is_leading());
                self.nodes[at] = Some(node);
                let name = self.machines[at].name.clone();
                self.tell(format_args!("{name} starts at input {last}"));
                if is_leading {
                    self.check_leader(at)?;
                }
                Ok(())
            }
            Err(error) => {
                let machine = &self.machines[at];
                machine.disk.end_process();
                let was_stopped = machine.disk.stop_after(None);
                let is_full = self.full_until[at] != 0;
                let text = format!("{error:#}");
                let name = machine.name.clone();
                self.tell(format_args!("{name} does not start: {text}"));
                if was_stopped || is_full || text.contains("Input/output error") {
                    return Ok(());
                }
                ensure!(
                    self.disk_is_bad(),
                    "{name} does not start, though its disk did nothing wrong"
                );
                self.empty_disk(at)
            }
        }
    }

    /// What one process does in one step.
    fn let_run(&mut self, at: usize) -> Result<()> {
        let Some(mut node) = self.nodes[at].take() else { return Ok(()) };
        let was_leading = node.is_leading();
        if node.is_leading() {
            self.ask(&mut node, at);
        }
        let before = node.rig.last();
        let outcome = node.step(
            &mut self.machines[at],
            self.now,
            &mut self.dice,
            &mut self.net,
            &mut self.store,
        );
        let epoch = node.epoch();
        self.nodes[at] = Some(node);
        match outcome {
            Ok(released) => {
                if released > 0 && was_leading {
                    self.read(at, epoch)?;
                }
                if !was_leading && self.nodes[at].as_ref().is_some_and(Node::is_leading) {
                    self.report.epochs += 1;
                    let name = self.machines[at].name.clone();
                    let epoch = self.nodes[at].as_ref().map_or(0, Node::epoch);
                    self.tell(format_args!("{name} leads in epoch {epoch} after input {before}"));
                    (self.newest, self.newest_after) = (epoch, before);
                    self.machines[at].is_complete = true;
                    if self.was_forced
                        && let Some(node) = &mut self.nodes[at]
                    {
                        if let Err(end) = node.publish_all() {
                            return self.ended(at, end);
                        }
                        if let Err(error) = self.oracle.forget_what_differs(&node.rig.log) {
                            self.forgive_damage(error)?;
                        }
                    }
                    self.check_leader(at)?;
                }
                Ok(())
            }
            Err(end) => self.ended(at, end),
        }
    }

    /// Clients read what a primary has let out.
    fn read(&mut self, at: usize, epoch: u64) -> Result<()> {
        let Some(node) = &self.nodes[at] else { return Ok(()) };
        let log = &node.rig.log;
        if epoch < self.newest {
            // It may still say what was confirmed before, and nothing else: that is what everyone has seen, or will.
            let last = log.last().seq;
            ensure!(
                last <= self.newest_after,
                "{} told in epoch {epoch} what input {last} did, though epoch {} goes on after {}",
                self.machines[at].name,
                self.newest,
                self.newest_after
            );
        } else {
            self.newest = epoch;
        }
        if log.last().seq >= self.oracle.last() {
            let read = self.oracle.read_on(log);
            if let Err(error) = read {
                self.forgive_damage(error)?;
                self.lose_log(at)?;
            }
        }
        Ok(())
    }

    /// Whether disks change what was synced.
    fn disk_is_bad(&self) -> bool {
        self.plan.odds.rot > 0 || self.plan.faults.misdirects > 0
    }

    fn ended(&mut self, at: usize, end: NodeEnd) -> Result<()> {
        match end {
            NodeEnd::Over(why) => self.end(at, &format!("ends: {why}")),
            NodeEnd::Cut(after) => {
                self.end(at, &format!("cuts what is behind input {after}"));
                match self.machines[at].cut(after) {
                    Ok(_) => {}
                    Err(error) => {
                        self.tell(format_args!("it could not: {error}"));
                        if self.forgive_damage(error).is_ok() {
                            self.empty_disk(at)?;
                        }
                    }
                }
            }
            NodeEnd::CaughtUp(seq) => {
                self.end(at, &format!("has the snapshot of input {seq}"));
                let dir = self.machines[at].dir();
                let odds = self.plan.odds;
                if odds.kill + odds.kill_within > 0 && self.dice.one_in(2) {
                    let operations = self.dice.within(1, 24);
                    self.machines[at].disk.stop_after(Some(operations));
                }
                // Not more than this: the next start goes on, or nothing has changed.
                match exchange::commit(&dir).and_then(|()| exchange::finish(&dir)) {
                    Ok(_) => self.report.caught_up += 1,
                    Err(error) => self.tell(format_args!("it is interrupted: {error}")),
                }
                let disk = &self.machines[at].disk;
                disk.end_process();
                disk.stop_after(None);
            }
            NodeEnd::WouldLose(why) => {
                ensure!(self.was_forced, "{}: {why}", self.machines[at].name);
                self.end(at, &format!("ends: {why}"));
                self.machines[at].disk.wipe(&dir_path());
                self.machines[at].is_complete = false;
            }
            NodeEnd::Damaged(why) => {
                ensure!(self.disk_is_bad(), "{}: {why}", self.machines[at].name);
                self.end(at, &format!("ends: {why}"));
                self.machines[at].disk.wipe(&dir_path());
                self.machines[at].is_complete = false;
                self.may_be_lost = true;
            }
            NodeEnd::Wrong(error) => return Err(error),
        }
        Ok(())
    }

    /// Clients and the feed ask for something.
    fn ask(&mut self, node: &mut Node, at: usize) {
        if !self.is_set_up || node.rig.last() == SeqNo::ZERO {
            let listing = node.rig.engine.core().listing();
            if listing.count() < 2 && !node.is_setting_up {
                node.is_setting_up = true;
                let date = self.machines[at].date(self.now);
                let _ = node.rig.feed.push(load::definition(date));
                // What a loss of power left of it is not asked for again: nobody deposits twice.
                let is_begun = listing.by_symbol(&load::house()).is_some();
                let missing = if is_begun { Vec::new() } else { load::set_up() };
                for command in missing {
                    let mut record = CommandRecord::new(command);
                    record.ts_recv = date;
                    node.rig.send(record);
                }
            }
            self.is_set_up = node.rig.engine.core().listing().count() >= 2;
            return;
        }
        if self.heals && self.dice.one_in(2) {
            return;
        }
        let date = self.machines[at].date(self.now);
        for _ in 0..self.dice.below(6) {
            self.orders += 1;
            let command = load::command(&mut self.dice, self.orders);
            let session = SessionId(self.dice.within(1, 3) as u32);
            let mut record =
                CommandRecord::new(command).from_session(PrincipalId(1), session, self.orders);
            record.ts_recv = date;
            node.rig.send(record);
        }
        for _ in 0..self.dice.below(6) {
            self.news += 1;
            let _ = node.rig.feed.push(load::market(&mut self.dice, self.news, date));
        }
    }

    fn deliver(&mut self) -> Result<()> {
        while let Some(Wire { from, to, item }) = self.net.next(self.now) {
            if self.now < self.paused[to] {
                self.net.keep(Wire { from, to, item }, self.paused[to]);
                continue;
            }
            let Some(mut node) = self.nodes[to].take() else { continue };
            let outcome = node.hear(&mut self.machines[to], self.now, from, &item, &mut self.net);
            self.nodes[to] = Some(node);
            match outcome {
                Ok(()) => {}
                Err(end) => self.ended(to, end)?,
            }
        }
        for at in 0..self.machines.len() {
            if self.now < self.paused[at] {
                continue;
            }
            if let Some(node) = &mut self.nodes[at] {
                let clock = self.machines[at].clock(self.now);
                while let Some((number, answer)) = self.store.answer_for(at, self.now) {
                    node.answer(clock, number, answer);
                }
            }
        }
        Ok(())
    }

    /// Whoever leads has what was seen.
    fn check_leader(&mut self, at: usize) -> Result<()> {
        let Some(node) = &mut self.nodes[at] else { return Ok(()) };
        if let Err(end) = node.publish_all() {
            return self.ended(at, end);
        }
        let name = &self.machines[at].name;
        let last = node.rig.last();
        ensure!(
            last >= self.oracle.last(),
            "{name} leads with inputs up to {last}, though clients saw what input {} did",
            self.oracle.last()
        );
        check_money(node.rig.engine.core())?;
        if let Err(error) = self.oracle.compare(&node.rig.log, false) {
            let error = error.context(format!("{name} leads"));
            self.forgive_damage(error)?;
            self.lose_log(at)?;
        }
        Ok(())
    }

    /// A disk that changes what it holds may be noticed by whoever reads it.
    fn forgive_damage(&self, error: anyhow::Error) -> Result<()> {
        let text = format!("{error:#}");
        let damages = ["is damaged at byte", "bad segment header", "was cut by something else"];
        let is_damage = damages.iter().any(|damage| text.contains(damage));
        if is_damage && self.disk_is_bad() { Ok(()) } else { Err(error) }
    }

    fn check_overlap(&self) -> Result<()> {
        let holds = |at: usize| {
            let clock = self.machines[at].clock(self.now);
            self.nodes[at].as_ref().is_some_and(|node| node.may_take(clock))
        };
        let holders: Vec<_> = (0..self.machines.len()).filter(|&at| holds(at)).collect();
        ensure!(holders.len() <= 1, "machines {holders:?} may take inputs at once");
        Ok(())
    }

    /// Everything has come right: one leads, clients have seen everything, and all others have it.
    fn is_whole(&self) -> bool {
        let Some(leader) = self.nodes.iter().flatten().find(|node| node.is_leading()) else {
            return false;
        };
        let last = leader.rig.last();
        let has = |node: &Option<Node>, last| node.as_ref().is_some_and(|n| n.rig.last() == last);
        self.is_set_up
            && leader.rig.release.released() >= last
            && leader.rig.log.last().seq == self.oracle.last()
            && leader.has_published()
            && (self.disk_is_bad() || self.nodes.iter().all(|node| has(node, last)))
    }

    fn check_end(&mut self) -> Result<()> {
        let mut hashes = Vec::new();
        let leads = |at: &usize| self.nodes[*at].as_ref().is_some_and(Node::is_leading);
        let epoch = |at: &usize| self.nodes[*at].as_ref().map_or(0, Node::epoch);
        let leader = (0..self.machines.len()).filter(leads).max_by_key(epoch);
        for at in 0..self.machines.len() {
            let node = self.nodes[at].take();
            // One whose primary's disk changed what it needs may still be behind.
            let is_behind = self.disk_is_bad() && leader != Some(at);
            let Some(node) = node.filter(|_| !is_behind) else {
                ensure!(self.disk_is_bad(), "a machine is down at the end");
                continue;
            };
            let name = &self.machines[at].name;
            check_money(node.rig.engine.core())?;
            let (seq, hash) = (node.rig.last(), node.rig.engine.core().state_hash());
            if node.is_leading() {
                self.report.inputs = seq.0;
                if let Err(error) = self.oracle.compare(&node.rig.log, true) {
                    self.forgive_damage(error.context(format!("{name}, at the end")))?;
                }
            }
            drop(node);
            hashes.push(hash);
            let replayed = match replay(&self.machines[at].dir()) {
                Ok(replayed) => replayed.context("inputs")?,
                Err(error) => {
                    self.forgive_damage(error.into())?;
                    continue;
                }
            };
            ensure!(
                replayed.core.seq() == seq && replayed.core.state_hash() == hash,
                "{name}'s journal replays to {} after input {}, it was {hash} after {seq}",
                replayed.core.state_hash(),
                replayed.core.seq()
            );
        }
        ensure!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "states differ: {hashes:?}");
        self.report.hash = hashes[0];
        self.report.events = self.oracle.count();
        Ok(())
    }
}

/// A machine without followers whose disk changed what it had synced: it says so, and that is all it can do.
#[derive(Debug, thiserror::Error)]
#[error("the only machine's journal was damaged, and it was refused")]
pub struct RefusedForGood;
