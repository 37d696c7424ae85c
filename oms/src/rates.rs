//! What currencies are worth in one another.

use serde::{Deserialize, Serialize};
use tidegate_model::command::SetRate;
use tidegate_model::fx::Rate;
use tidegate_model::hash::hash_words;
use tidegate_model::ids::Code;
use tidegate_model::saved::Room;
use tidegate_model::{Reject, RejectReason, StateHash};

/// Rates that may be set: every pair of sixteen currencies, both ways.
pub const RATES_MAX: usize = 256;

const TAG_RATE: u64 = 0x6f6d_7372_6174_6573;

/// The table of rates. Nothing is derived: no way back, no third currency in between.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rates {
    /// Sorted by the pair.
    #[serde(with = "Room::<RATES_MAX>")]
    rates: Vec<((Code, Code), Rate)>,
}

impl Rates {
    pub fn new() -> Self {
        Self { rates: Vec::with_capacity(RATES_MAX) }
    }

    /// Sets a rate, or takes it away.
    ///
    /// # Errors
    /// `BadField` for a code that is none, the same currency twice, or a scale out of range; `CapacityExceeded`.
    pub fn set(&mut self, set: &SetRate) -> Result<(), Reject> {
        if !set.from.is_valid() || !set.to.is_valid() || set.from == set.to {
            return Err(Reject::of(RejectReason::BadField, i128::from(set.to.0[0])));
        }
        let pair = (set.from, set.to);
        let place = self.rates.binary_search_by_key(&pair, |entry| entry.0);
        if set.mantissa == 0 {
            if let Ok(at) = place {
                self.rates.remove(at);
            }
            return Ok(());
        }
        let scale = Reject::of(RejectReason::BadField, set.scale.into());
        let rate = Rate::new(set.mantissa, set.scale).ok_or(scale)?;
        match place {
            Ok(at) => self.rates[at].1 = rate,
            Err(_) if self.rates.len() == RATES_MAX => {
                let limit = RATES_MAX as i128;
                return Err(Reject::new(RejectReason::CapacityExceeded, limit, limit + 1));
            }
            Err(at) => self.rates.insert(at, (pair, rate)),
        }
        Ok(())
    }

    /// What one unit of `from` is worth in `to`, if that is set; a currency is worth itself.
    pub fn get(&self, from: Code, to: Code) -> Option<Rate> {
        if from == to {
            return Some(Rate::ONE);
        }
        let at = self.rates.binary_search_by_key(&(from, to), |entry| entry.0).ok()?;
        Some(self.rates[at].1)
    }

    /// The hash of every rate, computed anew: they are few.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for ((from, to), rate) in &self.rates {
            let [from, to] = [from, to].map(|code| u64::from_le_bytes(code.0));
            hash.add(hash_words(TAG_RATE, &[from, to, rate.mantissa(), rate.scale().into()]));
        }
        hash
    }
}
