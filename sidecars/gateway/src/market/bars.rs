//! Bars: what the trades of an interval came to, in integers.

use std::collections::VecDeque;

/// Nanoseconds of a second.
pub(crate) const SECOND_NS: i64 = 1_000_000_000;
const DAY_S: i64 = 86_400;

/// What is kept: seconds of a bar, and how many of them. Some 18,000 bars of 112 bytes, 2 MB, for an instrument that trades every
/// second of its life.
pub(crate) const BASES: [(i64, usize); 6] = [
    // Two hours.
    (1, 7_200),
    // Two days.
    (60, 2_880),
    // A week.
    (300, 2_016),
    // Three weeks.
    (900, 2_016),
    // A quarter.
    (3_600, 2_160),
    // Five years.
    (DAY_S, 1_830),
];

/// What the trades of an interval came to. Prices and quantities count 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// When it begins, nanoseconds since the Unix epoch.
    pub start_ns: i64,
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Sum of quantities.
    pub volume: i128,
    /// Sum of price by quantity, 1e-18; it stops at the end of its type.
    pub value: i128,
    /// How many trades.
    pub trades: u64,
    /// False if trades of the interval may have been missed.
    pub is_whole: bool,
}

impl Bar {
    /// The bar of one trade.
    pub fn of(start_ns: i64, price: i64, qty: i64) -> Self {
        let value = i128::from(price) * i128::from(qty);
        let volume = i128::from(qty);
        let [open, high, low, close] = [price; 4];
        Self { start_ns, open, high, low, close, volume, value, trades: 1, is_whole: true }
    }

    /// Adds what came after it.
    pub fn add(&mut self, later: &Self) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume = self.volume.saturating_add(later.volume);
        self.value = self.value.saturating_add(later.value);
        self.trades += later.trades;
        self.is_whole &= later.is_whole;
    }

    /// Price by volume, 1e-9, rounded half to even; the close where nothing but quantities of 0 traded.
    pub fn vwap(&self) -> i128 {
        if self.volume <= 0 {
            return self.close.into();
        }
        let (whole, rest) =
            (self.value.div_euclid(self.volume), self.value.rem_euclid(self.volume));
        let above_half = rest.cmp(&(self.volume - rest));
        whole + i128::from(above_half.is_gt() || (above_half.is_eq() && whole % 2 != 0))
    }
}

/// How long the bars are that somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// Each trade is one.
    Ticks,
    /// So many seconds, counted from the Unix epoch.
    Seconds(i64),
}

impl Resolution {
    /// Longest bar.
    const SECONDS_MAX: i64 = 366 * DAY_S;

    /// Reads `ticks` or a number and `s`, `m`, `h` or `d`; `None` if it is neither, or above 366 days.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "ticks" {
            return Some(Self::Ticks);
        }
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => DAY_S,
            _ => return None,
        };
        let digits = &text[..text.len() - 1];
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 9;
        let count = digits.parse::<i64>().ok().filter(|count| is_plain && *count > 0)?;
        (count * unit <= Self::SECONDS_MAX).then_some(Self::Seconds(count * unit))
    }
}

/// The number of the bars that are kept which make up bars of so many seconds: the longest that divide them.
pub(crate) fn base_of(seconds: i64) -> usize {
    BASES.iter().rposition(|(base, _)| seconds % base == 0).unwrap_or(0)
}

/// Part of some bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Bars that begin then or later; without, the newest.
    pub from_ns: Option<i64>,
    /// Bars that begin before.
    pub to_ns: i64,
    /// So many at most.
    pub limit: usize,
}

impl Range {
    /// Of bars in their order those that are asked for, and when the next begins of which there was no room.
    pub fn take(&self, bars: impl Iterator<Item = Bar>) -> (Vec<Bar>, Option<i64>) {
        let from = self.from_ns.unwrap_or(i64::MIN);
        let mut bars = bars.filter(|bar| (from..self.to_ns).contains(&bar.start_ns));
        if self.from_ns.is_some() {
            let page: Vec<Bar> = bars.by_ref().take(self.limit).collect();
            return (page, bars.next().map(|bar| bar.start_ns));
        }
        let mut newest = VecDeque::new();
        for bar in bars {
            if newest.len() == self.limit {
                newest.pop_front();
            }
            newest.push_back(bar);
        }
        (newest.into(), None)
    }
}

/// When a bar of [`BASES`] ends.
fn end_of(at: usize, bar: &Bar) -> i64 {
    bar.start_ns + BASES[at].0 * SECOND_NS
}

