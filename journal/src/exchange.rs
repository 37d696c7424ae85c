//! A journal that takes the place of another, with its event log and its snapshots: all of it or nothing, whatever ends the process
//! or the power on the way, and what was there before is set aside.
//!
//! The new one is made in the folder `incoming`, whole and synced. Then:
//!
//! 1. [`commit`] writes `incoming/READY`, which names the folder for the old one: `cut/journal.N`, with N new. From here on the new one
//!    has taken the place, and nobody reads the old one any more ([`check`]): a node that starts on it calls [`finish`] first.
//! 2. [`finish`] moves the old one's files there; what is in the place is the old one as long as there is `READY`;
//! 3. renames `READY` to `MOVING`, and moves the new one's files in: what is in the place is the new one from here on;
//! 4. removes `MOVING`.
//!
//! Each step is a rename, which can be done again after a crash: a file that has moved is not found any more. Files that do not belong to
//! a journal (locks, notes of others) stay where they are.

use crate::directory::Lock;
use crate::error::JournalError;
use crate::protection::{Protection, is_removed};
use crate::recovery::CUT_DIR;
use crate::storage::{Dir, Open};
use std::io::ErrorKind;
use std::path::PathBuf;

const STAGE: &str = "incoming";
const READY: &str = "READY";
const MOVING: &str = "MOVING";
const ASIDE: &str = "journal.";
/// Bytes of the name in `READY`: a word and any number of 64 bits.
const NAME_LEN_MAX: usize = 32;
/// The folders in a journal's own whose files belong to it.
const PARTS: [&str; 2] = ["events", "snapshots"];

/// Where the journal is made that takes the place of the one in `dir`.
pub fn stage(dir: &Dir) -> Dir {
    dir.join(STAGE)
}

/// Says whether what lies in `dir` is one journal.
///
/// # Errors
/// [`JournalError::Exchanging`] if an exchange was committed: [`finish`] it first.
pub fn check(dir: &Dir) -> Result<(), JournalError> {
    match is_committed(&names(&stage(dir))?) {
        true => Err(JournalError::Exchanging { dir: dir.path().to_path_buf() }),
        false => Ok(()),
    }
}

/// Takes away what an exchange left that was not committed.
///
/// # Errors
/// As [`check`].
pub fn clear(dir: &Dir) -> Result<(), JournalError> {
    check(dir)?;
    for part in parts(&stage(dir)) {
        for name in names(&part)?.iter().filter(|name| belongs(name) || name.ends_with(".tmp")) {
            part.remove(&part.path().join(name))?;
        }
    }
    Ok(())
}

/// Lets the journal in [`stage`] take the place of the one in `dir`: it must be whole, closed and synced. Nothing has moved yet.
///
/// # Errors
/// The file system's: nothing has changed then, or it is committed.
pub fn commit(dir: &Dir) -> Result<(), JournalError> {
    let stage = stage(dir);
    if is_removed(Protection::Exchange) {
        let aside = free_folder(dir)?;
        move_all(dir, &dir.join(CUT_DIR).join(&aside))?;
        return move_all(&stage, dir);
    }
    stage.create()?;
    for part in parts(&stage) {
        if !names(&part)?.is_empty() {
            part.sync()?;
        }
    }
    let aside = free_folder(dir)?;
    stage.replace(READY, aside.as_bytes()).map(|_| ())
}

/// Does what is left of an exchange that was committed. Returns where the old journal lies; `None` if there was nothing to do.
///
/// # Errors
/// [`JournalError::Locked`] if somebody writes the journal in `dir`, and the file system's: call it again.
pub fn finish(dir: &Dir) -> Result<Option<PathBuf>, JournalError> {
    let stage = stage(dir);
    let found = names(&stage)?;
    if !is_committed(&found) {
        return Ok(None);
    }
    let _lock = Lock::take(dir)?;
    let (ready, moving) = (stage.path().join(READY), stage.path().join(MOVING));
    let has_ready = found.iter().any(|name| name == READY);
    let aside = dir.join(CUT_DIR).join(&aside_in(&stage, if has_ready { READY } else { MOVING })?);
    if has_ready {
        if !found.iter().any(|name| name.ends_with(".tgj")) {
            // Nothing that `commit` was given for.
            return Err(JournalError::BadExchange { path: ready });
        }
        move_all(dir, &aside)?;
        let renamed = stage.storage().rename(&ready, &moving);
        renamed.map_err(JournalError::io("rename", &ready))?;
        stage.sync()?;
    }
    move_all(&stage, dir)?;
    stage.remove(&moving)?;
    stage.sync()?;
    Ok(Some(aside.path().to_path_buf()))
}

fn is_committed(names: &[String]) -> bool {
    names.iter().any(|name| name == READY || name == MOVING)
}

/// The folder that was chosen for the old journal.
fn aside_in(stage: &Dir, name: &str) -> Result<String, JournalError> {
    let path = stage.path().join(name);
    let bad = || JournalError::BadExchange { path: path.clone() };
    let file = stage.open(&path, Open::Read)?;
    let mut bytes = [0; NAME_LEN_MAX];
    let len = file.len().map_err(JournalError::io("look at", &path))?;
    let text = usize::try_from(len).ok().and_then(|len| bytes.get_mut(..len)).ok_or_else(bad)?;
    file.read_exact_at(text, 0).map_err(JournalError::io("read", &path))?;
    let text = std::str::from_utf8(text).map_err(|_| bad())?;
    let number: Option<u64> = text.strip_prefix(ASIDE).and_then(|number| number.parse().ok());
    number.map(|number| format!("{ASIDE}{number}")).filter(|name| name == text).ok_or_else(bad)
}

/// A folder that is not there yet.
fn free_folder(dir: &Dir) -> Result<String, JournalError> {
    let aside = dir.join(CUT_DIR);
    for number in 1u64.. {
        let name = format!("{ASIDE}{number}");
        match aside.storage().list(aside.join(&name).path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(name),
            other => other.map_err(JournalError::io("list", aside.path()))?,
        };
    }
    unreachable!("numbers do not end")
}

/// Moves everything that belongs to the journal in `from` to `to`, and makes that last.
fn move_all(from: &Dir, to: &Dir) -> Result<(), JournalError> {
    for (from, to) in parts(from).into_iter().zip(parts(to)) {
        let names: Vec<_> = names(&from)?.into_iter().filter(|name| belongs(name)).collect();
        if names.is_empty() {
            continue;
        }
        to.create()?;
        for name in names {
            let (source, target) = (from.path().join(&name), to.path().join(&name));
            let moved = from.storage().rename(&source, &target);
            moved.map_err(JournalError::io("move", &source))?;
        }
        to.sync()?;
        from.sync()?;
    }
    Ok(())
}

/// A journal's folder and those in it.
fn parts(dir: &Dir) -> Vec<Dir> {
    std::iter::once(dir.clone()).chain(PARTS.iter().map(|part| dir.join(part))).collect()
}

/// The names in a folder; none if it is not there.
fn names(dir: &Dir) -> Result<Vec<String>, JournalError> {
    match dir.storage().list(dir.path()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(JournalError::io("list", dir.path())),
    }
}

/// True of the files of a journal, an event log and their snapshots.
fn belongs(name: &str) -> bool {
    let is_file = [".tgj", ".tgj.tmp", ".tgs", ".tgs.tmp"].iter().any(|end| name.ends_with(end));
    is_file || ["CHAIN", "SYNCED", crate::epochs::FILE_NAME].contains(&name)
}
