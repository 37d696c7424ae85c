//! What must hold of any market, worked out from what it is asked and what it reports.

use crate::support::{Input, Matching, Report, told};
use std::collections::BTreeMap;
use tidegate_engine::matching::{Entry, Phase, Trade};
use tidegate_model::command::{OrderType as T, TimeInForce as F};
use tidegate_model::event::CancelReason;
use tidegate_model::{Lots, Side, Ticks};

/// A live order, as far as reports tell.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// As entered; quantity open, limit and stop price as they are now.
    entry: Entry,
    entered: u64,
    traded: u64,
    canceled: u64,
    triggered: bool,
    /// The number of the input that gave it its place.
    place: u64,
}

/// Every order by its handle, and what the market was told.
#[derive(Debug, Default)]
pub struct Ledger {
    orders: BTreeMap<u32, Known>,
    /// Handles of the flow that stand for others, because those were free.
    names: BTreeMap<u32, u32>,
    phase: Phase,
    bands: Option<(Ticks, Ticks)>,
    inputs: u64,
    /// No order has terms beside side, price, quantity and time in force.
    is_plain: bool,
}

impl Ledger {
    /// One that also knows which order is next, since none has other terms.
    pub fn of_plain_orders() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    /// The input with handles that were free: those of ended orders are given again.
    pub fn renumbered(&mut self, input: &Input) -> Input {
        let mut input = *input;
        match &mut input {
            Input::New(entry) => {
                let free = (1..).find(|handle| !self.orders.contains_key(handle));
                let free = free.expect("fewer orders than numbers");
                self.names.retain(|_, name| *name != free);
                self.names.insert(entry.handle, free);
                entry.handle = free;
            }
            Input::Cancel(handle) | Input::Replace { handle, .. } => {
                *handle = self.names.get(handle).copied().unwrap_or(1_000_000);
            }
            _ => {}
        }
        input
    }

    /// Books an input and its reports, and looks at what has to hold.
    ///
    /// # Panics
    /// If it does not.
    pub fn enter(&mut self, input: &Input, reports: &[Report], market: &impl Matching) {
        self.inputs += 1;
        let context = || format!("at: {input} -> {}", told(reports));
        if let Input::Bands(bands) = input {
            self.bands = *bands;
        }
        for report in reports {
            self.book(input, report).unwrap_or_else(|wrong| panic!("{wrong}\n{}", context()));
        }
        if let Input::Phase(phase) = input
            && !reports.contains(&Report::Phase(Phase::Halt))
        {
            self.phase = *phase;
        }
        let wrong = self.compare(market).or_else(|| self.crossed(market));
        if let Some(wrong) = wrong {
            panic!("{wrong}\n{}", context());
        }
        self.orders.retain(|_, known| known.entry.qty.0 > 0);
    }

    fn book(&mut self, input: &Input, report: &Report) -> Result<(), String> {
        let place = self.inputs;
        match *report {
            Report::Accepted(handle, price) => {
                let Input::New(entry) = *input else { return Err("accepted what?".into()) };
                if self.live(handle).is_ok() || entry.handle != handle {
                    return Err(format!("{handle} was not to be accepted"));
                }
                let entered = entry.qty.0;
                let entry = Entry { price, ..entry };
                let known =
                    Known { entry, entered, traded: 0, canceled: 0, triggered: false, place };
                self.orders.insert(handle, known);
            }
            Report::Trade(trade) => self.trade(&trade)?,
            Report::Canceled(handle, qty, reason) => {
                let known = self.live(handle)?;
                let all = qty == known.entry.qty;
                if qty.0 == 0 || qty > known.entry.qty || !all && reason != CancelReason::SelfTrade
                {
                    return Err(format!("{qty} of {} canceled of {handle}", known.entry.qty));
                }
                known.canceled += qty.0;
                known.entry.qty.0 -= qty.0;
            }
            Report::Replaced(handle, price, leaves) => {
                let Input::Replace { stop_price, .. } = *input else {
                    return Err("replaced without being asked".into());
                };
                let known = self.live(handle)?;
                let keeps = price == known.entry.price && leaves <= known.entry.qty;
                if !keeps {
                    known.place = place;
                }
                known.entered = known.entered + leaves.0 - known.entry.qty.0;
                known.entry.qty = leaves;
                known.entry.price = price;
                known.entry.terms.stop_price = stop_price.or(known.entry.terms.stop_price);
            }
            Report::Triggered(handle, _) => {
                if self.phase != Phase::Continuous && !matches!(input, Input::Phase(_)) {
                    return Err("triggered outside continuous trading".into());
                }
                let known = self.live(handle)?;
                if known.triggered
                    || known.entry.terms.stop_price.is_none() && !trails(&known.entry)
                {
                    return Err(format!("{handle} was not waiting"));
                }
                known.triggered = true;
            }
            Report::Rejected(handle, _) => {
                if self.live(handle).is_ok() {
                    return Err(format!("{handle} is live and rejected"));
                }
            }
            Report::Phase(phase) => self.phase = phase,
            Report::Refused(..) | Report::Indicative(_) => {}
        }
        Ok(())
    }

