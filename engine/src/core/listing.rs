//! The instruments an engine lists: by id, by symbol, and by the feed's own number.

use serde::{Deserialize, Serialize};
use tidegate_model::command::SetTickTable;
use tidegate_model::instrument::InstrumentError;
use tidegate_model::market::TradingStatus;
use tidegate_model::saved::{Inconsistent, Room, UpTo};
use tidegate_model::tick_table::{TICK_BANDS_MAX, TickTableError};
use tidegate_model::{
    Instrument, InstrumentId, Reject, RejectReason, StateHash, Symbol, TickTable, Ticks, UnixNanos,
    hash::hash_words,
};

/// Numbers a feed may use for its instruments: ITCH stock locates have 16 bits.
pub const CHANNELS_MAX: usize = 65_536;

/// One instrument and what the market last said of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its number.
    pub id: InstrumentId,
    /// Its terms.
    pub instrument: Instrument,
    /// Whether it trades.
    pub status: TradingStatus,
    /// Price of the last trade, if there was one.
    pub last_trade: Option<Ticks>,
    /// The last settlement price, if there was one.
    pub settlement: Option<Ticks>,
    /// When the feed last spoke of it.
    pub heard_at: Option<UnixNanos>,
}

/// Every instrument.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing {
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    listed: Vec<Listed>,
    /// Sorted by symbol; looked up when an instrument is defined, never on the path of an order.
    #[serde(with = "Room::<{ InstrumentId::COUNT_MAX }>")]
    by_symbol: Vec<(Symbol, InstrumentId)>,
    /// [`InstrumentId::NONE`] where the feed has not bound the number.
    #[serde(with = "saved_channels")]
    by_channel: Vec<InstrumentId>,
    /// By instrument, as far as any has one.
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    tick_tables: Vec<Option<Box<TickTable>>>,
}

/// Channels in a snapshot: those that are bound, each with its instrument.
mod saved_channels {
    use super::{CHANNELS_MAX, InstrumentId};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(channels: &[InstrumentId], to: S) -> Result<S::Ok, S::Error> {
        let bound = channels.iter().enumerate().filter(|(_, id)| **id != InstrumentId::NONE);
        to.collect_seq(bound.collect::<Vec<_>>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<InstrumentId>, D::Error> {
        let mut channels = vec![InstrumentId::NONE; CHANNELS_MAX];
        for (channel, id) in Vec::<(usize, InstrumentId)>::deserialize(from)? {
            let place = channels.get_mut(channel);
            *place.ok_or_else(|| D::Error::custom("there are not so many channels"))? = id;
        }
        Ok(channels)
    }
}

/// What [`Listing::define`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defined {
    /// The instrument.
    pub id: InstrumentId,
    /// False if it was there with the same terms.
    pub is_new: bool,
}

impl Listing {
    /// No instruments yet, room for all.
    pub fn new() -> Self {
        Self {
            listed: Vec::with_capacity(InstrumentId::COUNT_MAX),
            by_symbol: Vec::with_capacity(InstrumentId::COUNT_MAX),
            by_channel: vec![InstrumentId::NONE; CHANNELS_MAX],
            tick_tables: Vec::new(),
        }
    }

    /// Every instrument, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter()
    }

