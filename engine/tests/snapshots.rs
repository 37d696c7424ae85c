//! Snapshots in files: written whole or not at all, believed only if they can be, and a restart that begins with one.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::saved::saved;
use support::*;
use tidegate_engine::broadcast;
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::replay::{BEHAVIOUR_VERSION, ReplayError, replay, resume};
use tidegate_engine::runtime::{self, Engine, EngineConfig, EngineStatus, Outputs, Wait};
use tidegate_engine::snapshot::{
    self, Counting, Follow, KEPT, News, Shadow, SnapshotError, read, read_header, snapshots,
};
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Dir, Writer};
use tidegate_model::command::TimeInForce::{Day, Gtc};
use tidegate_model::*;

/// The journal of a desk that buys and sells.
struct Written {
    home: tempfile::TempDir,
    writer: Writer,
    core: Core,
    now: u64,
    out: Counting,
}

impl Written {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let config = Config {
            segment_len: 1 << 17,
            behaviour_version: BEHAVIOUR_VERSION,
            ..Config::default()
        };
        let (writer, _) = Writer::open(home.path(), config).expect("a new journal");
        let core = Core::new(configure(0)).expect("the sizes are allowed");
        let mut written = Self { home, writer, core, now: 1_000, out: Counting::default() };
        written.command(Command::Configure(configure(0)));
        written.market(definition());
        for command in setup_commands() {
            written.command(command);
        }
        written
    }

    fn dir(&self) -> Dir {
        self.home.path().into()
    }

    fn command(&mut self, command: Command) {
        let mut record = CommandRecord::new(command);
        (record.ts_recv, self.now) = (UnixNanos(self.now), self.now + 10);
        let seq = self.core.seq().next();
        self.writer.append_pod(KIND_COMMAND, seq, &record).expect("appended");
        self.core.apply(seq, Input::Command(&record), &mut self.out);
    }

    fn market(&mut self, event: MarketEvent) {
        let at = UnixNanos(self.now);
        let event = MarketEvent { ts_recv: at, ts_event: at, ..event };
        self.now += 10;
        let seq = self.core.seq().next();
        self.writer.append_pod(KIND_MARKET_EVENT, seq, &event).expect("appended");
        self.core.apply(seq, Input::Market(&event), &mut self.out);
    }

    /// So many more orders of the market and of ours.
    fn trade(&mut self, count: u64) {
        for n in 0..count {
            let at = self.core.seq().0;
            let side = if at.is_multiple_of(2) { Side::Buy } else { Side::Sell };
            let price = cents(10_000 + (at * 7 % 11) as i64 - 5);
            self.market(add(at, side, price, at % 90 + 1));
            let tif = if n.is_multiple_of(3) { Gtc } else { Day };
            let order =
                new_order(&format!("n{at}"), side.opposite(), Some(price), at % 50 + 1, tif);
            self.command(Command::NewOrder(order));
        }
        self.writer.append_checkpoint(self.core.state_hash()).expect("appended");
        self.writer.syncer().sync().expect("synced");
    }

    fn take(&self) -> snapshot::Header {
        let mut follow = Follow::begin(&self.dir(), self.core.seq()).expect("a journal");
        follow.advance(self.core.seq(), u64::MAX).expect("whole");
        assert_eq!(follow.seq(), self.core.seq());
        follow.snapshot().expect("written")
    }

    fn path(&self, seq: SeqNo) -> PathBuf {
        self.home.path().join("snapshots").join(format!("{:020}.tgs", seq.0))
    }

    /// What a recovery finds now: the snapshot that it began with, the inputs applied, why others were passed over.
    fn resumed(&self) -> (Option<SeqNo>, u64, Vec<SnapshotError>) {
        let mut resumed = resume(&self.dir(), |_| Ok(())).expect("a journal");
        let mut out = Counting(resumed.from.map_or_else(Default::default, |from| from.events));
        resumed.finish(&mut out, |_| {}).expect("whole");
        let replayed = resumed.replayed.expect("inputs");
        assert_eq!(replayed.core.state_hash(), self.core.state_hash());
        assert!(saved(&replayed.core) == saved(&self.core), "hashed or not");
        assert_eq!(out.0, self.out.0, "events are counted on");
        (resumed.from.map(|from| from.seq), replayed.inputs, resumed.passed_over)
    }
}

#[test]
fn a_replay_begins_with_the_newest_snapshot_and_applies_the_rest() {
    let mut written = Written::new();
    assert_eq!(written.resumed().0, None, "there is none");
    written.trade(50);
    let header = written.take();
    assert_eq!(header.seq, written.core.seq());
    assert_eq!(header.state_hash, written.core.state_hash());
    assert_eq!(header.events, written.out.0);
    assert_eq!(written.resumed().1, 0, "nothing came after it");
    written.trade(50);
    let (from, inputs, passed) = written.resumed();
    assert_eq!((from, inputs, passed.len()), (Some(header.seq), 100, 0));
    let whole = replay(written.dir(), &mut NoOutput, |_| {}).expect("whole").expect("inputs");
    assert_eq!(whole.core.state_hash(), written.core.state_hash());
}

