//! `tidegate journal snapshot` and `snapshots`.

use anyhow::{Context, bail, ensure};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;
use tidegate_engine::snapshot::{Follow, Header, read, snapshots};
use tidegate_journal::{Dir, synced};
use tidegate_model::SeqNo;

/// Takes a snapshot of the journal in `dir`, at its last input that is on disk.
pub fn take(dir: &Path, json: bool) -> anyhow::Result<()> {
    let dir = Dir::from(dir);
    let started = Instant::now();
    // What is not synced might be lost with the power, and the state after it would be nobody's.
    let synced = synced::read(&dir)?.map_or(SeqNo::MAX, |synced| synced.seq);
    let mut follow = Follow::begin(&dir, synced)?;
    for error in follow.passed_over() {
        writeln!(io::stderr(), "note: {error}")?;
    }
    let from = follow.seq();
    follow.advance(synced, u64::MAX)?;
    let header = follow.snapshot()?;
    let mut out = io::stdout().lock();
    let seconds = started.elapsed().as_secs_f64();
    if json {
        writeln!(out, "{}", header_json(&header))?;
        return Ok(());
    }
    let inputs = header.seq.0 - from.0;
    writeln!(
        out,
        "after input {}: {} bytes, state hash {}; {inputs} inputs applied, {seconds:.2} s",
        header.seq, header.body_len, header.state_hash
    )?;
    Ok(())
}

/// Lists the snapshots of the journal in `dir`, newest first, and checks all of each.
pub fn list(dir: &Path, json: bool) -> anyhow::Result<()> {
    let place = Dir::from(dir);
    ensure!(dir.is_dir(), "there is no journal in {}", dir.display());
    let found = snapshots(&place)?;
    let mut out = io::stdout().lock();
    let mut bad = 0;
    for seq in &found {
        match read(&place, *seq).map(|loaded| loaded.header) {
            Ok(header) if json => writeln!(out, "{}", header_json(&header))?,
            Ok(header) => writeln!(
                out,
                "{:>20}  good  {:>12} bytes  state hash {}  {} events",
                header.seq.0, header.body_len, header.state_hash, header.events.count
            )?,
            Err(error) if error.is_gone() => {}
            Err(error) => {
                bad += 1;
                match json {
                    true => writeln!(
                        out,
                        "{}",
                        serde_json::json!({ "ok": false, "seq": seq.0, "error": error.to_string() })
                    )?,
                    false => writeln!(out, "{:>20}  BAD   {error}", seq.0)?,
                }
            }
        }
    }
    if found.is_empty() && !json {
        writeln!(out, "no snapshots")?;
    }
    out.flush().context("cannot write the list")?;
    if bad > 0 {
        bail!("{bad} of {} snapshots cannot be used; remove them", found.len());
    }
    Ok(())
}

fn header_json(header: &Header) -> serde_json::Value {
    serde_json::json!({
        "ok": true,
        "seq": header.seq.0,
        "now_ns": header.now.0,
        "state_hash": header.state_hash.to_string(),
        "events": header.events.count,
        "bytes": header.body_len,
        "instance": format!("{:032x}", header.instance),
        "epoch": header.epoch,
        "behaviour_version": header.behaviour_version,
        "state_version": header.state_version,
    })
}
