//! `tidegate journal head`, and what `verify --head` compares with.

use anyhow::{Context, Result, bail};
use clap::Args;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tidegate_journal::chain::{self, Head};
use tidegate_journal::{JournalError, Reader};
use tidegate_model::SeqNo;

/// What a line begins with; the number is the format's version.
const MARK: &str = "tidegate-head/1";
/// Bytes of a file of heads: a line a day for seven years is 700 KB.
const FILE_LEN_MAX: u64 = 4 << 20;

#[derive(Args, Debug)]
pub(super) struct HeadArgs {
    /// The journal's directory; the head of its event log is printed as well
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The last record that the head covers; without it, the newest that can be covered. Of the journal only, not of its events
    #[arg(long, value_name = "SEQ")]
    at: Option<u64>,
    /// One JSON object a head instead of a line
    #[arg(long)]
    json: bool,
}

/// A head, and which journal it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeadLine {
    instance: u128,
    epoch: u64,
    head: Head,
}

impl fmt::Display for HeadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, epoch, head } = self;
        write!(f, "{MARK} instance={instance:032x} epoch={epoch} seq={} ", head.seq.0)?;
        write!(f, "audit={} market={}", head.audit, head.market)
    }
}

impl FromStr for HeadLine {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let bad = || format!("'{line}' is no line of `tidegate journal head`");
        let mut words = line.split_whitespace();
        if words.next() != Some(MARK) {
            bail!(bad());
        }
        let mut value = |name: &str| {
            let word = words.next().and_then(|word| word.strip_prefix(name)?.strip_prefix('='));
            word.with_context(bad)
        };
        let instance = u128::from_str_radix(value("instance")?, 16).with_context(bad)?;
        let epoch = value("epoch")?.parse().with_context(bad)?;
        let seq = SeqNo(value("seq")?.parse().with_context(bad)?);
        let audit = value("audit")?.parse().with_context(bad)?;
        let market = value("market")?.parse().with_context(bad)?;
        if words.next().is_some() {
            bail!(bad());
        }
        Ok(Self { instance, epoch, head: Head { seq, audit, market } })
    }
}

/// The head of the journal in `dir`.
fn head_of(dir: &Path, at: Option<u64>) -> Result<Option<HeadLine>> {
    let Some(head) = chain::head(dir, at.map(SeqNo))? else { return Ok(None) };
    let mut reader = Reader::open(dir)?;
    // The segment that holds the record after it, which is there.
    reader.seek(head.seq.next())?;
    reader.next()?;
    let header = reader.header().context("a journal with a head has a segment")?;
    Ok(Some(HeadLine { instance: header.instance, epoch: header.epoch, head }))
}

pub(super) fn head(args: &HeadArgs) -> Result<()> {
    let events = args.dir.join("events");
    let mut heads = vec![head_of(&args.dir, args.at)?];
    if events.is_dir() && args.at.is_none() {
        heads.push(match head_of(&events, None) {
            Err(error) if matches!(error.downcast_ref(), Some(JournalError::NoJournal { .. })) => {
                None
            }
            other => other?,
        });
    }
    if heads.iter().all(Option::is_none) {
        bail!("{} has no head yet: it holds fewer than two records", args.dir.display());
    }
    let mut out = io::stdout().lock();
    for line in heads.into_iter().flatten() {
        if args.json {
            let object = serde_json::json!({
                "instance": format!("{:032x}", line.instance),
                "epoch": line.epoch,
                "seq": line.head.seq.0,
                "audit": line.head.audit.to_string(),
                "market": line.head.market.to_string(),
            });
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The heads in `text`: lines, or the name of a file of such lines.
pub(super) fn heads_in(text: &str) -> Result<Vec<HeadLine>> {
    let lines = if text.trim_start().starts_with(MARK) {
        text.to_string()
    } else {
        let len = std::fs::metadata(text).with_context(|| {
            format!("'{text}' is neither a line of `tidegate journal head` nor a file of them")
        })?;
        if len.len() > FILE_LEN_MAX {
            bail!("{text} has {} bytes, a file of heads has at most {FILE_LEN_MAX}", len.len());
        }
        std::fs::read_to_string(text).with_context(|| format!("cannot read {text}"))?
    };
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let heads: Vec<HeadLine> = lines.map(str::parse).collect::<Result<_>>()?;
    if heads.is_empty() {
        bail!("{text} holds no head");
    }
    Ok(heads)
}

/// Proves that the journal in `dir`, or its event log, leads through each of `heads`, and that CHAIN fits the records where it is.
/// The lines that say so.
pub(super) fn verify(dir: &Path, heads: &[HeadLine]) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let mut found = vec![false; heads.len()];
    for dir in [dir.to_path_buf(), dir.join("events")] {
        let instance = match Reader::open(&dir).and_then(|mut reader| {
            reader.next()?;
            Ok(reader.header().map(|header| header.instance))
        }) {
            Err(_) if !dir.is_dir() => continue,
            Err(JournalError::NoJournal { .. }) => continue,
            other => other?,
        };
        let mine = heads.iter().enumerate().filter(|(_, line)| Some(line.instance) == instance);
        let mine: Vec<_> = mine.collect();
        let has_chain = dir.join("CHAIN").exists();
        // That of a whole journal can be had again from its records.
        let is_lost = !has_chain && begins_late(&dir)?;
        if mine.is_empty() && (has_chain || is_lost) {
            said.push(match chain::verify(&dir, None) {
                Ok(links) => {
                    format!("{}: CHAIN fits the records, {} links", dir.display(), links.len())
                }
                // The records are as good as before.
                Err(error @ JournalError::ChainLost { .. }) => {
                    format!("{}: no head can be proved: {error}", dir.display())
                }
                Err(error) => return Err(error.into()),
            });
        }
        for (n, line) in mine {
            chain::verify(&dir, Some(line.head))?;
            said.push(format!(
                "{}: leads through the head at record {}",
                dir.display(),
                line.head.seq
            ));
            found[n] = true;
        }
    }
    match heads.iter().zip(found).find(|(_, found)| !found) {
        Some((line, _)) => bail!(
            "the head at record {} is of instance {:032x}, which {} does not hold",
            line.head.seq,
            line.instance,
            dir.display()
        ),
        None => Ok(said),
    }
}

/// True of a journal whose first records were taken away.
fn begins_late(dir: &Path) -> Result<bool> {
    let oldest = tidegate_journal::oldest(dir)?;
    Ok(oldest.and_then(|oldest| oldest.first_seq).is_some_and(|first| first > SeqNo(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_journal::chain::ChainHash;

    #[test]
    fn a_line_comes_back_as_it_was() {
        let head = Head { seq: SeqNo(7), audit: ChainHash([0xab; 32]), market: ChainHash([1; 32]) };
        let line = HeadLine { instance: 0xfeed, epoch: 3, head };
        assert_eq!(line.to_string().parse::<HeadLine>().expect("a line"), line);
        let text = line.to_string();
        for wrong in [
            text.replace("/1", "/2"),
            text.replace("epoch=3", "epoch="),
            text.replace("abab", "xyxy"),
            text.replace("audit=ab", "audit=a"),
            format!("{text} more"),
            text.rsplit_once(' ').expect("it has words").0.to_string(),
        ] {
            assert!(wrong.parse::<HeadLine>().is_err(), "{wrong}");
        }
    }
}
