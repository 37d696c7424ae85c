//! The queue beside a `VecDeque`, between threads, and with somebody who writes over its memory.

use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tidegate_ring::queue::{Full, Receiver, Sender, len, queue};
use tidegate_ring::{Access, Memory};

/// A message of `N` words, told by one number.
fn message<const N: usize>(n: u64) -> [u64; N] {
    std::array::from_fn(|at| n.wrapping_mul(2 * at as u64 + 1))
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Pop,
    Room(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Push),
        2 => Just(Step::Pop),
        1 => (0u64..40).prop_map(Step::Room),
    ];
    prop::collection::vec(step, 1..400)
}

fn beside_a_deque<const N: usize>(steps: &[Step], capacity: usize)
where
    [u64; N]: bytemuck::Pod,
{
    let (mut sender, mut receiver) = queue::<[u64; N]>(capacity).expect("memory");
    let (mut twin, mut sent) = (VecDeque::new(), 0);
    for step in steps {
        match step {
            Step::Push => {
                let is_full = twin.len() == capacity;
                assert_eq!(sender.push(&message(sent)), if is_full { Err(Full) } else { Ok(()) });
                if !is_full {
                    twin.push_back(sent);
                    sent += 1;
                }
            }
            Step::Pop => {
                assert_eq!(receiver.is_empty(), twin.is_empty());
                assert_eq!(receiver.pop(), twin.pop_front().map(message));
            }
            Step::Room(count) => {
                let room = (capacity - twin.len()) as u64;
                assert_eq!(sender.has_room(*count), *count <= room);
            }
        }
    }
}

proptest! {
    #[test]
    fn as_a_deque_does(steps in steps(), log in 0u32..7) {
        beside_a_deque::<1>(&steps, 1 << log);
        beside_a_deque::<8>(&steps, 1 << log);
        beside_a_deque::<20>(&steps, 1 << log);
        beside_a_deque::<32>(&steps, 1 << log);
    }
}

#[test]
fn between_threads_nothing_is_torn_lost_or_repeated() {
    let count = 2_000_000;
    let (mut sender, mut receiver) = queue::<[u64; 20]>(64).expect("memory");
    let sending = std::thread::spawn(move || {
        for n in 0..count {
            while sender.push(&message(n)).is_err() {
                std::thread::yield_now();
            }
        }
    });
    for n in 0..count {
        let found = loop {
            match receiver.pop() {
                Some(found) => break found,
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(found, message(n));
    }
    sending.join().expect("the sender does not panic");
    assert!(receiver.is_empty() && receiver.is_abandoned());
}

/// A counter that cannot be is no room: what was not taken is never overwritten.
#[test]
fn a_receiver_that_lies_about_what_it_took_gets_no_more() {
    let memory = Arc::new(Memory::private(len::<[u64; 7]>(4)).expect("memory"));
    let mut sender = Sender::<[u64; 7]>::new(Arc::clone(&memory), 0, 4);
    (0..4).for_each(|n| sender.push(&message(n)).expect("room"));
    for lie in [5, 100, u64::MAX, u64::MAX - 3] {
        memory.words()[0].store(lie, Relaxed);
        assert_eq!(sender.push(&message(9)), Err(Full), "{lie}");
    }
    memory.words()[0].store(3, Relaxed);
    assert_eq!((sender.has_room(3), sender.has_room(4)), (true, false));
    memory.words()[0].store(1, Relaxed);
    (4..7).for_each(|n| sender.push(&message(n)).expect("what was known stays"));
    assert_eq!(sender.push(&message(7)), Err(Full));
}

#[test]
fn an_end_knows_that_the_other_has_gone() {
    let (sender, receiver) = queue::<[u64; 8]>(4).expect("memory");
    assert!(!sender.is_abandoned() && !receiver.is_abandoned());
    drop(receiver);
    assert!(sender.is_abandoned());
}

/// Whoever shares the memory writes whatever it likes, whenever it likes: both our ends go on, and what the receiver takes is one copy.
#[test]
fn a_scribbler_can_neither_stop_nor_confuse_us() {
    let capacity = 64;
    let (ours, fd) =
        Memory::shared("test", 2 * len::<[u64; 20]>(capacity), Access::ReadWrite).expect("memory");
    let ours = Arc::new(ours);
    let mut receiver = Receiver::<[u64; 20]>::new(Arc::clone(&ours), 0, capacity);
    let mut sender =
        Sender::<[u64; 20]>::new(Arc::clone(&ours), len::<[u64; 20]>(capacity), capacity);
    let theirs = Memory::open(&fd, Access::ReadWrite).expect("the same");
    let scribbling = std::thread::spawn(move || {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..2_000_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 33) as usize % theirs.words().len();
            // Mostly small numbers: what versions and counters look like.
            theirs.words()[at].store(if random & 64 == 0 { random } else { random >> 50 }, Relaxed);
        }
    });
    let (mut taken, mut sent, mut full) = (0u64, 0u64, 0u64);
    while !scribbling.is_finished() {
        taken += u64::from(receiver.pop().is_some());
        match sender.push(&message(sent)) {
            Ok(()) => sent += 1,
            Err(Full) => full += 1,
        }
    }
    scribbling.join().expect("it only writes");
    assert!(sent >= capacity as u64, "{taken} taken, {sent} sent, {full} times full");
}
