//! A leader and a follower that is too far behind for its journal, step by step: what comes, what is refused, and that nothing of the
//! follower's is touched before everything is there and good.

use std::collections::BTreeSet;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::replay::BEHAVIOUR_VERSION;
use tidegate_journal::{Dir, epochs, exchange, verify};
use tidegate_model::{CommandRecord, PrincipalId, ReleaseLevel, SeqNo, SessionId, StateHash};
use tidegate_replication::catchup::{Held, Incoming, Stream, Watermarks, back_to, held};
use tidegate_replication::follower::{FollowerError, Start, Told};
use tidegate_replication::leader::{Identity, Leader, Limits, Names};
use tidegate_replication::message::{Control, Hello, Message, Refusal, Welcome};
use tidegate_replication::tail::history;
use tidegate_replication::{Follower, History, Moment};
use tidegate_sim::dice::Dice;
use tidegate_sim::load;
use tidegate_sim::machine::{INSTANCE, Machine, Rig, place};
use tidegate_sim::operator::{prune, replay, take_snapshot};

const NOW: Moment = Moment(1);

/// A machine that leads, and trades.
struct Primary {
    machine: Machine,
    rig: Option<Rig>,
    dice: Dice,
    now: u64,
    orders: u64,
}

impl Primary {
    fn new() -> Self {
        let mut dice = Dice::new(7);
        let machine = Machine::new("anna", &mut dice, 0);
        let mut primary = Self { machine, rig: None, dice, now: 1, orders: 0 };
        primary.begin(1);
        let date = primary.machine.date(1);
        let rig = primary.rig.as_mut().expect("it runs");
        rig.feed.push(load::definition(date)).expect("room");
        for command in load::set_up() {
            let mut record = CommandRecord::new(command);
            record.ts_recv = date;
            assert!(rig.send(record));
        }
        primary.trade(10);
        primary
    }

    /// Starts again, in another epoch.
    fn begin(&mut self, epoch: u64) {
        self.rig = None;
        self.machine.disk.end_process();
        let date = self.machine.date(self.now);
        let mut rig = Rig::boot(&self.machine, ReleaseLevel::Process, date).expect("it starts");
        rig.engine.lead(epoch, load::configure(), date).expect("it leads");
        self.rig = Some(rig);
    }

    fn trade(&mut self, turns: u64) {
        let rig = self.rig.as_mut().expect("it runs");
        for _ in 0..turns {
            self.now += 1_000_000;
            let date = self.machine.date(self.now);
            for _ in 0..5 {
                self.orders += 1;
                let command = load::command(&mut self.dice, self.orders);
                let mut record = CommandRecord::new(command).from_session(
                    PrincipalId(1),
                    SessionId(1),
                    self.orders,
                );
                record.ts_recv = date;
                assert!(rig.send(record));
                rig.feed.push(load::market(&mut self.dice, self.orders, date)).expect("room");
            }
            rig.turn(date).expect("it goes on");
            while rig.publish().expect("room") > 0 {}
        }
        rig.sync().expect("synced");
        rig.sync_log().expect("synced");
    }

    fn rig(&self) -> &Rig {
        self.rig.as_ref().expect("it runs")
    }

    fn dir(&self) -> Dir {
        self.machine.dir()
    }

    fn watermarks(&self) -> Watermarks {
        let rig = self.rig();
        Watermarks { journal: rig.engine.watermark(), events: rig.log.watermark() }
    }

    fn history(&self) -> History {
        history(self.dir(), self.rig().last()).expect("a history")
    }

    fn held(&self) -> Held {
        let events = self.watermarks().events.seq().0;
        held(&self.dir(), &self.history(), events, &BTreeSet::new()).expect("it can be read")
    }

    fn leader(&self) -> Leader {
        let history = self.history();
        let epoch = history.last_epoch().expect("an epoch");
        let identity = Identity { instance: INSTANCE, epoch, behaviour_version: BEHAVIOUR_VERSION };
        let followers: Names = ["bert".to_string()].into();
        let limits = Limits { far_behind: 1_000, ..Limits::default() };
        Leader::new(identity, limits, history, &followers, Names::new())
    }

    /// With a snapshot, and without the segments before it.
    fn pruned() -> Self {
        let mut primary = Self::new();
        primary.trade(300);
        take_snapshot(&primary.dir()).expect("taken");
        primary.trade(3);
        assert!(prune(&primary.dir()).expect("pruned") > 0, "too few segments");
        primary
    }
}

fn follower(machine: &Machine) -> Follower {
    let dir = machine.dir();
    dir.storage().create_dir(dir.path()).expect("made");
    let last = verify(&dir).ok().and_then(|report| report.last_seq).unwrap_or_default();
    let history =
        if last > SeqNo::ZERO { history(&dir, last).expect("one") } else { History::default() };
    Follower::new(Start {
        name: "bert".into(),
        instance: Some(INSTANCE),
        behaviour_version: BEHAVIOUR_VERSION,
        history,
        is_complete: true,
        back_to: back_to(&dir).expect("it can be read"),
        replicated: SeqNo::ZERO,
    })
}

