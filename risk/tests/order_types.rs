//! Orders that are not plain: which terms each type may have, and what it is counted at while it waits.

mod desk;

use desk::{Desk, INSTRUMENT, START, instrument, limits, order};
use tidegate_model::command::OrderType as Type;
use tidegate_model::command::{NewOrder, OrderType, PostOnly, TimeInForce, TrailUnit};
use tidegate_model::instrument::venue_kind;
use tidegate_model::{Lots, Reject, RejectReason, Side, Ticks, UnixNanos};
use tidegate_risk::RiskApproved;

/// A buy of 10 lots of `order_type`, with every term that the type needs: stop price 1,100, limit 1,050, trail 50.
fn of_type(order_type: OrderType) -> NewOrder {
    let plain = NewOrder { order_type: order_type.wire(), ..order(Side::Buy, 10, 0) };
    let (price, stop) = (Ticks(1_050), Ticks(1_100));
    match order_type {
        Type::Market | Type::MarketToLimit => plain,
        Type::Limit | Type::Pegged => NewOrder { price, ..plain },
        Type::Stop | Type::MarketIfTouched => NewOrder { stop_price: stop, ..plain },
        Type::StopLimit | Type::LimitIfTouched => NewOrder { stop_price: stop, price, ..plain },
        Type::TrailingStop | Type::TrailingStopLimit => {
            let trail_unit = TrailUnit::Ticks.wire();
            let price = if order_type == Type::TrailingStop { Ticks::ZERO } else { price };
            NewOrder { trail: 50, trail_unit, price, ..plain }
        }
    }
}

fn told<T>(answer: Result<RiskApproved<T>, Reject>) -> Option<(RejectReason, i128)> {
    answer.err().map(|reject| (reject.reason, reject.value))
}

#[test]
fn every_type_passes_with_its_own_terms() {
    let mut desk = Desk::with(limits());
    for &order_type in OrderType::ALL {
        let expected = match order_type {
            Type::Pegged => Some((RejectReason::UnsupportedByVenue, 10)),
            _ => None,
        };
        assert_eq!(told(desk.check(of_type(order_type))), expected, "{order_type}");
    }
}

/// Each term that some types have, given to every type: those that may have it pass.
#[test]
fn no_type_has_the_terms_of_another() {
    use RejectReason::{BadField, BadPrice, UnsupportedByVenue};
    let mut desk = Desk::with(limits());
    type Spoil = fn(&mut NewOrder);
    let post_only = PostOnly::Reject.wire();
    assert_eq!(post_only, 1);
    let waiting = [
        Type::Stop,
        Type::StopLimit,
        Type::MarketIfTouched,
        Type::LimitIfTouched,
        Type::TrailingStop,
        Type::TrailingStopLimit,
    ];
    let trailing = [Type::TrailingStop, Type::TrailingStopLimit];
    let priced = [Type::Limit, Type::StopLimit, Type::LimitIfTouched, Type::TrailingStopLimit];
    let none: [OrderType; 0] = [];
    let all = &OrderType::ALL[..9];
    let table: [(Spoil, &[OrderType], (RejectReason, i128)); 15] = [
        (|o| o.price = Ticks(1_040), &priced, (BadField, 1_040)),
        (|o| o.stop_price = Ticks(1_090), &waiting, (BadField, 1_090)),
        (|o| o.trail = 5, &trailing, (BadField, 5)),
        (|o| o.trail_unit = 2, &trailing, (BadField, 2)),
        (|o| o.trail_unit = 3, &none, (BadField, 3)),
        (|o| o.offset = Ticks(7), &none, (BadField, 7)),
        (|o| o.post_only = 1, &priced, (BadField, 1)),
        (|o| o.post_only = 2, &priced, (BadField, 2)),
        (|o| o.post_only = 3, &none, (BadField, 3)),
        (|o| o.self_trade = 4, all, (BadField, 4)),
        (|o| o.self_trade = 5, &none, (BadField, 5)),
        (|o| o.display_qty = Lots(5), &none, (UnsupportedByVenue, 5)),
        (|o| o.min_qty = Lots(5), &none, (UnsupportedByVenue, 5)),
        (|o| o.flags = 2, &none, (UnsupportedByVenue, 2)),
        (|o| o.peg = 1, &none, (UnsupportedByVenue, 0)),
    ];
    for (at, (spoil, allowed, refused)) in table.into_iter().enumerate() {
        for &order_type in all {
            let mut order = of_type(order_type);
            spoil(&mut order);
            let expected = match allowed.contains(&order_type) {
                true => None,
                false if order.peg != 0 => Some((refused.0, order.order_type.into())),
                false => Some(refused),
            };
            assert_eq!(told(desk.check(order)), expected, "row {at}: {order_type}");
        }
    }
    let needed: [(Spoil, &[OrderType], (RejectReason, i128)); 6] = [
        (|o| o.price = Ticks(0), &[Type::StopLimit, Type::LimitIfTouched], (BadPrice, 0)),
        (|o| o.stop_price = Ticks(0), &[Type::Stop, Type::StopLimit], (BadPrice, 0)),
        (|o| o.stop_price = Ticks(-3), &waiting, (BadPrice, -3)),
        (|o| o.trail = 0, &trailing, (BadField, 0)),
        (|o| o.trail = -1, &trailing, (BadField, -1)),
        (
            |o| (o.trail, o.trail_unit) = (1_000_000, TrailUnit::Ppm.wire()),
            &trailing,
            (BadField, 1_000_000),
        ),
    ];
    for (at, (spoil, types, refused)) in needed.into_iter().enumerate() {
        for &order_type in types {
            let mut order = of_type(order_type);
            spoil(&mut order);
            assert_eq!(told(desk.check(order)), Some(refused), "row {at}: {order_type}");
        }
    }
}