#[test]
fn the_newest_are_kept_and_a_bad_one_is_passed_over() {
    let mut written = Written::new();
    let mut taken = Vec::new();
    for _ in 0..KEPT + 2 {
        written.trade(5);
        taken.insert(0, written.take().seq);
    }
    taken.truncate(KEPT);
    assert_eq!(snapshots(&written.dir()).expect("listed"), taken);
    written.trade(5);
    let newest = written.path(taken[0]);
    let mut bytes = fs::read(&newest).expect("there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&newest, &bytes).expect("put there");
    let (from, inputs, passed) = written.resumed();
    assert_eq!((from, inputs), (Some(taken[1]), 20));
    assert!(matches!(passed[..], [SnapshotError::Damaged { .. }]), "{passed:?}");
    // What a crash leaves while one is written is nobody's, and goes with the next.
    let unfinished = written.path(written.core.seq()).with_extension("tgs.tmp");
    fs::write(&unfinished, &bytes[..bytes.len() / 2]).expect("put there");
    assert_eq!(written.resumed().0, Some(taken[1]));
    written.take();
    assert!(!unfinished.exists());
    assert_eq!(written.resumed().1, 0);
}

#[test]
fn a_snapshot_of_another_history_is_passed_over() {
    let mut written = Written::new();
    written.trade(5);
    let header = written.take();
    let why = |dir: &Dir, fits: fn(&snapshot::Header) -> Result<(), String>| {
        let resumed = resume(dir, fits).expect("a journal");
        assert_eq!(resumed.from, None);
        resumed.passed_over.iter().map(ToString::to_string).collect::<String>()
    };
    assert!(why(&written.dir(), |_| Err("not today".into())).ends_with("does not fit: not today"));
    let mut other = Written::new();
    other.trade(5);
    fs::create_dir(other.home.path().join("snapshots")).expect("made");
    fs::copy(written.path(header.seq), other.path(header.seq)).expect("copied");
    assert!(why(&other.dir(), |_| Ok(())).ends_with("it is of another journal"));
    // As if what the snapshot was taken of had been cut off, and something else written there.
    let (core, events) = (&written.core, written.out.0);
    snapshot::write(&written.dir(), core, header.instance, 7, events).expect("written");
    assert!(why(&written.dir(), |_| Ok(())).contains("it was taken in epoch 7"));
}

#[test]
fn a_journal_that_lost_its_beginning_needs_a_snapshot() {
    let mut written = Written::new();
    written.trade(1_000);
    let header = written.take();
    written.trade(10);
    let first = written.home.path().join("00000000000000000001.tgj");
    fs::remove_file(first).expect("there were several segments");
    assert_eq!(written.resumed().0, Some(header.seq));
    fs::remove_dir_all(written.home.path().join("snapshots")).expect("there");
    let error = resume(&written.dir(), |_| Ok(())).expect_err("nothing to begin with");
    assert!(matches!(error, ReplayError::Pruned { .. }), "{error}");
    assert!(error.to_string().contains("none was found"), "{error}");
}

/// A snapshot that is one only as far as its hash says: nothing of it is believed.
#[test]
fn no_byte_of_a_snapshot_may_be_another() {
    let written = Written::new();
    let header = written.take();
    let (path, dir) = (written.path(header.seq), written.dir());
    let whole = fs::read(&path).expect("there");
    let put = |bytes: &[u8]| fs::write(&path, bytes).expect("put there");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        put(&bytes);
        let error = read(&dir, header.seq).expect_err("a bit is another");
        let is_typed =
            matches!(error, SnapshotError::Damaged { .. } | SnapshotError::Version { .. });
        assert!(is_typed, "byte {at}: {error}");
    }
    for len in 0..whole.len() {
        put(&whole[..len]);
        let error = read(&dir, header.seq).expect_err("the end is missing");
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{len} bytes: {error}");
    }
    put(&whole);
    assert_eq!(read(&dir, header.seq).expect("whole").header, header);
}

fn recover(dir: &Path, logged: EventPosition) -> (Engine<()>, Arc<EngineStatus>) {
    let config = EngineConfig {
        journal_dir: dir.into(),
        journal: Config { segment_len: 1 << 17, ..Config::default() },
        configure: configure(0),
        pin_core: None,
        wait: Wait::Park,
        release: Arc::default(),
        sync: None,
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    };
    let (events, _) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public, _) = broadcast::channel(Arc::default()).expect("memory");
    let outputs = Outputs { events, public, stages, routes: Vec::new(), seats: Default::default() };
    let status = Arc::<EngineStatus>::default();
    let engine = Engine::recover(&config, outputs, logged, (), Arc::clone(&status));
    (engine.expect("it recovers"), status)
}

