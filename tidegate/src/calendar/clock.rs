//! The thread that asks the engine for the phases of calendars, as an operator would: by commands that are journaled.
//!
//! It asks for every step with the time at which it was due. The engine passes over a step that the market has taken, or after
//! which it was told something else; so after a restart everything that may have been missed is asked for again, and a halt that an
//! operator ordered meanwhile stays.

use super::{Calendar, Day, Session, Step, Unknown};
use anyhow::{Context, Result};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_engine::lane::CommandLane;
use tidegate_engine::runtime::unix_now;
use tidegate_model::command::SetPhase;
use tidegate_model::{Command, CommandRecord, InstrumentId, PrincipalId, SessionId, UnixNanos};

/// Days without a session that a calendar may have: the longest holidays that an exchange had were ten.
const DAYS_MAX: i64 = 16;
/// How long the thread sleeps at most: a clock that is set is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// A calendar that ends within so many days is told of.
const WARN_DAYS: i16 = 1;

/// The steps of one calendar that are still to be asked for.
#[derive(Debug)]
struct Schedule {
    calendar: &'static Calendar,
    instruments: Vec<InstrumentId>,
    /// Those of the session under way, or of the one before if none is, and of the next ones.
    steps: VecDeque<Step>,
    /// Steps up to here were asked for.
    done: UnixNanos,
    /// The calendar knows nothing more.
    is_over: bool,
}

impl Schedule {
    fn new(calendar: &'static Calendar) -> Self {
        let (instruments, steps) = (Vec::new(), VecDeque::new());
        Self { calendar, instruments, steps, done: UnixNanos::ZERO, is_over: false }
    }

