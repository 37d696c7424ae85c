//! Administration: instruments, limits, kill switches. Each is a journaled command.

use super::output::{Output, Publisher};
use super::{Core, ack};
use tidegate_model::command::{
    CommandKind, Configure, KillSwitch, SetFillModel, SetImpact, SetLimits, SetTickTable,
};
use tidegate_model::event::{CancelReason, Event};
use tidegate_model::units::NANO;
use tidegate_model::{AccountId, Instrument, InstrumentId, Lots, Reject, RejectReason};
use tidegate_oms::Requester;

impl Core {
    /// Lists an instrument everywhere; its id.
    pub(super) fn define<O: Output>(
        &mut self,
        terms: Instrument,
        who: Requester,
        publisher: &mut Publisher<'_, O>,
    ) -> Result<u64, Reject> {
        let defined = self.listing.define(terms)?;
        if defined.is_new {
            let terms = self.listing[defined.id].instrument;
            // Refusing now would leave it half listed.
            let checked = "the listing checks the id and the order tick";
            self.books.define(defined.id, terms.order_tick).expect(checked);
            self.risk.define_instrument(defined.id).expect(checked);
            let unit = (NANO / terms.lot_size_nano).max(1);
            self.paper.define_instrument(Lots(unit as u64));
            self.waiting.define_instrument();
            self.internal.define_instrument(defined.id, &terms);
            if terms.is_routed() {
                self.routes.define_instrument(defined.id);
            }
            publisher.event(who, AccountId::NONE, defined.id, &Event::Instrument(terms));
        }
        Ok(defined.id.0.into())
    }

    pub(super) fn set_tick_table<O: Output>(
        &mut self,
        set: SetTickTable,
        who: Requester,
        publisher: &mut Publisher<'_, O>,
    ) -> Result<u64, Reject> {
        self.listing.set_tick_table(&set)?;
        publisher.event(who, AccountId::NONE, set.instrument, &Event::TickTable(set));
        Ok(set.count.into())
    }

    pub(super) fn set_limits<O: Output>(
        &mut self,
        limits: SetLimits,
        who: Requester,
        publisher: &mut Publisher<'_, O>,
    ) -> Result<u64, Reject> {
        self.risk.set_limits(&limits)?;
        publisher.event(who, limits.account, InstrumentId::NONE, &Event::Limits(limits));
        Ok(0)
    }

    /// Blocks, or lets again, every new order in scope; engaging it cancels what is open there.
    pub(super) fn kill_switch<O: Output>(
        &mut self,
        kill: KillSwitch,
        who: Requester,
        publisher: &mut Publisher<'_, O>,
    ) {
        let engaged = kill.engaged != 0;
        let done = match self.risk.kill(kill.account, engaged) {
            Ok(()) if engaged => {
                Ok(self.cancel_where(kill.account, CancelReason::KillSwitch, publisher, |_| true))
            }
            Ok(()) => Ok(0),
            Err(reject) => Err(reject),
        };
        let kind = CommandKind::KillSwitch.wire();
        if done.is_ok() {
            let told = KillSwitch { scope: kill.whom(), ..kill };
            publisher.event(who, kill.account, InstrumentId::NONE, &Event::KillSwitch(told));
        }
        publisher.event(who, kill.account, InstrumentId::NONE, &Event::Ack(ack(kind, done)));
    }

    /// Takes over what may change while the engine runs: the latency of the paper venue, of which only the
    /// entry is said here. Sizes are fixed.
    pub(super) fn configure(&mut self, configure: Configure) -> Result<u64, Reject> {
        let same_sizes = configure.orders_max == self.configure.orders_max
            && configure.book_orders_max == self.configure.book_orders_max;
        if !same_sizes {
            let limit = self.configure.orders_max.into();
            return Err(Reject::new(
                RejectReason::CapacityExceeded,
                limit,
                configure.orders_max.into(),
            ));
        }
        self.configure = configure;
        self.paper.latency_mut().reset(configure.paper_latency_ns);
        Ok(0)
    }

    /// Sets how resting orders of an instrument are filled on paper; the [`tidegate_model::command::FillModelKind`] that holds now.
    pub(super) fn set_fill_model(&mut self, set: SetFillModel) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::UnknownInstrument, set.instrument.0.into());
        self.listing.get(set.instrument).ok_or(unknown)?;
        self.paper.set_fill_model(set).map(|kind| kind.wire().into())
    }

    /// Sets what our taking does to the price of an instrument on paper.
    pub(super) fn set_impact(&mut self, set: SetImpact) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::UnknownInstrument, set.instrument.0.into());
        self.listing.get(set.instrument).ok_or(unknown)?;
        self.paper.set_impact(set).map(|()| 0)
    }
}
