//! What may leave, and how far: the release levels, and the numbers that say what each of them has reached.
//!
//! An input is in the page cache when it is applied ([`ReleaseLevel::Process`]). Two things can be added to that: this
//! machine's disk has it, and the followers have it. Whoever lets outputs out asks [`Release::released`]; whoever
//! syncs or replicates moves the numbers on. Nobody ever waits here.

use crate::bell::Bell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::thread::Thread;
use tidegate_model::{ReleaseLevel, SeqNo};

/// A number on cache lines of its own, so that those who poll it disturb no other.
#[derive(Debug)]
#[repr(align(128))]
struct Line(AtomicU64);

impl Line {
    const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    #[inline]
    fn get(&self) -> SeqNo {
        SeqNo(self.0.load(Ordering::Acquire))
    }

    /// Moves on to `seq`, never back; true if it moved.
    fn raise(&self, seq: SeqNo) -> bool {
        self.0.fetch_max(seq.0, Ordering::AcqRel) < seq.0
    }
}

type Listener = Box<dyn Fn() + Send + Sync>;

/// How far each part of the release level has come. Shared by all threads that let something out; one for each run of
/// a process, so numbers only grow: a process that takes over as primary begins with a new one.
pub struct Release {
    level: ReleaseLevel,
    has_followers: bool,
    synced: Line,
    replicated: Line,
    /// The last input that somebody waits for on disk, beyond what the level asks.
    wanted: Line,
    /// No input above it leaves, whatever is reached: `u64::MAX` until the release is stopped.
    ceiling: Line,
    why: OnceLock<String>,
    is_stopped: AtomicBool,
    syncer: OnceLock<Thread>,
    listeners: RwLock<Vec<Listener>>,
    /// Where those sleep who let something out, or sync it.
    bell: Bell,
    is_rung: AtomicBool,
}

/// At the `process` level, without followers.
impl Default for Release {
    fn default() -> Self {
        Self::new(ReleaseLevel::Process)
    }
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release")
            .field("level", &self.level)
            .field("synced", &self.synced())
            .field("replicated", &self.replicated())
            .field("stopped", &self.stopped())
            .finish_non_exhaustive()
    }
}

impl Release {
    /// Nothing is on disk or with followers yet. Followers are expected if the level waits for them.
    pub fn new(level: ReleaseLevel) -> Self {
        Self {
            level,
            has_followers: level.is_replicated(),
            synced: Line::new(0),
            replicated: Line::new(0),
            wanted: Line::new(0),
            ceiling: Line::new(u64::MAX),
            why: OnceLock::new(),
            is_stopped: AtomicBool::new(false),
            syncer: OnceLock::new(),
            listeners: RwLock::new(Vec::new()),
            bell: Bell::default(),
            is_rung: AtomicBool::new(false),
        }
    }

    /// The same of a deployment that has followers, whether its level waits for them or not: a session may then.
    pub fn with_followers(level: ReleaseLevel) -> Self {
        Self { has_followers: true, ..Self::new(level) }
    }

    /// True if acknowledgements of `level` can be had here: one that waits for followers needs some.
    pub const fn offers(&self, level: ReleaseLevel) -> bool {
        self.has_followers || !level.is_replicated()
    }

    /// The level of this deployment: every output waits for it.
    pub const fn level(&self) -> ReleaseLevel {
        self.level
    }

    /// The last input that is on this machine's disk.
    #[inline]
    pub fn synced(&self) -> SeqNo {
        self.synced.get()
    }

    /// The last input that every in-sync follower of the current epoch has.
    #[inline]
    pub fn replicated(&self) -> SeqNo {
        self.replicated.get()
    }

    /// The last input for which `level` holds; `u64::MAX` for [`ReleaseLevel::Process`], which holds for whatever was
    /// applied. Never above where the release was stopped.
    #[inline]
    pub fn reached(&self, level: ReleaseLevel) -> SeqNo {
        let mut reached = self.ceiling.get();
        if level.is_synced() {
            reached = reached.min(self.synced.get());
        }
        if level.is_replicated() {
            reached = reached.min(self.replicated.get());
        }
        reached
    }

    /// The last input whose outputs may leave.
    #[inline]
    pub fn released(&self) -> SeqNo {
        self.reached(self.level)
    }

    /// This machine's disk has everything up to `seq`. For the one who syncs. A lower number changes nothing.
    pub fn set_synced(&self, seq: SeqNo) {
        if self.synced.raise(seq) {
            self.tell();
        }
    }

    /// Every in-sync follower of the current epoch has everything up to `seq`. For replication, which confirms nothing
    /// that it is not entitled to: after a lost lease it stops calling. A lower number changes nothing: a follower is
    /// waited for only once it has what the others have.
    pub fn set_replicated(&self, seq: SeqNo) {
        if self.replicated.raise(seq) {
            self.tell();
        }
    }

