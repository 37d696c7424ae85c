//! Everything that has controls of its own: the firm, principals, accounts, strategies, instruments, groups of them.

use crate::control::Control;
use crate::factors::{FactorLimit, FactorSums};
use crate::rate::TokenBucket;
use crate::stake::Contribution;
use crate::throttle::Ring;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{Action, ControlKind, KillMode};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::UpTo;
use tidegate_model::{
    AccountId, GroupId, InstrumentId, PrincipalId, Reject, RejectReason, Scope, ScopeKind,
    StateHash, StrategyId, Ticks, UnixNanos,
};

const TAG_SCOPE: u64 = 0x7269_736b_7363_6f70;
/// Controls that one scope may have: each kind once, and the lists of instruments.
const CONTROLS_MAX: usize = 128;
/// Scopes that there can be: the firm and every number of every kind.
pub(crate) const RECORDS_MAX: usize = 1
    + PrincipalId::COUNT_MAX
    + AccountId::COUNT_MAX
    + StrategyId::COUNT_MAX
    + InstrumentId::COUNT_MAX
    + GroupId::COUNT_MAX;

/// Which record; valid for the table that gave it, for good. 0 is the firm's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeSlot(u32);

impl ScopeSlot {
    pub const FIRM: Self = Self(0);

    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Sums over everything that belongs to a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Money, in the firm's currency.
    pub money: Contribution,
    /// Open orders.
    pub open_orders: u32,
    /// Those of them that were not executed yet, not even in part.
    pub untouched: u32,
}

impl Totals {
    /// Value of all positions and all open orders.
    #[inline]
    pub const fn gross(money: &Contribution) -> i128 {
        money.long + money.short + money.open[0] + money.open[1]
    }

    /// Value of long less short positions, if every open order of the side executes that makes it larger.
    #[inline]
    pub fn net(money: &Contribution) -> i128 {
        let held = money.long - money.short;
        (held + money.open[0]).abs().max((held - money.open[1]).abs())
    }
}

/// What happened since the day began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Notional executed, in the firm's currency.
    pub notional: i128,
    /// Orders that passed.
    pub orders: u32,
    /// Orders that were executed, in whole or in part.
    pub trades: u32,
    /// Profit and loss when it began.
    pub pnl_before: i128,
    /// The best profit and loss in it, from its beginning.
    pub pnl_best: i128,
}

/// What stops a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stop {
    pub control: ControlKind,
    pub action: Action,
    pub limit: i128,
    pub value: i128,
    /// 0: until somebody enables it, or for a loss until the day ends.
    pub until: UnixNanos,
}

/// Stops that a scope can have at once: one of each control that stops by itself.
pub(crate) const STOPS: [ControlKind; 5] = [
    ControlKind::ExecutionThrottle,
    ControlKind::DayLoss,
    ControlKind::Drawdown,
    ControlKind::ConsecutiveLosses,
    ControlKind::Volatility,
];

/// How far a price went in one window and in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub began_at: UnixNanos,
    /// Lowest and highest, in ticks; in this window and in the one before.
    pub spans: [Option<[i64; 2]>; 2],
}

/// One scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScopeRecord {
    pub scope: Scope,
    /// The record of the group that it belongs to; the firm's where it is in none.
    pub group: ScopeSlot,
    pub kill: Option<KillMode>,
    /// By kind.
    #[serde(with = "UpTo::<CONTROLS_MAX>")]
    pub controls: Vec<Control>,
    /// A bit for each kind among them.
    pub kinds: u64,
    pub totals: Totals,
    pub day: Day,
    pub bucket: TokenBucket,
    pub executions: Option<Ring>,
    /// Losing executions in a row.
    pub losses: u32,
    /// By [`STOPS`].
    pub stops: [Option<Stop>; STOPS.len()],
    pub factors: Option<Box<FactorSums>>,
    pub factor_limit: FactorLimit,
    pub moved: Range,
    /// Reference and time at which the window of a collar began.
    pub window: Option<(UnixNanos, i64)>,
    /// The only account whose orders it has seen, and none any more once there were two; of strategies and principals.
    pub sole_account: Option<AccountId>,
    pub has_several: bool,
}

/// The bit of a kind in [`ScopeRecord::kinds`].
#[inline]
pub(crate) const fn bit(kind: ControlKind) -> u64 {
    1 << kind.wire()
}

