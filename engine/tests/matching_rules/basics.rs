//! Rules 1, 2.1, 2.2, 4.2 and 5: priority, plain orders, replace and cancel.

use super::check;

#[test]
fn priority() {
    check(&[
        (
            "1.1 price, then time (Nasdaq 4757(a)(1)(A); LSE MIT201 5.8)",
            "new 1 sell limit 101 x5
             new 2 sell limit 100 x5
             new 3 sell limit 100 x5
             new 4 buy limit 101 x12 -> accepted 4; trade 2x4 100 x5; trade 3x4 100 x5; trade 1x4 101 x2
             book -> buy sell 101x3",
        ),
        (
            "1.1 displayed before hidden at one price, whoever came first (Nasdaq 4757(a)(1)(B))",
            "new 1 sell limit 100 x5 hidden
             new 2 sell limit 100 x5
             new 3 sell limit 99 x1 hidden
             new 4 buy market x8 -> accepted 4; trade 3x4 99 x1; trade 2x4 100 x5; trade 1x4 100 x2",
        ),
        (
            "1.1 of hidden orders the first (Nasdaq 4757(a)(1)(B))",
            "new 1 buy limit 100 x5 hidden
             new 2 buy limit 100 x5 hidden
             book -> buy sell
             new 3 sell limit 100 x6 -> accepted 3; trade 1x3 100 x5; trade 2x3 100 x1",
        ),
        (
            "1.3 the maker's price (LSE MIT201 5.8: executed at the price of the order in the book)",
            "new 1 buy limit 105 x5
             new 2 sell limit 90 x3 -> accepted 2; trade 1x2 105 x3
             new 3 sell limit 105 x2 -> accepted 3; trade 1x3 105 x2
             new 4 sell limit 105 x2
             book -> buy sell 105x2",
        ),
        (
            "1.1 levels add up what is displayed",
            "new 1 buy limit 100 x5
             new 2 buy limit 100 x7
             new 3 buy limit 99 x1 hidden
             new 4 buy limit 98 x100 display=30
             new 5 sell limit 101 x2
             book -> buy 100x12/2 98x30 sell 101x2
             cancel 1 -> canceled 1 x5 user
             book -> buy 100x7 98x30 sell 101x2",
        ),
    ]);
}

#[test]
fn plain_types() {
    check(&[
        (
            "2.1 a limit order trades at its price or better, then rests (CME Globex, Limit)",
            "new 1 sell limit 100 x5
             new 2 sell limit 102 x5
             new 3 buy limit 101 x9 -> accepted 3; trade 1x3 100 x5
             book -> buy 101x4 sell 102x5",
        ),
        (
            "2.2 a market order trades at any price; the rest does not rest (LSE MIT201 5.1)",
            "new 1 sell limit 101 x5
             new 2 sell limit 900 x1
             new 3 buy market x9 -> accepted 3; trade 1x3 101 x5; trade 2x3 900 x1; canceled 3 x3 no_liquidity
             new 4 buy market x9 -> accepted 4; canceled 4 x9 no_liquidity
             new 5 buy market x9 day -> accepted 5; canceled 5 x9 no_liquidity
             new 6 buy market x9 ioc -> accepted 6; canceled 6 x9 no_liquidity
             new 7 buy market x9 fok -> accepted 7; canceled 7 x9 fok",
        ),
        (
            "2.2 inside a protection price (CME Globex, Market with Protection: 90025, 90300 and 90550 trade, 90675 does not)",
            "new 1 sell limit 90025 x2
             new 2 sell limit 90300 x3
             new 3 sell limit 90550 x3
             new 4 sell limit 90675 x3
             new 5 buy market 90625 x15 -> accepted 5; trade 1x5 90025 x2; trade 2x5 90300 x3; trade 3x5 90550 x3; canceled 5 x7 no_liquidity",
        ),
        (
            "2.2 of a seller the protection price is the lowest",
            "new 1 buy limit 89900 x3
             new 2 buy limit 89300 x3
             new 3 sell market 89400 x6 -> accepted 3; trade 1x3 89900 x3; canceled 3 x3 no_liquidity",
        ),
        (
            "4.2 immediate or cancel (FIX 59=3; Xetra, IOC)",
            "new 1 sell limit 100 x5
             new 2 buy limit 100 x7 ioc -> accepted 2; trade 1x2 100 x5; canceled 2 x2 ioc
             new 3 buy limit 100 x7 ioc -> accepted 3; canceled 3 x7 ioc
             new 4 buy limit 100 x7
             new 5 sell limit 100 x7 ioc -> accepted 5; trade 4x5 100 x7
             book -> buy sell",
        ),
        (
            "4.2 fill or kill (FIX 59=4; LSE MIT201 5.3)",
            "new 1 sell limit 100 x5
             new 2 sell limit 101 x5
             new 3 buy limit 101 x11 fok -> accepted 3; canceled 3 x11 fok
             new 4 buy limit 100 x6 fok -> accepted 4; canceled 4 x6 fok
             new 5 buy limit 101 x6 fok -> accepted 5; trade 1x5 100 x5; trade 2x5 101 x1
             book -> buy sell 101x4",
        ),
        (
            "4.2 a fill-or-kill order counts hidden quantity and icebergs whole",
            "new 1 sell limit 100 x50 display=5
             new 2 sell limit 100 x5 hidden
             new 3 buy limit 100 x56 fok -> accepted 3; canceled 3 x56 fok
             new 4 buy limit 100 x15 fok -> accepted 4; trade 1x4 100 x5; trade 1x4 100 x5; trade 1x4 100 x5",
        ),
        (
            "a handle is free again when its order has ended",
            "new 1 buy limit 100 x5
             new 1 buy limit 100 x5 -> rejected 1 duplicate_id 0/1
             cancel 1 -> canceled 1 x5 user
             new 1 sell limit 100 x5
             new 2 buy limit 100 x5 -> accepted 2; trade 1x2 100 x5
             new 1 sell limit 100 x5
             new 2 sell limit 100 x5
             book -> buy sell 100x10/2",
        ),
    ]);
}

