//! The gate itself: the controls in the order in which they are asked, and the books they are asked of.
//!
//! A new order or a replace is asked, and the first no is the answer:
//!
//! 1. the account is open and has limits,
//! 2. no kill switch,
//! 3. message rate,
//! 4. terms: side, type, tick, lot,
//! 5. order quantity,
//! 6. price collar,
//! 7. order notional,
//! 8. position with every open order executed,
//! 9. number of open orders,
//! 10. buying power with every open order executed; of a margin account, initial margin.
//!
//! **A cancel is never refused.** It takes a message token like any other message, so that a storm of
//! cancels slows the orders that follow, but it passes without one: it only ever reduces risk.

use crate::approval::{Counted, RiskApproved};
use crate::collar::Collar;
use crate::exposure::{Counting, OrderExposure, PAIR_MONEY_MAX, PairExposure, bounded_notional};
use crate::funds::Funds;
use crate::limits::{check_limits, hash_limits};
use crate::margin::MarginTerms;
use crate::pairs::PairTable;
use crate::rate::TokenBucket;
use crate::terms::{Terms, check_limit, check_terms};
use tidegate_model::command::{NewOrder, ReplaceOrder, SetLimits, SetMargin};
use tidegate_model::hash::hash_words;
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, Money, Reject, RejectReason, Side, StateHash,
    TickTable, Ticks, UnixNanos,
};

const TAG_ACCOUNT: u64 = 0x7269_736b_6163_6374;
const TAG_FIRM_KILL: u64 = 0x7269_736b_6b69_6c6c;

/// What an order is checked against that risk does not own.
#[derive(Clone, Copy, Debug)]
pub struct OrderContext<'a> {
    /// The engine's time.
    pub now: UnixNanos,
    /// The order's instrument; must be [`Instrument::checked`].
    pub instrument: &'a Instrument,
    /// The steps of its prices, if it has a tick table.
    pub tick_table: Option<&'a TickTable>,
    /// Last trade, else mid. `None`, or not above 0, is no reference.
    pub reference: Option<Ticks>,
    /// What the account pays with.
    pub funds: Funds<'a>,
    /// How the order is counted beside others.
    pub counting: Counting,
}

impl OrderContext<'_> {
    /// The step that a price must be a multiple of.
    #[inline]
    pub fn order_tick_at(&self, price: Ticks) -> Ticks {
        match self.tick_table {
            None => self.instrument.order_tick_at(price),
            Some(table) => table.tick_at(price),
        }
    }
}

/// Aligned to cache lines, as is [`Pair`]: a check of a cold account waits for as few of them as can be.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct AccountRisk {
    opened: bool,
    killed: bool,
    has_limits: bool,
    /// What it ties up is margin, not the whole value.
    is_margin: bool,
    open_orders: u32,
    bucket: TokenBucket,
    /// Sum of [`PairExposure::committed`] over the account's instruments that are paid for in its base currency.
    committed: Money,
    limits: SetLimits,
    /// This record's term of the state hash as it was last entered.
    hash: u64,
    limits_hash: u64,
}

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Pair {
    account: AccountId,
    instrument: InstrumentId,
    /// Which of the account's currencies the instrument is paid for in.
    currency: u8,
    exposure: PairExposure,
    committed: Money,
    hash: u64,
}

impl Pair {
    const fn unused(account: AccountId, instrument: InstrumentId, currency: u8) -> Self {
        let exposure = PairExposure {
            open_qty: [Lots::ZERO; 2],
            open_notional: [Money::ZERO; 2],
            position: 0,
            cost: Money::ZERO,
        };
        Self { account, instrument, currency, exposure, committed: Money::ZERO, hash: 0 }
    }
}

/// What the controls are asked about one order: a new one, or one with its new price and quantity.
struct Question<'a> {
    account: AccountId,
    instrument: InstrumentId,
    terms: Terms,
    /// Lots it would leave open.
    leaves: Lots,
    /// What the order ties up already, if it is being replaced.
    current: Option<&'a OrderExposure>,
    /// The record of its pair, and what is in it.
    pair: PairState,
}

