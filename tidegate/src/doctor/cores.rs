//! Cores: how fast they are, and who else uses them.

use super::{Finding, Patient};
use crate::machine::{core_list, core_text};
use tidegate_engine::runtime::Wait;

const AREA: &str = "cores";
/// A core that takes longer than this to wake is noticed beside a sleep of fifty.
const WAKE_US_MAX: u64 = 20;

pub fn look(patient: &Patient<'_>) -> Vec<Finding> {
    let mut found = vec![Finding::fine(AREA, "threads", patient.plan.line())];
    for warning in patient.plan.warnings() {
        found.push(
            Finding::advice(AREA, "threads", warning)
                .should("a core for the engine that nothing else runs on")
                .costs("milliseconds at p99.9 and above, whenever the other one runs")
                .change("see [threads.cores] and engine.wait in tidegate run --print-config"),
        );
    }
    found.extend(governor(patient));
    found.extend(idle_states(patient));
    found.push(isolation(patient));
    found.extend(numa(patient));
    found.extend(quota(patient));
    found
}

fn governor(patient: &Patient<'_>) -> Vec<Finding> {
    let machine = patient.machine;
    let mut slow = Vec::new();
    let mut seen = None;
    for core in patient.cores.ids() {
        let file = format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
        let Some(governor) = machine.text(&file) else { continue };
        if governor != "performance" {
            slow.push(core);
        }
        seen = Some(governor);
    }
    let mut found = Vec::new();
    found.push(match seen {
        None => Finding::note(
            AREA,
            "governor",
            "not visible: a virtual machine, or no frequency scaling",
        ),
        Some(_) if slow.is_empty() => Finding::fine(AREA, "governor", "performance"),
        Some(governor) => Finding::advice(
            AREA,
            "governor",
            format!("{governor} on cores {}", core_text(&slow)),
        )
        .should("performance")
        .costs("after a quiet moment a core runs at a fraction of its speed for some milliseconds")
        .change("cpupower frequency-set -g performance"),
    });
    let is_off = machine.text("sys/devices/system/cpu/intel_pstate/no_turbo").as_deref()
        == Some("1")
        || machine.text("sys/devices/system/cpu/cpufreq/boost").as_deref() == Some("0");
    if is_off {
        found.push(Finding::note(
            AREA,
            "turbo",
            "off: steadier, and slower by what the turbo would add",
        ));
    }
    found
}

/// How deep cores sleep. One that spins never does.
fn idle_states(patient: &Patient<'_>) -> Option<Finding> {
    let core = patient.cores.ids().last().copied()?;
    let folder = format!("sys/devices/system/cpu/cpu{core}/cpuidle");
    let states =
        patient.machine.names(&folder).into_iter().filter(|name| name.starts_with("state"));
    let states = states.filter(|state| {
        patient.machine.number(&format!("{folder}/{state}/disable")).unwrap_or(0) == 0
    });
    let latency = |state: String| patient.machine.number(&format!("{folder}/{state}/latency"));
    let deepest_us = states.filter_map(latency).max()?;
    let is = format!("a core takes up to {deepest_us} us to wake from its deepest sleep");
    if deepest_us <= WAKE_US_MAX || patient.plan.wait == Wait::Spin {
        return Some(Finding::fine(AREA, "idle states", is));
    }
    Some(
        Finding::advice(AREA, "idle states", is)
            .should(format!("{WAKE_US_MAX} us at most where the engine sleeps between inputs"))
            .costs(format!("up to {deepest_us} us on the first input after a quiet moment"))
            .change(format!("cpupower idle-set -D {WAKE_US_MAX}")),
    )
}

fn isolation(patient: &Patient<'_>) -> Finding {
    let machine = patient.machine;
    let isolated = machine.cores_in("sys/devices/system/cpu/isolated");
    let command_line = machine.text("proc/cmdline").unwrap_or_default();
    let listed = |key: &str| {
        let mut words = command_line.split(' ');
        let list = words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        list.map(core_list).unwrap_or_default()
    };
    let spins = patient.plan.wait == Wait::Spin;
    let wanted = patient.cores.ids().last().copied().unwrap_or(0);
    let how = |core: &str| {
        format!(
            "isolcpus={core} nohz_full={core} rcu_nocbs={core} on the kernel's command line, and a restart"
        )
    };
    if isolated.is_empty() {
        let is = "none: the system puts any program on any core";
        if !spins && patient.cores.physical_count() < 4 {
            return Finding::note(
                AREA,
                "isolated cores",
                format!("{is}; right for a machine with few"),
            );
        }
        return Finding::advice(AREA, "isolated cores", is)
            .should("one for the engine, one for the feed")
            .costs("tens of microseconds to milliseconds at p99.99, when another program or the kernel takes the core")
            .change(how(&wanted.to_string()));
    }
    let list = core_text(&isolated);
    if !isolated.iter().any(|core| patient.cores.get(*core).is_some()) {
        return Finding::advice(
            AREA,
            "isolated cores",
            format!("{list}, none of them in this process's mask"),
        )
        .should("in the mask, or named")
        .costs("the engine runs where everything else does")
        .change(format!(
            "taskset -c {},{list} tidegate run ..., or [threads.cores] engine = [{}]",
            core_text(&patient.cores.ids()),
            isolated[0]
        ));
    }
    let without = |key: &str| isolated.iter().any(|core| !listed(key).contains(core));
    let missing: Vec<_> =
        ["nohz_full", "rcu_nocbs"].into_iter().filter(|key| without(key)).collect();
    if missing.is_empty() {
        return Finding::fine(AREA, "isolated cores", format!("{list}, without the kernel's tick"));
    }
    Finding::advice(AREA, "isolated cores", format!("{list}, but not in {}", missing.join(" and ")))
        .should("without the kernel's tick and its deferred work")
        .costs("some microseconds up to a thousand times a second")
        .change(how(&list))
}

