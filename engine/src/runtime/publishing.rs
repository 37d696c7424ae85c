//! Outputs on their way out.

use super::{Outputs, Strategy};
use crate::core::output::Output;
use crate::event_log::EventPosition;
use tidegate_model::event::FLAG_LAST_OF_INPUT;
use tidegate_model::{EventRecord, PublicUpdate, RoutedRequest, SeqNo};

/// Sends outputs on their way.
pub(super) struct Publishing<'s, S> {
    pub(super) outputs: Outputs,
    pub(super) strategy: &'s mut S,
    /// Events up to here are in the event log already (recovery).
    pub(super) logged: EventPosition,
    /// The latest event, which waits to hear whether it is its input's last.
    pub(super) latest: Option<EventRecord>,
    /// False during recovery: what left before the restart never leaves again.
    pub(super) is_live: bool,
}

impl<S> Publishing<'_, S> {
    /// Hands the latest event to the event log. The one thing that may hold the engine: events are never dropped.
    #[inline]
    fn send_latest(&mut self) {
        let Some(latest) = self.latest.take() else { return };
        while let Err(rtrb::PushError::Full(_)) = self.outputs.events.push(latest) {
            if self.outputs.events.is_abandoned() {
                // The thread's loop sees it as well, and ends.
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl<S: Strategy> Output for Publishing<'_, S> {
    #[inline]
    fn event(&mut self, event: &EventRecord) {
        self.strategy.on_event(event);
        if (event.seq, event.ordinal) <= (self.logged.seq, self.logged.ordinal) {
            return;
        }
        self.send_latest();
        self.latest = Some(*event);
    }

    #[inline]
    fn public(&mut self, update: &PublicUpdate) {
        self.outputs.public.publish(update);
    }

    fn routed(&mut self, request: &RoutedRequest) {
        if !self.is_live {
            return;
        }
        if let Some(ring) = self.outputs.routes.get_mut(usize::from(request.route)) {
            // Full only of an adapter that stands still: it finds the gap in the numbers, and reconciles.
            let _ = ring.push(*request);
        }
    }

    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {
        if let Some(last) = &mut self.latest {
            last.flags |= FLAG_LAST_OF_INPUT;
            self.send_latest();
        }
    }
}