/// The counters of a pair as a check needs them; all zero if it has no record yet.
#[derive(Clone, Copy)]
struct PairState {
    recorded: bool,
    exposure: PairExposure,
    committed: Money,
}

/// Every limit, kill switch, message budget and exposure.
#[derive(Debug)]
pub struct Risk {
    accounts: Vec<AccountRisk>,
    /// By account: the sums of what is committed in its other currencies.
    committed_others: Vec<[Money; AccountId::CURRENCIES_MAX - 1]>,
    pairs: PairTable<Pair>,
    instruments: Vec<bool>,
    /// By instrument, as far as any has margins.
    margins: Vec<Option<MarginTerms>>,
    firm_killed: bool,
    hash: StateHash,
}

impl Risk {
    /// No account, no instrument, no kill switch engaged.
    pub fn new() -> Self {
        Self {
            accounts: Vec::new(),
            committed_others: Vec::new(),
            pairs: PairTable::new(),
            instruments: Vec::new(),
            margins: Vec::new(),
            firm_killed: false,
            hash: StateHash::default(),
        }
    }

    /// Touches the memory that the first few thousand pairs of account and instrument will need; without
    /// it the system hands pages out as pairs come, a microsecond and more at a time.
    ///
    /// # Panics
    /// After the first order.
    pub fn prefault(&mut self) {
        self.pairs.prefault(Pair::unused(AccountId::NONE, InstrumentId::NONE, 0));
    }

    /// Lets risk know of an account. It has no limits yet, so nothing of it passes.
    ///
    /// # Errors
    /// [`RejectReason::DuplicateAccount`], or [`RejectReason::CapacityExceeded`] for an id that is not
    /// below [`AccountId::COUNT_MAX`].
    pub fn open_account(&mut self, account: AccountId) -> Result<(), Reject> {
        if self.account(account).is_ok() {
            return Err(Reject::of(RejectReason::DuplicateAccount, i128::from(account.0)));
        }
        self.pairs.open_account(account)?;
        if self.accounts.len() <= account.index() {
            let count = account.index() + 1;
            self.accounts.resize(count, AccountRisk::default());
            self.committed_others.resize(count, [Money::ZERO; AccountId::CURRENCIES_MAX - 1]);
        }
        self.accounts[account.index()].opened = true;
        self.rehash_account(account);
        Ok(())
    }

    /// Lets risk know of a margin account: what its orders and positions tie up is their initial margin, and all of its
    /// currencies pay together.
    ///
    /// # Errors
    /// As [`Self::open_account`].
    pub fn open_margin_account(&mut self, account: AccountId) -> Result<(), Reject> {
        self.open_account(account)?;
        self.accounts[account.index()].is_margin = true;
        self.rehash_account(account);
        Ok(())
    }

    /// True of a margin account.
    #[inline]
    pub fn is_margin(&self, account: AccountId) -> bool {
        self.accounts.get(account.index()).is_some_and(|state| state.is_margin)
    }

    /// Puts margins of an instrument in force, in place of those that were, for everything that margin accounts have of it.
    ///
    /// # Errors
    /// [`RejectReason::UnknownInstrument`], and as [`MarginTerms::of`].
    pub fn set_margin(&mut self, set: &SetMargin) -> Result<(), Reject> {
        let instrument = set.instrument;
        self.check_instrument(instrument)?;
        let terms = MarginTerms::of(set)?;
        if self.margins.len() <= instrument.index() {
            self.margins.resize(instrument.index() + 1, None);
        }
        let old = core::mem::replace(&mut self.margins[instrument.index()], terms);
        if let Some(old) = old {
            self.hash.remove(old.hash(instrument));
        }
        if let Some(new) = terms {
            self.hash.add(new.hash(instrument));
        }
        for account in (0..self.accounts.len() as u32).map(AccountId) {
            let has_pair = self.pairs.find(account, instrument).is_some();
            if has_pair && self.accounts[account.index()].is_margin {
                self.change_pair(account, instrument, Ok);
            }
        }
        Ok(())
    }