    /// Somebody waits until `seq` is on disk, although the level does not ask for it: the syncer goes at once.
    pub fn want_synced(&self, seq: SeqNo) {
        if seq > self.synced()
            && self.wanted.raise(seq)
            && let Some(syncer) = self.syncer.get()
        {
            syncer.unpark();
        }
    }

    /// The last input that somebody waits for on disk.
    pub fn wanted(&self) -> SeqNo {
        self.wanted.get()
    }

    /// Nothing further is released, for the reason given: a sync failed, or the machine is no primary any more. The
    /// engine sees it and ends. The first reason stays.
    pub fn stop(&self, why: String) {
        // After a failed sync the page cache is no place to trust either: only what is on disk counts there.
        let last = match self.level {
            ReleaseLevel::Process => self.synced(),
            _ => self.released(),
        };
        self.ceiling.0.fetch_min(last.0, Ordering::AcqRel);
        let _ = self.why.set(why);
        self.is_stopped.store(true, Ordering::Release);
        self.tell();
    }

    /// True once nothing further is released. Cheap enough for every turn of the engine.
    #[inline]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Why nothing further is released.
    pub fn stopped(&self) -> Option<&str> {
        if self.is_stopped() { self.why.get().map(String::as_str) } else { None }
    }

    /// Calls `listener` after a number has moved, on the thread that moved it; it must be quick and never wait.
    pub fn on_advance(&self, listener: impl Fn() + Send + Sync + 'static) {
        let mut listeners = self.listeners.write().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }

    /// The engine rings the bell when it has applied something, or does so no more: one that spins has no time to wake anybody.
    pub fn set_rung(&self, is_rung: bool) {
        self.is_rung.store(is_rung, Ordering::Relaxed);
    }

    /// There may be something to let out, or to sync.
    #[inline]
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Where those can sleep who let something out, or sync it; `None` while nobody would wake them.
    pub fn bell(&self) -> Option<&Bell> {
        self.is_rung.load(Ordering::Relaxed).then_some(&self.bell)
    }

    /// The thread to wake when somebody waits for the disk; the first one stays.
    pub(crate) fn wake_for_sync(&self, syncer: Thread) {
        let _ = self.syncer.set(syncer);
    }

    fn tell(&self) {
        self.bell.ring();
        let listeners = self.listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReleaseLevel::{Power, Process, Replica, ReplicaPower};
    use std::sync::Arc;

    #[test]
    fn a_level_reaches_as_far_as_the_least_of_its_parts() {
        let all = u64::MAX;
        for (level, released) in [(Process, all), (Power, 7), (Replica, 5), (ReplicaPower, 5)] {
            let release = Release::new(level);
            release.set_synced(SeqNo(7));
            release.set_synced(SeqNo(3));
            release.set_replicated(SeqNo(5));
            assert_eq!(release.released(), SeqNo(released), "{level}");
            assert_eq!(release.reached(ReplicaPower), SeqNo(5));
        }
    }

    #[test]
    fn what_is_stopped_stays_where_it_was() {
        let release = Release::new(Power);
        release.set_synced(SeqNo(7));
        release.stop("the disk is gone".into());
        release.stop("and more".into());
        release.set_synced(SeqNo(9));
        assert_eq!(release.released(), SeqNo(7));
        assert_eq!(release.reached(Process), SeqNo(7));
        assert_eq!(release.stopped(), Some("the disk is gone"));
        let release = Release::new(Process);
        release.set_synced(SeqNo(7));
        assert_eq!(release.released(), SeqNo(u64::MAX));
        release.stop("the disk is gone".into());
        assert_eq!(release.released(), SeqNo(7));
    }

    #[test]
    fn followers_are_offered_where_there_are_some() {
        for &level in ReleaseLevel::ALL {
            let needs_them = level.is_replicated();
            assert_eq!(Release::new(Power).offers(level), !needs_them);
            assert!(Release::new(Replica).offers(level));
            assert!(Release::with_followers(Process).offers(level));
        }
    }

    #[test]
    fn whoever_listens_hears_of_each_step_forward() {
        let release = Release::new(ReplicaPower);
        let heard = Arc::new(AtomicU64::new(0));
        let hears = Arc::clone(&heard);
        release.on_advance(move || {
            hears.fetch_add(1, Ordering::Relaxed);
        });
        release.set_synced(SeqNo(7));
        release.set_synced(SeqNo(7));
        release.set_replicated(SeqNo(7));
        release.want_synced(SeqNo(8));
        release.want_synced(SeqNo(6));
        assert_eq!((heard.load(Ordering::Relaxed), release.wanted()), (2, SeqNo(8)));
    }
}
