//! The way into the engine: one single-producer ring of commands per session.

use rtrb::{Consumer, Producer, PushError, RingBuffer};
use tidegate_model::CommandRecord;

/// Commands a lane holds: at the default rate limit of 1,000 a second, over a second of them.
pub const LANE_CAPACITY: usize = 1_024;

/// The sending end of one session's ring.
#[derive(Debug)]
pub struct CommandLane(Producer<CommandRecord>);

impl CommandLane {
    /// Hands `command` to the engine.
    ///
    /// # Errors
    /// Gives it back if [`LANE_CAPACITY`] commands wait already: the engine is held or gone.
    #[expect(clippy::result_large_err, reason = "the command is given back whole")]
    pub fn try_send(&mut self, command: CommandRecord) -> Result<(), CommandRecord> {
        self.0.push(command).map_err(|PushError::Full(command)| command)
    }

    /// Hands `commands` to the engine, one right after the other; false, and none of them, if there is no room for all.
    pub fn try_send_all(&mut self, commands: &[CommandRecord]) -> bool {
        let has_room = self.0.slots() >= commands.len();
        has_room && commands.iter().all(|command| self.0.push(*command).is_ok())
    }

    /// True once the engine has dropped its end.
    pub fn is_closed(&self) -> bool {
        self.0.is_abandoned()
    }
}

/// A lane's two ends.
pub fn lane() -> (CommandLane, Consumer<CommandRecord>) {
    let (producer, consumer) = RingBuffer::new(LANE_CAPACITY);
    (CommandLane(producer), consumer)
}
