//! Administration: instruments, configuration. Each is a journaled command.

use super::Core;
use super::output::Publisher;
use tidegate_model::command::{Configure, SetFillModel, SetImpact, SetTickTable};
use tidegate_model::event::Event;
use tidegate_model::ids::Code;
use tidegate_model::units::NANO;
use tidegate_model::{AccountId, Instrument, Lots, Reject, RejectReason};
use tidegate_oms::Requester;

impl Core {
    /// Lists an instrument everywhere; its id.
    pub(super) fn define(
        &mut self,
        terms: Instrument,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let defined = self.listing.define(terms)?;
        if defined.is_new {
            let terms = self.listing[defined.id].instrument;
            // Refusing now would leave it half listed.
            let checked = "the listing checks the id and the order tick";
            self.books.define(defined.id, terms.order_tick).expect(checked);
            let (oms, firm) = (&self.oms, self.firm_currency());
            let rate = |currency| oms.rate(currency, firm);
            self.risk.define_instrument(defined.id, &terms, &rate).expect(checked);
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

    pub(super) fn set_tick_table(
        &mut self,
        set: SetTickTable,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.listing.set_tick_table(&set)?;
        publisher.event(who, AccountId::NONE, set.instrument, &Event::TickTable(set));
        Ok(set.count.into())
    }

    /// The currency that the firm's sums are counted in.
    pub(super) fn firm_currency(&self) -> Code {
        match self.configure.currency {
            Code::EMPTY => Code(*b"USD\0\0\0\0\0"),
            currency => currency,
        }
    }

    /// Rates or the firm's currency have changed: what instruments are worth in it is counted anew.
    pub(super) fn count_in_firm_currency(&mut self) {
        let (oms, firm) = (&self.oms, self.firm_currency());
        self.risk.set_rates(&|currency| oms.rate(currency, firm));
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
        let is_other = configure.currency != self.configure.currency;
        self.configure = configure;
        if is_other {
            self.count_in_firm_currency();
        }
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
