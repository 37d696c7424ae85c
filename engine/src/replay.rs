//! Replay: a journal's inputs through a fresh state machine, with every recorded state hash compared.

use crate::core::output::Output;
use crate::core::{Core, Input};
use crate::snapshot::{Header, Loaded, SnapshotError, newest};
use tidegate_journal::frame::{
    KIND_CHECKPOINT, KIND_COMMAND, KIND_MARKET_EVENT, KIND_PRUNED, KIND_SEAL,
};
use tidegate_journal::protection::{Protection, is_removed};
use tidegate_journal::{Checkpoint, Dir, JournalError, Reader, epochs, oldest};
use tidegate_model::command::Configure;
use tidegate_model::{Command, CommandRecord, MarketEvent, SeqNo, StateHash};

/// What inputs mean and do to the state, counted: it is in the header of each segment that the engine writes. 1 were the
/// journals before controls by scope.
pub const BEHAVIOUR_VERSION: u32 = 2;

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
    /// What came first was taken away, and there is no snapshot to begin with.
    #[error(
        "the journal begins with input {first}: what came before was archived, so that it can be recovered with a snapshot only, and there is no good one that fits: {passed_over}; restore the segments before it, or a snapshot"
    )]
    Pruned {
        /// The first input that is there.
        first: SeqNo,
        /// Why snapshots do not do.
        passed_over: String,
    },
    /// It is a copy without market events.
    #[error(
        "the market events up to record {0} were not kept: this copy can be verified and read, not replayed; restore from an archive that has them"
    )]
    WithoutMarket(SeqNo),
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
    /// A newer engine wrote it, whose inputs may mean what this one does not know.
    #[error(
        "input {seq} was written by an engine of behaviour version {found}, this build knows up to {supported}: use a newer build"
    )]
    NewerBehaviour {
        /// Its number.
        seq: SeqNo,
        /// The version that wrote it.
        found: u32,
        /// The newest version that this build knows.
        supported: u32,
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

/// One record of a journal that concerns a state machine.
#[derive(Clone, Copy, Debug)]
pub enum Recorded {
    /// An input: what a feed said.
    Market(MarketEvent),
    /// An input: what was asked for.
    Command(CommandRecord),
    /// The state's hash after the input before.
    Checkpoint(Checkpoint),
}

/// The inputs of a journal, in order. The first is input 1, and a `configure` command.
#[derive(Debug)]
pub struct Inputs {
    reader: Reader,
    has_begun: bool,
    /// The epoch that the last input was written in.
    epoch: u64,
}

impl Inputs {
    /// Opens the journal in `dir`.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open(dir: impl Into<Dir>) -> Result<Self, ReplayError> {
        Ok(Self { reader: Reader::open(dir)?, has_begun: false, epoch: 0 })
    }

    /// The inputs after `seq`, of which a snapshot was read.
    ///
    /// # Errors
    /// As [`Reader::seek`].
    fn after(dir: &Dir, seq: SeqNo) -> Result<Self, ReplayError> {
        let mut reader = Reader::open(dir)?;
        reader.seek(seq.next())?;
        Ok(Self { reader, has_begun: true, epoch: 0 })
    }

    /// The next record with its number; `None` at the end.
    ///
    /// # Errors
    /// See [`ReplayError`]: damage, an unknown record, a newer engine, a journal that begins otherwise.
    // Not an `Iterator`: whoever has had an error would be asked on.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(SeqNo, Recorded)>, ReplayError> {
        loop {
            let Some(record) = self.reader.next()? else { return Ok(None) };
            let (seq, kind, payload) = (record.seq, record.kind, record.payload);
            if record.behaviour_version > BEHAVIOUR_VERSION {
                let (found, supported) = (record.behaviour_version, BEHAVIOUR_VERSION);
                return Err(ReplayError::NewerBehaviour { seq, found, supported });
            }
            let epoch = record.epoch;
            let unknown = ReplayError::UnknownRecord { seq, kind, len: payload.len() };
            let recorded = match kind {
                KIND_MARKET_EVENT => Recorded::Market(read(payload).ok_or(unknown)?),
                KIND_COMMAND => Recorded::Command(read(payload).ok_or(unknown)?),
                KIND_CHECKPOINT => Recorded::Checkpoint(read(payload).ok_or(unknown)?),
                KIND_SEAL => continue,
                KIND_PRUNED => return Err(ReplayError::WithoutMarket(seq)),
                _ => return Err(unknown),
            };
            if !self.has_begun {
                if seq != SeqNo(1) || configured(&recorded).is_none() {
                    return Err(ReplayError::NotConfigured(seq));
                }
                self.has_begun = true;
            }
            if !matches!(recorded, Recorded::Checkpoint(_)) {
                self.epoch = epoch;
            }
            return Ok(Some((seq, recorded)));
        }
    }
}

