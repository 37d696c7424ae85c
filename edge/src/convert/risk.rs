//! What is asked about risk, in the engine's words: scopes, controls, kill switches, proposals.

use super::amounts::parse_money;
use super::requests::{Checked, account, decimal_field, decimal_length, instrument, new_order};
use crate::error::{Refusal, echo};
use crate::view::View;
use tidegate_client::proto;
use tidegate_model::command::{
    Action, ControlKind, Decide, Decision, Enable, FACTORS_MAX, GrantLocate, KillMode, KillSwitch,
    LISTS_OF_INSTRUMENTS_MAX, MAY_CONTROL, MAY_ESTIMATE, MAY_TRADE, Reason, ReferenceKind, Role,
    SetControl, SetFactors, SetGroup, SetListed, SetPrincipal,
};
use tidegate_model::{
    AccountId, Command, GroupId, Lots, PrincipalId, Scope, ScopeKind, StrategyId, decimal,
};

/// What a limit counts, and so how its text is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Money units.
    Money,
    /// A whole number: lots, basis points, counts, lists, nanoseconds.
    Number,
    /// Hundredths.
    Hundredths,
    /// A whole number that is 0 and may be left out: the control is on or off.
    Switch,
}

impl Unit {
    /// What the limit of a control counts, as [`ControlKind`] says.
    pub const fn of(control: ControlKind) -> Self {
        use ControlKind as K;
        match control {
            K::MaxOrderNotional
            | K::GrossExposure
            | K::NetExposure
            | K::OpenExposure
            | K::DayNotional
            | K::DayLoss
            | K::Drawdown
            | K::FactorExposure
            | K::ApprovalAbove => Self::Money,
            K::FatFinger => Self::Hundredths,
            K::CancelOnDisconnect | K::ReduceOnly => Self::Switch,
            _ => Self::Number,
        }
    }
}

/// A wire number of an enum that a field must have.
fn known<T>(
    field: &'static str,
    number: i32,
    from_wire: fn(u8) -> Option<T>,
    all: &[T],
) -> Checked<T> {
    u8::try_from(number).ok().and_then(from_wire).ok_or_else(|| {
        Refusal::invalid(field, format_args!("{number} is not allowed: 1 to {}", all.len()))
    })
}

/// The same where 0 stands for none.
fn known_or_none<T>(
    field: &'static str,
    number: i32,
    from_wire: fn(u8) -> Option<T>,
    all: &[T],
    wire: fn(T) -> u8,
) -> Checked<u8> {
    if number == 0 { Ok(0) } else { known(field, number, from_wire, all).map(wire) }
}

fn reason(text: &str) -> Checked<Reason> {
    Reason::new(text).ok_or_else(|| {
        let len = text.len();
        Refusal::invalid(
            "reason",
            format_args!("has {len} bytes; at most 48 printable ASCII characters are allowed"),
        )
    })
}

/// A number below a bound.
fn below(field: &'static str, number: u32, bound: usize) -> Checked<u32> {
    if (number as usize) < bound {
        return Ok(number);
    }
    Err(Refusal::invalid(field, format_args!("{number} is out of range: 0 to {}", bound - 1)))
}

/// A scope that may exist.
pub(crate) fn scope(
    view: &View,
    field: &'static str,
    asked: Option<&proto::Scope>,
) -> Checked<Scope> {
    let Some(proto::Scope { kind, id, symbol }) = asked else {
        return Err(Refusal::invalid(field, "is missing"));
    };
    let kind = known(field, *kind, ScopeKind::from_wire, ScopeKind::ALL)?;
    let no_symbol = match kind {
        ScopeKind::Instrument => "id must be 0: an instrument goes by its symbol",
        _ => "symbol must be empty: only an instrument has one",
    };
    let is_odd = if kind == ScopeKind::Instrument { *id != 0 } else { !symbol.is_empty() };
    if is_odd {
        return Err(Refusal::invalid(field, no_symbol));
    }
    let id = match kind {
        ScopeKind::Firm => below(field, *id, 1)?,
        ScopeKind::Principal => below(field, *id, PrincipalId::COUNT_MAX)?,
        ScopeKind::Account => below(field, *id, AccountId::COUNT_MAX)?,
        ScopeKind::Strategy => below(field, *id, StrategyId::COUNT_MAX)?,
        ScopeKind::Group => below(field, *id, GroupId::COUNT_MAX)?,
        ScopeKind::Instrument => instrument(view, symbol)?.0.0,
    };
    Ok(Scope::of(kind, id))
}

