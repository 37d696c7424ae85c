//! The writer's process is killed, or its disk is full.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_EVENT, KIND_SEAL};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, JournalError, Reader, Writer};
use tidegate_model::SeqNo;

const DIR_VARIABLE: &str = "TIDEGATE_JOURNAL_TEST_DIR";
const ROUNDS: u64 = 25;

fn small() -> Config {
    Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() }
}

/// This test program again, running one of its ignored tests on `dir`.
fn again(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(DIR_VARIABLE, dir);
    command
}

fn payload(seq: u64) -> Vec<u8> {
    (0..seq.wrapping_mul(0x9e37_79b9) % 700).map(|i| (i ^ seq) as u8).collect()
}

#[test]
#[ignore = "the child of the test below"]
fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE).map(PathBuf::from) else { return };
    let (mut writer, recovery) = Writer::open(&dir, small()).unwrap();
    let mut acknowledge = std::io::stderr();
    let mut seq = recovery.last_seq;
    loop {
        seq = seq.next();
        writer.append(KIND_EVENT, seq, &payload(seq.0)).unwrap();
        if seq.0.is_multiple_of(101) {
            writeln!(acknowledge, "ack {seq}").unwrap();
        }
    }
}

#[test]
fn every_acknowledged_record_survives_kill_9() {
    let dir = TempDir::new().unwrap();
    let mut total = 0;
    let mut cuts = 0;
    for round in 0..ROUNDS {
        let mut child = again("child_appends_until_it_is_killed", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let acknowledged = BufReader::new(child.stderr.take().unwrap());
        // Delays from 1 to 60 ms, from a fixed sequence: the moment within an append is random enough.
        let delay = Duration::from_millis(1 + round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 60);
        let pid = child.id();
        let reader = std::thread::spawn(move || {
            let mut last = None;
            // The last line may be cut short by the kill; without its end it does not count.
            let mut lines = acknowledged;
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap() > 0 {
                let seq = line.strip_prefix("ack ").and_then(|text| text.strip_suffix('\n'));
                last = seq.map(|text| text.parse::<u64>().unwrap()).or(last);
                line.clear();
            }
            last
        });
        std::thread::sleep(delay + Duration::from_millis(20));
        child.kill().unwrap();
        child.wait().unwrap();
        let last_acknowledged = reader.join().unwrap();

        let (writer, recovery) = Writer::open(dir.path(), small()).unwrap();
        drop(writer);
        let last = recovery.last_seq.0;
        let acknowledged = last_acknowledged.unwrap_or(total);
        assert!(last >= acknowledged, "round {round}, process {pid}: {last} < {acknowledged}");
        assert!(last >= total, "round {round}: {total} records were there, {last} are");
        cuts += u64::from(recovery.cut.bytes > 0);
        total = last;
    }
    let mut reader = Reader::open(dir.path()).unwrap();
    let mut seq = 0;
    while let Some(record) = reader.next().unwrap() {
        if record.kind == KIND_SEAL {
            continue;
        }
        seq += 1;
        assert_eq!(record.seq.0, seq);
        assert_eq!(record.payload, payload(seq));
    }
    assert_eq!(seq, total);
    assert!(total > 0, "no child lived long enough to append");
    println!("{ROUNDS} kills, {total} records, {cuts} torn ends cut");
}

#[test]
#[ignore = "the child of the test below"]
fn child_fills_its_disk() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE).map(PathBuf::from) else { return };
    let (mut writer, _) = Writer::open(&dir, small()).unwrap();
    let mut seq = 0;
    let error = loop {
        match writer.append(KIND_EVENT, SeqNo(seq + 1), &[7; 1_000]) {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::NoSpace { .. }), "{error}");
    assert!(seq > 300, "{seq}");
    // Refused again, not killed; and with some space given back it goes on.
    let error = writer.append(KIND_EVENT, SeqNo(seq + 1), &[7; 1_000]).unwrap_err();
    assert!(matches!(error, JournalError::NoSpace { .. }), "{error}");
    std::fs::remove_file(dir.join("ballast")).unwrap();
    let mut tries = 0;
    while writer.append(KIND_EVENT, SeqNo(seq + 1), &[7; 1_000]).is_err() {
        tries += 1;
        assert!(tries < 5, "space is there, but the writer does not go on");
    }
    seq += 1;
    writer.close().unwrap();
    let mut reader = Reader::open(&dir).unwrap();
    let mut count = 0;
    while let Some(record) = reader.next().unwrap() {
        count += u64::from(record.kind != KIND_SEAL);
    }
    assert_eq!(count, seq);
    println!("full disk survived");
}

#[test]
fn a_full_disk_is_an_error_before_any_store() {
    let dir = TempDir::new().unwrap();
    let child = again("child_fills_its_disk", dir.path());
    let program = child.get_program().to_str().unwrap().to_string();
    let arguments: Vec<&str> = child.get_args().map(|arg| arg.to_str().unwrap()).collect();
    let place = dir.path().display();
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs {place} 2>/dev/null || exit 99
         head -c 400000 /dev/zero > {place}/ballast
         exec '{program}' {}",
        arguments.join(" ")
    );
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .env(DIR_VARIABLE, dir.path())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("full disk survived"), "{said}");
        }
        Ok(output) if output.status.code().is_some_and(|code| code == 99 || code == 1) => {
            println!("skipped: this machine lets no one mount a small file system");
        }
        Ok(output) => panic!(
            "{}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: unshare is not there ({error})"),
    }
}
