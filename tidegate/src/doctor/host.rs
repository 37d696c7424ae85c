//! The clock, the host below, limits and network buffers.

use super::{Finding, Patient, time_sync};
use crate::memory::kib;
use rustix::process::{Resource, getrlimit};
use tidegate_feed_handler::udp::FeedConfig;

const CLOCK: &str = "clock";
const HOST: &str = "host";
/// Files that a server with its sessions, segments and readers has open, with room.
const FILES_WANTED: u64 = 4_096;
/// Without these it does not start.
const FILES_MIN: u64 = 256;
/// Time that the host gave to others, in thousandths, that is noticed.
const STEAL_MILLI_MAX: u64 = 5;

pub fn look(patient: &Patient<'_>) -> Vec<Finding> {
    let mut found = vec![clock_source(patient)];
    found.extend(steal(patient));
    found.extend(socket_buffer(patient));
    found.extend(available(patient));
    found
}

fn clock_source(patient: &Patient<'_>) -> Finding {
    let file = |name: &str| {
        let path = format!("sys/devices/system/clocksource/clocksource0/{name}");
        patient.machine.text(&path).unwrap_or_default()
    };
    let (source, offered) = (file("current_clocksource"), file("available_clocksource"));
    if ["tsc", "arch_sys_counter"].contains(&source.as_str()) {
        return Finding::fine(
            CLOCK,
            "clock source",
            format!("{source}: read by a counter, no system call"),
        );
    }
    if source.is_empty() {
        return Finding::note(CLOCK, "clock source", "not visible");
    }
    let flags = patient.machine.field("proc/cpuinfo", "flags").unwrap_or_default();
    let has = |flag: &str| flags.split(' ').any(|word| word == flag);
    let is_even = has("constant_tsc") && has("nonstop_tsc");
    let change = match (offered.split(' ').any(|name| name == "tsc"), is_even) {
        (true, true) => {
            "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource"
        }
        (false, true) => "tsc=reliable on the kernel's command line, if the machine's maker agrees",
        _ => "another machine: this processor's counter changes its pace or stops",
    };
    Finding::advice(CLOCK, "clock source", source)
        .should("tsc")
        .costs("reading the time takes 50 to 1,000 ns instead of 20, several times an order")
        .change(change)
}

/// What the host below gave to others since the machine was started.
fn steal(patient: &Patient<'_>) -> Option<Finding> {
    let flags = patient.machine.field("proc/cpuinfo", "flags").unwrap_or_default();
    let is_virtual = flags.split(' ').any(|word| word == "hypervisor");
    let text = patient.machine.text("proc/stat")?;
    let first = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = first.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let all: u64 = ticks.iter().take(8).fold(0, |sum, ticks| sum.saturating_add(*ticks));
    let stolen = ticks.get(7).copied().unwrap_or(0).saturating_mul(1_000) / all.max(1);
    let is = format!("{}.{} % of the time since the start", stolen / 10, stolen % 10);
    if stolen > STEAL_MILLI_MAX {
        return Some(
            Finding::advice(HOST, "steal", format!("{is} went to other machines of this host"))
                .should("none")
                .costs("the engine stands still meanwhile, for milliseconds at a time")
                .change("a machine with cores of its own"),
        );
    }
    is_virtual.then(|| Finding::note(HOST, "virtual machine", format!("yes; {is} went to others")))
}

fn socket_buffer(patient: &Patient<'_>) -> Option<Finding> {
    let line = patient.config.feed.line_a?;
    let asked = FeedConfig::new(line).socket_buffer_bytes as u64;
    let allowed = patient.machine.number("proc/sys/net/core/rmem_max")?;
    let is = format!("{} KiB at most, the feed asks for {}", allowed / 1_024, asked / 1_024);
    if allowed >= asked {
        return Some(Finding::fine(HOST, "socket buffers", is));
    }
    Some(
        Finding::advice(HOST, "socket buffers", is)
            .should(format!("{} KiB", asked / 1_024))
            .costs(
                "packets are lost when the feed's thread is held up, and must be asked for again",
            )
            .change(format!("sysctl -w net.core.rmem_max={asked}")),
    )
}