/// What the first input of a journal says; `None` if it says anything else.
pub fn configured(first: &Recorded) -> Option<Configure> {
    match first {
        Recorded::Command(record) => match record.command()? {
            Command::Configure(configure) => Some(configure),
            _ => None,
        },
        _ => None,
    }
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

impl Replayed {
    /// A state machine as the first input of a journal configures it, which is still to be applied.
    ///
    /// # Errors
    /// [`ReplayError::NotConfigured`] if sizes are asked for that cannot be had.
    pub fn begin(first: &Recorded) -> Result<Self, ReplayError> {
        let core = configured(first).and_then(|configure| Core::new(configure).ok());
        let core = core.ok_or(ReplayError::NotConfigured(SeqNo(1)))?;
        Ok(Self { core, inputs: 0, checkpoints: 0, last_checkpoint: None })
    }

    /// Applies a record, or compares what it says.
    ///
    /// # Errors
    /// [`ReplayError::Diverged`].
    pub fn apply(
        &mut self,
        seq: SeqNo,
        recorded: &Recorded,
        out: &mut dyn Output,
    ) -> Result<(), ReplayError> {
        let input = match recorded {
            Recorded::Market(event) => Input::Market(event),
            Recorded::Command(command) => Input::Command(command),
            Recorded::Checkpoint(checkpoint) => {
                check(&self.core, *checkpoint)?;
                self.checkpoints += 1;
                self.last_checkpoint = Some(*checkpoint);
                return Ok(());
            }
        };
        self.core.apply(seq, input, out);
        self.inputs += 1;
        Ok(())
    }

    /// As [`Self::apply`] for each of `batch`; what those ahead will look at in the books is fetched meanwhile.
    fn apply_all(
        &mut self,
        batch: &[(SeqNo, Recorded)],
        out: &mut dyn Output,
    ) -> Result<(), ReplayError> {
        for (at, (seq, recorded)) in batch.iter().enumerate() {
            self.core.fetch_ahead(|distance| match batch.get(at + distance) {
                Some((_, Recorded::Market(event))) => Some(event),
                _ => None,
            });
            self.apply(*seq, recorded, out)?;
        }
        Ok(())
    }
}

/// Records that are read before they are applied.
const BATCH: usize = 512;

/// A replay that began with a snapshot, or with the first input.
#[derive(Debug)]
pub struct Resumed {
    inputs: Inputs,
    /// The state so far; `None` before the first input.
    pub replayed: Option<Replayed>,
    /// The snapshot that it began with.
    pub from: Option<Header>,
    /// Why newer ones were passed over.
    pub passed_over: Vec<SnapshotError>,
}

/// What a snapshot must fit to belong to a journal.
#[derive(Debug)]
pub(crate) struct Journal {
    instance: u128,
    /// The first input that is there.
    first: SeqNo,
    /// The epoch of the oldest segment.
    epoch: u64,
    epochs: Vec<(u64, SeqNo)>,
}

impl Journal {
    /// That of the journal in `dir`; `None` if nothing was ever written.
    pub(crate) fn of(dir: &Dir) -> Result<Option<Self>, JournalError> {
        let Some(oldest) = oldest(dir)? else { return Ok(None) };
        let (instance, first) = (oldest.instance, oldest.first_seq.unwrap_or(SeqNo(1)));
        Ok(Some(Self { instance, first, epoch: oldest.epoch, epochs: epochs(dir)? }))
    }

    /// Lets a snapshot pass that is of an input of this journal, and behind which all inputs are there.
    pub(crate) fn check(&self, header: &Header) -> Result<(), String> {
        let written_in = self.epochs.iter().rfind(|(_, first)| *first <= header.seq);
        let epoch = written_in.map_or(self.epoch.min(header.epoch), |(epoch, _)| *epoch);
        if header.instance != self.instance {
            return Err("it is of another journal".into());
        }
        if header.epoch != epoch && !is_removed(Protection::SnapshotEpoch) {
            let (seq, taken) = (header.seq, header.epoch);
            return Err(format!(
                "it was taken in epoch {taken}, the journal has input {seq} from epoch {epoch}"
            ));
        }
        if header.seq.next() < self.first {
            return Err(format!("the journal begins with input {} only", self.first));
        }
        Ok(())
    }
}

/// Begins a replay of the journal in `dir` with the newest good snapshot that belongs to it and `fits`, or with the first input
/// if there is none.
///
/// # Errors
/// [`ReplayError::Journal`]; [`ReplayError::Pruned`] if there is neither.
pub fn resume(
    dir: &Dir,
    fits: impl Fn(&Header) -> Result<(), String>,
) -> Result<Resumed, ReplayError> {
    let Some(journal) = Journal::of(dir)? else {
        let inputs = Inputs::open(dir)?;
        return Ok(Resumed { inputs, replayed: None, from: None, passed_over: Vec::new() });
    };
    let first = journal.first;
    let belongs = |header: &Header| journal.check(header).and_then(|()| fits(header));
    let (loaded, passed_over) = newest(dir, belongs);
    let Some(Loaded { header, core }) = loaded else {
        if first > SeqNo(1) {
            let mut reasons: Vec<_> = passed_over.iter().map(ToString::to_string).collect();
            if reasons.is_empty() {
                reasons.push("none was found".into());
            }
            return Err(ReplayError::Pruned { first, passed_over: reasons.join("; ") });
        }
        let inputs = Inputs::open(dir)?;
        return Ok(Resumed { inputs, replayed: None, from: None, passed_over });
    };
    let inputs = Inputs::after(dir, header.seq)?;
    let replayed = Replayed { core, inputs: 0, checkpoints: 0, last_checkpoint: None };
    Ok(Resumed { inputs, replayed: Some(replayed), from: Some(header), passed_over })
}

impl Resumed {
    /// Applies the next record, or compares what it says; false at the end.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn step(&mut self, out: &mut dyn Output) -> Result<bool, ReplayError> {
        let Some((seq, recorded)) = self.inputs.next()? else { return Ok(false) };
        let replayed = match &mut self.replayed {
            Some(replayed) => replayed,
            none => none.insert(Replayed::begin(&recorded)?),
        };
        replayed.apply(seq, &recorded, out)?;
        Ok(true)
    }

    /// Applies all that is left; `on_progress` is as for [`replay`].
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn finish(
        &mut self,
        out: &mut dyn Output,
        mut on_progress: impl FnMut(u64),
    ) -> Result<(), ReplayError> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            // What is before a record that cannot be read is applied first.
            let read = self.read(&mut batch);
            let Some((_, first)) = batch.first() else { return read };
            let replayed = match &mut self.replayed {
                Some(replayed) => replayed,
                none => none.insert(Replayed::begin(first)?),
            };
            let before = replayed.inputs / PROGRESS_EVERY;
            replayed.apply_all(&batch, out)?;
            if replayed.inputs / PROGRESS_EVERY > before {
                on_progress(replayed.inputs);
            }
            if batch.len() < BATCH {
                return read;
            }
        }
    }

    /// Fills `batch`, unless the end comes before.
    fn read(&mut self, batch: &mut Vec<(SeqNo, Recorded)>) -> Result<(), ReplayError> {
        while batch.len() < BATCH
            && let Some(record) = self.inputs.next()?
        {
            batch.push(record);
        }
        Ok(())
    }

    /// The journal and the epoch that the last input was written in; `None` before the first.
    pub fn written_in(&self) -> Option<(u128, u64)> {
        let segment = self.inputs.reader.header();
        let read = segment.map(|segment| (segment.instance, self.inputs.epoch));
        let has_stepped = self.replayed.as_ref().is_some_and(|replayed| replayed.inputs > 0);
        let from = self.from.map(|header| (header.instance, header.epoch));
        read.filter(|_| has_stepped).or(from)
    }
}

