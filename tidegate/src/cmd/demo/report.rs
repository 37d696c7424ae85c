//! What a demo has to show for itself.

use super::{ACCOUNTS, Outcome};
use anyhow::{Result, ensure};
use std::io::{self, Write};
use std::path;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_engine::core::Core;
use tidegate_engine::latency::{Path, What};
use tidegate_engine::replay::Replayed;
use tidegate_journal::Reader;
use tidegate_journal::frame::KIND_EVENT;
use tidegate_model::event::{Event, ExecType};
use tidegate_model::instrument::format_money;
use tidegate_model::{AccountId, EventRecord, Money, StateHash};

/// One strategy's results.
struct Desk {
    name: &'static str,
    orders: u64,
    rejects: u64,
    fills: u64,
    bought: u64,
    sold: u64,
    realised: Money,
    unrealised: Money,
    fees: Money,
    said: serde_json::Value,
}

/// Everything that is printed at the end.
pub struct Report {
    outcome: Outcome,
    desks: Vec<Desk>,
    replayed_hash: StateHash,
    checkpoints: u64,
    inputs: u64,
    events: u64,
    journal_bytes: u64,
}

impl Report {
    /// Puts together what was seen live and what the replay and the event log say.
    pub fn new(mut outcome: Outcome, replayed: &Replayed, dir: &path::Path) -> Result<Self> {
        let said = std::mem::take(&mut outcome.strategies);
        let mut desks: Vec<_> = ACCOUNTS
            .iter()
            .zip(said)
            .map(|(&(account, name), said)| {
                Desk::of(&replayed.core, AccountId(account), name, said)
            })
            .collect();
        let journal = dir.join("journal");
        let mut reader = Reader::open(&journal.join("events"))?;
        let mut events = 0;
        while let Some(record) = reader.next()? {
            if record.kind == KIND_EVENT {
                events += 1;
                let event: EventRecord = record.pod()?;
                let desk = ACCOUNTS.iter().position(|&(id, _)| AccountId(id) == event.account);
                if let Some(at) = desk {
                    desks[at].count(&event);
                }
            }
        }
        Ok(Self {
            outcome,
            desks,
            replayed_hash: replayed.core.state_hash(),
            checkpoints: replayed.checkpoints,
            inputs: replayed.inputs,
            events,
            journal_bytes: tidegate_journal::verify(&journal)?.used_bytes(),
        })
    }