impl ScopeRecord {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            group: ScopeSlot::FIRM,
            kill: None,
            controls: Vec::new(),
            kinds: 0,
            totals: Totals::default(),
            day: Day::default(),
            bucket: TokenBucket::default(),
            executions: None,
            losses: 0,
            stops: [None; STOPS.len()],
            factors: None,
            factor_limit: FactorLimit::default(),
            moved: Range::default(),
            window: None,
            sole_account: None,
            has_several: false,
        }
    }

    pub fn kind(&self) -> ScopeKind {
        self.scope.scope_kind().expect("a record is made for a scope that is assigned")
    }

    #[inline]
    pub const fn has(&self, kind: ControlKind) -> bool {
        self.kinds & bit(kind) != 0
    }

    /// The control of a kind, if it is in force.
    #[inline]
    pub fn control(&self, kind: ControlKind) -> Option<&Control> {
        if !self.has(kind) {
            return None;
        }
        self.controls.iter().find(|control| control.kind == kind)
    }

    /// The reference with which the window of a collar began, while that goes on.
    pub fn window_price(&self, now: UnixNanos, window_ns: u64) -> Option<Ticks> {
        let (began_at, price) = self.window?;
        (now.0.saturating_sub(began_at.0) < window_ns).then_some(Ticks(price))
    }

    /// True if anything but a limit may stand in the way of an order.
    #[inline]
    pub fn may_stop(&self) -> bool {
        self.kill.is_some() || self.stops.iter().any(Option::is_some)
    }

    /// Puts a control in force, in the place of the one it replaces.
    pub fn put(&mut self, control: Control) -> Result<(), Reject> {
        match self.controls.iter().position(|old| old.is_same(&control)) {
            Some(at) => self.controls[at] = control,
            None if self.controls.len() == CONTROLS_MAX => {
                let max = CONTROLS_MAX as i128;
                return Err(Reject::new(RejectReason::CapacityExceeded, max, max));
            }
            None => {
                let at = self.controls.partition_point(|old| old.kind <= control.kind);
                self.controls.insert(at, control);
            }
        }
        self.kinds |= bit(control.kind);
        match control.kind {
            ControlKind::MessageRate => {
                let (per_sec, burst) = (control.limit as u32, control.count);
                // A limit that is set again brings no new tokens.
                match self.bucket == TokenBucket::default() {
                    true => self.bucket = TokenBucket::full(per_sec, burst),
                    false => self.bucket.resize(per_sec, burst),
                }
            }
            ControlKind::FactorExposure => self.factor_limit = FactorLimit::of(control.limit),
            ControlKind::ExecutionThrottle => {
                self.executions = Some(Ring::new(control.limit as usize));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a control away.
    pub fn take_away(&mut self, control: &Control) {
        self.controls.retain(|old| !old.is_same(control));
        if self.controls.iter().any(|old| old.kind == control.kind) {
            return;
        }
        self.kinds &= !bit(control.kind);
        match control.kind {
            ControlKind::MessageRate => self.bucket = TokenBucket::default(),
            ControlKind::ExecutionThrottle => self.executions = None,
            ControlKind::FactorExposure => self.factors = None,
            ControlKind::WindowCollar => self.window = None,
            ControlKind::Volatility => self.moved = Range::default(),
            _ => {}
        }
    }

    /// Profit and loss since the day began.
    #[inline]
    pub const fn pnl_of_day(&self) -> i128 {
        self.totals.money.pnl - self.day.pnl_before
    }

    /// A new day.
    pub fn day_roll(&mut self) {
        self.day = Day { pnl_before: self.totals.money.pnl, ..Day::default() };
        for (at, control) in STOPS.iter().enumerate() {
            if matches!(control, ControlKind::DayLoss | ControlKind::Drawdown) {
                self.stops[at] = None;
            }
        }
    }

    fn hash(&self) -> u64 {
        let scope = u64::from(self.scope.kind) << 32 | u64::from(self.scope.id);
        let half = |money: i128| [money as u64, (money >> 64) as u64];
        let [level, refilled_at] = self.bucket.words();
        let Totals { money, open_orders, untouched } = &self.totals;
        let [notional, rest] = half(self.day.notional);
        let [pnl, pnl_rest] = half(money.pnl);
        let mut hash = hash_words(
            TAG_SCOPE,
            &[
                scope,
                u64::from(self.group.0) << 8 | self.kill.map_or(0, |mode| mode.wire().into()),
                level,
                refilled_at,
                u64::from(*open_orders) << 32 | u64::from(*untouched),
                u64::from(self.day.orders) << 32 | u64::from(self.day.trades),
                notional,
                rest,
                pnl,
                pnl_rest,
                self.day.pnl_before as u64,
                self.day.pnl_best as u64,
                self.losses.into(),
                Totals::gross(money) as u64,
                Totals::net(money) as u64,
                u64::from(self.sole_account.map_or(0, |account| account.0)) << 1
                    | u64::from(self.has_several),
            ],
        );
        for control in &self.controls {
            hash = hash.wrapping_add(control.hash(scope));
        }
        for (at, stop) in self.stops.iter().enumerate() {
            if let Some(stop) = stop {
                let [limit, value] = [stop.limit as u64, stop.value as u64];
                let words = [scope, at as u64, limit, value, stop.until.0];
                hash = hash.wrapping_add(hash_words(TAG_SCOPE + 1, &words));
            }
        }
        for at in self.executions.iter().flat_map(Ring::words) {
            hash = hash_words(TAG_SCOPE + 2, &[hash, at]);
        }
        if let Some((at, price)) = self.window {
            hash = hash_words(TAG_SCOPE + 3, &[hash, at.0, price as u64]);
        }
        let Range { began_at, spans } = self.moved;
        for [low, high] in spans.iter().flatten() {
            hash = hash_words(TAG_SCOPE + 4, &[hash, began_at.0, *low as u64, *high as u64]);
        }
        hash
    }
}

/// Every scope that anything was ever set for, found by its number.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scopes {
    #[serde(with = "UpTo::<RECORDS_MAX>")]
    records: Vec<ScopeRecord>,
    /// By kind, then by number: the record, or the firm's where there is none.
    slots: [Vec<ScopeSlot>; 5],
}

const KINDS: [ScopeKind; 5] = [
    ScopeKind::Principal,
    ScopeKind::Account,
    ScopeKind::Strategy,
    ScopeKind::Instrument,
    ScopeKind::Group,
];

impl Scopes {
    /// The firm.
    pub fn new() -> Self {
        Self { records: vec![ScopeRecord::new(Scope::FIRM)], slots: Default::default() }
    }

    const fn count_max(kind: ScopeKind) -> usize {
        match kind {
            ScopeKind::Firm => 1,
            ScopeKind::Principal => PrincipalId::COUNT_MAX,
            ScopeKind::Account => AccountId::COUNT_MAX,
            ScopeKind::Strategy => StrategyId::COUNT_MAX,
            ScopeKind::Instrument => InstrumentId::COUNT_MAX,
            ScopeKind::Group => GroupId::COUNT_MAX,
        }
    }

    /// The record of a number, or the firm's if it has none.
    #[inline]
    pub fn slot(&self, kind: ScopeKind, id: u32) -> ScopeSlot {
        let slots = &self.slots[kind as usize - 2];
        slots.get(id as usize).copied().unwrap_or(ScopeSlot::FIRM)
    }

    /// True if every number leads to a record of its own or to the firm's, and every record to a group's or to the firm's.
    pub fn is_linked(&self) -> bool {
        let is_there = |slot: ScopeSlot| slot.index() < self.records.len();
        let mut found = 0;
        for (kind, slots) in KINDS.iter().zip(&self.slots) {
            for (id, slot) in slots.iter().enumerate().filter(|(_, slot)| **slot != ScopeSlot::FIRM)
            {
                found += 1;
                if !is_there(*slot) || self.get(*slot).scope != Scope::of(*kind, id as u32) {
                    return false;
                }
            }
        }
        found + 1 == self.records.len()
            && self.records[0].scope == Scope::FIRM
            && self.records.iter().all(|record| is_there(record.group))
    }

    /// The record of a scope, if it has one.
    pub fn find(&self, scope: Scope) -> Option<ScopeSlot> {
        match scope.scope_kind()? {
            ScopeKind::Firm => (scope.id == 0).then_some(ScopeSlot::FIRM),
            kind => Some(self.slot(kind, scope.id)).filter(|slot| *slot != ScopeSlot::FIRM),
        }
    }

    /// The record of a scope, made if it has none.
    ///
    /// # Errors
    /// [`RejectReason::UnknownScope`] with the bound, for a number that there cannot be.
    pub fn find_or_make(&mut self, scope: Scope) -> Result<ScopeSlot, Reject> {
        let unknown =
            |max: usize| Reject::new(RejectReason::UnknownScope, max as i128 - 1, scope.id.into());
        if let Some(slot) = self.find(scope) {
            return Ok(slot);
        }
        let kind = scope.scope_kind().ok_or_else(|| unknown(1))?;
        let max = Self::count_max(kind);
        // 0 is no strategy and no group.
        let is_none = matches!(kind, ScopeKind::Strategy | ScopeKind::Group) && scope.id == 0;
        if scope.id as usize >= max || kind == ScopeKind::Firm || is_none {
            return Err(unknown(max));
        }
        let slot = ScopeSlot(self.records.len() as u32);
        let scope = Scope::of(kind, scope.id);
        self.records.push(ScopeRecord::new(scope));
        let slots = &mut self.slots[kind as usize - 2];
        if slots.len() <= scope.id as usize {
            slots.resize(scope.id as usize + 1, ScopeSlot::FIRM);
        }
        slots[scope.id as usize] = slot;
        Ok(slot)
    }

    #[inline]
    pub fn get(&self, slot: ScopeSlot) -> &ScopeRecord {
        &self.records[slot.index()]
    }

    #[inline]
    pub fn get_mut(&mut self, slot: ScopeSlot) -> &mut ScopeRecord {
        &mut self.records[slot.index()]
    }

    /// Every record's place.
    pub fn slots(&self) -> impl Iterator<Item = ScopeSlot> + use<> {
        (0..self.records.len() as u32).map(ScopeSlot)
    }

    pub fn iter(&self) -> impl Iterator<Item = &ScopeRecord> {
        self.records.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut ScopeRecord> {
        self.records.iter_mut()
    }

    /// The hash of every record but those that nothing has happened to; linear in their number.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for record in &self.records {
            hash.add(record.hash());
        }
        hash
    }
}

const _: () = {
    let mut at = 0;
    while at < KINDS.len() {
        assert!(KINDS[at] as usize == at + 2, "a table for each kind but the firm");
        at += 1;
    }
};
