//! The order store: where orders are kept, found by number or name, and walked in the order of entry.
//!
//! An order's slot is its number masked to the size of the store, so that a number is found without any
//! table. Numbers whose slot is still taken (an order that outlived its day) are passed over: numbers rise
//! and never repeat, but they need not be dense.

use crate::algorithms::Algorithms;
use crate::client_ids::{ClientIds, Probe};
use crate::lists::Lists;
use crate::order::{Bond, Order, OrderSlot, Owner};
use bytemuck::{Pod, Zeroable};
use serde::{Deserialize, Serialize};
use tidegate_model::command::NewOrder;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Sparse, UpTo, check_hash, records, touch};
use tidegate_model::{AccountId, ClientOrderId, OrderId, Reject, RejectReason, StateHash};

/// Where an account's name for an order is looked up: see [`crate::Oms::name_hash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHash(u64);

/// Orders that a store can be made for: with 256 bytes and more for each, some 2 GiB.
pub const ORDERS_MAX: u32 = 1 << 22;

const TAG_NEXT_ID: u64 = 0x6f6d_736e_6578_7469;

/// No slot, in a link.
const NONE: u32 = u32::MAX;

/// The two lists that every open order is in.
const LIST_ALL: usize = 0;
const LIST_ACCOUNT: usize = 1;

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Link {
    before: u32,
    after: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ends {
    first: u32,
    last: u32,
}

impl Ends {
    const EMPTY: Self = Self { first: NONE, last: NONE };
}

/// What a probe for a client's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The account has not used it today, and there is room for its order.
    Free,
    /// The very order that was sent bears it.
    Same(OrderSlot),
}

/// An order as it was entered, in the words of its record.
type EnteredWords = [u64; 16];

const _: () = assert!(size_of::<NewOrder>() == size_of::<EnteredWords>());

#[derive(Debug, Serialize, Deserialize)]
pub struct Orders {
    /// By slot. Grows, within its reserved room, until the first lap of numbers is done.
    #[serde(with = "UpTo::<{ ORDERS_MAX as usize }>")]
    records: Vec<Order>,
    /// By slot: the order as it was entered, where its record does not tell. The memory is touched by such orders only.
    #[serde(with = "Sparse::<{ ORDERS_MAX as usize }>")]
    entered: Vec<EnteredWords>,
    /// By slot: the bonds of orders that do not stand alone, as words; touched by those only.
    #[serde(with = "Sparse::<{ ORDERS_MAX as usize }>")]
    bonds: Vec<[u64; 4]>,
    /// By slot: places in the two lists of open orders.
    #[serde(with = "records")]
    links: Vec<[Link; 2]>,
    /// One bit a slot: an order is kept there.
    #[serde(with = "records")]
    kept: Vec<u64>,
    kept_count: u32,
    open_count: u32,
    next_id: u64,
    mask: u64,
    client_ids: ClientIds,
    all: Ends,
    #[serde(with = "UpTo::<{ AccountId::COUNT_MAX }>")]
    by_account: Vec<Ends>,
    hash: StateHash,
    /// The order that changed last, which is not entered into the hash as it is now: most inputs change one, several times.
    /// None between inputs.
    #[serde(skip)]
    touched: Option<OrderSlot>,
}

impl Orders {
    pub fn new(orders_max: u32) -> Result<Self, Reject> {
        if !orders_max.is_power_of_two() || orders_max > ORDERS_MAX {
            return Err(Reject::new(
                RejectReason::BadField,
                i128::from(ORDERS_MAX),
                i128::from(orders_max),
            ));
        }
        let count = orders_max as usize;
        Ok(Self {
            records: Vec::with_capacity(count),
            entered: vec![[0; 16]; count],
            bonds: vec![[0; 4]; count],
            links: Vec::with_capacity(count),
            kept: vec![0; count.div_ceil(64)],
            kept_count: 0,
            open_count: 0,
            next_id: 1,
            mask: u64::from(orders_max) - 1,
            client_ids: ClientIds::new(count),
            all: Ends::EMPTY,
            by_account: Vec::new(),
            hash: StateHash::default(),
            touched: None,
        })
    }

    /// Writes to all the room that was reserved, so that no order waits for the system to hand out a page.
    pub fn prefault(&mut self) {
        let count = self.mask as usize + 1;
        touch(&mut self.records, count, Order::BLANK);
        touch(&mut self.links, count, [Link { before: NONE, after: NONE }; 2]);
        self.client_ids.prefault();
    }

    pub fn open_account(&mut self, account: AccountId) {
        if self.by_account.len() <= account.index() {
            self.by_account.resize(account.index() + 1, Ends::EMPTY);
        }
    }

