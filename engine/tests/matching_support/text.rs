//! Inputs from and to their text form.

use super::Input;
use std::fmt;
use tidegate_engine::matching::{Entry, Peg, Phase, Trail};
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::{AccountId, Lots, Side, Ticks, UnixNanos};

fn named<T: Copy + ToString>(all: &[T], word: &str) -> Option<T> {
    all.iter().copied().find(|value| value.to_string() == word)
}

/// Reads one input.
///
/// # Panics
/// On anything that is not one: it stands in a test.
pub fn parse(line: &str) -> Input {
    let words: Vec<&str> = line.split_whitespace().collect();
    let read = || match words[0] {
        "new" => parse_new(&words[1..]).map(Input::New),
        "cancel" => Some(Input::Cancel(words[1].parse().ok()?)),
        "replace" => parse_replace(&words[1..]),
        "mass_cancel" => parse_mass_cancel(&words[1..]),
        "phase" => named(Phase::ALL, words[1]).map(Input::Phase),
        "time" => Some(Input::Time(UnixNanos(words[1].parse().ok()?))),
        "bands" if words[1] == "none" => Some(Input::Bands(None)),
        "bands" => Some(Input::Bands(Some((ticks(words[1])?, ticks(words[2])?)))),
        "reference" => Some(Input::Reference(ticks(words[1])?)),
        _ => None,
    };
    read().unwrap_or_else(|| panic!("no input: {line}"))
}

fn ticks(word: &str) -> Option<Ticks> {
    word.parse().ok().map(Ticks)
}

fn parse_new(words: &[&str]) -> Option<Entry> {
    let side = named(&[Side::Buy, Side::Sell], words[1])?;
    let mut entry = Entry::limit(words[0].parse().ok()?, side, Ticks(0), Lots(0));
    entry.order_type = named(OrderType::ALL, words[2])?;
    for word in &words[3..] {
        let terms = &mut entry.terms;
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "account" => entry.account = AccountId(value.parse().ok()?),
            "stop" => terms.stop_price = Some(ticks(value)?),
            "trail" => {
                terms.trail = Some(match value.strip_suffix("ppm") {
                    Some(ppm) => Trail::Ppm(ppm.parse().ok()?),
                    None => Trail::Ticks(value.parse().ok()?),
                });
            }
            "offset" => terms.limit_offset = Some(ticks(value)?),
            "peg" => {
                let end = value.find(['+', '-']).unwrap_or(value.len());
                let (kind, offset) = value.split_at(end);
                let offset = if offset.is_empty() { Ticks(0) } else { ticks(offset)? };
                terms.peg = Some(Peg { kind: named(PegKind::ALL, kind)?, offset });
            }
            "post_only" => terms.post_only = Some(named(PostOnly::ALL, value)?),
            "stp" => terms.self_trade = Some(named(SelfTrade::ALL, value)?),
            "hidden" => terms.hidden = true,
            "display" => terms.display_qty = Some(Lots(value.parse().ok()?)),
            "min" => terms.min_qty = Some(Lots(value.parse().ok()?)),
            "until" => terms.expire_at = UnixNanos(value.parse().ok()?),
            _ => {
                if let Some(qty) = word.strip_prefix('x') {
                    entry.qty = Lots(qty.parse().ok()?);
                } else if let Some(life) = named(TimeInForce::ALL, word) {
                    entry.time_in_force = life;
                } else {
                    entry.price = ticks(word)?;
                }
            }
        }
    }
    Some(entry)
}

fn parse_replace(words: &[&str]) -> Option<Input> {
    let handle = words[0].parse().ok()?;
    let (mut leaves, mut price, mut stop_price) = (Lots(0), Ticks(0), None);
    for word in &words[1..] {
        if let Some(stop) = word.strip_prefix("stop=") {
            stop_price = Some(ticks(stop)?);
        } else if let Some(qty) = word.strip_prefix('x') {
            leaves = Lots(qty.parse().ok()?);
        } else {
            price = ticks(word)?;
        }
    }
    Some(Input::Replace { handle, leaves, price, stop_price })
}

fn parse_mass_cancel(words: &[&str]) -> Option<Input> {
    let (mut account, mut side) = (None, None);
    for word in words {
        match word.strip_prefix("account=") {
            Some(number) => account = Some(AccountId(number.parse().ok()?)),
            None => side = Some(named(&[Side::Buy, Side::Sell], word)?),
        }
    }
    Some(Input::MassCancel { account, side })
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = |price: Ticks| if price.0 == 0 { String::new() } else { format!(" {price}") };
        match self {
            Self::New(entry) => write_new(f, entry),
            Self::Cancel(handle) => write!(f, "cancel {handle}"),
            Self::Replace { handle, leaves, price: limit, stop_price } => {
                write!(f, "replace {handle}{} x{leaves}", price(*limit))?;
                stop_price.map_or(Ok(()), |stop| write!(f, " stop={stop}"))
            }
            Self::MassCancel { account, side } => {
                write!(f, "mass_cancel")?;
                account.map_or(Ok(()), |account| write!(f, " account={account}"))?;
                side.map_or(Ok(()), |side| write!(f, " {side}"))
            }
            Self::Phase(phase) => write!(f, "phase {phase}"),
            Self::Time(now) => write!(f, "time {now}"),
            Self::Bands(None) => write!(f, "bands none"),
            Self::Bands(Some((low, high))) => write!(f, "bands {low} {high}"),
            Self::Reference(reference) => write!(f, "reference {reference}"),
        }
    }
}

fn write_new(f: &mut fmt::Formatter<'_>, entry: &Entry) -> fmt::Result {
    let terms = &entry.terms;
    write!(f, "new {} {} {}", entry.handle, entry.side, entry.order_type)?;
    if entry.price.0 != 0 {
        write!(f, " {}", entry.price)?;
    }
    write!(f, " x{} {}", entry.qty, entry.time_in_force)?;
    if entry.account.0 != 0 {
        write!(f, " account={}", entry.account)?;
    }
    if let Some(stop) = terms.stop_price {
        write!(f, " stop={stop}")?;
    }
    match terms.trail {
        Some(Trail::Ticks(ticks)) => write!(f, " trail={ticks}")?,
        Some(Trail::Ppm(ppm)) => write!(f, " trail={ppm}ppm")?,
        None => {}
    }
    if let Some(offset) = terms.limit_offset {
        write!(f, " offset={offset}")?;
    }
    if let Some(Peg { kind, offset }) = terms.peg {
        write!(f, " peg={kind}")?;
        if offset.0 != 0 {
            write!(f, "{:+}", offset.0)?;
        }
    }
    if let Some(kind) = terms.post_only {
        write!(f, " post_only={kind}")?;
    }
    if let Some(kind) = terms.self_trade {
        write!(f, " stp={kind}")?;
    }
    if terms.hidden {
        write!(f, " hidden")?;
    }
    if let Some(qty) = terms.display_qty {
        write!(f, " display={qty}")?;
    }
    if let Some(qty) = terms.min_qty {
        write!(f, " min={qty}")?;
    }
    if terms.expire_at.0 != 0 {
        write!(f, " until={}", terms.expire_at)?;
    }
    Ok(())
}
