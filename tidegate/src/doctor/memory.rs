//! Memory: pages large enough, and none taken away.

use super::{Finding, Patient};
use crate::memory::{ALLOW, is_wanted, kib, may_lock_all};

const AREA: &str = "memory";

pub fn look(patient: &Patient<'_>) -> Vec<Finding> {
    let mut found = vec![huge_pages(patient)];
    let wants_lock = is_wanted(patient.config, &patient.plan);
    let may_lock = may_lock_all(patient.machine);
    found.push(match (wants_lock, may_lock) {
        (_, true) => Finding::fine(AREA, "locking", "allowed without a bound"),
        (false, false) => Finding::note(AREA, "locking", "bounded; this configuration does not ask for it"),
        (true, false) => Finding::advice(AREA, "locking", "asked for, and not allowed")
            .should("allowed without a bound")
            .costs("the system may page out what the engine needs next; it is touched at the start all the same")
            .change(ALLOW),
    });
    let swap_mib = kib(patient.machine, "proc/meminfo", "SwapTotal").unwrap_or(0) / 1_024;
    found.push(match (swap_mib, wants_lock && may_lock) {
        (0, _) => Finding::fine(AREA, "swap", "none"),
        (_, true) => Finding::fine(
            AREA,
            "swap",
            format!("{swap_mib} MiB; memory is locked, so none of it is the server's"),
        ),
        (_, false) => Finding::advice(AREA, "swap", format!("{swap_mib} MiB"))
            .should("off, or memory locked")
            .costs("milliseconds for each page of the engine's tables that was paged out")
            .change("swapoff -a, or memory.lock = \"yes\""),
    });
    found
}

fn huge_pages(patient: &Patient<'_>) -> Finding {
    let file = "sys/kernel/mm/transparent_hugepage/enabled";
    let Some(modes) = patient.machine.text(file) else {
        return Finding::note(AREA, "huge pages", "not visible");
    };
    let mode = modes.split(['[', ']']).nth(1).unwrap_or_default().to_string();
    match (mode.as_str(), patient.config.memory.huge_pages) {
        ("always" | "madvise", true) => Finding::fine(AREA, "huge pages", format!("{mode}: the engine's tables get them")),
        ("always", false) => Finding::fine(AREA, "huge pages", "always, whoever asks"),
        (_, false) => Finding::note(AREA, "huge pages", "not asked for (memory.huge_pages = false)"),
        (_, true) => Finding::advice(AREA, "huge pages", mode)
            .should("madvise")
            .costs("looks at large tables miss the processor's table of pages: a replay with orders takes a third to a half longer")
            .change(format!("echo madvise > /{file}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine, Note};
    use super::super::tests::{check, found};

    #[test]
    fn memory_is_told() {
        let mode = |text| ("sys/kernel/mm/transparent_hugepage/enabled", text);
        check(
            &found("", &[0], &[mode("always [madvise] never")]),
            "huge pages",
            Fine,
            &["madvise"],
        );
        check(
            &found("", &[0], &[mode("always madvise [never]")]),
            "huge pages",
            Advice,
            &["echo madvise"],
        );
        let unasked = "[memory]\nhuge_pages = false";
        check(&found(unasked, &[0], &[mode("always madvise [never]")]), "huge pages", Note, &[]);
        check(
            &found("", &[0], &[("proc/meminfo", "SwapTotal:  2048000 kB\n")]),
            "swap",
            Advice,
            &["2000 MiB"],
        );
        check(&found("", &[0], &[("proc/meminfo", "SwapTotal:        0 kB\n")]), "swap", Fine, &[]);
        let able = ("proc/self/status", "CapEff:\t0000000000004000\n");
        check(&found("[memory]\nlock = 'yes'", &[0], &[able]), "locking", Fine, &[]);
    }
}
