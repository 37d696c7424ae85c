//! Where the orders of all markets are: one record of a cache line each, found by handle.

use super::Reports;
use super::carry::node_of;
use super::hash::{OrderState, Place, hash_order, hash_terms};
use super::ladder::Queue;
use super::markets::HANDLES_MAX;
use super::terms::{Entry, Terms};
use bytemuck::{Pod as PlainOldData, Zeroable};
use serde::{Deserialize, Serialize};
use tidegate_model::command::{OrderType, TimeInForce};
use tidegate_model::saved::{Inconsistent, UpTo};
use tidegate_model::{AccountId, Lots, Side, Ticks};

/// No order: a link that ends, a handle without an order. The record there is written to, never read, so that linking
/// needs no branch.
pub(super) const NONE: u32 = 0;

/// Records whose memory [`Pool::prefault`] touches: 8 MiB.
const PREFAULT_ORDERS: usize = 1 << 17;

/// A live order.
#[derive(Clone, Copy, Debug, PlainOldData, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Node {
    /// Limit, or 0 for none.
    pub(super) price: i64,
    /// Open lots, of an iceberg those displayed.
    pub(super) qty: u64,
    /// Open lots that an iceberg holds back.
    pub(super) reserve: u64,
    pub(super) stamp: u64,
    pub(super) handle: u32,
    pub(super) account: u32,
    /// Towards the end of its queue.
    pub(super) next: u32,
    pub(super) prev: u32,
    /// Its terms, or 0 if it is plain.
    pub(super) special: u32,
    pub(super) market: u32,
    /// [`tidegate_model::Side::index`].
    pub(super) side: u8,
    /// A [`Place`].
    pub(super) place: u8,
    /// A [`TimeInForce`] on the wire.
    pub(super) time_in_force: u8,
    /// 0: nobody's.
    pub(super) is_live: u8,
    /// Its level, where it is in a ladder.
    pub(super) level: u32,
}

const _: () = assert!(size_of::<Node>() == 64);

/// Records that stand for no live order are many, and nobody's: the live ones are written, each behind its place.
mod saved_nodes {
    use super::{HANDLES_MAX, Node};
    use bytemuck::Zeroable;
    use serde::{Deserialize, Deserializer, Serializer, de::Error, ser::SerializeSeq};
    use tidegate_model::saved::records;

    pub fn serialize<S: Serializer>(nodes: &[Node], to: S) -> Result<S::Ok, S::Error> {
        let mut seq = to.serialize_seq(Some(2))?;
        seq.serialize_element(&nodes.len())?;
        let live: Vec<Node> = nodes.iter().filter(|node| node.is_live != 0).copied().collect();
        seq.serialize_element(&Live(live))?;
        seq.end()
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Live(#[serde(with = "records")] Vec<Node>);

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Node>, D::Error> {
        let (len, Live(live)) = <(usize, Live)>::deserialize(from)?;
        if len > HANDLES_MAX as usize + 1 {
            return Err(D::Error::custom("there are more places than handles"));
        }
        let mut nodes = vec![Node::zeroed(); len];
        for node in live {
            let place = nodes.get_mut(node.handle as usize + 1).filter(|node| node.is_live == 0);
            *place.ok_or_else(|| D::Error::custom("an order has a place of its own"))? = node;
        }
        Ok(nodes)
    }
}

impl Node {
    /// The hash of the order as it stands.
    #[inline(always)]
    pub(super) fn hash(&self) -> u64 {
        hash_order(&OrderState {
            handle: self.handle,
            account: self.account,
            side: self.side,
            place: self.place(),
            time_in_force: self.time_in_force(),
            price: self.price,
            qty: self.qty,
            reserve: self.reserve,
            stamp: self.stamp,
        })
    }

    #[inline(always)]
    pub(super) fn place(&self) -> Place {
        PLACES[usize::from(self.place % 8)]
    }

    #[inline(always)]
    pub(super) fn side(&self) -> Side {
        SIDES[usize::from(self.side & 1)]
    }

    #[inline(always)]
    pub(super) fn time_in_force(&self) -> TimeInForce {
        TimeInForce::from_wire(self.time_in_force).unwrap_or(TimeInForce::Day)
    }

    /// Open lots, displayed or not.
    #[inline(always)]
    pub(super) fn open(&self) -> u64 {
        self.qty + self.reserve
    }
}

/// The places by number; the last is none.
const PLACES: [Place; 8] = [
    Place::Displayed,
    Place::Hidden,
    Place::Pegged,
    Place::Conditional,
    Place::Waiting,
    Place::AtMarket,
    Place::AtClose,
    Place::Displayed,
];

/// The sides by index.
pub(super) const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// What a live order that is not plain has beside its record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Special {
    /// Its terms as they are in force; its quantity is in the record.
    pub(super) entry: Entry,
    /// Its stamp when it came or was replaced: pegged orders that share a stamp rank by it.
    pub(super) arrival: u64,
    /// Of a waiting order whose turn comes: its stop price if it waits on after all.
    pub(super) stop_after: Option<Ticks>,
}

const NOBODY: Special = Special {
    entry: Entry {
        handle: 0,
        account: AccountId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Day,
        qty: Lots::ZERO,
        price: Ticks::ZERO,
        terms: Terms::NONE,
    },
    arrival: 0,
    stop_after: None,
};

/// Every live order of every market. A record's place is the order's handle and one more: nothing is looked up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pool {
    /// As many as handles were used so far, and some.
    #[serde(with = "saved_nodes")]
    nodes: Vec<Node>,
    handles_max: usize,
    /// What [`Node::special`] points to; 0 is nobody's.
    #[serde(with = "UpTo::<{ HANDLES_MAX as usize + 1 }>")]
    specials: Vec<Special>,
    /// Places of `specials` that are free.
    #[serde(with = "UpTo::<{ HANDLES_MAX as usize + 1 }>")]
    free_specials: Vec<u32>,
}