#[test]
fn times_in_force() {
    use RejectReason::{BadField, Expired, UnsupportedByVenue};
    let mut desk = Desk::with(limits());
    let later = UnixNanos(START.0 + 1);
    let table = [
        (TimeInForce::Day, 0, None),
        (TimeInForce::Gtd, later.0, None),
        (TimeInForce::Gtd, START.0, Some((Expired, START.0.into()))),
        (TimeInForce::Gtd, 0, Some((Expired, 0))),
        (TimeInForce::Gtc, later.0, Some((BadField, 2))),
        (TimeInForce::AtTheOpen, 0, Some((UnsupportedByVenue, 6))),
        (TimeInForce::AtTheClose, 0, Some((UnsupportedByVenue, 7))),
    ];
    for (time_in_force, expire_at, expected) in table {
        let order = NewOrder {
            time_in_force: time_in_force.wire(),
            expire_at: UnixNanos(expire_at),
            ..of_type(Type::Limit)
        };
        assert_eq!(told(desk.check(order)), expected, "{time_in_force}");
        // A post-only order rests.
        let order = NewOrder { post_only: 1, ..order };
        assert_eq!(told(desk.check(order)), expected, "{time_in_force}");
    }
    for time_in_force in [TimeInForce::Ioc, TimeInForce::Fok] {
        let order = NewOrder { time_in_force: time_in_force.wire(), ..of_type(Type::Limit) };
        assert_eq!(told(desk.check(order)), None, "{time_in_force}");
        let order = NewOrder { post_only: 1, ..order };
        assert_eq!(told(desk.check(order)), Some((BadField, 1)), "{time_in_force}");
    }
}

