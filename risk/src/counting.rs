//! What orders and executions do to the sums: of pairs, of strategies and principals, and of every scope.
//!
//! A stake says what it adds to sums (`Traded::contribution`), and keeps what of it is in them. Whenever it changes, or is
//! valued anew, the difference goes to every scope that counts it, so a sum is at any time the sum of what its stakes have
//! in it: `Risk::recount` adds that up anew.

use crate::ask::{Chain, Holder};
use crate::exposure::{OrderExposure, PAIR_MONEY_MAX, PairExposure};
use crate::gate::Risk;
use crate::margin::MarginTerms;
use crate::scopes::{ScopeSlot, Totals};
use crate::stake::{Contribution, Stake, note_best};
use tidegate_model::command::{Action, ControlKind};
use tidegate_model::{
    AccountId, InstrumentId, Lots, Money, PrincipalId, Reject, Scope, ScopeKind, Side, StrategyId,
    Ticks, UnixNanos,
};

/// One execution, as risk has to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Whose order.
    pub account: AccountId,
    /// In what.
    pub instrument: InstrumentId,
    /// Of which strategy.
    pub strategy: StrategyId,
    /// Who entered it.
    pub principal: PrincipalId,
    /// Bought or sold.
    pub side: Side,
    /// Lots.
    pub qty: Lots,
    /// At what price.
    pub price: Ticks,
    /// What that comes to, in the currency of the instrument; below 0 at a price below 0.
    pub value: Money,
    /// What it cost.
    pub fee: Money,
    /// Profit and loss that it realised, before the fee.
    pub realised: Money,
    /// True of the first execution of its order.
    pub is_first: bool,
    /// Lots that the account holds after it, below 0 short, and what they cost; as the order management has it.
    pub position: (i64, Money),
}

/// Why a cost cannot be beyond [`PAIR_MONEY_MAX`].
const BOUNDED: &str = "the order management bounds what it books";

impl Risk {
    /// Several changes follow that are one: nobody's loss is looked at until [`Self::go_on`].
    pub fn hold_on(&mut self) {
        self.is_held = true;
    }

    /// They are done: sums are added up anew, and losses looked at.
    pub fn go_on(&mut self) {
        self.is_held = false;
        self.recount();
        self.check_losses();
    }

    /// Counts an approved order as open.
    ///
    /// # Panics
    /// If it was not approved here, or what it ties up overflows.
    pub fn order_opened(&mut self, order: &OrderExposure) {
        let nothing = order.none();
        self.change(&nothing, order);
        let account = &mut self.accounts[order.account.index()];
        account.open_orders = account
            .open_orders
            .checked_add(1)
            .expect("the order store holds fewer than 2^32 orders");
        account.untouched += 1;
        self.rehash_account(order.account);
        if let Some(Some(traded)) = self.instruments.get_mut(order.instrument.index()) {
            traded.all.open_orders += 1;
            traded.all.untouched += 1;
        }
        let chain = self.chain_of(order);
        for link in chain.links() {
            let record = self.scopes.get_mut(link.slot);
            record.totals.open_orders += 1;
            record.totals.untouched += 1;
            record.day.orders = record.day.orders.saturating_add(1);
            if link.holder != Holder::Account {
                record.has_several |= record.sole_account.is_some_and(|sole| sole != order.account);
                record.sole_account = Some(order.account);
            }
        }
    }

    /// Counts an approved order as open beside others of which only one can execute: they tied up `before`, and with it
    /// `after`.
    ///
    /// # Panics
    /// As [`Self::order_opened`] and [`Self::order_changed`].
    pub fn order_joined(&mut self, before: &OrderExposure, after: &OrderExposure) {
        self.order_changed(before, after);
        self.order_opened(&after.none());
    }

    /// Counts `after` in place of `before`: a fill, a replace asked for, answered or refused.
    ///
    /// # Panics
    /// If `before` is not what was counted.
    pub fn order_changed(&mut self, before: &OrderExposure, after: &OrderExposure) {
        assert_eq!(before.account, after.account, "an order stays with its account");
        assert_eq!(before.instrument, after.instrument, "an order stays with its instrument");
        assert_eq!(before.side, after.side, "an order stays on its side");
        self.change(before, after);
    }

