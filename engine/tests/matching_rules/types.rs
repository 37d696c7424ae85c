//! Rules 2.3 to 2.7: market to limit, stop, touched, trailing, pegged.

use super::check;

#[test]
fn market_to_limit() {
    check(&[
        (
            "2.3 becomes a limit order at the best price (CME Globex, Market-Limit: 2 lots at 90025, the rest of 15 rests there)",
            "new 1 sell limit 90025 x2
             new 2 sell limit 90050 x9
             new 3 buy market_to_limit x15 -> accepted 3; trade 1x3 90025 x2
             book -> buy 90025x13 sell 90050x9
             replace 3 90026 x20 -> replaced 3 90026 x20
             book -> buy 90026x20 sell 90050x9",
        ),
        (
            "2.3 without an opposite price it is canceled (Xetra; CME rejects)",
            "new 1 buy limit 100 x5
             new 2 buy market_to_limit x15 -> accepted 2; canceled 2 x15 no_liquidity",
        ),
        (
            "2.3 hidden interest is a price too, and its time in force holds",
            "new 1 buy limit 101 x5 hidden
             new 2 buy limit 100 x5
             new 3 sell market_to_limit x9 ioc -> accepted 3; trade 1x3 101 x5; canceled 3 x4 ioc
             new 4 buy limit 101 x5
             new 5 sell market_to_limit x6 fok -> accepted 5; canceled 5 x6 fok",
        ),
        (
            "2.3 inside a protection price",
            "new 1 sell limit 100 x5
             new 2 buy market_to_limit 99 x5 -> accepted 2; canceled 2 x5 no_liquidity
             new 3 buy market_to_limit 105 x7 -> accepted 3; trade 1x3 100 x5
             book -> buy 100x2 sell",
        ),
    ]);
}

