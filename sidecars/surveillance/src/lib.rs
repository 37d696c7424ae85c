//! Surveillance after the fact, on the event stream: what every account holds and has open, and alerts for what looks like
//! abuse. `docs/surveillance.md` defines each pattern, with its thresholds and sources.
//!
//! This is a pure library: it reads no clock and does no I/O. Time is the time of the events, so the same events give the
//! same alerts, live or from a log. `tidegate surveil` feeds it. Whatever an event holds, it never panics; what it cannot
//! read, and each bound that it meets, is an alert of its own ([`AlertKind::Blind`]).
//!
//! Start reading at [`Surveillance::on_event`].

mod alert;
mod breach;
mod drop_copy;
mod episodes;
mod exposure;
mod layering;
mod ratio;
mod recent;
mod report;
mod settings;
mod stopped;
mod wash;

pub use alert::{Alert, AlertKind, EVIDENCE_MAX, Place, Severity};
pub use drop_copy::drop_copy;
pub use settings::{Settings, SettingsError};

use crate::breach::{Breach, is_by_risk, not_permitted};
use crate::episodes::{Episodes, Subject, Who};
use crate::exposure::{Exposures, Kept};
use crate::layering::{Layering, withdrawal};
use crate::ratio::{Ratio, message};
use crate::report::{Symbols, Told, Unreadable, signed_qty};
use crate::wash::Wash;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tidegate_client::decimal::{format_nano, format_scaled, parse_nano};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    Event, ExecType, GroupReport, Instrument, OrderReport, PositionReport, Reject, ScopeKind,
};

/// Accounts whose group is known at once: more than an engine has.
const GROUPED_MAX: usize = 16_384;

/// The head of the event that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub place: Place,
    /// The engine's time, never before what was heard earlier.
    pub ts: u64,
    /// 0 is nobody.
    pub principal: u32,
    /// 0 is none.
    pub strategy: u32,
    pub account: Option<u32>,
}

/// Why surveillance sees less than it should.
#[derive(Clone, Copy, Debug)]
enum Gap {
    Unreadable(&'static str),
    OutOfOrder,
    Full(&'static str),
    Window,
}

/// How much was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Events that were looked at.
    pub events: u64,
    /// Alerts that were told.
    pub alerts: u64,
    /// Events, or parts of them, that could not be read.
    pub unreadable: u64,
    /// Events that came a second time or too late; they were left out.
    pub out_of_order: u64,
    /// Times that a table was full, or a window shorter than asked for.
    pub bounds_met: u64,
}

/// One account in one instrument, by events alone. All but `orders` and `unpriced` is decimal text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exposure {
    /// The account's number.
    pub account: u32,
    /// The instrument.
    pub symbol: String,
    /// The currency of all amounts; empty if it was not heard.
    pub currency: String,
    /// Quantity held, below 0 short; empty until it is known.
    pub position: String,
    /// The price of the last execution here in the instrument; empty before the first.
    pub last_price: String,
    /// Quantity of open orders, and their worth at their prices: bought, sold.
    pub open_qty: [String; 2],
    /// Their worth at their own prices; those without one at the last price when they were told.
    pub open_notional: [String; 2],
    /// How many they are.
    pub orders: [u32; 2],
    /// How many of them are in no notional, because there is no price.
    pub unpriced: u32,
    /// The position at the last price, either way, and all open orders; empty until it is known.
    pub gross: String,
    /// The position at the last price, below 0 short; empty until it is known.
    pub net: String,
}

impl Exposure {
    /// As an object of JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "type": "exposure",
            "account": self.account,
            "symbol": self.symbol,
            "currency": self.currency,
            "position": self.position,
            "last_price": self.last_price,
            "open_buy_qty": self.open_qty[0],
            "open_buy_notional": self.open_notional[0],
            "open_buy_orders": self.orders[0],
            "open_sell_qty": self.open_qty[1],
            "open_sell_notional": self.open_notional[1],
            "open_sell_orders": self.orders[1],
            "unpriced_orders": self.unpriced,
            "gross": self.gross,
            "net": self.net,
        })
    }
}

