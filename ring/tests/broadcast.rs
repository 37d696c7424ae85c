//! The broadcast beside a list of all that was written, between threads, and over memory that may only be read.

use proptest::prelude::*;
use std::sync::Arc;
use tidegate_ring::broadcast::{Next, Reader, Writer, broadcast, len};
use tidegate_ring::{Access, Memory};

type Message = [u64; 7];

fn message(n: u64) -> Message {
    std::array::from_fn(|at| n.wrapping_mul(2 * at as u64 + 1))
}

proptest! {
    /// Reads and writes in any order: a reader gets everything that was not overwritten, and is told how much was.
    #[test]
    fn as_a_list_with_a_window(steps in prop::collection::vec((0u64..40, 0u64..40), 1..60), log in 1u32..5) {
        let capacity = 1u64 << log;
        let (mut writer, mut reader) = broadcast::<Message>(1 << log).expect("memory");
        let (mut written, mut at) = (0, 0);
        for (writes, reads) in steps {
            for _ in 0..writes {
                writer.publish(&message(written));
                written += 1;
            }
            for _ in 0..reads {
                let expected = if at == written {
                    Next::Empty
                } else if written - at > capacity {
                    let skipped = written - capacity / 2 - at;
                    at += skipped;
                    Next::Lapped { skipped }
                } else {
                    at += 1;
                    Next::Item(message(at - 1))
                };
                prop_assert_eq!(reader.next_if(|_| true), expected);
            }
        }
    }
}

#[test]
fn what_may_not_be_seen_yet_is_not_there_yet() {
    let (mut writer, mut reader) = broadcast::<Message>(4).expect("memory");
    (1..=3).for_each(|n| writer.publish(&message(n)));
    for released in 1..=3 {
        assert_eq!(reader.next_if(|m| m[0] < released), Next::Empty);
        assert_eq!(reader.next_if(|m| m[0] <= released), Next::Item(message(released)));
    }
    let mut late = reader.clone();
    writer.publish(&message(4));
    late.skip_to_end();
    assert_eq!(late.next_if(|_| true), Next::Empty);
    assert_eq!(reader.next_if(|_| true), Next::Item(message(4)));
}

#[test]
fn racing_readers_never_see_a_torn_message_and_miss_nothing_untold() {
    let count = 2_000_000;
    let at = 4096;
    let (ours, fd) =
        Memory::shared("test", at + len::<Message>(1024), Access::Read).expect("memory");
    let theirs = Arc::new(Memory::open(&fd, Access::Read).expect("the same"));
    let mut writer = Writer::<Message>::new(Arc::new(ours), at, 1024);
    let reading: Vec<_> = (0..2)
        .map(|_| {
            let mut reader = Reader::<Message>::new(Arc::clone(&theirs), at, 1024);
            std::thread::spawn(move || {
                let mut next = 0;
                while next < count {
                    match reader.next_if(|_| true) {
                        Next::Item(found) => {
                            assert_eq!(found, message(next));
                            next += 1;
                        }
                        Next::Lapped { skipped } => next += skipped,
                        Next::Empty => std::thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    for n in 0..count {
        writer.publish(&message(n));
        if n % 512 == 0 {
            std::thread::yield_now();
        }
    }
    for thread in reading {
        thread.join().expect("a reader does not panic");
    }
}
