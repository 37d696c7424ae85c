//! Memory that is there when the engine needs it: huge pages for its tables, and nothing paged out.

use crate::config::{Config, Lock};
use crate::machine::Machine;
use crate::threads::Plan;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use tidegate_engine::memory::{populate, want_huge_pages};
use tidegate_engine::runtime::Wait;

/// The bit of `CAP_IPC_LOCK` among the effective capabilities.
const CAP_IPC_LOCK: u32 = 14;

/// Before the engine makes its tables.
pub fn prepare(config: &Config) {
    want_huge_pages(config.memory.huge_pages);
}

/// Makes all memory present and keeps it where the configuration asks for it, once there is most of it; says what came of that.
pub fn keep(config: &Config, plan: &Plan) -> String {
    let machine = Machine::here();
    let kept = match is_wanted(config, plan) {
        true if may_lock_all(&machine) => lock(),
        true => touch(),
        false => "left to the system".into(),
    };
    let mib = |path, key| kib(&machine, path, key).unwrap_or(0) / 1_024;
    let huge = mib("proc/self/smaps_rollup", "AnonHugePages");
    let resident = mib("proc/self/status", "VmRSS");
    format!("{resident} MiB, {huge} of them on huge pages, {kept}")
}

/// True if memory is to be kept.
pub fn is_wanted(config: &Config, plan: &Plan) -> bool {
    match config.memory.lock {
        Lock::Yes => true,
        Lock::Auto => plan.wait == Wait::Spin,
        Lock::No => false,
    }
}

/// Kibibytes that a line of a file says.
pub fn kib(machine: &Machine, path: &str, key: &str) -> Option<u64> {
    machine.field(path, key)?.split(' ').next()?.parse().ok()
}

/// True if this process may lock as much as it likes. With a bound, what is mapped once it is used up fails.
pub fn may_lock_all(machine: &Machine) -> bool {
    let bits = machine.field("proc/self/status", "CapEff").unwrap_or_default();
    let has_right = u64::from_str_radix(&bits, 16).is_ok_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1);
    has_right || getrlimit(Resource::Memlock).current.is_none()
}

/// What allows it.
pub const ALLOW: &str =
    "LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (containers), or CAP_IPC_LOCK";

fn lock() -> String {
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE) {
        Ok(()) => "all of it locked".into(),
        Err(error) => {
            tracing::warn!("memory cannot be locked: {error}");
            touch()
        }
    }
}

/// Less than to lock it, and free to everyone.
fn touch() -> String {
    match populate() {
        Ok(_) => {
            tracing::warn!(
                "memory is touched, not locked: the system may page it out again; allow it with {ALLOW}, or set memory.lock = \"no\""
            );
            "touched, not locked".into()
        }
        Err(error) => {
            tracing::warn!("memory can neither be locked nor touched: {error}");
            "neither locked nor touched".into()
        }
    }
}
