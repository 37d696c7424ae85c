//! Bars: fills at prices that the bar proves, and at no other.
//!
//! Of a bar one knows the first price, the last, the highest, the lowest and how much was traded, when it is over. Time within
//! it is not resolved. What takes part must have been there when it began; what came later waits for the next one.
//!
//! * A limit order is filled when the bar goes through its price: a buy when the low is below it, with `touch` when it is not
//!   above it; at its own price or, if the whole bar lies beyond, at the price of the bar that is nearest to it.
//! * An order that takes is filled at the open of the next bar (`engine/src/core/bars.rs`).
//! * A stop order that the open has passed is triggered at the open, one within the range at its stop price.
//! * All our orders together take no more than a set share of the bar's volume, a tenth by default. A bar without volume fills
//!   nothing.
//! * Where a stop and a target lie in one bar, the stop comes first, unless the open is beyond the target.
//!
//! Assumption: the market went from the open to both ends of the range. Bias: pessimistic for limit orders, since they wait until
//! the price is passed and are not filled better than at it where the market opens beyond it; a stop order gets no worse than
//! its stop price, which optimistic in fast markets unless impact is set.

use super::FillModel;
use super::queue::{Queue, is_better};
use tidegate_model::command::FillModelKind;
use tidegate_model::market::Bar;
use tidegate_model::{Lots, Side, Ticks};

/// A tenth of the volume, in 1e-4.
const VOLUME_SHARE_BP_DEFAULT: u32 = 1_000;

/// Which part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its first price.
    Open,
    /// Everything between its low and its high.
    Range,
}

/// The model for bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bars {
    /// A range that ends at an order's price fills it.
    pub touch: bool,
    /// Most of the volume that our orders may take, in 1e-4; 0 for a tenth.
    pub volume_share_bp: u32,
}

impl Bars {
    /// What of a bar's volume our orders may take together.
    pub fn share_of(&self, volume: Lots) -> Lots {
        let share = match self.volume_share_bp {
            0 => VOLUME_SHARE_BP_DEFAULT,
            set => set,
        };
        Lots((u128::from(volume.0) * u128::from(share) / 10_000) as u64)
    }

    /// The price at which that part of the bar fills a limit order; `None` if it does not prove a fill.
    pub fn fill_price(&self, side: Side, limit: Ticks, bar: &Bar, part: Part) -> Option<Ticks> {
        let reached = match (part, side) {
            (Part::Open, _) => bar.open,
            (Part::Range, Side::Buy) => bar.low,
            (Part::Range, Side::Sell) => bar.high,
        };
        let is_filled = is_better(side, limit, reached) || (self.touch && limit == reached);
        is_filled.then(|| limit.clamp(bar.low, bar.high))
    }
}

impl FillModel for Bars {
    fn kind(&self) -> FillModelKind {
        FillModelKind::Bars
    }

    /// The bar that it belongs to will tell.
    fn traded(&self, _: &mut Queue<'_>, _: Ticks, _: Lots) -> Lots {
        Lots::ZERO
    }

    fn bar(&self, queue: &mut Queue<'_>, bar: &Bar, part: Part, left: Lots) -> Lots {
        let side = queue.side();
        queue.share(left, None, |resting, left| {
            if resting.since > bar.begin {
                return (resting.price, Lots::ZERO);
            }
            match self.fill_price(side, resting.price, bar, part) {
                Some(price) => (price, left.min(resting.leaves)),
                None => (resting.price, Lots::ZERO),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidegate_model::UnixNanos;

    fn bar(open: i64, high: i64, low: i64, close: i64) -> Bar {
        Bar {
            channel_id: 0,
            begin: UnixNanos(1),
            end: UnixNanos(2),
            open: Ticks(open),
            high: Ticks(high),
            low: Ticks(low),
            close: Ticks(close),
            volume: Lots(1_000),
            feed_seq: 1,
        }
    }

    #[test]
    fn only_what_the_bar_proves() {
        use Part::{Open, Range};
        use Side::{Buy, Sell};
        let bar = bar(100, 110, 90, 105);
        // Side, limit, part; through, on touch.
        for (side, limit, part, through, touch) in [
            (Buy, 89, Range, None, None),
            (Buy, 90, Range, None, Some(90)),
            (Buy, 91, Range, Some(91), Some(91)),
            (Buy, 110, Range, Some(110), Some(110)),
            (Buy, 150, Range, Some(110), Some(110)),
            (Buy, 100, Open, None, Some(100)),
            (Buy, 101, Open, Some(101), Some(101)),
            (Sell, 111, Range, None, None),
            (Sell, 110, Range, None, Some(110)),
            (Sell, 109, Range, Some(109), Some(109)),
            (Sell, 50, Range, Some(90), Some(90)),
            (Sell, 100, Open, None, Some(100)),
            (Sell, 99, Open, Some(99), Some(99)),
        ] {
            for (touch, want) in [(false, through), (true, touch)] {
                let model = Bars { touch, volume_share_bp: 0 };
                let got = model.fill_price(side, Ticks(limit), &bar, part);
                assert_eq!(got, want.map(Ticks), "{side} {limit} {part:?} {touch}");
            }
        }
    }

    #[test]
    fn shares_of_the_volume_are_rounded_down() {
        for (volume_share_bp, volume, want) in
            [(0, 1_009, 100), (10_000, 7, 7), (1, 9_999, 0), (10_000, u64::MAX, u64::MAX)]
        {
            let model = Bars { touch: false, volume_share_bp };
            assert_eq!(model.share_of(Lots(volume)), Lots(want));
        }
    }

    proptest! {
        #[test]
        fn every_price_lies_in_the_bar_and_is_no_better_than_the_limit_if_that_does(
            prices in prop::collection::vec(1..50i64, 4), limit in 1..50i64, buy: bool, touch: bool, open: bool,
        ) {
            let (low, high) = (*prices.iter().min().unwrap(), *prices.iter().max().unwrap());
            let bar = bar(prices[0], high, low, prices[1]);
            let side = if buy { Side::Buy } else { Side::Sell };
            let part = if open { Part::Open } else { Part::Range };
            let model = Bars { touch, volume_share_bp: 0 };
            if let Some(price) = model.fill_price(side, Ticks(limit), &bar, part) {
                prop_assert!((low..=high).contains(&price.0));
                prop_assert!(!is_better(side, price, Ticks(limit)) || !(low..=high).contains(&limit));
                prop_assert!(!is_better(side, Ticks(limit), price) || !(low..=high).contains(&limit));
            }
        }
    }
}
