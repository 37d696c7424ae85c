//! The thread that looks for the kill file. It needs the engine and a folder: no edge, no network, no other lane.

use super::{Found, KillFile, done_path, look, reason};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_engine::event_log::{EventLog, EventLogError, EventPosition};
use tidegate_engine::lane::CommandLane;
use tidegate_engine::runtime::{EngineStatus, unix_now};
use tidegate_model::command::KillSwitch;
use tidegate_model::event::{Ack, Event};
use tidegate_model::scope::Scope;
use tidegate_model::{
    Command, CommandRecord, InstrumentId, PrincipalId, Reject, SessionId, Symbol,
};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time between two attempts at what did not work.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long the engine may take to say that it has done it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the log is searched for a symbol. What is not found by then stops the firm.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(500);
/// Looks at the start of a server: at a file that is there, until it is obeyed.
const LOOKS_AT_START: u32 = 500;
/// Where the numbers of its requests begin, apart from those of the operator's other commands.
const REQUESTS_FROM: u64 = 1 << 63;

/// Looks for the file and obeys it.
#[derive(Debug)]
pub struct KillTrigger {
    path: PathBuf,
    lane: CommandLane,
    events: EventLog,
    status: Arc<EngineStatus>,
    next_request: u64,
    /// What the last look found.
    last: Found,
    /// What was obeyed and is still there, because it cannot be renamed.
    obeyed: Option<Found>,
    /// Nothing is tried again before.
    not_before: Option<Instant>,
    /// It was told that nobody can know whether the file is there.
    is_blind: bool,
}

/// What came of a request.
enum Outcome {
    /// The engine has done it: so many orders are canceled.
    Done(u64),
    /// The engine has taken it, and nothing can tell what came of it.
    Taken(EventLogError),
    /// It was refused.
    Refused(Reject),
    /// It is under way at best.
    Unknown(&'static str),
}

impl KillTrigger {
    /// Nothing is looked for yet.
    pub fn new(
        path: PathBuf,
        lane: CommandLane,
        events: EventLog,
        status: Arc<EngineStatus>,
    ) -> Self {
        Self {
            path,
            lane,
            events,
            status,
            next_request: REQUESTS_FROM,
            last: Found::Nothing,
            obeyed: None,
            not_before: None,
            is_blind: false,
        }
    }

