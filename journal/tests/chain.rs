//! The chain of hashes against a naive twin, and what it finds that CRCs do not.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::path::Path;
use tempfile::TempDir;
use tidegate_journal::chain::{self, ChainHash, Fold, Follower, Head, LINK_EVERY};
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND, KIND_MARKET_EVENT, KIND_SEAL};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, JournalError, Reader, Writer};
use tidegate_model::{SeqNo, StateHash};

type Frame = (u8, u64, Vec<u8>);

fn small() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() }
}

/// The definition, word for word: all frames of the block, one after the other, hashed in one go.
fn naive(frames: &[Frame], market: bool, at: u64, origin: u64) -> [u8; 32] {
    if at == origin {
        return [0; 32];
    }
    let below = (at - 1) / LINK_EVERY * LINK_EVERY;
    let link = below.max(origin);
    let mut bytes = naive(frames, market, link, origin).to_vec();
    for (kind, seq, payload) in frames {
        let counts = !matches!(*kind, KIND_SEAL | KIND_CHECKPOINT);
        let mine = counts && (*kind == KIND_MARKET_EVENT) == market;
        if mine && (link + 1..=at).contains(seq) {
            bytes.push(*kind);
            bytes.extend_from_slice(&seq.to_le_bytes());
            bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
            bytes.extend_from_slice(payload);
        }
    }
    let name = if market { "market" } else { "audit" };
    blake3::derive_key(&format!("tidegate journal chain 1 {name}"), &bytes)
}

fn naive_head(frames: &[Frame], at: u64, origin: u64) -> Head {
    let hash = |market| ChainHash(naive(frames, market, at, origin));
    Head { seq: SeqNo(at), audit: hash(false), market: hash(true) }
}

fn frames(dir: &Path) -> Vec<Frame> {
    let mut reader = Reader::open(dir).unwrap();
    let mut frames = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        frames.push((record.kind, record.seq.0, record.payload.to_vec()));
    }
    frames
}

/// A journal of `count` short records from `first` on, every third a command, with checkpoints at the links.
fn journal(dir: &Path, first: u64, count: u64) -> Writer {
    let (mut writer, _) = Writer::open(dir, Config { first_seq: SeqNo(first), ..small() }).unwrap();
    append(&mut writer, count);
    writer
}