    /// Lists the steps that are not done, from the session that began last on.
    fn refill(&mut self, now: UnixNanos) -> Result<(), Unknown> {
        let today = self.calendar.date(now);
        let mut sessions: VecDeque<Session> = VecDeque::new();
        let mut unknown = None;
        for days in -DAYS_MAX..=DAYS_MAX {
            let date = today.saturating_add(jiff::ToSpan::days(days));
            match self.calendar.day(date) {
                Ok(Day::Session(session)) => {
                    if session.steps[0].at <= now {
                        sessions.clear();
                    }
                    sessions.push_back(session);
                }
                Ok(Day::Holiday | Day::Weekend) => {}
                Err(error) => unknown = Some(error),
            }
        }
        let steps = sessions.iter().flat_map(|session| &session.steps);
        self.steps = steps.filter(|step| step.at > self.done).copied().collect();
        match unknown {
            Some(error) if self.steps.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Sends what is due; when the next step is, or `None` if there is none.
    fn send_due(&mut self, now: UnixNanos, lane: &mut CommandLane) -> Option<UnixNanos> {
        if self.steps.is_empty()
            && !self.is_over
            && let Err(error) = self.refill(now)
        {
            self.is_over = true;
            tracing::error!("{error}: its markets stay in the phase that they are in");
        }
        while let Some(step) = self.steps.front().filter(|step| step.at <= now) {
            for &instrument in &self.instruments {
                let set = SetPhase { due_at: step.at, ..SetPhase::now(instrument, step.phase) };
                let record = CommandRecord::new(Command::SetPhase(set));
                let mut record = record.from_session(PrincipalId(0), SessionId(0), 0);
                record.ts_recv = now;
                if lane.try_send(record).is_err() {
                    // The engine has much to do; it is asked again, and passes over what it has done.
                    return Some(now);
                }
            }
            self.done = step.at;
            self.steps.pop_front();
        }
        self.steps.front().map(|step| step.at)
    }
}

/// The running thread.
#[derive(Debug)]
pub struct CalendarClock {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl CalendarClock {
    /// Starts to ask for the phases of the instruments' calendars; `None` if no instrument has one.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        followed: &[(InstrumentId, &'static Calendar)],
        mut lane: CommandLane,
    ) -> Result<Option<Self>> {
        let mut schedules: Vec<Schedule> = Vec::new();
        for &(instrument, calendar) in followed {
            let known = schedules.iter_mut().find(|known| known.calendar.code == calendar.code);
            match known {
                Some(schedule) => schedule.instruments.push(instrument),
                None => {
                    let mut schedule = Schedule::new(calendar);
                    schedule.instruments.push(instrument);
                    schedules.push(schedule);
                }
            }
        }
        if schedules.is_empty() {
            return Ok(None);
        }
        let year = |at: UnixNanos, calendar: &Calendar| calendar.date(at).year();
        for Schedule { calendar, .. } in &schedules {
            if year(unix_now(), calendar) + WARN_DAYS > calendar.years[1] {
                tracing::warn!(
                    "calendar {} ends with {}: a newer version of the program is needed",
                    calendar.code,
                    calendar.years[1]
                );
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("calendar".into())
            .spawn(move || {
                while !is_over.load(Ordering::Acquire) && !lane.is_closed() {
                    let now = unix_now();
                    let due = schedules.iter_mut().filter_map(|it| it.send_due(now, &mut lane));
                    let wait = due.min().map_or(SLEEP_MAX, |due| {
                        Duration::from_nanos(due.0.saturating_sub(now.0).max(1_000_000))
                    });
                    std::thread::park_timeout(wait.min(SLEEP_MAX));
                }
            })
            .context("cannot start the thread of the calendars")?;
        Ok(Some(Self { thread, stop }))
    }

    /// Ends the thread.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the thread of the calendars stopped on a broken invariant");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::find;
    use crate::time_text::moment;
    use tidegate_engine::lane::lane;
    use tidegate_model::command::Phase;

    /// What the thread asks for at each of these moments, one look after the other.
    fn asked(code: &str, moments: &[&str]) -> Vec<Vec<&'static str>> {
        let mut schedule = Schedule::new(find(code).expect("a calendar"));
        schedule.instruments.push(InstrumentId(3));
        let (mut lane, mut engine) = lane();
        let look = |text: &&str| {
            schedule.send_due(moment(text).expect("a moment"), &mut lane);
            let mut phases = Vec::new();
            while let Ok(record) = engine.pop() {
                let Some(Command::SetPhase(set)) = record.command() else { panic!("{record:?}") };
                assert!(set.instrument == InstrumentId(3) && set.due_at <= record.ts_recv);
                phases.push(Phase::from_wire(set.phase).expect("a phase").as_str());
            }
            phases
        };
        moments.iter().map(look).collect()
    }

    #[test]
    fn every_step_is_asked_for_once_and_the_session_under_way_is_made_up_for() {
        // Started in the middle of a session; then through its close, a night and a weekend.
        let moments = [
            "2026-11-20T15:00:00Z",
            "2026-11-20T20:59:59Z",
            "2026-11-20T21:00:00Z",
            "2026-11-20T21:00:01Z",
            "2026-11-22T12:00:00Z",
            "2026-11-23T14:30:00Z",
        ];
        let expected: [&[&str]; 6] = [
            &["pre_open", "continuous"],
            &[],
            &["close_auction"],
            &["closed"],
            &[],
            &["pre_open", "continuous"],
        ];
        assert_eq!(asked("XNYS", &moments), expected);
    }

    #[test]
    fn a_start_between_sessions_makes_up_for_the_last_one() {
        let all: &[&str] = &["pre_open", "continuous", "close_auction", "closed"];
        // On a Sunday; and at the end of the holidays at the turn of the year.
        assert_eq!(asked("XNYS", &["2026-11-22T12:00:00Z"]), [all]);
        let tokyo = ["pre_open", "continuous", "halt", "continuous", "close_auction", "closed"];
        assert_eq!(asked("XTKS", &["2026-01-04T12:00:00Z"]), [tokyo]);
        assert_eq!(asked("24x7", &["2026-01-04T12:00:00Z"]), [["continuous"]]);
    }

    #[test]
    fn past_its_years_a_calendar_asks_for_nothing() {
        assert_eq!(asked("XNYS", &["2030-01-04T12:00:00Z"]), [[""; 0]]);
        // The last session that it knows is made up for, and then it is over.
        let closed: &[&str] = &["pre_open", "continuous", "close_auction", "closed"];
        let found = asked("XNYS", &["2028-01-03T15:00:00Z", "2028-01-04T15:00:00Z"]);
        assert_eq!(found, [closed, &[]]);
    }
}
