//! The gate itself: the controls in the order in which they are asked, and the books they are asked of.
//!
//! A new order or a replace is asked, and the first no is the answer:
//!
//! 1. the account is open and has limits, and whoever asks may trade for it,
//! 2. no kill switch that lets nothing through,
//! 3. message rate of the account and of every scope that has one,
//! 4. terms: side, type, tick, lot,
//! 5. order quantity,
//! 6. price collar,
//! 7. order notional,
//! 8. position with every open order executed,
//! 9. number of open orders,
//! 10. buying power with every open order executed; of a margin account, initial margin,
//! 11. every control of every scope that the order belongs to (`ask.rs`): the firm, its account, its instrument, its
//!     strategy, its principal, and the groups of these.
//!
//! **A cancel is never refused.** It takes a message token like any other message, so that a storm of
//! cancels slows the orders that follow, but it passes without one: it only ever reduces risk.

use crate::approval::{Counted, RiskApproved};
use crate::ask::{Asked, Chain, Parties};
use crate::collar::Collar;
use crate::exposure::{Counting, OrderExposure, PairExposure, bounded_notional};
use crate::funds::Funds;
use crate::judge::{EveryVerdict, FirstNo, Judge};
use crate::margin::MarginTerms;
use crate::marks::TRIPS_ROOM;
use crate::pairs::{PairSlot, PairTable};
use crate::people::People;
use crate::rate::TokenBucket;
use crate::recent::{Content, Recent};
use crate::saved::Paired;
use crate::scopes::Scopes;
use crate::stake::{Stake, Traded};
use crate::terms::{Terms, check_limit, check_terms};
use core::fmt;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{ControlKind, KillMode, NewOrder, ReplaceOrder, SetLimits};
use tidegate_model::event::{Tripped, Verdict};
use tidegate_model::fx::Rate;
use tidegate_model::saved::{Sparse, UpTo, room};
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, Money, PrincipalId, Reject, RejectReason, Side,
    StateHash, StrategyId, TickTable, Ticks, UnixNanos,
};

/// What an order is checked against that risk does not own.
#[derive(Clone, Copy, Debug)]
pub struct OrderContext<'a> {
    /// The engine's time.
    pub now: UnixNanos,
    /// Who asks.
    pub principal: PrincipalId,
    /// The order's instrument; must be [`Instrument::checked`].
    pub instrument: &'a Instrument,
    /// The steps of its prices, if it has a tick table.
    pub tick_table: Option<&'a TickTable>,
    /// Last trade, else mid. `None`, or not above 0, is no reference.
    pub reference: Option<Ticks>,
    /// What else is known of the market.
    pub market: MarketView,
    /// Open orders of ours.
    pub own: OwnOrders<'a>,
    /// What the account pays with.
    pub funds: Funds<'a>,
    /// How the order is counted beside others.
    pub counting: Counting,
    /// A person has approved exactly this order.
    pub is_approved: bool,
}

/// What is known of the market in an order's instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct MarketView {
    /// Best bid and offer.
    pub best: [Option<Ticks>; 2],
    /// When the feed last spoke of it; `None` if it never did, or no feed has to.
    pub heard_at: Option<UnixNanos>,
    /// True if a feed has to speak of it: a market of the house needs none.
    pub has_feed: bool,
}

/// The best limit among open orders of one side that rest in an instrument, of those whose parties are asked for.
pub type BestOfOwn<'a> = dyn Fn(Side, &dyn Fn(Parties) -> bool) -> Option<Ticks> + 'a;

/// Asks for the best of own orders.
#[derive(Clone, Copy)]
pub struct OwnOrders<'a>(pub &'a BestOfOwn<'a>);

impl OwnOrders<'_> {
    /// None at all.
    pub const NONE: OwnOrders<'static> = OwnOrders(&|_, _| None);
}

impl fmt::Debug for OwnOrders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnOrders")
    }
}