/// Memory that the engine's tables may come to need.
fn available(patient: &Patient<'_>) -> Option<Finding> {
    // What a displayed order and an own order take in all tables together, roughly.
    const BOOK_ORDER_BYTES: u64 = 64;
    const ORDER_BYTES: u64 = 768;
    let mib = kib(patient.machine, "proc/meminfo", "MemAvailable")? / 1_024;
    let engine = &patient.config.engine;
    let bytes =
        engine.book_orders_max.get() * BOOK_ORDER_BYTES + engine.orders_max.get() * ORDER_BYTES;
    let wanted = (bytes >> 20) + 256;
    let is = format!("{mib} MiB available; full tables take about {wanted}");
    if mib >= wanted {
        return Some(Finding::fine(HOST, "memory", is));
    }
    Some(
        Finding::advice(HOST, "memory", is)
            .should("room for full tables")
            .costs("the kernel ends the server on the day that fills them")
            .change("smaller engine.orders_max and engine.book_orders_max for a new journal, or more memory"),
    )
}

/// What files do not tell.
pub fn ask(_: &Patient<'_>) -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let finding = match files {
        u64::MAX => Finding::fine(HOST, "open files", "no limit"),
        FILES_WANTED.. => Finding::fine(HOST, "open files", format!("{files} allowed")),
        FILES_MIN.. => Finding::advice(HOST, "open files", format!("{files} allowed")),
        _ => Finding::stop(HOST, "open files", format!("{files} allowed")),
    };
    let finding = match files {
        FILES_WANTED.. => finding,
        _ => finding
            .should(format!("{FILES_WANTED} or more"))
            .costs("connections are refused, and streams of events break, when they are used up")
            .change(format!("LimitNOFILE={FILES_WANTED} (systemd), ulimit -n {FILES_WANTED}")),
    };
    vec![time_sync::look(), finding]
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine, Note};
    use super::super::tests::{check, found};

    #[test]
    fn the_clock_is_told() {
        let source =
            |text| ("sys/devices/system/clocksource/clocksource0/current_clocksource", text);
        let offered =
            ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet");
        let even = ("proc/cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc\n");
        check(&found("", &[0], &[source("tsc\n")]), "clock source", Fine, &[]);
        check(
            &found("", &[0], &[source("hpet"), offered, even]),
            "clock source",
            Advice,
            &["echo tsc"],
        );
        check(&found("", &[0], &[source("hpet"), even]), "clock source", Advice, &["tsc=reliable"]);
        check(
            &found("", &[0], &[source("hpet"), offered]),
            "clock source",
            Advice,
            &["another machine"],
        );
    }

    #[test]
    fn the_host_is_told() {
        let virt = ("proc/cpuinfo", "flags: fpu hypervisor\n");
        let stat = |text| ("proc/stat", text);
        let quiet = found("", &[0], &[virt, stat("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1\n")]);
        check(&quiet, "virtual machine", Note, &["0.0 %"]);
        let busy = found("", &[0], &[virt, stat("cpu  100 0 100 780 0 0 0 20 0 0\n")]);
        check(&busy, "steal", Advice, &["2.0 %"]);
        assert!(found("", &[0], &[stat("cpu x\n")]).iter().all(|finding| finding.what != "steal"));
        let fed = "[feed]\nline_a = '127.0.0.1:1'\n";
        let max = |text| ("proc/sys/net/core/rmem_max", text);
        check(
            &found(fed, &[0], &[max("212992")]),
            "socket buffers",
            Advice,
            &["208 KiB", "rmem_max="],
        );
        check(&found(fed, &[0], &[max("268435456")]), "socket buffers", Fine, &[]);
        let free = |text| ("proc/meminfo", text);
        check(&found("", &[0], &[free("MemAvailable: 100000 kB")]), "memory", Advice, &["97 MiB"]);
        check(&found("", &[0], &[free("MemAvailable: 9900000 kB")]), "memory", Fine, &[]);
    }
}