/// A scope to narrow a list to, if one is given.
pub(crate) fn scope_filter(view: &View, asked: Option<&proto::Scope>) -> Checked<Option<Scope>> {
    asked.map(|asked| scope(view, "scope", Some(asked))).transpose()
}

/// A limit as its control counts it.
fn limit(control: ControlKind, text: &str) -> Checked<i128> {
    let refused = |why: String| Refusal::invalid("limit", format_args!("of {control} {why}"));
    let whole = |text: &str| match text.parse::<u64>() {
        Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number.into()),
        _ => Err(refused(format!("is '{}'; a whole number such as 500 is needed", echo(text)))),
    };
    if text.is_empty() && Unit::of(control) != Unit::Switch {
        return Err(refused("is empty".into()));
    }
    match Unit::of(control) {
        Unit::Money => match parse_money(text) {
            Ok(amount) if amount.0 >= 0 => Ok(amount.0),
            Ok(_) => Err(refused(format!("is {}; it cannot be below 0", echo(text)))),
            Err(why) => Err(refused(why)),
        },
        Unit::Number => whole(text),
        Unit::Switch => {
            if text.is_empty() {
                Ok(0)
            } else {
                whole(text)
            }
        }
        Unit::Hundredths => {
            /// 1e-9 in one hundredth.
            const NANO_PER_HUNDREDTH: i64 = 10_000_000;
            decimal_length("limit", text)?;
            let nano = decimal::parse_nano(text).map_err(decimal_field("limit"))?;
            if nano < 0 || nano % NANO_PER_HUNDREDTH != 0 {
                let text = echo(text);
                return Err(refused(format!("is {text}; at least 0 and 2 decimals at most")));
            }
            Ok((nano / NANO_PER_HUNDREDTH).into())
        }
    }
}

/// A control.
pub(crate) fn set_control(view: &View, request: &proto::SetControlRequest) -> Checked<Command> {
    let Some(asked) = &request.control else {
        return Err(Refusal::invalid("control", "is missing"));
    };
    if asked.off {
        return Err(Refusal::invalid("off", "must be false; ClearControl takes a control away"));
    }
    let control = known("control", asked.control, ControlKind::from_wire, ControlKind::ALL)?;
    let reference = known_or_none(
        "reference",
        asked.reference,
        ReferenceKind::from_wire,
        ReferenceKind::ALL,
        ReferenceKind::wire,
    )?;
    let is_volatility = control == ControlKind::Volatility;
    if asked.whole_market && !is_volatility {
        return Err(Refusal::invalid("whole_market", format_args!("is not for {control}")));
    }
    if reference != 0 && is_volatility {
        return Err(Refusal::invalid("reference", format_args!("is not for {control}")));
    }
    let action =
        known_or_none("action", asked.action, Action::from_wire, Action::ALL, Action::wire)?;
    Ok(Command::SetControl(SetControl {
        limit: limit(control, &asked.limit)?,
        window_ns: asked.window_ns,
        hold_ns: asked.hold_ns,
        scope: scope(view, "scope", asked.scope.as_ref())?,
        count: asked.count,
        control: control.wire(),
        action,
        option: if is_volatility { asked.whole_market.into() } else { reference },
        off: 0,
        reason: reason(&asked.reason)?,
    }))
}

/// A control that is to be taken away.
pub(crate) fn clear_control(view: &View, request: &proto::ClearControlRequest) -> Checked<Command> {
    let control = known("control", request.control, ControlKind::from_wire, ControlKind::ALL)?;
    let limit = match (control, request.limit.as_str()) {
        (ControlKind::RestrictedList, text) => limit(control, text)?,
        (_, "") => 0,
        _ => return Err(Refusal::invalid("limit", "must be empty but for a restricted list")),
    };
    Ok(Command::SetControl(SetControl {
        limit,
        window_ns: 0,
        hold_ns: 0,
        scope: scope(view, "scope", request.scope.as_ref())?,
        count: 0,
        control: control.wire(),
        action: 0,
        option: 0,
        off: 1,
        reason: reason(&request.reason)?,
    }))
}

