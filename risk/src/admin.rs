//! What is set: accounts, instruments, limits, controls, kill switches, groups, lists, people.
//!
//! Whether a change loosens is told here; that a second person must then agree is the engine's to see to.

use crate::ask::Parties;
use crate::control::Control;
use crate::gate::{AccountRisk, Pair, RateOf, Risk};
use crate::limits::{check_limits, hash_limits, is_loosened};
use crate::margin::MarginTerms;
use crate::pairs::PairSlot;
use crate::rate::TokenBucket;
use crate::scopes::{STOPS, ScopeRecord, ScopeSlot};
use crate::stake::Traded;
use tidegate_model::command::{
    ControlKind, Enable, GrantLocate, KillMode, KillSwitch, LISTS_OF_INSTRUMENTS_MAX, SetControl,
    SetFactors, SetGroup, SetLimits, SetListed, SetMargin, SetPrincipal,
};
use tidegate_model::hash::hash_words;
use tidegate_model::{
    AccountId, GroupId, Instrument, InstrumentId, Lots, Money, PrincipalId, Reject, RejectReason,
    Scope, ScopeKind, StateHash, Ticks,
};

const TAG_ACCOUNT: u64 = 0x7269_736b_6163_6374;
const TAG_LISTED: u64 = 0x7269_736b_6c69_7374;
const TAG_PAIR_MORE: u64 = 0x7269_736b_6d6f_7265;
/// The largest loading of a factor: ten times the value.
const LOADING_E6_MAX: i32 = 10_000_000;

impl Risk {
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
        self.traded(instrument)?;
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
                self.change_booked(account, instrument, |_| ());
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

    /// Lets risk know of an instrument, and of what one unit of its currency is worth in the firm's; once more is no change.
    ///
    /// # Errors
    /// [`RejectReason::CapacityExceeded`] for an id that is not below [`InstrumentId::COUNT_MAX`].
    pub fn define_instrument(
        &mut self,
        instrument: InstrumentId,
        terms: &Instrument,
        rate: RateOf<'_>,
    ) -> Result<(), Reject> {
        if instrument.index() >= InstrumentId::COUNT_MAX {
            return Err(Reject::new(
                RejectReason::CapacityExceeded,
                InstrumentId::COUNT_MAX as i128,
                i128::from(instrument.0),
            ));
        }
        if self.instruments.len() <= instrument.index() {
            self.instruments.resize(instrument.index() + 1, None);
        }
        let traded = &mut self.instruments[instrument.index()];
        traded.get_or_insert_with(|| Traded::of(terms, rate(terms.currency)));
        Ok(())
    }

    /// Rates into the firm's currency have changed, or the firm's currency has. Linear in everything that is held.
    pub fn set_rates(&mut self, rate: RateOf<'_>) {
        for traded in self.instruments.iter_mut().flatten() {
            traded.rate = rate(traded.currency);
        }
        self.recount();
    }

    /// One lot of an instrument becomes `numerator / denominator` lots: what strategies and principals hold of it. What a
    /// division leaves over is dropped, as accounts are paid for it.
    pub fn split(&mut self, instrument: InstrumentId, numerator: u32, denominator: u32) {
        for at in 0..self.helds.len() {
            for number in 0..self.helds[at].len() {
                let held = self.helds[at].record_mut(number);
                if held.instrument == instrument {
                    let exposure = &mut held.stake.exposure;
                    let lots = i128::from(exposure.position) * i128::from(numerator);
                    let lots = lots / i128::from(denominator.max(1));
                    exposure.position = lots.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
                }
            }
        }
        if let Some(Some(traded)) = self.instruments.get_mut(instrument.index()) {
            // What was traded before was another lot; until it is traded again, what it is worth is what it was.
            let per_lot = |price: Ticks| {
                let ticks = i128::from(price.0) * i128::from(denominator);
                Ticks(
                    (ticks / i128::from(numerator.max(1))).clamp(i64::MIN.into(), i64::MAX.into())
                        as i64,
                )
            };
            traded.mark = traded.mark.map(per_lot);
            traded.previous_close = traded.previous_close.map(per_lot);
        }
        self.recount();
    }