    fn live(&mut self, handle: u32) -> Result<&mut Known, String> {
        let known = self.orders.get_mut(&handle).filter(|known| known.entry.qty.0 > 0);
        known.ok_or_else(|| format!("{handle} is not live"))
    }

    fn trade(&mut self, trade: &Trade) -> Result<(), String> {
        let Trade { maker, taker, taker_side, auction, price, qty } = *trade;
        let (made, took) = (*self.live(maker)?, *self.live(taker)?);
        let check = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_string()) };
        check(took.entry.side == taker_side, "the taker's side is another")?;
        check(made.entry.side != taker_side, "both are of one side")?;
        check(self.bands.is_none_or(|(low, high)| low <= price && price <= high), "out of bands")?;
        for known in [&made, &took] {
            check(qty.0 > 0 && qty <= known.entry.qty, "more traded than open")?;
            check(accepts(&known.entry, price), "traded beyond its limit")?;
            let auction_only = matches!(known.entry.time_in_force, F::AtTheOpen | F::AtTheClose);
            check(auction || !auction_only, "an auction order outside of an auction")?;
            let waits = known.entry.terms.stop_price.is_some() || trails(&known.entry);
            check(known.triggered || !waits, "traded while it waits")?;
            check(!auction || known.entry.terms.peg.is_none(), "a peg in an auction")?;
            check(!auction || known.entry.terms.min_qty.is_none(), "a minimum in an auction")?;
        }
        if !auction {
            check(self.phase == Phase::Continuous, "traded outside continuous trading")?;
            check(took.entry.terms.post_only.is_none(), "a post-only order took")?;
            let own = took.entry.account == made.entry.account;
            check(!own || took.entry.terms.self_trade.is_none(), "traded with its own account")?;
            let least = made.entry.terms.min_qty.unwrap_or(Lots(1)).min(made.entry.qty);
            check(qty >= least, "less than the maker's minimum")?;
            self.check_first(maker)?;
        }
        for handle in [maker, taker] {
            let known = self.live(handle)?;
            known.traded += qty.0;
            known.entry.qty.0 -= qty.0;
        }
        Ok(())
    }

    /// In a market of plain orders: no other order of the maker's side comes before it.
    fn check_first(&self, maker: u32) -> Result<(), String> {
        let rank = |known: &Known| {
            let sign = if known.entry.side == Side::Buy { -1 } else { 1 };
            (sign * known.entry.price.0, known.place)
        };
        let made = &self.orders[&maker];
        let before = self.orders.iter().find(|(handle, other)| {
            let rests = other.entry.qty.0 > 0 && other.entry.side == made.entry.side;
            **handle != maker && rests && rank(other) < rank(made)
        });
        match before.filter(|_| self.is_plain) {
            Some((handle, _)) => Err(format!("{handle} was before {maker}")),
            None => Ok(()),
        }
    }

    /// Whether the market agrees on what is open, and on what may be open at all.
    fn compare(&self, market: &impl Matching) -> Option<String> {
        if market.phase() != self.phase {
            return Some(format!("the phase is {}, reported {}", market.phase(), self.phase));
        }
        for (handle, known) in &self.orders {
            let (entry, open) = (&known.entry, known.entry.qty);
            if known.entered != known.traded + known.canceled + open.0 {
                return Some(format!("{handle} does not conserve: {known:?}"));
            }
            if market.open(*handle) != Some(open).filter(|qty| qty.0 > 0) {
                return Some(format!("{handle}: {:?} open, reported {open}", market.open(*handle)));
            }
            let waits = entry.terms.stop_price.is_some() || trails(entry);
            if entry.time_in_force == F::Fok && known.traded > 0 && known.canceled + open.0 > 0 {
                return Some(format!("{handle} was to be filled or killed: {known:?}"));
            }
            let is_market = matches!(
                entry.order_type,
                T::Market | T::Stop | T::MarketIfTouched | T::TrailingStop
            );
            let at_once = is_market && entry.time_in_force != F::AtTheClose
                || matches!(entry.time_in_force, F::Ioc | F::Fok);
            let is_open = open.0 > 0 && (known.triggered || !waits);
            if at_once && is_open && self.phase == Phase::Continuous {
                return Some(format!("{handle} rests, and was not to: {known:?}"));
            }
        }
        None
    }

    /// Whether executable interest crosses in continuous trading.
    fn crossed(&self, market: &impl Matching) -> Option<String> {
        if self.phase != Phase::Continuous {
            return None;
        }
        let interest: Vec<(&Known, Ticks, Lots)> = market
            .interest()
            .into_iter()
            .map(|(handle, price, least)| (&self.orders[&handle], price, least))
            .collect();
        let inside =
            |price: Ticks| self.bands.is_none_or(|(low, high)| low <= price && price <= high);
        for (one, price, least) in &interest {
            let meets = |(other, at, _): &&(&Known, Ticks, Lots)| {
                let crosses = match one.entry.side {
                    Side::Buy => at <= price,
                    Side::Sell => at >= price,
                };
                one.entry.side != other.entry.side && crosses
            };
            let opposite: Vec<_> = interest.iter().filter(meets).collect();
            let is_plain = |known: &Known| known.entry.terms.min_qty.is_none();
            if is_plain(one) {
                if let Some((other, _, _)) = opposite.iter().find(|(other, _, _)| is_plain(other)) {
                    let (one, other) = (one.entry.handle, other.entry.handle);
                    return Some(format!("{one} and {other} cross"));
                }
                continue;
            }
            // Self-trade prevention and a price outside the bands may stop it before it has enough.
            let may_stop = one.entry.terms.self_trade.is_some()
                || opposite.iter().any(|(_, at, _)| !inside(*at));
            if may_stop {
                continue;
            }
            // What it could take from orders that ask for nothing themselves.
            let plain = opposite.iter().filter(|(other, _, _)| is_plain(other));
            let could: u64 = plain.map(|(other, _, _)| other.entry.qty.0).sum();
            let alone = match opposite[..] {
                [(other, _, other_least)] => {
                    other.entry.qty >= *least && one.entry.qty >= *other_least
                }
                _ => false,
            };
            if could >= least.0 || alone {
                return Some(format!("{} could take its minimum", one.entry.handle));
            }
        }
        let best = |side| market.levels(side).first().map(|level| level.0);
        match (best(Side::Buy), best(Side::Sell)) {
            (Some(bid), Some(offer)) if bid >= offer => Some(format!("{bid} crosses {offer}")),
            _ => None,
        }
    }

    /// What a trade of the order shows, for the count of what flows reach.
    pub fn roles(&self, handle: u32, is_maker: bool, input: &Input) -> Vec<String> {
        let entry = match (self.orders.get(&handle), input) {
            (Some(known), _) => known.entry,
            (None, Input::New(entry)) if entry.handle == handle => *entry,
            (None, _) => return Vec::new(),
        };
        let rested = self.orders.contains_key(&handle);
        let terms = &entry.terms;
        let mut roles =
            vec![format!("{} trade", entry.order_type), format!("{} trade", entry.time_in_force)];
        let mut role = |is: bool, name: &str| {
            if is {
                roles.push(name.to_string());
            }
        };
        role(is_maker && terms.hidden, "hidden maker");
        role(is_maker && terms.peg.is_some(), "pegged maker");
        role(is_maker && terms.display_qty.is_some(), "iceberg maker");
        role(is_maker && terms.min_qty.is_some(), "min maker");
        let asked_for = matches!(input, Input::Replace { handle: asked, .. } if *asked == handle);
        let from_rest = rested && !is_maker && !asked_for;
        role(from_rest && terms.peg.is_some(), "pegged taker from rest");
        role(from_rest && terms.min_qty.is_some(), "min taker from rest");
        roles
    }
}

fn trails(entry: &Entry) -> bool {
    matches!(entry.order_type, T::TrailingStop | T::TrailingStopLimit)
}

/// False if the order says that it never trades at the price.
fn accepts(entry: &Entry, price: Ticks) -> bool {
    match entry.side {
        _ if entry.price.0 == 0 => true,
        Side::Buy => price <= entry.price,
        Side::Sell => price >= entry.price,
    }
}