fn append(writer: &mut Writer, count: u64) {
    for _ in 0..count {
        let seq = writer.last_seq().next();
        let kind = if seq.0.is_multiple_of(3) { KIND_COMMAND } else { KIND_MARKET_EVENT };
        writer.append(kind, seq, &seq.0.to_le_bytes()[..(seq.0 % 9) as usize]).unwrap();
        if seq.0.is_multiple_of(LINK_EVERY) || seq.0.is_multiple_of(1_000) {
            writer.append_checkpoint(StateHash(seq.0)).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn agrees_with_its_naive_twin(
        first in prop_oneof![Just(1u64), LINK_EVERY - 40..LINK_EVERY + 3, 2 * LINK_EVERY - 9..2 * LINK_EVERY + 1],
        kinds in prop::collection::vec((0u8..5, prop::collection::vec(any::<u8>(), 0..40)), 1..120),
        at in any::<prop::sample::Index>(),
    ) {
        let mut seq = first - 1;
        let mut frames: Vec<Frame> = Vec::new();
        for (choice, payload) in kinds {
            let kind = [KIND_MARKET_EVENT, KIND_COMMAND, KIND_CHECKPOINT, KIND_SEAL, 200][usize::from(choice)];
            seq += u64::from(!matches!(kind, KIND_CHECKPOINT | KIND_SEAL));
            if seq >= first {
                frames.push((kind, seq, payload));
            }
        }
        prop_assume!(!frames.is_empty());
        let at = first + at.index((seq - first + 1) as usize) as u64;
        let mut fold = Fold::from(Head::origin(SeqNo(first)));
        for (kind, seq, payload) in frames.iter().filter(|frame| frame.1 <= at) {
            fold.add(*kind, SeqNo(*seq), payload);
        }
        let head = fold.head(SeqNo(at));
        prop_assert_eq!(head, naive_head(&frames, at, first - 1));
        for link in fold.take_links() {
            prop_assert_eq!(link, naive_head(&frames, link.seq.0, first - 1));
        }
        // Without market events the audit chain is the same.
        let mut audit = Fold::from(Head::origin(SeqNo(first)));
        for (kind, seq, payload) in frames.iter().filter(|f| f.1 <= at && f.0 != KIND_MARKET_EVENT) {
            audit.add(*kind, SeqNo(*seq), payload);
        }
        prop_assert_eq!(audit.head(SeqNo(at)).audit, head.audit);
    }
}

#[test]
fn heads_of_a_journal_are_those_of_the_twin_with_and_without_the_file() {
    let dir = TempDir::new().unwrap();
    let count = 2 * LINK_EVERY + 500;
    let mut writer = journal(dir.path(), 1, count / 2);
    let follower = Follower::start(dir.path(), writer.watermark()).unwrap();
    append(&mut writer, count - count / 2);
    follower.finish().unwrap();
    assert_eq!(std::fs::metadata(dir.path().join("CHAIN")).unwrap().len(), 32 + 3 * 80);
    let frames = frames(dir.path());
    let at = [0, 1, 2, LINK_EVERY - 1, LINK_EVERY, LINK_EVERY + 1, 2 * LINK_EVERY, count - 1];
    for round in 0..2 {
        for at in at {
            let head = chain::head(dir.path(), Some(SeqNo(at))).unwrap().unwrap();
            assert_eq!(head, naive_head(&frames, at, 0), "round {round}, at {at}");
            let links = chain::verify(dir.path(), Some(head)).unwrap();
            assert_eq!(links.len(), 3);
        }
        let newest = chain::head(dir.path(), None).unwrap().unwrap();
        assert_eq!(newest.seq, SeqNo(count - 1));
        let refused = chain::head(dir.path(), Some(SeqNo(count)));
        assert!(
            matches!(refused, Err(JournalError::HeadNotFinal { newest, .. }) if newest == count - 1)
        );
        let _ = std::fs::remove_file(dir.path().join("CHAIN"));
    }
}

#[test]
fn the_file_goes_on_after_restarts_and_its_torn_or_false_end_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("CHAIN");
    let mut whole = Vec::new();
    for round in 0..4 {
        let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
        let follower = Follower::start(dir.path(), writer.watermark()).unwrap();
        append(&mut writer, LINK_EVERY + 7);
        follower.finish().unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(bytes.len(), 32 + 80 * (2 + round), "round {round}");
        assert!(bytes.starts_with(&whole), "what was written stays");
        // The next round meets a whole file, a torn entry, one entry too many, no file.
        whole = bytes.clone();
        match round {
            0 => std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap(),
            1 => std::fs::write(&file, [&bytes[..], &[0xff; 80]].concat()).unwrap(),
            _ => std::fs::remove_file(&file).unwrap(),
        }
    }
    std::fs::write(&file, &whole).unwrap();
    chain::verify(dir.path(), None).unwrap();
    // A link that is not what the records give is found, by name and number.
    let mut other = whole.clone();
    let entry = 32 + 80;
    other[entry + 50] ^= 1;
    let crc = crc32c::crc32c(&other[entry..entry + 72]);
    other[entry + 72..entry + 76].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&file, &other).unwrap();
    let error = chain::verify(dir.path(), None).unwrap_err();
    assert!(
        matches!(error, JournalError::ChainDiffers { seq: LINK_EVERY, chain: "market", .. }),
        "{error}"
    );
}