fn greet(
    primary: &Primary,
    leader: &mut Leader,
    follower: &mut Follower,
) -> Result<Welcome, Refusal> {
    let Control::Hello(hello) = follower.connected(NOW) else { panic!("no greeting") };
    leader.greet(NOW, &hello, &primary.held()).map(|(_, welcome)| welcome)
}

/// All that a leader sends behind a welcome with a snapshot.
fn sent(primary: &Primary, welcome: &Welcome) -> Vec<Vec<u8>> {
    let mut stream = Stream::open(&primary.dir(), primary.watermarks(), welcome).expect("open");
    let until = welcome.snapshot.as_ref().expect("a snapshot").seq;
    let mut messages = Vec::new();
    while stream.last() < until {
        let mut out = Vec::new();
        stream.fill(until, &mut out).expect("it can be read");
        let mut rest = &out[..];
        while let Some((_, len)) = Message::split(rest).expect("valid") {
            messages.push(rest[..len].to_vec());
            rest = &rest[len..];
        }
    }
    messages
}

/// Takes what is sent; true when everything is there and in place.
fn take(
    machine: &Machine,
    follower: &mut Follower,
    welcome: &Welcome,
    messages: &[Vec<u8>],
) -> Result<bool, String> {
    let hear = |follower: &mut Follower, message: &mut dyn FnMut(Told<'_>), bytes: &[u8]| {
        let (heard, _) = Message::split(bytes).expect("valid").expect("whole");
        follower.hear(NOW, heard).map(message).map_err(|error: FollowerError| error.to_string())
    };
    let mut begun = None;
    let welcome = Control::Welcome(welcome.clone()).to_bytes();
    hear(
        follower,
        &mut |told| {
            if let Told::Snapshot(begins) = told {
                begun = Some(begins)
            }
        },
        &welcome,
    )?;
    let begins = begun.expect("a snapshot comes");
    let mut incoming = Incoming::begin(&place(machine), &begins).map_err(|e| e.to_string())?;
    for bytes in messages {
        let mut taken = Ok(false);
        let mut take = |told: Told<'_>| {
            taken = match told {
                Told::Piece { bytes, .. } => incoming.piece(bytes).map(|()| false),
                Told::Epoch(begins) => incoming.epoch(begins).map(|()| false),
                Told::Records(records) => incoming.records(&records),
                _ => Ok(false),
            };
        };
        hear(follower, &mut take, bytes)?;
        if taken.map_err(|error| error.to_string())? {
            incoming.finish().map_err(|error| error.to_string())?;
            exchange::commit(&machine.dir()).expect("committed");
            exchange::finish(&machine.dir()).expect("done").expect("it was committed");
            return Ok(true);
        }
    }
    Ok(false)
}

/// A machine that followed for a while, and was away since.
fn away(primary: &Primary) -> (Machine, StateHash) {
    let mut dice = Dice::new(11);
    let machine = Machine::new("bert", &mut dice, 0);
    let mut rig = Rig::boot(&machine, ReleaseLevel::Process, machine.date(1)).expect("it starts");
    let mut leader = primary.leader();
    let mut follower = follower(&machine);
    let welcome = greet(primary, &mut leader, &mut follower).expect("everything is held");
    assert_eq!(welcome.snapshot, None);
    let mut stream = Stream::open(&primary.dir(), primary.watermarks(), &welcome).expect("open");
    let mut out = Vec::new();
    stream.fill(SeqNo(100), &mut out).expect("records");
    let mut rest = &out[..];
    while let Some((message, len)) = Message::split(rest).expect("valid") {
        rest = &rest[len..];
        match message {
            Message::Control(Control::Epoch(begins)) => {
                rig.engine.begin_epoch(begins.epoch, begins.behaviour_version).expect("an epoch");
            }
            Message::Records(records) => {
                for record in records.iter() {
                    rig.engine.take(record.kind, record.seq, record.payload).expect("taken");
                }
            }
            other => panic!("{other:?}"),
        }
    }
    while rig.publish().expect("room") > 0 {}
    rig.sync().expect("synced");
    let hash = rig.engine.core().state_hash();
    drop(rig);
    machine.disk.end_process();
    (machine, hash)
}