    /// The margins of an instrument; all of the value if none are set.
    #[inline]
    pub fn margin(&self, instrument: InstrumentId) -> MarginTerms {
        let set = self.margins.get(instrument.index()).copied().flatten();
        set.unwrap_or(MarginTerms::FULL)
    }

    fn check_instrument(&self, instrument: InstrumentId) -> Result<(), Reject> {
        if self.instruments.get(instrument.index()).is_some_and(|defined| *defined) {
            return Ok(());
        }
        Err(Reject::of(RejectReason::UnknownInstrument, i128::from(instrument.0)))
    }

    /// Lets risk know of an instrument; once more is no change.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] for an id that is not below [`InstrumentId::COUNT_MAX`].
    pub fn define_instrument(&mut self, instrument: InstrumentId) -> Result<(), Reject> {
        if instrument.index() >= InstrumentId::COUNT_MAX {
            return Err(Reject::new(
                RejectReason::CapacityExceeded,
                InstrumentId::COUNT_MAX as i128,
                i128::from(instrument.0),
            ));
        }
        if self.instruments.len() <= instrument.index() {
            self.instruments.resize(instrument.index() + 1, false);
        }
        self.instruments[instrument.index()] = true;
        Ok(())
    }

    /// Puts limits in force, in place of all that were. Tokens left in the message bucket stay as they are.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`], or [`RejectReason::BadField`] for an amount below 0.
    pub fn set_limits(&mut self, limits: &SetLimits) -> Result<(), Reject> {
        self.account(limits.account)?;
        check_limits(limits)?;
        let account = &mut self.accounts[limits.account.index()];
        if account.has_limits {
            account.bucket.resize(limits.messages_per_sec, limits.message_burst);
            self.hash.remove(account.limits_hash);
        } else {
            account.bucket = TokenBucket::full(limits.messages_per_sec, limits.message_burst);
        }
        account.limits = *limits;
        account.has_limits = true;
        account.limits_hash = hash_limits(limits);
        self.hash.add(account.limits_hash);
        self.rehash_account(limits.account);
        Ok(())
    }

    /// The limits in force, if the account has any.
    pub fn limits(&self, account: AccountId) -> Option<&SetLimits> {
        self.account(account).ok().filter(|a| a.has_limits).map(|a| &a.limits)
    }

    /// Engages or releases the kill switch of one account, or with [`AccountId::NONE`] of the firm.
    ///
    /// While one is engaged no new order and no replace passes; cancels do. What is open is the engine's
    /// to cancel. Engaging one that is engaged is no change.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`].
    pub fn kill(&mut self, scope: AccountId, engaged: bool) -> Result<(), Reject> {
        if scope != AccountId::NONE {
            self.account(scope)?;
            self.accounts[scope.index()].killed = engaged;
            self.rehash_account(scope);
        } else if self.firm_killed != engaged {
            self.firm_killed = engaged;
            let record = hash_firm_kill();
            if engaged { self.hash.add(record) } else { self.hash.remove(record) }
        }
        Ok(())
    }

    /// True if a kill switch stops `account`: its own or the firm's.
    /// With [`AccountId::NONE`]: whether the firm's is engaged.
    pub fn is_killed(&self, account: AccountId) -> bool {
        self.firm_killed || self.account(account).is_ok_and(|a| a.killed)
    }

    /// Takes a message token for a cancel, and if less than one is left, takes that. Never refuses: see the head of this
    /// module.
    #[inline]
    pub fn count_cancel(&mut self, now: UnixNanos, account: AccountId) {
        if self.account(account).is_ok_and(|a| a.has_limits) {
            self.accounts[account.index()].bucket.drain(now);
            self.rehash_account(account);
        }
    }

    /// Asks every control about a new order. It is counted as open only with [`Self::order_opened`].
    ///
    /// # Errors
    /// The first no, in the order that the head of this module gives, with its limit and its value.
    #[inline]
    pub fn check_new(
        &mut self,
        order: NewOrder,
        context: &OrderContext<'_>,
    ) -> Result<RiskApproved<NewOrder>, Reject> {
        self.approve_new(&order, context).map(|counted| RiskApproved::approve(order, counted))
    }

