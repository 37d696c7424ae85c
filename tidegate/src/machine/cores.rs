//! The cores that this process may use, and what they share.

use super::{Machine, core_list};
use anyhow::{Context, Result};
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// One core, as the system counts them: a thread of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Core {
    /// Its number.
    pub id: usize,
    /// The system's scheduler puts nothing there by itself.
    pub is_isolated: bool,
    /// It and the others on the same physical core, sorted.
    pub siblings: Vec<usize>,
    /// The first of those that share its last cache.
    pub cache: usize,
}

/// The cores that this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores(pub Vec<Core>);

impl Cores {
    /// Those in the mask of this process.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn of_process(machine: &Machine) -> Result<Self> {
        let mask =
            sched_getaffinity(None).context("cannot ask which cores this process may use")?;
        let allowed = (0..CpuSet::MAX_CPU).filter(|core| mask.is_set(*core)).collect();
        Ok(Self::of(machine, allowed))
    }

    /// The cores `allowed` of `machine`.
    pub fn of(machine: &Machine, allowed: Vec<usize>) -> Self {
        let isolated = machine.cores_in("sys/devices/system/cpu/isolated");
        let core = |id: usize| {
            let file = |name: &str| format!("sys/devices/system/cpu/cpu{id}/{name}");
            let mut siblings = machine.cores_in(&file("topology/thread_siblings_list"));
            if !siblings.contains(&id) {
                siblings = vec![id];
            }
            let levels = machine.names(&file("cache"));
            let shared = levels.iter().filter(|name| name.starts_with("index"));
            let shared = shared.filter_map(|name| {
                let level = machine.number(&file(&format!("cache/{name}/level")))?;
                let list = machine.text(&file(&format!("cache/{name}/shared_cpu_list")))?;
                Some((level, core_list(&list)))
            });
            let last = shared.max_by_key(|(level, _)| *level);
            let cache = last.and_then(|(_, cores)| cores.first().copied()).unwrap_or(0);
            Core { id, is_isolated: isolated.contains(&id), siblings, cache }
        };
        Self(allowed.into_iter().map(core).collect())
    }

    /// Their numbers.
    pub fn ids(&self) -> Vec<usize> {
        self.0.iter().map(|core| core.id).collect()
    }

    /// The one with this number.
    pub fn get(&self, id: usize) -> Option<&Core> {
        self.0.iter().find(|core| core.id == id)
    }

    /// How many of them are physical.
    pub fn physical_count(&self) -> usize {
        let is_first = |core: &&Core| {
            core.siblings.iter().find(|id| self.get(**id).is_some()) == Some(&core.id)
        };
        self.0.iter().filter(is_first).count()
    }
}

/// Lets a thread of this process run on `cores` only: the calling one, or the one with this number.
///
/// # Errors
/// As the system says: none of the cores exists, or may be used.
pub fn place(thread: Option<Pid>, cores: &[usize]) -> rustix::io::Result<()> {
    let mut mask = CpuSet::new();
    for core in cores.iter().filter(|core| **core < CpuSet::MAX_CPU) {
        mask.set(*core);
    }
    sched_setaffinity(thread, &mask)
}

#[cfg(test)]
mod tests {
    use super::super::made_up::machine;
    use super::*;

    #[test]
    fn siblings_isolation_and_caches_are_read() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let machine = machine(
            dir.path(),
            &[
                ("sys/devices/system/cpu/isolated", "3\n"),
                ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,3\n"),
                ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "1,3\n"),
                ("sys/devices/system/cpu/cpu3/cache/index0/level", "1"),
                ("sys/devices/system/cpu/cpu3/cache/index0/shared_cpu_list", "3"),
                ("sys/devices/system/cpu/cpu3/cache/index3/level", "3"),
                ("sys/devices/system/cpu/cpu3/cache/index3/shared_cpu_list", "2-3"),
            ],
        );
        let cores = Cores::of(&machine, vec![0, 1, 3]);
        let core = |id, is_isolated, siblings: &[usize], cache| Core {
            id,
            is_isolated,
            siblings: siblings.to_vec(),
            cache,
        };
        assert_eq!(
            cores.0,
            [core(0, false, &[0], 0), core(1, false, &[1, 3], 0), core(3, true, &[1, 3], 2)]
        );
        assert_eq!(cores.physical_count(), 2);
        assert_eq!(Cores::of(&machine, vec![0, 3]).physical_count(), 2, "its sibling is not ours");
    }

    #[test]
    fn this_machine_has_a_core_that_threads_may_be_placed_on() {
        let cores = Cores::of_process(&Machine::here()).expect("the system tells");
        let last = cores.ids().last().copied().expect("there is one");
        std::thread::scope(|scope| {
            let placed = scope.spawn(|| {
                place(None, &[last]).expect("it may be used");
                Cores::of_process(&Machine::here()).expect("the system tells").ids()
            });
            assert_eq!(placed.join().expect("no panic"), [last]);
        });
        assert!(place(None, &[]).is_err() && place(None, &[CpuSet::MAX_CPU + 1]).is_err());
    }
}
