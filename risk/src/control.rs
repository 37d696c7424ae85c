//! One control of one scope: what may be set, and what loosens.

use crate::exposure::PAIR_MONEY_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    Action, COUNT_MAX, ControlKind, LISTS_OF_INSTRUMENTS_MAX, ReferenceKind, SetControl,
    WINDOW_MAX_NS,
};
use tidegate_model::hash::hash_words;
use tidegate_model::{Reject, RejectReason, ScopeKind};

const TAG_CONTROL: u64 = 0x7269_736b_6374_726c;

/// A control in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// What it looks at.
    pub kind: ControlKind,
    /// The limit, in what the kind counts.
    pub limit: i128,
    /// Over what time.
    pub window_ns: u64,
    /// For how long.
    pub hold_ns: u64,
    /// How many.
    pub count: u32,
    /// What it does by itself.
    pub action: Option<Action>,
    /// As the kind says.
    pub option: u8,
}

impl Control {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// [`RejectReason::BadControl`] with what may be: a kind or a scope that is not assigned, a control that such a scope
    /// cannot have, a limit, window or count out of range, a field that the control does not know.
    pub fn of(set: &SetControl) -> Result<Self, Reject> {
        let bad = |limit: i128, value: i128| Reject::new(RejectReason::BadControl, limit, value);
        let kind = ControlKind::from_wire(set.control);
        let kind = kind.ok_or_else(|| bad(ControlKind::ALL.len() as i128, set.control.into()))?;
        let scope = set.scope.scope_kind().ok_or_else(|| bad(0, set.scope.kind.into()))?;
        if !fits(kind, scope) {
            return Err(bad(0, scope.wire().into()));
        }
        let control = Self {
            kind,
            limit: set.limit,
            window_ns: set.window_ns,
            hold_ns: set.hold_ns,
            count: set.count,
            action: Action::from_wire(set.action),
            option: set.option,
        };
        let Shape { limit, window, hold, count, action, option } = Shape::of(kind);
        let within = |range: [i128; 2], value: i128| match value {
            value if value < range[0] => Err(bad(range[0], value)),
            value if value > range[1] => Err(bad(range[1], value)),
            _ => Ok(()),
        };
        within(limit, set.limit)?;
        if set.off != 0 {
            return Ok(control);
        }
        within(window, set.window_ns.into())?;
        within(hold, set.hold_ns.into())?;
        within(count, set.count.into())?;
        within(action, set.action.into())?;
        within(option, set.option.into())?;
        Ok(control)
    }

    /// True if this control and `other` of the same scope cannot stand beside each other: one takes the place of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let by_list = matches!(self.kind, ControlKind::RestrictedList | ControlKind::AllowedList);
        self.kind == other.kind && (!by_list || self.limit == other.limit)
    }

    /// True if `new` in the place of this one lets anything pass that this one does not.
    pub fn is_loosened_by(&self, new: &Self) -> bool {
        use ControlKind as K;
        let limit = match self.kind {
            K::LiquidationDistance => new.limit < self.limit,
            K::Sides => new.limit & !self.limit != 0,
            _ => new.limit > self.limit,
        };
        let window = match self.kind {
            K::DuplicateOrders | K::ExecutionThrottle | K::ConsecutiveLosses | K::Volatility => {
                new.window_ns < self.window_ns
            }
            _ => new.window_ns != self.window_ns,
        };
        limit
            || window
            || new.hold_ns < self.hold_ns
            || new.count > self.count
            || new.action < self.action
            || match self.kind {
                K::Volatility => new.option < self.option,
                _ => new.option != self.option,
            }
    }

    pub(crate) fn hash(&self, scope: u64) -> u64 {
        let [low, high] = [self.limit as u64, (self.limit >> 64) as u64];
        let fields = u64::from(self.count) << 32
            | u64::from(self.kind.wire()) << 16
            | u64::from(self.action.map_or(0, Action::wire)) << 8
            | u64::from(self.option);
        hash_words(TAG_CONTROL, &[scope, low, high, self.window_ns, self.hold_ns, fields])
    }
}

/// True if such a scope can have the control: where a control needs counts that only one kind of scope keeps, no other can.
pub const fn fits(kind: ControlKind, scope: ScopeKind) -> bool {
    use ControlKind as K;
    match kind {
        K::WindowCollar | K::Volatility => matches!(scope, ScopeKind::Instrument),
        K::PositionLong | K::PositionShort => !matches!(scope, ScopeKind::Group),
        _ => true,
    }
}

/// The ranges of a control's fields, first and last value; a field that it does not know is 0.
struct Shape {
    limit: [i128; 2],
    window: [i128; 2],
    hold: [i128; 2],
    count: [i128; 2],
    action: [i128; 2],
    option: [i128; 2],
}

impl Shape {
    fn of(kind: ControlKind) -> Self {
        use ControlKind as K;
        const NONE: [i128; 2] = [0, 0];
        const MONEY: [i128; 2] = [0, PAIR_MONEY_MAX.0 << 14];
        const NUMBER: [i128; 2] = [0, u64::MAX as i128];
        const NUMBER_32: [i128; 2] = [0, u32::MAX as i128];
        const WINDOW: [i128; 2] = [1, WINDOW_MAX_NS as i128];
        const ACTION: [i128; 2] = [1, Action::Flatten.wire() as i128];
        const LISTS: [i128; 2] = [1, LISTS_OF_INSTRUMENTS_MAX as i128];
        const REFERENCES: [i128; 2] = [1, ReferenceKind::PreviousClose.wire() as i128];
        let none = Self {
            limit: NUMBER,
            window: NONE,
            hold: NONE,
            count: NONE,
            action: NONE,
            option: NONE,
        };
        match kind {
            K::MaxOrderQty
            | K::PositionLong
            | K::PositionShort
            | K::ShortSale
            | K::StaleMarket
            | K::ExpiresAt => none,
            K::MaxOrderNotional
            | K::GrossExposure
            | K::NetExposure
            | K::OpenExposure
            | K::DayNotional
            | K::FactorExposure
            | K::ApprovalAbove => Self { limit: MONEY, ..none },
            K::PriceCollar => Self { limit: NUMBER_32, option: REFERENCES, ..none },
            K::WindowCollar => Self { limit: NUMBER_32, window: WINDOW, ..none },
            K::FatFinger => Self { limit: NUMBER_32, count: [1, NUMBER_32[1]], ..none },
            K::MessageRate => Self { limit: NUMBER_32, count: NUMBER_32, ..none },
            K::DuplicateOrders => Self { limit: NUMBER_32, window: WINDOW, ..none },
            K::OpenOrders
            | K::DayOrders
            | K::DayTrades
            | K::Concentration
            | K::LiquidationDistance => Self { limit: NUMBER_32, ..none },
            K::RestrictedList | K::AllowedList => Self { limit: LISTS, ..none },
            K::SelfTrade | K::CancelOnDisconnect | K::ReduceOnly => Self { limit: NONE, ..none },
            K::ExecutionThrottle => {
                Self { limit: [1, COUNT_MAX as i128 - 1], window: WINDOW, ..none }
            }
            K::DayLoss | K::Drawdown => Self { limit: MONEY, action: ACTION, ..none },
            K::ConsecutiveLosses => Self { limit: NUMBER_32, window: WINDOW, ..none },
            K::Volatility => Self {
                limit: [1, NUMBER_32[1]],
                window: WINDOW,
                hold: WINDOW,
                action: ACTION,
                option: [0, 1],
                ..none
            },
            K::Sides => Self { limit: [0, 3], ..none },
        }
    }
}