    /// Asks every control about new terms of an open order: as a new order, with what it ties up now
    /// (`current`) taken out. `cum_qty` is what it has executed; `replace.qty` includes it.
    ///
    /// Until the venue has answered the order may trade on either terms: count the larger of both open,
    /// with [`Self::order_changed`].
    ///
    /// # Errors
    /// As [`Self::check_new`], and [`RejectReason::QuantityBelowExecuted`].
    #[inline]
    pub fn check_replace(
        &mut self,
        replace: ReplaceOrder,
        current: &OrderExposure,
        cum_qty: Lots,
        context: &OrderContext<'_>,
    ) -> Result<RiskApproved<ReplaceOrder>, Reject> {
        let counted = self.approve_replace(&replace, None, current, cum_qty, context)?;
        Ok(RiskApproved::approve(replace, counted))
    }

    /// As [`Self::check_replace`], of an order that is no plain limit order, because it waits for its stop price or has other
    /// terms that the controls look at: `order` is it with the new terms, as if it were entered so.
    ///
    /// # Errors
    /// As [`Self::check_replace`], and those of the terms of a new order.
    pub fn check_replace_waiting(
        &mut self,
        replace: ReplaceOrder,
        order: &NewOrder,
        current: &OrderExposure,
        cum_qty: Lots,
        context: &OrderContext<'_>,
    ) -> Result<RiskApproved<ReplaceOrder>, Reject> {
        let counted = self.approve_replace(&replace, Some(order), current, cum_qty, context)?;
        Ok(RiskApproved::approve(replace, counted))
    }

    /// The worst price at which an order may trade that a trade at `trigger` sets off as a market order: the bound of the
    /// account's collar there, and for a buy no more than the `counted` price.
    pub fn protection_at(
        &self,
        account: AccountId,
        side: Side,
        trigger: Ticks,
        counted: Ticks,
    ) -> Ticks {
        let limits = self.limits(account).expect("an order of the account was approved");
        match Collar::around(Some(trigger), limits.price_collar_bp) {
            Ok(collar) if side == Side::Buy => collar.bound(side).min(counted),
            Ok(collar) => collar.bound(side),
            Err(_) => trigger,
        }
    }

    fn approve_new(
        &mut self,
        order: &NewOrder,
        context: &OrderContext<'_>,
    ) -> Result<Counted, Reject> {
        // First, so that the memory behind it is on its way while the message is counted.
        let pair = self.pair_state(order.account, order.instrument);
        self.admit_message(context.now, order.account)?;
        let terms = check_terms(order, context)?;
        let (account, instrument) = (order.account, order.instrument);
        self.ask(
            &Question { account, instrument, terms, leaves: terms.qty, current: None, pair },
            context,
        )
    }

    fn approve_replace(
        &mut self,
        replace: &ReplaceOrder,
        waiting: Option<&NewOrder>,
        current: &OrderExposure,
        cum_qty: Lots,
        context: &OrderContext<'_>,
    ) -> Result<Counted, Reject> {
        let pair = self.pair_state(current.account, current.instrument);
        self.admit_message(context.now, current.account)?;
        let terms = match waiting {
            Some(order) => check_terms(order, context)?,
            None => check_limit(current.side, replace.qty, replace.price, context)?,
        };
        let leaves = replace.qty.checked_sub(cum_qty).filter(|leaves| *leaves > Lots::ZERO);
        let leaves = leaves.ok_or(Reject::new(
            RejectReason::QuantityBelowExecuted,
            i128::from(cum_qty.0),
            i128::from(replace.qty.0),
        ))?;
        let (account, instrument) = (current.account, current.instrument);
        self.ask(
            &Question { account, instrument, terms, leaves, current: Some(current), pair },
            context,
        )
    }

