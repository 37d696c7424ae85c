//! The leader's side: what it has, and how that is sent.

use super::NotKnown;
use crate::history::History;
use crate::message::{Link, RecordsBuilder, SnapshotBegins, Welcome, piece};
use crate::tail::{BATCH_LEN_MAX, Tail};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidegate_engine::snapshot::{Outgoing, SnapshotError, snapshots};
use tidegate_journal::frame::KIND_EVENT;
use tidegate_journal::{Dir, JournalError, Reader, Watermark, chain, oldest};
use tidegate_model::SeqNo;

/// Bytes of a snapshot's file in one message: as many as of records.
const PIECE_LEN: usize = BATCH_LEN_MAX;
/// Bytes of a snapshot's file that are hashed before the thread looks at its link again.
const CHECK_LEN: usize = 1 << 20;

/// What a leader has for followers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The first record that its journal still holds; 1 if it holds all.
    pub first: SeqNo,
    /// The newest snapshot that can be sent: of its own history, with the record of its number still in the journal, and the events up to
    /// it in the event log.
    pub snapshot: Option<SnapshotBegins>,
}

/// How far a leader's files are written.
#[derive(Clone, Debug)]
pub struct Watermarks {
    /// Its journal.
    pub journal: Arc<Watermark>,
    /// Its event log, which lies in the folder `events` of the journal's.
    pub events: Arc<Watermark>,
}

/// What the leader with the journal in `dir` has, whose history is `history` and whose event log has `events` events. Only the headers of
/// snapshots are read; those in `bad` are passed over.
///
/// # Errors
/// [`NotKnown`].
pub fn held(
    dir: &Dir,
    history: &History,
    events: u64,
    bad: &BTreeSet<SeqNo>,
) -> Result<Held, NotKnown> {
    let Some(header) = oldest(dir)? else { return Ok(Held::default()) };
    let first = header.first_seq.unwrap_or(SeqNo(1));
    let mut held = Held { first, snapshot: None };
    for seq in snapshots(dir)? {
        let Ok(snapshot) = Outgoing::open(dir, seq) else { continue };
        let said = snapshot.header();
        let is_ours = said.instance == header.instance
            && history.epoch_at(seq) == Some(said.epoch)
            && said.events.count <= events;
        if !is_ours || seq < first || bad.contains(&seq) {
            continue;
        }
        let (begin, link) = chain::base(dir, seq)?;
        let link =
            link.map(|head| Link { seq: head.seq, audit: head.audit.0, market: head.market.0 });
        let mut up_to = history.clone();
        up_to.cut_after(seq);
        held.snapshot = Some(SnapshotBegins {
            seq,
            len: snapshot.len(),
            events: said.events.count,
            after: SeqNo(begin.0 - 1),
            history: up_to,
            link,
        });
        break;
    }
    Ok(held)
}

/// Why nothing more can be sent to a follower.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Somebody took away what the follower needs next, while it was sent what lies before: it begins again, with a snapshot.
    #[error("the journal begins at {first} by now, the follower needs {needed}")]
    TakenAway {
        /// The first record that is held.
        first: SeqNo,
        /// The one that the follower needs.
        needed: SeqNo,
    },
    /// The event log.
    #[error("the event log: {0}")]
    Events(#[source] JournalError),
    /// The snapshot of this input, which is to be sent to nobody any more.
    #[error(transparent)]
    Snapshot(SnapshotError),
}

/// Everything that goes to one follower behind its welcome.
#[derive(Debug)]
pub struct Stream {
    dir: Dir,
    watermarks: Watermarks,
    leader_epoch: u64,
    /// The number behind which the journal's records begin.
    after: SeqNo,
    sending: Option<Sending>,
    tail: Option<Tail>,
}

/// A snapshot and its events on their way.
#[derive(Debug)]
struct Sending {
    snapshot: Outgoing,
    is_checked: bool,
    at: u64,
    log: Option<Reader>,
    events: u64,
    sent: u64,
}