/// The bars of one instrument.
#[derive(Debug)]
pub(crate) struct Bars {
    rings: [VecDeque<Bar>; BASES.len()],
    /// Whether trades may have been missed since the newest bar of each.
    is_broken: [bool; BASES.len()],
    /// Whether older bars of each were dropped.
    is_cut: [bool; BASES.len()],
}

impl Default for Bars {
    fn default() -> Self {
        // What traded before the first trade is not known.
        Self {
            rings: Default::default(),
            is_broken: [true; BASES.len()],
            is_cut: Default::default(),
        }
    }
}

impl Bars {
    /// Adds a trade; its time is not before that of the last one.
    pub fn trade(&mut self, time_ns: i64, price: i64, qty: i64) {
        for at in 0..BASES.len() {
            let mut bar = Bar::of(time_ns, price, qty);
            bar.is_whole = !std::mem::take(&mut self.is_broken[at]);
            self.put(at, bar);
        }
    }

    /// Adds a bar of so many seconds to those that are as long or longer; it begins not before the last one.
    pub fn add(&mut self, seconds: i64, bar: Bar) {
        for at in (0..BASES.len()).filter(|at| BASES[*at].0 >= seconds) {
            self.put(at, bar);
        }
    }

    /// Adds what is, or lies in, one bar of a ring.
    fn put(&mut self, at: usize, mut bar: Bar) {
        let ((seconds, keep), ring) = (BASES[at], &mut self.rings[at]);
        bar.start_ns -= bar.start_ns.rem_euclid(seconds * SECOND_NS);
        match ring.back_mut() {
            Some(last) if last.start_ns >= bar.start_ns => last.add(&bar),
            _ => {
                if ring.len() == keep {
                    ring.pop_front();
                    self.is_cut[at] = true;
                }
                ring.push_back(bar);
            }
        }
    }

    /// Those that were written down, each with its seconds, in their order. Only what had ended was: the rest of a longer one is made
    /// of shorter ones, and may miss trades.
    pub fn restore(written: impl Iterator<Item = (i64, Bar)>) -> Self {
        let mut bars = Self::default();
        for (seconds, bar) in written {
            if let Some(at) = BASES.iter().position(|(base, _)| *base == seconds) {
                bars.put(at, bar);
            }
        }
        for at in 1..BASES.len() {
            let end_ns = bars.rings[at].back().map_or(i64::MIN, |last| end_of(at, last));
            let shorter = &bars.rings[at - 1];
            let rest = shorter.range(shorter.partition_point(|bar| bar.start_ns < end_ns)..);
            for bar in rest.copied().collect::<Vec<_>>() {
                bars.put(at, bar);
                if let Some(last) = bars.rings[at].back_mut() {
                    last.is_whole = false;
                }
            }
        }
        bars
    }

    /// Bars of one of [`BASES`] that ended after a time and not after another, and the seconds of each.
    pub fn ended(&self, after_ns: i64, until_ns: i64) -> impl Iterator<Item = (i64, &Bar)> {
        self.rings.iter().enumerate().flat_map(move |(at, ring)| {
            let before = |time_ns: i64| ring.partition_point(|bar| end_of(at, bar) <= time_ns);
            let first = before(after_ns);
            let ended = ring.range(first..before(until_ns).max(first));
            ended.map(move |bar| (BASES[at].0, bar))
        })
    }

    /// Trades may have been missed since the last one.
    pub fn broke(&mut self) {
        self.is_broken = [true; BASES.len()];
        for bar in self.rings.iter_mut().filter_map(VecDeque::back_mut) {
            bar.is_whole = false;
        }
    }

    /// The newest bar that is kept, by its number in [`BASES`].
    pub fn newest(&self, base: usize) -> Option<&Bar> {
        self.rings.get(base)?.back()
    }

    /// Bars of so many seconds that are asked for, oldest first, and when the next begins of which there was no room. The first that
    /// there is may lack what is no longer kept; it is not whole then.
    pub fn page(&self, seconds: i64, range: &Range) -> (Vec<Bar>, Option<i64>) {
        let base = base_of(seconds);
        let (ring, ns) = (&self.rings[base], seconds * SECOND_NS);
        let start = |bar: &Bar| bar.start_ns - bar.start_ns.rem_euclid(ns);
        let before = |time_ns: i64| ring.partition_point(|bar| start(bar) < time_ns);
        let end = before(range.to_ns);
        let first = range.from_ns.map(before).unwrap_or_else(|| {
            // One is made of so many at most; the first not from its middle.
            let most = usize::try_from(seconds / BASES[base].0).unwrap_or(usize::MAX);
            let at = end.saturating_sub(range.limit.saturating_mul(most));
            ring.get(at).map_or(0, |bar| before(start(bar)))
        });
        range.take(self.within(seconds, first.min(end)..end))
    }

