//! The controls of every scope that an order belongs to.
//!
//! An order belongs to the firm, its account, its instrument, its strategy and its principal, and to the group of each of
//! these: a [`Chain`] of at most nine scopes. What an order would make of the sums of a scope depends on whose sums they are:
//! those of a strategy count what the strategy has, whichever accounts it trades for. So each link of the chain names a
//! [`Holder`], and what the order changes is reckoned once for each holder.

use crate::collar::Collar;
use crate::control::Control;
use crate::exposure::{OrderExposure, PairExposure};
use crate::gate::{Held, OrderContext, Pair, Question, Risk};
use crate::judge::Judge;
use crate::scopes::{ScopeRecord, ScopeSlot, Scopes, Totals};
use crate::stake::{Contribution, Stake, Traded};
use crate::terms::Terms;
use tidegate_model::command::{ControlKind, KillMode, NO_LIMIT, ReferenceKind};
use tidegate_model::{
    AccountId, InstrumentId, Lots, Money, PrincipalId, Reject, RejectReason, Scope, ScopeKind,
    Side, StrategyId, Ticks, UnixNanos,
};

/// Basis points in the whole.
pub(crate) const BP_PER_UNIT: i128 = 10_000;
/// How far back an order's quantity weighs in the average: the last one weighs a sixteenth.
const AVERAGE_SHIFT: u32 = 4;

/// Whose positions and orders a scope counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The account's: also for the firm, the instrument and groups of either.
    Account = 0,
    /// The strategy's.
    Strategy = 1,
    /// The principal's.
    Principal = 2,
}

/// Whose an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The account that it trades for.
    pub account: AccountId,
    /// What it trades.
    pub instrument: InstrumentId,
    /// The strategy that it belongs to.
    pub strategy: StrategyId,
    /// Who entered it.
    pub principal: PrincipalId,
}

/// One scope of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub slot: ScopeSlot,
    pub holder: Holder,
    /// Its profit and loss follows each price: it is the firm, an instrument or a group of instruments.
    pub is_marked: bool,
}

/// Scopes of one order at most: four and their groups, and the firm.
const LINKS_MAX: usize = 9;

/// The scopes that an order belongs to, the firm first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    links: [Link; LINKS_MAX],
    len: usize,
}

impl Chain {
    const FIRM: Link = Link { slot: ScopeSlot::FIRM, holder: Holder::Account, is_marked: true };
    const NONE: Self = Self { links: [Self::FIRM; LINKS_MAX], len: 0 };
    /// The firm alone.
    const BEGUN: Self = Self { len: 1, ..Self::NONE };

    #[inline]
    pub fn links(&self) -> &[Link] {
        &self.links[..self.len]
    }

    /// A scope, if it has a record, and its group.
    #[inline]
    fn push(&mut self, scopes: &Scopes, kind: ScopeKind, id: u32, holder: Holder) {
        let slot = scopes.slot(kind, id);
        if slot == ScopeSlot::FIRM {
            return;
        }
        let is_marked = kind == ScopeKind::Instrument;
        for slot in [slot, scopes.get(slot).group] {
            if slot != ScopeSlot::FIRM {
                self.links[self.len] = Link { slot, holder, is_marked };
                self.len += 1;
            }
        }
    }
}

/// What the controls of scopes need to know of an order.
pub(crate) struct Asked<'a> {
    pub question: &'a Question<'a>,
    pub context: &'a OrderContext<'a>,
    pub traded: &'a Traded,
    /// What it, or the other orders of which only one can execute, ties up already.
    pub removed: Option<&'a OrderExposure>,
    /// What it would tie up.
    pub added: &'a OrderExposure,
    /// The account's pair with it.
    pub after: PairExposure,
    /// Its notional in the account's base currency.
    pub in_base: Money,
}

/// What an order would change for one holder.
#[derive(Clone, Copy, Default)]
struct Change {
    after: PairExposure,
    /// What it adds to sums, before and then.
    before: Contribution,
    then: Contribution,
    /// With every order of its side executed the holder's position is still not past zero.
    reduces: bool,
    is_cut: bool,
}

