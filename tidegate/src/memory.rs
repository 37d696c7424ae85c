//! Memory that is there when the engine needs it: huge pages for its tables, and nothing paged out.

use crate::config::{Config, Lock};
use crate::machine::Machine;
use crate::threads::Plan;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit};
use tidegate_engine::memory::want_huge_pages;
use tidegate_engine::runtime::Wait;

/// The bit of `CAP_IPC_LOCK` among the effective capabilities.
const CAP_IPC_LOCK: u32 = 14;

/// Before the engine makes its tables.
pub fn prepare(config: &Config) {
    want_huge_pages(config.memory.huge_pages);
}

/// Locks memory where the configuration asks for it, once there is most of it, and says what came of that.
pub fn keep(config: &Config, plan: &Plan) -> String {
    let machine = Machine::here();
    let wants = match config.memory.lock {
        Lock::Yes => true,
        Lock::Auto => plan.wait == Wait::Spin,
        Lock::No => false,
    };
    let locked = if wants { lock(&machine) } else { Ok(false) };
    if let Err(refused) = &locked {
        match config.memory.lock {
            Lock::Auto => tracing::info!("{refused}"),
            _ => tracing::warn!("{refused}"),
        }
    }
    let mib = |kib: Option<u64>| kib.unwrap_or(0) / 1_024;
    let huge = mib(kib(&machine, "proc/self/smaps_rollup", "AnonHugePages"));
    let resident = mib(kib(&machine, "proc/self/status", "VmRSS"));
    let locked = match locked {
        Ok(true) => "all locked",
        Ok(false) => "not locked",
        Err(_) => "cannot be locked (see tidegate doctor)",
    };
    format!("{resident} MiB, {huge} of them on huge pages, {locked}")
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

fn lock(machine: &Machine) -> Result<bool, String> {
    let how = "allow it with LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (containers) or CAP_IPC_LOCK";
    if !may_lock_all(machine) {
        let limit = getrlimit(Resource::Memlock).current.unwrap_or_default() / 1_024;
        return Err(format!(
            "memory is not locked: this process may lock {limit} KiB; {how}, or set memory.lock = \"no\""
        ));
    }
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE) {
        Ok(()) => Ok(true),
        Err(error) => Err(format!("memory is not locked: {error}; {how}")),
    }
}
