//! Mapped segments against a ring in memory that the syncer copies from: what one append takes on the engine's thread
//! while another thread syncs to the disk without a pause, and how long a sync takes. See
//! `docs/decisions/0012-mapped-segments-or-ring.md`.
//!
//! One thread appends frames of 88 bytes (16 of header with CRC32C, 72 of payload), as fast as it can or at a fixed rate;
//! the other syncs in a loop. Each is pinned to a core of its own. Variants take turns, round by round; a figure is the
//! median over rounds. The clock is the processor's, read before and after each append, and its own cost is printed first.
//! `from due` counts from when the append was due, so that a stall is charged to all who waited for it.
//!
//! * `mapped`: stores go into mapped, allocated, faulted-in segments of 64 MiB. The other thread syncs the whole file
//!   (`fdatasync`), or what was written (`msync`), or copies what was written into another file and syncs that one. After a
//!   sync it may make the next bytes writable again (`warm`), since write-back protects what it has written.
//! * `ring`: stores go into 64 MiB of private memory; the other thread writes them to an allocated file and syncs.
//! * `zeroed`: the file was filled with zeros and synced before, so that a sync changes no metadata.
//!
//! `cargo run --release -p tidegate-bench --example segments_or_ring [DIR [ROUNDS]]`
// Allowed here: the same stores into shared memory as the journal's own, without its checks around them.
#![allow(unsafe_code)]

use hdrhistogram::Histogram;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

const SEGMENT_LEN: u64 = 64 << 20;
const RING_LEN: u64 = 64 << 20;
const PAYLOAD_WORDS: usize = 9;
const FRAME_LEN: u64 = 16 + 8 * PAYLOAD_WORDS as u64;
/// Frames in a segment; what is left of it stays empty.
const PER_SEGMENT: u64 = SEGMENT_LEN / FRAME_LEN;
const PER_RING: u64 = RING_LEN / FRAME_LEN;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Store {
    Mapped,
    Ring,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Sync {
    None,
    File,
    Range,
    Copy,
}

#[derive(Clone, Copy, Debug)]
struct Variant {
    name: &'static str,
    store: Store,
    sync: Sync,
    warm: u64,
    zeroed: bool,
}

const VARIANTS: [Variant; 11] = [
    Variant {
        name: "mapped, no sync",
        store: Store::Mapped,
        sync: Sync::None,
        warm: 0,
        zeroed: false,
    },
    Variant { name: "ring, no sync", store: Store::Ring, sync: Sync::None, warm: 0, zeroed: false },
    Variant {
        name: "mapped, fdatasync, not warmed",
        store: Store::Mapped,
        sync: Sync::File,
        warm: 0,
        zeroed: false,
    },
    Variant {
        name: "mapped, fdatasync, 1 MiB warm",
        store: Store::Mapped,
        sync: Sync::File,
        warm: 1 << 20,
        zeroed: false,
    },
    Variant {
        name: "mapped, msync of range",
        store: Store::Mapped,
        sync: Sync::Range,
        warm: 0,
        zeroed: false,
    },
    Variant {
        name: "  zeroed file",
        store: Store::Mapped,
        sync: Sync::Range,
        warm: 0,
        zeroed: true,
    },
    Variant {
        name: "  zeroed, page warmed",
        store: Store::Mapped,
        sync: Sync::Range,
        warm: 1,
        zeroed: true,
    },
    Variant {
        name: "mapped, copied, fdatasync",
        store: Store::Mapped,
        sync: Sync::Copy,
        warm: 0,
        zeroed: false,
    },
    Variant {
        name: "  zeroed file",
        store: Store::Mapped,
        sync: Sync::Copy,
        warm: 0,
        zeroed: true,
    },
    Variant {
        name: "ring, fdatasync",
        store: Store::Ring,
        sync: Sync::Copy,
        warm: 0,
        zeroed: false,
    },
    Variant { name: "  zeroed file", store: Store::Ring, sync: Sync::Copy, warm: 0, zeroed: true },
];

/// Stores one frame. `at` is aligned to 8 and has room for it.
#[inline]
#[target_feature(enable = "sse4.2")]
unsafe fn put(at: *mut u64, seq: u64, payload: &[u64; PAYLOAD_WORDS]) {
    use std::arch::x86_64::_mm_crc32_u64;
    let mut crc = _mm_crc32_u64(0xffff_ffff, seq);
    for (n, &word) in payload.iter().enumerate() {
        crc = _mm_crc32_u64(crc, word);
        // SAFETY: the caller's promise.
        unsafe { at.add(2 + n).write(word) };
    }
    // SAFETY: the caller's promise; the word is aligned.
    unsafe {
        at.add(1).write(seq);
        AtomicU64::from_ptr(at)
            .store(crc & 0xffff_ffff | (72 << 32) | (1 << 48), Ordering::Release);
    }
}

struct Segment {
    file: File,
    map: MmapRaw,
}

fn segment(path: &Path, zeroed: bool, prefault: bool) -> Segment {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .expect("open");
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, SEGMENT_LEN as i64) }, 0);
    if zeroed {
        let zeros = vec![0; 1 << 20];
        for n in 0..SEGMENT_LEN >> 20 {
            file.write_all_at(&zeros, n << 20).expect("zeros");
        }
    }
    file.sync_all().expect("sync");
    let map = MmapOptions::new().len(SEGMENT_LEN as usize).map_raw(&file).expect("map");
    if prefault {
        map.advise(Advice::PopulateWrite).expect("prefault");
    }
    Segment { file, map }
}