impl Stream {
    /// What follows `welcome`, out of the journal in `dir`.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn open(dir: &Dir, watermarks: Watermarks, welcome: &Welcome) -> Result<Self, StreamError> {
        let mut stream = Self {
            dir: dir.clone(),
            watermarks,
            leader_epoch: welcome.epoch,
            after: welcome.common,
            sending: None,
            tail: None,
        };
        if let Some(begins) = &welcome.snapshot {
            let snapshot = Outgoing::open(dir, begins.seq).map_err(StreamError::Snapshot)?;
            let (is_checked, at, log, events, sent) = (false, 0, None, begins.events, 0);
            stream.after = begins.after;
            stream.sending = Some(Sending { snapshot, is_checked, at, log, events, sent });
        } else if let Err(error) = stream.tail() {
            return Err(stream.why(error));
        }
        Ok(stream)
    }

    fn tail(&mut self) -> Result<&mut Tail, StreamError> {
        match &mut self.tail {
            Some(tail) => Ok(tail),
            none => {
                let watermark = Arc::clone(&self.watermarks.journal);
                let tail = Tail::open(&self.dir, watermark, self.leader_epoch, self.after)?;
                Ok(none.insert(tail))
            }
        }
    }

    /// Appends messages to `out`: a bounded part of what comes next, of the journal no record behind `up_to`. Nothing if there is nothing
    /// (yet), and [`Self::has_more`] tells whether to ask again at once.
    ///
    /// # Errors
    /// [`StreamError`].
    pub fn fill(&mut self, up_to: SeqNo, out: &mut Vec<u8>) -> Result<(), StreamError> {
        let Some(sending) = &mut self.sending else {
            let filled = self.tail().and_then(|tail| Ok(tail.fill(up_to, out)?));
            return filled.map_err(|error| self.why(error));
        };
        if sending.fill(&self.dir, &self.watermarks.events, self.leader_epoch, out)? {
            self.sending = None;
        }
        Ok(())
    }

    /// What is missing because somebody took it away is no damage.
    fn why(&self, error: StreamError) -> StreamError {
        let needed = self.last().next();
        match oldest(&self.dir).map(|header| header.and_then(|header| header.first_seq)) {
            Ok(Some(first)) if first > needed => StreamError::TakenAway { first, needed },
            _ => error,
        }
    }

    /// True if there is something to send.
    pub fn has_more(&self) -> bool {
        self.sending.is_some() || self.watermarks.journal.seq() > self.last()
    }

    /// The last record of the journal that was given, or the one before the first.
    pub fn last(&self) -> SeqNo {
        self.tail.as_ref().map_or(self.after, Tail::last)
    }
}

impl Sending {
    /// Appends what comes next; true once everything is given.
    fn fill(
        &mut self,
        dir: &Dir,
        watermark: &Arc<Watermark>,
        leader_epoch: u64,
        out: &mut Vec<u8>,
    ) -> Result<bool, StreamError> {
        if !self.is_checked {
            self.is_checked = self.snapshot.check(CHECK_LEN).map_err(StreamError::Snapshot)?;
            return Ok(false);
        }
        if self.at < self.snapshot.len() {
            let mut bytes = vec![0; PIECE_LEN];
            let count = self.snapshot.read(self.at, &mut bytes).map_err(StreamError::Snapshot)?;
            piece(self.at, &bytes[..count], out);
            self.at += count as u64;
            return Ok(self.at == self.snapshot.len() && self.events == 0);
        }
        self.events(dir, watermark, leader_epoch, out).map_err(StreamError::Events)?;
        Ok(self.sent == self.events)
    }

    fn events(
        &mut self,
        dir: &Dir,
        watermark: &Arc<Watermark>,
        leader_epoch: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        let log = match &mut self.log {
            Some(log) => log,
            none => none.insert(Reader::follow(dir.join("events"), Arc::clone(watermark))?),
        };
        let mut batch = RecordsBuilder::begin(leader_epoch, SeqNo(self.sent), out);
        let end = out.len() + BATCH_LEN_MAX;
        while self.sent < self.events && out.len() < end {
            let Some(record) = log.next()? else { break };
            if record.kind != KIND_EVENT {
                continue;
            }
            assert!(
                batch.push(KIND_EVENT, record.payload, out),
                "a batch is shorter than a message"
            );
            self.sent = record.seq.0;
        }
        batch.finish(out);
        Ok(())
    }
}
