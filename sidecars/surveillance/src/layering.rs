//! Layering and spoofing: a show of interest on one side, an execution on the other, and the show is over.

use crate::Heard;
use crate::alert::{Alert, AlertKind, Place, Severity};
use crate::episodes::{Episodes, Subject, Who};
use crate::exposure::Open;
use crate::recent::Recent;
use crate::report::{SymbolId, Symbols, Told};
use crate::settings::{Owner, Settings};
use std::collections::BTreeSet;
use tidegate_client::decimal::format_nano;
use tidegate_client::proto::{CancelReason, ExecType};

/// One side of one instrument, as its owner trades it: 0 buys, 1 sells.
type Key = (Owner, SymbolId, usize);

struct Executed {
    place: Place,
    qty: i64,
}

struct Withdrawn {
    place: Place,
    price: i64,
    qty: i64,
}

pub(crate) struct Layering {
    within_ns: u64,
    prices_min: usize,
    percent: u32,
    spoofing_percent: u32,
    executed: Recent<Key, Executed>,
    withdrawn: Recent<Key, Withdrawn>,
}

/// What its owner took out of the market with this report: price and quantity. A replace to a worse price takes all of it
/// out, one to less the difference.
pub(crate) fn withdrawal(told: &Told, before: &Open) -> Option<(i64, i64)> {
    let at = before.price.filter(|_| before.is_in_market())?;
    let qty = match told.exec_type {
        ExecType::Canceled => {
            let is_own = matches!(
                told.cancel_reason,
                CancelReason::User | CancelReason::MassCancel | CancelReason::Disconnect
            );
            if is_own { before.leaves } else { 0 }
        }
        ExecType::Replaced => {
            let to = told.price?;
            let is_worse = if told.side == 0 { to < at } else { to > at };
            if is_worse { before.leaves } else { before.leaves.saturating_sub(told.leaves) }
        }
        _ => 0,
    };
    (qty > 0).then_some((at, qty))
}

impl Layering {
    pub fn new(settings: &Settings) -> Self {
        let within_ns = settings.layering_within_ns;
        Self {
            within_ns,
            prices_min: settings.layering_prices as usize,
            percent: settings.layering_percent,
            spoofing_percent: settings.spoofing_percent,
            executed: Recent::new(within_ns),
            withdrawn: Recent::new(within_ns),
        }
    }

    /// Somebody executed. True if an older execution had to go for it.
    pub fn executed(&mut self, heard: &Heard, told: &Told, owner: Owner) -> bool {
        let executed = Executed { place: heard.place, qty: told.last_qty };
        self.executed.push(heard.ts, (owner, told.symbol, told.side), executed)
    }

    /// `qty` at `price` was withdrawn of an order that was in the market since `entered`. True beside it if something older
    /// had to go for it.
    pub fn withdrawn(
        &mut self,
        heard: &Heard,
        told: &Told,
        (price, qty, entered): (i64, i64, Place),
        owner: Owner,
        symbols: &Symbols,
        episodes: &mut Episodes,
    ) -> (Option<Alert>, bool) {
        let (key, other) = ((owner, told.symbol, told.side), (owner, told.symbol, 1 - told.side));
        let (mut executed, mut places, mut was_there) = (0, Vec::new(), false);
        for it in self.executed.of(&other, heard.ts) {
            executed += i128::from(it.qty);
            places.push(it.place);
            was_there |= it.place > entered;
        }
        // Nothing was executed while the order was there.
        if !was_there {
            return (None, false);
        }
        let withdrawn = Withdrawn { place: heard.place, price, qty };
        let lost = self.withdrawn.push(heard.ts, key, withdrawn);
        let (mut sum, mut prices) = (0, BTreeSet::new());
        for it in self.withdrawn.of(&key, heard.ts) {
            sum += i128::from(it.qty);
            prices.insert(it.price);
            places.push(it.place);
        }
        let is_at_least = |percent: u32| sum * 100 >= executed * i128::from(percent);
        let kind = if prices.len() >= self.prices_min && is_at_least(self.percent) {
            AlertKind::Layering
        } else if is_at_least(self.spoofing_percent) {
            AlertKind::Spoofing
        } else {
            return (None, lost);
        };
        let subject = Subject { kind, who: Who::Account(told.account), what: told.symbol };
        let Some(repeats) = episodes.met(heard.ts, subject) else { return (None, lost) };
        let symbol = &symbols.get(told.symbol).symbol;
        let mut alert = self.tell(heard, kind, told, symbol, [executed, sum], prices.len());
        alert.repeats = repeats;
        alert.prove(places);
        (Some(alert), lost)
    }

    fn tell(
        &self,
        heard: &Heard,
        kind: AlertKind,
        told: &Told,
        symbol: &str,
        sums: [i128; 2],
        prices: usize,
    ) -> Alert {
        let mut alert = Alert::new(kind, Severity::High, heard);
        alert.accounts.push(told.account);
        alert.symbol = symbol.to_string();
        let [executed, withdrawn] = sums.map(format_nano);
        let (did, showed) = if told.side == 0 { ("sold", "buy") } else { ("bought", "sell") };
        let seconds = self.within_ns / 1_000_000_000;
        alert.text = format!(
            "account {} {did} {executed} {symbol} and withdrew {withdrawn} of {showed} orders at {prices} prices within {seconds} s",
            told.account
        );
        alert.figures = vec![
            ("executed", executed),
            ("executed_side", if told.side == 0 { "sell" } else { "buy" }.to_string()),
            ("withdrawn", withdrawn),
            ("prices", prices.to_string()),
            ("within_s", seconds.to_string()),
        ];
        alert
    }

    pub fn len(&self) -> usize {
        self.executed.len() + self.withdrawn.len()
    }
}