fn numa(patient: &Patient<'_>) -> Vec<Finding> {
    let machine = patient.machine;
    let nodes = machine.names("sys/devices/system/node");
    let is_node =
        |name: &&String| name.strip_prefix("node").is_some_and(|n| n.parse::<u32>().is_ok());
    let count = nodes.iter().filter(is_node).count();
    let mut found = Vec::new();
    if count < 2 {
        return found;
    }
    found.push(Finding::note(
        AREA,
        "memory nodes",
        format!(
            "{count}: numactl --membind with the node of the engine's core keeps its tables near"
        ),
    ));
    if machine.number("proc/sys/kernel/numa_balancing").unwrap_or(0) != 0 {
        found.push(
            Finding::advice(AREA, "NUMA balancing", "on")
                .should("off")
                .costs("the kernel takes pages away for a moment to see who uses them: page faults on the engine's thread")
                .change("sysctl -w kernel.numa_balancing=0"),
        );
    }
    found
}

fn quota(patient: &Patient<'_>) -> Option<Finding> {
    let milli = patient.machine.quota_milli()?;
    let is = format!("{}.{:02} cores by the control group", milli / 1_000, milli % 1_000 / 10);
    let finding = Finding::advice(AREA, "quota", is).should("none").costs(
        "when it is used up, all threads stand still until the period is over: tens of milliseconds, also where nothing spins",
    );
    Some(finding.change("no CPU limit (Kubernetes: the same whole number as request and limit, with the static CPU manager)"))
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine, Note};
    use super::super::tests::{check, found};

    #[test]
    fn what_cores_do_is_told() {
        let governor = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
        let state =
            |n: u32, file: &str| format!("sys/devices/system/cpu/cpu1/cpuidle/state{n}/{file}");
        let (deep, shallow, disable) =
            (state(1, "latency"), state(0, "latency"), state(1, "disable"));
        let slow = [
            (governor, "powersave\n"),
            (deep.as_str(), "133"),
            (shallow.as_str(), "1"),
            (disable.as_str(), "0"),
        ];
        let found_slow = found("", &[0, 1], &slow);
        check(&found_slow, "governor", Advice, &["powersave on cores 1", "cpupower frequency-set"]);
        check(&found_slow, "idle states", Advice, &["up to 133 us"]);
        check(&found_slow, "isolated cores", Note, &["few"]);
        check(&found_slow, "threads", Fine, &["none pinned"]);
        let fast = [(governor, "performance"), slow[1], slow[2], (disable.as_str(), "1")];
        let found_fast = found("", &[0, 1], &fast);
        check(&found_fast, "governor", Fine, &[]);
        check(&found_fast, "idle states", Fine, &["up to 1 us"]);
        check(&found("", &[0], &[]), "governor", Note, &["virtual"]);
    }

    #[test]
    fn isolated_cores_are_to_be_isolated_from_everything_and_in_the_mask() {
        let isolated = ("sys/devices/system/cpu/isolated", "2-3");
        let line = |text| ("proc/cmdline", text);
        let all = line("quiet isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3");
        let of = |files: &[(&str, &str)], cores: &[usize]| found("", cores, files);
        check(&of(&[isolated, all], &[0, 1, 2, 3]), "isolated cores", Fine, &["2-3"]);
        let half = of(&[isolated, line("isolcpus=2-3 nohz_full=3")], &[0, 1, 2, 3]);
        check(&half, "isolated cores", Advice, &["nohz_full and rcu_nocbs", "isolcpus=2-3"]);
        check(
            &of(&[isolated, all], &[0, 1]),
            "isolated cores",
            Advice,
            &["mask", "taskset -c 0-1,2-3"],
        );
        check(&of(&[], &[0, 1, 2, 3]), "isolated cores", Advice, &["isolcpus=3"]);
    }

    #[test]
    fn nodes_and_quotas_are_told() {
        let many = found(
            "[engine]\nwait = 'spin'",
            &[0, 1],
            &[
                ("sys/devices/system/node/node0/x", ""),
                ("sys/devices/system/node/node1/x", ""),
                ("proc/sys/kernel/numa_balancing", "1\n"),
                ("sys/fs/cgroup/cpu.max", "150000 100000"),
            ],
        );
        check(&many, "memory nodes", Note, &["2:"]);
        check(&many, "NUMA balancing", Advice, &["numa_balancing=0"]);
        check(&many, "quota", Advice, &["1.50 cores"]);
        check(&many, "threads", Advice, &["polls without pause"]);
    }
}