#[test]
fn stops() {
    check(&[
        (
            "2.4 a buy stop: a trade at or above (CME Globex, Stop; LSE MIT201 6.2)",
            "new 1 sell limit 99 x1
             new 2 sell limit 100 x1
             new 3 sell limit 101 x9
             new 4 buy stop x2 stop=100
             book -> buy sell 99x1 100x1 101x9
             new 5 buy limit 99 x1 -> accepted 5; trade 1x5 99 x1
             new 6 buy limit 100 x1 -> accepted 6; trade 2x6 100 x1; triggered 4; trade 3x4 101 x2",
        ),
        (
            "2.4 a sell stop: a trade at or below",
            "new 1 buy limit 101 x1
             new 2 buy limit 100 x1
             new 3 buy limit 99 x1
             new 4 sell stop x2 stop=100
             new 5 sell limit 101 x1 -> accepted 5; trade 1x5 101 x1
             new 6 sell market x1 -> accepted 6; trade 2x6 100 x1; triggered 4; trade 3x4 99 x1; canceled 4 x1 no_liquidity",
        ),
        (
            "2.4 a price that jumps over the stop price triggers too",
            "new 1 sell limit 200 x2
             new 2 buy stop x1 stop=150
             new 3 buy market x1 -> accepted 3; trade 1x3 200 x1; triggered 2; trade 1x2 200 x1",
        ),
        (
            "2.4 orders in the book trigger nothing, trades do (LSE MIT201 6.2)",
            "new 1 buy stop x1 stop=100
             new 2 buy limit 105 x1
             new 3 sell limit 106 x1
             cancel 1 -> canceled 1 x1 user",
        ),
        (
            "2.4 a stop-limit order that is triggered rests (CME Globex, Stop-Limit triggered but not filled)",
            "new 1 sell limit 100 x1
             new 2 sell limit 105 x5
             new 3 buy stop_limit 103 x5 stop=100
             new 4 buy market x1 -> accepted 4; trade 1x4 100 x1; triggered 3
             book -> buy 103x5 sell 105x5
             replace 3 103 x5 stop=110 -> refused 3 bad_field 0/110
             new 5 sell limit 103 x5 -> accepted 5; trade 3x5 103 x5",
        ),
        (
            "2.4 triggered, its instructions hold",
            "new 1 sell limit 100 x1
             new 2 sell limit 101 x5
             new 3 buy stop_limit 101 x9 stop=100 ioc
             new 4 buy stop_limit 101 x9 stop=100 fok
             new 5 buy stop_limit 99 x9 stop=100 display=4
             new 6 buy market x1 -> accepted 6; trade 1x6 100 x1; triggered 3; trade 2x3 101 x5; canceled 3 x4 ioc; triggered 4; canceled 4 x9 fok; triggered 5
             book -> buy 99x4 sell",
        ),
        (
            "2.4 the last trade before it arrived counts",
            "new 1 sell limit 100 x1
             new 2 buy limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 sell limit 102 x5
             new 4 buy stop x1 stop=100 -> accepted 4; triggered 4; trade 3x4 102 x1
             new 5 buy stop x1 stop=103
             new 6 sell stop x1 stop=100
             new 7 buy limit 101 x1
             cancel 6 -> canceled 6 x1 user
             new 8 sell stop_limit 101 x1 stop=102 -> accepted 8; triggered 8; trade 7x8 101 x1
             new 9 buy stop_limit 100 x1 stop=101 -> accepted 9; triggered 9
             book -> buy 100x1 sell 102x4",
        ),
        (
            "2.5 market if touched: a buy at or below (CME Globex glossary, MIT; FIX 40=J)",
            "new 1 buy limit 100 x1
             new 2 sell limit 105 x5
             new 3 buy market_if_touched x2 stop=100
             new 4 sell market_if_touched x2 stop=106
             new 5 sell market x1 -> accepted 5; trade 1x5 100 x1; triggered 3; trade 2x3 105 x2
             new 6 buy limit 104 x9
             new 7 sell limit 106 x1
             new 8 buy limit 105 x3 -> accepted 8; trade 2x8 105 x3
             new 9 buy limit 106 x1 -> accepted 9; trade 7x9 106 x1; triggered 4; trade 6x4 104 x2",
        ),
        (
            "2.5 limit if touched",
            "new 1 buy limit 100 x1
             new 2 buy limit_if_touched 99 x2 stop=100
             new 3 sell limit 100 x1 -> accepted 3; trade 1x3 100 x1; triggered 2
             book -> buy 99x2 sell",
        ),
        (
            "9.3 the stop price reached first, then the stamp",
            "new 1 sell limit 100 x1
             new 2 sell limit 110 x1
             new 3 buy stop_limit 90 x3 stop=108
             new 4 buy stop_limit 90 x4 stop=105
             new 5 buy stop_limit 90 x5 stop=105
             new 6 buy stop_limit 90 x6 stop=100
             new 7 buy limit 110 x2 -> accepted 7; trade 1x7 100 x1; trade 2x7 110 x1; triggered 6; triggered 4; triggered 5; triggered 3",
        ),
        (
            "9.3 an earlier trade first",
            "new 1 buy limit 100 x1
             new 2 buy limit 95 x1
             new 3 buy market_if_touched x1 stop=95
             new 4 sell stop_limit 200 x1 stop=97
             new 5 sell stop_limit 200 x1 stop=100
             new 6 sell limit 95 x2 -> accepted 6; trade 1x6 100 x1; trade 2x6 95 x1; triggered 5; triggered 4; triggered 3; trade 5x3 200 x1",
        ),
        (
            "9.3 what a triggered order triggers comes behind",
            "new 1 sell limit 100 x1
             new 2 sell limit 105 x1
             new 3 sell limit 110 x9
             new 4 buy stop x1 stop=100
             new 5 buy stop x1 stop=105
             new 6 buy stop x1 stop=100
             new 7 buy market x1 -> accepted 7; trade 1x7 100 x1; triggered 4; trade 2x4 105 x1; triggered 6; trade 3x6 110 x1; triggered 5; trade 3x5 110 x1",
        ),
    ]);
}

