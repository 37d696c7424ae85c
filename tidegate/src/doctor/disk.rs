//! The disk that the journal is on: how long a sync takes, and what room there is.

use super::{Finding, Patient};
use rustix::fs::{fstatfs, statvfs};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tidegate_model::ReleaseLevel;

const AREA: &str = "disk";
const SYNCS: usize = 50;
const SYNCS_QUICK: usize = 10;
/// All syncs together: a disk that needs longer has said enough.
const PATIENCE: Duration = Duration::from_secs(5);
/// Above this an acknowledgement at the level of power is late.
const SYNC_MAX: Duration = Duration::from_millis(5);
/// File systems by their magic numbers, where that matters.
const TMPFS: u64 = 0x0102_1994;
const NFS: u64 = 0x6969;
const SMB2: u64 = 0xFE53_4D42;

pub fn look(patient: &Patient<'_>, is_quick: bool) -> Vec<Finding> {
    let dir = &patient.config.journal.dir;
    let place = existing(dir);
    let mut found = Vec::new();
    let level = patient.config.journal.release;
    match measure(&place, if is_quick { SYNCS_QUICK } else { SYNCS }) {
        Ok((magic, syncs)) => {
            found.extend(kind(magic, &place));
            found.push(sync(syncs, level));
        }
        Err(error) => found.push(
            Finding::stop(AREA, "sync", format!("cannot write in {}: {error}", place.display()))
                .should("a folder that the server may write in")
                .costs("the server does not start")
                .change(format!("chown or chmod {}, or another journal.dir", place.display())),
        ),
    }
    found.extend(space(patient, &place));
    found
}

/// The folder itself, or the nearest above it that is there.
fn existing(dir: &Path) -> PathBuf {
    let mut above = dir.ancestors().filter(|path| !path.as_os_str().is_empty());
    above.find(|path| path.is_dir()).unwrap_or(Path::new(".")).to_path_buf()
}

/// Removes its file, whatever came of it.
struct Probe(PathBuf);

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What file system it is, and how long syncs of a page take.
fn measure(place: &Path, count: usize) -> io::Result<(u64, Vec<Duration>)> {
    let path = place.join(format!(".tidegate-doctor-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    let _probe = Probe(path);
    let magic = fstatfs(&file)?.f_type as u64;
    // As a segment is: its blocks are there before it is written to.
    file.write_all_at(&vec![0; 4_096 * count], 0)?;
    file.sync_all()?;
    let mut syncs = Vec::with_capacity(count);
    let began = Instant::now();
    for at in 0..count {
        syncs.push(sync_once(&file, at as u64 * 4_096)?);
        if began.elapsed() > PATIENCE {
            break;
        }
    }
    syncs.sort_unstable();
    Ok((magic, syncs))
}

fn sync_once(file: &File, at: u64) -> io::Result<Duration> {
    file.write_all_at(&[1; 4_096], at)?;
    let began = Instant::now();
    file.sync_data()?;
    Ok(began.elapsed())
}

fn kind(magic: u64, place: &Path) -> Option<Finding> {
    let finding = match magic {
        TMPFS => Finding::advice(AREA, "file system", format!("{} is in memory", place.display()))
            .should("a disk")
            .costs("the journal is gone with the machine's power"),
        NFS | SMB2 => {
            Finding::advice(AREA, "file system", format!("{} is on the network", place.display()))
                .should("a disk of this machine's own")
                .costs("a page that is written back waits for the network, and the engine with it")
        }
        _ => return None,
    };
    Some(finding.change("another journal.dir"))
}

fn sync(syncs: Vec<Duration>, level: ReleaseLevel) -> Finding {
    let at = |per_mille: usize| syncs[(syncs.len() * per_mille / 1_000).min(syncs.len() - 1)];
    let (median, p99) = (at(500), at(990));
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let is =
        format!("{:.2} ms at the median, {:.2} ms at p99, of {}", ms(median), ms(p99), syncs.len());
    if p99 <= SYNC_MAX {
        return Finding::fine(AREA, "sync", is);
    }
    if !level.is_synced() {
        return Finding::note(
            AREA,
            "sync",
            format!("{is}; nobody waits for it at the level {level}"),
        );
    }
    Finding::advice(AREA, "sync", is)
        .should(format!("{} ms at p99 at most", SYNC_MAX.as_millis()))
        .costs(format!("every answer at the level {level} waits that long, and twice when a sync is under way"))
        .change("a disk with power-loss protection (its syncs take some tens of microseconds), or the level replica")
}

fn space(patient: &Patient<'_>, place: &Path) -> Option<Finding> {
    let on = statvfs(place).ok()?;
    let free_mib = on.f_bavail.saturating_mul(on.f_frsize) >> 20;
    let journal = &patient.config.journal;
    // The segment in use and the next, of the journal and of the event log.
    let least_mib = 4 * journal.segment_mib.get();
    let low_mib = journal.low_space_mib.get().max(least_mib);
    let is = format!("{free_mib} MiB");
    Some(match free_mib {
        free if free < least_mib => Finding::stop(AREA, "free space", is)
            .should(format!("{least_mib} MiB at the very least"))
            .costs("there is no room for the first segments: the server does not start")
            .change("make room, or another journal.dir"),
        free if free < low_mib => Finding::advice(AREA, "free space", is)
            .should(format!("{low_mib} MiB"))
            .costs("no order passes that opens a position (journal.low_space_mib)")
            .change("make room: tidegate journal archive, then prune; or another journal.dir"),
        _ => Finding::fine(AREA, "free space", is),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine, Note};
    use super::*;

    #[test]
    fn a_slow_disk_matters_where_somebody_waits_for_it() {
        let of = |ms: u64, level| sync(vec![Duration::from_millis(ms); 50], level).level;
        assert_eq!(of(1, ReleaseLevel::Power), Fine);
        assert_eq!(of(9, ReleaseLevel::Power), Advice);
        assert_eq!(of(9, ReleaseLevel::Process), Note);
        let one = sync(vec![Duration::from_millis(1)], ReleaseLevel::Process);
        assert!(one.is.starts_with("1.00 ms at the median, 1.00 ms at p99, of 1"), "{}", one.is);
    }

    #[test]
    fn a_folder_that_is_not_there_is_looked_at_from_above() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert_eq!(existing(Path::new("not/there")), Path::new("."));
        assert_eq!(kind(TMPFS, dir.path()).map(|finding| finding.level), Some(Advice));
        assert_eq!(kind(1, dir.path()), None);
    }
}