impl<'a> OrderContext<'a> {
    /// What the operator's own order in a quiet market is checked against.
    #[inline(always)]
    pub fn plain(
        now: UnixNanos,
        instrument: &'a Instrument,
        reference: Option<Ticks>,
        funds: Funds<'a>,
    ) -> Self {
        Self {
            now,
            principal: PrincipalId::OPERATOR,
            instrument,
            tick_table: None,
            reference,
            market: MarketView::default(),
            own: OwnOrders::NONE,
            funds,
            counting: Counting::Alone,
            is_approved: false,
        }
    }

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[repr(align(64))]
pub(crate) struct AccountRisk {
    pub opened: bool,
    pub has_limits: bool,
    /// What it ties up is margin, not the whole value.
    pub is_margin: bool,
    pub open_orders: u32,
    /// Those of them that were not executed yet.
    pub untouched: u32,
    pub bucket: TokenBucket,
    /// Sum of [`PairExposure::committed`] over the account's instruments that are paid for in its base currency.
    pub committed: Money,
    pub limits: SetLimits,
    /// This record's term of the state hash as it was last entered.
    pub hash: u64,
    pub limits_hash: u64,
}

/// An account in an instrument.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub(crate) struct Pair {
    pub account: AccountId,
    pub instrument: InstrumentId,
    /// Which of the account's currencies the instrument is paid for in.
    pub currency: u8,
    pub stake: Stake,
    pub committed: Money,
    /// The average quantity of its orders, in 1/256 of a lot, and how many there were; counted while anybody asks.
    pub average_qty: u64,
    pub orders: u32,
    /// Lots that were located for it to sell short, today.
    pub located: Lots,
    pub hash: u64,
}

impl Paired for Pair {
    fn pair(&self) -> (AccountId, InstrumentId) {
        (self.account, self.instrument)
    }
}

impl Paired for Held {
    fn pair(&self) -> (AccountId, InstrumentId) {
        (AccountId(self.holder), self.instrument)
    }
}

impl Pair {
    pub fn unused(account: AccountId, instrument: InstrumentId, currency: u8) -> Self {
        Self {
            account,
            instrument,
            currency,
            stake: Stake::default(),
            committed: Money::ZERO,
            average_qty: 0,
            orders: 0,
            located: Lots::ZERO,
            hash: 0,
        }
    }

    /// Its term of the state hash.
    #[inline]
    pub fn hash_now(&self) -> u64 {
        self.stake.exposure.hash(self.account, self.instrument)
    }
}

/// The records that changed last, which are not entered into the state hash as they are now: most inputs change one of each kind,
/// several times.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub account: Option<AccountId>,
    pub pair: Option<PairSlot>,
}

/// A strategy or a principal in an instrument.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    pub holder: u32,
    pub instrument: InstrumentId,
    pub stake: Stake,
}

/// What the controls are asked about one order: a new one, or one with its new price and quantity.
pub(crate) struct Question<'a> {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub strategy: StrategyId,
    pub principal: PrincipalId,
    pub terms: Terms,
    /// Lots it would leave open.
    pub leaves: Lots,
    /// What the order ties up already, if it is being replaced.
    pub current: Option<&'a OrderExposure>,
    /// The record of its pair, and what is in it.
    pub pair: PairState,
    /// What it says, if it is new and anybody wants to know it again.
    pub content: Option<Content>,
    pub chain: &'a Chain,
}

/// The counters of a pair as a check needs them; all zero if it has no record yet.
#[derive(Clone, Copy)]
pub(crate) struct PairState {
    pub recorded: bool,
    pub exposure: PairExposure,
    pub committed: Money,
}

/// Every limit, control, kill switch, message budget and exposure.
#[derive(Debug, Serialize, Deserialize)]
pub struct Risk {
    #[serde(with = "Sparse::<{ AccountId::COUNT_MAX }>")]
    pub(crate) accounts: Vec<AccountRisk>,
    /// By account: the sums of what is committed in its other currencies.
    #[serde(with = "Sparse::<{ AccountId::COUNT_MAX }>")]
    pub(crate) committed_others: Vec<[Money; AccountId::CURRENCIES_MAX - 1]>,
    pub(crate) pairs: PairTable<Pair>,
    /// Of strategies and of principals, by their numbers as if they were accounts'.
    pub(crate) helds: [PairTable<Held>; 2],
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    pub(crate) instruments: Vec<Option<Traded>>,
    /// By instrument, as far as any has margins.
    #[serde(with = "UpTo::<{ InstrumentId::COUNT_MAX }>")]
    pub(crate) margins: Vec<Option<MarginTerms>>,
    pub(crate) scopes: Scopes,
    pub(crate) people: People,
    pub(crate) recent: Recent,
    /// The kinds of control that any scope has, as bits: what nobody asks for is not counted.
    pub(crate) in_use: u64,
    /// What stopped since it was last asked; none between inputs.
    #[serde(skip, default = "room::<_, TRIPS_ROOM>")]
    pub(crate) trips: Vec<Tripped>,
    /// The stake that is marked next, and when the last one was.
    pub(crate) sweep: crate::marks::Sweep,
    /// Losses are not looked at now.
    pub(crate) is_held: bool,
    pub(crate) hash: StateHash,
    /// Nothing between inputs.
    #[serde(skip)]
    pub(crate) touched: Touched,
}

