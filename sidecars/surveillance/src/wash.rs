//! Wash trades: one owner buys and sells the same, at one price, so that nothing changes hands.

use crate::Heard;
use crate::alert::{Alert, AlertKind, Place, Severity};
use crate::episodes::{Episodes, Subject, Who};
use crate::recent::Recent;
use crate::report::{SymbolId, Symbols, Told};
use crate::settings::{Owner, Settings};
use std::collections::BTreeSet;
use tidegate_client::decimal::format_nano;

#[derive(Clone, Copy)]
struct Executed {
    place: Place,
    account: u32,
    owner: Owner,
    group: Option<u32>,
    principal: u32,
    strategy: u32,
    side: usize,
    qty: i64,
}

pub(crate) struct Wash {
    within_ns: u64,
    match_percent: u32,
    shared_principals: BTreeSet<u32>,
    executed: Recent<(SymbolId, i64), Executed>,
}

/// A purchase and a sale that match.
struct Match {
    other: Executed,
    qty: [i128; 2],
    is_one_trade: bool,
    places: Vec<Place>,
}

impl Wash {
    pub fn new(settings: &Settings) -> Self {
        Self {
            within_ns: settings.wash_within_ns,
            match_percent: settings.wash_match_percent,
            shared_principals: settings.shared_principals.clone(),
            executed: Recent::new(settings.wash_within_ns),
        }
    }

    /// Somebody executed. True beside it if an older execution had to go for it.
    pub fn executed(
        &mut self,
        heard: &Heard,
        (told, price): (&Told, i64),
        (owner, group): (Owner, Option<u32>),
        symbols: &Symbols,
        episodes: &mut Episodes,
    ) -> (Option<Alert>, bool) {
        let &Told { account, side, last_qty: qty, .. } = told;
        let &Heard { place, principal, strategy, .. } = heard;
        let now = Executed { place, account, owner, group, principal, strategy, side, qty };
        let key = (told.symbol, price);
        let found = self.find(&key, heard.ts, &now);
        let lost = self.executed.push(heard.ts, key, now);
        let Some(found) = found else { return (None, lost) };
        let other = found.other.account;
        let who = Who::Accounts(account.min(other), account.max(other));
        let subject = Subject { kind: AlertKind::WashTrade, who, what: told.symbol };
        let repeats = episodes.met(heard.ts, subject);
        let symbol = &symbols.get(told.symbol).symbol;
        (repeats.map(|repeats| self.tell(heard, symbol, price, &now, found, repeats)), lost)
    }

    /// Why two executions count as one owner's.
    fn link(&self, a: &Executed, b: &Executed) -> Option<&'static str> {
        let is_own = a.principal != 0 && !self.shared_principals.contains(&a.principal);
        if a.account == b.account {
            Some("same account")
        } else if a.owner == b.owner {
            Some("same owner")
        } else if a.group.is_some() && a.group == b.group {
            Some("same group")
        } else {
            (a.principal == b.principal && is_own).then_some("same principal")
        }
    }

    fn matches(&self, a: i128, b: i128) -> bool {
        let (small, large) = (a.min(b), a.max(b));
        small > 0 && small * 100 >= large * i128::from(self.match_percent)
    }

    /// The two sides of one trade; else one execution that matches; else all of one side that match all of the other.
    fn find(&self, key: &(SymbolId, i64), ts: u64, now: &Executed) -> Option<Match> {
        let ours = |it: &&Executed| self.link(it, now).is_some();
        let qty = i128::from(now.qty);
        let mut both = [0, 0];
        both[now.side] = qty;
        let (mut places, mut latest, mut pair) = (Vec::new(), None, None);
        for it in self.executed.of(key, ts).filter(ours) {
            both[it.side] += i128::from(it.qty);
            places.push(it.place);
            if it.side == now.side {
                continue;
            }
            latest = Some(*it);
            if it.place.seq == now.place.seq && it.qty == now.qty {
                pair = Some((*it, true));
            } else if self.matches(it.qty.into(), qty) {
                pair = pair.or(Some((*it, false)));
            }
        }
        if let Some((other, is_one_trade)) = pair {
            let mut qty = [0, 0];
            qty[now.side] = now.qty.into();
            qty[other.side] = other.qty.into();
            return Some(Match { other, qty, is_one_trade, places: vec![other.place] });
        }
        let other = latest.filter(|_| self.matches(both[0], both[1]))?;
        Some(Match { other, qty: both, is_one_trade: false, places })
    }

    fn tell(
        &self,
        heard: &Heard,
        symbol: &str,
        price: i64,
        now: &Executed,
        found: Match,
        repeats: u64,
    ) -> Alert {
        let Match { other, qty, is_one_trade, places } = found;
        let severity = match is_one_trade {
            true => Severity::High,
            false if now.account != other.account => Severity::Medium,
            // Who comes back to one price alone most often met strangers both times.
            false => Severity::Low,
        };
        let mut alert = Alert::new(AlertKind::WashTrade, severity, heard);
        alert.accounts = sorted(now.account, other.account);
        alert.principals = sorted(now.principal, other.principal);
        alert.strategies = sorted(now.strategy, other.strategy);
        alert.principals.retain(|it| *it != 0);
        alert.strategies.retain(|it| *it != 0);
        alert.symbol = symbol.to_string();
        let link = self.link(&other, now).unwrap_or_default();
        let [bought, sold] = qty.map(format_nano);
        let (price, seconds) = (format_nano(price.into()), self.within_ns / 1_000_000_000);
        let how = match is_one_trade {
            true => "in one trade".to_string(),
            false => format!("within {seconds} s"),
        };
        alert.text = format!("{link}: bought {bought} and sold {sold} {symbol} at {price} {how}");
        alert.figures = vec![
            ("price", price),
            ("bought", bought),
            ("sold", sold),
            ("link", link.to_string()),
            ("one_trade", is_one_trade.to_string()),
            ("within_s", seconds.to_string()),
        ];
        alert.repeats = repeats;
        alert.prove(places);
        alert
    }

    pub fn len(&self) -> usize {
        self.executed.len()
    }
}

fn sorted(a: u32, b: u32) -> Vec<u32> {
    if a == b { vec![a] } else { vec![a.min(b), a.max(b)] }
}