/// What one control says.
type Says = Option<(RejectReason, i128, i128, bool)>;

impl Risk {
    /// The scopes that an order of these belongs to.
    #[inline(always)]
    pub(crate) fn chain(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        strategy: StrategyId,
        principal: PrincipalId,
    ) -> Chain {
        let mut chain = self.chain_of_account(account, instrument);
        chain.push(&self.scopes, ScopeKind::Strategy, strategy.0.into(), Holder::Strategy);
        chain.push(&self.scopes, ScopeKind::Principal, principal.0, Holder::Principal);
        chain
    }

    /// Those of them that count accounts.
    #[inline(always)]
    pub(crate) fn chain_of_account(&self, account: AccountId, instrument: InstrumentId) -> Chain {
        let mut chain = Chain::BEGUN;
        chain.push(&self.scopes, ScopeKind::Account, account.0, Holder::Account);
        chain.push(&self.scopes, ScopeKind::Instrument, instrument.0, Holder::Account);
        chain
    }

    /// The scopes that count a strategy (0) or a principal (1).
    pub(crate) fn chain_of_held(&self, at: usize, holder: u32) -> Chain {
        let mut chain = Chain::NONE;
        match at {
            0 => chain.push(&self.scopes, ScopeKind::Strategy, holder, Holder::Strategy),
            _ => chain.push(&self.scopes, ScopeKind::Principal, holder, Holder::Principal),
        }
        chain
    }

    /// Which holders' stakes an order of these counts for, by [`Holder`]; the account's always does.
    #[inline]
    pub(crate) const fn holders(strategy: StrategyId, principal: PrincipalId) -> [Option<u32>; 2] {
        let by_strategy = if strategy.0 == 0 { None } else { Some(strategy.0 as u32) };
        let is_known = principal.0 != 0 && principal.index() < PrincipalId::COUNT_MAX;
        [by_strategy, if is_known { Some(principal.0) } else { None }]
    }

    /// Lets a message pass if every scope that has a rate has a token.
    pub(crate) fn check_tokens(&mut self, now: UnixNanos, chain: &Chain) -> Result<(), Reject> {
        for link in chain.links() {
            let record = self.scopes.get(link.slot);
            if record.has(ControlKind::MessageRate) && record.bucket.tokens_at(now) == 0 {
                let reject =
                    Reject::new(RejectReason::MessageRate, record.bucket.per_sec().into(), 0);
                let reject = reject.by(record.kind());
                return Err(reject);
            }
        }
        Ok(())
    }

    /// Takes a message token of every scope that has a rate.
    pub(crate) fn take_tokens(&mut self, now: UnixNanos, chain: &Chain) {
        for link in chain.links() {
            let record = self.scopes.get_mut(link.slot);
            if record.has(ControlKind::MessageRate) {
                let is_taken = record.bucket.take(now);
                assert!(is_taken, "asked before");
            }
        }
    }

    /// What the message rates would say, without taking a token.
    pub(crate) fn explain_rate(
        &self,
        now: UnixNanos,
        account: AccountId,
        chain: &Chain,
        judge: &mut impl Judge,
    ) -> Result<(), Reject> {
        let own = &self.accounts[account.index()].bucket;
        let scopes = chain.links().iter().map(|link| self.scopes.get(link.slot));
        let scopes = scopes.filter(|record| record.has(ControlKind::MessageRate));
        let scopes = scopes.map(|record| (Some(record.scope), &record.bucket));
        for (scope, bucket) in [(None, own)].into_iter().chain(scopes) {
            let (limit, tokens) = (bucket.per_sec(), bucket.tokens_at(now));
            judge.hear(
                scope,
                RejectReason::MessageRate,
                limit.into(),
                tokens.into(),
                tokens > 0,
            )?;
        }
        Ok(())
    }