#[test]
fn links_behind_what_was_cut_are_forgotten() {
    let dir = TempDir::new().unwrap();
    let kept = LINK_EVERY + 100;
    let writer = journal(dir.path(), 1, 4 * LINK_EVERY);
    Follower::start(dir.path(), writer.watermark()).unwrap().finish().unwrap();
    writer.close().unwrap();
    tidegate_journal::recovery::cut_after(dir.path(), SeqNo(kept)).unwrap();
    // Other records come in the place of those, over several segments, before anything follows the journal.
    let (mut writer, recovery) = Writer::open(dir.path(), small()).unwrap();
    assert_eq!(recovery.last_seq, SeqNo(kept));
    for seq in kept + 1..=4 * LINK_EVERY {
        writer.append(KIND_COMMAND, SeqNo(seq), b"another").unwrap();
    }
    Follower::start(dir.path(), writer.watermark()).unwrap().finish().unwrap();
    writer.close().unwrap();
    let links = chain::verify(dir.path(), None).unwrap();
    assert_eq!(links.len(), 4, "the origin, and a link at each multiple below the end");
    let frames = frames(dir.path());
    for link in &links {
        assert_eq!(*link, naive_head(&frames, link.seq.0, 0));
    }
}

#[test]
fn a_copy_is_given_no_link_that_it_has_no_records_for() {
    let dir = TempDir::new().unwrap();
    journal(dir.path(), LINK_EVERY - 9, LINK_EVERY + 100).close().unwrap();
    chain::seed(dir.path(), 0, Head::origin(SeqNo(LINK_EVERY - 9))).unwrap();
    let writer = Writer::open(dir.path(), small()).unwrap().0;
    Follower::start(dir.path(), writer.watermark()).unwrap().finish().unwrap();
    let (first, link) = chain::base(dir.path(), SeqNo(LINK_EVERY + 50)).unwrap();
    assert_eq!(
        (first, link.map(|link| link.seq)),
        (SeqNo(LINK_EVERY + 1), Some(SeqNo(LINK_EVERY)))
    );
    let (first, link) = chain::base(dir.path(), SeqNo(LINK_EVERY - 10)).unwrap();
    assert_eq!((first, link), (SeqNo(LINK_EVERY - 9), None));
}

/// Writes the frames of the last segment anew with `change` made to its frames, every CRC and the seal put right.
fn forge(path: &Path, change: impl FnOnce(&mut Vec<Frame>)) {
    let bytes = std::fs::read(path).unwrap();
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 128;
    while at + 16 <= bytes.len() && bytes[at..at + 8] != [0; 8] {
        let len = usize::from(u16::from_le_bytes([bytes[at + 4], bytes[at + 5]]));
        let seq = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap());
        frames.push((bytes[at + 6], seq, bytes[at + 16..at + 16 + len].to_vec()));
        at += 16 + len.next_multiple_of(8);
    }
    change(&mut frames);
    let count = frames.len() as u64 - 1;
    let seal = frames.last_mut().unwrap();
    seal.2[..8].copy_from_slice(&count.to_le_bytes());
    let mut forged = bytes[..128].to_vec();
    for (kind, seq, payload) in frames {
        let begin = forged.len();
        forged.resize(begin + 16 + payload.len().next_multiple_of(8), 0);
        forged[begin + 4..begin + 6].copy_from_slice(&(payload.len() as u16).to_le_bytes());
        forged[begin + 6] = kind;
        forged[begin + 8..begin + 16].copy_from_slice(&seq.to_le_bytes());
        forged[begin + 16..begin + 16 + payload.len()].copy_from_slice(&payload);
        let crc = crc32c::crc32c(&forged[begin + 4..]);
        forged[begin..begin + 4].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(path, forged).unwrap();
}

