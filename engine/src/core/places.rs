//! Where the orders that rest here stand in the queues of their prices, as of the last input: told when somebody asks.

use super::Core;
use tidegate_model::command::FillModelKind;
use tidegate_model::saved::touch;
use tidegate_model::{AccountId, InstrumentId, Lots, OrderId, SeqNo, Side, Ticks, UnixNanos};
use tidegate_oms::OrderSlot;

/// Orders that one picture tells of on each side, from the best price on. It may be asked for many times a second, while a whole book is
/// rarely: an eighth of the rows of that is what the engine's thread tells at once.
pub const PLACES_MAX: usize = 512;

/// A resting order in the queue of its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueuePlace {
    /// The order.
    pub order: OrderId,
    /// Whose it is.
    pub account: AccountId,
    /// Its limit.
    pub price: Ticks,
    /// Its open quantity, displayed or not.
    pub leaves: Lots,
    /// Lots displayed at its price.
    pub level: Lots,
    /// Of those, how many stand ahead of it and how many behind; `None` where what the feed tells does not say.
    pub around: Option<(Lots, Lots)>,
}

/// The places of all orders that rest in one instrument. It goes from whoever asks to the engine's thread, which fills it, and back:
/// nothing is allocated there, and there is one.
#[derive(Clone, Debug)]
pub struct QueuePicture {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// After which input.
    pub seq: SeqNo,
    /// The engine's time then.
    pub ts: UnixNanos,
    /// What reckons the places on paper; `None` in a market of the house, which knows them, and of an instrument that is routed.
    pub model: Option<FillModelKind>,
    /// By side; best price first, then first come.
    pub places: [Vec<QueuePlace>; 2],
    /// Orders beyond [`PLACES_MAX`] were left out on a side.
    pub is_cut: bool,
}

impl QueuePicture {
    /// An empty one, with all the room that it ever needs.
    pub(crate) fn new() -> Self {
        let room = || {
            let mut places = Vec::new();
            touch(&mut places, PLACES_MAX, QueuePlace::default());
            places
        };
        Self {
            instrument: InstrumentId::NONE,
            seq: SeqNo::ZERO,
            ts: UnixNanos::ZERO,
            model: None,
            places: [room(), room()],
            is_cut: false,
        }
    }

    /// How many orders it tells of.
    pub fn count(&self) -> usize {
        self.places.iter().map(Vec::len).sum()
    }
}

impl Core {
    /// Fills in the places of the orders that rest in the picture's instrument now; none of one that is not listed.
    pub fn picture_places(&self, picture: &mut QueuePicture) {
        let QueuePicture { instrument, places, .. } = picture;
        let instrument = *instrument;
        let is_listed = self.listing.get(instrument).is_some();
        let market = self.internal.market_of(instrument);
        let is_paper =
            is_listed && market.is_none() && !self.listing[instrument].instrument.is_routed();
        let model = is_paper.then(|| self.paper.model_of(instrument));
        let mut is_cut = false;
        for side in [Side::Buy, Side::Sell] {
            let places = &mut places[side.index()];
            places.clear();
            is_cut |= match (market, model) {
                (Some(market), _) => fill(places, self.places_in_house(market, side)),
                (None, Some(model)) => fill(places, self.places_on_paper(instrument, side, model)),
                (None, None) => false,
            };
        }
        let (seq, ts) = (self.seq, self.now);
        (picture.seq, picture.ts, picture.model, picture.is_cut) = (seq, ts, model, is_cut);
    }

    fn places_in_house(&self, market: u32, side: Side) -> impl Iterator<Item = QueuePlace> {
        self.internal.markets().queued(market, side).filter_map(|queued| {
            let slot = self.oms.slot(queued.handle)?;
            Some(QueuePlace {
                price: queued.price,
                leaves: queued.open,
                level: queued.level,
                around: Some((queued.ahead, queued.behind)),
                ..self.named(slot)
            })
        })
    }

    fn places_on_paper(
        &self,
        instrument: InstrumentId,
        side: Side,
        model: FillModelKind,
    ) -> impl Iterator<Item = QueuePlace> {
        // Quotes and bars do not say who else stands at a price.
        let is_known = !matches!(model, FillModelKind::Quotes | FillModelKind::Bars);
        self.paper.resting(instrument, side).iter().map(move |resting| {
            let level = self.books.level(instrument, side, resting.price);
            let level = level.map_or(Lots::ZERO, |level| level.qty);
            let ahead = resting.ahead;
            let behind = Lots(level.0.saturating_sub(ahead.0));
            QueuePlace {
                price: resting.price,
                leaves: resting.leaves,
                level,
                around: is_known.then_some((ahead, behind)),
                ..self.named(resting.order)
            }
        })
    }

    fn named(&self, slot: OrderSlot) -> QueuePlace {
        let order = self.oms.order(slot);
        QueuePlace { order: order.order_id, account: order.account, ..QueuePlace::default() }
    }
}

/// Takes what there is room for; true if there was more.
fn fill(places: &mut Vec<QueuePlace>, mut from: impl Iterator<Item = QueuePlace>) -> bool {
    places.extend(from.by_ref().take(PLACES_MAX));
    from.next().is_some()
}