    /// Lets a change pass that [`Self::order_changed`] can count.
    ///
    /// # Errors
    /// [`tidegate_model::RejectReason::Overflow`].
    pub fn check_change(
        &self,
        before: &OrderExposure,
        after: &OrderExposure,
    ) -> Result<(), Reject> {
        let pair = self.exposure(before.account, before.instrument);
        pair.with(Some(before), Some(after))?;
        let holders = Self::holders(before.strategy, before.principal);
        for (at, holder) in holders.into_iter().enumerate() {
            let held = holder.and_then(|holder| self.held(at, holder, before.instrument));
            if let Some(held) = held {
                held.stake.exposure.with(Some(before), Some(after))?;
            }
        }
        Ok(())
    }

    /// Takes an order out that is filled, canceled, expired or rejected; `order` is as last counted.
    ///
    /// # Panics
    /// If it was not counted as open.
    pub fn order_closed(&mut self, order: &OrderExposure) {
        self.order_left(order, &order.none(), false);
    }

    /// Takes an order out as [`Self::order_closed`] does, that others stand beside of which only one can execute: they
    /// tied up `before` with it, and tie up `after`. `was_executed`: in whole or in part.
    ///
    /// # Panics
    /// As [`Self::order_closed`].
    pub fn order_left(
        &mut self,
        before: &OrderExposure,
        after: &OrderExposure,
        was_executed: bool,
    ) {
        let order = before;
        self.order_changed(before, after);
        let account = &mut self.accounts[order.account.index()];
        account.open_orders =
            account.open_orders.checked_sub(1).expect("an order closes once, after it opened");
        let untouched = u32::from(!was_executed);
        // An execution that was taken back made it untouched again, and is not counted back.
        account.untouched = account.untouched.saturating_sub(untouched);
        self.rehash_account(order.account);
        if let Some(Some(traded)) = self.instruments.get_mut(order.instrument.index()) {
            traded.all.open_orders -= 1;
            traded.all.untouched = traded.all.untouched.saturating_sub(untouched);
        }
        let chain = self.chain_of(order);
        for link in chain.links() {
            let totals = &mut self.scopes.get_mut(link.slot).totals;
            totals.open_orders -= 1;
            totals.untouched = totals.untouched.saturating_sub(untouched);
        }
    }

    /// Takes over a position as the order management has it after something that was no execution.
    ///
    /// # Panics
    /// If account or instrument never passed the gate, or `cost` is beyond [`PAIR_MONEY_MAX`].
    pub fn position_changed(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        qty: i64,
        cost: Money,
    ) {
        assert!(cost.0.unsigned_abs() <= PAIR_MONEY_MAX.0 as u128, "{BOUNDED}");
        self.change_pair(account, instrument, |stake| {
            stake.exposure = PairExposure { position: qty, cost, ..stake.exposure };
        });
    }

    /// Counts an execution: position and cash in one step, so that no profit or loss is seen that is none; strategy and
    /// principal, the day, and what losses and a row of executions stop.
    ///
    /// # Panics
    /// As [`Self::position_changed`].
    pub fn filled(&mut self, now: UnixNanos, fill: &Filled) {
        let &Filled { account, instrument, strategy, principal, price, .. } = fill;
        if self.traded(instrument).is_ok_and(|traded| traded.mark.is_none()) {
            self.marked(now, instrument, price);
        }
        let Some(traded) = self.instruments[instrument.index()].as_mut() else { return };
        if fill.is_first {
            traded.all.untouched = traded.all.untouched.saturating_sub(1);
            let account = &mut self.accounts[account.index()];
            account.untouched = account.untouched.saturating_sub(1);
        }
        let notional = traded.in_firm(fill.value.0.abs());
        self.book(fill, 1, Some(fill.position));
        let chain = self.chain(account, instrument, strategy, principal);
        self.count_execution(now, &chain, fill, notional);
    }

    /// Counts an execution that is amended: as it was it is taken out, as it is now it is put in. What the day has counted
    /// stays.
    pub fn amended(&mut self, was: &Filled, is: &Filled) {
        self.hold_on();
        self.book(was, -1, None);
        self.book(is, 1, Some(is.position));
        self.go_on();
    }