    /// Obeys a file that is there already.
    ///
    /// # Errors
    /// If it is there, or may be, and could not be obeyed: such a server must not serve.
    pub fn at_start(&mut self) -> Result<()> {
        for _ in 0..LOOKS_AT_START {
            self.look();
            let path = self.path.display();
            ensure!(!self.is_blind, "cannot know whether the kill file {path} is there");
            if self.last == Found::Nothing || self.obeyed.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("the kill file {} is there and the engine does not obey it", self.path.display())
    }

    /// Looks once, and obeys what is there.
    fn look(&mut self) {
        let found = match look(&self.path) {
            Ok(found) => found,
            Err(error) => {
                if !self.is_blind {
                    let path = self.path.display();
                    tracing::error!("cannot know whether the kill file {path} is there: {error}");
                }
                self.is_blind = true;
                return;
            }
        };
        self.is_blind = false;
        let before = std::mem::replace(&mut self.last, found.clone());
        if found == Found::Nothing {
            (self.obeyed, self.not_before) = (None, None);
            return;
        }
        let is_same = before == found;
        // Whoever writes it may not be done: a line that has no end yet is looked at twice.
        if matches!(&found, Found::Text(text) if !text.ends_with('\n') && !is_same) {
            return;
        }
        if is_same && self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        self.not_before = Some(Instant::now() + AGAIN_AFTER);
        if self.obeyed.as_ref() != Some(&found) {
            if !self.obey(&found) {
                return;
            }
            self.obeyed = Some(found);
        }
        self.put_away();
    }

    /// Gives an obeyed file its new name.
    fn put_away(&mut self) {
        let done = done_path(&self.path, unix_now().0);
        match std::fs::rename(&self.path, &done) {
            Ok(()) => {
                tracing::warn!("the kill file is now {}", done.display());
                self.last = Found::Nothing;
                (self.obeyed, self.not_before) = (None, None);
            }
            Err(error) => {
                let path = self.path.display();
                tracing::error!(
                    "the kill file {path} was obeyed and cannot be renamed ({error}): remove it, or the next start obeys it again"
                );
            }
        }
    }

    /// Engages the switch that is asked for or, if that cannot be, the firm's; false if neither is known to have happened.
    fn obey(&mut self, found: &Found) -> bool {
        let path = self.path.display().to_string();
        let asked = match found {
            Found::Text(text) => KillFile::parse(text),
            Found::Unreadable(why) => {
                tracing::error!("the kill file {path} cannot be read ({why}): the firm is stopped");
                KillFile::firm(reason(&format!("kill file: {why}")))
            }
            Found::Nothing => return true,
        };
        let (mut scope, mut asked) = match asked.scope.scope(|symbol| self.instrument(symbol)) {
            Some(scope) => (scope, asked),
            None => {
                tracing::error!("nothing is known as {}: the firm is stopped", asked.scope);
                (Scope::FIRM, KillFile::firm(asked.reason))
            }
        };
        let mut outcome = self.engage(scope, &asked);
        if let Outcome::Refused(reject) = &outcome
            && scope != Scope::FIRM
        {
            tracing::error!("KILL {scope} was refused ({reject}): the firm is stopped");
            (scope, asked) = (Scope::FIRM, KillFile::firm(asked.reason));
            outcome = self.engage(scope, &asked);
        }
        told(&path, &asked, outcome)
    }

    /// Sends the command, by the way that nobody else uses, and waits for its answer.
    fn engage(&mut self, scope: Scope, asked: &KillFile) -> Outcome {
        if self.lane.is_closed() || !self.status.alive.load(Ordering::Acquire) {
            return Outcome::Unknown("the engine does not run");
        }
        let after = self.events.last();
        let request_id = self.next_request;
        self.next_request += 1;
        let kill = KillSwitch {
            mode: asked.mode.wire(),
            reason: asked.reason,
            ..KillSwitch::of(scope, true)
        };
        let record = CommandRecord::new(Command::KillSwitch(kill));
        let mut record = record.from_session(PrincipalId::OPERATOR, SessionId(0), request_id);
        record.ts_recv = unix_now();
        if self.lane.try_send(record).is_err() {
            return Outcome::Unknown("the engine takes nothing");
        }
        match self.answer(after, request_id) {
            Ok(Some(ack)) => match ack.reject() {
                Some(reject) => Outcome::Refused(reject),
                None => Outcome::Done(ack.value),
            },
            Ok(None) => Outcome::Unknown("the engine has not answered"),
            // The lane has it, and the engine lives: the log is not needed for it.
            Err(error) => Outcome::Taken(error),
        }
    }

    /// The answer to a request that was sent when the log had come to `after`.
    fn answer(&self, after: EventPosition, request_id: u64) -> Result<Option<Ack>, EventLogError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut cursor = self.events.cursor(after)?;
        while Instant::now() < deadline {
            let Some(event) = cursor.next()? else {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            };
            if (event.session, event.request_id) == (SessionId(0), request_id)
                && let Some(Event::Ack(ack)) = event.event()
            {
                return Ok(Some(ack));
            }
        }
        Ok(None)
    }

    /// The instrument that has a symbol, from the log. Definitions come early in it.
    fn instrument(&self, symbol: Symbol) -> Option<InstrumentId> {
        let deadline = Instant::now() + SEARCH_TIMEOUT;
        let mut cursor = self.events.cursor(EventPosition::default()).ok()?;
        while Instant::now() < deadline {
            let event = cursor.next().ok()??;
            if let Some(Event::Instrument(terms)) = event.event()
                && terms.symbol == symbol
            {
                return Some(event.instrument);
            }
        }
        None
    }

    /// Goes on looking, in a thread of its own.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(mut self) -> Result<KillThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("kill-file".into())
            .spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    self.look();
                    std::thread::park_timeout(LOOK_EVERY);
                }
            })
            .context("cannot start the thread of the kill file")?;
        Ok(KillThread { thread, stop })
    }
}

/// Tells what came of a request; true if it is in force.
fn told(path: &str, asked: &KillFile, outcome: Outcome) -> bool {
    let (scope, why) = (asked.scope, asked.reason.as_str());
    match outcome {
        Outcome::Done(canceled) => {
            tracing::warn!("KILL {scope} by {path} ({why}): {canceled} open orders canceled");
            true
        }
        Outcome::Taken(error) => {
            tracing::error!("KILL {scope} by {path} ({why}): taken by the engine, but {error}");
            true
        }
        Outcome::Refused(reject) => {
            tracing::error!("KILL {scope} by {path} was refused: {reject}");
            false
        }
        Outcome::Unknown(cause) => {
            tracing::error!("KILL {scope} by {path} ({why}): {cause}; it is tried again");
            false
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub struct KillThread {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl KillThread {
    /// Ends the thread.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the kill file stopped on a broken invariant");
        }
    }
}

/// Refuses a place for the file that nobody can make one in.
///
/// # Errors
/// If its folder is not there.
pub fn check_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let is_folder = folder.is_none_or(Path::is_dir);
    ensure!(is_folder, "risk.kill_file = {}: its folder is not there", path.display());
    Ok(())
}
