//! What orders and executions do to the sums: of pairs, of strategies and principals, and of every scope.
//!
//! A stake says what it adds to sums (`Traded::contribution`), and keeps what of it is in them. Whenever it changes, or is
//! valued anew, the difference goes to every scope that counts it, so a sum is at any time the sum of what its stakes have
//! in it: `Risk::recount` adds that up anew.

use crate::ask::{Chain, Holder, Link, Parties};
use crate::exposure::{OrderExposure, PAIR_MONEY_MAX, PairExposure};
use crate::gate::Risk;
use crate::margin::MarginTerms;
use crate::scopes::{ScopeRecord, ScopeSlot, Totals, bit};
use crate::stake::{Contribution, Moved, Stake, Traded};
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

/// What an execution leaves of its order.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// What the order tied up, as it was counted last.
    pub before: OrderExposure,
    /// What it ties up now.
    pub after: OrderExposure,
    /// False if that was the end of it.
    pub is_open: bool,
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
        let account = order.account;
        self.change(&order.none(), order, |record, holder| {
            record.totals.open_orders += 1;
            record.totals.untouched += 1;
            record.day.orders = record.day.orders.saturating_add(1);
            if holder != Holder::Account {
                record.has_several |= record.sole_account.is_some_and(|sole| sole != account);
                record.sole_account = Some(account);
            }
        });
        let state = &mut self.accounts[account.index()];
        state.open_orders =
            state.open_orders.checked_add(1).expect("the order store holds fewer than 2^32 orders");
        state.untouched += 1;
        self.touch_account(account);
        if let Some(Some(traded)) = self.instruments.get_mut(order.instrument.index()) {
            traded.all.open_orders += 1;
            traded.all.untouched += 1;
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
        self.change(before, after, |_, _| ());
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
        let untouched = u32::from(!was_executed);
        self.change(before, after, |record, _| {
            let totals = &mut record.totals;
            totals.open_orders -= 1;
            totals.untouched = totals.untouched.saturating_sub(untouched);
        });
        let account = &mut self.accounts[before.account.index()];
        account.open_orders =
            account.open_orders.checked_sub(1).expect("an order closes once, after it opened");
        // An execution that was taken back made it untouched again, and is not counted back.
        account.untouched = account.untouched.saturating_sub(untouched);
        self.touch_account(before.account);
        if let Some(Some(traded)) = self.instruments.get_mut(before.instrument.index()) {
            traded.all.open_orders -= 1;
            traded.all.untouched = traded.all.untouched.saturating_sub(untouched);
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
        self.change_booked(account, instrument, |stake| {
            stake.exposure = PairExposure { position: qty, cost, ..stake.exposure };
        });
    }

    /// Counts an execution: position, cash and what the order ties up in one step, so that no profit or loss is seen that is
    /// none; strategy and principal, the day, and what losses and a row of executions stop.
    ///
    /// # Panics
    /// As [`Self::position_changed`] and [`Self::order_changed`].
    pub fn filled(&mut self, now: UnixNanos, fill: &Filled, left: Option<&Left>) {
        let &Filled { account, instrument, strategy, principal, price, .. } = fill;
        if self.traded(instrument).is_ok_and(|traded| traded.mark.is_none()) {
            self.marked(now, instrument, price);
        }
        let Some(traded) = self.instruments[instrument.index()].as_mut() else { return };
        let state = &mut self.accounts[account.index()];
        if fill.is_first {
            traded.all.untouched = traded.all.untouched.saturating_sub(1);
            state.untouched = state.untouched.saturating_sub(1);
        }
        let has_ended = left.is_some_and(|left| !left.is_open);
        if has_ended {
            let open_orders = state.open_orders.checked_sub(1);
            state.open_orders = open_orders.expect("an order closes once, after it opened");
            traded.all.open_orders -= 1;
        }
        let notional = traded.in_firm(fill.value.0.abs());
        let chain = self.chain(account, instrument, strategy, principal);
        self.book(fill, &chain, 1, Some(fill.position), left);
        self.count_execution(now, &chain, fill, notional, has_ended);
        self.touch_account(account);
    }

    /// Counts an execution that is amended: as it was it is taken out, as it is now it is put in. What the day has counted
    /// stays, and so does what the order ties up.
    pub fn amended(&mut self, was: &Filled, is: &Filled) {
        self.hold_on();
        for (fill, sign, position) in [(was, -1, None), (is, 1, Some(is.position))] {
            let &Filled { account, instrument, strategy, principal, .. } = fill;
            let chain = self.chain(account, instrument, strategy, principal);
            self.book(fill, &chain, sign, position, None);
        }
        self.go_on();
    }

    /// Position and cash of everybody concerned; `sign` -1 takes cash and what strategy and principal hold out again.
    fn book(
        &mut self,
        fill: &Filled,
        chain: &Chain,
        sign: i64,
        position: Option<(i64, Money)>,
        left: Option<&Left>,
    ) {
        let &Filled { account, instrument, strategy, principal, side, qty, .. } = fill;
        let direction = if side == Side::Buy { sign } else { -sign };
        let signed = |sign: i64, money: i128| if sign > 0 { money } else { -money };
        let cash = -(signed(direction, fill.value.0) + signed(sign, fill.fee.0));
        if let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) {
            traded.all.cash = traded.all.cash.saturating_add(cash);
        }
        let whose = Parties { account, instrument, strategy, principal };
        let mut moved = [Moved::Uncounted; 3];
        moved[0] = self.change_pair(account, instrument, |stake, traded| {
            let mut open = [0; 2];
            if let Some(Left { before, after, .. }) = left {
                traded.all.count(before, after);
                open[side.index()] = stake.count_open(before, after, traded);
            }
            stake.cash = stake.cash.saturating_add(cash);
            if let Some((position, cost)) = position {
                assert!(cost.0.unsigned_abs() <= PAIR_MONEY_MAX.0 as u128, "{BOUNDED}");
                (stake.exposure.position, stake.exposure.cost) = (position, cost);
            }
            Moved::All(Contribution { open, ..stake.value(traded) })
        });
        self.add(chain, &whose, &moved, |_, _| ());
        self.add_pnl_of_all(instrument);
        let lots = i64::try_from(qty.0).unwrap_or(i64::MAX) * direction;
        moved[0] = Moved::Uncounted;
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            let Some(holder) = holder else { continue };
            moved[at + 1] = self.change_held(at, holder, instrument, |stake, traded| {
                let mut open = [0; 2];
                if let Some(Left { before, after, .. }) = left {
                    open[side.index()] = stake.count_open(before, after, traded);
                }
                let exposure = &mut stake.exposure;
                exposure.position = exposure.position.saturating_add(lots);
                stake.cash = stake.cash.saturating_add(cash);
                Moved::All(Contribution { open, ..stake.value(traded) })
            });
        }
        self.add(chain, &whose, &moved, |_, _| ());
    }

    fn count_execution(
        &mut self,
        now: UnixNanos,
        chain: &Chain,
        fill: &Filled,
        notional: i128,
        has_ended: bool,
    ) {
        for link in chain.links() {
            let record = self.scopes.get_mut(link.slot);
            record.totals.open_orders -= u32::from(has_ended);
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
            const STOPS: u64 =
                bit(ControlKind::ExecutionThrottle) | bit(ControlKind::ConsecutiveLosses);
            if record.kinds & STOPS == 0 {
                continue;
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
        self.change_booked(account, instrument, |stake| {
            stake.cash = stake.cash.saturating_add(cash);
        });
    }

    /// Counts `after` in place of `before` for whoever counts the order, and `counted` in every scope of it.
    #[inline]
    fn change(
        &mut self,
        before: &OrderExposure,
        after: &OrderExposure,
        counted: impl Fn(&mut ScopeRecord, Holder),
    ) {
        assert_eq!(before.account, after.account, "an order stays with its account");
        assert_eq!(before.instrument, after.instrument, "an order stays with its instrument");
        assert_eq!(before.side, after.side, "an order stays on its side");
        let &OrderExposure { account, instrument, strategy, principal, .. } = before;
        let mut moved = [Moved::Uncounted; 3];
        moved[0] = self.change_pair(account, instrument, |stake, traded| {
            traded.all.count(before, after);
            stake.count(before, after, traded)
        });
        for (at, holder) in Self::holders(strategy, principal).into_iter().enumerate() {
            if let Some(holder) = holder {
                moved[at + 1] = self.change_held(at, holder, instrument, |stake, traded| {
                    stake.count(before, after, traded)
                });
            }
        }
        let whose = Parties { account, instrument, strategy, principal };
        let chain = self.chain(account, instrument, strategy, principal);
        self.add(&chain, &whose, &moved, counted);
    }

    /// Changes what an account has at stake in an instrument, and what it ties up by it; how far that moved the sums which it
    /// is in.
    #[inline]
    fn change_pair(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        change: impl FnOnce(&mut Stake, &mut Traded) -> Moved,
    ) -> Moved {
        let slot = self.pairs.find(account, instrument);
        let slot = slot.expect("an order is counted after it was approved");
        self.touch_pair(slot);
        let pair = self.pairs.get_mut(slot);
        let traded = self.instruments[instrument.index()].as_mut().expect("it was approved in it");
        let held = pair.stake.exposure.position;
        let moved = change(&mut pair.stake, traded);
        let exposure = &pair.stake.exposure;
        traded.all.position += i128::from(exposure.position) - i128::from(held);

        let state = &mut self.accounts[account.index()];
        let committed = match state.is_margin {
            false => exposure.committed(),
            true => {
                let terms = self.margins.get(instrument.index()).copied().flatten();
                exposure.margin(&terms.unwrap_or(MarginTerms::FULL).initial)
            }
        };
        let total = match pair.currency {
            0 => &mut state.committed,
            other => &mut self.committed_others[account.index()][usize::from(other) - 1],
        };
        total.0 += committed.0 - pair.committed.0;
        assert!(*total >= Money::ZERO, "a sum of amounts is not below zero");
        pair.committed = committed;
        moved
    }

    /// As [`Self::change_pair`], of what has no part in orders or executions; and the sums follow.
    pub(crate) fn change_booked(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        change: impl FnOnce(&mut Stake),
    ) {
        let mut is_booked = false;
        let moved = self.change_pair(account, instrument, |stake, traded| {
            let (held, cash) = (stake.exposure.position, stake.cash);
            change(stake);
            is_booked = stake.exposure.position != held || stake.cash != cash;
            Moved::All(stake.value(traded))
        });
        self.add_of_account(account, instrument, moved);
        // Open orders are neither profit nor loss.
        if is_booked {
            self.add_pnl_of_all(instrument);
        }
    }

    /// Changes what a strategy (0) or a principal (1) has at stake in an instrument; how far that moved the sums which it is in.
    #[inline]
    pub(crate) fn change_held(
        &mut self,
        at: usize,
        holder: u32,
        instrument: InstrumentId,
        change: impl FnOnce(&mut Stake, &Traded) -> Moved,
    ) -> Moved {
        let table = &mut self.helds[at];
        // An order from before a split or a bust may belong to one that was never counted.
        let Some(slot) = table.find(AccountId(holder), instrument) else { return Moved::Uncounted };
        let traded = self.instruments[instrument.index()].as_ref().expect("it was approved in it");
        change(&mut table.get_mut(slot).stake, traded)
    }

    /// Lets every scope of a chain count what moved, by [`Holder`], and `counted` beside; then looks at losses, but for those who
    /// have theirs from [`Self::add_pnl_of_all`], which knows them sooner.
    #[inline]
    pub(crate) fn add(
        &mut self,
        chain: &Chain,
        whose: &Parties,
        moved: &[Moved; 3],
        counted: impl Fn(&mut ScopeRecord, Holder),
    ) {
        for link in chain.links() {
            let record = self.scopes.get_mut(link.slot);
            counted(record, link.holder);
            let money = &mut record.totals.money;
            match &moved[link.holder as usize] {
                Moved::Uncounted => continue,
                Moved::Open(side, by) => money.open[side.index()] += by,
                Moved::All(by) => {
                    let pnl = money.pnl;
                    *money = money.plus(by);
                    if link.is_marked {
                        money.pnl = pnl;
                    }
                }
            }
            if record.factors.is_some() {
                self.add_factors(link, whose, &moved[link.holder as usize]);
            }
            if !link.is_marked {
                self.check_loss(link.slot);
            }
        }
    }

    /// The same for the factors of one scope.
    #[cold]
    fn add_factors(&mut self, link: &Link, whose: &Parties, moved: &Moved) {
        let &Parties { account, instrument, strategy, principal } = whose;
        let stake = match link.holder {
            Holder::Account => {
                self.pairs.find(account, instrument).map(|slot| &self.pairs.get(slot).stake)
            }
            holder => {
                let at = holder as usize - 1;
                let id = Self::holders(strategy, principal)[at];
                id.and_then(|id| self.held(at, id, instrument)).map(|held| &held.stake)
            }
        };
        let after = stake.expect("what moved is there").counted;
        let before = after.less(&moved.by());
        let traded = self.instruments[instrument.index()].as_ref();
        let loadings = traded.and_then(|traded| traded.factors.as_deref());
        if let (Some(sums), Some(loadings)) =
            (&mut self.scopes.get_mut(link.slot).factors, loadings)
        {
            sums.add(&before, loadings, -1);
            sums.add(&after, loadings, 1);
        }
    }

    /// What an account's stake adds more than before, to whoever counts accounts.
    pub(crate) fn add_of_account(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        moved: Moved,
    ) {
        let (strategy, principal) = (StrategyId::NONE, PrincipalId::OPERATOR);
        let whose = Parties { account, instrument, strategy, principal };
        let chain = self.chain_of_account(account, instrument);
        self.add(&chain, &whose, &[moved, Moved::Uncounted, Moved::Uncounted], |_, _| ());
    }

    /// What a strategy's (0) or a principal's (1) stake adds more than before, to whoever counts those.
    pub(crate) fn add_of_held(
        &mut self,
        at: usize,
        holder: u32,
        instrument: InstrumentId,
        moved: Moved,
    ) {
        let mut all = [Moved::Uncounted; 3];
        all[at + 1] = moved;
        let (account, nobody) = (AccountId::NONE, (StrategyId::NONE, PrincipalId::OPERATOR));
        let (strategy, principal) = match at {
            0 => (StrategyId(holder as u16), nobody.1),
            _ => (nobody.0, PrincipalId(holder)),
        };
        let whose = Parties { account, instrument, strategy, principal };
        let chain = self.chain_of_held(at, holder);
        self.add(&chain, &whose, &all, |_, _| ());
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
        for at in 0..self.pairs.len() {
            let pair = self.pairs.record_mut(at);
            let (account, instrument) = (pair.account, pair.instrument);
            let Some(Some(traded)) = self.instruments.get(instrument.index()) else { continue };
            let moved = pair.stake.value_anew(traded);
            self.add_of_account(account, instrument, Moved::All(moved));
        }
        // Losses of strategies and principals are looked at when one of their orders changes.
        let was_held = core::mem::replace(&mut self.is_held, true);
        for at in 0..self.helds.len() {
            for number in 0..self.helds[at].len() {
                let held = self.helds[at].record_mut(number);
                let (holder, instrument) = (held.holder, held.instrument);
                let Some(Some(traded)) = self.instruments.get(instrument.index()) else { continue };
                let moved = held.stake.value_anew(traded);
                self.add_of_held(at, holder, instrument, Moved::All(moved));
            }
        }
        self.is_held = was_held;
    }
}