    /// Asks the controls of every scope of the order.
    #[inline]
    pub(crate) fn ask_scopes<J: Judge>(
        &self,
        asked: &Asked<'_>,
        judge: &mut J,
    ) -> Result<(), Reject> {
        let links = asked.question.chain.links();
        let records = links.iter().map(|link| (self.scopes.get(link.slot), link.holder));
        let is_idle = |record: &ScopeRecord| record.kinds == 0 && !record.may_stop();
        self.check_helds(asked)?;
        if records.clone().all(|(record, _)| is_idle(record)) {
            return Ok(());
        }
        let mut changes = [const { None }; 3];
        let mut needs_approval = None;
        for (record, holder) in records {
            if is_idle(record) {
                continue;
            }
            let change = match &mut changes[holder as usize] {
                Some(change) => &*change,
                none => none.insert(self.change_of(holder, asked)?),
            };
            if record.may_stop() {
                self.ask_stopped(record, change, asked, judge)?;
            }
            for control in &record.controls {
                if control.kind == ControlKind::ApprovalAbove {
                    let limit =
                        needs_approval.map_or(control.limit, |(_, least)| control.limit.min(least));
                    needs_approval = Some((record.scope, limit));
                } else {
                    self.say(control, record, (holder, change), asked, judge)?;
                }
            }
        }
        // Last: a person is not asked about what is refused anyway.
        if let Some((scope, limit)) = needs_approval {
            let passes = asked.in_base.0 <= limit || asked.context.is_approved;
            judge.hear(
                Some(scope),
                RejectReason::ApprovalNeeded,
                limit,
                asked.in_base.0,
                passes,
            )?;
        }
        Ok(())
    }