    /// Prints it.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let load = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let feed = &self.outcome.feed;
        let counters = &self.outcome.stopped.counters;
        let seconds = self.outcome.market_seconds;
        writeln!(out)?;
        writeln!(
            out,
            "market     {} messages in {seconds:.1} s ({:.0} a second); {} gaps, {} messages recovered, {} lost",
            load(&feed.messages),
            load(&feed.messages) as f64 / seconds,
            load(&feed.gaps),
            load(&feed.recovered),
            load(&feed.lost)
        )?;
        writeln!(
            out,
            "engine     {} inputs, {} commands, {} fills, {} events; {} messages named unknown orders",
            self.inputs, counters.commands, counters.fills, self.events, counters.unknown_orders
        )?;
        writeln!(out, "journal    {:.1} MB", self.journal_bytes as f64 / 1e6)?;
        writeln!(out)?;
        writeln!(
            out,
            "{:<14}{:>8}{:>9}{:>8}{:>10}{:>10}{:>14}{:>14}{:>12}{:>14}",
            "strategy",
            "orders",
            "rejects",
            "fills",
            "bought",
            "sold",
            "realised",
            "unrealised",
            "fees",
            "P&L"
        )?;
        for desk in &self.desks {
            let profit = Money(desk.realised.0 + desk.unrealised.0 - desk.fees.0);
            writeln!(
                out,
                "{:<14}{:>8}{:>9}{:>8}{:>10}{:>10}{:>14}{:>14}{:>12}{:>14}",
                desk.name,
                desk.orders,
                desk.rejects,
                desk.fills,
                desk.bought,
                desk.sold,
                format_money(cents(desk.realised)),
                format_money(cents(desk.unrealised)),
                format_money(cents(desk.fees)),
                format_money(cents(profit))
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "{:<40}{:>9}{:>11}{:>11}{:>11}{:>11}",
            "latency (µs)", "count", "p50", "p99", "p99.9", "max"
        )?;
        for figures in self.outcome.latency.figures.iter().filter(|figures| figures.count > 0) {
            let us = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
            writeln!(
                out,
                "{:<40}{:>9}{:>11}{:>11}{:>11}{:>11}",
                match figures.what {
                    What::Path(Path::Order) => "order: received -> report delivered",
                    What::Path(Path::Fill) => "fill: market event received -> delivered",
                    What::Stage(stage) => stage.as_str(),
                },
                figures.count,
                us(figures.p50_ns),
                us(figures.p99_ns),
                us(figures.p999_ns),
                us(figures.max_ns)
            )?;
        }
        for desk in &self.desks {
            let figure =
                |key: &str| desk.said[key].as_u64().map_or("-".into(), |us| us.to_string());
            writeln!(
                out,
                "{:<40}{:>9}{:>11}{:>11}{:>11}{:>11}",
                format!("{}: order -> answer", desk.name),
                figure("round_trips"),
                figure("round_trip_p50_us"),
                figure("round_trip_p99_us"),
                figure("round_trip_p999_us"),
                figure("round_trip_max_us")
            )?;
        }
        writeln!(out)?;
        writeln!(
            out,
            "state hash live     {}  after input {}",
            self.outcome.stopped.state_hash, self.outcome.stopped.seq
        )?;
        writeln!(
            out,
            "state hash replayed {}  ({} recorded hashes compared on the way)",
            self.replayed_hash, self.checkpoints
        )
    }

    /// Ok only if live and replay agree and, if they had the time, both strategies traded.
    pub fn verdict(&self, had_time: bool, out: &mut impl Write) -> Result<()> {
        ensure!(
            self.outcome.stopped.state_hash == self.replayed_hash,
            "the replay did not reach the live state: this is a defect, please report it with the journal"
        );
        for desk in &self.desks {
            ensure!(
                desk.fills > 0 || !had_time,
                "{} had no fill; a longer run may show some",
                desk.name
            );
        }
        writeln!(out, "equal: the journal is the truth.")?;
        Ok(())
    }
}

impl Desk {
    fn of(core: &Core, account: AccountId, name: &'static str, said: serde_json::Value) -> Self {
        let mut desk = Self {
            name,
            orders: 0,
            rejects: 0,
            fills: 0,
            bought: 0,
            sold: 0,
            realised: Money::ZERO,
            unrealised: Money::ZERO,
            fees: Money::ZERO,
            said,
        };
        for (instrument, position) in core.oms().positions(account) {
            let terms = &core.listing()[instrument].instrument;
            let marked = core
                .reference(instrument)
                .and_then(|mark| core.oms().unrealised(account, instrument, mark, terms).ok());
            desk.unrealised.0 += marked.unwrap_or_default().0;
            desk.realised.0 += position.realised.0;
            desk.fees.0 += position.fees.0;
            desk.bought += position.bought.0;
            desk.sold += position.sold.0;
        }
        desk
    }

    fn count(&mut self, event: &EventRecord) {
        let Some(Event::Execution(execution)) = event.event() else { return };
        match ExecType::from_wire(execution.exec_type) {
            Some(ExecType::New) => self.orders += 1,
            Some(ExecType::Rejected) => self.rejects += 1,
            Some(ExecType::Trade) => self.fills += 1,
            _ => {}
        }
    }
}

/// Cut to whole cents, for people.
fn cents(money: Money) -> Money {
    const CENT: i128 = tidegate_model::units::MONEY_PER_UNIT / 100;
    Money(money.0 / CENT * CENT)
}