    #[inline]
    fn pair_state(&self, account: AccountId, instrument: InstrumentId) -> PairState {
        match self.pairs.find(account, instrument) {
            Some(slot) => {
                let Pair { exposure, committed, .. } = *self.pairs.get(slot);
                PairState { recorded: true, exposure, committed }
            }
            None => PairState {
                recorded: false,
                exposure: PairExposure::default(),
                committed: Money::ZERO,
            },
        }
    }

    /// Controls 1 to 3.
    #[inline]
    fn admit_message(&mut self, now: UnixNanos, account: AccountId) -> Result<(), Reject> {
        let state = self.account(account)?;
        if !state.has_limits {
            return Err(Reject::of(RejectReason::NoLimits, i128::from(account.0)));
        }
        if self.firm_killed {
            return Err(Reject::of(RejectReason::KillSwitch, 0));
        }
        if state.killed {
            return Err(Reject::of(RejectReason::KillSwitch, 1));
        }
        self.take_token(now, account)
    }

    #[inline]
    fn take_token(&mut self, now: UnixNanos, account: AccountId) -> Result<(), Reject> {
        let bucket = &mut self.accounts[account.index()].bucket;
        let taken = bucket.take(now);
        let (per_sec, tokens) = (bucket.per_sec(), bucket.tokens());
        self.rehash_account(account);
        if taken {
            return Ok(());
        }
        Err(Reject::new(RejectReason::MessageRate, i128::from(per_sec), i128::from(tokens)))
    }

    /// Controls 5 to 10.
    #[inline]
    fn ask(
        &mut self,
        question: &Question<'_>,
        context: &OrderContext<'_>,
    ) -> Result<Counted, Reject> {
        let Question { account, instrument, terms, leaves, current, pair } = *question;
        self.check_instrument(instrument)?;
        let state = &self.accounts[account.index()];
        let limits = &state.limits;
        let side = terms.side;

        at_most(
            RejectReason::MaxOrderQuantity,
            i128::from(limits.max_order_qty.0),
            i128::from(terms.qty.0),
        )?;

        let reference = terms.trigger.or(context.reference);
        let collar = Collar::around(reference, limits.price_collar_bp)?;
        if let Some(price) = terms.limit_price {
            collar.check(side, price)?;
        }
        let mut price = collar.exposure_price(side, terms.limit_price)?;
        if let (Side::Sell, Some(_), Some(now)) = (side, terms.trigger, context.reference) {
            price = price.max(now);
        }
        let protection_price = terms.limit_price.unwrap_or_else(|| collar.bound(side));

        let money_per_tick_lot = context.instrument.money_per_tick_lot;
        let order_notional = bounded_notional(price, terms.qty, money_per_tick_lot)?;
        let in_base = context.funds.in_base(account, order_notional)?;
        at_most(RejectReason::MaxOrderNotional, limits.max_order_notional.0, in_base.0)?;

        let notional = if leaves == terms.qty {
            order_notional
        } else {
            bounded_notional(price, leaves, money_per_tick_lot)?
        };
        let own = OrderExposure { account, instrument, side, qty: leaves, notional };
        let (others, added) = match &context.counting {
            Counting::Alone => (None, own),
            Counting::OneOf(others) => (Some(others), others.or(&own)),
            Counting::Later => (None, own.none()),
        };
        let after = pair.exposure.with(current.or(others), Some(&added))?;

        // Positions are counted in 64 bits with a sign, whatever the limit says.
        let position_max = i128::from(limits.max_position.0).min(i128::from(i64::MAX));
        let is_counted = context.counting != Counting::Later;
        if is_counted {
            at_most(RejectReason::PositionLimit, position_max, after.worst_position(side))?;
        }

        if current.is_none() {
            let open_orders = i128::from(state.open_orders) + 1;
            at_most(RejectReason::MaxOpenOrders, i128::from(limits.max_open_orders), open_orders)?;
        }

        // With every order of its side executed the position is still not past zero: it only reduces.
        let only_reduces = after.worst_position(side) <= 0;
        let is_asked = is_counted && !only_reduces;
        if is_asked && state.is_margin {
            self.ask_margin(account, instrument, &pair, &after, context)?;
        } else if is_asked {
            // Each currency pays for its own; credit is given in the base currency.
            let committed = self.committed_in(account, context.funds.currency);
            let credit = if context.funds.currency == 0 { limits.credit } else { Money::ZERO };
            let total = committed.0 - pair.committed.0 + after.committed().0;
            let available = plus(context.funds.equity_at_cost, credit)?;
            at_most(RejectReason::BuyingPower, available.0, total)?;
        }

        if !pair.recorded {
            self.open_pair(account, instrument, context.funds.currency)?;
        }
        Ok(Counted { exposure: added, price, protection_price })
    }

