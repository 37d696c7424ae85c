//! The rings into the engine: one for kill switches that are engaged, one for all other unary calls, the others lent to order
//! sessions.

use crate::error::Refusal;
use crate::link::CommandLane;
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidegate_model::CommandRecord;

/// How often a full lane is tried again where a command must not be lost.
const RETRY_EVERY: Duration = Duration::from_millis(1);
/// How long it is tried: an engine that took nothing for this long is gone.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// All lanes of an edge.
#[derive(Debug)]
pub(crate) struct Lanes {
    kill: Mutex<CommandLane>,
    unary: Mutex<CommandLane>,
    free: Arc<Mutex<Vec<CommandLane>>>,
    sessions_max: usize,
}

/// A lane lent to one session; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct LentLane {
    lane: Option<CommandLane>,
    home: Arc<Mutex<Vec<CommandLane>>>,
}

fn is_full() -> Refusal {
    Refusal::exhausted(
        "the engine is not taking commands: the ring that this goes through is full; the request was not sent",
    )
}

impl Lanes {
    /// A lane for what stops trading, one for all other unary calls, and those of sessions.
    pub fn new(kill: CommandLane, unary: CommandLane, sessions: Vec<CommandLane>) -> Self {
        let sessions_max = sessions.len();
        let free = Arc::new(Mutex::new(sessions));
        Self { kill: Mutex::new(kill), unary: Mutex::new(unary), free, sessions_max }
    }

    /// Sends what stops trading, by the way that no other command can fill.
    pub fn send_kill(&self, command: CommandRecord) -> Result<(), Refusal> {
        lock(&self.kill).try_send(command).map_err(|_| is_full())
    }

    /// Sends a unary call's commands, none of another call between them.
    pub fn send(&self, commands: &[CommandRecord]) -> Result<(), Refusal> {
        if lock(&self.unary).try_send_all(commands) { Ok(()) } else { Err(is_full()) }
    }

    /// Lends a lane to a session.
    pub fn lend(&self) -> Result<LentLane, Refusal> {
        let lane = lock(&self.free).pop().ok_or_else(|| {
            Refusal::exhausted(format_args!(
                "all {} order sessions are taken (sessions_max, one command lane each); close one or use the unary calls",
                self.sessions_max
            ))
        })?;
        Ok(LentLane { lane: Some(lane), home: Arc::clone(&self.free) })
    }

    /// Sessions that may be open at one time.
    pub fn sessions_max(&self) -> usize {
        self.sessions_max
    }

    /// Sessions open now.
    pub fn sessions_open(&self) -> usize {
        self.sessions_max - lock(&self.free).len()
    }
}

impl LentLane {
    /// Sends a command of the session.
    pub fn send(&mut self, command: CommandRecord) -> Result<(), Refusal> {
        match &mut self.lane {
            Some(lane) => lane.try_send(command).map_err(|_| is_full()),
            None => Err(is_full()),
        }
    }

    /// Sends commands of the session that belong together.
    pub fn send_all(&mut self, commands: &[CommandRecord]) -> Result<(), Refusal> {
        match &mut self.lane {
            Some(lane) => lane.try_send_all(commands).then_some(()).ok_or_else(is_full),
            None => Err(is_full()),
        }
    }

    /// Sends a command that must arrive, however long the engine is held; false if it is gone.
    pub async fn send_surely(&mut self, command: CommandRecord) -> bool {
        let until = tokio::time::Instant::now() + RETRY_FOR;
        while self.send(command).is_err() {
            let is_gone = self.lane.as_ref().is_none_or(CommandLane::is_closed);
            if is_gone || tokio::time::Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
        true
    }
}

impl Drop for LentLane {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lock(&self.home).push(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_engine::lane::{LANE_CAPACITY, lane};
    use tidegate_model::Command;

    #[test]
    fn lanes_are_lent_once_and_come_back() {
        let (unary, _unary_end) = lane();
        let (session, mut end) = lane();
        let lanes = Lanes::new(lane().0, unary, vec![session]);
        let mut lent = lanes.lend().expect("a free lane");
        assert_eq!((lanes.sessions_open(), lanes.sessions_max()), (1, 1));
        let refusal = lanes.lend().expect_err("none is left");
        assert!(refusal.text.contains("all 1 order sessions are taken"), "{}", refusal.text);
        assert!(lent.send(CommandRecord::new(Command::Time)).is_ok());
        assert!(end.pop().is_ok());
        drop(lent);
        assert!(lanes.lend().is_ok());
    }

    #[test]
    fn a_full_lane_is_a_refusal() {
        let (unary, _end) = lane();
        let (kill, mut kills) = lane();
        let lanes = Lanes::new(kill, unary, Vec::new());
        let time = CommandRecord::new(Command::Time);
        for _ in 0..LANE_CAPACITY / 2 {
            assert!(lanes.send(&[time; 2]).is_ok());
        }
        assert!(lanes.send(&[time]).is_err());
        assert!(lanes.send_kill(time).is_ok(), "it has a way of its own");
        assert!(kills.pop().is_ok());
    }
}