#[test]
fn trailing() {
    check(&[
        (
            "2.6 a sell's stop price rises with the trades and never falls (FIX 1094=8, trailing stop peg)",
            "new 1 buy limit 100 x9
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 sell trailing_stop x5 trail=3
             new 4 sell limit 104 x1
             new 5 buy limit 104 x1 -> accepted 5; trade 4x5 104 x1
             new 6 buy limit 102 x1
             new 7 sell market x1 -> accepted 7; trade 6x7 102 x1
             new 8 buy limit 101 x1
             new 9 sell market x1 -> accepted 9; trade 8x9 101 x1; triggered 3; trade 1x3 100 x5",
        ),
        (
            "2.6 a buy's falls and never rises",
            "new 1 sell limit 100 x1
             new 2 buy limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 buy trailing_stop_limit 110 x5 trail=2
             new 4 sell limit 97 x1
             new 5 buy limit 97 x1 -> accepted 5; trade 4x5 97 x1
             new 6 sell limit 98 x1
             new 7 buy market x1 -> accepted 7; trade 6x7 98 x1
             new 8 sell limit 99 x1
             new 9 buy market x1 -> accepted 9; trade 8x9 99 x1; triggered 3
             book -> buy 110x5 sell",
        ),
        (
            "2.6 without a trade the first that comes gives the stop price",
            "new 1 sell trailing_stop x5 trail=3
             new 2 buy limit 50 x1
             new 3 buy limit 47 x1
             new 4 sell limit 50 x1 -> accepted 4; trade 2x4 50 x1
             new 5 sell limit 47 x1 -> accepted 5; trade 3x5 47 x1; triggered 1; canceled 1 x5 no_liquidity",
        ),
        (
            "2.6 a first stop price of its own, which trades before it do not move",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 sell trailing_stop x5 trail=3 stop=90
             new 4 buy limit 91 x1
             new 5 sell market x1 -> accepted 5; trade 4x5 91 x1
             new 6 sell trailing_stop_limit 80 x5 trail=3 stop=91 -> accepted 6; triggered 6
             new 7 buy limit 80 x9 -> accepted 7; trade 6x7 80 x5; triggered 3; trade 7x3 80 x4; canceled 3 x1 no_liquidity",
        ),
        (
            "2.6 per cent of the trade's price, rounded up to a tick: 1 % of 150 is 2",
            "new 1 buy limit 150 x1
             new 2 sell limit 150 x1 -> accepted 2; trade 1x2 150 x1
             new 3 sell trailing_stop x5 trail=10000ppm
             new 4 buy limit 149 x1
             new 5 sell limit 149 x1 -> accepted 5; trade 4x5 149 x1
             new 6 buy limit 148 x9
             new 7 sell limit 148 x1 -> accepted 7; trade 6x7 148 x1; triggered 3; trade 6x3 148 x5",
        ),
        (
            "2.6 at least one tick: a thousandth of a per cent of 50",
            "new 1 buy limit 50 x1
             new 2 sell limit 50 x1 -> accepted 2; trade 1x2 50 x1
             new 3 sell trailing_stop x5 trail=10ppm
             new 4 buy limit 49 x9
             new 5 sell limit 49 x1 -> accepted 5; trade 4x5 49 x1; triggered 3; trade 4x3 49 x5",
        ),
        (
            "2.6 the limit is the stop price that triggered it plus the offset",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 sell trailing_stop_limit x5 trail=2 offset=-1
             new 4 sell trailing_stop_limit x5 trail=2 offset=-500
             new 5 buy limit 98 x1
             new 6 buy limit 96 x3
             new 7 sell market x1 -> accepted 7; trade 5x7 98 x1; triggered 3; triggered 4; trade 6x4 96 x3
             book -> buy sell 1x2 97x5",
        ),
        (
            "2.6 trades between the trigger and its turn do not change what it is carried out with",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 sell stop x1 stop=98
             new 4 buy limit 98 x1
             new 6 sell trailing_stop_limit x5 trail=2 offset=0
             new 7 buy limit_if_touched 120 x3 stop=98
             new 8 sell limit 115 x3
             new 9 sell limit 98 x1 -> accepted 9; trade 4x9 98 x1; triggered 3; canceled 3 x1 no_liquidity; triggered 6; triggered 7; trade 6x7 98 x3
             book -> buy sell 98x2 115x3",
        ),
        (
            "2.6 the same with the price going up in between",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 buy limit_if_touched 120 x3 stop=98
             new 4 sell trailing_stop_limit x5 trail=2 offset=0
             new 5 sell limit 115 x3
             new 6 buy limit 98 x1
             new 7 sell limit 98 x1 -> accepted 7; trade 6x7 98 x1; triggered 3; trade 5x3 115 x3; triggered 4
             book -> buy sell 98x5",
        ),
    ]);
}

