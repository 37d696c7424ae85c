//! Closing positions: at once or at a time, as a position's own time to end, or everything of an account at the end of a day.
//!
//! What is open in scope is canceled, again and again while it lasts; where nothing is open any more and the instrument
//! trades, a market order takes the position back to zero, through the gate like any other.

use super::Core;
use super::orders::refuse_new;
use super::output::Publisher;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use tidegate_model::command::{Flatten, NewOrder, OrderType, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::hash::hash_words;
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, ClientOrderId, InstrumentId, Lots, Reject, RejectReason, Side, StateHash, UnixNanos,
};
use tidegate_oms::Requester;

/// Scopes that may wait for their time, or for their positions to be closed: one for each account of a large desk.
pub const FLATTENS_MAX: usize = 1_024;
/// How long until what is not closed yet is looked at again: 1 s.
const RETRY_NS: u64 = 1_000_000_000;
/// As [`Flatten::at`]: what waits for its time no longer does.
const NEVER: UnixNanos = UnixNanos(u64::MAX);

/// A scope whose positions are to be closed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Flattening {
    scope: Flatten,
    who: Requester,
    /// When it is to be looked at.
    next_at: UnixNanos,
}

impl Flattening {
    fn is_of(&self, other: &Flatten) -> bool {
        (self.scope.account, self.scope.instrument) == (other.account, other.instrument)
    }
}

/// The name of an order that closes a position: the input that it follows from, and the instrument.
fn name_of_closing(seq: u64, instrument: InstrumentId) -> ClientOrderId {
    struct Text([u8; 40], usize);
    impl std::fmt::Write for Text {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let end = self.1 + text.len();
            self.0.get_mut(self.1..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
            self.1 = end;
            Ok(())
        }
    }
    let mut text = Text(ClientOrderId::EMPTY.0, 0);
    write!(text, "~flat{seq}.{instrument}").expect("36 characters at most");
    ClientOrderId(text.0)
}

impl Core {
    /// Positions are to be closed; how many scopes wait then. One that waited is replaced.
    pub(super) fn flatten(
        &mut self,
        scope: Flatten,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.oms.account(scope.account)?;
        if scope.instrument != InstrumentId::NONE && self.listing.get(scope.instrument).is_none() {
            return Err(Reject::of(RejectReason::UnknownInstrument, scope.instrument.0.into()));
        }
        self.flattening.retain(|one| !one.is_of(&scope));
        if scope.at == NEVER {
            return Ok(self.flattening.len() as u64);
        }
        if self.flattening.len() == FLATTENS_MAX {
            let max = FLATTENS_MAX as i128;
            return Err(Reject::new(RejectReason::CapacityExceeded, max, max));
        }
        self.flattening.push(Flattening { scope, who, next_at: scope.at.max(self.now) });
        self.flatten_due(publisher);
        Ok(self.flattening.len() as u64)
    }

    /// When the next scope is to be looked at.
    #[inline]
    pub(super) fn next_flatten_due(&self) -> Option<UnixNanos> {
        self.flattening.iter().map(|one| one.next_at).min()
    }

    /// The time has come for some.
    pub(super) fn flatten_due(&mut self, publisher: &mut Publisher<'_>) {
        let mut at = 0;
        while let Some(&one) = self.flattening.get(at) {
            if one.next_at > self.now {
                at += 1;
            } else if self.close_positions(&one, publisher) {
                self.flattening.remove(at);
            } else {
                self.flattening[at].next_at = UnixNanos(self.now.0 + RETRY_NS);
                at += 1;
            }
        }
    }

    /// Cancels and closes what can be; true if nothing is left.
    fn close_positions(&mut self, one: &Flattening, publisher: &mut Publisher<'_>) -> bool {
        let Flatten { account, instrument: only, .. } = one.scope;
        let covers = |instrument| only == InstrumentId::NONE || only == instrument;
        self.cancel_where(account, CancelReason::Flatten, publisher, |_, order| {
            covers(order.instrument)
        });
        self.follow_up(publisher);
        let mut is_left = false;
        for at in 0..self.listing.count() as u32 {
            let instrument = InstrumentId(at);
            let position = self.oms.position(account, instrument).qty;
            let is_open = self.has_open(account, instrument);
            if !covers(instrument) || position == 0 && !is_open {
                continue;
            }
            let trades = self.listing[instrument].status == TradingStatus::Trading;
            if !is_open && trades {
                self.close_position(one, instrument, position, publisher);
            }
            is_left |= self.oms.position(account, instrument).qty != 0
                || self.has_open(account, instrument);
        }
        !is_left
    }

    fn has_open(&self, account: AccountId, instrument: InstrumentId) -> bool {
        self.oms.open_orders(account).any(|(_, order)| order.instrument == instrument)
    }

    fn close_position(
        &mut self,
        one: &Flattening,
        instrument: InstrumentId,
        position: i64,
        publisher: &mut Publisher<'_>,
    ) {
        let (Flatten { account, strategy, .. }, who) = (one.scope, one.who);
        let side = if position > 0 { Side::Sell } else { Side::Buy };
        let lot = self.listing[instrument].instrument.order_lot.0;
        let most = self.risk.limits(account).map_or(0, |limits| limits.max_order_qty.0);
        let qty = position.unsigned_abs().min(most);
        let order = NewOrder {
            client_order_id: name_of_closing(self.seq.0, instrument),
            account,
            instrument,
            strategy,
            side: side.wire(),
            order_type: OrderType::Market.wire(),
            time_in_force: TimeInForce::Day.wire(),
            // Where the gate allows none it says so.
            qty: Lots((qty - qty % lot).max(lot)),
            ..NewOrder::BLANK
        };
        // Nobody asked for this one.
        let who = Requester { request_id: 0, ..who };
        match self.admit_new(order, who) {
            Ok(slot) => {
                self.begin(slot, who, publisher);
                self.follow_up(publisher);
            }
            Err(reject) => refuse_new(&order, reject, who, publisher),
        }
    }

    /// The hash of what is to be closed.
    pub(super) fn hash_of_flattening(&self) -> StateHash {
        let mut hash = StateHash::default();
        for one in &self.flattening {
            let Flatten { at, account, instrument, strategy, .. } = one.scope;
            let scope = u64::from(account.0) << 32 | u64::from(instrument.0);
            let who = u64::from(one.who.principal.0) << 32 | u64::from(one.who.session.0);
            let words = [at.0, scope, one.next_at.0, who, one.who.request_id, strategy.0.into()];
            hash.add(hash_words(0x464c_4154, &words));
        }
        hash
    }
}
