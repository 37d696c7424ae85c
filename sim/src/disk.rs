//! A disk that does what disks do at their worst, by the model of a crash that SQLite tests with: what was written and not synced
//! may be there, be missing or be garbage, page by page and within a page; a name lasts once its directory is synced.
//!
//! A crash of the process ([`Disk::end_process`]) loses nothing that was written: the page cache has it. A loss of power
//! ([`Disk::lose_power`]) keeps what was synced, and rolls the dice for the rest.
// Allowed here: the journal stores into a mapping, so the bytes of a file are memory that is shared with whoever mapped it.
#![allow(unsafe_code)]

use crate::dice::Dice;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_journal::storage::{LockRefused, Open, Storage, StorageFile, StorageMap};
use tidegate_model::UnixNanos;

/// What a disk writes in one piece when power goes.
const SECTOR: usize = 512;
/// What the page cache writes at once.
const PAGE: usize = 4096;

/// What a disk is about to do wrong. Each is a chance of one in that many, 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A sync fails: some pages are written, some stay, some the cache forgets without having written them.
    pub sync_fails: u64,
    /// A synced page goes to another place on the disk.
    pub misdirects: u64,
}

/// A machine's disk. Cloned, it is the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    faults: Faults,
    now: u64,
    /// Bytes that files may have in all.
    capacity: u64,
    files: BTreeMap<u64, File>,
    next_file: u64,
    names: BTreeMap<PathBuf, u64>,
    /// Names as they would be found after a loss of power, at least.
    lasting: BTreeMap<PathBuf, u64>,
    /// What was done to names since their directory was synced.
    pending: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// Operations until the process is killed in the middle of what it does; 0 from then on.
    operations_left: Option<u64>,
    /// What went wrong on purpose, for the report.
    told: Vec<String>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Made(PathBuf, u64),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf),
}

struct File {
    memory: Arc<Memory>,
    len: usize,
    /// The content that the disk is known to hold.
    synced: Vec<u8>,
    /// Pages that a failed sync forgot, with what they held: written again only once they change.
    forgotten: BTreeMap<usize, Vec<u8>>,
}

/// Zeroed memory that begins at a page.
struct Memory {
    base: *mut u8,
    layout: Layout,
}

// SAFETY: whoever stores into it is one thread at a time: a simulation has one.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len.next_multiple_of(PAGE).max(PAGE), PAGE)
            .expect("sizes of a simulation are small");
        // SAFETY: the layout has a size above 0.
        let base = unsafe { alloc_zeroed(layout) };
        assert!(!base.is_null(), "no memory for a simulated file");
        Self { base, layout }
    }

    fn len(&self) -> usize {
        self.layout.size()
    }

    fn read(&self, at: usize, bytes: &mut [u8]) {
        assert!(at + bytes.len() <= self.len());
        // SAFETY: in bounds by the line above; nobody stores meanwhile, for there is one thread.
        unsafe { std::ptr::copy_nonoverlapping(self.base.add(at), bytes.as_mut_ptr(), bytes.len()) }
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len());
        // SAFETY: as in `read`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at), bytes.len()) }
    }

    fn to_vec(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.read(0, &mut bytes);
        bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by `alloc_zeroed` with this layout.
        unsafe { dealloc(self.base, self.layout) }
    }
}

impl File {
    fn new() -> Self {
        let memory = Arc::new(Memory::new(0));
        Self { memory, len: 0, synced: Vec::new(), forgotten: BTreeMap::new() }
    }

    fn live(&self) -> Vec<u8> {
        self.memory.to_vec(self.len)
    }

    fn grow(&mut self, len: usize) {
        if len > self.memory.len() {
            assert_eq!(Arc::strong_count(&self.memory), 1, "a mapped file does not grow");
            let larger = Memory::new(len.max(2 * self.memory.len()));
            larger.write(0, &self.live());
            self.memory = Arc::new(larger);
        }
        self.len = self.len.max(len);
    }

    fn cut(&mut self, len: usize) {
        if len < self.len {
            self.memory.write(len, &vec![0; self.len - len]);
        }
        self.grow(len);
        self.len = len;
    }