#[test]
fn a_follower_that_was_away_too_long_begins_with_the_snapshot() {
    let mut primary = Primary::new();
    let (machine, hash) = away(&primary);
    // Other epochs came meanwhile, and went with the segments that they were written in.
    for epoch in 2..5 {
        primary.begin(epoch);
        primary.trade(100);
    }
    take_snapshot(&primary.dir()).expect("taken");
    primary.trade(5);
    assert!(prune(&primary.dir()).expect("pruned") > 0);
    let known = epochs(primary.dir()).expect("readable");
    assert_eq!(known.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [1, 2, 3, 4]);

    let mut leader = primary.leader();
    let mut bert = follower(&machine);
    let welcome = greet(&primary, &mut leader, &mut bert).expect("there is a snapshot");
    let begins = welcome.snapshot.clone().expect("it is sent");
    assert_eq!(welcome.common, SeqNo(100), "epochs that are not held any more are known");
    assert!(take(&machine, &mut bert, &welcome, &sent(&primary, &welcome)).expect("good"));

    // It starts as it was sent, and follows from there.
    let rig = Rig::boot(&machine, ReleaseLevel::Process, machine.date(2)).expect("it starts");
    assert_eq!(rig.last(), begins.seq);
    assert_eq!(rig.log.count(), begins.events);
    let mut cursors = [&rig.log, &primary.rig().log]
        .map(|log| log.cursor(EventPosition::default()).expect("from the first event on"));
    for _ in 0..begins.events {
        let [own, theirs] = cursors.each_mut().map(|cursor| cursor.next().expect("whole"));
        assert_eq!(own, theirs);
    }
    drop(rig);
    machine.disk.end_process();
    let replayed = replay(&machine.dir()).expect("whole").expect("inputs");
    assert_eq!(replayed.core.seq(), begins.seq);
    let mut bert = follower(&machine);
    assert_eq!(bert.history().starts(), primary.history().starts(), "it knows every epoch");
    let welcome = greet(&primary, &mut leader, &mut bert).expect("records do now");
    assert_eq!((welcome.common, welcome.snapshot), (begins.seq, None));

    // What it had is whole, where it was set aside.
    let aside = machine.dir().join("cut").join("journal.1");
    let before = replay(&aside).expect("whole").expect("inputs");
    assert_eq!((before.core.seq(), before.core.state_hash()), (SeqNo(100), hash));
}

#[test]
fn a_new_follower_begins_with_the_snapshot_if_that_is_shorter() {
    let mut primary = Primary::new();
    let (was_here, _) = away(&primary);
    primary.trade(150);
    take_snapshot(&primary.dir()).expect("taken");
    let machine = Machine::new("bert", &mut Dice::new(3), 0);
    let mut leader = primary.leader();
    let welcome = greet(&primary, &mut leader, &mut follower(&machine)).expect("all is held");
    let begins = welcome.snapshot.clone().expect("over a thousand records");
    assert_eq!(begins.after, SeqNo::ZERO, "the chain has no link yet, so the records come along");
    let mut bert = follower(&machine);
    bert.connected(NOW);
    assert!(take(&machine, &mut bert, &welcome, &sent(&primary, &welcome)).expect("good"));
    // One who was here before, and is not so far behind, gets records.
    let welcome = greet(&primary, &mut leader, &mut follower(&was_here)).expect("all is held");
    assert_eq!((welcome.common, welcome.snapshot), (SeqNo(100), None));
}

#[test]
fn without_a_snapshot_that_fits_it_is_refused_and_told_what_to_do() {
    let primary = Primary::pruned();
    let machine = Machine::new("bert", &mut Dice::new(3), 0);
    let refused = |held: &Held| {
        let Control::Hello(hello) = follower(&machine).connected(NOW) else {
            panic!("no greeting")
        };
        let refusal = primary.leader().greet(NOW, &hello, held).expect_err("nothing fits");
        assert!(matches!(refusal, Refusal::NotHeld { .. }), "{refusal}");
        assert!(refusal.to_string().contains("tidegate journal snapshot"), "{refusal}");
    };
    let held = primary.held();
    assert!(held.snapshot.is_some() && held.first > SeqNo(1));
    refused(&Held { snapshot: None, ..held.clone() });
    // Of another epoch than the leader's record of that number.
    let mut other = held.clone();
    if let Some(begins) = &mut other.snapshot {
        begins.history = History::default();
        begins.history.begin(9);
        begins.history.grow(begins.seq);
    }
    refused(&other);
    // One that is damaged, or that tells of more events than the log has, is not offered.
    let (dir, history) = (primary.dir(), primary.history());
    let seq = held.snapshot.as_ref().expect("one").seq;
    let look = |events, bad: &[SeqNo]| {
        look_at(&dir, &history, events, &bad.iter().copied().collect()).snapshot
    };
    let events = held.snapshot.as_ref().expect("one").events;
    assert!(look(events, &[]).is_some());
    assert!(look(events - 1, &[]).is_none());
    assert!(look(events, &[seq]).is_none());
}

fn look_at(dir: &Dir, history: &History, events: u64, bad: &BTreeSet<SeqNo>) -> Held {
    held(dir, history, events, bad).expect("it can be read")
}