/// The collar is 10 % around the price where the order will find the market: its stop price; or, if the market is there
/// already, the reference of 1,000.
#[test]
fn a_waiting_order_is_counted_where_it_will_trade() {
    let mut limits = limits();
    limits.price_collar_bp = 1_000;
    let mut desk = Desk::with(limits);
    let stop = |side, order_type: OrderType, stop_price: i64, price: i64| NewOrder {
        side,
        stop_price: Ticks(stop_price),
        price: Ticks(price),
        ..of_type(order_type)
    };
    let (buy, sell) = (Side::Buy.wire(), Side::Sell.wire());
    let collar = |value| Err((RejectReason::PriceCollar, value));
    let table = [
        // counted at, and no worse than
        (stop(buy, Type::Stop, 2_000, 0), Ok((2_200, 2_200))),
        (stop(sell, Type::Stop, 500, 0), Ok((1_000, 450))),
        (stop(buy, Type::MarketIfTouched, 500, 0), Ok((550, 550))),
        (stop(sell, Type::MarketIfTouched, 2_000, 0), Ok((2_000, 1_800))),
        // Reached already: at the market.
        (stop(buy, Type::Stop, 999, 0), Ok((1_100, 1_100))),
        (stop(buy, Type::Stop, 1_000, 0), Ok((1_100, 1_100))),
        (stop(sell, Type::Stop, 1_000, 0), Ok((1_000, 900))),
        (stop(buy, Type::MarketIfTouched, 1_000, 0), Ok((1_100, 1_100))),
        (stop(sell, Type::MarketIfTouched, 999, 0), Ok((1_000, 900))),
        // A limit has its collar there too.
        (stop(buy, Type::StopLimit, 2_000, 2_200), Ok((2_200, 2_200))),
        (stop(buy, Type::StopLimit, 2_000, 2_201), collar(2_201)),
        (stop(sell, Type::StopLimit, 500, 450), Ok((1_000, 450))),
        (stop(sell, Type::StopLimit, 500, 449), collar(449)),
        (stop(buy, Type::LimitIfTouched, 500, 550), Ok((550, 550))),
        (stop(buy, Type::LimitIfTouched, 500, 551), collar(551)),
        (stop(buy, Type::StopLimit, 900, 1_101), collar(1_101)),
        // Trailing: where it would be if the market turned now.
        (stop(buy, Type::TrailingStop, 0, 0), Ok((1_155, 1_155))),
        (stop(sell, Type::TrailingStop, 0, 0), Ok((1_000, 855))),
        (stop(sell, Type::TrailingStop, 970, 0), Ok((1_000, 873))),
        (stop(buy, Type::TrailingStopLimit, 0, 1_155), Ok((1_155, 1_155))),
        (stop(buy, Type::TrailingStopLimit, 0, 1_156), collar(1_156)),
        (
            NewOrder { offset: Ticks(20), ..stop(buy, Type::TrailingStopLimit, 0, 0) },
            Ok((1_070, 1_070)),
        ),
        (
            NewOrder { offset: Ticks(106), ..stop(buy, Type::TrailingStopLimit, 0, 0) },
            collar(1_156),
        ),
        (
            NewOrder { offset: Ticks(-5_000), ..stop(sell, Type::TrailingStopLimit, 0, 0) },
            Err((RejectReason::BadPrice, -5_000)),
        ),
    ];
    for (order, expected) in table {
        let found = desk
            .check(order)
            .map(|approved| (approved.exposure_price().0, approved.protection_price().0));
        assert_eq!(found.map_err(|reject| (reject.reason, reject.value)), expected, "{order:?}");
    }
    let trailing = of_type(Type::TrailingStop);
    let wide = NewOrder { side: sell, trail: 1_000, ..trailing };
    assert_eq!(told(desk.check(wide)), Some((RejectReason::BadPrice, 0)));
    desk.reference = None;
    assert_eq!(told(desk.check(trailing)), Some((RejectReason::NoReferencePrice, 0)));
    assert_eq!(told(desk.check(stop(buy, Type::Stop, 2_000, 0))), None, "a stop price is enough");
}