#[test]
fn an_engine_begins_with_a_snapshot_that_its_event_log_has_come_to() {
    for (logged, begins_with, passed) in [("all", 0, 0), ("less", 1, 1), ("nothing", 2, 2)] {
        let mut written = Written::new();
        written.trade(20);
        let older = written.take();
        written.trade(20);
        let newer = written.take();
        written.trade(5);
        // What the log lacks is told again, so the state before it is needed.
        let less = older.events.last;
        assert!(less < newer.events.last);
        let position = match logged {
            "all" => written.out.0.last,
            "less" => less,
            _ => EventPosition::default(),
        };
        let last = written.core.seq();
        let Written { home, writer, .. } = written;
        writer.close().expect("sealed");
        let (engine, status) = recover(home.path(), position);
        let report = status.recovery.get().expect("it has recovered");
        let from = [Some(newer.seq), Some(older.seq), None][begins_with];
        assert_eq!((report.from, report.passed_over.len()), (from, passed), "{report:?}");
        assert_eq!(report.inputs, last.0 - from.unwrap_or_default().0, "the rest is applied");
        // The gap that empties books whose feed was not heard comes after it.
        assert_eq!(engine.core().seq(), last.next());
        drop(engine);
        let whole = replay(home.path(), &mut NoOutput, |_| {}).expect("whole").expect("inputs");
        assert_eq!(whole.core.seq(), last.next());
    }
}

#[test]
fn a_shadow_follows_what_is_synced_and_takes_its_snapshots() {
    let mut written = Written::new();
    written.trade(10);
    let synced = Arc::new(AtomicU64::new(written.core.seq().0));
    let (tell, told) = std::sync::mpsc::channel();
    let says = Arc::clone(&synced);
    let shadow = Shadow::start(
        written.dir(),
        100,
        move || SeqNo(says.load(Ordering::Acquire)),
        move |news| tell.send(news).expect("heard"),
    );
    let shadow = shadow.expect("a thread");
    let next = |what: &str| match told.recv_timeout(std::time::Duration::from_secs(20)).expect(what)
    {
        News::Taken(header) => header,
        other => panic!("{what}: {other:?}"),
    };
    let mut taken = Vec::new();
    for _ in 0..3 {
        written.trade(60);
        synced.store(written.core.seq().0, Ordering::Release);
        let header = next("a snapshot");
        assert!(header.seq <= written.core.seq());
        taken.insert(0, header.seq);
    }
    drop(shadow);
    assert!(told.try_recv().is_err(), "nothing else was told");
    assert_eq!(snapshots(&written.dir()).expect("listed"), taken);
    assert_eq!(read_header(&written.dir(), taken[0]).expect("whole").seq, taken[0]);
    assert_eq!(written.resumed().0, Some(taken[0]));
}