    /// Refuses what a strategy's or a principal's counters could not hold.
    #[inline]
    fn check_helds(&self, asked: &Asked<'_>) -> Result<(), Reject> {
        let Question { instrument, strategy, principal, .. } = *asked.question;
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            // A first order fits into nothing.
            if let Some(held) = holder.and_then(|holder| self.held(at, holder, instrument)) {
                held.stake.exposure.check_room(asked.added)?;
            }
        }
        Ok(())
    }

    /// What the order would change for a holder.
    #[inline]
    fn change_of(&self, holder: Holder, asked: &Asked<'_>) -> Result<Change, Reject> {
        let Question { account, instrument, strategy, principal, terms, .. } = *asked.question;
        let stake = match holder {
            Holder::Account => {
                self.pairs.find(account, instrument).map(|slot| &self.pairs.get(slot).stake)
            }
            _ => {
                let at = holder as usize - 1;
                let id = Self::holders(strategy, principal)[at];
                id.and_then(|id| self.held(at, id, instrument)).map(|held| &held.stake)
            }
        };
        let after = match (holder, stake) {
            (Holder::Account, _) => asked.after,
            (_, Some(stake)) => stake.exposure.with(asked.removed, Some(asked.added))?,
            (_, None) => PairExposure::default().with(None, Some(asked.added))?,
        };
        let cash = stake.map_or(0, |stake| stake.cash);
        let then = asked.traded.contribution(&after, cash);
        Ok(Change {
            reduces: after.worst_position(terms.side) <= 0,
            is_cut: then.is_cut(),
            before: stake.map_or(Contribution::default(), |stake| stake.counted),
            then,
            after,
        })
    }

    /// What a strategy (0) or principal (1) has in an instrument.
    #[inline]
    pub(crate) fn held(&self, at: usize, holder: u32, instrument: InstrumentId) -> Option<&Held> {
        let table = &self.helds[at];
        table.find(AccountId(holder), instrument).map(|slot| table.get(slot))
    }

    /// Kill switches that let reducing orders through, and what happened before.
    #[cold]
    fn ask_stopped(
        &self,
        record: &ScopeRecord,
        change: &Change,
        asked: &Asked<'_>,
        judge: &mut impl Judge,
    ) -> Result<(), Reject> {
        let scope = Some(record.scope);
        if record.kill == Some(KillMode::ReduceOnly) {
            judge.hear(scope, RejectReason::KillSwitch, 0, 1, change.reduces)?;
        }
        for stop in record.stops.iter().flatten() {
            if stop.until != UnixNanos::ZERO && stop.until <= asked.context.now {
                continue;
            }
            let (reason, value, passes) = match stop.control {
                ControlKind::ExecutionThrottle => (RejectReason::Disabled, stop.value, false),
                ControlKind::DayLoss => (RejectReason::DayLoss, stop.value, change.reduces),
                ControlKind::Drawdown => (RejectReason::Drawdown, stop.value, change.reduces),
                ControlKind::ConsecutiveLosses => {
                    (RejectReason::CoolDown, stop.until.0.into(), change.reduces)
                }
                _ => (RejectReason::Volatility, stop.until.0.into(), change.reduces),
            };
            judge.hear(scope, reason, stop.limit, value, passes)?;
        }
        Ok(())
    }

    /// Tells what one control of a scope says of the order; nothing if it does not look at such an order.
    #[inline(always)]
    fn say<J: Judge>(
        &self,
        control: &Control,
        record: &ScopeRecord,
        (holder, change): (Holder, &Change),
        asked: &Asked<'_>,
        judge: &mut J,
    ) -> Result<(), Reject> {
        use ControlKind as K;
        use RejectReason as R;
        let Asked { question, context, traded, .. } = *asked;
        let (side, is_new) = (question.terms.side, question.current.is_none());
        let limit = control.limit;
        let scope = Some(record.scope);
        let mut at_most =
            |reason, value: i128| judge.hear(scope, reason, limit, value, value <= limit);
        let (sums, before, then) = (&record.totals.money, &change.before, &change.then);
        let open = || {
            let sides = [0, 1].map(|side| sums.open[side] + then.open[side] - before.open[side]);
            sides[0] + sides[1]
        };
        let says = match control.kind {
            K::MaxOrderQty => return at_most(R::MaxOrderQuantity, question.terms.qty.0.into()),
            K::MaxOrderNotional => return at_most(R::MaxOrderNotional, asked.in_base.0),
            K::GrossExposure | K::NetExposure | K::OpenExposure | K::DayNotional => {
                check_counted(change, traded, question)?;
                return match control.kind {
                    K::OpenExposure => at_most(R::OpenExposure, open()),
                    K::DayNotional => at_most(R::DayNotional, record.day.notional + open()),
                    K::GrossExposure => {
                        let held = sums.long + then.long - before.long;
                        let held = held + sums.short + then.short - before.short;
                        at_most(R::GrossExposure, held + open())
                    }
                    _ => at_most(R::NetExposure, Totals::net(&sums.plus(&then.less(before)))),
                };
            }
            K::PositionLong if side == Side::Buy => {
                return at_most(R::PositionLong, self.worst_position(record, change, asked));
            }
            K::PositionShort if side == Side::Sell => {
                return at_most(R::PositionShort, self.worst_position(record, change, asked));
            }
            K::OpenOrders if is_new => {
                return at_most(R::MaxOpenOrders, i128::from(record.totals.open_orders) + 1);
            }
            K::DayOrders if is_new => {
                return at_most(R::DayOrders, i128::from(record.day.orders) + 1);
            }
            K::DayTrades if is_new => {
                let (done, open) = (record.day.trades, record.totals.untouched);
                return at_most(R::DayTrades, i128::from(done) + i128::from(open) + 1);
            }
            K::DuplicateOrders => match question.content {
                None => None,
                Some(content) => {
                    let before = self.recent.count(content, context.now, control.window_ns);
                    return at_most(R::DuplicateOrder, before.into());
                }
            },
            K::PriceCollar => self.say_collar(control, asked)?,
            K::WindowCollar => self.say_window(control, record, asked)?,
            K::FatFinger => self.say_fat_finger::<J>(control, question),
            K::RestrictedList | K::AllowedList => {
                let is_listed = traded.lists >> (limit - 1) & 1 != 0;
                let passes = change.reduces || is_listed == (control.kind == K::AllowedList);
                Some((R::Restricted, limit, question.instrument.0.into(), passes))
            }
            K::ShortSale if side == Side::Sell => {
                let located = self.located(question.account, question.instrument);
                let limit = limit.saturating_add(located.0.into());
                let short = asked.after.worst_position(Side::Sell).max(0);
                Some((R::ShortSale, limit, short, short <= limit))
            }
            K::SelfTrade => self.say_self_trade(record, holder, asked),
            K::StaleMarket => say_stale(limit, asked),
            K::FactorExposure => {
                check_counted(change, traded, question)?;
                self.say_factors::<J>(control, record, change, traded)
            }
            K::Concentration if !change.reduces => say_concentration::<J>(limit, asked),
            K::LiquidationDistance if !change.reduces => say_distance(limit, asked),
            K::ReduceOnly => {
                Some((R::ReduceOnly, 0, change.after.worst_position(side), change.reduces))
            }
            K::Sides => {
                let bit = 1 << side.index();
                Some((R::SideNotAllowed, limit, side.wire().into(), limit & bit != 0))
            }
            K::ExpiresAt => {
                let now = i128::from(context.now.0);
                Some((R::TokenExpired, limit, now, now < limit))
            }
            _ => None,
        };
        match says {
            Some((reason, limit, value, passes)) => judge.hear(scope, reason, limit, value, passes),
            None => Ok(()),
        }
    }

    /// Lots that a scope would have on the order's side, with every open order of that side executed.
    fn worst_position(&self, record: &ScopeRecord, change: &Change, asked: &Asked<'_>) -> i128 {
        let side = asked.question.terms.side;
        match record.kind() {
            ScopeKind::Firm | ScopeKind::Instrument => {
                let removed = asked.removed.map_or(0, |order| i128::from(order.qty.0));
                let all = asked.traded.all.worst_position(side);
                all - removed + i128::from(asked.added.qty.0)
            }
            _ => change.after.worst_position(side),
        }
    }

    fn say_collar(&self, control: &Control, asked: &Asked<'_>) -> Result<Says, Reject> {
        let Asked { question, context, traded, .. } = *asked;
        let [bid, offer] = context.market.best;
        let mid = bid.zip(offer).map(|(bid, offer)| Ticks(bid.0.midpoint(offer.0)));
        let reference = match ReferenceKind::from_wire(control.option) {
            Some(ReferenceKind::PreviousClose) => traded.previous_close,
            Some(ReferenceKind::Mid) => mid.or(context.reference),
            _ => context.reference,
        };
        let reference = question.terms.trigger.or(reference);
        say_bound(RejectReason::PriceCollar, control, reference, &question.terms)
    }

    fn say_window(
        &self,
        control: &Control,
        record: &ScopeRecord,
        asked: &Asked<'_>,
    ) -> Result<Says, Reject> {
        let Asked { question, context, .. } = *asked;
        let begun = record.window_price(context.now, control.window_ns);
        let reference = begun.or(context.reference);
        say_bound(RejectReason::WindowCollar, control, reference, &question.terms)
    }

    fn say_fat_finger<J: Judge>(&self, control: &Control, question: &Question<'_>) -> Says {
        let slot = self.pairs.find(question.account, question.instrument)?;
        let &Pair { average_qty, orders, .. } = self.pairs.get(slot);
        if orders < control.count || average_qty == 0 {
            return None;
        }
        // 64 bits of quantity, 8 of the average's fraction and 7 of the hundred.
        let (qty, average) =
            (i128::from(question.terms.qty.0) * 256 * 100, i128::from(average_qty));
        // Below 2^64 times 2^32; the quotient is rounded down, so one more is beyond.
        let passes = qty < (control.limit + 1) * average;
        let value = if passes && !J::TELLS { 0 } else { qty / average };
        Some((RejectReason::FatFinger, control.limit, value, passes))
    }

    fn say_self_trade(&self, record: &ScopeRecord, holder: Holder, asked: &Asked<'_>) -> Says {
        let Asked { question, context, traded, .. } = *asked;
        let Question { account, instrument, strategy, principal, terms, .. } = *question;
        if terms.trigger.is_some() {
            return None;
        }
        let (reason, other) = (RejectReason::SelfTrade, terms.side.opposite());
        let own = Self::holders(strategy, principal);
        let bests = match record.kind() {
            ScopeKind::Firm | ScopeKind::Instrument | ScopeKind::Group => Some(&traded.all.best),
            ScopeKind::Account => {
                self.pairs.find(account, instrument).map(|slot| &self.pairs.get(slot).stake.best)
            }
            ScopeKind::Strategy | ScopeKind::Principal => {
                let at = holder as usize - 1;
                own[at].and_then(|id| self.held(at, id, instrument)).map(|held| &held.stake.best)
            }
        };
        let meets = |best: Ticks| terms.reaches(best);
        let near = bests.and_then(|bests| bests[other.index()]).filter(|best| meets(*best));
        // The bound may be of an order that is gone: the orders themselves are asked.
        let is_in = |parties: Parties| self.is_in(record.scope, parties);
        let met = near.and_then(|_| (context.own.0)(other, &is_in)).filter(|best| meets(*best));
        Some((reason, 0, met.map_or(0, |best| best.0.into()), met.is_none()))
    }

    fn say_factors<J: Judge>(
        &self,
        control: &Control,
        record: &ScopeRecord,
        change: &Change,
        traded: &Traded,
    ) -> Says {
        let kept = &**record.factors.as_ref()?;
        let mut with_it = *kept;
        let sums = match &traded.factors {
            None => kept,
            Some(loadings) => {
                with_it.add(&change.before, loadings, -1);
                with_it.add(&change.then, loadings, 1);
                &with_it
            }
        };
        let passes = sums.is_within(record.factor_limit);
        let value = if passes && !J::TELLS { 0 } else { sums.exposure().0 };
        Some((RejectReason::FactorExposure, control.limit, value, passes))
    }

    pub(crate) fn located(&self, account: AccountId, instrument: InstrumentId) -> Lots {
        let slot = self.pairs.find(account, instrument);
        slot.map_or(Lots::ZERO, |slot| self.pairs.get(slot).located)
    }

    /// An order passed: makes the records that counting it needs, and notes what later orders are compared with.
    pub(crate) fn note_passed(
        &mut self,
        question: &Question<'_>,
        context: &OrderContext<'_>,
    ) -> Result<(), Reject> {
        let Question { account, instrument, strategy, principal, terms, .. } = *question;
        if !question.pair.recorded {
            let pair = Pair::unused(account, instrument, context.funds.currency);
            self.pairs.find_or_insert(account, instrument, || pair)?;
        }
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            let Some(holder) = holder else { continue };
            if self.held(at, holder, instrument).is_none() {
                self.open_held(at, holder, instrument)?;
            }
        }
        if let Some(content) = question.content {
            let controls = question.chain.links().iter();
            let controls = controls.filter_map(|link| {
                self.scopes.get(link.slot).control(ControlKind::DuplicateOrders)
            });
            if let Some(window_ns) = controls.map(|control| control.window_ns).max() {
                self.recent.note(content, context.now, window_ns);
            }
        }
        if self.is_used(ControlKind::FatFinger) {
            let slot = self.pairs.find(account, instrument).expect("it was made just now");
            let pair = self.pairs.get_mut(slot);
            // At most 2^56 lots are weighed: an average beyond that refuses nothing anyway.
            let qty = terms.qty.0.min(1 << 55) << 8;
            pair.average_qty = match pair.orders {
                0 => qty,
                _ => {
                    pair.average_qty - (pair.average_qty >> AVERAGE_SHIFT) + (qty >> AVERAGE_SHIFT)
                }
            };
            pair.orders = pair.orders.saturating_add(1);
        }
        if self.is_used(ControlKind::WindowCollar) {
            self.note_window(instrument, context);
        }
        Ok(())
    }

    #[cold]
    fn open_held(
        &mut self,
        at: usize,
        holder: u32,
        instrument: InstrumentId,
    ) -> Result<(), Reject> {
        let scope = match at {
            0 => Scope::of(ScopeKind::Strategy, holder),
            _ => Scope::of(ScopeKind::Principal, holder),
        };
        self.scopes.find_or_make(scope)?;
        let table = &mut self.helds[at];
        table.open_account(AccountId(holder))?;
        let held = Held { holder, instrument, stake: Stake::default() };
        table.find_or_insert(AccountId(holder), instrument, || held).map(|_| ())
    }

    /// A window of a collar begins with the first order after the last one ended.
    fn note_window(&mut self, instrument: InstrumentId, context: &OrderContext<'_>) {
        let slot = self.scopes.slot(ScopeKind::Instrument, instrument.0);
        let record = self.scopes.get_mut(slot);
        let Some(window_ns) = record.control(ControlKind::WindowCollar).map(|c| c.window_ns) else {
            return;
        };
        let begun = record.window_price(context.now, window_ns);
        if let (None, Some(reference)) = (begun, context.reference) {
            record.window = Some((context.now, reference.0));
        }
    }
}