#[test]
fn pegged() {
    check(&[
        (
            "2.7 primary follows its own side (Nasdaq 4703(d), Primary Pegging; FIX 1094=5)",
            "new 1 buy limit 100 x1
             new 2 buy pegged x5 peg=primary
             book -> buy 100x1 sell
             new 3 buy limit 102 x1
             new 4 sell limit 102 x2 -> accepted 4; trade 3x4 102 x1; trade 2x4 102 x1
             new 5 sell limit 100 x9 -> accepted 5; trade 1x5 100 x1; trade 2x5 100 x4
             book -> buy sell 100x4",
        ),
        (
            "2.7 market follows the other side (Nasdaq 4703(d), Market Pegging): with an offset it rests behind it",
            "new 1 sell limit 100 x5
             new 2 buy pegged x5 peg=market-2
             new 3 sell limit 98 x6 -> accepted 3; trade 2x3 98 x5
             book -> buy sell 98x1 100x5",
        ),
        (
            "2.7 without an offset a market peg takes",
            "new 1 sell limit 100 x5
             new 2 buy pegged x7 peg=market -> accepted 2; trade 1x2 100 x5
             new 3 sell limit 150 x1 -> accepted 3; trade 3x2 150 x1",
        ),
        (
            "2.7 mid (Nasdaq 4703(d), Midpoint Pegging; LSE MIT201 6.1), rounded away from the other side",
            "new 1 buy limit 100 x1
             new 2 sell limit 105 x1
             new 3 buy pegged x5 peg=mid
             new 4 sell pegged x5 peg=mid
             new 5 sell limit 102 x1 -> accepted 5; trade 3x5 102 x1
             new 6 buy limit 103 x1 -> accepted 6; trade 4x6 103 x1",
        ),
        (
            "2.7 two mid pegs meet where the middle is a tick; the buyer takes",
            "new 1 buy limit 100 x1
             new 2 sell limit 105 x1
             new 3 sell pegged x4 peg=mid
             new 4 buy pegged x3 peg=mid
             new 5 sell limit 104 x1 -> accepted 5; trade 3x4 102 x3",
        ),
        (
            "2.7 never beyond its limit (Nasdaq 4703(d): a limit price beyond which it is not pegged)",
            "new 1 buy limit 100 x1
             new 2 buy pegged 101 x5 peg=primary
             new 3 buy limit 103 x1
             new 4 sell limit 101 x2 -> accepted 4; trade 3x4 103 x1; trade 2x4 101 x1
             new 5 sell pegged 104 x5 peg=primary-2
             new 6 sell limit 105 x1
             new 7 buy limit 103 x1
             new 8 buy limit 104 x2 -> accepted 8; trade 5x8 104 x2",
        ),
        (
            "2.7 with nothing to follow it is not executable",
            "new 1 buy pegged x5 peg=primary
             new 2 sell limit 1 x5
             new 3 sell pegged x5 peg=mid
             cancel 2 -> canceled 2 x5 user
             new 4 buy limit 3 x1
             new 5 sell limit 3 x2 -> accepted 5; trade 4x5 3 x1; trade 1x5 3 x1
             new 6 sell limit 1 x2
             book -> buy sell 1x2",
        ),
        (
            "2.7 nor below one tick",
            "new 1 buy limit 3 x1
             new 2 buy pegged x5 peg=primary-3
             new 3 sell limit 1 x3 -> accepted 3; trade 1x3 3 x1
             book -> buy sell 1x2",
        ),
        (
            "2.7 hidden orders, minimum-quantity orders and pegs are not followed (Nasdaq 4703(d): displayed interest)",
            "new 1 buy limit 105 x1 hidden
             new 2 buy limit 104 x9 min=9
             new 3 buy pegged x5 peg=primary
             new 4 buy limit 100 x1
             new 5 buy pegged x5 peg=primary+2
             cancel 1 -> canceled 1 x1 user
             cancel 2 -> canceled 2 x9 user
             new 6 sell limit 101 x9 -> accepted 6; trade 5x6 102 x5
             book -> buy 100x1 sell 101x4",
        ),
        (
            "2.7 among displayed orders at its price it ranks by stamp, and a new price is a new stamp (Nasdaq 4703(d))",
            "new 1 buy limit 100 x1
             new 2 buy pegged x4 peg=primary
             new 3 buy limit 100 x1
             new 4 sell limit 100 x2 -> accepted 4; trade 1x4 100 x1; trade 2x4 100 x1
             new 5 buy limit 101 x1
             new 6 buy limit 101 x1
             new 7 sell limit 101 x2 -> accepted 7; trade 5x7 101 x1; trade 2x7 101 x1
             cancel 6 -> canceled 6 x1 user
             new 8 sell limit 100 x2 -> accepted 8; trade 3x8 100 x1; trade 2x8 100 x1",
        ),
        (
            "1.2 pegs whose prices change at once rank by their arrival",
            "new 1 buy pegged x1 peg=primary
             new 2 buy pegged x1 peg=primary
             new 3 buy limit 100 x9
             replace 1 x2
             new 4 buy limit 101 x1
             new 5 sell limit 101 x4 -> accepted 5; trade 4x5 101 x1; trade 2x5 101 x1; trade 1x5 101 x2",
        ),
        (
            "2.7 a peg whose limit is in force does not move, so it keeps its stamp",
            "new 1 buy limit 99 x1
             new 2 buy limit 100 x1
             new 3 buy pegged 100 x1 peg=primary
             new 4 buy limit 100 x1
             new 5 buy limit 101 x1
             new 6 sell limit 100 x3 -> accepted 6; trade 5x6 101 x1; trade 2x6 100 x1; trade 3x6 100 x1",
        ),
        (
            "9.1 a peg that meets the other side takes, at the maker's price; what is left keeps its place",
            "new 1 buy limit 90 x1
             new 2 sell limit 100 x1
             new 3 sell limit 99 x3 hidden
             new 4 buy pegged x5 peg=primary+4
             new 5 buy limit 95 x1 -> accepted 5; trade 3x4 99 x3
             new 6 buy pegged x5 peg=primary+4
             new 7 sell limit 99 x2 -> accepted 7; trade 4x7 99 x2",
        ),
        (
            "5.5 a peg's limit may come and go",
            "new 1 buy limit 100 x1
             new 2 buy pegged x5 peg=primary
             replace 2 98 x5
             new 3 sell limit 99 x2 -> accepted 3; trade 1x3 100 x1
             cancel 3 -> canceled 3 x1 user
             new 4 buy limit 100 x1
             replace 2 x5
             new 5 sell limit 100 x2 -> accepted 5; trade 4x5 100 x1; trade 2x5 100 x1",
        ),
        (
            "4.2 an immediate peg",
            "new 1 buy limit 100 x1
             new 2 sell limit 102 x1
             new 3 sell pegged x4 peg=mid
             new 4 buy pegged x5 peg=mid ioc -> accepted 4; trade 3x4 101 x4; canceled 4 x1 ioc
             new 5 buy pegged x5 peg=mid fok -> accepted 5; canceled 5 x5 fok",
        ),
    ]);
}