#[test]
fn replace() {
    check(&[
        (
            "5.2 less quantity keeps the place (Nasdaq 4756(a)(3); CME Globex, order modification)",
            "new 1 buy limit 100 x10
             new 2 buy limit 100 x10
             replace 1 100 x4
             new 3 sell limit 100 x5 -> accepted 3; trade 1x3 100 x4; trade 2x3 100 x1",
        ),
        (
            "5.2 the same again keeps the place",
            "new 1 buy limit 100 x10
             new 2 buy limit 100 x10
             replace 1 100 x10
             new 3 sell limit 100 x1 -> accepted 3; trade 1x3 100 x1",
        ),
        (
            "5.2 more quantity loses it (CME Globex: an increase of quantity)",
            "new 1 buy limit 100 x10
             new 2 buy limit 100 x10
             replace 1 100 x11
             new 3 sell limit 100 x15 -> accepted 3; trade 2x3 100 x10; trade 1x3 100 x5",
        ),
        (
            "5.2 another price loses it, there and back (CME Globex: a change of price)",
            "new 1 buy limit 100 x10
             new 2 buy limit 100 x10
             replace 1 99 x5
             replace 1 100 x5
             book -> buy 100x15/2 sell
             new 3 sell limit 100 x12 -> accepted 3; trade 2x3 100 x10; trade 1x3 100 x2",
        ),
        (
            "5.2 it may trade as if it came anew, 5.3 and says replaced before it does",
            "new 1 sell limit 101 x4
             new 2 buy limit 100 x10
             replace 2 101 x9 -> replaced 2 101 x9; trade 1x2 101 x4
             book -> buy 101x5 sell
             replace 2 101 x6 -> replaced 2 101 x6
             new 3 sell limit 101 x6 -> accepted 3; trade 2x3 101 x6
             replace 2 101 x6 -> refused 2 unknown_order 0/2",
        ),
        (
            "5.2 an iceberg that shrinks loses hidden quantity first",
            "new 1 buy limit 100 x30 display=10
             new 2 buy limit 100 x10
             replace 1 100 x12
             book -> buy 100x20/2 sell
             replace 1 100 x7
             book -> buy 100x17/2 sell
             new 3 sell limit 100 x8 -> accepted 3; trade 1x3 100 x7; trade 2x3 100 x1",
        ),
        (
            "5.2 an iceberg that grows shows a full part, behind",
            "new 1 buy limit 100 x10 display=4
             new 2 buy limit 100 x10
             new 3 sell limit 100 x3 -> accepted 3; trade 1x3 100 x3
             replace 1 100 x20
             book -> buy 100x14/2 sell
             new 4 sell limit 100 x11 -> accepted 4; trade 2x4 100 x10; trade 1x4 100 x1",
        ),
        (
            "5.2 a hidden order keeps its place among the hidden",
            "new 1 buy limit 100 x10 hidden
             new 2 buy limit 100 x10 hidden
             replace 1 100 x2
             new 3 sell limit 100 x3 -> accepted 3; trade 1x3 100 x2; trade 2x3 100 x1",
        ),
        (
            "5.4 only live orders (FIX 102=1, unknown order)",
            "cancel 7 -> refused 7 unknown_order 0/7
             replace 7 100 x5 -> refused 7 unknown_order 0/7
             new 7 buy limit 100 x5 ioc -> accepted 7; canceled 7 x5 ioc
             cancel 7 -> refused 7 unknown_order 0/7
             new 7 buy limit 100 x5
             cancel 7 -> canceled 7 x5 user
             cancel 7 -> refused 7 unknown_order 0/7",
        ),
        (
            "5.2 what a new order may not be, a replaced one may not (FIX 102=99), and stands as it was",
            "new 1 buy limit 100 x5
             new 2 buy limit 100 x5
             replace 1 100 x0 -> refused 1 zero_quantity 0/0
             replace 1 0 x5 -> refused 1 bad_price 1/0
             replace 1 -5 x5 -> refused 1 bad_price 1/-5
             replace 1 100 x5 stop=99 -> refused 1 bad_field 0/99
             new 3 sell limit 100 x6 -> accepted 3; trade 1x3 100 x5; trade 2x3 100 x1",
        ),
        (
            "5.5 waiting orders are replaced where they wait",
            "new 1 buy stop_limit 105 x5 stop=103
             new 2 buy stop_limit 105 x5 stop=103
             replace 1 106 x5
             replace 2 105 x4
             new 3 sell limit 103 x1
             new 4 buy limit 103 x1 -> accepted 4; trade 3x4 103 x1; triggered 2; triggered 1
             book -> buy 106x5 105x4 sell",
        ),
        (
            "5.5 a new stop price, and one that has been reached",
            "new 1 sell limit 100 x1
             new 2 buy limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 buy stop x5 stop=105
             replace 3 x5 stop=101
             replace 3 x5 stop=100 -> replaced 3 x5; triggered 3; canceled 3 x5 no_liquidity",
        ),
        (
            "5.5 what has no limit gets none",
            "new 1 buy stop x5 stop=105
             replace 1 105 x5 -> refused 1 bad_field 0/105
             new 2 buy stop 110 x5 stop=105
             replace 2 109 x4 -> refused 2 bad_field 0/109
             replace 2 110 x4
             new 3 buy trailing_stop_limit x5 trail=3 offset=1
             replace 3 109 x4 -> refused 3 bad_field 0/109
             replace 3 x4
             replace 3 x4 stop=0 -> refused 3 bad_price 1/0",
        ),
        (
            "5.6 mass cancel by account and side, in the order of stamps (FIX 35=q)",
            "new 1 buy limit 100 x1 account=1
             new 2 sell limit 110 x2 account=1
             new 3 buy limit 101 x3 account=2
             new 4 buy stop x4 stop=120 account=1
             new 5 buy limit 102 x5 account=1 hidden
             replace 1 100 x9
             mass_cancel account=1 buy -> canceled 4 x4 mass_cancel; canceled 5 x5 mass_cancel; canceled 1 x9 mass_cancel
             mass_cancel account=7
             new 6 buy pegged x6 peg=primary account=3
             new 4 buy pegged x4 peg=primary account=3
             new 1 buy limit 102 x1 account=4
             mass_cancel account=3 -> canceled 6 x6 mass_cancel; canceled 4 x4 mass_cancel
             mass_cancel account=4 -> canceled 1 x1 mass_cancel
             mass_cancel -> canceled 2 x2 mass_cancel; canceled 3 x3 mass_cancel
             book -> buy sell",
        ),
    ]);
}