    /// Control 10 for a margin account: initial margin with every open order executed, of all currencies together.
    #[cold]
    fn ask_margin(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        pair: &PairState,
        after: &PairExposure,
        context: &OrderContext<'_>,
    ) -> Result<(), Reject> {
        let funds = context.funds.margin.expect("the order management knows a margin account");
        let terms = self.margin(instrument).initial;
        let change = after.margin(&terms).0 - pair.committed.0;
        let committed = (0..AccountId::CURRENCIES_MAX as u8).map(|currency| {
            let changed = if currency == context.funds.currency { change } else { 0 };
            Money(self.committed_in(account, currency).0 + changed)
        });
        let total = funds.sum_in_base(account, committed)?;
        let available = plus(funds.equity?, self.accounts[account.index()].limits.credit)?;
        at_most(RejectReason::InitialMargin, available.0, total.0)
    }

    /// What an account ties up in one of its currencies.
    #[inline]
    fn committed_in(&self, account: AccountId, currency: u8) -> Money {
        match currency {
            0 => self.accounts[account.index()].committed,
            other => self.committed_others[account.index()][usize::from(other) - 1],
        }
    }

    /// Makes the record of a pair, so that counting an approved order cannot fail.
    #[cold]
    fn open_pair(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        currency: u8,
    ) -> Result<(), Reject> {
        let pair = Pair::unused(account, instrument, currency);
        self.pairs.find_or_insert(account, instrument, || pair).map(|_| ())
    }

    /// Counts an approved order as open.
    ///
    /// # Panics
    /// If it was not approved here, or what it ties up overflows.
    pub fn order_opened(&mut self, order: &OrderExposure) {
        self.change_pair(order.account, order.instrument, |pair| pair.with(None, Some(order)));
        let account = &mut self.accounts[order.account.index()];
        account.open_orders = account
            .open_orders
            .checked_add(1)
            .expect("the order store holds fewer than 2^32 orders");
        self.rehash_account(order.account);
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
        self.change_pair(before.account, before.instrument, |pair| {
            pair.with(Some(before), Some(after))
        });
    }

    /// Lets a change pass that [`Self::order_changed`] can count.
    ///
    /// # Errors
    /// [`RejectReason::Overflow`].
    pub fn check_change(
        &self,
        before: &OrderExposure,
        after: &OrderExposure,
    ) -> Result<(), Reject> {
        let pair = self.exposure(before.account, before.instrument);
        pair.with(Some(before), Some(after)).map(|_| ())
    }

    /// Takes an order out that is filled, canceled, expired or rejected; `order` is as last counted.
    ///
    /// # Panics
    /// If it was not counted as open.
    pub fn order_closed(&mut self, order: &OrderExposure) {
        self.order_left(order, &order.none());
    }

    /// Takes an order out as [`Self::order_closed`] does, that others stand beside of which only one can execute: they
    /// tied up `before` with it, and tie up `after`.
    ///
    /// # Panics
    /// As [`Self::order_closed`].
    pub fn order_left(&mut self, before: &OrderExposure, after: &OrderExposure) {
        let order = before;
        self.order_changed(before, after);
        let account = &mut self.accounts[order.account.index()];
        account.open_orders =
            account.open_orders.checked_sub(1).expect("an order closes once, after it opened");
        self.rehash_account(order.account);
    }