    /// True if limits would let something pass that those in force do not; the first limits do.
    pub fn is_loosened_by(&self, limits: &SetLimits) -> bool {
        self.limits(limits.account).is_none_or(|old| is_loosened(old, limits))
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

    /// Engages or releases the kill switch of a scope.
    ///
    /// While one is engaged no new order and no replace of its scope passes, or only what reduces a position; cancels do.
    /// What is open is the engine's to cancel. Engaging one that is engaged changes at most what it lets through.
    ///
    /// # Errors
    /// [`RejectReason::UnknownScope`], [`RejectReason::UnknownAccount`], or [`RejectReason::BadField`] for a mode that is not
    /// assigned.
    pub fn kill(&mut self, kill: &KillSwitch) -> Result<(), Reject> {
        let scope = kill.whom();
        let mode = match kill.mode {
            0 => KillMode::Block,
            wire => {
                KillMode::from_wire(wire).ok_or(Reject::of(RejectReason::BadField, wire.into()))?
            }
        };
        self.check_scope(scope)?;
        let slot = self.scope_made(scope)?;
        self.scopes.get_mut(slot).kill = (kill.engaged != 0).then_some(mode);
        Ok(())
    }

    /// Lets a scope pass that is there, or will be: an account and an instrument must be known.
    fn check_scope(&self, scope: Scope) -> Result<(), Reject> {
        match scope.scope_kind() {
            Some(ScopeKind::Account) => self.account(AccountId(scope.id)).map(|_| ()),
            Some(ScopeKind::Instrument) => self.traded(InstrumentId(scope.id)).map(|_| ()),
            Some(_) => Ok(()),
            None => Err(Reject::of(RejectReason::UnknownScope, scope.kind.into())),
        }
    }

    /// The kill switch of a scope, if it is engaged.
    pub fn killed(&self, scope: Scope) -> Option<KillMode> {
        self.scopes.find(scope).and_then(|slot| self.scopes.get(slot).kill)
    }

    /// True if a kill switch stops `account`: its own or the firm's.
    /// With [`AccountId::NONE`]: whether the firm's is engaged.
    pub fn is_killed(&self, account: AccountId) -> bool {
        self.killed(Scope::FIRM).is_some() || self.killed(Scope::account(account)).is_some()
    }

    /// True if an order of these is in the scope.
    pub fn is_in(&self, scope: Scope, of: Parties) -> bool {
        let chain = self.chain(of.account, of.instrument, of.strategy, of.principal);
        let is_named = || match scope.scope_kind() {
            // A scope that nothing was set for has no record.
            Some(ScopeKind::Account) => scope.id == of.account.0,
            Some(ScopeKind::Instrument) => scope.id == of.instrument.0,
            Some(ScopeKind::Strategy) => scope.id == of.strategy.0.into(),
            Some(ScopeKind::Principal) => scope.id == of.principal.0,
            _ => false,
        };
        is_named() || chain.links().iter().any(|link| self.scopes.get(link.slot).scope == scope)
    }

    /// True if any scope of such an order has a control of this kind.
    pub fn has_control(&self, kind: ControlKind, of: Parties) -> bool {
        let chain = self.chain(of.account, of.instrument, of.strategy, of.principal);
        self.is_used(kind) && chain.links().iter().any(|link| self.scopes.get(link.slot).has(kind))
    }

    /// True if a control would let something pass that is refused now.
    ///
    /// # Errors
    /// As [`Self::set_control`].
    pub fn is_loosened_by_control(&self, set: &SetControl) -> Result<bool, Reject> {
        let new = Control::of(set)?;
        self.check_scope(set.scope)?;
        let Some(slot) = self.scopes.find(set.scope) else { return Ok(false) };
        let old = self.scopes.get(slot).controls.iter().find(|old| old.is_same(&new));
        Ok(match (old, set.off) {
            (None, _) => false,
            (Some(_), off) if off != 0 => true,
            (Some(old), _) => old.is_loosened_by(&new),
        })
    }

    /// Puts a control of a scope in force, or takes it away.
    ///
    /// # Errors
    /// [`RejectReason::BadControl`] as [`Control::of`], [`RejectReason::UnknownScope`] or [`RejectReason::UnknownAccount`].
    pub fn set_control(&mut self, set: &SetControl) -> Result<(), Reject> {
        let control = Control::of(set)?;
        self.check_scope(set.scope)?;
        if set.off != 0 {
            if let Some(slot) = self.scopes.find(set.scope) {
                self.scopes.get_mut(slot).take_away(&control);
                self.forget_stop(slot, control.kind);
            }
        } else {
            let slot = self.scope_made(set.scope)?;
            let record = self.scopes.get_mut(slot);
            record.put(control)?;
            if control.kind == ControlKind::FactorExposure && record.factors.is_none() {
                record.factors = Some(Box::default());
                self.recount();
            }
        }
        self.in_use = self.scopes.iter().fold(0, |kinds, record| kinds | record.kinds);
        if let Some(slot) = self.scopes.find(set.scope) {
            self.check_loss(slot);
        }
        Ok(())
    }

    /// The record of a scope. One that is made now counts what is open and held already; its day begins now.
    fn scope_made(&mut self, scope: Scope) -> Result<ScopeSlot, Reject> {
        if let Some(slot) = self.scopes.find(scope) {
            return Ok(slot);
        }
        let slot = self.scopes.find_or_make(scope)?;
        let open = match scope.scope_kind() {
            Some(ScopeKind::Account) => {
                let account = &self.accounts[scope.id as usize];
                [account.open_orders, account.untouched]
            }
            Some(ScopeKind::Instrument) => {
                let traded = self.instruments[scope.id as usize].as_ref();
                traded.map_or([0; 2], |traded| [traded.all.open_orders, traded.all.untouched])
            }
            // A strategy or principal that was never named has entered no order, and a group has no member.
            _ => [0; 2],
        };
        let totals = &mut self.scopes.get_mut(slot).totals;
        [totals.open_orders, totals.untouched] = open;
        self.recount();
        let record = self.scopes.get_mut(slot);
        record.day.pnl_before = record.totals.money.pnl;
        Ok(slot)
    }

    /// A control that is taken away stops nobody any more.
    fn forget_stop(&mut self, slot: ScopeSlot, kind: ControlKind) {
        if let Some(at) = STOPS.iter().position(|stop| *stop == kind) {
            self.scopes.get_mut(slot).stops[at] = None;
        }
    }

    /// The controls in force of a scope, by kind.
    pub fn controls(&self, scope: Scope) -> &[Control] {
        self.scopes.find(scope).map_or(&[], |slot| &self.scopes.get(slot).controls)
    }

    /// Puts a member into a group, or into none.
    ///
    /// # Errors
    /// [`RejectReason::UnknownScope`]; [`RejectReason::BadField`] if the firm or a group is to be a member;
    /// [`RejectReason::MixedGroup`].
    pub fn set_group(&mut self, set: &SetGroup) -> Result<(), Reject> {
        let kind = set.member.scope_kind();
        let bad = Reject::of(RejectReason::BadField, set.member.kind.into());
        let kind = kind.filter(|k| !matches!(k, ScopeKind::Firm | ScopeKind::Group)).ok_or(bad)?;
        self.check_scope(set.member)?;
        let unknown = Reject::new(
            RejectReason::UnknownScope,
            GroupId::COUNT_MAX as i128 - 1,
            set.group.into(),
        );
        let number = u16::try_from(set.group).map_err(|_| unknown)?;
        let group = match number {
            0 => ScopeSlot::FIRM,
            number => self.scope_made(Scope::group(GroupId(number)))?,
        };
        let member = self.scope_made(set.member)?;
        let is_other = |record: &&ScopeRecord| {
            record.group == group && record.kind() != kind && record.scope != set.member
        };
        let other = self.scopes.iter().find(is_other).filter(|_| number != 0);
        let other = other.map(|other| other.scope.kind);
        if let Some(other) = other {
            let value = set.member.kind.into();
            return Err(Reject::new(RejectReason::MixedGroup, other.into(), value));
        }
        let before = core::mem::replace(&mut self.scopes.get_mut(member).group, group);
        self.move_orders(member, before, group);
        self.recount();
        Ok(())
    }

    /// Open orders of a member count for its group.
    fn move_orders(&mut self, member: ScopeSlot, from: ScopeSlot, to: ScopeSlot) {
        let totals = self.scopes.get(member).totals;
        for (slot, sign) in [(from, -1_i64), (to, 1)] {
            if slot != ScopeSlot::FIRM {
                let group = &mut self.scopes.get_mut(slot).totals;
                let moved = |count: u32, by: u32| {
                    u32::try_from((i64::from(count) + sign * i64::from(by)).max(0))
                        .unwrap_or(u32::MAX)
                };
                group.open_orders = moved(group.open_orders, totals.open_orders);
                group.untouched = moved(group.untouched, totals.untouched);
            }
        }
    }

    /// The group of a member; [`GroupId::NONE`] if it is in none.
    pub fn group(&self, member: Scope) -> GroupId {
        let slot = self.scopes.find(member).map(|slot| self.scopes.get(slot).group);
        let group = slot.filter(|slot| *slot != ScopeSlot::FIRM);
        group.map_or(GroupId::NONE, |slot| GroupId(self.scopes.get(slot).scope.id as u16))
    }

    /// True if a list lets something through that it keeps back now: it is a restricted one that gets shorter, or an allowed
    /// one that gets longer.
    pub fn is_loosened_by_list(&self, set: &SetListed) -> bool {
        let is_used = |kind| {
            let mut records = self.scopes.iter();
            records.any(|record| {
                record.controls.iter().any(|c| c.kind == kind && c.limit == set.list.into())
            })
        };
        let loosens =
            if set.listed != 0 { ControlKind::AllowedList } else { ControlKind::RestrictedList };
        is_used(loosens)
    }

    /// Puts an instrument on a list, or takes it off.
    ///
    /// # Errors
    /// [`RejectReason::UnknownInstrument`]; [`RejectReason::BadField`] for a list out of range.
    pub fn set_listed(&mut self, set: &SetListed) -> Result<(), Reject> {
        self.traded(set.instrument)?;
        if !(1..=LISTS_OF_INSTRUMENTS_MAX).contains(&set.list) {
            let max = LISTS_OF_INSTRUMENTS_MAX.into();
            return Err(Reject::new(RejectReason::BadField, max, set.list.into()));
        }
        let traded = self.instruments[set.instrument.index()].as_mut().expect("asked above");
        let bit = 1 << (set.list - 1);
        match set.listed {
            0 => traded.lists &= !bit,
            _ => traded.lists |= bit,
        }
        Ok(())
    }

    /// Sets the factors of an instrument.
    ///
    /// # Errors
    /// [`RejectReason::UnknownInstrument`]; [`RejectReason::BadField`] for a loading out of range.
    pub fn set_factors(&mut self, set: &SetFactors) -> Result<(), Reject> {
        self.traded(set.instrument)?;
        let within = -LOADING_E6_MAX..=LOADING_E6_MAX;
        if let Some(loading) = set.loadings_e6.iter().find(|loading| !within.contains(loading)) {
            let limit = LOADING_E6_MAX.into();
            return Err(Reject::new(RejectReason::BadField, limit, (*loading).into()));
        }
        let traded = self.instruments[set.instrument.index()].as_mut().expect("asked above");
        traded.factors = Some(Box::new(set.loadings_e6));
        self.recount();
        Ok(())
    }

    /// True if more was located than before.
    pub fn is_loosened_by_locate(&self, set: &GrantLocate) -> bool {
        set.qty > self.located(set.account, set.instrument)
    }

    /// Says how much was located for an account.
    ///
    /// # Errors
    /// [`RejectReason::UnknownAccount`], [`RejectReason::UnknownInstrument`], [`RejectReason::CapacityExceeded`].
    pub fn grant_locate(&mut self, set: &GrantLocate, currency: u8) -> Result<(), Reject> {
        self.account(set.account)?;
        self.traded(set.instrument)?;
        let unused = Pair::unused(set.account, set.instrument, currency);
        let slot = self.pairs.find_or_insert(set.account, set.instrument, || unused)?;
        self.pairs.get_mut(slot).located = set.qty;
        Ok(())
    }

    /// True if a loss stopped the scope: to let it go on raises that limit.
    pub fn is_stopped_by_loss(&self, scope: Scope) -> bool {
        self.scopes.find(scope).is_some_and(|slot| {
            let stops = self.scopes.get(slot).stops.iter().flatten();
            let losses = [ControlKind::DayLoss, ControlKind::Drawdown];
            stops.into_iter().any(|stop| losses.contains(&stop.control))
        })
    }

    /// Lets a scope go on that a control stopped; how many did.
    ///
    /// # Errors
    /// [`RejectReason::UnknownScope`].
    pub fn enable_scope(&mut self, enable: &Enable) -> Result<u64, Reject> {
        let unknown = Reject::of(RejectReason::UnknownScope, enable.scope.id.into());
        let slot = self.scopes.find(enable.scope).ok_or(unknown)?;
        Ok(self.enable(slot))
    }

    /// Takes a principal in; true if that is a change.
    ///
    /// # Errors
    /// [`RejectReason::BadField`].
    pub fn set_principal(&mut self, set: &SetPrincipal) -> Result<bool, Reject> {
        let is_change = self.people.set(set)?;
        self.scope_made(Scope::principal(set.principal))?;
        self.helds[1].open_account(AccountId(set.principal.0))?;
        Ok(is_change)
    }

    /// What is known of a principal.
    pub fn principal(&self, principal: PrincipalId) -> Option<&SetPrincipal> {
        self.people.get(principal)
    }

    /// Lets those pass who may act for an account.
    ///
    /// # Errors
    /// [`RejectReason::NotPermitted`].
    #[inline]
    pub fn check_account(&self, principal: PrincipalId, account: AccountId) -> Result<(), Reject> {
        self.people.check_account(principal, account)
    }

    /// Lets those pass who may change controls.
    ///
    /// # Errors
    /// [`RejectReason::NotPermitted`].
    pub fn check_control(&self, principal: PrincipalId) -> Result<(), Reject> {
        self.people.check_control(principal)
    }

    /// Lets those pass who may supply factors.
    ///
    /// # Errors
    /// [`RejectReason::NotPermitted`].
    pub fn check_estimate(&self, principal: PrincipalId) -> Result<(), Reject> {
        self.people.check_estimate(principal)
    }

    /// Lets a person pass who may decide what `proposer` asked for.
    ///
    /// # Errors
    /// [`RejectReason::NotAPerson`], [`RejectReason::NotPermitted`], [`RejectReason::SamePerson`].
    pub fn check_decision(
        &self,
        decider: PrincipalId,
        proposer: PrincipalId,
    ) -> Result<(), Reject> {
        self.people.check_decision(decider, proposer)
    }

    /// The hash of everything that shapes an answer. Accounts, limits and pairs keep theirs with every input; scopes,
    /// strategies, principals and lists are hashed here.
    pub fn hash(&self) -> StateHash {
        let mut hash = self.hash.combined(self.hash_of_scopes());
        if let Some(account) = self.touched.account {
            let state = &self.accounts[account.index()];
            hash.remove(state.hash);
            hash.add(hash_account(account, state));
        }
        if let Some(slot) = self.touched.pair {
            let pair = self.pairs.get(slot);
            hash.remove(pair.hash);
            hash.add(pair.hash_now());
        }
        hash
    }

    /// Enters into the hash what was touched last, as it is now. Between inputs everything is entered.
    #[inline]
    pub fn settle(&mut self) {
        if let Some(account) = self.touched.account.take() {
            self.rehash_account(account);
        }
        if let Some(slot) = self.touched.pair.take() {
            self.rehash_pair(slot);
        }
    }

    /// The record of an account is about to change, or has changed: its hash is entered when another one changes, or by
    /// [`Self::settle`].
    #[inline]
    pub(crate) fn touch_account(&mut self, account: AccountId) {
        if self.touched.account != Some(account)
            && let Some(before) = self.touched.account.replace(account)
        {
            self.rehash_account(before);
        }
    }

    /// As [`Self::touch_account`], of a pair.
    #[inline]
    pub(crate) fn touch_pair(&mut self, slot: PairSlot) {
        if self.touched.pair != Some(slot)
            && let Some(before) = self.touched.pair.replace(slot)
        {
            self.rehash_pair(before);
        }
    }

    fn hash_of_scopes(&self) -> StateHash {
        let mut hash = self.scopes.hash().combined(self.people.hash()).combined(self.recent.hash());
        for (at, table) in self.helds.iter().enumerate() {
            for held in table.records() {
                let holder = u64::from(held.holder) << 32 | u64::from(held.instrument.0);
                hash.add(held.stake.hash(holder << 1 | at as u64));
            }
        }
        for (number, traded) in self.instruments.iter().enumerate() {
            let Some(traded) = traded else { continue };
            let factors = traded.factors.iter().flat_map(|factors| factors.iter());
            let close = traded.previous_close.map_or(0, |close| close.0 as u64);
            if traded.lists != 0 || traded.factors.is_some() || close != 0 {
                hash.add(hash_words(TAG_LISTED, &[number as u64, traded.lists, close]));
            }
            for (at, loading) in factors.enumerate() {
                hash.add(hash_words(TAG_LISTED, &[number as u64, at as u64, *loading as u64]));
            }
        }
        for pair in self.pairs.records() {
            if pair.orders != 0 || pair.located != Lots::ZERO {
                let who = u64::from(pair.account.0) << 32 | u64::from(pair.instrument.0);
                let words = [who, pair.average_qty, pair.orders.into(), pair.located.0];
                hash.add(hash_words(TAG_PAIR_MORE, &words));
            }
        }
        hash
    }

    /// The same hash, computed anew from every record; for tests and audits, linear in their number.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = self.hash_of_scopes();
        for (index, account) in self.accounts.iter().enumerate().filter(|(_, a)| a.opened) {
            hash.add(hash_account(AccountId(index as u32), account));
            if account.has_limits {
                hash.add(hash_limits(&account.limits));
            }
        }
        for pair in self.pairs.records() {
            hash.add(pair.hash_now());
        }
        for (index, terms) in self.margins.iter().enumerate() {
            hash.add(terms.map_or(0, |terms| terms.hash(InstrumentId(index as u32))));
        }
        hash
    }

