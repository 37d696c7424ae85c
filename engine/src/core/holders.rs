//! What happens to all who hold an instrument: dividends, splits, settlement, the cost of borrowing. It happens to each of
//! them or, if one amount cannot be booked, to none.

use super::Core;
use super::orders::NOBODY;
use super::output::Publisher;
use bytemuck::Zeroable;
use tidegate_model::command::{CorporateAction, CorporateActionKind, SetBorrow, Settle};
use tidegate_model::event::{Event, Posting, PostingKind};
use tidegate_model::{AccountId, InstrumentId, Money, Reject, RejectReason, Ticks};
use tidegate_oms::{Action, Posted, Requester};

/// Lots that one lot may become, or be made of: beyond any split there was.
const SPLIT_MAX: u32 = 1_000_000;

impl Core {
    pub(super) fn corporate_action(
        &mut self,
        asked: CorporateAction,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let &CorporateAction { instrument, amount, price, numerator, denominator, .. } = &asked;
        self.check_instrument(instrument)?;
        let bad = |value: i128| Err(Reject::of(RejectReason::BadField, value));
        match CorporateActionKind::from_wire(asked.kind) {
            Some(CorporateActionKind::CashDividend) if amount <= Money::ZERO => bad(amount.0),
            Some(CorporateActionKind::CashDividend) => {
                let action = Action::Dividend(amount);
                self.act(instrument, action, PostingKind::Dividend, Ticks::ZERO, who, publisher)
            }
            Some(CorporateActionKind::Split) => {
                for part in [numerator, denominator] {
                    if !(1..=SPLIT_MAX).contains(&part) {
                        return bad(part.into());
                    }
                }
                let open = self.oms.open_orders(AccountId::NONE);
                let open = open.filter(|(_, order)| order.instrument == instrument).count();
                if open > 0 {
                    return Err(Reject::of(RejectReason::OpenOrders, open as i128));
                }
                let action = Action::Split { numerator, denominator, price };
                let kind = PostingKind::CashInLieu;
                let count = self.act(instrument, action, kind, price, who, publisher)?;
                // What was traded before was another lot.
                let listed = &mut self.listing[instrument];
                (listed.last_trade, listed.settlement) = (None, None);
                Ok(count)
            }
            None => bad(asked.kind.into()),
        }
    }

    pub(super) fn settle(
        &mut self,
        settle: Settle,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        let Settle { price, instrument, .. } = settle;
        let terms = &self.check_instrument(instrument)?.instrument;
        let mut count = 0;
        if terms.is_settled_daily() {
            let (action, kind) = (Action::Settle(price), PostingKind::Settlement);
            count = self.act(instrument, action, kind, price, who, publisher)?;
        }
        self.listing[instrument].settlement = Some(price);
        Ok(count)
    }

    pub(super) fn set_borrow(&mut self, set: SetBorrow) -> Result<u64, Reject> {
        self.check_instrument(set.instrument)?;
        self.oms.set_borrow(&set).map(|()| 0)
    }

    /// Charges those who are short for the days up to now.
    pub(super) fn charge_borrow(&mut self, publisher: &mut Publisher<'_>) -> Result<(), Reject> {
        let due: Vec<_> = self.oms.borrow_due(self.now, |id| self.mark(id)).collect();
        for (instrument, action) in &due {
            let terms = &self.listing[*instrument].instrument;
            self.oms.check_action(*instrument, terms, *action)?;
        }
        for (instrument, action) in due {
            let price = match action {
                Action::Borrow { price: Some(price), .. } => price,
                _ => Ticks::ZERO,
            };
            self.act_checked(instrument, action, PostingKind::Borrow, price, NOBODY, publisher);
        }
        self.oms.borrow_charged(self.now);
        Ok(())
    }

    fn act(
        &mut self,
        instrument: InstrumentId,
        action: Action,
        kind: PostingKind,
        price: Ticks,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> Result<u64, Reject> {
        self.oms.check_action(instrument, &self.listing[instrument].instrument, action)?;
        Ok(self.act_checked(instrument, action, kind, price, who, publisher))
    }

    /// Does it to each holder, and tells each: what moved cash, the position, the account.
    fn act_checked(
        &mut self,
        instrument: InstrumentId,
        action: Action,
        kind: PostingKind,
        price: Ticks,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) -> u64 {
        let Self { oms, risk, listing, .. } = self;
        risk.hold_on();
        let count = oms.act(instrument, &listing[instrument].instrument, action, |posted| {
            let &Posted { wallet, amount, qty, position, account: state, .. } = posted;
            let account = wallet.account();
            let mut tell = |event: Event| publisher.event(who, account, instrument, &event);
            if amount != Money::ZERO {
                let (currency, kind) = (state.currency, kind.wire());
                let posting = Posting { amount, currency, qty, price, kind, ..Posting::zeroed() };
                // What a settlement moves, the mark has told already.
                if !matches!(action, Action::Settle(_)) {
                    risk.posted(account, instrument, amount);
                }
                tell(Event::Posting(posting));
            }
            if matches!(action, Action::Split { .. } | Action::Settle(_)) {
                risk.position_changed(account, instrument, position.qty, position.cost);
                tell(Event::Position(position));
            }
            publisher.event(who, account, InstrumentId::NONE, &Event::Account(state));
        });
        if let Action::Split { numerator, denominator, .. } = action {
            self.risk.split(instrument, numerator, denominator);
        }
        self.risk.go_on();
        count
    }
}
