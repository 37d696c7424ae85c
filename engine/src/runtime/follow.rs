//! The engine of a standby: inputs come from a primary's journal, numbered already, and are journaled, applied and logged as
//! there. Nothing leaves. When it takes over, the same engine goes on with inputs of its own.

use super::{Engine, EngineError, Strategy};
use crate::core::{Core, Input};
use crate::replay::{BEHAVIOUR_VERSION, Recorded, ReplayError, configured, read};
use tidegate_journal::Checkpoint;
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_model::command::Configure;
use tidegate_model::{Command, CommandRecord, SeqNo, UnixNanos};

/// What a standby's engine did with what came from its primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing came.
    Nothing,
    /// Records were taken.
    Some,
    /// It is to lead, in this epoch.
    Lead(u64),
    /// It is to end.
    End,
}

/// Where a standby's engine gets its records from: it gives them to [`Engine::take`]. Never waits.
pub trait Primary<S>: Send {
    /// Takes what has come, a bounded part of it.
    ///
    /// # Errors
    /// What the engine says, which ends it.
    fn follow(&mut self, engine: &mut Engine<S>) -> Result<Followed, EngineError>;
}

impl<S: Strategy> Engine<S> {
    /// Journals and applies one record of the primary; of a checkpoint, compares the state with what the primary recorded.
    ///
    /// # Errors
    /// [`EngineError::Journal`] if it does not follow the record before, [`ReplayError::Diverged`] if the states differ. It must
    /// not go on then.
    pub fn take(&mut self, kind: u8, seq: SeqNo, payload: &[u8]) -> Result<(), EngineError> {
        let unknown = || ReplayError::UnknownRecord { seq, kind, len: payload.len() };
        let input = match kind {
            KIND_MARKET_EVENT => Recorded::Market(read(payload).ok_or_else(unknown)?),
            KIND_COMMAND => Recorded::Command(read(payload).ok_or_else(unknown)?),
            KIND_CHECKPOINT => Recorded::Checkpoint(read(payload).ok_or_else(unknown)?),
            _ => return Err(unknown().into()),
        };
        if self.core.seq() == SeqNo::ZERO {
            // A journal keeps the sizes that it began with.
            let core = configured(&input).and_then(|configure| Core::new(configure).ok());
            self.core = core.ok_or(ReplayError::NotConfigured(seq))?;
        }
        self.journal.append(kind, seq, payload)?;
        self.publishing.seq = seq;
        match &input {
            Recorded::Market(event) => {
                self.core.apply(seq, Input::Market(event), &mut self.publishing);
            }
            Recorded::Command(command) => {
                self.core.apply(seq, Input::Command(command), &mut self.publishing);
            }
            Recorded::Checkpoint(checkpoint) => {
                let (recorded, replayed) = (checkpoint.hash, self.core.state_hash());
                if recorded != replayed {
                    return Err(ReplayError::Diverged { seq, recorded, replayed }.into());
                }
                self.status.set_checkpoint(Checkpoint { seq, hash: recorded });
            }
        }
        Ok(())
    }

    /// The records that come are of another epoch or behaviour than those before.
    ///
    /// # Errors
    /// [`EngineError::Journal`] if the epoch is older.
    pub fn begin_epoch(&mut self, epoch: u64, behaviour: u32) -> Result<(), EngineError> {
        Ok(self.journal.begin_epoch(epoch, behaviour)?)
    }

    /// Takes over as primary of `epoch`: sessions, routes and market of the primary before are gone. An epoch has an input at least,
    /// so that every follower's journal tells of it.
    ///
    /// # Errors
    /// [`EngineError::Journal`].
    pub fn lead(
        &mut self,
        epoch: u64,
        configure: Configure,
        now: UnixNanos,
    ) -> Result<(), EngineError> {
        self.begin_epoch(epoch, BEHAVIOUR_VERSION)?;
        let before = self.core.seq();
        self.go_live(configure, now)?;
        if self.core.seq() == before {
            let mut time = CommandRecord::new(Command::Time);
            time.ts_recv = now;
            self.command(&time)?;
        }
        self.tell();
        Ok(())
    }
}
