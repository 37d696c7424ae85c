//! Snapshots of every version stay readable for ever. The files in `golden/` are never written anew. A new `STATE_VERSION` gets
//! a file of its own: change the constant, run `cargo test -p tidegate-engine --test snapshot_versions -- --ignored`, and add a
//! row to [`VERSIONS`] with what it prints. A field that is added at the end of a struct with `#[serde(default)]` needs no
//! new version: the files here show that it is read.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::*;
use tidegate_engine::core::STATE_VERSION;
use tidegate_engine::snapshot::{EventsSoFar, read, write};
use tidegate_journal::Dir;
use tidegate_model::command::*;
use tidegate_model::event::ExecType;
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

/// By version: the last input, the state's hash, and the hash after [`go_on`].
const VERSIONS: [(u32, u64, u64, u64); 1] = [(1, 84, 0x84eb9d379dc6fff2, 0x437167a4d6a2e7ad)];

const INSTANCE: u128 = 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10;
const HOUSE: InstrumentId = InstrumentId(1);

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/snapshot_v{version}.tgs"))
}

/// A desk with something of everything: feed, paper orders on their way, lists, parents, a market of the house, controls.
fn desk() -> Desk {
    let mut desk = Desk::new(300);
    let symbol = Symbol::new("HOUSE").expect("valid");
    let (venue_kind, order_tick_from) = (venue_kind::INTERNAL, Ticks::ZERO);
    let terms = Instrument { venue_kind, order_tick_from, ..Instrument::us_equity(symbol) };
    desk.command(Command::DefineInstrument(terms));
    let (price, instrument) = (cents(10_000), HOUSE);
    desk.command(Command::SetReference(SetReference { price, instrument, reserved: [0; 4] }));
    desk.command(Command::SetPrincipal(person(OFFICER)));
    for n in 0..40 {
        let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
        let away = if n % 2 == 0 { -1 - n % 5 } else { 1 + n % 7 };
        desk.market(add(n as u64 + 1, side, cents(10_000 + away), 100 + n as u64));
    }
    desk.market(trade(Side::Buy, cents(10_000), 10));
    for (at, kind) in (0..).zip(Contingency::ALL) {
        let legs = list_legs(at, *kind, Side::Buy, 9_990, [3, 4, 5], 60, 7 * at as u64);
        let head = NewList {
            account: ACCOUNT,
            list_id: at as u32 + 1,
            contingency: kind.wire(),
            leg_count: legs.len() as u8,
            reserved: [0; 6],
        };
        desk.command(Command::NewList(head));
        for leg in legs {
            let expire_at = match leg.time_in_force == TimeInForce::Gtd.wire() {
                true => UnixNanos(desk.now.0 + 1_000_000_000),
                false => UnixNanos::ZERO,
            };
            desk.command(Command::NewOrder(NewOrder { expire_at, ..leg }));
        }
        desk.pass(400);
    }
    for n in 0..12 {
        let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
        let price = Some(cents(10_000 + if n % 2 == 0 { -n } else { n }));
        let order = new_order(&format!("house-{n}"), side, price, 10 + n as u64, TimeInForce::Gtc);
        let flags = if n % 3 == 0 { FLAG_CANCEL_ON_DISCONNECT } else { 0 };
        desk.command(Command::NewOrder(NewOrder { instrument: HOUSE, flags, ..order }));
    }
    // These are on their way, and so are the answers to those before.
    desk.order(Side::Buy, Some(cents(9_998)), 30, TimeInForce::Gtc);
    desk.order(Side::Sell, None, 5, TimeInForce::Ioc);
    desk
}

/// What happens next; true if anything was executed.
fn go_on(desk: &mut Desk) -> bool {
    let mut told = desk.pass(1_000);
    told.extend(desk.market(execute(1, 50)));
    told.extend(desk.market(trade(Side::Sell, cents(9_990), 500)));
    told.extend(desk.order(Side::Buy, Some(cents(10_020)), 200, TimeInForce::Day));
    let order = new_order("house-last", Side::Buy, Some(cents(10_010)), 25, TimeInForce::Ioc);
    told.extend(desk.command(Command::NewOrder(NewOrder { instrument: HOUSE, ..order })));
    told.extend(desk.pass(2_000_000_000));
    told.extend(desk.command(Command::DayRoll));
    lines(&told).iter().any(|line| line.contains(ExecType::Trade.as_str()))
}

#[test]
#[ignore = "writes the golden file of the current version, once"]
fn write_golden() {
    let path = golden(STATE_VERSION);
    let mut desk = desk();
    let home = tempfile::tempdir().expect("a temporary folder");
    let dir = Dir::from(home.path());
    let header = write(&dir, &desk.core, INSTANCE, 2, EventsSoFar::default()).expect("written");
    let written = home.path().join(format!("snapshots/{:020}.tgs", header.seq.0));
    assert!(!path.exists(), "a golden file is written once");
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::copy(written, &path).expect("copied");
    let hash = desk.core.state_hash().0;
    desk.names = 100;
    assert!(go_on(&mut desk));
    let after = desk.core.state_hash().0;
    println!("({STATE_VERSION}, {}, {hash:#x}, {after:#x})", header.seq.0);
}

#[test]
fn every_version_reads() {
    assert_eq!(VERSIONS.len() as u32, STATE_VERSION, "every version has a golden file");
    for (version, seq, hash, after) in VERSIONS {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("snapshots");
        fs::create_dir(&folder).expect("made");
        fs::copy(golden(version), folder.join(format!("{seq:020}.tgs"))).expect("copied");
        let loaded = read(&home.path().into(), SeqNo(seq)).expect("it reads");
        assert_eq!(loaded.header.state_version, version);
        assert_eq!((loaded.header.instance, loaded.header.epoch), (INSTANCE, 2));
        assert_eq!(loaded.core.state_hash(), StateHash(hash));
        // A desk of today that lives on in the state of then.
        let mut desk = Desk { now: loaded.core.now(), core: loaded.core, ..Desk::new(300) };
        desk.names = 100;
        go_on(&mut desk);
        assert_eq!(desk.core.state_hash(), StateHash(after), "version {version} goes on otherwise");
    }
}
