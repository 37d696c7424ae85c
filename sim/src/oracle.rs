//! What clients have seen, and whether it is still true: every event that left stays in every later log, at its place.

use anyhow::{Context, Result, ensure};
use tidegate_engine::core::Core;
use tidegate_engine::event_log::{EventLog, EventPosition};
use tidegate_model::{AccountId, EventRecord, SeqNo};

use crate::load;

/// What left, in order.
#[derive(Debug, Default)]
pub struct Oracle {
    seen: Vec<EventRecord>,
}

impl Oracle {
    /// How many events were seen.
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// The last input that clients know of.
    pub fn last(&self) -> SeqNo {
        self.seen.last().map_or(SeqNo::ZERO, |event| event.seq)
    }

    /// Reads what a log has beyond what was seen. What was seen must be there.
    ///
    /// # Errors
    /// The first event that is gone or has changed.
    pub fn read_on(&mut self, log: &EventLog) -> Result<usize> {
        let after = self.seen.last().map(EventPosition::of).unwrap_or_default();
        let mut cursor = log.cursor(after).context("a cursor after what was seen")?;
        let mut count = 0;
        while let Some(event) = cursor.next()? {
            self.seen.push(event);
            count += 1;
        }
        Ok(count)
    }

    /// Compares everything in `log` with what was seen before. With `must_have_all`, all of that must be there.
    ///
    /// # Errors
    /// The first event that is gone or has changed.
    pub fn compare(&self, log: &EventLog, must_have_all: bool) -> Result<()> {
        let mut cursor = log.cursor(EventPosition::default())?;
        for (at, seen) in self.seen.iter().enumerate() {
            match cursor.next()? {
                Some(event) => ensure!(
                    event == *seen,
                    "event {at} was seen as {:?} of input {}, and is {:?} of input {} now",
                    seen.event(),
                    seen.seq,
                    event.event(),
                    event.seq
                ),
                None => {
                    ensure!(
                        !must_have_all,
                        "{} events were seen, up to input {}; only {at} are there",
                        self.seen.len(),
                        self.last()
                    );
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Forgets everything from the first event on that `log` does not have at its place: an operator decided so.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn forget_what_differs(&mut self, log: &EventLog) -> Result<()> {
        let mut cursor = log.cursor(EventPosition::default())?;
        let mut same = 0;
        let mut read = Ok(());
        while same < self.seen.len() {
            match cursor.next() {
                Ok(Some(event)) if event == self.seen[same] => same += 1,
                Ok(_) => break,
                Err(error) => {
                    read = Err(error.into());
                    break;
                }
            }
        }
        self.seen.truncate(same);
        read
    }

    /// Forgets what clients saw of inputs above `seq`: what they were told at the `process` level goes with the power.
    pub fn forget_above(&mut self, seq: SeqNo) {
        self.seen.retain(|event| event.seq <= seq);
    }
}

/// Money is neither made nor lost: what one account pays another gets, and what the paper venue takes is in positions at cost.
///
/// # Errors
/// The account and what is wrong with it.
pub fn check_money(core: &Core) -> Result<()> {
    for (id, account) in core.oms().accounts() {
        if id == AccountId::NONE {
            continue;
        }
        let at_cost = core.oms().equity_at_cost(id);
        let came = account.deposits.0 + account.realised.0 - account.fees.0;
        ensure!(at_cost.0 == came, "account {id}: {at_cost} at cost, {came} came in");
        ensure!(account.deposits.0 <= load::DEPOSIT, "account {id} was paid into twice");
    }
    Ok(())
}
