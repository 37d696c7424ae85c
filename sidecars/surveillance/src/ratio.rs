//! The order-to-trade ratio of an account in an instrument: messages to executions, by number and by volume.

use crate::Heard;
use crate::alert::{Alert, AlertKind, Place, Severity};
use crate::episodes::{Episodes, Subject, Who};
use crate::exposure::{HOLDINGS_MAX, Open};
use crate::report::{SymbolId, Symbols, Told};
use crate::settings::Settings;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use tidegate_client::decimal::format_nano;
use tidegate_client::proto::{CancelReason, ExecType};

/// Parts of the window: it covers the part that goes on and the seven before, so 7/8 of it at least.
const PARTS: usize = 8;

/// What happened in one part of the window.
#[derive(Clone, Copy, Default)]
struct Part {
    number: u64,
    messages: u32,
    trades: u32,
    ordered: i128,
    executed: i128,
    first: Place,
}

/// Messages and executions of one account in one instrument.
#[derive(Clone, Default)]
struct Tally {
    parts: [Part; PARTS],
}

pub(crate) struct Ratio {
    part_ns: u64,
    window_ns: u64,
    number_max: i128,
    volume_max: i128,
    messages_min: u32,
    /// Half a kilobyte each, so boxed: the table stays cheap to grow.
    tallies: HashMap<(u32, SymbolId), Box<Tally>>,
}

/// The quantity of a message, if this report is the first to tell of one. Orders that the gate refused reached no market and
/// are none.
pub(crate) fn message(told: &Told, before: Option<&Open>) -> Option<i64> {
    let is_counted = before.is_some_and(|it| it.is_pending);
    match told.exec_type {
        ExecType::PendingNew | ExecType::New => before.is_none().then_some(told.qty),
        ExecType::PendingReplace | ExecType::PendingCancel => Some(told.leaves),
        ExecType::Replaced => (!is_counted).then_some(told.leaves),
        // What a lost link or a kill switch cancels is no message (RTS 9, article 1 (a)).
        ExecType::Canceled => {
            let is_asked =
                matches!(told.cancel_reason, CancelReason::User | CancelReason::MassCancel);
            before.filter(|_| is_asked && !is_counted).map(|it| it.leaves)
        }
        _ => None,
    }
}

impl Ratio {
    pub fn new(settings: &Settings) -> Self {
        Self {
            part_ns: settings.ratio_window_ns / PARTS as u64,
            window_ns: settings.ratio_window_ns,
            number_max: settings.ratio_number_max.into(),
            volume_max: settings.ratio_volume_max.into(),
            messages_min: settings.ratio_messages_min,
            tallies: HashMap::new(),
        }
    }

    /// The part that goes on; `None` if the table is full.
    fn part(&mut self, heard: &Heard, key: (u32, SymbolId)) -> Option<&mut Part> {
        let number = heard.ts / self.part_ns;
        let is_full = self.tallies.len() >= HOLDINGS_MAX;
        let tally = match self.tallies.entry(key) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(free) => free.insert(Box::default()),
        };
        let part = &mut tally.parts[(number % PARTS as u64) as usize];
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        if part.messages == 0 && part.trades == 0 {
            part.first = heard.place;
        }
        Some(part)
    }

    /// Somebody executed. True if it could not be counted.
    pub fn executed(&mut self, heard: &Heard, told: &Told) -> bool {
        let Some(part) = self.part(heard, (told.account, told.symbol)) else { return true };
        part.trades = part.trades.saturating_add(1);
        part.executed += i128::from(told.last_qty);
        false
    }

    /// A message for `qty`. True beside it if it could not be counted.
    pub fn message(
        &mut self,
        heard: &Heard,
        told: &Told,
        qty: i64,
        symbols: &Symbols,
        episodes: &mut Episodes,
    ) -> (Option<Alert>, bool) {
        let key = (told.account, told.symbol);
        let Some(part) = self.part(heard, key) else { return (None, true) };
        part.messages = part.messages.saturating_add(1);
        part.ordered += i128::from(qty);
        (self.look(heard, key, symbols, episodes), false)
    }

    fn look(
        &self,
        heard: &Heard,
        key: (u32, SymbolId),
        symbols: &Symbols,
        episodes: &mut Episodes,
    ) -> Option<Alert> {
        let oldest = (heard.ts / self.part_ns).saturating_sub(PARTS as u64 - 1);
        let (mut messages, mut trades, mut ordered, mut executed) = (0u64, 0u64, 0, 0);
        let mut first = heard.place;
        for part in self.tallies.get(&key)?.parts.iter().filter(|it| it.number >= oldest) {
            if part.messages == 0 && part.trades == 0 {
                continue;
            }
            messages += u64::from(part.messages);
            trades += u64::from(part.trades);
            ordered += part.ordered;
            executed += part.executed;
            first = first.min(part.first);
        }
        // Without an execution the messages are the ratio; volume then says no more than they do.
        let is_over = |sum: i128, of: i128, max: i128| sum > (max + 1).saturating_mul(of);
        let by_number = is_over(messages.into(), trades.max(1).into(), self.number_max);
        let by_volume = executed > 0 && is_over(ordered, executed, self.volume_max);
        if messages < u64::from(self.messages_min) || !(by_number || by_volume) {
            return None;
        }
        let (account, what) = key;
        let who = Who::Account(account);
        let repeats =
            episodes.met(heard.ts, Subject { kind: AlertKind::OrderToTrade, who, what })?;

        let mut alert = Alert::new(AlertKind::OrderToTrade, Severity::Medium, heard);
        alert.accounts.push(account);
        alert.symbol = symbols.get(what).symbol.clone();
        let number = i128::from(messages / trades.max(1)) - 1;
        let volume = match executed {
            0 => "none".to_string(),
            _ => (ordered / executed - 1).to_string(),
        };
        let seconds = self.window_ns / 1_000_000_000;
        alert.text = format!(
            "account {account} sent {messages} messages for {trades} executions in {} within {seconds} s",
            alert.symbol
        );
        alert.figures = vec![
            ("messages", messages.to_string()),
            ("executions", trades.to_string()),
            ("ratio_number", number.to_string()),
            ("limit_number", self.number_max.to_string()),
            ("ordered", format_nano(ordered)),
            ("executed", format_nano(executed)),
            ("ratio_volume", volume),
            ("limit_volume", self.volume_max.to_string()),
            ("window_s", seconds.to_string()),
        ];
        alert.repeats = repeats;
        alert.prove(vec![first]);
        Some(alert)
    }

    pub fn len(&self) -> usize {
        self.tallies.len()
    }
}