    /// Looks at what was read from a snapshot.
    ///
    /// # Errors
    /// [`Inconsistent`] says what cannot be.
    pub fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "listing", why);
        let numbered = self.listed.iter().zip(0..).all(|(listed, id)| listed.id.0 == id);
        check(numbered, "instruments are numbered through")?;
        let is_checked = |terms: &Instrument| terms.checked().as_ref() == Ok(terms);
        let checked = self.listed.iter().all(|listed| is_checked(&listed.instrument));
        check(checked, "terms of instruments are some")?;
        let mut symbols: Vec<_> =
            self.listed.iter().map(|listed| (listed.instrument.symbol, listed.id)).collect();
        symbols.sort_unstable();
        let once = symbols.windows(2).all(|pair| pair[0].0 != pair[1].0);
        check(once && symbols == self.by_symbol, "instruments are found by symbol")?;
        check(self.by_channel.len() == CHANNELS_MAX, "every channel has a place")?;
        let is_there =
            |id: &InstrumentId| *id == InstrumentId::NONE || id.index() < self.listed.len();
        check(self.by_channel.iter().all(is_there), "channels are of instruments")?;
        check(self.tick_tables.len() <= self.listed.len(), "tick tables are of instruments")
    }

    /// Lists `instrument`, or confirms that it is listed with the same terms.
    ///
    /// # Errors
    /// `BadInstrument` (the field is not named in a reject; [`Instrument::checked`] tells), `DuplicateSymbol` if the
    /// symbol has other terms, `CapacityExceeded` at [`InstrumentId::COUNT_MAX`].
    pub fn define(&mut self, instrument: Instrument) -> Result<Defined, Reject> {
        let instrument = instrument
            .checked()
            .map_err(|InstrumentError { .. }| Reject::of(RejectReason::BadInstrument, 0))?;
        match self.by_symbol.binary_search_by_key(&instrument.symbol, |entry| entry.0) {
            Ok(at) => {
                let id = self.by_symbol[at].1;
                if self[id].instrument == instrument {
                    Ok(Defined { id, is_new: false })
                } else {
                    Err(Reject::of(RejectReason::DuplicateSymbol, id.0.into()))
                }
            }
            Err(at) => {
                let count = self.listed.len();
                if count == InstrumentId::COUNT_MAX {
                    let limit = InstrumentId::COUNT_MAX as i128;
                    return Err(Reject::new(RejectReason::CapacityExceeded, limit, limit + 1));
                }
                let id = InstrumentId(count as u32);
                let status = TradingStatus::Trading;
                self.listed.push(Listed {
                    id,
                    instrument,
                    status,
                    last_trade: None,
                    settlement: None,
                    heard_at: None,
                });
                self.by_symbol.insert(at, (instrument.symbol, id));
                Ok(Defined { id, is_new: true })
            }
        }
    }

    /// The instrument with `symbol`.
    pub fn by_symbol(&self, symbol: &Symbol) -> Option<InstrumentId> {
        let at = self.by_symbol.binary_search_by_key(symbol, |entry| entry.0).ok()?;
        Some(self.by_symbol[at].1)
    }

    /// Binds the feed's number to `id`; false if the number is not below [`CHANNELS_MAX`].
    #[must_use]
    pub fn bind(&mut self, channel_id: u32, id: InstrumentId) -> bool {
        match self.by_channel.get_mut(channel_id as usize) {
            Some(bound) => {
                *bound = id;
                true
            }
            None => false,
        }
    }

    /// The instrument that the feed's number is bound to.
    #[inline]
    pub fn by_channel(&self, channel_id: u32) -> Option<InstrumentId> {
        match self.by_channel.get(channel_id as usize) {
            Some(&id) if id != InstrumentId::NONE => Some(id),
            _ => None,
        }
    }

    /// The instrument, if `id` is one.
    pub fn get(&self, id: InstrumentId) -> Option<&Listed> {
        self.listed.get(id.index())
    }

    /// The tick table of an instrument, if it has one.
    #[inline]
    pub fn tick_table(&self, id: InstrumentId) -> Option<&TickTable> {
        self.tick_tables.get(id.index())?.as_deref()
    }

    /// Gives an instrument a tick table, or takes it away.
    ///
    /// # Errors
    /// `UnknownInstrument`; `BadField` with the number of the band that makes no table, or 0; `Tick` with the order tick of
    /// the instrument and a step that is no multiple of it: the market's own grid is that of the order tick.
    pub fn set_tick_table(&mut self, set: &SetTickTable) -> Result<(), Reject> {
        let id = set.instrument;
        let unknown = Reject::of(RejectReason::UnknownInstrument, id.0.into());
        let order_tick = self.get(id).ok_or(unknown)?.instrument.order_tick.0;
        let bad = |error: TickTableError| {
            let limit = TICK_BANDS_MAX as i128;
            Reject::new(RejectReason::BadField, limit, error.band() as i128)
        };
        let table = TickTable::unpack(set).map_err(bad)?;
        let bands = table.iter().flat_map(TickTable::bands);
        if let Some(odd) = bands.map(|band| band.tick.0).find(|tick| tick % order_tick != 0) {
            return Err(Reject::new(RejectReason::Tick, order_tick.into(), odd.into()));
        }
        if self.tick_tables.len() <= id.index() {
            self.tick_tables.resize(id.index() + 1, None);
        }
        self.tick_tables[id.index()] = table.map(Box::new);
        Ok(())
    }

    /// The step that an order's price must be a multiple of, at that price.
    #[inline]
    pub fn order_tick_at(&self, id: InstrumentId, price: Ticks) -> Ticks {
        match self.tick_table(id) {
            None => self[id].instrument.order_tick_at(price),
            Some(table) => table.tick_at(price),
        }
    }

    /// How many instruments there are; ids run from 0 to one less.
    pub fn count(&self) -> usize {
        self.listed.len()
    }

    /// The hash of all of it, computed from scratch.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (id, listed) in self.listed.iter().enumerate() {
            let words: [u64; 16] = bytemuck::cast(listed.instrument);
            let (traded, price) = listed.last_trade.map_or((0, 0), |price| (1, price.0 as u64));
            let (settled, at) = listed.settlement.map_or((0, 0), |price| (1, price.0 as u64));
            let status = u64::from(listed.status.wire());
            let market = [id as u64, status, traded, price, settled, at];
            hash.add(hash_words(0x4c49_5354, &words).wrapping_add(hash_words(id as u64, &market)));
        }
        for (id, table) in self.tick_tables.iter().enumerate() {
            for band in table.iter().flat_map(|table| table.bands()) {
                let words = [id as u64, band.from.0 as u64, band.tick.0 as u64];
                hash.add(hash_words(0x5449_434b, &words));
            }
        }
        for (channel, id) in self.by_channel.iter().enumerate() {
            if *id != InstrumentId::NONE {
                hash.add(hash_words(0x4348_414e, &[channel as u64, id.0.into()]));
            }
        }
        hash
    }
}

impl Default for Listing {
    fn default() -> Self {
        Self::new()
    }
}

impl core::ops::Index<InstrumentId> for Listing {
    type Output = Listed;
    #[inline]
    fn index(&self, id: InstrumentId) -> &Listed {
        &self.listed[id.index()]
    }
}

impl core::ops::IndexMut<InstrumentId> for Listing {
    #[inline]
    fn index_mut(&mut self, id: InstrumentId) -> &mut Listed {
        &mut self.listed[id.index()]
    }
}
