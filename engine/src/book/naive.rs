//! The books once more, written for the eye: maps and lists, no thought for speed.

use super::{
    BookError, BookLimits, BookOrder, Level, PRIORITY_MAX, level_hash, order_hash,
    order_identity_hash,
};
use std::collections::BTreeMap;
use tidegate_model::{InstrumentId, Lots, MarketEvent, MarketEventKind, Side, StateHash, Ticks};

/// The naive twin of [`Books`](super::Books): the same events, errors, queries and hash.
#[derive(Clone, Debug)]
pub struct NaiveBooks {
    limits: BookLimits,
    /// By instrument: the priority of its next order.
    instruments: BTreeMap<InstrumentId, u64>,
    /// By reference.
    orders: BTreeMap<u64, BookOrder>,
    /// Levels without orders.
    aggregates: BTreeMap<(InstrumentId, Side, Ticks), Level>,
}

impl NaiveBooks {
    /// Empty books within `limits`.
    pub fn new(limits: BookLimits) -> Self {
        let instruments = BTreeMap::new();
        Self { limits, instruments, orders: BTreeMap::new(), aggregates: BTreeMap::new() }
    }

    /// See [`Books::define`](super::Books::define).
    ///
    /// # Errors
    /// The same.
    pub fn define(&mut self, instrument: InstrumentId, stride: Ticks) -> Result<(), BookError> {
        let id_fits = instrument.index() < InstrumentId::COUNT_MAX;
        if !id_fits || stride.0 < 1 || stride.0 > 1 << 32 {
            return Err(BookError::BadDefinition { instrument, stride });
        }
        self.instruments.entry(instrument).or_insert(1);
        Ok(())
    }

    /// See [`Books::apply`](super::Books::apply).
    ///
    /// # Errors
    /// The same.
    pub fn apply(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
    ) -> Result<(), BookError> {
        let Some(kind) = event.kind() else {
            return Err(BookError::UnknownKind { kind: event.kind });
        };
        match kind {
            MarketEventKind::Add => self.add(instrument, event),
            MarketEventKind::Execute
            | MarketEventKind::ExecuteAtPrice
            | MarketEventKind::Reduce => self.reduce(instrument, event),
            MarketEventKind::Delete => {
                self.resting(instrument, event.order_ref)?;
                self.orders.remove(&event.order_ref);
                Ok(())
            }
            MarketEventKind::Replace => self.replace(instrument, event),
            MarketEventKind::Modify => self.modify(instrument, event),
            MarketEventKind::Clear => {
                self.defined(instrument)?;
                let goes = |side: Side, price: Ticks| match event.side() {
                    None => true,
                    Some(Side::Buy) => side == Side::Buy && price >= event.price,
                    Some(Side::Sell) => side == Side::Sell && price <= event.price,
                };
                self.orders.retain(|_, order| {
                    order.instrument != instrument || !goes(order.side, order.price)
                });
                self.aggregates.retain(|key, _| key.0 != instrument || !goes(key.1, key.2));
                Ok(())
            }
            MarketEventKind::Quote => self.quote(instrument, event),
            MarketEventKind::Level => self.level_event(instrument, event),
            MarketEventKind::Trade
            | MarketEventKind::Cross
            | MarketEventKind::Status
            | MarketEventKind::Definition
            | MarketEventKind::Gap
            | MarketEventKind::System
            | MarketEventKind::Fill
            | MarketEventKind::BarRange
            | MarketEventKind::Bar => Ok(()),
        }
    }

    fn defined(&self, instrument: InstrumentId) -> Result<u64, BookError> {
        let next = self.instruments.get(&instrument).copied();
        next.ok_or(BookError::UnknownInstrument { instrument })
    }

    fn resting(&self, named: InstrumentId, order_ref: u64) -> Result<BookOrder, BookError> {
        let Some(order) = self.orders.get(&order_ref) else {
            return Err(BookError::UnknownOrder { order_ref });
        };
        let resting = order.instrument;
        if resting != named {
            return Err(BookError::WrongInstrument { order_ref, resting, named });
        }
        Ok(*order)
    }

