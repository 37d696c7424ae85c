//! The thread that reads the market's reports, on a core of its own: what a publisher behind the engine would do.

use core_affinity::CoreId;
use std::hint::black_box;
use std::sync::LazyLock;
use std::thread::JoinHandle;
use tidegate_matching_challenge::ring::{Reader, Writer, ring};

/// Room for so many reports, 32 MiB of them, as in the public benchmark: a reader that loses its core for a while holds nobody up.
const RING_LEN: u32 = 1 << 20;
/// Reports taken at a time.
const TAKEN_MAX: u32 = 256;

/// Spin hints between two looks that find nothing, some 200 microseconds: what came meanwhile goes out together. A reader at the
/// writer's heels takes every line of the ring from its cache just before it is written: 55 nanoseconds a report.
const PAUSES: u32 = 10_000;

/// How many reports came, by [`tidegate_matching_challenge::ring::Record::kind`].
pub type Counts = [u64; 6];

/// A ring's writing end, and the thread that empties it until that end is dropped.
///
/// The calling thread is pinned to the first core of the machine and the reading one to the second, if there are two.
pub fn reading() -> (Writer, JoinHandle<Counts>) {
    // Asked once: a thread that is pinned sees no core but its own.
    static CORES: LazyLock<Vec<CoreId>> =
        LazyLock::new(|| core_affinity::get_core_ids().unwrap_or_default());
    if let [own, other, ..] = CORES[..] {
        core_affinity::set_for_current(own);
        let (writer, reader) = ring(RING_LEN);
        let thread = std::thread::spawn(move || {
            core_affinity::set_for_current(other);
            read(reader)
        });
        return (writer, thread);
    }
    let (writer, reader) = ring(RING_LEN);
    (writer, std::thread::spawn(move || read(reader)))
}

fn read(mut reader: Reader) -> Counts {
    let mut counts = Counts::default();
    loop {
        // Asked first: what was shown before the end was dropped is then read.
        let is_last = reader.is_abandoned();
        let count = reader.drain(TAKEN_MAX, |_, record| {
            counts[usize::from(record.kind)] += 1;
            black_box(record);
        });
        if count == 0 {
            if is_last {
                return counts;
            }
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reading;
    use tidegate_matching_challenge::ring::Record;

    #[test]
    fn every_report_is_counted() {
        let (mut writer, thread) = reading();
        for at in 0..600 {
            writer.push(Record { kind: at % 6, ..Record::default() });
        }
        writer.flush();
        drop(writer);
        assert_eq!(thread.join().expect("the reader does not fail"), [100; 6]);
    }
}