    /// Bars of so many seconds, made of these of the kept ones.
    fn within(&self, seconds: i64, kept: std::ops::Range<usize>) -> impl Iterator<Item = Bar> {
        let base = base_of(seconds);
        let (ns, is_cut) = (seconds * SECOND_NS, self.is_cut[base] && kept.start == 0);
        let mut kept = self.rings[base].range(kept).enumerate().peekable();
        std::iter::from_fn(move || {
            let (at, first) = kept.next()?;
            let start_ns = first.start_ns - first.start_ns.rem_euclid(ns);
            let is_partial = at == 0 && is_cut && start_ns < first.start_ns;
            let mut bar = Bar { start_ns, is_whole: first.is_whole && !is_partial, ..*first };
            while let Some((_, more)) = kept.next_if(|(_, more)| more.start_ns < start_ns + ns) {
                bar.add(more);
            }
            Some(bar)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Bars {
        /// All bars of so many seconds.
        fn of(&self, seconds: i64) -> impl Iterator<Item = Bar> {
            self.within(seconds, 0..self.rings[base_of(seconds)].len())
        }
    }

    /// Bars of so many seconds, worked out from all trades anew.
    fn naive(trades: &[(i64, i64, i64)], seconds: i64) -> Vec<Bar> {
        let mut bars: Vec<Bar> = Vec::new();
        let ns = seconds * SECOND_NS;
        for start_ns in trades.iter().map(|(time, ..)| time.div_euclid(ns) * ns) {
            if bars.last().is_some_and(|last| last.start_ns == start_ns) {
                continue;
            }
            let within = |time: i64| (start_ns..start_ns + ns).contains(&time);
            let of: Vec<_> = trades.iter().filter(|(time, ..)| within(*time)).collect();
            let mut prices = of.iter().map(|(_, price, _)| *price);
            bars.push(Bar {
                start_ns,
                open: of[0].1,
                high: prices.clone().max().expect("one"),
                low: prices.clone().min().expect("one"),
                close: prices.next_back().expect("one"),
                volume: of.iter().map(|(.., qty)| i128::from(*qty)).sum(),
                value: of.iter().map(|(_, p, q)| i128::from(*p) * i128::from(*q)).sum(),
                trades: of.len() as u64,
                is_whole: !bars.is_empty(),
            });
        }
        bars
    }

    proptest! {
        #[test]
        fn bars_of_any_resolution_are_those_of_the_trades(
            steps in prop::collection::vec((0i64..400 * SECOND_NS, -500i64..90_000_000_000, 0i64..1_000), 1..120),
            seconds in prop::sample::select(vec![1, 7, 60, 90, 120, 300, 420, 900, 3_600, 7_200, DAY_S, 3 * DAY_S]),
            from in prop::option::of(0i64..20_000 * SECOND_NS), to in 0i64..40_000 * SECOND_NS, limit in 1usize..30,
        ) {
            let mut time = 1_700_000_000 * SECOND_NS;
            let mut bars = Bars::default();
            let mut trades = Vec::new();
            for (step, price, qty) in steps {
                time += step;
                bars.trade(time, price, qty);
                trades.push((time, price, qty));
            }
            let found: Vec<Bar> = bars.of(seconds).collect();
            prop_assert_eq!(&found, &naive(&trades, seconds));
            // A page of them, found without a walk over all.
            let begun = 1_700_000_000 * SECOND_NS;
            let range = Range { from_ns: from.map(|from| begun + from), to_ns: begun + to, limit };
            prop_assert_eq!(bars.page(seconds, &range), range.take(found.iter().copied()));
            for bar in found {
                // The nearest to value / volume, ties to even.
                if bar.volume > 0 {
                    let off = (bar.value - bar.vwap() * bar.volume).abs() * 2;
                    prop_assert!(off < bar.volume || (off == bar.volume && bar.vwap() % 2 == 0));
                }
            }
        }
    }

    proptest! {
        /// Whoever writes down what has ended every so often, and starts anew from it, has the same bars.
        #[test]
        fn what_was_written_down_is_taken_up_again(
            steps in prop::collection::vec((0i64..900 * SECOND_NS, 1i64..90_000_000_000, 0i64..1_000), 1..200),
            every in 1i64..2_000,
        ) {
            let begun = 1_700_000_000 * SECOND_NS;
            let (mut time, mut cut) = (begun, begun);
            let mut bars = Bars::default();
            let mut written = Vec::new();
            for (step, price, qty) in steps {
                time += step;
                bars.trade(time, price, qty);
                if time - cut > every * SECOND_NS {
                    let ended = bars.ended(cut, time).filter(|(seconds, _)| *seconds > 1);
                    written.extend(ended.map(|(seconds, bar)| (seconds, *bar)));
                    cut = time;
                }
            }
            // All that ended was written once; what did not is made of minutes, and not whole.
            let again = Bars::restore(written.into_iter());
            for (at, (seconds, _)) in BASES.into_iter().enumerate().skip(1) {
                let has_ended = |bar: &&Bar| bar.start_ns + seconds * SECOND_NS <= cut;
                let ended: Vec<Bar> = bars.rings[at].iter().filter(has_ended).copied().collect();
                prop_assert_eq!(again.rings[at].range(..ended.len()).copied().collect::<Vec<_>>(), ended);
                let minutes = || bars.rings[1].iter().filter(|minute| minute.start_ns + 60 * SECOND_NS <= cut);
                for rest in again.rings[at].iter().filter(|bar| !has_ended(bar)) {
                    prop_assert!(at > 1 && !rest.is_whole);
                    let within = |minute: &&Bar| minute.start_ns - minute.start_ns.rem_euclid(seconds * SECOND_NS) == rest.start_ns;
                    prop_assert_eq!(rest.volume, minutes().filter(within).map(|minute| minute.volume).sum::<i128>());
                    prop_assert_eq!(Some(rest.close), minutes().rfind(within).map(|minute| minute.close));
                }
            }
            prop_assert!(again.rings[0].is_empty());
        }
    }

    #[test]
    fn resolutions_are_read_and_nothing_else() {
        for (text, seconds) in
            [("1s", 1), ("90s", 90), ("15m", 900), ("4h", 14_400), ("366d", 366 * DAY_S)]
        {
            assert_eq!(Resolution::parse(text), Some(Resolution::Seconds(seconds)), "{text}");
        }
        assert_eq!(Resolution::parse("ticks"), Some(Resolution::Ticks));
        for bad in
            ["", "s", "0s", "-1s", "+1s", "1", "1w", "367d", "9999999999s", "1.5h", "é", " 1s"]
        {
            assert_eq!(Resolution::parse(bad), None, "{bad}");
        }
        assert_eq!(
            [1, 7, 60, 90, 420, 900, 7_200, 3 * DAY_S].map(base_of),
            [0, 0, 1, 0, 1, 3, 4, 5]
        );
    }

    #[test]
    fn rings_are_bounded_and_the_first_of_what_is_left_may_not_be_whole() {
        let mut bars = Bars::default();
        for second in 0..10_000 {
            bars.trade(second * SECOND_NS, 5, 1);
        }
        assert_eq!(bars.of(1).count(), BASES[0].1);
        // 2,800 s is the first second that is kept: within the bar of 7 s that begins at 2,800, and of 11 s at 2,794.
        assert!(bars.of(7).next().expect("one").is_whole);
        let first = bars.of(11).next().expect("one");
        assert!(!first.is_whole && first.start_ns == 2_794 * SECOND_NS);
        assert!(bars.of(11).nth(1).expect("one").is_whole);
    }

    #[test]
    fn a_break_shows_in_the_bars_on_both_sides() {
        let mut bars = Bars::default();
        for second in [0, 10, 20] {
            bars.trade(second * SECOND_NS, 5, 1);
        }
        bars.broke();
        for second in [25, 30] {
            bars.trade(second * SECOND_NS, 5, 1);
        }
        let whole: Vec<bool> = bars.of(1).map(|bar| bar.is_whole).collect();
        assert_eq!(whole, [false, true, false, false, true]);
    }

    #[test]
    fn a_page_is_followed_by_the_next() {
        let bars = || (0..10).map(|at| Bar::of(at, 1, 1));
        let starts = |(bars, next): (Vec<Bar>, Option<i64>)| {
            (bars.iter().map(|bar| bar.start_ns).collect::<Vec<_>>(), next)
        };
        let range = Range { from_ns: Some(2), to_ns: 7, limit: 3 };
        assert_eq!(starts(range.take(bars())), (vec![2, 3, 4], Some(5)));
        let next = Range { from_ns: Some(5), ..range };
        assert_eq!(starts(next.take(bars())), (vec![5, 6], None));
        assert_eq!(starts(Range { from_ns: None, ..range }.take(bars())), (vec![4, 5, 6], None));
    }
}