impl Risk {
    /// No account, no instrument, no kill switch engaged.
    pub fn new() -> Self {
        Self {
            accounts: Vec::new(),
            committed_others: Vec::new(),
            pairs: PairTable::new(),
            helds: [PairTable::new(), PairTable::new()],
            instruments: Vec::new(),
            margins: Vec::new(),
            scopes: Scopes::new(),
            people: People::default(),
            recent: Recent::new(),
            in_use: 0,
            trips: room::<_, TRIPS_ROOM>(),
            sweep: crate::marks::Sweep::default(),
            is_held: false,
            hash: StateHash::default(),
            touched: Touched::default(),
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

    /// Takes a message token for a cancel, and if less than one is left, takes that. Never refuses: see the head of this
    /// module.
    #[inline]
    pub fn count_cancel(&mut self, now: UnixNanos, account: AccountId, principal: PrincipalId) {
        if self.account(account).is_ok_and(|a| a.has_limits) {
            self.accounts[account.index()].bucket.drain(now);
            self.touch_account(account);
        }
        if self.is_used(ControlKind::MessageRate) {
            let chain = self.chain(account, InstrumentId::NONE, StrategyId::NONE, principal);
            for link in chain.links() {
                let record = self.scopes.get_mut(link.slot);
                if record.has(ControlKind::MessageRate) {
                    record.bucket.drain(now);
                }
            }
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

    /// Tells what every control says of a new order, which is neither counted nor sent.
    ///
    /// # Errors
    /// What keeps the controls from being asked at all: an unknown account, terms that mean nothing, no reference price.
    pub fn explain_new(
        &self,
        order: &NewOrder,
        context: &OrderContext<'_>,
        tell: &mut dyn FnMut(Verdict),
    ) -> Result<(), Reject> {
        let &NewOrder { account, instrument, strategy, .. } = order;
        let judge = &mut EveryVerdict { account, tell };
        let chain = &self.chain(account, instrument, strategy, context.principal);
        self.check_who(account, strategy, context.principal)?;
        self.ask_stops(chain, judge)?;
        self.explain_rate(context.now, account, chain, judge)?;
        let terms = check_terms(order, context)?;
        let content = self.content_of(order);
        let question = Question {
            account,
            instrument,
            strategy,
            principal: context.principal,
            terms,
            leaves: terms.qty,
            current: None,
            pair: self.pair_state(account, instrument),
            content,
            chain,
        };
        self.ask(&question, context, judge).map(|_| ())
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
        let &NewOrder { account, instrument, strategy, .. } = order;
        let pair = self.pair_state(account, instrument);
        let principal = context.principal;
        let chain = &self.chain(account, instrument, strategy, principal);
        self.admit_message(context.now, account, strategy, principal, chain)?;
        let terms = check_terms(order, context)?;
        let leaves = terms.qty;
        let content = self.content_of(order);
        let question = Question {
            account,
            instrument,
            strategy,
            principal,
            terms,
            leaves,
            current: None,
            pair,
            content,
            chain,
        };
        let counted = self.ask(&question, context, &mut FirstNo)?;
        self.note_passed(&question, context)?;
        Ok(counted)
    }

    fn approve_replace(
        &mut self,
        replace: &ReplaceOrder,
        waiting: Option<&NewOrder>,
        current: &OrderExposure,
        cum_qty: Lots,
        context: &OrderContext<'_>,
    ) -> Result<Counted, Reject> {
        let &OrderExposure { account, instrument, strategy, principal, .. } = current;
        let pair = self.pair_state(account, instrument);
        let chain = &self.chain(account, instrument, strategy, principal);
        self.people.check_replace(context.principal, principal, account, strategy)?;
        self.admit_message(context.now, account, strategy, principal, chain)?;
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
        let current = Some(current);
        let question = Question {
            account,
            instrument,
            strategy,
            principal,
            terms,
            leaves,
            current,
            pair,
            content: None,
            chain,
        };
        self.ask(&question, context, &mut FirstNo)
    }

    #[inline]
    fn pair_state(&self, account: AccountId, instrument: InstrumentId) -> PairState {
        match self.pairs.find(account, instrument) {
            Some(slot) => {
                let Pair { stake, committed, .. } = self.pairs.get(slot);
                PairState { recorded: true, exposure: stake.exposure, committed: *committed }
            }
            None => PairState {
                recorded: false,
                exposure: PairExposure::default(),
                committed: Money::ZERO,
            },
        }
    }

    #[inline]
    fn content_of(&self, order: &NewOrder) -> Option<Content> {
        self.is_used(ControlKind::DuplicateOrders).then(|| Content::of(order))
    }

    /// Control 1.
    #[inline]
    fn check_who(
        &self,
        account: AccountId,
        strategy: StrategyId,
        principal: PrincipalId,
    ) -> Result<(), Reject> {
        let state = self.account(account)?;
        if !state.has_limits {
            return Err(Reject::of(RejectReason::NoLimits, i128::from(account.0)));
        }
        if strategy.index() >= StrategyId::COUNT_MAX {
            let max = StrategyId::COUNT_MAX as i128 - 1;
            return Err(Reject::new(RejectReason::UnknownScope, max, strategy.0.into()));
        }
        self.people.check_order(principal, account, strategy)
    }

    /// Controls 1 to 3.
    #[inline]
    fn admit_message(
        &mut self,
        now: UnixNanos,
        account: AccountId,
        strategy: StrategyId,
        principal: PrincipalId,
        chain: &Chain,
    ) -> Result<(), Reject> {
        self.check_who(account, strategy, principal)?;
        self.ask_stops(chain, &mut FirstNo)?;
        if !self.is_used(ControlKind::MessageRate) {
            return self.take_token(now, account);
        }
        // Asked first: what one scope refuses takes no token of another, or a flood of one would stop them all.
        self.check_tokens(now, chain)?;
        self.take_token(now, account)?;
        self.take_tokens(now, chain);
        Ok(())
    }

    /// Control 2: kill switches that let nothing through.
    #[inline]
    fn ask_stops(&self, chain: &Chain, judge: &mut impl Judge) -> Result<(), Reject> {
        for link in chain.links() {
            let record = self.scopes.get(link.slot);
            if record.kill == Some(KillMode::Block) {
                judge.hear(Some(record.scope), RejectReason::KillSwitch, 0, 0, false)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn take_token(&mut self, now: UnixNanos, account: AccountId) -> Result<(), Reject> {
        let bucket = &mut self.accounts[account.index()].bucket;
        let taken = bucket.take(now);
        let (per_sec, tokens) = (bucket.per_sec(), bucket.tokens());
        self.touch_account(account);
        if taken {
            return Ok(());
        }
        Err(Reject::new(RejectReason::MessageRate, i128::from(per_sec), i128::from(tokens)))
    }

    /// Controls 5 to 11.
    #[inline]
    fn ask<J: Judge>(
        &self,
        question: &Question<'_>,
        context: &OrderContext<'_>,
        judge: &mut J,
    ) -> Result<Counted, Reject> {
        let Question {
            account, instrument, strategy, principal, terms, leaves, current, pair, ..
        } = *question;
        let traded = self.traded(instrument)?;
        let state = &self.accounts[account.index()];
        let limits = &state.limits;
        let side = terms.side;
        let mut at_most = |reason, limit: i128, value: i128| {
            judge.hear(None, reason, limit, value, value <= limit)
        };

        at_most(
            RejectReason::MaxOrderQuantity,
            i128::from(limits.max_order_qty.0),
            i128::from(terms.qty.0),
        )?;

        let reference = terms.trigger.or(context.reference);
        let collar = Collar::around(reference, limits.price_collar_bp)?;
        if let Some(price) = terms.limit_price {
            let passes = collar.check(side, price).is_ok();
            let (bound, price) = (collar.bound_ticks(side), i128::from(price.0));
            judge.hear(None, RejectReason::PriceCollar, bound, price, passes)?;
        }
        let mut price = collar.exposure_price(side, terms.limit_price)?;
        if let (Side::Sell, Some(_), Some(now)) = (side, terms.trigger, context.reference) {
            price = price.max(now);
        }
        let protection_price = terms.limit_price.unwrap_or_else(|| collar.bound(side));
        let mut at_most = |reason, limit: i128, value: i128| {
            judge.hear(None, reason, limit, value, value <= limit)
        };

        let money_per_tick_lot = context.instrument.money_per_tick_lot;
        let order_notional = bounded_notional(price, terms.qty, money_per_tick_lot)?;
        let in_base = context.funds.in_base(account, order_notional)?;
        at_most(RejectReason::MaxOrderNotional, limits.max_order_notional.0, in_base.0)?;

        let notional = if leaves == terms.qty {
            order_notional
        } else {
            bounded_notional(price, leaves, money_per_tick_lot)?
        };
        let own = OrderExposure {
            account,
            instrument,
            side,
            qty: leaves,
            notional,
            strategy,
            principal,
            limit: protection_price,
        };
        let (others, added) = match &context.counting {
            Counting::Alone => (None, own),
            Counting::OneOf(others) => (Some(others), others.or(&own)),
            Counting::Later => (None, own.none()),
        };
        let removed = current.or(others);
        let after = pair.exposure.with(removed, Some(&added))?;

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
            let [limit, value] = self.margin_asked(account, instrument, &pair, &after, context)?;
            at_most(RejectReason::InitialMargin, limit, value)?;
        } else if is_asked {
            // Each currency pays for its own; credit is given in the base currency.
            let committed = self.committed_in(account, context.funds.currency);
            let credit = if context.funds.currency == 0 { limits.credit } else { Money::ZERO };
            let total = committed.0 - pair.committed.0 + after.committed().0;
            let available = plus(context.funds.equity_at_cost, credit)?;
            at_most(RejectReason::BuyingPower, available.0, total)?;
        }

        let asked = Asked { question, context, traded, removed, added: &added, after, in_base };
        self.ask_scopes(&asked, judge)?;
        Ok(Counted { exposure: added, price, protection_price })
    }

    /// Control 10 for a margin account: initial margin with every open order executed, of all currencies together: what
    /// there is for it, and what it would be.
    #[cold]
    fn margin_asked(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        pair: &PairState,
        after: &PairExposure,
        context: &OrderContext<'_>,
    ) -> Result<[i128; 2], Reject> {
        let funds = context.funds.margin.expect("the order management knows a margin account");
        let terms = self.margin(instrument).initial;
        let change = after.margin(&terms).0 - pair.committed.0;
        let committed = (0..AccountId::CURRENCIES_MAX as u8).map(|currency| {
            let changed = if currency == context.funds.currency { change } else { 0 };
            Money(self.committed_in(account, currency).0 + changed)
        });
        let total = funds.sum_in_base(account, committed)?;
        let available = plus(funds.equity?, self.accounts[account.index()].limits.credit)?;
        Ok([available.0, total.0])
    }

    /// What an account ties up in one of its currencies.
    #[inline]
    fn committed_in(&self, account: AccountId, currency: u8) -> Money {
        match currency {
            0 => self.accounts[account.index()].committed,
            other => self.committed_others[account.index()][usize::from(other) - 1],
        }
    }

    /// What is known of an instrument.
    #[inline]
    pub(crate) fn traded(&self, instrument: InstrumentId) -> Result<&Traded, Reject> {
        let traded = self.instruments.get(instrument.index()).and_then(Option::as_ref);
        traded.ok_or(Reject::of(RejectReason::UnknownInstrument, i128::from(instrument.0)))
    }

    #[inline]
    pub(crate) fn account(&self, account: AccountId) -> Result<&AccountRisk, Reject> {
        self.accounts
            .get(account.index())
            .filter(|a| a.opened)
            .ok_or(Reject::of(RejectReason::UnknownAccount, i128::from(account.0)))
    }

    /// True if any scope has a control of this kind.
    #[inline]
    pub(crate) const fn is_used(&self, kind: ControlKind) -> bool {
        self.in_use & crate::scopes::bit(kind) != 0
    }

    /// What stopped, or went on, since this was last asked. The caller takes it out.
    pub fn trips(&mut self) -> &mut Vec<Tripped> {
        &mut self.trips
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

const _: () = assert!(Side::Buy.index() == 0 && Side::Sell.index() == 1, "indexes of a pair");

/// Rates are asked of whoever keeps them.
pub type RateOf<'a> = &'a dyn Fn(tidegate_model::ids::Code) -> Option<Rate>;