#[test]
fn who_cannot_be_cut_to_what_is_in_common_begins_with_a_snapshot() {
    // Its own journal begins with a snapshot, and its end was never confirmed: below the snapshot it knows no state.
    let primary = Primary::pruned();
    let mut leader = primary.leader();
    let held = primary.held();
    let mut history = primary.history();
    let end = history.last();
    history.cut_after(SeqNo(held.first.0 + 5));
    history.begin(2);
    let hello = |back_to| Hello {
        version: tidegate_replication::message::PROTOCOL_VERSION,
        name: "bert".into(),
        instance: Some(INSTANCE),
        behaviour_version: BEHAVIOUR_VERSION,
        newest_epoch: 1,
        history: History::new(history.starts()[..1].to_vec(), end).expect("one"),
        back_to,
    };
    // Everything is in common: nothing is to be cut.
    let (_, welcome) = leader.greet(NOW, &hello(SeqNo::ZERO), &held).expect("taken");
    assert_eq!((welcome.common, &welcome.snapshot), (end, &None));
    let mut parted = hello(SeqNo::ZERO);
    parted.history = History::new(history.starts()[..1].to_vec(), SeqNo(end.0 + 50)).expect("one");
    let (_, welcome) = leader.greet(NOW, &parted, &held).expect("taken");
    assert_eq!((welcome.common, &welcome.snapshot), (end, &None), "it cuts");
    parted.back_to = end.next();
    let refusal = leader.greet(NOW, &parted, &held).expect_err("the snapshot is older");
    assert!(matches!(refusal, Refusal::NotHeld { .. }));
}

#[test]
fn nothing_is_touched_before_everything_is_there_and_good() {
    let mut primary = Primary::new();
    let (machine, hash) = away(&primary);
    primary.trade(300);
    take_snapshot(&primary.dir()).expect("taken");
    primary.trade(3);
    assert!(prune(&primary.dir()).expect("pruned") > 0);
    let mut leader = primary.leader();
    let welcome = greet(&primary, &mut leader, &mut follower(&machine)).expect("a snapshot");
    let good = sent(&primary, &welcome);
    let is_piece = |bytes: &Vec<u8>| bytes[4] == 3;
    let pieces = good.iter().filter(|bytes| is_piece(bytes)).count();
    let attempt = |what: &str, welcome: &Welcome, messages: &[Vec<u8>]| {
        let mut bert = follower(&machine);
        bert.connected(NOW);
        let taken = take(&machine, &mut bert, welcome, messages);
        assert!(!matches!(taken, Ok(true)), "{what} was taken");
        let before = replay(&machine.dir()).expect("whole").expect("inputs");
        assert_eq!((before.core.seq(), before.core.state_hash()), (SeqNo(100), hash), "{what}");
        taken.err().unwrap_or_default()
    };
    let changed = |at: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let mut messages = good.clone();
        change(&mut messages[at]);
        messages
    };
    // A byte of the file, wherever it is.
    for (at, byte) in [(0, 100), (0, 2_000), (pieces / 2, 50), (pieces - 1, 40)] {
        let said =
            attempt("a changed byte", &welcome, &changed(at, &|bytes| bytes[13 + byte] ^= 1));
        assert!(said.contains("no whole snapshot") || said.contains("does not fit"), "{said}");
    }
    // Pieces that are missing, come twice or out of order, and a link that ends at any message.
    for at in 0..pieces {
        let mut messages = good.clone();
        messages.remove(at);
        attempt("a missing piece", &welcome, &messages);
    }
    let mut twice = good.clone();
    twice.insert(1, good[0].clone());
    attempt("a piece that comes twice", &welcome, &twice);
    for end in (0..good.len()).step_by(7) {
        attempt("the beginning", &welcome, &good[..end]);
    }
    // What is announced is not what comes.
    let told = |change: &dyn Fn(&mut tidegate_replication::message::SnapshotBegins)| {
        let mut welcome = welcome.clone();
        change(welcome.snapshot.as_mut().expect("one"));
        welcome
    };
    attempt("a longer file", &told(&|begins| begins.len += 1), &good);
    attempt("a shorter file", &told(&|begins| begins.len -= 1), &good);
    attempt("more events", &told(&|begins| begins.events += 1), &good);
    attempt("fewer events", &told(&|begins| begins.events -= 1), &good);
    attempt("other records", &told(&|begins| begins.after = begins.after.next()), &good);
    let mut other = welcome.clone();
    other.instance = 9;
    assert!(attempt("another journal", &other, &good).contains("has journal"));

    // And the good one is taken after all that.
    let mut bert = follower(&machine);
    bert.connected(NOW);
    assert!(take(&machine, &mut bert, &welcome, &good).expect("good"));
    exchange::finish(&machine.dir()).expect("nothing is in its way");
}