    fn add(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Result<(), BookError> {
        let order_ref = event.order_ref;
        let Some(side) = event.side() else {
            return Err(BookError::BadSide { order_ref, side: event.side });
        };
        if event.qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        self.defined(instrument)?;
        if self.aggregates.keys().any(|key| key.0 == instrument) {
            return Err(BookError::MixedDepth { instrument });
        }
        self.check_priority(instrument)?;
        if self.orders.len() >= self.limits.orders_max as usize {
            return Err(BookError::OrdersFull { limit: self.limits.orders_max });
        }
        if self.orders.contains_key(&order_ref) {
            return Err(BookError::DuplicateOrder { order_ref });
        }
        let level = self.level(instrument, side, event.price);
        if level.is_some_and(|level| level.qty.checked_add(event.qty).is_none()) {
            return Err(BookError::LevelOverflow { price: event.price });
        }
        self.rest(instrument, side, order_ref, event);
        Ok(())
    }

    fn check_priority(&self, instrument: InstrumentId) -> Result<(), BookError> {
        let exhausted = self.defined(instrument)? >= PRIORITY_MAX;
        if exhausted { Err(BookError::PriorityExhausted { instrument }) } else { Ok(()) }
    }

    fn rest(&mut self, instrument: InstrumentId, side: Side, order_ref: u64, event: &MarketEvent) {
        let next = self.instruments.get_mut(&instrument).expect("checked by the caller");
        let priority = *next;
        *next += 1;
        let (price, qty) = (event.price, event.qty);
        let order = BookOrder { order_ref, instrument, side, price, qty, priority, taken: false };
        self.orders.insert(order_ref, order);
    }

    fn reduce(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Result<(), BookError> {
        let (order_ref, asked) = (event.order_ref, event.qty);
        let resting = self.resting(instrument, order_ref)?.qty;
        if asked == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        let Some(left) = resting.checked_sub(asked) else {
            return Err(BookError::QuantityExceeds { order_ref, resting, asked });
        };
        self.set_qty(order_ref, left);
        Ok(())
    }

    fn set_qty(&mut self, order_ref: u64, left: Lots) {
        if left == Lots::ZERO {
            self.orders.remove(&order_ref);
        } else {
            self.orders.get_mut(&order_ref).expect("checked by the caller").qty = left;
        }
    }

    fn replace(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Result<(), BookError> {
        let (old_ref, new_ref) = (event.order_ref, event.aux);
        let old = self.resting(instrument, old_ref)?;
        if event.qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref: new_ref });
        }
        if self.orders.contains_key(&new_ref) {
            return Err(BookError::DuplicateOrder { order_ref: new_ref });
        }
        self.rest_again(&old, new_ref, event)
    }

    fn rest_again(
        &mut self,
        old: &BookOrder,
        new_ref: u64,
        event: &MarketEvent,
    ) -> Result<(), BookError> {
        self.check_priority(old.instrument)?;
        self.orders.remove(&old.order_ref);
        let level = self.level(old.instrument, old.side, event.price);
        if level.is_some_and(|level| level.qty.checked_add(event.qty).is_none()) {
            self.orders.insert(old.order_ref, *old);
            return Err(BookError::LevelOverflow { price: event.price });
        }
        self.rest(old.instrument, old.side, new_ref, event);
        Ok(())
    }