    /// Looks at what was read from a snapshot, and reserves the room that [`Self::new`] does.
    pub fn restored(&mut self, orders_max: u32, instruments: usize) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "orders", why);
        let (count, used) = (orders_max as usize, self.records.len());
        check(self.mask + 1 == u64::from(orders_max), "it has room for other orders")?;
        check(used <= count && self.links.len() == used, "orders have places in lists")?;
        let tables = [self.entered.len(), self.bonds.len(), 64 * self.kept.len()];
        check(tables == [count, count, 64 * count.div_ceil(64)], "tables have a place by slot")?;
        check(self.client_ids.is_sound(count, used), "names lead to orders")?;
        let beyond =
            (used..64 * self.kept.len()).any(|at| self.kept[at / 64] >> (at % 64) & 1 == 1);
        let kept = self.kept.iter().map(|word| word.count_ones()).sum::<u32>();
        check(!beyond && self.kept_count == kept, "kept orders are counted")?;
        let id_of = |at: usize, order: &Order| {
            order.order_id.0.wrapping_sub(1) & self.mask == at as u64
                && order.order_id.0 < self.next_id
        };
        check(
            self.records.iter().enumerate().all(|(at, order)| id_of(at, order)),
            "orders lie where their numbers say",
        )?;
        let first_lap = used == count || self.next_id == used as u64 + 1;
        check(self.next_id > 0 && first_lap, "the next order has a place")?;
        let accounts = self.by_account.len();
        let has_account = |order: &Order| order.account.index() < accounts;
        check(self.records.iter().all(has_account), "orders have accounts")?;
        let has_instrument = |order: &Order| order.instrument.index() < instruments;
        check(self.records.iter().all(has_instrument), "orders are of instruments")?;
        let is_within = |order: &Order| order.cum_qty <= order.qty;
        check(self.kept().all(|(_, order)| is_within(order)), "no order executes too much")?;
        let as_entered = |(slot, order): (OrderSlot, &Order)| order.hash == self.hash_of(slot);
        check(self.kept().all(as_entered), "orders enter the state hash as they are")?;
        check_hash("orders", self.hash(), self.hash_from_scratch())?;
        check(self.is_linked(), "the lists of open orders hold every open order once")?;
        self.records.reserve_exact(count - used);
        self.links.reserve_exact(count - used);
        self.prefault();
        Ok(())
    }

    /// Places that orders have had so far.
    pub fn places(&self) -> usize {
        self.records.len()
    }

    /// Looks at whom orders belong to, which must be there.
    pub fn check_owners(&self, lists: &Lists, algorithms: &Algorithms) -> Result<(), Inconsistent> {
        let is_there = |owner: Option<Owner>| match owner {
            None => true,
            Some(Owner::List(slot)) => lists.has(slot),
            Some(Owner::Algorithm(slot)) => algorithms.has(slot),
        };
        let mut kept = self.kept();
        let holds = kept.all(|(slot, _)| is_there(self.bond(slot).owner()));
        Inconsistent::unless(holds, "orders", "who looks after them is there")
    }

    /// True if every open order, and no other, is once in the list of all and once in its account's.
    fn is_linked(&self) -> bool {
        let open = self.kept().filter(|(_, order)| order.is_open()).count();
        let walk = |ends: &Ends, list: usize, account: Option<usize>| {
            let (mut at, mut before, mut found) = (ends.first, NONE, 0);
            while at != NONE {
                let link = self.links.get(at as usize)?[list];
                let order = self.get(self.slot(at)?);
                let is_whose = account.is_none_or(|account| order.account.index() == account);
                if link.before != before || !is_whose || !order.is_open() || found == open {
                    return None;
                }
                (before, at, found) = (at, link.after, found + 1);
            }
            (ends.last == before).then_some(found)
        };
        let of_accounts = self.by_account.iter().enumerate();
        let of_accounts: Option<usize> =
            of_accounts.map(|(account, ends)| walk(ends, LIST_ACCOUNT, Some(account))).sum();
        self.open_count as usize == open
            && walk(&self.all, LIST_ALL, None) == Some(open)
            && of_accounts == Some(open)
    }

    /// The hash of every kept order, and of the number that the next one gets.
    pub fn hash(&self) -> StateHash {
        let mut hash = self.hash.combined(self.hash_of_next_id());
        if let Some(slot) = self.touched {
            hash.remove(self.get(slot).hash);
            hash.add(self.hash_now(slot));
        }
        hash
    }

    /// Enters into the hash what was touched last, as it is now. Between inputs everything is entered.
    #[inline]
    pub fn settle(&mut self) {
        if let Some(slot) = self.touched.take() {
            self.rehash(slot);
        }
    }

    /// An order has changed: its hash is entered when another one changes, or by [`Self::settle`].
    #[inline]
    fn touch(&mut self, slot: OrderSlot) {
        if self.touched != Some(slot)
            && let Some(before) = self.touched.replace(slot)
        {
            self.rehash(before);
        }
    }

    fn rehash(&mut self, slot: OrderSlot) {
        let hash = self.hash_now(slot);
        let order = &mut self.records[slot.index()];
        self.hash.remove(order.hash);
        order.hash = hash;
        self.hash.add(hash);
    }

    #[inline]
    fn hash_now(&self, slot: OrderSlot) -> u64 {
        self.hash_with_bond(slot, self.get(slot).hash_now())
    }

    #[inline]
    fn hash_with_bond(&self, slot: OrderSlot, hash: u64) -> u64 {
        match self.get(slot).bound {
            true => hash_words(hash, &self.bonds[slot.index()]),
            false => hash,
        }
    }

    fn hash_of_next_id(&self) -> StateHash {
        StateHash(hash_words(TAG_NEXT_ID, &[self.next_id]))
    }

    pub const fn open_count(&self) -> u32 {
        self.open_count
    }

    pub const fn kept_count(&self) -> u32 {
        self.kept_count
    }

    const fn orders_max(&self) -> u64 {
        self.mask + 1
    }

    #[inline]
    pub fn get(&self, slot: OrderSlot) -> &Order {
        &self.records[slot.index()]
    }

    /// The order of a number, if it is kept.
    #[inline]
    pub fn by_id(&self, id: OrderId) -> Option<OrderSlot> {
        let slot = OrderSlot((id.0.checked_sub(1)? & self.mask) as u32);
        (self.is_kept(slot) && self.get(slot).order_id == id).then_some(slot)
    }

    /// The order of a slot, if it is kept.
    #[inline]
    pub fn slot(&self, index: u32) -> Option<OrderSlot> {
        let slot = OrderSlot(index);
        ((index as usize) < self.records.len() && self.is_kept(slot)).then_some(slot)
    }

    /// The order of a name, if it is kept.
    #[inline]
    pub fn by_name(&self, account: AccountId, name: &ClientOrderId) -> Option<OrderSlot> {
        match self.probe(account, name, ClientIds::hash(account, name)) {
            Probe::Taken(slot) => Some(slot),
            Probe::Free(_) | Probe::Full => None,
        }
    }

    #[inline]
    fn probe(&self, account: AccountId, name: &ClientOrderId, hash: u64) -> Probe {
        self.client_ids.probe(hash, |slot| {
            let order = self.get(slot);
            order.account == account && order.client_order_id == *name
        })
    }

    /// Hashes a name that will be looked up, and has its entry fetched meanwhile.
    #[inline]
    pub fn name_hash(&self, account: AccountId, name: &ClientOrderId) -> NameHash {
        let hash = ClientIds::hash(account, name);
        self.client_ids.prefetch(hash);
        NameHash(hash)
    }

    /// Lets a name pass that the account has not used today, if there is room for its order, and finds the order that bears
    /// it if that was entered as this one is, bit for bit.
    #[inline]
    pub fn check_name(&self, new: &NewOrder, hash: NameHash) -> Result<Named, Reject> {
        let name = &new.client_order_id;
        if !name.is_valid() {
            return Err(Reject::of(RejectReason::BadClientOrderId, 0));
        }
        match self.probe(new.account, name, hash.0) {
            Probe::Free(_) if u64::from(self.kept_count) < self.orders_max() => Ok(Named::Free),
            Probe::Taken(slot) if self.entered(slot) == *new => Ok(Named::Same(slot)),
            Probe::Taken(slot) => {
                let order_id = i128::from(self.get(slot).order_id.0);
                Err(Reject::of(RejectReason::DuplicateClientOrderId, order_id))
            }
            Probe::Free(_) | Probe::Full => {
                let limit = i128::from(self.orders_max());
                Err(Reject::new(RejectReason::CapacityExceeded, limit, self.kept_count.into()))
            }
        }
    }

    /// What the order has beside its own terms; nothing if it stands alone.
    #[inline]
    pub fn bond(&self, slot: OrderSlot) -> Bond {
        match self.get(slot).bound {
            true => bytemuck::cast(self.bonds[slot.index()]),
            false => Bond::default(),
        }
    }

    /// Changes what an order has beside its own terms; from now on it does not stand alone.
    pub fn bind(&mut self, slot: OrderSlot, change: impl FnOnce(&mut Bond)) {
        let mut bond = self.bond(slot);
        change(&mut bond);
        self.bonds[slot.index()] = bytemuck::cast(bond);
        self.update(slot, |order| order.bound = true);
    }

    /// Lets `count` more orders pass, if there is room.
    pub fn check_room(&self, count: usize) -> Result<(), Reject> {
        if u64::from(self.kept_count) + count as u64 <= self.orders_max() {
            return Ok(());
        }
        let limit = i128::from(self.orders_max());
        Err(Reject::new(RejectReason::CapacityExceeded, limit, self.kept_count.into()))
    }

    /// The order as it was entered.
    #[inline]
    pub fn entered(&self, slot: OrderSlot) -> NewOrder {
        let order = self.get(slot);
        match order.entered_apart {
            true => bytemuck::cast(self.entered[slot.index()]),
            false => order.as_plain(),
        }
    }

    /// Keeps a new order, numbers it and puts it at the end of the open ones.
    ///
    /// # Panics
    /// If its name or room were not checked with [`Self::check_name`].
    #[inline]
    pub fn admit(&mut self, mut order: Order, new: &NewOrder, name_hash: NameHash) -> OrderSlot {
        assert!(order.is_open(), "an order is admitted before it ends");
        let place = self.probe(order.account, &order.client_order_id, name_hash.0);
        let Probe::Free(at) = place else { panic!("an order is admitted after its name passed") };
        let id = self.free_id();
        let slot = OrderSlot(((id - 1) & self.mask) as u32);
        order.order_id = OrderId(id);
        order.entered_apart = new.has_special_terms() || new.is_of_list();
        debug_assert_eq!(
            order.entered_apart,
            order.as_plain() != *new,
            "the record tells all of it"
        );
        if order.entered_apart {
            self.entered[slot.index()] = bytemuck::cast(*new);
        }
        order.entry_hash = order.hash_entry(new);
        let link = Link { before: NONE, after: NONE };
        if slot.index() < self.records.len() {
            self.records[slot.index()] = order;
            self.links[slot.index()] = [link; 2];
        } else {
            assert!(slot.index() == self.records.len(), "the first lap of numbers is dense");
            self.records.push(order);
            self.links.push([link; 2]);
        }
        self.kept[slot.index() / 64] |= 1 << (slot.index() % 64);
        self.kept_count += 1;
        self.next_id = id + 1;
        self.client_ids.insert(at, name_hash.0, slot);
        self.touch(slot);
        self.link(LIST_ALL, slot);
        self.link(LIST_ACCOUNT, slot);
        self.open_count += 1;
        slot
    }

    /// The next number whose slot is free; there is one.
    #[inline]
    fn free_id(&self) -> u64 {
        let words = self.kept.len() as u64;
        let mut id = self.next_id;
        // Every word at most once, and the first one's head again at the end.
        for _ in 0..=words {
            let slot = (id - 1) & self.mask;
            let word = self.kept[(slot / 64) as usize];
            let free_above = !word >> (slot % 64);
            let in_word = free_above.trailing_zeros() as u64;
            if in_word < 64 && slot + in_word <= self.mask {
                return id + in_word;
            }
            // On to the next word, or around to the first.
            id += (64 - slot % 64).min(self.mask + 1 - slot);
        }
        unreachable!("the store has room: its count of kept orders is below its size");
    }

    #[inline]
    fn is_kept(&self, slot: OrderSlot) -> bool {
        self.kept[slot.index() / 64] >> (slot.index() % 64) & 1 == 1
    }

    /// Changes an order; one that comes to its end leaves the lists of open orders, and one that an execution taken back
    /// brings to life again goes to their end.
    #[inline]
    pub fn update(&mut self, slot: OrderSlot, change: impl FnOnce(&mut Order)) {
        let order = &mut self.records[slot.index()];
        let was_open = order.is_open();
        let terms = (order.qty, order.price, order.protection_price);
        change(order);
        if (order.qty, order.price, order.protection_price) != terms {
            if !order.entered_apart {
                // From now on the record says something else than what was entered.
                let entered = Order { qty: terms.0, price: terms.1, ..*order }.as_plain();
                self.entered[slot.index()] = bytemuck::cast(entered);
                order.entered_apart = true;
            }
            order.entry_hash = order.hash_entry(&bytemuck::cast(self.entered[slot.index()]));
        }
        assert!(order.cum_qty <= order.qty, "no order executes more than it asked for");
        let is_open = order.is_open();
        self.touch(slot);
        if was_open && !is_open {
            self.unlink(LIST_ALL, slot);
            self.unlink(LIST_ACCOUNT, slot);
            self.open_count -= 1;
        } else if is_open && !was_open {
            self.link(LIST_ALL, slot);
            self.link(LIST_ACCOUNT, slot);
            self.open_count += 1;
        }
    }

    #[inline]
    fn ends(&mut self, list: usize, slot: OrderSlot) -> &mut Ends {
        match list {
            LIST_ALL => &mut self.all,
            _ => &mut self.by_account[self.records[slot.index()].account.index()],
        }
    }

    #[inline]
    fn link(&mut self, list: usize, slot: OrderSlot) {
        let ends = self.ends(list, slot);
        let before = ends.last;
        ends.last = slot.0;
        if before == NONE {
            ends.first = slot.0;
        } else {
            self.links[before as usize][list].after = slot.0;
        }
        self.links[slot.index()][list] = Link { before, after: NONE };
    }

    #[inline]
    fn unlink(&mut self, list: usize, slot: OrderSlot) {
        let Link { before, after } = self.links[slot.index()][list];
        match before {
            NONE => self.ends(list, slot).first = after,
            before => self.links[before as usize][list].after = after,
        }
        match after {
            NONE => self.ends(list, slot).last = before,
            after => self.links[after as usize][list].before = before,
        }
    }

    /// The open order that was entered first, of one account or with [`AccountId::NONE`] of all.
    #[inline]
    pub fn first_open(&self, scope: AccountId) -> Option<OrderSlot> {
        let ends = match scope {
            AccountId::NONE => &self.all,
            account => self.by_account.get(account.index())?,
        };
        (ends.first != NONE).then_some(OrderSlot(ends.first))
    }

    /// The open order entered next after `slot`, which must be open.
    #[inline]
    pub fn next_open(&self, scope: AccountId, slot: OrderSlot) -> Option<OrderSlot> {
        assert!(self.get(slot).is_open(), "the walk takes its next step before it closes an order");
        let list = if scope == AccountId::NONE { LIST_ALL } else { LIST_ACCOUNT };
        let after = self.links[slot.index()][list].after;
        (after != NONE).then_some(OrderSlot(after))
    }

    /// Every kept order, by slot.
    pub fn kept(&self) -> impl Iterator<Item = (OrderSlot, &Order)> {
        let slots = (0..self.records.len() as u32).map(OrderSlot);
        slots.filter(|slot| self.is_kept(*slot)).map(|slot| (slot, self.get(slot)))
    }

    /// Forgets every order that is at its end, and its name.
    pub fn forget_finished(&mut self) {
        self.settle();
        for index in 0..self.records.len() {
            let slot = OrderSlot(index as u32);
            if self.is_kept(slot) && self.get(slot).status.is_final() {
                self.kept[index / 64] &= !(1 << (index % 64));
                self.kept_count -= 1;
                self.hash.remove(self.get(slot).hash);
            }
        }
        assert!(self.kept_count == self.open_count, "what is kept of an old day is open");
        self.write_names_anew();
    }

    /// Writes the names of the open orders, and no others, into the table; in order of entry.
    ///
    /// In another order they might not find room: names chosen to collide can lie so that one more would be too far
    /// from its place, and which one comes last decides. In order of entry each is as near as before, or nearer. For
    /// by induction over the entries, the places taken now are among those taken then: a name that is left out takes
    /// none, and a name that is written takes the first free place from its own on. What was free then is free now, so
    /// it finds one no later than then; and if it finds an earlier one, that was taken then.
    fn write_names_anew(&mut self) {
        self.client_ids.clear();
        let mut next = self.first_open(AccountId::NONE);
        while let Some(slot) = next {
            next = self.next_open(AccountId::NONE, slot);
            let order = self.get(slot);
            let hash = ClientIds::hash(order.account, &order.client_order_id);
            let Probe::Free(at) = self.probe(order.account, &order.client_order_id, hash) else {
                unreachable!("a name is no farther from its place than when it was let in");
            };
            self.client_ids.insert(at, hash, slot);
        }
    }

    /// The hash computed anew from every kept order.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = self.hash_of_next_id();
        for (slot, _) in self.kept() {
            hash.add(self.hash_of(slot));
        }
        hash
    }

    /// The hash of one order, computed anew.
    fn hash_of(&self, slot: OrderSlot) -> u64 {
        let order = self.get(slot);
        let fresh = Order { entry_hash: order.hash_entry(&self.entered(slot)), ..*order };
        self.hash_with_bond(slot, fresh.hash_now())
    }
}