#[repr(align(128))]
struct Line(AtomicU64);

struct Outcome {
    service: Histogram<u64>,
    response: Histogram<u64>,
    sync: Histogram<u64>,
    synced: u64,
    waited: u64,
    secs: f64,
}

fn hist() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds")
}

fn run(
    dir: &Path,
    variant: Variant,
    rate: u64,
    count: u64,
    cores: &[core_affinity::CoreId],
) -> Outcome {
    let segments: Vec<Segment> = (0..=count / PER_SEGMENT)
        .map(|n| {
            segment(&dir.join(format!("{n}.seg")), variant.zeroed, variant.store == Store::Mapped)
        })
        .collect();
    let copies: Vec<Segment> = (0
        ..if variant.store == Store::Mapped && variant.sync == Sync::Copy {
            segments.len()
        } else {
            0
        })
        .map(|n| segment(&dir.join(format!("{n}.copy")), variant.zeroed, false))
        .collect();
    let ring = MmapOptions::new().len(RING_LEN as usize).map_anon().expect("ring");
    let ring: MmapRaw = ring.into();
    ring.advise(Advice::PopulateWrite).expect("prefault");
    let (head, synced, done) =
        (Line(AtomicU64::new(0)), Line(AtomicU64::new(0)), AtomicBool::new(false));
    let clock = quanta::Clock::new();
    let mut waited = 0;
    let (mut service, mut response) = (hist(), hist());
    let mut secs = 0.0;
    let sync = std::thread::scope(|scope| {
        let syncer = scope.spawn(|| {
            core_affinity::set_for_current(cores[1]);
            let mut times = hist();
            if variant.sync == Sync::None {
                if variant.store == Store::Ring {
                    // keeps the ring empty
                    while !done.load(Ordering::Acquire) {
                        synced.0.store(head.0.load(Ordering::Acquire), Ordering::Release);
                        std::hint::spin_loop();
                    }
                }
                return times;
            }
            let mut from = 0;
            loop {
                let last = done.load(Ordering::Acquire);
                let to = head.0.load(Ordering::Acquire);
                if to == from {
                    if last {
                        return times;
                    }
                    std::thread::yield_now();
                    continue;
                }
                let begin = Instant::now();
                while from < to {
                    let index = from / PER_SEGMENT;
                    let end = to.min((index + 1) * PER_SEGMENT);
                    let segment = &segments[index as usize];
                    match variant.sync {
                        Sync::Range => {
                            let begin = from % PER_SEGMENT * FRAME_LEN;
                            let len = (end - from) * FRAME_LEN;
                            segment.map.flush_range(begin as usize, len as usize).expect("msync");
                        }
                        Sync::File => segment.file.sync_data().expect("sync"),
                        Sync::Copy if variant.store == Store::Mapped => {
                            let at = from % PER_SEGMENT * FRAME_LEN;
                            // SAFETY: these frames are written and never change.
                            let bytes = unsafe {
                                std::slice::from_raw_parts(
                                    segment.map.as_ptr().add(at as usize),
                                    ((end - from) * FRAME_LEN) as usize,
                                )
                            };
                            let copy = &copies[index as usize].file;
                            copy.write_all_at(bytes, at).expect("write");
                            copy.sync_data().expect("sync");
                        }
                        _ => {
                            let mut n = from;
                            while n < end {
                                let slot = n % PER_RING;
                                let run = (end - n).min(PER_RING - slot);
                                // SAFETY: the appender does not touch these frames until `synced` has passed them.
                                let bytes = unsafe {
                                    std::slice::from_raw_parts(
                                        ring.as_ptr().add((slot * FRAME_LEN) as usize),
                                        (run * FRAME_LEN) as usize,
                                    )
                                };
                                segment
                                    .file
                                    .write_all_at(bytes, (n % PER_SEGMENT) * FRAME_LEN)
                                    .expect("write");
                                n += run;
                            }
                            segment.file.sync_data().expect("sync");
                        }
                    }
                    from = end;
                }
                times.saturating_record(begin.elapsed().as_nanos() as u64);
                synced.0.store(to, Ordering::Release);
                if variant.warm > 0 {
                    let at = head.0.load(Ordering::Acquire);
                    let offset = (at % PER_SEGMENT * FRAME_LEN) & !4095;
                    let len = variant.warm.min(SEGMENT_LEN - offset);
                    segments[(at / PER_SEGMENT) as usize]
                        .map
                        .advise_range(Advice::PopulateWrite, offset as usize, len as usize)
                        .expect("warm");
                }
            }
        });
        core_affinity::set_for_current(cores[0]);
        let mut payload = [7u64; PAYLOAD_WORDS];
        let interval = if rate == 0 { 0.0 } else { 1e9 / rate as f64 };
        let zero = clock.raw();
        let mut free = PER_RING;
        for n in 0..count {
            payload[3] = n;
            let mut begin = clock.raw();
            let due = (n as f64 * interval) as u64;
            if rate > 0 {
                while clock.delta_as_nanos(zero, begin) < due {
                    std::hint::spin_loop();
                    begin = clock.raw();
                }
            }
            let at = match variant.store {
                Store::Mapped => segments[(n / PER_SEGMENT) as usize]
                    .map
                    .as_mut_ptr()
                    .wrapping_add((n % PER_SEGMENT * FRAME_LEN) as usize),
                Store::Ring => {
                    if n >= free {
                        free = synced.0.load(Ordering::Acquire) + PER_RING;
                        if n >= free {
                            waited += 1;
                            while n >= free {
                                std::hint::spin_loop();
                                free = synced.0.load(Ordering::Acquire) + PER_RING;
                            }
                        }
                    }
                    ring.as_mut_ptr().wrapping_add((n % PER_RING * FRAME_LEN) as usize)
                }
            };
            // SAFETY: a whole frame's room, aligned to 8; SSE 4.2 was checked in main.
            unsafe { put(at.cast(), n + 1, std::hint::black_box(&payload)) };
            head.0.store(n + 1, Ordering::Release);
            let end = clock.raw();
            service.saturating_record(clock.delta_as_nanos(begin, end).max(1));
            if rate > 0 {
                response
                    .saturating_record(clock.delta_as_nanos(zero, end).saturating_sub(due).max(1));
            }
        }
        secs = clock.delta_as_nanos(zero, clock.raw()) as f64 / 1e9;
        done.store(true, Ordering::Release);
        syncer.join().expect("no panic")
    });
    let synced = synced.0.load(Ordering::Relaxed);
    Outcome { service, response, sync, synced, waited, secs }
}

