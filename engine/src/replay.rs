//! Replay: a journal's inputs through a fresh state machine, with every recorded state hash compared.

use crate::core::output::Output;
use crate::core::{Core, Input};
use std::path::Path;
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND, KIND_MARKET_EVENT, KIND_SEAL};
use tidegate_journal::{Checkpoint, JournalError, Reader};
use tidegate_model::{Command, CommandRecord, MarketEvent, SeqNo, StateHash};

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The first input is not a `configure` command.
    #[error("input {0} is not the configure command that a journal begins with")]
    NotConfigured(SeqNo),
    /// A record that no input has the shape of.
    #[error("record {seq} has kind {kind} and {len} bytes, which is no input of this version")]
    UnknownRecord {
        /// Its number.
        seq: SeqNo,
        /// Its kind.
        kind: u8,
        /// Bytes of its payload.
        len: usize,
    },
    /// The state is not the one that was recorded.
    #[error("after input {seq} the state hash is {replayed}, the journal recorded {recorded}")]
    Diverged {
        /// The input.
        seq: SeqNo,
        /// The hash recorded live.
        recorded: StateHash,
        /// The hash of the replay.
        replayed: StateHash,
    },
}

/// What a replay reached.
#[derive(Debug)]
pub struct Replayed {
    /// The state after the last input.
    pub core: Core,
    /// Inputs applied.
    pub inputs: u64,
    /// State hashes compared, all equal.
    pub checkpoints: u64,
    /// The last of them.
    pub last_checkpoint: Option<Checkpoint>,
}

/// Applies every input of the journal in `dir`; `None` if it has none.
///
/// `on_progress` is called with the inputs applied so far, every [`PROGRESS_EVERY`] inputs.
///
/// # Errors
/// See [`ReplayError`]: damage, an unknown record, a state that differs.
pub fn replay<O: Output>(
    dir: &Path,
    out: &mut O,
    mut on_progress: impl FnMut(u64),
) -> Result<Option<Replayed>, ReplayError> {
    let mut reader = Reader::open(dir)?;
    let mut replayed: Option<Replayed> = None;
    while let Some(record) = reader.next()? {
        let seq = record.seq;
        let unknown =
            ReplayError::UnknownRecord { seq, kind: record.kind, len: record.payload.len() };
        match record.kind {
            KIND_MARKET_EVENT => {
                let event: MarketEvent = read(record.payload).ok_or(unknown)?;
                let replayed = replayed.as_mut().ok_or(ReplayError::NotConfigured(seq))?;
                replayed.core.apply(seq, Input::Market(&event), out);
                replayed.inputs += 1;
            }
            KIND_COMMAND => {
                let command: CommandRecord = read(record.payload).ok_or(unknown)?;
                let replayed = match &mut replayed {
                    Some(replayed) => replayed,
                    none => {
                        let Some(Command::Configure(configure)) = command.command() else {
                            return Err(ReplayError::NotConfigured(seq));
                        };
                        let core =
                            Core::new(configure).map_err(|_| ReplayError::NotConfigured(seq))?;
                        none.insert(Replayed {
                            core,
                            inputs: 0,
                            checkpoints: 0,
                            last_checkpoint: None,
                        })
                    }
                };
                replayed.core.apply(seq, Input::Command(&command), out);
                replayed.inputs += 1;
            }
            KIND_CHECKPOINT => {
                let checkpoint: Checkpoint = read(record.payload).ok_or(unknown)?;
                let replayed = replayed.as_mut().ok_or(ReplayError::NotConfigured(seq))?;
                check(&replayed.core, checkpoint)?;
                replayed.checkpoints += 1;
                replayed.last_checkpoint = Some(checkpoint);
            }
            KIND_SEAL => {}
            _ => return Err(unknown),
        }
        if let Some(replayed) = &replayed
            && replayed.inputs.is_multiple_of(PROGRESS_EVERY)
        {
            on_progress(replayed.inputs);
        }
    }
    Ok(replayed)
}

/// Inputs between two calls of a replay's progress report.
pub const PROGRESS_EVERY: u64 = 1 << 18;

fn read<T: bytemuck::AnyBitPattern>(payload: &[u8]) -> Option<T> {
    bytemuck::try_pod_read_unaligned(payload).ok()
}

fn check(core: &Core, checkpoint: Checkpoint) -> Result<(), ReplayError> {
    let replayed = core.state_hash();
    if replayed == checkpoint.hash && core.seq() == checkpoint.seq {
        return Ok(());
    }
    Err(ReplayError::Diverged { seq: checkpoint.seq, recorded: checkpoint.hash, replayed })
}
