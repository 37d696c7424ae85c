//! Refusals, in the protocol's words.

use super::amounts::{parse_money, reject_amounts};
use tidegate_client::proto;
use tidegate_model::command::Phase;
use tidegate_model::instrument::format_money;
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{Instrument, Money, Reject, RejectReason};

/// A refusal for machines and for people.
pub(crate) fn reject(reject: &Reject, instrument: Option<&Instrument>) -> proto::Reject {
    let (limit, value) = reject_amounts(reject, instrument);
    proto::Reject {
        reason: reject.reason.wire().into(),
        code: reject.reason.as_str().to_string(),
        text: reject_text(reject, &limit, &value),
        limit,
        value,
        scope: reject.scope.map_or("", |scope| scope.as_str()).to_string(),
    }
}

/// One sentence that says why, with the figures as they are told.
pub(super) fn reject_text(reject: &Reject, limit: &str, value: &str) -> String {
    let reason = reject.reason;
    // Risk has a band of its own.
    if (RejectReason::NoLimits..=RejectReason::MixedGroup).contains(&reason) {
        let whose = reject.scope.map_or(String::new(), |scope| format!(" of the {scope}"));
        return risk_text(reason, limit, value, &whose);
    }
    other_text(reason, limit, value)
}

fn other_text(reason: RejectReason, limit: &str, value: &str) -> String {
    use RejectReason as R;
    match reason {
        R::UnknownCommand => format!("this version of the engine knows no command {value}"),
        R::UnknownAccount => format!("account {value} is not open"),
        R::DuplicateClientOrderId => {
            "the account has used this client_order_id today for another order".into()
        }
        R::Tick => format!("price {value} is not a multiple of the tick {limit}"),
        R::Lot => format!("quantity {value} is not a multiple of the lot {limit}"),
        R::CurrencyMismatch => {
            format!("account {value} holds nothing in the currency of the instrument")
        }
        R::NoRate => {
            format!("account {value} holds a currency whose rate into the other one is not set")
        }
        R::OpenOrders => format!("{value} orders of the instrument are open; cancel them first"),
        R::UnknownTrade => format!("the order has no execution {value} that could be amended"),
        R::TooLateToAmend => {
            format!("what came after execution {value} was reckoned with it; book the difference")
        }
        R::UnknownOrder => "no such order in this account".into(),
        R::TooLateToCancel => "the order is finished already".into(),
        R::PendingCancelOrReplace => "a cancel or replace of the order is under way".into(),
        R::QuantityBelowExecuted => format!("{limit} are executed already; {value} is not more"),
        R::UnsupportedByVenue => {
            "the instrument's venue has no such order type, time in force or instruction".into()
        }
        R::UnknownList => "the session has begun no such list; its head comes first".into(),
        R::ListIncomplete => format!("{value} of {limit} legs came before something else did"),
        R::ContingentOverCommit => format!(
            "leg {value} and another would both rest on one side; one of them must wait for a stop price"
        ),
        R::ContingentQuantity => {
            format!("quantity {value} is not the leg's own to have: it follows another's, {limit}")
        }
        R::UnknownCurve => {
            format!("there is no curve of volume {value}, or none of its volume lies in the time")
        }
        R::ChildOrder => {
            format!("the order is a child of order {value}, which alone gives it new terms")
        }
        R::BelowAtWork => {
            format!("{limit} are executed or at work already; {value} is not enough for that")
        }
        R::NotTrading => "the instrument is not trading".into(),
        R::RouteDown => {
            format!("route {value} is not up: only an order that reduces a position is taken")
        }
        R::RouteRefused => format!("the venue behind route {limit} refused it: reason {value}"),
        R::RouteBlocked => format!(
            "the venue holds {limit} lots, {value} are booked here; an operator has to confirm it"
        ),
        R::NotReducing => format!(
            "it was kept while its route was down; now only {limit} lots would reduce the position"
        ),
        R::RouteUncertain => {
            "what became of an earlier request of the order is not known yet".into()
        }
        R::Phase => {
            let phase = value.parse().ok().and_then(Phase::from_wire).map_or("?", Phase::as_str);
            format!("the market is in {phase} and takes no such order or change of one")
        }
        R::PostOnlyWouldCross => format!("at {value} it would take: the other side is at {limit}"),
        R::NoMarket => "the instrument has no market of the house".into(),
        R::BadField => {
            format!("a field has a value ({value}) that its type of order may not have")
        }
        R::Expired => "the end of the order lies in the past".into(),
        R::OrdersResting => {
            format!("{value} orders rest on paper: how they are filled cannot change under them")
        }
        _ => format!("{reason} (limit {limit}, value {value})"),
    }
}