fn main() {
    assert!(is_x86_feature_detected!("sse4.2"), "this measures with the CRC instruction");
    let cores = core_affinity::get_core_ids().expect("cores");
    let mut args = std::env::args().skip(1);
    let dir = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds: usize = args.next().map_or(5, |n| n.parse().expect("rounds"));
    let clock = quanta::Clock::new();
    let mut none = hist();
    for _ in 0..1_000_000 {
        let b = clock.raw();
        let e = clock.raw();
        none.saturating_record(clock.delta_as_nanos(b, e).max(1));
    }
    println!(
        "reading the clock twice: p50 {} p99.9 {} ns",
        none.value_at_quantile(0.5),
        none.value_at_quantile(0.999)
    );
    for (rate, count) in [(0, 4_000_000u64), (1_000_000, 2_000_000), (200_000, 500_000)] {
        println!("rate {}", if rate == 0 { "full speed".to_string() } else { format!("{rate}/s") });
        let mut table: Vec<Vec<Vec<f64>>> = vec![Vec::new(); VARIANTS.len()];
        for _ in 0..rounds {
            for (n, variant) in VARIANTS.into_iter().enumerate() {
                let tmp = tempfile::tempdir_in(&dir).expect("folder");
                let o = run(tmp.path(), variant, rate, count, &cores);
                let q = |h: &Histogram<u64>, q: f64| h.value_at_quantile(q) as f64;
                assert!(variant.sync == Sync::None || o.synced == count);
                table[n].push(vec![
                    q(&o.service, 0.5),
                    q(&o.service, 0.99),
                    q(&o.service, 0.999),
                    q(&o.service, 0.9999),
                    o.service.max() as f64,
                    q(&o.response, 0.99),
                    q(&o.response, 0.999),
                    q(&o.response, 0.9999),
                    o.response.max() as f64,
                    q(&o.sync, 0.5) / 1e6,
                    q(&o.sync, 0.99) / 1e6,
                    o.sync.len() as f64,
                    o.waited as f64,
                    count as f64 / o.secs / 1e6,
                ]);
                drop(tmp);
            }
        }
        println!(
            "{:30} | service ns: p50 p99 p99.9 p99.99 max | from due: p99 p99.9 p99.99 max | sync ms p50 p99, syncs | ring full | M/s",
            ""
        );
        for (variant, rows) in VARIANTS.iter().zip(&table) {
            let med = |c: usize| {
                let mut v: Vec<f64> = rows.iter().map(|r| r[c]).collect();
                v.sort_by(f64::total_cmp);
                v[v.len() / 2]
            };
            println!(
                "{:30} | {:5} {:6} {:7} {:8} {:9} | {:7} {:8} {:9} {:9} | {:6.2} {:7.2} {:6} | {} | {:.1}",
                variant.name,
                med(0),
                med(1),
                med(2),
                med(3),
                med(4),
                med(5),
                med(6),
                med(7),
                med(8),
                med(9),
                med(10),
                med(11),
                med(12),
                med(13)
            );
        }
    }
}