    fn modify(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Result<(), BookError> {
        let order_ref = event.order_ref;
        let old = self.resting(instrument, order_ref)?;
        if event.side != 0 && event.side() != Some(old.side) {
            return Err(BookError::BadSide { order_ref, side: event.side });
        }
        if event.qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        if event.price == old.price && event.qty <= old.qty {
            self.set_qty(order_ref, event.qty);
            return Ok(());
        }
        self.rest_again(&old, order_ref, event)
    }

    fn check_aggregate(
        &self,
        instrument: InstrumentId,
        event: &MarketEvent,
    ) -> Result<Side, BookError> {
        let Some(side) = event.side() else {
            return Err(BookError::BadSide { order_ref: event.order_ref, side: event.side });
        };
        self.defined(instrument)?;
        if self.orders_count(instrument) != 0 {
            return Err(BookError::MixedDepth { instrument });
        }
        Ok(side)
    }

    fn quote(&mut self, instrument: InstrumentId, event: &MarketEvent) -> Result<(), BookError> {
        let side = self.check_aggregate(instrument, event)?;
        let of_side = |key: &(InstrumentId, Side, Ticks)| key.0 == instrument && key.1 == side;
        let held = self.aggregates.keys().filter(|key| of_side(key)).count();
        let others = self.aggregates.len() - held;
        let limit = self.limits.aggregate_levels_max;
        if event.qty != Lots::ZERO && others >= limit as usize {
            return Err(BookError::LevelsFull { limit });
        }
        self.aggregates.retain(|key, _| !of_side(key));
        if event.qty != Lots::ZERO {
            let level = Level { price: event.price, qty: event.qty, orders: 0 };
            self.aggregates.insert((instrument, side, event.price), level);
        }
        Ok(())
    }

    fn level_event(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
    ) -> Result<(), BookError> {
        let side = self.check_aggregate(instrument, event)?;
        let key = (instrument, side, event.price);
        if event.qty == Lots::ZERO {
            self.aggregates.remove(&key);
            return Ok(());
        }
        let limit = self.limits.aggregate_levels_max;
        if !self.aggregates.contains_key(&key) && self.aggregates.len() >= limit as usize {
            return Err(BookError::LevelsFull { limit });
        }
        let orders = u32::try_from(event.aux).unwrap_or(u32::MAX);
        self.aggregates.insert(key, Level { price: event.price, qty: event.qty, orders });
        Ok(())
    }

    /// All levels of a side, best first.
    pub fn levels(&self, instrument: InstrumentId, side: Side) -> Vec<Level> {
        let mut levels: BTreeMap<Ticks, Level> = BTreeMap::new();
        for (key, level) in &self.aggregates {
            if key.0 == instrument && key.1 == side {
                levels.insert(level.price, *level);
            }
        }
        for order in self.orders.values() {
            if order.instrument == instrument && order.side == side {
                let empty = Level { price: order.price, qty: Lots::ZERO, orders: 0 };
                let level = levels.entry(order.price).or_insert(empty);
                level.qty.0 += order.qty.0;
                level.orders += 1;
            }
        }
        match side {
            Side::Buy => levels.into_values().rev().collect(),
            Side::Sell => levels.into_values().collect(),
        }
    }

    /// The level at `price`, if anything is there.
    pub fn level(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Option<Level> {
        self.levels(instrument, side).into_iter().find(|level| level.price == price)
    }

    /// The orders at a price, first to be executed first.
    pub fn orders_at(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Vec<BookOrder> {
        let there = |order: &&BookOrder| {
            order.instrument == instrument && order.side == side && order.price == price
        };
        let mut orders: Vec<BookOrder> = self.orders.values().filter(there).copied().collect();
        orders.sort_by_key(|order| order.priority);
        orders
    }

    /// Orders that rest in one book.
    pub fn orders_count(&self, instrument: InstrumentId) -> usize {
        self.orders.values().filter(|order| order.instrument == instrument).count()
    }

    /// The state hash, computed from nothing.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for order in self.orders.values() {
            let BookOrder { order_ref, instrument, side, priority, .. } = *order;
            let identity = order_identity_hash(order_ref, instrument, side, priority);
            hash.add(order_hash(identity, order.price, order.qty));
        }
        for ((instrument, side, _), level) in &self.aggregates {
            hash.add(level_hash(*instrument, *side, level));
        }
        hash
    }

    /// Every order that rests, by reference.
    pub fn orders(&self) -> impl Iterator<Item = &BookOrder> {
        self.orders.values()
    }
}