    /// Takes over a position as the order management has it after a fill.
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
        let magnitude = cost.0.unsigned_abs();
        assert!(magnitude <= PAIR_MONEY_MAX.0 as u128, "the order management bounds what it books");
        self.change_pair(account, instrument, |pair| {
            Ok(PairExposure { position: qty, cost, ..pair })
        });
    }

    #[inline]
    fn change_pair(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        change: impl FnOnce(PairExposure) -> Result<PairExposure, Reject>,
    ) {
        let slot = self.pairs.find(account, instrument);
        let slot = slot.expect("an order is counted after it was approved");
        let pair = self.pairs.get_mut(slot);
        pair.exposure = change(pair.exposure).expect("what is counted was checked for overflow");

        let committed = match self.accounts[account.index()].is_margin {
            false => pair.exposure.committed(),
            true => {
                let terms = self.margins.get(instrument.index()).copied().flatten();
                pair.exposure.margin(&terms.unwrap_or(MarginTerms::FULL).initial)
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
        pair.hash = pair.exposure.hash(account, instrument);
        self.hash.add(pair.hash);
    }

    /// What the pair has open and holds; all zero if it was never used.
    pub fn exposure(&self, account: AccountId, instrument: InstrumentId) -> PairExposure {
        self.pairs
            .find(account, instrument)
            .map_or(PairExposure::default(), |slot| self.pairs.get(slot).exposure)
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

    /// The hash of everything that shapes an answer, kept up with every change.
    #[inline]
    pub const fn hash(&self) -> StateHash {
        self.hash
    }

    /// The same hash, computed anew from every record; for tests and audits, linear in their number.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (index, account) in self.accounts.iter().enumerate().filter(|(_, a)| a.opened) {
            hash.add(hash_account(AccountId(index as u32), account));
            if account.has_limits {
                hash.add(hash_limits(&account.limits));
            }
        }
        for pair in self.pairs.records() {
            hash.add(pair.exposure.hash(pair.account, pair.instrument));
        }
        for (index, terms) in self.margins.iter().enumerate() {
            hash.add(terms.map_or(0, |terms| terms.hash(InstrumentId(index as u32))));
        }
        if self.firm_killed {
            hash.add(hash_firm_kill());
        }
        hash
    }

    #[inline]
    fn account(&self, account: AccountId) -> Result<&AccountRisk, Reject> {
        self.accounts
            .get(account.index())
            .filter(|a| a.opened)
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(account.0)))
    }

    #[inline]
    fn rehash_account(&mut self, account: AccountId) {
        let state = &mut self.accounts[account.index()];
        self.hash.remove(state.hash);
        state.hash = hash_account(account, state);
        self.hash.add(state.hash);
    }
}

impl Default for Risk {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn plus(equity: Money, credit: Money) -> Result<Money, Reject> {
    let overflow = Reject::new(RejectReason::Overflow, i128::MAX, credit.0);
    equity.checked_add(credit).ok_or(overflow)
}

#[inline]
fn at_most(reason: RejectReason, limit: i128, value: i128) -> Result<(), Reject> {
    if value <= limit { Ok(()) } else { Err(Reject::new(reason, limit, value)) }
}

#[inline]
fn hash_account(account: AccountId, state: &AccountRisk) -> u64 {
    let [level, refilled_at] = state.bucket.words();
    let flags = u64::from(state.killed)
        | u64::from(state.has_limits) << 1
        | u64::from(state.is_margin) << 2;
    hash_words(
        TAG_ACCOUNT,
        &[u64::from(account.0) << 32 | u64::from(state.open_orders), flags, level, refilled_at],
    )
}

fn hash_firm_kill() -> u64 {
    hash_words(TAG_FIRM_KILL, &[1])
}

const _: () = assert!(
    PAIR_MONEY_MAX.0.leading_zeros() > InstrumentId::COUNT_MAX.trailing_zeros() + 2,
    "the sum over all instruments, both sides, must fit"
);

const _: () = assert!(Side::Buy.index() == 0 && Side::Sell.index() == 1, "indexes of a pair");