/// A member of a group.
pub(crate) fn set_group(view: &View, request: &proto::SetGroupRequest) -> Checked<Command> {
    let member = scope(view, "member", request.member.as_ref())?;
    if matches!(member.scope_kind(), Some(ScopeKind::Firm | ScopeKind::Group)) {
        return Err(Refusal::invalid("member", "can be neither the firm nor a group"));
    }
    Ok(Command::SetGroup(SetGroup {
        member,
        group: below("group", request.group, GroupId::COUNT_MAX)?,
        reserved: [0; 4],
        reason: reason(&request.reason)?,
    }))
}

/// An instrument on a list, or off it.
pub(crate) fn set_listed(view: &View, request: &proto::SetListedRequest) -> Checked<Command> {
    Ok(Command::SetListed(SetListed {
        instrument: instrument(view, &request.symbol)?.0,
        list: list(request.list)?,
        listed: request.listed.into(),
        reserved: [0; 2],
        reason: reason(&request.reason)?,
    }))
}

/// The number of a list of instruments.
pub(crate) fn list(number: u32) -> Checked<u8> {
    let known = u8::try_from(number).ok();
    known.filter(|list| (1..=LISTS_OF_INSTRUMENTS_MAX).contains(list)).ok_or_else(|| {
        let text = format_args!("{number} is out of range: 1 to {LISTS_OF_INSTRUMENTS_MAX}");
        Refusal::invalid("list", text.to_string())
    })
}

/// The factors of an instrument.
pub(crate) fn set_factors(view: &View, request: &proto::SetFactorsRequest) -> Checked<Command> {
    /// 1e-9 in one millionth.
    const NANO_PER_MILLIONTH: i64 = 1_000;
    let count = request.loadings.len();
    if count > FACTORS_MAX {
        let text = format_args!("there are {count}, at most {FACTORS_MAX} are allowed").to_string();
        return Err(Refusal::invalid("loadings", text));
    }
    let mut loadings_e6 = [0; FACTORS_MAX];
    for (loading, text) in loadings_e6.iter_mut().zip(&request.loadings) {
        decimal_length("loadings", text)?;
        let nano = decimal::parse_nano(text).map_err(decimal_field("loadings"))?;
        let e6 = i32::try_from(nano / NANO_PER_MILLIONTH).ok();
        let e6 = e6.filter(|_| nano % NANO_PER_MILLIONTH == 0);
        *loading = e6.ok_or_else(|| {
            let text = echo(text);
            Refusal::invalid("loadings", format!("{text}: 6 decimals at most, from -10 to 10"))
        })?;
    }
    Ok(Command::SetFactors(SetFactors {
        instrument: instrument(view, &request.symbol)?.0,
        loadings_e6,
    }))
}

/// What was located.
pub(crate) fn grant_locate(view: &View, request: &proto::GrantLocateRequest) -> Checked<Command> {
    let (instrument, terms) = instrument(view, &request.symbol)?;
    decimal_length("qty", &request.qty)?;
    let qty: Lots = terms.parse_qty(&request.qty).map_err(decimal_field("qty"))?;
    Ok(Command::GrantLocate(GrantLocate {
        qty,
        account: account(request.account)?,
        instrument,
        reason: reason(&request.reason)?,
    }))
}

/// A kill switch that is to be engaged.
pub(crate) fn kill(view: &View, request: &proto::KillRequest) -> Checked<Command> {
    let scope = scope(view, "scope", request.scope.as_ref())?;
    let mode =
        known_or_none("mode", request.mode, KillMode::from_wire, KillMode::ALL, KillMode::wire)?;
    let reason = reason(&request.reason)?;
    Ok(Command::KillSwitch(KillSwitch { mode, reason, ..KillSwitch::of(scope, true) }))
}

/// A kill switch that is to be released.
pub(crate) fn release(view: &View, request: &proto::ReleaseRequest) -> Checked<Command> {
    let scope = scope(view, "scope", request.scope.as_ref())?;
    let reason = reason(&request.reason)?;
    Ok(Command::KillSwitch(KillSwitch { reason, ..KillSwitch::of(scope, false) }))
}

/// All limits of an account.
pub(crate) fn set_limits(request: &proto::SetLimitsRequest) -> Checked<Command> {
    let reason = reason(&request.reason)?;
    let limits = super::requests::limits(request.limits.as_ref())?;
    Ok(Command::SetLimits(tidegate_model::command::SetLimits { reason, ..limits }))
}