/// What a restart takes: a market of 200 instruments, some 300,000 resting orders, 50,000 orders of ours.
#[test]
#[ignore = "deep: ten million inputs, 800 MB of journal; prints what restarts take"]
fn restart_of_ten_million_inputs() {
    use std::time::Instant;
    use tidegate_model::hash::fold;

    let inputs: u64 =
        std::env::var("INPUTS").map_or(10_000_000, |count| count.parse().expect("a count"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let config = Config { behaviour_version: BEHAVIOUR_VERSION, ..Config::default() };
    let (mut writer, _) = Writer::open(home.path(), config).expect("a new journal");
    let configure =
        command::Configure { orders_max: 1 << 17, book_orders_max: 1 << 20, ..configure(0) };
    let mut core = Core::new(configure).expect("the sizes are allowed");
    let mut records = vec![Command::Configure(configure)];
    records.extend(setup_commands().into_iter().map(|command| match command {
        Command::SetLimits(limits) => Command::SetLimits(command::SetLimits {
            credit: Money(1_000_000_000 * MONEY),
            max_position: Lots(1_000_000),
            max_open_orders: 1 << 16,
            ..limits
        }),
        other => other,
    }));
    let mut now = 1_000;
    let command = |core: &mut Core, writer: &mut Writer, command, now: u64| {
        let mut record = CommandRecord::new(command);
        record.ts_recv = UnixNanos(now);
        let seq = core.seq().next();
        writer.append_pod(KIND_COMMAND, seq, &record).expect("appended");
        core.apply(seq, Input::Command(&record), &mut NoOutput);
    };
    for record in records {
        command(&mut core, &mut writer, record, now);
    }
    let market = |core: &mut Core, writer: &mut Writer, event: MarketEvent, now: u64| {
        let event = MarketEvent { ts_recv: UnixNanos(now), ts_event: UnixNanos(now), ..event };
        let seq = core.seq().next();
        writer.append_pod(KIND_MARKET_EVENT, seq, &event).expect("appended");
        core.apply(seq, Input::Market(&event), &mut NoOutput);
    };
    for channel_id in 0..200 {
        let symbol = Symbol::new(&format!("S{channel_id}")).expect("valid");
        let definition = market::Definition { channel_id, symbol, ..definition_of() };
        market(&mut core, &mut writer, definition.into_event(), now);
    }
    let (mut next_ref, mut oldest) = (1u64, 1u64);
    while core.seq().0 < inputs {
        now += 1_000;
        let random = fold(core.seq().0, 0x5eed);
        if random.is_multiple_of(200) && core.oms().kept_count() < 100_000 {
            let order = new_order(
                &format!("n{}", core.seq()),
                Side::Buy,
                Some(cents(10_000 - (random >> 20) as i64 % 30)),
                1 + (random >> 32) % 3,
                Day,
            );
            let instrument = InstrumentId((random >> 40) as u32 % 200);
            let order = command::NewOrder { instrument, ..order };
            command(&mut core, &mut writer, Command::NewOrder(order), now);
            continue;
        }
        let live = next_ref - oldest;
        let event = if random % 100 < 52 || live < 300_000 {
            next_ref += 1;
            let buy = random >> 8 & 1 == 0;
            let away = 1 + (random >> 10) as i64 % 60;
            let price = cents(10_000 + if buy { -away } else { away });
            let side = if buy { Side::Buy } else { Side::Sell };
            add(next_ref - 1, side, price, 1 + (random >> 24) % 500)
        } else {
            oldest += 1;
            support::market(tidegate_model::MarketEventKind::Delete, oldest - 1)
        };
        let of = if event.kind == tidegate_model::MarketEventKind::Delete.wire() {
            oldest - 1
        } else {
            next_ref - 1
        };
        let event = MarketEvent { channel_id: (of % 200) as u32, ..event };
        market(&mut core, &mut writer, event, now);
        if core.seq().0.is_multiple_of(runtime::CHECKPOINT_EVERY) {
            writer.append_checkpoint(core.state_hash()).expect("appended");
        }
    }
    writer.syncer().sync().expect("synced");
    let seq = core.seq();
    println!(
        "{seq} inputs: {} resting orders, {} kept and {} open of ours",
        core.books().orders_count_total(),
        core.oms().kept_count(),
        core.oms().open_count()
    );
    let dir = Dir::from(home.path());
    let segment = tidegate_journal::oldest(&dir).expect("a journal").expect("a segment");
    for _ in 0..3 {
        let begun = Instant::now();
        let bytes = saved(&core);
        let saving = begun.elapsed();
        let begun = Instant::now();
        drop(Core::new(configure));
        let new = begun.elapsed();
        let begun = Instant::now();
        let state = Core::load(tidegate_engine::core::STATE_VERSION, &bytes, core.state_hash());
        let loading = begun.elapsed();
        drop(state.expect("it reads"));
        println!(
            "save {saving:.2?}, {} bytes; load {loading:.2?}, of which a new core {new:.2?}",
            bytes.len()
        );
    }
    for _ in 0..3 {
        let begun = Instant::now();
        let mut reader = tidegate_journal::Reader::open(&dir).expect("a journal");
        while reader.next().expect("whole").is_some() {}
        let reading = begun.elapsed();
        let begun = Instant::now();
        let whole = replay(&dir, &mut NoOutput, |_| {}).expect("whole").expect("inputs");
        let took = begun.elapsed();
        println!("restart without a snapshot: {took:.2?}, of which {reading:.2?} to read");
        assert_eq!(whole.core.state_hash(), core.state_hash());
    }
    let begun = Instant::now();
    let events = snapshot::EventsSoFar::default();
    snapshot::write(&dir, &core, segment.instance, segment.epoch, events).expect("written");
    println!("a snapshot written and synced: {:.2?}", begun.elapsed());
    for _ in 0..3 {
        let begun = Instant::now();
        let mut resumed = resume(&dir, |_| Ok(())).expect("a journal");
        resumed.finish(&mut NoOutput, |_| {}).expect("whole");
        println!("restart with it: {:.2?}", begun.elapsed());
        assert_eq!(resumed.from.map(|from| from.seq), Some(seq));
    }
}

fn definition_of() -> market::Definition {
    market::Definition {
        kind: MarketEventKind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 0,
        ts_event: UnixNanos(1),
        ts_recv: UnixNanos(1),
        symbol: Symbol::EMPTY,
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    }
}