/// Applies every input of the journal in `dir`; `None` if it has none.
///
/// `on_progress` is called with the inputs applied so far, every [`PROGRESS_EVERY`] inputs.
///
/// # Errors
/// See [`ReplayError`]: damage, an unknown record, a state that differs.
pub fn replay(
    dir: impl Into<Dir>,
    out: &mut dyn Output,
    mut on_progress: impl FnMut(u64),
) -> Result<Option<Replayed>, ReplayError> {
    let inputs = Inputs::open(dir)?;
    let mut whole = Resumed { inputs, replayed: None, from: None, passed_over: Vec::new() };
    whole.finish(out, &mut on_progress)?;
    Ok(whole.replayed)
}

/// Inputs between two calls of a replay's progress report.
pub const PROGRESS_EVERY: u64 = 1 << 18;

pub(crate) fn read<T: bytemuck::AnyBitPattern>(payload: &[u8]) -> Option<T> {
    bytemuck::try_pod_read_unaligned(payload).ok()
}

fn check(core: &Core, checkpoint: Checkpoint) -> Result<(), ReplayError> {
    let replayed = core.state_hash();
    if replayed == checkpoint.hash && core.seq() == checkpoint.seq {
        return Ok(());
    }
    Err(ReplayError::Diverged { seq: checkpoint.seq, recorded: checkpoint.hash, replayed })
}