/// Who a principal is to be.
pub(crate) fn set_principal(request: &proto::SetPrincipalRequest) -> Checked<Command> {
    let mut name = [0; 24];
    let text = request.name.as_bytes();
    match name.get_mut(..text.len()) {
        Some(place) if text.iter().all(|byte| (b' '..=b'~').contains(byte)) => {
            place.copy_from_slice(text);
        }
        _ => {
            let text = format_args!(
                "has {} bytes; at most {} printable ASCII characters are allowed",
                text.len(),
                name.len()
            );
            return Err(Refusal::invalid("name", text));
        }
    }
    let role = known("role", request.role, Role::from_wire, Role::ALL)?;
    if role != Role::Person && request.may_control {
        let text = format_args!(
            "is for a person, and this is a {role}: no program changes what it is limited by"
        );
        return Err(Refusal::invalid("may_control", text));
    }
    let may = |is_given: bool, permission: u8| if is_given { permission } else { 0 };
    let strategy = below("strategy", request.strategy, StrategyId::COUNT_MAX)?;
    Ok(Command::SetPrincipal(SetPrincipal {
        principal: PrincipalId(below("principal", request.principal, PrincipalId::COUNT_MAX)?),
        account: request.account.map_or(Ok(AccountId::NONE), account)?,
        strategy: StrategyId(strategy as u16),
        role: role.wire(),
        permissions: may(request.may_trade, MAY_TRADE)
            | may(request.may_control, MAY_CONTROL)
            | may(request.may_estimate, MAY_ESTIMATE),
        reserved: [0; 4],
        name,
    }))
}

/// A scope that is to go on.
pub(crate) fn enable(view: &View, request: &proto::EnableRequest) -> Checked<Command> {
    let scope = scope(view, "scope", request.scope.as_ref())?;
    Ok(Command::Enable(Enable { scope, reason: reason(&request.reason)? }))
}

/// A decision.
pub(crate) fn decide(request: &proto::DecideRequest) -> Checked<Command> {
    let is_hash =
        request.hash.len() == 16 && request.hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash =
        u64::from_str_radix(&request.hash, 16).ok().filter(|_| is_hash).ok_or_else(|| {
            Refusal::invalid(
                "hash",
                format_args!("'{}' is not 16 hexadecimal digits", echo(&request.hash)),
            )
        })?;
    let decision = known("decision", request.decision, Decision::from_wire, Decision::ALL)?;
    Ok(Command::Decide(Decide {
        proposal: request.proposal,
        hash,
        decision: decision.wire(),
        reserved: [0; 7],
        reason: reason(&request.reason)?,
    }))
}