    /// The pages that the disk is not known to hold as they are.
    fn dirty(&self) -> Vec<usize> {
        let live = self.live();
        let page = |bytes: &[u8], at: usize| {
            bytes.get(at..).map(|rest| rest[..PAGE.min(rest.len())].to_vec())
        };
        let longest = live.len().max(self.synced.len());
        let starts = (0..longest).step_by(PAGE);
        starts.filter(|&at| page(&live, at) != page(&self.synced, at)).collect()
    }

    fn page(&self, at: usize) -> Vec<u8> {
        let mut bytes = vec![0; PAGE.min(self.len.saturating_sub(at))];
        self.memory.read(at, &mut bytes);
        bytes
    }

    fn write_back(&mut self, at: usize, to: usize) {
        let bytes = self.page(at);
        if self.synced.len() < to + bytes.len() {
            self.synced.resize(to + bytes.len(), 0);
        }
        self.synced[to..to + bytes.len()].copy_from_slice(&bytes);
    }
}

impl Disk {
    /// An empty disk of `capacity` bytes, which fails as `dice` say.
    pub fn new(dice: Dice, capacity: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice,
            faults: Faults::default(),
            now: 1,
            capacity,
            files: BTreeMap::new(),
            next_file: 1,
            names: BTreeMap::new(),
            lasting: BTreeMap::new(),
            pending: Vec::new(),
            dirs: BTreeSet::new(),
            locks: BTreeSet::new(),
            operations_left: None,
            told: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// How many bytes files may have in all from now on.
    pub fn set_capacity(&self, capacity: u64) {
        self.state().capacity = capacity;
    }

    /// The time that is told to whoever asks.
    pub fn set_now(&self, now: UnixNanos) {
        self.state().now = now.0;
    }

    /// What was done wrong on purpose since this was asked last.
    pub fn take_told(&self) -> Vec<String> {
        std::mem::take(&mut self.state().told)
    }

    /// After so many operations every further one fails: the process is killed in the middle of what it does. `None` lets all
    /// succeed again. Returns whether operations failed for that.
    pub fn stop_after(&self, operations: Option<u64>) -> bool {
        let before = std::mem::replace(&mut self.state().operations_left, operations);
        before == Some(0)
    }

    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match &mut state.operations_left {
            None => Ok(state),
            Some(0) => Err(io::Error::other("the process was killed")),
            Some(left) => {
                *left -= 1;
                Ok(state)
            }
        }
    }

    /// The process has ended, whatever it was doing: its locks are free, and all that it wrote is there.
    pub fn end_process(&self) {
        self.state().locks.clear();
    }

    /// Power goes and comes back.
    pub fn lose_power(&self) {
        self.state().lose_power();
    }

    /// Flips a bit of a file whose name ends with `suffix`; false if there is none with content.
    pub fn rot(&self, suffix: &str) -> bool {
        let mut state = self.state();
        let found: Vec<u64> = state
            .names
            .iter()
            .filter(|(path, _)| path.to_string_lossy().ends_with(suffix))
            .map(|(_, &file)| file)
            .collect();
        if found.is_empty() {
            return false;
        }
        let id = *state.dice.pick(&found);
        let used = state.files[&id].live().iter().rposition(|&byte| byte != 0);
        let Some(used) = used else { return false };
        let (at, bit) = (state.dice.below(used as u64 + 1) as usize, state.dice.below(8));
        let file = state.files.get_mut(&id).expect("just found");
        let mut byte = [0];
        file.memory.read(at, &mut byte);
        byte[0] ^= 1 << bit;
        file.memory.write(at, &byte);
        if let Some(synced) = file.synced.get_mut(at) {
            *synced ^= 1 << bit;
        }
        state.told.push(format!("bit {bit} of byte {at} flipped in a file *{suffix}"));
        true
    }

    /// The bytes of a file as a process sees them; `None` if it is not there.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|id| state.files[id].live())
    }

    /// Takes away everything below `dir`, as when a disk is replaced.
    pub fn wipe(&self, dir: &Path) {
        let mut state = self.state();
        state.names.retain(|path, _| !path.starts_with(dir));
        state.lasting.retain(|path, _| !path.starts_with(dir));
        state.pending.clear();
        state.drop_nameless();
    }
}