/// Hears events and tells alerts. Memory is bounded, whatever is heard: a million open orders, a quarter of a million pairs
/// of account and instrument, and a million entries in each window.
pub struct Surveillance {
    settings: Settings,
    symbols: Symbols,
    /// The group of each account that is in one.
    groups: BTreeMap<u32, u32>,
    exposures: Exposures,
    breach: Breach,
    wash: Wash,
    layering: Layering,
    ratio: Ratio,
    episodes: Episodes,
    last: Option<Place>,
    now: u64,
    counts: Counts,
}

impl std::fmt::Debug for Surveillance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surveillance")
            .field("last", &self.last)
            .field("counts", &self.counts)
            .finish()
    }
}

impl Surveillance {
    /// Hears nothing yet.
    ///
    /// # Errors
    /// A threshold that is out of its range.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            symbols: Symbols::default(),
            groups: BTreeMap::new(),
            exposures: Exposures::new(settings.from_the_first),
            breach: Breach::new(&settings),
            wash: Wash::new(&settings),
            layering: Layering::new(&settings),
            ratio: Ratio::new(&settings),
            episodes: Episodes::new(settings.cool_down_ns),
            last: None,
            now: 0,
            counts: Counts::default(),
            settings,
        })
    }

    /// How much was heard.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The last event that was looked at.
    pub fn last(&self) -> Option<Place> {
        self.last
    }

    /// Entries that are held: open orders, and those of the windows.
    pub fn entries(&self) -> usize {
        let windows = self.breach.len() + self.wash.len() + self.layering.len();
        self.exposures.orders_len() + self.ratio.len() + self.episodes.len() + windows
    }

    /// Looks at the next event: the patterns that it completes.
    pub fn on_event(&mut self, event: &Event) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let place = event.position.map(Place::from);
        let heard = |place: Place, ts: u64| Heard {
            place,
            ts,
            principal: event.principal,
            strategy: event.strategy,
            account: event.account,
        };
        let late = place.is_some_and(|place| self.last.is_some_and(|last| place <= last));
        let (Some(place), false) = (place, late) else {
            let gap = if late { Gap::OutOfOrder } else { Gap::Unreadable("position") };
            let at = place.or(self.last).unwrap_or_default();
            self.blind(&heard(at, self.now), gap, &mut alerts);
            return self.told(alerts);
        };
        self.last = Some(place);
        self.now = self.now.max(event.ts);
        self.counts.events += 1;
        let heard = heard(place, self.now);
        let read = match &event.body {
            Some(Body::Execution(report)) => self.execution(&heard, report, &mut alerts),
            Some(Body::CancelReject(report)) => self.cancel_reject(&heard, report, &mut alerts),
            Some(Body::PositionReport(held)) => self.position(&heard, held, &mut alerts),
            Some(Body::Instrument(terms) | Body::TickTable(terms)) => self.terms(terms),
            Some(Body::KillSwitchReport(kill)) => {
                alerts.push(stopped::kill_switch(&heard, kill));
                Ok(())
            }
            Some(Body::Group(group)) => self.group(group),
            Some(Body::Tripped(tripped)) => {
                alerts.push(stopped::tripped(&heard, tripped));
                Ok(())
            }
            Some(Body::Ack(ack)) => {
                if let Some(reject) = &ack.reject {
                    alerts.extend(not_permitted(&heard, &ack.command, reject, &mut self.episodes));
                }
                Ok(())
            }
            Some(Body::ListReport(list)) => {
                self.refused(&heard, heard.account, list.reject.as_ref(), &mut alerts);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(Unreadable(what)) = read {
            self.blind(&heard, Gap::Unreadable(what), &mut alerts);
        }
        self.told(alerts)
    }

    /// Makes the terms of an instrument known, for whoever does not hear events from the first.
    ///
    /// # Errors
    /// What of it cannot be read.
    pub fn define(&mut self, terms: &Instrument) -> Result<(), String> {
        self.terms(terms).map_err(|Unreadable(what)| format!("{}: {what}", terms.symbol))
    }

    /// Every account in every instrument that it has traded or has orders in, in the order of accounts, then of the
    /// instruments' first mention.
    pub fn exposures(&self) -> impl Iterator<Item = Exposure> {
        self.exposures.iter().map(|((account, symbol), held)| {
            let listed = self.symbols.get(symbol);
            let last = self.exposures.last_price(symbol);
            let worth = match (held.position, last) {
                (Some(0), _) => Some(0),
                (Some(position), Some(price)) => {
                    exposure::notional(position, price, listed.multiplier)
                }
                _ => None,
            };
            let [buy, sell] = held.open.map(|side| side.notional);
            let gross = worth.map(|worth| worth.abs() + buy.abs() + sell.abs());
            let money = |units: Option<i128>| {
                units.map(|units| format_scaled(units, 18, 2)).unwrap_or_default()
            };
            Exposure {
                account,
                symbol: listed.symbol.clone(),
                currency: listed.currency.clone(),
                position: held.position.map(format_nano).unwrap_or_default(),
                last_price: last.map(|it| format_nano(it.into())).unwrap_or_default(),
                open_qty: held.open.map(|side| format_nano(side.qty)),
                open_notional: [money(Some(buy)), money(Some(sell))],
                orders: held.open.map(|side| side.orders),
                unpriced: held.open.iter().map(|side| side.unpriced).sum(),
                gross: money(gross),
                net: money(worth),
            }
        })
    }

    fn told(&mut self, alerts: Vec<Alert>) -> Vec<Alert> {
        self.counts.alerts += alerts.len() as u64;
        alerts
    }

    fn execution(
        &mut self,
        heard: &Heard,
        report: &OrderReport,
        alerts: &mut Vec<Alert>,
    ) -> Result<(), Unreadable> {
        self.refused(heard, Some(report.account), report.reject.as_ref(), alerts);
        // What was refused before it got a number, or waits for a person, is in no market.
        if report.order_id == 0 {
            return Ok(());
        }
        let told = Told::read(report, &mut self.symbols)?;
        let before = self.exposures.order(told.order_id).copied();
        let owner = self.settings.owner(told.account);

        if let Some(qty) = message(&told, before.as_ref()) {
            self.message(heard, &told, qty, alerts);
        }
        if let (ExecType::Trade, Some(price)) = (told.exec_type, told.last_price) {
            let (symbols, episodes) = (&self.symbols, &mut self.episodes);
            let group = self.groups.get(&told.account).copied();
            let (alert, lost) =
                self.wash.executed(heard, (&told, price), (owner, group), symbols, episodes);
            alerts.extend(alert);
            let lost = lost | self.layering.executed(heard, &told, owner);
            if self.ratio.executed(heard, &told) {
                self.blind(heard, Gap::Full("accounts and instruments"), alerts);
            }
            self.window(heard, lost, alerts);
        }
        if let Some(before) = before
            && let Some((price, qty)) = withdrawal(&told, &before)
        {
            let (alert, lost) = self.layering.withdrawn(
                heard,
                &told,
                (price, qty, before.entered),
                owner,
                &self.symbols,
                &mut self.episodes,
            );
            alerts.extend(alert);
            self.window(heard, lost, alerts);
        }

        let multiplier = self.symbols.get(told.symbol).multiplier;
        let kept = self.exposures.apply(&told, heard.place, multiplier);
        if let Kept::Full(what) = kept {
            self.blind(heard, Gap::Full(what), alerts);
        }
        if let Some(open) = self.exposures.order_mut(told.order_id) {
            match told.exec_type {
                ExecType::PendingCancel | ExecType::PendingReplace => open.is_pending = true,
                ExecType::Replaced => open.is_pending = false,
                _ => {}
            }
        }
        Ok(())
    }

    fn message(&mut self, heard: &Heard, told: &Told, qty: i64, alerts: &mut Vec<Alert>) {
        let (alert, lost) = self.ratio.message(heard, told, qty, &self.symbols, &mut self.episodes);
        alerts.extend(alert);
        if lost {
            self.blind(heard, Gap::Full("accounts and instruments"), alerts);
        }
    }

    fn cancel_reject(
        &mut self,
        heard: &Heard,
        report: &OrderReport,
        alerts: &mut Vec<Alert>,
    ) -> Result<(), Unreadable> {
        self.refused(heard, Some(report.account), report.reject.as_ref(), alerts);
        let by_risk = report.reject.as_ref().is_some_and(is_by_risk);
        if let Some(open) = self.exposures.order_mut(report.order_id) {
            let was_counted = std::mem::take(&mut open.is_pending);
            // What a control refused reached no market; an order that is not known here is in none.
            if !was_counted && !by_risk {
                let told = Told::read(report, &mut self.symbols)?;
                self.message(heard, &told, told.leaves, alerts);
            }
        }
        Ok(())
    }

    fn refused(
        &mut self,
        heard: &Heard,
        account: Option<u32>,
        reject: Option<&Reject>,
        alerts: &mut Vec<Alert>,
    ) {
        let Some(reject) = reject.filter(|it| is_by_risk(it)) else { return };
        let (alert, lost) = self.breach.refused(heard, account, reject, &mut self.episodes);
        alerts.extend(alert);
        self.window(heard, lost, alerts);
    }

    fn position(
        &mut self,
        heard: &Heard,
        held: &PositionReport,
        alerts: &mut Vec<Alert>,
    ) -> Result<(), Unreadable> {
        let symbol = self.symbols.id(&held.symbol)?;
        let qty = signed_qty(&held.qty, "qty of a position")?;
        let difference = self.exposures.compare(held.account, symbol, qty, heard.place.seq);
        let Some(difference) = difference else { return Ok(()) };
        let who = Who::Account(held.account);
        let subject = Subject { kind: AlertKind::PositionDifference, who, what: symbol };
        let Some(repeats) = self.episodes.met(heard.ts, subject) else { return Ok(()) };
        let mut alert = Alert::new(AlertKind::PositionDifference, Severity::High, heard);
        let (told, by_executions) =
            (format_nano(difference.told), format_nano(difference.by_executions));
        alert.accounts.push(held.account);
        alert.symbol.clone_from(&held.symbol);
        alert.text = format!(
            "account {} holds {told} {} by the engine and {by_executions} by its executions",
            held.account, held.symbol
        );
        alert.figures = vec![("told", told), ("by_executions", by_executions)];
        alert.repeats = repeats;
        alerts.push(alert);
        Ok(())
    }

    fn terms(&mut self, terms: &Instrument) -> Result<(), Unreadable> {
        let symbol = self.symbols.id(&terms.symbol)?;
        let multiplier = match terms.multiplier.as_str() {
            "" => report::NANO,
            text => parse_nano(text).map_err(|_| Unreadable("multiplier"))?,
        };
        let listed = self.symbols.get_mut(symbol);
        listed.multiplier = multiplier;
        listed.currency.clone_from(&terms.currency);
        Ok(())
    }

    /// Accounts that were put together count as one where it is about wash trades.
    fn group(&mut self, told: &GroupReport) -> Result<(), Unreadable> {
        let member = told.member.as_ref().filter(|it| it.kind() == ScopeKind::Account);
        let Some(account) = member.map(|it| it.id) else { return Ok(()) };
        match told.group {
            0 => _ = self.groups.remove(&account),
            _ if self.groups.len() >= GROUPED_MAX => {
                return Err(Unreadable("account in a group beyond the bound of 16384"));
            }
            group => _ = self.groups.insert(account, group),
        }
        Ok(())
    }

    fn window(&mut self, heard: &Heard, lost: bool, alerts: &mut Vec<Alert>) {
        if lost {
            self.blind(heard, Gap::Window, alerts);
        }
    }

    /// Surveillance sees less than it should, and says so.
    fn blind(&mut self, heard: &Heard, gap: Gap, alerts: &mut Vec<Alert>) {
        let (what, text) = match gap {
            Gap::Unreadable(part) => {
                self.counts.unreadable += 1;
                (1, format!("an event cannot be read: {part}"))
            }
            Gap::OutOfOrder => {
                self.counts.out_of_order += 1;
                (2, "an event came twice or too late, and was left out".to_string())
            }
            Gap::Full(table) => {
                self.counts.bounds_met += 1;
                (3, format!("the table of {table} is full: some are not watched"))
            }
            Gap::Window => {
                self.counts.bounds_met += 1;
                (4, "more happened than is kept: patterns are sought in less time".to_string())
            }
        };
        let subject = Subject { kind: AlertKind::Blind, who: Who::Nobody, what };
        let Some(repeats) = self.episodes.met(heard.ts, subject) else { return };
        let mut alert = Alert::new(AlertKind::Blind, Severity::Medium, heard);
        alert.text = text;
        alert.repeats = repeats;
        alerts.push(alert);
    }
}