    /// True if what each record entered into the hash is what it is.
    pub(crate) fn has_own_hashes(&self) -> bool {
        let entered = |(index, state): (usize, &AccountRisk)| {
            let limits = if state.has_limits { hash_limits(&state.limits) } else { 0 };
            let account = match state.opened {
                true => hash_account(AccountId(index as u32), state),
                false => 0,
            };
            state.hash == account && state.limits_hash == limits
        };
        let is_as_entered = |pair: &Pair| pair.hash == pair.hash_now();
        self.accounts.iter().enumerate().all(entered) && self.pairs.records().all(is_as_entered)
    }

    #[inline]
    pub(crate) fn rehash_account(&mut self, account: AccountId) {
        let state = &mut self.accounts[account.index()];
        self.hash.remove(state.hash);
        state.hash = hash_account(account, state);
        self.hash.add(state.hash);
    }

    fn rehash_pair(&mut self, slot: PairSlot) {
        let pair = self.pairs.get_mut(slot);
        self.hash.remove(pair.hash);
        pair.hash = pair.hash_now();
        self.hash.add(pair.hash);
    }
}

#[inline]
fn hash_account(account: AccountId, state: &AccountRisk) -> u64 {
    let [level, refilled_at] = state.bucket.words();
    let flags = u64::from(state.has_limits) << 1 | u64::from(state.is_margin) << 2;
    hash_words(
        TAG_ACCOUNT,
        &[u64::from(account.0) << 32 | u64::from(state.open_orders), flags, level, refilled_at],
    )
}

const _: () = assert!(
    crate::exposure::PAIR_MONEY_MAX.0.leading_zeros()
        > InstrumentId::COUNT_MAX.trailing_zeros() + 2,
    "the sum over all instruments, both sides, must fit"
);