/// An order that is not to be sent.
pub(crate) fn check_order(view: &View, request: &proto::CheckOrderRequest) -> Checked<Command> {
    let Some(order) = &request.order else {
        return Err(Refusal::invalid("order", "is missing"));
    };
    match new_order(view, order)? {
        Command::NewOrder(order) => Ok(Command::CheckOrder(order)),
        _ => Err(Refusal::invalid("order", "is no order")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::units::MONEY_PER_UNIT;

    #[test]
    fn limits_are_read_as_their_control_counts() {
        for (control, text, expected) in [
            (ControlKind::MaxOrderNotional, "25000.5", Some(50_001 * MONEY_PER_UNIT / 2)),
            (ControlKind::MaxOrderNotional, "-1", None),
            (ControlKind::MaxOrderNotional, "", None),
            (ControlKind::MaxOrderQty, "500", Some(500)),
            (ControlKind::MaxOrderQty, "18446744073709551615", Some(u64::MAX.into())),
            (ControlKind::MaxOrderQty, "18446744073709551616", None),
            (ControlKind::MaxOrderQty, "500.0", None),
            (ControlKind::MaxOrderQty, "+5", None),
            (ControlKind::MaxOrderQty, "-5", None),
            (ControlKind::FatFinger, "7.5", Some(750)),
            (ControlKind::FatFinger, "0.01", Some(1)),
            (ControlKind::FatFinger, "0.001", None),
            (ControlKind::FatFinger, "-1", None),
            (ControlKind::StaleMarket, "5000000000", Some(5_000_000_000)),
            (ControlKind::ReduceOnly, "", Some(0)),
            (ControlKind::ReduceOnly, "0", Some(0)),
        ] {
            assert_eq!(limit(control, text).ok(), expected, "{control} {text}");
        }
    }

    #[test]
    fn scopes_name_what_may_exist() {
        let view = View::new(1);
        let read = |kind: ScopeKind, id, symbol: &str| {
            let asked = proto::Scope { kind: kind.wire().into(), id, symbol: symbol.into() };
            scope(&view, "scope", Some(&asked)).map_err(|refusal| refusal.message())
        };
        for (kind, last) in [
            (ScopeKind::Firm, 0),
            (ScopeKind::Principal, PrincipalId::COUNT_MAX - 1),
            (ScopeKind::Account, AccountId::COUNT_MAX - 1),
            (ScopeKind::Strategy, StrategyId::COUNT_MAX - 1),
            (ScopeKind::Group, GroupId::COUNT_MAX - 1),
        ] {
            let last = u32::try_from(last).expect("small");
            assert_eq!(read(kind, last, ""), Ok(Scope::of(kind, last)));
            let text = format!("scope: {} is out of range: 0 to {last}", last + 1);
            assert_eq!(read(kind, last + 1, ""), Err(text));
            let text = "scope: symbol must be empty: only an instrument has one";
            assert_eq!(read(kind, 0, "ACME"), Err(text.to_string()));
        }
        let text = "scope: id must be 0: an instrument goes by its symbol";
        assert_eq!(read(ScopeKind::Instrument, 3, "ACME"), Err(text.to_string()));
        assert!(read(ScopeKind::Instrument, 0, "ACME").is_err_and(|text| text.contains("ACME")));
        for kind in [0, 7, -1, 257] {
            let asked = proto::Scope { kind, ..Default::default() };
            assert!(scope(&view, "scope", Some(&asked)).is_err(), "{kind}");
        }
        assert!(scope(&view, "scope", None).is_err());
    }

    #[test]
    fn a_principal_is_one_that_the_engine_would_take() {
        let person = || proto::SetPrincipalRequest {
            principal: 1_000,
            name: "Alice B. of 24 letters..".into(),
            role: Role::Person.wire().into(),
            may_trade: true,
            may_control: true,
            account: Some(5),
            strategy: 4_095,
            ..Default::default()
        };
        let Ok(Command::SetPrincipal(set)) = set_principal(&person()) else { panic!("refused") };
        assert_eq!(&set.name, b"Alice B. of 24 letters..");
        assert_eq!((set.principal, set.account), (PrincipalId(1_000), AccountId(5)));
        assert_eq!((set.strategy, set.role), (StrategyId(4_095), Role::Person.wire()));
        assert_eq!(set.permissions, MAY_TRADE | MAY_CONTROL);
        let any = proto::SetPrincipalRequest { account: None, name: String::new(), ..person() };
        let Ok(Command::SetPrincipal(any)) = set_principal(&any) else { panic!("refused") };
        assert_eq!((any.account, any.name), (AccountId::NONE, [0; 24]));

        let agent = || proto::SetPrincipalRequest { role: Role::Agent.wire().into(), ..person() };
        let trader = proto::SetPrincipalRequest { may_control: false, ..agent() };
        assert!(set_principal(&trader).is_ok());
        let strategy = Role::Strategy.wire().into();
        for (request, said) in [
            (agent(), "may_control: is for a person, and this is a"),
            (proto::SetPrincipalRequest { role: strategy, ..agent() }, "this is a strategy"),
            (proto::SetPrincipalRequest { role: 0, ..person() }, "role: 0 is not allowed: 1 to 3"),
            (proto::SetPrincipalRequest { role: 260, ..person() }, "role: 260 is not allowed"),
            (proto::SetPrincipalRequest { principal: 16_384, ..person() }, "0 to 16383"),
            (proto::SetPrincipalRequest { strategy: 4_096, ..person() }, "strategy: 4096 is out"),
            (proto::SetPrincipalRequest { account: Some(1 << 17), ..person() }, "account"),
            (proto::SetPrincipalRequest { name: "x".repeat(25), ..person() }, "has 25 bytes"),
            (proto::SetPrincipalRequest { name: "Zoë".into(), ..person() }, "24 printable ASCII"),
            (proto::SetPrincipalRequest { name: "a\0b".into(), ..person() }, "printable ASCII"),
        ] {
            let refused = set_principal(&request).expect_err("not allowed").message();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_hash_is_sixteen_hexadecimal_digits() {
        for (hash, is_read) in [
            ("00000000000000ff", true),
            ("FFFFFFFFFFFFFFFF", true),
            ("ff", false),
            ("+0000000000000ff", false),
            ("", false),
            ("00000000000000fg", false),
        ] {
            let request =
                proto::DecideRequest { hash: hash.into(), decision: 1, ..Default::default() };
            assert_eq!(decide(&request).is_ok(), is_read, "{hash}");
        }
    }
}