impl State {
    fn used(&self) -> u64 {
        self.files.values().map(|file| file.len as u64).sum()
    }

    fn drop_nameless(&mut self) {
        let named: BTreeSet<u64> =
            self.names.values().chain(self.lasting.values()).copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }

    fn change(&mut self, change: NameChange) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }

    fn sync_dir(&mut self, dir: &Path) {
        let is_in = |path: &Path| path.parent() == Some(dir);
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            let concerns = match &change {
                NameChange::Made(path, _) | NameChange::Removed(path) => is_in(path),
                // One of the two directories is enough: a file system moves a name in one transaction.
                NameChange::Renamed(from, to) => is_in(from) || is_in(to),
            };
            if concerns {
                apply(&mut self.lasting, &change);
            } else {
                self.pending.push(change);
            }
        }
        self.drop_nameless();
    }

    fn sync(&mut self, id: u64) -> io::Result<()> {
        let (faults, mut dice) = (self.faults, self.dice.clone());
        let file = self.files.get_mut(&id).expect("open files stay");
        let mut told = Vec::new();
        let fails = faults.sync_fails > 0 && dice.one_in(faults.sync_fails);
        for at in file.dirty() {
            if at >= file.len {
                continue;
            }
            if file.forgotten.get(&at).is_some_and(|held| *held == file.page(at)) {
                continue;
            }
            file.forgotten.remove(&at);
            if !fails {
                let mut to = at;
                if faults.misdirects > 0 && dice.one_in(faults.misdirects) {
                    to = dice.below(file.len as u64) as usize / PAGE * PAGE;
                    told.push(format!("page {at} was written to {to}"));
                }
                file.write_back(at, to);
                if to != at {
                    // The cache believes that it is where it should be.
                    let page = file.page(at);
                    file.forgotten.insert(at, page);
                }
                continue;
            }
            match dice.below(3) {
                0 => file.write_back(at, at),
                1 => {}
                _ => {
                    let page = file.page(at);
                    file.forgotten.insert(at, page);
                }
            }
        }
        if !fails {
            let len = file.len;
            file.synced.resize(len, 0);
        }
        self.dice = dice;
        self.told.append(&mut told);
        if fails {
            self.told.push("a sync failed".to_string());
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }

    fn lose_power(&mut self) {
        let mut dice = self.dice.clone();
        // A file system keeps the order of what it does to names.
        let kept = dice.below(self.pending.len() as u64 + 1) as usize;
        for change in std::mem::take(&mut self.pending).into_iter().take(kept) {
            apply(&mut self.lasting, &change);
        }
        self.names = self.lasting.clone();
        self.drop_nameless();
        for file in self.files.values_mut() {
            let mut after = file.synced.clone();
            if file.len != after.len() && dice.one_in(2) {
                after.resize(file.len, 0);
            }
            for at in file.dirty() {
                if at >= after.len() || file.forgotten.contains_key(&at) {
                    continue;
                }
                let live = file.page(at);
                let end = after.len().min(at + live.len());
                let target = &mut after[at..end];
                let fate = dice.below(4);
                for (sector, live) in target.chunks_mut(SECTOR).zip(live.chunks(SECTOR)) {
                    let live = &live[..sector.len()];
                    if *sector == *live {
                        continue;
                    }
                    match (fate, dice.below(3)) {
                        (0, _) | (2 | 3, 0) => {}
                        (3, 1) => {
                            let differs = |at: &usize| sector[*at] != live[*at];
                            let first = (0..live.len()).find(differs).unwrap_or(0);
                            let last = (0..live.len()).rfind(differs).unwrap_or(0);
                            sector[first..=last]
                                .iter_mut()
                                .for_each(|byte| *byte = dice.word() as u8);
                        }
                        _ => sector.copy_from_slice(live),
                    }
                }
            }
            let memory = Memory::new(after.len());
            memory.write(0, &after);
            *file = File {
                memory: Arc::new(memory),
                len: after.len(),
                synced: after,
                forgotten: BTreeMap::new(),
            };
        }
        self.locks.clear();
        self.dice = dice;
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Made(path, file) => {
            names.insert(path.clone(), *file);
        }
        NameChange::Removed(path) => {
            names.remove(path);
        }
        NameChange::Renamed(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
    }
}

impl Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disk({} files)", self.state().files.len())
    }
}

