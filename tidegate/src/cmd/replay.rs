//! `tidegate replay`

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;
use tidegate_engine::core::NoOutput;
use tidegate_engine::replay::{replay, resume};
use tidegate_journal::Dir;
use tidegate_model::instrument::format_money;

/// Applies every input of a journal to a fresh engine, comparing each recorded state hash.
///
/// The journal is only read. The exit code is 0 if the whole journal was replayed and every hash agreed.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The journal's directory.
    journal: PathBuf,
    /// Begin with the newest good snapshot, if there is one, and apply what comes after it; so it is in any case where the first inputs
    /// are not there any more.
    #[arg(long)]
    from_snapshot: bool,
    /// Write the result as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: ReplayArgs) -> Result<()> {
    let progress = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {human_pos} inputs, {per_sec}")?);
    let started = Instant::now();
    let on_progress = |inputs| progress.set_position(inputs);
    let refused = || format!("cannot replay {}", args.journal.display());
    // What is wrong with it is told below.
    let oldest = tidegate_journal::oldest(&args.journal).ok().flatten();
    let begins_later = oldest.and_then(|header| header.first_seq).filter(|first| first.0 > 1);
    if let (Some(first), false) = (begins_later, args.from_snapshot) {
        writeln!(
            io::stderr(),
            "note: the journal begins with input {first}, so its newest snapshot is begun with"
        )?;
    }
    let (replayed, from) = match args.from_snapshot || begins_later.is_some() {
        false => (replay(&args.journal, &mut NoOutput, on_progress).with_context(refused)?, None),
        true => {
            let dir = Dir::from(&args.journal);
            let mut resumed = resume(&dir, |_| Ok(())).with_context(refused)?;
            for error in &resumed.passed_over {
                writeln!(io::stderr(), "note: {error}")?;
            }
            resumed.finish(&mut NoOutput, on_progress).with_context(refused)?;
            (resumed.replayed, resumed.from.map(|header| header.seq))
        }
    };
    progress.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let Some(replayed) = replayed else {
        bail!("{} holds no inputs", args.journal.display());
    };
    let core = &replayed.core;
    let hash = core.state_hash();
    let mut out = io::stdout().lock();
    let per_second = (replayed.inputs as f64 / seconds.max(1e-9)) as u64;
    if args.json {
        let line = serde_json::json!({
            "journal": args.journal,
            "inputs": replayed.inputs,
            "from_snapshot": from.map(|seq| seq.0),
            "last_seq": core.seq().0,
            "state_hash": hash.to_string(),
            "checkpoints": replayed.checkpoints,
            "seconds": seconds,
            "inputs_per_second": per_second,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    if let Some(seq) = from {
        writeln!(out, "snapshot     after input {seq}")?;
    }
    writeln!(out, "inputs       {} in {seconds:.2} s, {per_second} a second", replayed.inputs)?;
    writeln!(out, "state hash   {hash} after input {}", core.seq())?;
    match replayed.last_checkpoint {
        Some(last) => writeln!(
            out,
            "checkpoints  {} recorded hashes agree, the last after input {}",
            replayed.checkpoints, last.seq
        )?,
        None => writeln!(out, "checkpoints  none recorded: the state cannot be compared")?,
    }
    writeln!(
        out,
        "market data  {} events, {} instruments",
        core.counters().market_events,
        core.listing().count()
    )?;
    writeln!(out, "fills        {}", core.counters().fills)?;
    let accounts = core.oms().accounts();
    for (id, account) in
        accounts.flat_map(|(id, _)| core.oms().currencies(id).map(move |a| (id, a)))
    {
        writeln!(
            out,
            "account {id:<4} cash {} {}, realised {}, fees {}",
            format_money(account.cash),
            account.currency,
            format_money(account.realised),
            format_money(account.fees)
        )?;
    }
    Ok(())
}