/// Refuses what sums of money cannot count: no rate into the firm's currency, or more than a stake may be.
#[inline]
fn check_counted(change: &Change, traded: &Traded, question: &Question<'_>) -> Result<(), Reject> {
    if traded.rate.is_none() {
        return Err(Reject::of(RejectReason::NoRate, question.account.0.into()));
    }
    if change.is_cut {
        let max = crate::stake::STAKE_MAX;
        return Err(Reject::new(RejectReason::Overflow, max, max));
    }
    Ok(())
}

/// What a collar around a reference says of a limit; nothing of an order without one.
fn say_bound(
    reason: RejectReason,
    control: &Control,
    reference: Option<Ticks>,
    terms: &Terms,
) -> Result<Says, Reject> {
    let Some(price) = terms.limit_price else { return Ok(None) };
    let collar = Collar::around(reference, control.limit as u32)?;
    let passes = collar.check(terms.side, price).is_ok();
    Ok(Some((reason, collar.bound_ticks(terms.side), price.0.into(), passes)))
}

fn say_stale(limit: i128, asked: &Asked<'_>) -> Says {
    let Asked { question, context, .. } = *asked;
    let market = &context.market;
    let terms = &question.terms;
    let opposite = market.best[terms.side.opposite().index()];
    // Where nothing is shown nobody knows what it would meet.
    let takes = opposite.is_none_or(|best| terms.reaches(best));
    if !market.has_feed || terms.trigger.is_some() || !takes {
        return None;
    }
    let heard_at = market.heard_at.map_or(0, |at| at.0);
    let age = i128::from(context.now.0.saturating_sub(heard_at));
    Some((RejectReason::StaleMarket, limit, age, age < limit))
}