#[test]
fn a_record_that_was_changed_removed_or_inserted_is_found_though_the_crcs_fit() {
    let dir = TempDir::new().unwrap();
    let writer = journal(dir.path(), 1, 900);
    writer.close().unwrap();
    let head = chain::head(dir.path(), Some(SeqNo(600))).unwrap().unwrap();
    let segment = dir.path().join("00000000000000000001.tgj");
    let original = std::fs::read(&segment).unwrap();
    let renumber = |frames: &mut Vec<Frame>, from: usize, by: i64| {
        frames[from..].iter_mut().for_each(|frame| frame.1 = frame.1.wrapping_add_signed(by));
    };
    let check = |name: &str, found: Option<&str>, change: &dyn Fn(&mut Vec<Frame>)| {
        std::fs::write(&segment, &original).unwrap();
        forge(&segment, change);
        // Nothing but the chain sees it.
        tidegate_journal::verify(dir.path()).unwrap();
        match (chain::verify(dir.path(), Some(head)), found) {
            (Ok(_), None) => {}
            (Err(JournalError::ChainDiffers { chain, seq: 600, .. }), Some(name))
                if chain == name => {}
            (other, _) => panic!("{name}: {other:?}"),
        }
    };
    check("nothing", None, &|_| {});
    check("a command changed", Some("audit"), &|frames| frames[302].2[0] ^= 1);
    check("a market event changed", Some("market"), &|frames| frames[300].2[0] ^= 1);
    check("a kind changed", Some("audit"), &|frames| frames[302].0 = 77);
    check("the last covered record changed", Some("audit"), &|frames| frames[599].2[0] ^= 1);
    check("one behind the head changed", None, &|frames| frames[601].2[0] ^= 1);
    check("a record removed", Some("audit"), &|frames| {
        frames.remove(302);
        renumber(frames, 302, -1);
    });
    check("a record inserted", Some("audit"), &|frames| {
        frames.insert(302, frames[302].clone());
        renumber(frames, 303, 1);
    });
    check("a checkpoint inserted, which a replay compares", None, &|frames| {
        frames.insert(303, (KIND_CHECKPOINT, 303, vec![0; 16]));
    });
    check("two records swapped", Some("audit"), &|frames| {
        frames.swap(302, 305);
        (frames[302].1, frames[305].1) = (303, 306);
    });
}

#[test]
fn a_journal_without_its_beginning_needs_the_file() {
    let dir = TempDir::new().unwrap();
    let mut writer = journal(dir.path(), 1, 1);
    let follower = Follower::start(dir.path(), writer.watermark()).unwrap();
    append(&mut writer, 3 * LINK_EVERY);
    follower.finish().unwrap();
    let head = chain::head(dir.path(), None).unwrap().unwrap();
    drop(writer);
    // Every segment that ends at or below the second link goes.
    let mut index = 1;
    loop {
        let bytes = std::fs::read(dir.path().join(format!("{:020}.tgj", index + 1))).unwrap();
        let first_after = u64::from_le_bytes(bytes[96..104].try_into().unwrap());
        if first_after - 1 > 2 * LINK_EVERY {
            break;
        }
        std::fs::remove_file(dir.path().join(format!("{index:020}.tgj"))).unwrap();
        index += 1;
    }
    assert!(index > 3, "some are gone");
    assert_eq!(chain::head(dir.path(), Some(head.seq)).unwrap(), Some(head));
    assert_eq!(chain::verify(dir.path(), Some(head)).unwrap().len(), 2);
    let old = chain::head(dir.path(), Some(SeqNo(5)));
    assert!(matches!(old, Err(JournalError::SeqNotHeld { asked: 5, .. })), "{old:?}");
    // A restart goes on from what is held.
    let (mut writer, _) = Writer::open(dir.path(), small()).unwrap();
    let follower = Follower::start(dir.path(), writer.watermark()).unwrap();
    append(&mut writer, LINK_EVERY);
    follower.finish().unwrap();
    chain::verify(dir.path(), Some(head)).unwrap();
    let link = chain::verify(dir.path(), None).unwrap()[0];
    std::fs::remove_file(dir.path().join("CHAIN")).unwrap();
    let lost = chain::head(dir.path(), None);
    assert!(matches!(lost, Err(JournalError::ChainLost { .. })), "{lost:?}");
    // Whoever knows a link, from an archive or a leader, lets it go on.
    let instance = tidegate_journal::verify(dir.path()).unwrap().instance;
    chain::seed(dir.path(), instance, link).unwrap();
    chain::verify(dir.path(), Some(head)).unwrap();
}