impl Pool {
    /// Room for orders with handles below `handles_max`.
    pub(super) fn new(handles_max: u32) -> Self {
        Self {
            nodes: vec![Node::zeroed()],
            handles_max: handles_max as usize,
            specials: vec![NOBODY],
            free_specials: Vec::new(),
        }
    }

    /// Looks at what was read from a snapshot of a pool for `handles_max` handles.
    pub(super) fn restored(&self, handles_max: u32) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "orders in the house", why);
        check(self.handles_max == handles_max as usize, "there is room for other orders")?;
        let count = self.nodes.len();
        check((1..=self.handles_max + 1).contains(&count), "orders have places")?;
        check(!self.specials.is_empty(), "no terms are nobody's")?;
        let mut seen = vec![false; self.specials.len()];
        seen[0] = true;
        let mut once = |special: u32| match seen.get_mut(special as usize) {
            Some(seen) => !core::mem::replace(seen, true),
            None => false,
        };
        for (node, slot) in self.nodes.iter().zip(0..).filter(|(node, _)| node.is_live != 0) {
            let is_known = usize::from(node.place) < PLACES.len() - 1
                && node.side < 2
                && TimeInForce::from_wire(node.time_in_force).is_some();
            check(slot > 0 && node.handle == slot - 1 && is_known, "an order is one")?;
            let is_once = node.special == NONE || once(node.special);
            check(is_once, "an order has terms of its own")?;
        }
        check(self.free_specials.iter().all(|at| once(*at)), "free terms are nobody's")?;
        check(seen.iter().all(|seen| *seen), "terms are somebody's or free")
    }

    /// The live order of a place, if there is one.
    pub(super) fn get(&self, slot: u32) -> Option<&Node> {
        self.nodes.get(slot as usize).filter(|node| node.is_live != 0)
    }

    /// Places of live orders.
    pub(super) fn live(&self) -> impl Iterator<Item = u32> {
        self.nodes.iter().zip(0..).filter(|(node, _)| node.is_live != 0).map(|(_, slot)| slot)
    }

    /// Marks the orders of a queue as found there; false if it is none, or one was found before, or it holds something else
    /// than it says, or not all of them are what `is_here` says.
    pub(super) fn find_all(
        &self,
        queue: &Queue,
        found: &mut [bool],
        is_here: impl Fn(&Node) -> bool,
    ) -> bool {
        let (mut at, mut before, mut orders, mut qty) = (queue.head, NONE, 0u32, 0u64);
        while at != NONE {
            let Some(node) = self.nodes.get(at as usize).filter(|node| node.is_live != 0) else {
                return false;
            };
            let sum = qty.checked_add(node.qty);
            if core::mem::replace(&mut found[at as usize], true)
                || node.prev != before
                || !is_here(node)
            {
                return false;
            }
            let Some(sum) = sum else { return false };
            (before, at, orders, qty) = (at, node.next, orders + 1, sum);
        }
        queue.tail == before && queue.orders == orders && queue.qty == qty
    }

    /// Takes and touches the memory of the first orders.
    pub(super) fn prefault(&mut self) {
        self.grow(PREFAULT_ORDERS);
    }

    /// Takes and touches the memory of every order that there may be.
    pub(super) fn prefault_all(&mut self) {
        self.grow(self.handles_max + 1);
    }

    /// Makes room for `len` records, or for all handles if they are fewer.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, len: usize) {
        let len = len.clamp(self.nodes.len(), self.handles_max + 1);
        self.nodes.resize(len, core::hint::black_box(Node::zeroed()));
    }

    /// The record of a live order, or [`NONE`].
    #[inline(always)]
    pub(super) fn find(&self, handle: u32) -> u32 {
        let slot = handle.wrapping_add(1);
        let is_live = self.nodes.get(slot as usize).is_some_and(|node| node.is_live != 0);
        if is_live { slot } else { NONE }
    }

    /// Handles are below this.
    pub(super) fn handles_max(&self) -> usize {
        self.handles_max
    }

    /// True if no live order has the handle and one may.
    #[inline(always)]
    pub(super) fn is_free(&self, handle: u32) -> bool {
        (handle as usize) < self.handles_max && self.find(handle) == NONE
    }

    /// Keeps an order that is nowhere yet.
    pub(super) fn insert_entry(&mut self, entry: &Entry, market: u32) -> u32 {
        let mut node = node_of(entry, market);
        if !entry.is_plain() {
            node.special = self.insert_special(Special { entry: *entry, ..NOBODY });
        }
        self.insert(entry.handle, node)
    }

    /// Keeps an order; its handle must be free.
    #[inline(always)]
    pub(super) fn insert(&mut self, handle: u32, node: Node) -> u32 {
        let slot = handle as usize + 1;
        if slot >= self.nodes.len() {
            self.grow((slot + 1).max(2 * self.nodes.len()));
        }
        self.nodes[slot] = node;
        handle + 1
    }

    /// Forgets an order that is in no queue any more.
    #[inline(always)]
    pub(super) fn remove(&mut self, slot: u32, out: &mut impl Reports) {
        self.nodes[slot as usize].is_live = 0;
        out.ended(slot - 1);
    }

    /// Keeps the terms of an order; its record then points to them.
    pub(super) fn insert_special(&mut self, special: Special) -> u32 {
        if let Some(at) = self.free_specials.pop() {
            self.specials[at as usize] = special;
            return at;
        }
        self.specials.push(special);
        self.specials.len() as u32 - 1
    }

    /// The order has no terms any more that a plain one has not.
    pub(super) fn drop_special(&mut self, slot: u32) {
        let special = core::mem::take(&mut self.nodes[slot as usize].special);
        self.free_specials.push(special);
    }

    /// Forgets an order that is in no queue any more, with its terms if it has some.
    pub(super) fn remove_whole(&mut self, slot: u32, out: &mut impl Reports) {
        let special = core::mem::take(&mut self.nodes[slot as usize].special);
        if special != 0 {
            self.free_specials.push(special);
        }
        self.remove(slot, out);
    }

    #[inline(always)]
    pub(super) fn node(&self, slot: u32) -> &Node {
        &self.nodes[slot as usize]
    }

    #[inline(always)]
    pub(super) fn node_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.nodes[slot as usize]
    }

    /// The terms of an order that is not plain.
    pub(super) fn special(&self, slot: u32) -> &Special {
        &self.specials[self.node(slot).special as usize]
    }

    pub(super) fn special_mut(&mut self, slot: u32) -> &mut Special {
        &mut self.specials[self.nodes[slot as usize].special as usize]
    }

    /// The order as an entry with its terms in force, plain or not.
    pub(super) fn entry(&self, slot: u32) -> Entry {
        let node = self.node(slot);
        if node.special != NONE {
            return Entry { qty: Lots(node.open()), ..self.special(slot).entry };
        }
        Entry {
            account: AccountId(node.account),
            time_in_force: node.time_in_force(),
            ..Entry::limit(node.handle, node.side(), Ticks(node.price), Lots(node.qty))
        }
    }

    /// What orders with the same stamp rank by.
    pub(super) fn entry_arrival(&self, slot: u32) -> u64 {
        if self.node(slot).special == NONE { 0 } else { self.special(slot).arrival }
    }

    /// The hash of an order with its terms.
    pub(super) fn hash(&self, slot: u32) -> u64 {
        let node = self.node(slot);
        let terms = if node.special == NONE { 0 } else { hash_terms(&self.special(slot).entry) };
        node.hash().wrapping_add(terms)
    }

    /// Puts an order at the end of a queue; `NONE` orders' records take the writes that have no neighbour.
    #[inline(always)]
    pub(super) fn push(&mut self, queue: &mut Queue, slot: u32) {
        let tail = queue.tail;
        let node = self.node_mut(slot);
        queue.qty += node.qty;
        queue.orders += 1;
        node.prev = tail;
        node.next = NONE;
        queue.head = if queue.head == NONE { slot } else { queue.head };
        queue.tail = slot;
        self.node_mut(tail).next = slot;
    }

    /// Takes an order out of its queue.
    #[inline(always)]
    pub(super) fn unlink(&mut self, queue: &mut Queue, slot: u32) {
        let Node { qty, next, prev, .. } = *self.node(slot);
        queue.qty -= qty;
        queue.orders -= 1;
        queue.head = if prev == NONE { next } else { queue.head };
        queue.tail = if next == NONE { prev } else { queue.tail };
        self.node_mut(prev).next = next;
        self.node_mut(next).prev = prev;
    }
}