fn not_found() -> io::Error {
    ErrorKind::NotFound.into()
}

impl Storage for Disk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn StorageFile>> {
        // Reading is no step that can be half done.
        let mut state = if how == Open::Read { self.state() } else { self.operate()? };
        let found = state.names.get(path).copied();
        let id = match (found, how) {
            (Some(id), Open::Create) => {
                state.files.get_mut(&id).expect("named files are there").cut(0);
                id
            }
            (Some(id), _) => id,
            (None, Open::Read | Open::Write) => return Err(not_found()),
            (None, Open::Create | Open::Synced) => {
                let id = state.next_file;
                state.next_file += 1;
                state.files.insert(id, File::new());
                state.change(NameChange::Made(path.to_path_buf(), id));
                id
            }
        };
        let is_synced = how == Open::Synced;
        Ok(Box::new(OpenFile { disk: self.clone(), id, is_synced }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.dirs.contains(dir) {
            return Err(not_found());
        }
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        if !state.names.contains_key(path) {
            return Err(not_found());
        }
        state.change(NameChange::Removed(path.to_path_buf()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate()?;
        if !state.names.contains_key(from) {
            return Err(not_found());
        }
        state.change(NameChange::Renamed(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.state().dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate()?.sync_dir(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send + Sync>, LockRefused> {
        if !self.state().locks.insert(path.to_path_buf()) {
            return Err(LockRefused::Held(None));
        }
        Ok(Box::new(Held { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn now(&self) -> UnixNanos {
        UnixNanos(self.state().now)
    }
}

#[derive(Debug)]
struct Held {
    disk: Disk,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: Disk,
    id: u64,
    is_synced: bool,
}

impl OpenFile {
    fn with<T>(&self, f: impl FnOnce(&mut File) -> T) -> io::Result<T> {
        let mut state = self.disk.state();
        // Removed, and gone with a loss of power: no process that is alive has such a file open.
        state.files.get_mut(&self.id).map(f).ok_or_else(not_found)
    }

    fn room_for(&self, len: u64) -> io::Result<()> {
        let state = self.disk.state();
        let now = state.files.get(&self.id).map_or(0, |file| file.len as u64);
        if state.used() + len.saturating_sub(now) > state.capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageFile for OpenFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(|file| {
            let at = (at as usize).min(file.len);
            let count = bytes.len().min(file.len - at);
            file.memory.read(at, &mut bytes[..count]);
            count
        })
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let end = at as usize + bytes.len();
        drop(self.disk.operate()?);
        self.room_for(end as u64)?;
        self.with(|file| {
            file.grow(end);
            file.memory.write(at as usize, bytes);
            // Whatever it holds: the page cache takes a page that is written to for one that is to be written back.
            let pages = at as usize / PAGE * PAGE..end;
            file.forgotten.retain(|page, _| !pages.contains(page));
        })?;
        if self.is_synced { self.sync() } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|file| file.len as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        drop(self.disk.operate()?);
        self.room_for(len)?;
        self.with(|file| file.cut(len as usize))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.operate()?.sync(self.id)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        drop(self.disk.operate()?);
        self.room_for(len)?;
        self.with(|file| file.grow(len as usize))
    }

    fn map(&self, len: usize) -> io::Result<Box<dyn StorageMap>> {
        self.with(|file| -> io::Result<Box<dyn StorageMap>> {
            if len > file.len {
                return Err(ErrorKind::InvalidInput.into());
            }
            Ok(Box::new(Mapped { memory: Arc::clone(&file.memory), len }))
        })?
    }
}

struct Mapped {
    memory: Arc<Memory>,
    len: usize,
}

impl Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({} bytes)", self.len)
    }
}

// SAFETY: the memory begins at a page, has at least `len` bytes and stays while the map holds it.
unsafe impl StorageMap for Mapped {
    fn base(&self) -> *mut u8 {
        self.memory.base
    }

    fn len(&self) -> usize {
        self.len
    }

    fn warm(&self, _: usize, _: usize) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (Disk, PathBuf) {
        let disk = Disk::new(Dice::new(1), 1 << 30);
        let dir = PathBuf::from("/d");
        disk.create_dir(&dir).expect("made");
        (disk, dir)
    }

    fn made(disk: &Disk, path: &Path, bytes: &[u8]) -> Box<dyn StorageFile> {
        let file = disk.open(path, Open::Create).expect("made");
        file.write_all_at(bytes, 0).expect("room");
        file
    }

    #[test]
    fn what_is_synced_survives_and_what_is_not_has_every_fate() {
        let (mut kept, mut lost, mut torn) = (0, 0, 0);
        for seed in 0..400 {
            let disk = Disk::new(Dice::new(seed), 1 << 30);
            let dir = PathBuf::from("/d");
            disk.create_dir(&dir).expect("made");
            let path = dir.join("a");
            let file = made(&disk, &path, &[1; 3 * PAGE]);
            file.sync().expect("no fault is set");
            disk.sync_dir(&dir).expect("synced");
            file.write_all_at(&[2; PAGE], PAGE as u64).expect("room");
            drop(file);
            disk.end_process();
            assert_eq!(disk.read(&path).expect("there")[PAGE..2 * PAGE], [2; PAGE]);
            disk.lose_power();
            let after = disk.read(&path).expect("its name is synced");
            assert_eq!((&after[..PAGE], &after[2 * PAGE..]), (&[1; PAGE][..], &[1; PAGE][..]));
            match &after[PAGE..2 * PAGE] {
                page if page == [2; PAGE] => kept += 1,
                page if page == [1; PAGE] => lost += 1,
                _ => torn += 1,
            }
        }
        assert!(kept > 40 && lost > 40 && torn > 40, "{kept} kept, {lost} lost, {torn} torn");
    }

    #[test]
    fn a_name_lasts_when_its_directory_is_synced() {
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..100 {
            let disk = Disk::new(Dice::new(seed), 1 << 30);
            let dir = PathBuf::from("/d");
            disk.create_dir(&dir).expect("made");
            made(&disk, &dir.join("lasting"), &[1]).sync().expect("synced");
            disk.sync_dir(&dir).expect("synced");
            made(&disk, &dir.join("new"), &[1]).sync().expect("synced");
            disk.rename(&dir.join("lasting"), &dir.join("renamed")).expect("there");
            disk.lose_power();
            let names = disk.list(&dir).expect("there");
            let is_renamed = names.contains(&"renamed".to_string());
            assert_ne!(is_renamed, names.contains(&"lasting".to_string()), "one of the two");
            assert!(!is_renamed || names.contains(&"new".to_string()), "in order");
            if is_renamed { kept += 1 } else { lost += 1 }
        }
        assert!(kept > 10 && lost > 10, "{kept} {lost}");
    }

    #[test]
    fn a_failed_sync_is_told_and_a_second_one_does_not_mend_it() {
        let mut unmended = 0;
        for seed in 0..100 {
            let disk = Disk::new(Dice::new(seed), 1 << 30);
            let dir = PathBuf::from("/d");
            disk.create_dir(&dir).expect("made");
            let file = made(&disk, &dir.join("a"), &[7; PAGE]);
            disk.sync_dir(&dir).expect("synced");
            disk.set_faults(Faults { sync_fails: 1, ..Faults::default() });
            assert!(file.sync().is_err());
            disk.set_faults(Faults::default());
            file.sync().expect("the system says that all is well");
            drop(file);
            disk.lose_power();
            unmended += u64::from(disk.read(&dir.join("a")).expect("there") != [7; PAGE]);
        }
        assert!((10..60).contains(&unmended), "{unmended}");
    }

    #[test]
    fn a_full_disk_refuses_and_a_lock_is_held_once() {
        let (disk, dir) = disk();
        disk.set_capacity(10_000);
        let file = made(&disk, &dir.join("a"), &[1; 6_000]);
        let refused = file.allocate(20_000).expect_err("no room");
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        let lock = dir.join("LOCK");
        let held = disk.lock(&lock).expect("free");
        assert!(matches!(disk.lock(&lock), Err(LockRefused::Held(None))));
        drop(held);
        assert!(disk.lock(&lock).is_ok());
    }
}