#[test]
fn ticks_and_shares_trail() {
    let table = [
        (TrailUnit::Ticks, 50, Side::Sell, 1_000, 950),
        (TrailUnit::Ticks, 50, Side::Buy, 1_000, 1_050),
        (TrailUnit::Ppm, 10_000, Side::Sell, 1_000, 990),
        // 1 % of 1,001 is 10.01: rounded up.
        (TrailUnit::Ppm, 10_000, Side::Sell, 1_001, 990),
        (TrailUnit::Ppm, 10_000, Side::Buy, 1_001, 1_012),
        (TrailUnit::Ppm, 1, Side::Buy, 10, 11),
        (TrailUnit::Ppm, 1, Side::Sell, 0, -1),
        (TrailUnit::Ticks, i64::MAX, Side::Buy, 1, i64::MAX),
        (TrailUnit::Ppm, 999_999, Side::Buy, i64::MAX, i64::MAX),
        (TrailUnit::Ppm, i64::MAX, Side::Sell, i64::MAX, 0),
    ];
    for (unit, trail, side, last, expected) in table {
        let stop = unit.stop_behind(side, trail, Ticks(last));
        assert_eq!(stop, Ticks(expected), "{unit} {trail} {side} {last}");
    }
}

#[test]
fn a_waiting_order_is_replaced_as_it_would_be_entered() {
    let mut limits = limits();
    limits.price_collar_bp = 1_000;
    let mut desk = Desk::with(limits);
    let stop = NewOrder { stop_price: Ticks(2_000), ..of_type(Type::Stop) };
    let open = desk.open(stop).expect("passes");
    assert_eq!(open.notional.0, 22_000);
    let mut replace = |qty, stop_price: i64, cum_qty| {
        let order = NewOrder { qty: Lots(qty), stop_price: Ticks(stop_price), ..stop };
        let change = tidegate_model::command::ReplaceOrder {
            client_order_id: stop.client_order_id,
            order_id: tidegate_model::OrderId(1),
            account: stop.account,
            reserved: [0; 4],
            qty: order.qty,
            price: Ticks::ZERO,
            stop_price: order.stop_price,
        };
        let terms = instrument();
        let funds = tidegate_risk::Funds::of_base(desk.equity);
        let reference = Some(Ticks(1_000));
        let context = tidegate_risk::OrderContext::plain(START, &terms, reference, funds);
        let cum_qty = Lots(cum_qty);
        let told = desk.risk.check_replace_waiting(change, &order, &open, cum_qty, &context);
        told.map(|approved| approved.exposure().notional.0).map_err(|reject| reject.reason)
    };
    assert_eq!(replace(10, 3_000, 0), Ok(33_000));
    assert_eq!(replace(5, 3_000, 0), Ok(16_500));
    assert_eq!(replace(5, 0, 0), Err(RejectReason::BadPrice));
    assert_eq!(replace(5, 3_000, 5), Err(RejectReason::QuantityBelowExecuted));
    assert_eq!(desk.risk.exposure(stop.account, INSTRUMENT).open_qty[0], Lots(10));
}

/// In a market of the house nothing is unsupported: hidden, display and minimum quantities, pegs, orders for auctions.
#[test]
fn a_market_of_the_house_knows_every_term() {
    type Spoil = fn(&mut NewOrder);
    let mut desk = Desk::with(limits());
    desk.terms.venue_kind = venue_kind::INTERNAL;
    let terms: [Spoil; 6] = [
        |_| (),
        |o| o.display_qty = Lots(5),
        |o| o.min_qty = Lots(5),
        |o| o.flags = 2,
        |o| o.time_in_force = TimeInForce::AtTheOpen.wire(),
        |o| o.time_in_force = TimeInForce::AtTheClose.wire(),
    ];
    for spoil in terms {
        for &order_type in OrderType::ALL {
            let mut order = of_type(order_type);
            spoil(&mut order);
            assert_eq!(told(desk.check(order)), None, "{order_type}");
        }
    }
    // A pegged order is counted at its limit, or at the bound of the collar of 100 %, where its market stops it.
    for (price, expected) in [(1_050, 1_050), (0, 2_000)] {
        let order = NewOrder { price: Ticks(price), offset: Ticks(-3), ..of_type(Type::Pegged) };
        let approved = desk.check(order).expect("it passes");
        let found = (approved.exposure_price().0, approved.protection_price().0);
        assert_eq!(found, (expected, expected));
    }
}