/// The share of equity that the account would have in the instrument. Of a cash account it is measured in the currency of
/// the instrument, at cost; of a margin account in its base currency, at marks.
fn say_concentration<J: Judge>(limit: i128, asked: &Asked<'_>) -> Says {
    let Asked { question, context, traded, .. } = *asked;
    let after = &asked.after;
    let mark = traded.mark.or(context.reference).map_or(0, |mark| i128::from(mark.0));
    let value = i128::from(after.position).checked_mul(mark);
    let value = value.and_then(|ticks| ticks.checked_mul(traded.money_per_tick_lot))?;
    let open = after.open_notional[question.terms.side.index()].0;
    let (stake, equity) = match context.funds.margin {
        None => (value.abs() + open, context.funds.equity_at_cost.0),
        Some(margin) => {
            let base = context.funds.in_base(question.account, Money(value.abs() + open)).ok()?;
            (base.0, margin.standing.ok()?[0].0)
        }
    };
    let in_bp = stake.checked_mul(BP_PER_UNIT);
    // The share is rounded down, so one more is beyond.
    let most = equity.checked_mul(limit + 1).unwrap_or(NO_LIMIT);
    let passes = equity > 0 && in_bp.is_some_and(|in_bp| in_bp < most);
    let share = match in_bp {
        _ if passes && !J::TELLS => 0,
        Some(in_bp) if equity > 0 => in_bp / equity,
        _ => NO_LIMIT,
    };
    Some((RejectReason::Concentration, limit, share, passes))
}

fn say_distance(limit: i128, asked: &Asked<'_>) -> Says {
    let margin = asked.context.funds.margin?;
    let share = match margin.standing {
        Ok([equity, _]) if equity <= Money::ZERO => 0,
        Ok([equity, maintenance]) => {
            let excess = (equity.0 - maintenance.0).max(0);
            excess.checked_mul(BP_PER_UNIT).map_or(BP_PER_UNIT, |bp| bp / equity.0)
        }
        Err(_) => 0,
    };
    Some((RejectReason::LiquidationDistance, limit, share, share >= limit))
}
