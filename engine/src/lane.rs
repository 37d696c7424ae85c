//! The way into the engine: one single-producer ring of commands per session.

use crate::runtime::EngineStatus;
use rtrb::{Consumer, Producer, PushError, RingBuffer};
use std::sync::Arc;
use tidegate_model::CommandRecord;

/// Commands a lane holds: at the default rate limit of 1,000 a second, over a second of them.
pub const LANE_CAPACITY: usize = 1_024;

/// The sending end of one session's ring.
#[derive(Debug)]
pub struct CommandLane {
    ring: Producer<CommandRecord>,
    engine: Option<Arc<EngineStatus>>,
}

impl CommandLane {
    /// Hands `command` to the engine.
    ///
    /// # Errors
    /// Gives it back if [`LANE_CAPACITY`] commands wait already: the engine is held or gone.
    #[expect(clippy::result_large_err, reason = "the command is given back whole")]
    pub fn try_send(&mut self, command: CommandRecord) -> Result<(), CommandRecord> {
        self.ring.push(command).map_err(|PushError::Full(command)| command)?;
        self.wake();
        Ok(())
    }

    /// Hands `commands` to the engine, one right after the other; false, and none of them, if there is no room for all.
    pub fn try_send_all(&mut self, commands: &[CommandRecord]) -> bool {
        let has_room = self.ring.slots() >= commands.len();
        let is_sent = has_room && commands.iter().all(|command| self.ring.push(*command).is_ok());
        self.wake();
        is_sent
    }

    /// From now on the engine of this status is woken for what is sent, should it sleep.
    pub fn wakes(&mut self, engine: &Arc<EngineStatus>) {
        self.engine = Some(Arc::clone(engine));
    }

    #[inline]
    fn wake(&self) {
        if let Some(engine) = &self.engine {
            engine.bell.ring();
        }
    }

    /// True once the engine has dropped its end.
    pub fn is_closed(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// A lane's two ends.
pub fn lane() -> (CommandLane, Consumer<CommandRecord>) {
    let (ring, consumer) = RingBuffer::new(LANE_CAPACITY);
    (CommandLane { ring, engine: None }, consumer)
}
