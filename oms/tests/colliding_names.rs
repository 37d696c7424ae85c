//! Names chosen to collide: the worst that a client can do to the table of names.

mod desk;

use desk::{Desk, order};
use tidegate_model::command::NewOrder;
use tidegate_model::hash::hash_words;
use tidegate_model::{ClientOrderId, RejectReason, Side};
use tidegate_oms::OrderSlot;

const ORDERS_MAX: u32 = 2_048;
/// The table of names has twice as many entries, and a name begins to look for one where its hash says.
const ENTRIES: u64 = 2 * ORDERS_MAX as u64;
/// Entries that a name looks at.
const PROBES_MAX: usize = 1_024;

/// `count` names of account 0 that begin to look at `entry`.
fn names_at(entry: u64, count: usize) -> Vec<ClientOrderId> {
    let mut names = Vec::new();
    for number in 0u64.. {
        let name = ClientOrderId::new(&format!("n{number}")).expect("a name");
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(name.0.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        if hash_words(0, &words) % ENTRIES == entry {
            names.push(name);
            if names.len() == count {
                break;
            }
        }
    }
    names
}

fn enter(desk: &mut Desk, name: ClientOrderId) -> Result<OrderSlot, RejectReason> {
    let order = NewOrder { client_order_id: name, ..order(0, 0, 0, Side::Buy, 1) };
    desk.enter(order).map_err(|reject| reject.reason)
}

#[test]
fn a_day_ends_whatever_names_its_orders_bear() {
    let mut desk = Desk::new(ORDERS_MAX, 1, 1);
    // Half of the slots are used and free again, so that the next lap of numbers begins in the middle of a run.
    for number in 0..u64::from(ORDERS_MAX / 2) {
        let slot = desk.enter(order(0, 0, number, Side::Buy, 1)).expect("room");
        desk.oms.canceled(slot).expect("open");
    }
    desk.oms.day_roll();

    // As many as one place bears, in the upper slots.
    let mut first = names_at(0, PROBES_MAX + 1);
    let one_more = first.pop().expect("a name");
    for name in &first {
        enter(&mut desk, *name).expect("a place within reach");
    }
    assert_eq!(enter(&mut desk, one_more), Err(RejectReason::CapacityExceeded));
    // Names that begin amid those, in the lower slots. They find a place behind; had they come first, the others
    // would not.
    let amid = names_at(512, 512);
    for name in &amid {
        let slot = enter(&mut desk, *name).expect("a place within reach");
        assert!(slot.index() < 512, "the numbers have gone round");
    }

    // Twice, as the second time begins with what the first one built.
    for _ in 0..2 {
        desk.oms.day_roll();
        assert_eq!(desk.oms.open_count(), (first.len() + amid.len()) as u32);
        for name in first.iter().chain(&amid) {
            let found = desk.check_name(0, name);
            let reason = found.map_err(|reject| reject.reason);
            assert_eq!(reason, Err(RejectReason::DuplicateClientOrderId), "{name}");
        }
        assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    }
}