    /// Position and cash of everybody concerned; `sign` -1 takes cash and what strategy and principal hold out again.
    fn book(&mut self, fill: &Filled, sign: i64, position: Option<(i64, Money)>) {
        let &Filled { account, instrument, strategy, principal, side, qty, .. } = fill;
        let direction = if side == Side::Buy { sign } else { -sign };
        let cash = -i128::from(direction) * fill.value.0 - i128::from(sign) * fill.fee.0;
        if let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) {
            traded.all.cash = traded.all.cash.saturating_add(cash);
        }
        let add = |stake: &mut Stake| stake.cash = stake.cash.saturating_add(cash);
        self.change_pair(account, instrument, |stake| {
            add(stake);
            if let Some((position, cost)) = position {
                assert!(cost.0.unsigned_abs() <= PAIR_MONEY_MAX.0 as u128, "{BOUNDED}");
                stake.exposure = PairExposure { position, cost, ..stake.exposure };
            }
        });
        let lots = i64::try_from(qty.0).unwrap_or(i64::MAX) * direction;
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            let Some(holder) = holder else { continue };
            self.change_held(at, holder, instrument, |stake| {
                let exposure = &mut stake.exposure;
                exposure.position = exposure.position.saturating_add(lots);
                add(stake);
            });
        }
    }

    fn count_execution(&mut self, now: UnixNanos, chain: &Chain, fill: &Filled, notional: i128) {
        for link in chain.links() {
            let record = self.scopes.get_mut(link.slot);
            record.day.notional = record.day.notional.saturating_add(notional);
            if fill.is_first {
                record.day.trades = record.day.trades.saturating_add(1);
                record.totals.untouched = record.totals.untouched.saturating_sub(1);
            }
            match fill.realised.0.signum() {
                -1 => record.losses = record.losses.saturating_add(1),
                1 => record.losses = 0,
                _ => {}
            }
            let throttle = record.control(ControlKind::ExecutionThrottle).copied();
            if let (Some(control), Some(ring)) = (throttle, &mut record.executions)
                && ring.push(now, control.window_ns)
            {
                let (limit, since) = (control.limit, i128::from(now.0));
                let (kind, action) = (ControlKind::ExecutionThrottle, Action::StopOpening);
                self.trip(link.slot, kind, action, [limit, since], UnixNanos::ZERO);
            }
            let record = self.scopes.get(link.slot);
            let control = record.control(ControlKind::ConsecutiveLosses).copied();
            if let Some(control) = control
                && i128::from(record.losses) > control.limit
            {
                let (limit, losses) = (control.limit, i128::from(record.losses));
                let until = UnixNanos(now.0.saturating_add(control.window_ns));
                let (kind, action) = (ControlKind::ConsecutiveLosses, Action::StopOpening);
                self.scopes.get_mut(link.slot).losses = 0;
                self.trip(link.slot, kind, action, [limit, losses], until);
            }
        }
    }

    /// Cash came to an account, or left it, by what it holds in an instrument: a dividend, the cost of borrowing.
    pub fn posted(&mut self, account: AccountId, instrument: InstrumentId, amount: Money) {
        if self.pairs.find(account, instrument).is_none() {
            return;
        }
        if let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) {
            traded.all.cash = traded.all.cash.saturating_add(amount.0);
        }
        let cash = amount.0;
        self.change_pair(account, instrument, |stake| {
            stake.cash = stake.cash.saturating_add(cash);
        });
    }

    /// The scopes that an order as counted belongs to.
    #[inline]
    fn chain_of(&self, order: &OrderExposure) -> Chain {
        self.chain(order.account, order.instrument, order.strategy, order.principal)
    }

    /// Counts `after` in place of `before` for whoever counts the order.
    #[inline]
    fn change(&mut self, before: &OrderExposure, after: &OrderExposure) {
        let &OrderExposure { account, instrument, side, strategy, principal, .. } = before;
        let change = |stake: &mut Stake| {
            let exposure = stake.exposure.with(Some(before), Some(after));
            stake.exposure = exposure.expect("what is counted was checked for overflow");
            match stake.exposure.open_qty[side.index()] {
                Lots::ZERO => stake.best[side.index()] = None,
                _ if after.qty > Lots::ZERO => note_best(&mut stake.best, side, after.limit),
                _ => {}
            }
        };
        self.change_pair(account, instrument, change);
        if let Some(traded) = self.instruments[instrument.index()].as_mut() {
            let all = &mut traded.all;
            let open = &mut all.open[side.index()];
            *open += i128::from(after.qty.0) - i128::from(before.qty.0);
            match *open {
                0 => all.best[side.index()] = None,
                _ if after.qty > Lots::ZERO => note_best(&mut all.best, side, after.limit),
                _ => {}
            }
        }
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            if let Some(holder) = holder {
                self.change_held(at, holder, instrument, change);
            }
        }
    }

    #[inline]
    pub(crate) fn change_pair(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        change: impl FnOnce(&mut Stake),
    ) {
        let slot = self.pairs.find(account, instrument);
        let slot = slot.expect("an order is counted after it was approved");
        let pair = self.pairs.get_mut(slot);
        let (held, cash) = (pair.stake.exposure.position, pair.stake.cash);
        change(&mut pair.stake);
        let stake = &mut pair.stake;

        let committed = match self.accounts[account.index()].is_margin {
            false => stake.exposure.committed(),
            true => {
                let terms = self.margins.get(instrument.index()).copied().flatten();
                stake.exposure.margin(&terms.unwrap_or(MarginTerms::FULL).initial)
            }
        };
        let total = match pair.currency {
            0 => &mut self.accounts[account.index()].committed,
            other => &mut self.committed_others[account.index()][usize::from(other) - 1],
        };
        total.0 += committed.0 - pair.committed.0;
        assert!(*total >= Money::ZERO, "a sum of amounts is not below zero");
        pair.committed = committed;

        self.hash.remove(pair.hash);
        pair.hash = stake.exposure.hash(account, instrument);
        self.hash.add(pair.hash);

        let traded = self.instruments[instrument.index()].as_mut().expect("it was approved in it");
        traded.all.position += i128::from(stake.exposure.position) - i128::from(held);
        let after = traded.contribution(&stake.exposure, stake.cash);
        let before = core::mem::replace(&mut stake.counted, after);
        let is_booked = stake.exposure.position != held || stake.cash != cash;
        self.add_of_account(account, instrument, &before, &after);
        // Open orders are neither profit nor loss.
        if is_booked {
            self.add_pnl_of_all(instrument);
        }
    }

    #[inline]
    pub(crate) fn change_held(
        &mut self,
        at: usize,
        holder: u32,
        instrument: InstrumentId,
        change: impl FnOnce(&mut Stake),
    ) {
        let table = &mut self.helds[at];
        // An order from before a split or a bust may belong to one that was never counted.
        let Some(slot) = table.find(AccountId(holder), instrument) else { return };
        let stake = &mut table.get_mut(slot).stake;
        change(stake);
        let traded = self.instruments[instrument.index()].as_ref().expect("it was approved in it");
        let after = traded.contribution(&stake.exposure, stake.cash);
        let before = core::mem::replace(&mut stake.counted, after);
        let kind = if at == 0 { ScopeKind::Strategy } else { ScopeKind::Principal };
        let slot = self.scopes.slot(kind, holder);
        self.add(slot, instrument, &before, &after);
        self.check_loss(slot);
        let group = self.scopes.get(slot).group;
        if group != ScopeSlot::FIRM {
            self.add(group, instrument, &before, &after);
            self.check_loss(group);
        }
    }

    /// What an account's stake adds, to whoever counts accounts. Profit and loss of the firm, of the instrument and of its
    /// group come with [`Self::add_pnl_of_all`], which knows them sooner.
    #[inline]
    pub(crate) fn add_of_account(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        before: &Contribution,
        after: &Contribution,
    ) {
        let slot = self.scopes.slot(ScopeKind::Account, account.0);
        if slot != ScopeSlot::FIRM {
            self.add(slot, instrument, before, after);
            self.check_loss(slot);
            let group = self.scopes.get(slot).group;
            if group != ScopeSlot::FIRM {
                self.add(group, instrument, before, after);
                self.check_loss(group);
            }
        }
        let [before, after] = [before, after].map(|of| Contribution { pnl: 0, ..*of });
        self.add(ScopeSlot::FIRM, instrument, &before, &after);
        let slot = self.scopes.slot(ScopeKind::Instrument, instrument.0);
        if slot != ScopeSlot::FIRM {
            self.add(slot, instrument, &before, &after);
            let group = self.scopes.get(slot).group;
            if group != ScopeSlot::FIRM {
                self.add(group, instrument, &before, &after);
            }
        }
    }

    #[inline]
    fn add(
        &mut self,
        slot: ScopeSlot,
        instrument: InstrumentId,
        before: &Contribution,
        after: &Contribution,
    ) {
        let record = self.scopes.get_mut(slot);
        record.totals.money = record.totals.money.plus(&after.less(before));
        if let Some(sums) = &mut record.factors {
            let traded = self.instruments[instrument.index()].as_ref();
            if let Some(loadings) = traded.and_then(|traded| traded.factors.as_deref()) {
                sums.add(before, loadings, -1);
                sums.add(after, loadings, 1);
            }
        }
    }

    /// Profit and loss of everybody in an instrument, for the firm, the instrument and its group.
    #[inline]
    pub(crate) fn add_pnl_of_all(&mut self, instrument: InstrumentId) {
        let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) else { return };
        let pnl = traded.pnl_of_all();
        let change = pnl - core::mem::replace(&mut traded.all.pnl, pnl);
        if change == 0 {
            return;
        }
        let slot = self.scopes.slot(ScopeKind::Instrument, instrument.0);
        let group = self.scopes.get(slot).group;
        let mut slots = [Some(ScopeSlot::FIRM), None, None];
        if slot != ScopeSlot::FIRM {
            slots[1] = Some(slot);
            slots[2] = (group != ScopeSlot::FIRM).then_some(group);
        }
        for slot in slots.into_iter().flatten() {
            self.scopes.get_mut(slot).totals.money.pnl += change;
            self.check_loss(slot);
        }
    }

    /// What the pair has open and holds; all zero if it was never used.
    pub fn exposure(&self, account: AccountId, instrument: InstrumentId) -> PairExposure {
        self.pairs
            .find(account, instrument)
            .map_or(PairExposure::default(), |slot| self.pairs.get(slot).stake.exposure)
    }

    /// Open orders of the account; 0 if it is unknown.
    pub fn open_orders(&self, account: AccountId) -> u32 {
        self.account(account).map_or(0, |a| a.open_orders)
    }

    /// The money of its base currency that the account's open orders and positions tie up, as
    /// [`PairExposure::committed`] counts it, summed over its instruments; 0 if it is unknown.
    pub fn committed(&self, account: AccountId) -> Money {
        self.account(account).map_or(Money::ZERO, |a| a.committed)
    }

    /// The sums of a scope; nothing if it has none of its own.
    pub fn totals(&self, scope: Scope) -> Option<&Totals> {
        self.scopes.find(scope).map(|slot| &self.scopes.get(slot).totals)
    }

    /// The sums of money of every scope added up anew from every stake, and put in place of those that were kept: after
    /// somebody joined another group, after a rate changed. Linear in the stakes.
    pub(crate) fn recount(&mut self) {
        for record in self.scopes.iter_mut() {
            record.totals.money = Contribution::default();
            if let Some(sums) = &mut record.factors {
                **sums = Default::default();
            }
        }
        let instruments = self.instruments.len() as u32;
        for instrument in (0..instruments).map(InstrumentId) {
            if let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) {
                traded.all.pnl = 0;
                self.add_pnl_of_all(instrument);
            }
        }
        let nothing = Contribution::default();
        for at in 0..self.pairs.records().count() {
            let pair = self.pairs.record_mut(at);
            let (account, instrument) = (pair.account, pair.instrument);
            let Some(Some(traded)) = self.instruments.get(instrument.index()) else { continue };
            let counted = traded.contribution(&pair.stake.exposure, pair.stake.cash);
            pair.stake.counted = counted;
            self.add_of_account(account, instrument, &nothing, &counted);
        }
        for (at, kind) in [ScopeKind::Strategy, ScopeKind::Principal].into_iter().enumerate() {
            for number in 0..self.helds[at].records().count() {
                let held = self.helds[at].record_mut(number);
                let (holder, instrument) = (held.holder, held.instrument);
                let Some(Some(traded)) = self.instruments.get(instrument.index()) else { continue };
                let counted = traded.contribution(&held.stake.exposure, held.stake.cash);
                held.stake.counted = counted;
                let slot = self.scopes.slot(kind, holder);
                self.add(slot, instrument, &nothing, &counted);
                let group = self.scopes.get(slot).group;
                if group != ScopeSlot::FIRM {
                    self.add(group, instrument, &nothing, &counted);
                }
            }
        }
    }
}
