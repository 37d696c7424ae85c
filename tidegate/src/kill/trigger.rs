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
use tracing::Level;

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
/// Notes that may wait for a log that is not read.
const NOTES_MAX: usize = 64;
/// How long the end waits for them.
const FINISH_TIMEOUT: Duration = Duration::from_millis(200);
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
    teller: Teller,
}

/// Logs in threads of their own: a log that nobody reads, such as a pipe that is full, must hold no kill.
#[derive(Debug, Default)]
struct Teller {
    waiting: Vec<(Level, String)>,
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// What is said more than is read is lost; the journal has every kill.
    fn say(&mut self, level: Level, text: String) {
        if self.waiting.len() < NOTES_MAX {
            self.waiting.push((level, text));
        }
    }

    fn error(&mut self, text: String) {
        self.say(Level::ERROR, text);
    }

    /// Logs what was said, unless what was said before is still not read.
    fn flush(&mut self) {
        if self.waiting.is_empty() || !self.is_read() {
            return;
        }
        let notes = std::mem::take(&mut self.waiting);
        let log = move || {
            for (level, text) in notes {
                match level {
                    Level::ERROR => tracing::error!("{text}"),
                    _ => tracing::warn!("{text}"),
                }
            }
        };
        self.thread = std::thread::Builder::new().name("kill-log".into()).spawn(log).ok();
    }

    fn is_read(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Gives what was said a moment to be read.
    fn finish(&mut self) {
        let deadline = Instant::now() + FINISH_TIMEOUT;
        loop {
            self.flush();
            if self.is_read() && self.waiting.is_empty() || Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
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
            teller: Teller::default(),
        }
    }

    /// Obeys a file that is there already.
    ///
    /// # Errors
    /// If it is there, or may be, and could not be obeyed: such a server must not serve.
    pub fn at_start(&mut self) -> Result<()> {
        for _ in 0..LOOKS_AT_START {
            self.look();
            self.teller.finish();
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
                    let text =
                        format!("cannot know whether the kill file {path} is there: {error}");
                    self.teller.error(text);
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
                self.teller.say(Level::WARN, format!("the kill file is now {}", done.display()));
                self.last = Found::Nothing;
                (self.obeyed, self.not_before) = (None, None);
            }
            Err(error) => {
                let path = self.path.display();
                let text = format!(
                    "the kill file {path} was obeyed and cannot be renamed ({error}): remove it, or the next start obeys it again"
                );
                self.teller.error(text);
            }
        }
    }

    /// Engages the switch that is asked for or, if that cannot be, the firm's; false if neither is known to have happened.
    fn obey(&mut self, found: &Found) -> bool {
        let path = self.path.display().to_string();
        let asked = match found {
            Found::Text(text) => KillFile::parse(text),
            Found::Unreadable(why) => {
                let text =
                    format!("the kill file {path} cannot be read ({why}): the firm is stopped");
                self.teller.error(text);
                KillFile::firm(reason(&format!("kill file: {why}")))
            }
            Found::Nothing => return true,
        };
        let (mut scope, mut asked) = match asked.scope.scope(|symbol| self.instrument(symbol)) {
            Some(scope) => (scope, asked),
            None => {
                let text = format!("nothing is known as {}: the firm is stopped", asked.scope);
                self.teller.error(text);
                (Scope::FIRM, KillFile::firm(asked.reason))
            }
        };
        let mut outcome = self.engage(scope, &asked);
        if let Outcome::Refused(reject) = &outcome
            && scope != Scope::FIRM
        {
            let text = format!("KILL {scope} was refused ({reject}): the firm is stopped");
            self.teller.error(text);
            (scope, asked) = (Scope::FIRM, KillFile::firm(asked.reason));
            outcome = self.engage(scope, &asked);
        }
        let (is_done, level, text) = told(&path, &asked, outcome);
        self.teller.say(level, text);
        is_done
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
                    self.teller.flush();
                    std::thread::park_timeout(LOOK_EVERY);
                }
                self.teller.finish();
            })
            .context("cannot start the thread of the kill file")?;
        Ok(KillThread { thread, stop })
    }
}

/// True if a request is in force, and what to say of it.
fn told(path: &str, asked: &KillFile, outcome: Outcome) -> (bool, Level, String) {
    let (scope, why) = (asked.scope, asked.reason.as_str());
    match outcome {
        Outcome::Done(canceled) => {
            let text = format!("KILL {scope} by {path} ({why}): {canceled} open orders canceled");
            (true, Level::WARN, text)
        }
        Outcome::Taken(error) => {
            let text = format!("KILL {scope} by {path} ({why}): taken by the engine, but {error}");
            (true, Level::ERROR, text)
        }
        Outcome::Refused(reject) => {
            (false, Level::ERROR, format!("KILL {scope} by {path} was refused: {reject}"))
        }
        Outcome::Unknown(cause) => {
            let text = format!("KILL {scope} by {path} ({why}): {cause}; it is tried again");
            (false, Level::ERROR, text)
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