/// Money to the cent, for people: beyond a limit it stays beyond it.
fn cents(text: &str, is_up: bool) -> String {
    const CENT: i128 = MONEY_PER_UNIT / 100;
    let Ok(Money(units)) = parse_money(text) else { return text.into() };
    let above = i128::from(is_up && units.rem_euclid(CENT) != 0);
    format_money(Money((units.div_euclid(CENT) + above) * CENT))
}

/// What a control says, `whose` it is with it.
fn risk_text(reason: RejectReason, limit: &str, value: &str, whose: &str) -> String {
    use RejectReason as R;
    match reason {
        R::NoLimits => {
            "the account has no limits, so it may not trade; an administrator sets them".into()
        }
        R::KillSwitch => format!("a kill switch{whose} is engaged"),
        R::MaxOrderQuantity => {
            format!("quantity {value} is above {limit}, the most for one order{whose}")
        }
        R::MaxOrderNotional => {
            let (value, limit) = (cents(value, true), cents(limit, false));
            format!("notional {value} is above {limit}, the most for one order{whose}")
        }
        R::PriceCollar => {
            format!("price {value} is beyond {limit}, the bound around the reference price")
        }
        R::NoReferencePrice => {
            "there is no trade, bid or offer yet to check the price against".into()
        }
        R::BuyingPower => format!(
            "with this order, positions and orders would take {}; equity at cost and credit are {}",
            cents(value, true),
            cents(limit, false)
        ),
        R::PositionLimit => format!("the position could become {value}, beyond its limit {limit}"),
        R::MessageRate => format!("more than {limit} messages a second{whose}"),
        R::InitialMargin => {
            format!("the initial margin would be {value}; the account has {limit} for it")
        }
        R::MaxOpenOrders => format!("{limit} orders{whose} are open, the most there may be"),
        _ => control_text(reason, limit, value, whose),
    }
}

/// What the controls say that can be set for any scope, and what is said to those who set them.
fn control_text(reason: RejectReason, limit: &str, value: &str, whose: &str) -> String {
    use RejectReason as R;
    let above = |what: &str| format!("{what}{whose} would be {value}, above the limit {limit}");
    let reduces = "until then only orders pass that reduce a position";
    match reason {
        R::NotPermitted => {
            format!("principal {value} may not do this; the configuration says what each may")
        }
        R::WindowCollar => {
            format!("price {value} is beyond {limit}, the bound{whose} around the window's start")
        }
        R::FatFinger => {
            format!(
                "the quantity is {value} times the average order{whose}, at most {limit} may be"
            )
        }
        R::DuplicateOrder => {
            format!(
                "the same order was sent {value} times within the window{whose}, {limit} may be"
            )
        }
        R::GrossExposure => above("gross exposure"),
        R::NetExposure => above("net exposure"),
        R::PositionLong => above("the long position"),
        R::PositionShort => above("the short position"),
        R::OpenExposure => above("the notional of open orders"),
        R::DayNotional => above("the day's notional"),
        R::FactorExposure => above("the exposure to factors"),
        R::DayOrders => format!("{limit} orders{whose} passed today, the most there may be"),
        R::DayTrades => format!("{limit} executions{whose} happened today, the most there may be"),
        R::Restricted => format!("list {limit}{whose} does not let instrument {value} be traded"),
        R::ShortSale => {
            format!("{value} would be short beyond what was located{whose}, {limit} may be")
        }
        R::SelfTrade => format!("it would trade at {value} with an open order{whose}"),
        R::StaleMarket => format!(
            "the book has not been heard of for {value} ns; above {limit} ns{whose} nothing aggressive passes"
        ),
        R::Disabled => format!(
            "more than {limit} executions{whose} within the window disabled it; somebody has to enable it"
        ),
        R::DayLoss => format!(
            "the day's loss{whose} is {value}, the limit {limit}: only orders pass that reduce a position"
        ),
        R::Drawdown => format!(
            "the loss{whose} from the day's best is {value}, the limit {limit}: only orders pass that reduce a position"
        ),
        R::Concentration => {
            format!("the instrument would be {value} bp of equity{whose}, above the limit {limit}")
        }
        R::LiquidationDistance => format!(
            "equity{whose} is {value} bp above the maintenance margin, below the limit {limit}: only orders pass that reduce a position"
        ),
        R::CoolDown => format!(
            "more than {limit} losses{whose} in a row: it cools down until {value} (UTC ns), {reduces}"
        ),
        R::Volatility => format!(
            "the market moved more than {limit} bp: it is stopped until {value} (UTC ns), {reduces}"
        ),
        R::ReduceOnly => {
            format!(
                "only orders{whose} pass that reduce a position: {limit} would, {value} is more"
            )
        }
        R::SideNotAllowed => format!("this side may not be traded{whose}"),
        R::TokenExpired => format!("the permission to trade{whose} ended at {limit} (UTC ns)"),
        R::ApprovalNeeded => format!(
            "notional {value} is above {limit}{whose}, so a person must approve it: a new order that stands alone"
        ),
        R::ApprovalRefused => format!("a person refused proposal {value}"),
        R::ApprovalLapsed => {
            format!("proposal {value} lapsed: nobody approved it in time, or it was changed")
        }
        R::UnknownProposal => format!("there is no proposal {value}, or it is decided already"),
        R::WrongHash => {
            format!("the hash is not that of proposal {value}: look at it again")
        }
        R::SamePerson => {
            "nobody decides what they asked for themselves; another person has to".into()
        }
        R::NotAPerson => format!("principal {value} is no person, and only a person decides"),
        R::UnknownScope => format!("there is no such scope: {value}"),
        R::BadControl => {
            format!(
                "the control has no such value for such a scope: {value} was given, {limit} may be"
            )
        }
        R::MixedGroup => "the members of a group are of one kind".into(),
        _ => format!("{reason} (limit {limit}, value {value})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::ScopeKind;

    #[test]
    fn every_refusal_has_a_sentence() {
        for &reason in RejectReason::ALL {
            let text = reject(&Reject::new(reason, 10, 20), None).text;
            assert!(text.len() > 10, "{reason}: {text}");
            // No control is left to the words that stand for any.
            let is_risk = (RejectReason::NoLimits..=RejectReason::MixedGroup).contains(&reason);
            assert!(!is_risk || !text.contains("(limit"), "{reason}: {text}");
        }
    }

    #[test]
    fn money_is_told_to_the_cent_and_on_its_side_of_the_limit() {
        for (text, up, down) in [
            ("79102.530208333333333334", "79102.54", "79102.53"),
            ("-0.001", "0.00", "-0.01"),
            ("100", "100.00", "100.00"),
            ("none", "none", "none"),
        ] {
            assert_eq!((cents(text, true), cents(text, false)), (up.into(), down.into()));
        }
        let text = risk_text(RejectReason::BuyingPower, "99958.689", "100000.001", "");
        assert!(text.contains("would take 100000.01;") && text.ends_with("are 99958.68"), "{text}");
    }

    #[test]
    fn a_refusal_says_whose_limit_it_was() {
        let refused = Reject::new(RejectReason::DayOrders, 10, 11).by(ScopeKind::Strategy);
        let told = reject(&refused, None);
        assert_eq!(told.text, "10 orders of the strategy passed today, the most there may be");
        assert_eq!((told.scope.as_str(), told.code.as_str()), ("strategy", "day_orders"));
    }
}
