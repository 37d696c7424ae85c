//! Rules 4.1, 4.3, 6, 7 and 8: times in force that end, phases, auctions, price bands.

use super::check;

#[test]
fn times_in_force_that_end() {
    check(&[
        (
            "4.1 day orders end with the close, others stay (FIX 59=0, 59=1)",
            "new 1 buy limit 100 x1 day
             new 2 buy limit 99 x1 gtc
             new 3 buy limit 98 x1 gtd until=50
             new 4 buy stop x1 stop=120 day
             replace 1 101 x1
             phase closed -> canceled 4 x1 expired; canceled 1 x1 expired
             book -> buy 99x1 98x1 sell
             time 50 -> canceled 3 x1 expired",
        ),
        (
            "4.1 good till date ends when its time is reached (FIX 126; LSE MIT201 5.3, GTT)",
            "time 10
             new 1 buy limit 100 x1 gtd until=10 -> rejected 1 expired 10/10
             new 1 buy limit 100 x1 gtd until=11
             new 2 sell stop x5 stop=90 gtd until=12
             new 3 buy limit 100 x3 gtd until=11
             new 4 buy pegged x3 peg=primary gtd until=11
             replace 1 100 x7
             new 5 sell limit 100 x1 -> accepted 5; trade 3x5 100 x1
             time 9
             new 6 buy limit 100 x1 gtd until=10 -> rejected 6 expired 10/10
             time 11 -> canceled 3 x2 expired; canceled 4 x3 expired; canceled 1 x7 expired
             time 1000 -> canceled 2 x5 expired",
        ),
        (
            "9 what an expiry leaves behind is followed too",
            "new 1 buy limit 101 x1 gtd until=5
             new 2 buy limit 100 x1
             new 3 buy pegged x1 peg=primary
             time 5 -> canceled 1 x1 expired
             new 4 sell limit 100 x2 -> accepted 4; trade 2x4 100 x1; trade 3x4 100 x1",
        ),
        (
            "4.3 at the open: its auction only (Nasdaq 4702(b)(8) and (9); FIX 59=2)",
            "new 1 buy limit 100 x5 at_the_open -> rejected 1 phase 0/3
             phase pre_open
             new 1 buy limit 100 x5 at_the_open
             new 2 buy market x2 at_the_open
             new 3 buy limit 99 x5 at_the_open
             phase open_auction
             new 4 sell limit 99 x4 day
             new 5 sell market x2 at_the_open
             phase continuous -> cross 2x5 100 x2; cross 1x4 100 x4; canceled 1 x1 expired; canceled 3 x5 expired
             book -> buy sell
             phase halt
             new 6 buy limit 100 x5 at_the_open -> rejected 6 phase 0/4",
        ),
        (
            "4.3 at the close: waits, then takes part with the stamp it has (Nasdaq 4702(b)(11) and (12); FIX 59=7)",
            "new 1 sell limit 100 x5 at_the_close
             new 2 sell market x1 at_the_close
             new 3 sell limit 100 x5
             book -> buy sell 100x5
             new 4 buy limit 100 x1 -> accepted 4; trade 3x4 100 x1
             replace 1 100 x4
             phase close_auction
             book -> buy sell 100x8/2
             new 5 buy market x6 at_the_close
             phase closed -> cross 5x2 100 x1; cross 5x1 100 x4; cross 5x3 100 x1
             book -> buy sell 100x3",
        ),
        (
            "4.3 what of it does not trade expires; a market order has found no liquidity",
            "new 1 sell limit 100 x5 at_the_close
             phase close_auction
             new 2 sell market x3 at_the_close
             new 3 sell market x3 day
             new 4 sell limit 101 x3 day
             phase closed -> canceled 2 x3 no_liquidity; canceled 3 x3 no_liquidity; canceled 1 x5 expired; canceled 4 x3 expired",
        ),
        (
            "4.3 other auctions leave it waiting, and without its own it expires with the day",
            "new 1 sell limit 100 x5 at_the_close
             phase halt
             phase continuous
             phase closed -> canceled 1 x5 expired",
        ),
    ]);
}

#[test]
fn phases() {
    check(&[
        (
            "6 nothing trades while orders are collected, and the book may be crossed (Xetra, call phase)",
            "phase pre_open
             new 1 buy limit 102 x5
             new 2 sell limit 100 x3
             book -> buy 102x5 sell 100x3
             phase open_auction
             cancel 1 -> canceled 1 x5 user
             new 3 buy limit 101 x1
             replace 3 103 x2
             book -> buy 103x2 sell 100x3
             phase halt
             book -> buy 103x2 sell 100x3",
        ),
        (
            "6.1 what cannot wait is refused (Xetra: IOC, FOK and BOC in continuous trading only)",
            "phase halt
             new 1 buy limit 100 x5 ioc -> rejected 1 phase 0/4
             new 1 buy limit 100 x5 fok -> rejected 1 phase 0/4
             new 1 buy market_to_limit x5 -> rejected 1 phase 0/4
             new 1 buy limit 100 x5 post_only=slide -> rejected 1 phase 0/4
             new 1 buy market x5 min=2 -> rejected 1 phase 0/4
             new 1 buy stop_limit 100 x5 stop=100 ioc -> rejected 1 phase 0/4
             new 1 buy stop_limit 100 x5 stop=100
             new 2 buy limit 100 x5 min=2
             new 3 buy pegged x5 peg=primary
             new 4 buy market x5",
        ),
        (
            "6.1 nor is it replaced to where it would have to be taken anew",
            "new 1 buy limit 100 x5 post_only=reject
             phase halt
             replace 1 101 x5 -> refused 1 phase 0/4
             replace 1 100 x4
             new 2 sell limit 99 x4
             phase continuous -> cross 1x2 99 x4",
        ),
        (
            "5.7 closed: orders are canceled, and nothing else",
            "new 1 buy limit 100 x5
             phase closed
             new 2 buy limit 100 x5 -> rejected 2 phase 0/6
             replace 1 100 x4 -> refused 1 phase 0/6
             cancel 1 -> canceled 1 x5 user",
        ),
        (
            "6.1 market orders wait for the auction; 6.2 what is left of them is canceled",
            "phase halt
             new 1 buy market x5
             new 2 sell limit 100 x3
             new 3 buy market x1
             replace 1 100 x5 -> refused 1 bad_field 0/100
             replace 1 x4
             book -> buy sell 100x3
             phase continuous -> cross 1x2 100 x3; canceled 1 x1 no_liquidity; canceled 3 x1 no_liquidity",
        ),
        (
            "6.2 every step to continuous runs the auction, of what a close left behind too",
            "phase halt
             new 1 buy limit 102 x5
             new 2 sell limit 100 x5
             new 3 buy limit 99 x5 day
             phase closed -> canceled 3 x5 expired
             book -> buy 102x5 sell 100x5
             phase continuous -> cross 1x2 101 x5",
        ),
        (
            "6.2 a step to where it is is none",
            "new 1 buy limit 100 x5 day
             phase continuous
             phase halt
             phase halt
             new 2 sell limit 100 x1
             phase closed -> canceled 1 x5 expired
             phase closed",
        ),
        (
            "6.3 triggers wait for continuous trading; the auction's price counts (LSE MIT201 6.2)",
            "phase open_auction
             new 1 buy stop x2 stop=100
             new 2 buy limit 100 x5
             new 3 sell limit 100 x5
             new 4 sell limit 103 x5
             phase continuous -> cross 2x3 100 x5; triggered 1; trade 4x1 103 x2",
        ),
        (
            "6.3 the last trade decides when continuous trading begins",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             phase halt
             new 3 buy stop_limit 90 x1 stop=98
             new 4 buy stop_limit 90 x2 stop=101
             new 5 sell stop_limit 120 x3 stop=104
             new 6 buy stop_limit 90 x4 stop=100
             phase continuous -> triggered 5; triggered 3; triggered 6
             book -> buy 90x5/2 sell 120x3",
        ),
        (
            "6.3 the closing price triggers nothing before the next continuous trading, and trails follow it",
            "new 1 sell stop_limit 90 x1 stop=100 gtc
             new 2 sell trailing_stop_limit 90 x2 trail=5 gtc
             phase close_auction
             new 3 buy limit 100 x1
             new 4 sell limit 100 x1
             phase closed -> cross 3x4 100 x1
             phase pre_open
             new 5 buy limit 102 x1
             new 6 sell limit 102 x1
             phase continuous -> cross 5x6 102 x1
             new 7 buy limit 97 x1
             new 8 sell limit 97 x1 -> accepted 8; trade 7x8 97 x1; triggered 1; triggered 2",
        ),
        (
            "6.3 pegs and minimum-quantity orders take no part (LSE MIT201 6.1), and take afterwards",
            "new 1 buy limit 100 x1
             new 2 buy pegged x9 peg=primary+3
             new 3 buy limit 104 x9 min=9
             phase halt
             new 4 sell limit 101 x10
             new 5 buy limit 101 x1
             phase continuous -> cross 5x4 101 x1; trade 4x2 101 x9",
        ),
        (
            "2.7 outside continuous trading a peg keeps its price, and a new one has none",
            "new 1 buy limit 100 x1
             new 2 buy pegged x2 peg=primary
             phase halt
             cancel 1 -> canceled 1 x1 user
             new 3 buy pegged x3 peg=primary
             new 4 buy limit 90 x1
             phase continuous
             new 5 sell limit 95 x1
             new 6 sell limit 90 x6 -> accepted 6; trade 4x6 90 x1; trade 2x6 90 x2; trade 3x6 90 x3",
        ),
    ]);
}

#[test]
fn auctions() {
    check(&[
        (
            "7.1(a) most is executed (Xetra, price determination: one limit with the highest executable volume)",
            "phase open_auction
             new 1 buy limit 202 x200
             new 2 buy limit 201 x200
             new 3 buy limit 200 x300
             new 4 sell limit 198 x200
             new 5 sell limit 199 x200
             new 6 sell limit 200 x300
             indicative -> indicative 200 x700 buy 0
             phase continuous -> cross 1x4 200 x200; cross 2x5 200 x200; cross 3x6 200 x300",
        ),
        (
            "7.1(b) then the smallest surplus (Xetra; LSE MIT201 7.2: minimum surplus)",
            "phase open_auction
             new 1 buy limit 103 x100
             new 2 buy limit 102 x50
             new 3 buy limit 101 x80
             new 4 sell limit 101 x100
             indicative -> indicative 103 x100 buy 0",
        ),
        (
            "7.1(c) surplus on the buy side at all of them: the highest (Xetra; LSE MIT201 7.2: market pressure)",
            "phase open_auction
             new 1 buy limit 202 x400
             new 2 buy limit 201 x200
             new 3 sell limit 199 x300
             new 4 sell limit 198 x200
             cancel 2 -> canceled 2 x200 user
             replace 1 202 x600
             indicative -> indicative 202 x500 buy 100
             phase continuous -> cross 1x4 202 x200; cross 1x3 202 x300
             book -> buy 202x100 sell",
        ),
        (
            "7.1(c) on the sell side: the lowest",
            "phase open_auction
             new 1 buy limit 202 x300
             new 2 buy limit 201 x200
             new 3 sell limit 199 x600
             indicative -> indicative 199 x500 sell 100
             phase continuous -> cross 1x3 199 x300; cross 2x3 199 x200
             book -> buy sell 199x100",
        ),
        (
            "7.1(d) no surplus: the reference price, if it lies between (Xetra: the reference price decides)",
            "phase open_auction
             new 1 buy limit 202 x300
             new 2 sell limit 198 x300
             reference 201 -> indicative 201 x300 buy 0
             reference 197 -> indicative 198 x300 buy 0
             reference 250 -> indicative 202 x300 buy 0
             reference 199 -> indicative 199 x300 buy 0
             phase continuous -> cross 1x2 199 x300",
        ),
        (
            "7.1(d) surplus on different sides: the reference price again",
            "phase open_auction
             new 1 buy limit 202 x100
             new 2 buy limit 199 x100
             new 3 sell limit 199 x100
             new 4 sell limit 202 x100
             indicative -> indicative 200 x100 buy 0
             reference 201
             indicative -> indicative 201 x100 buy 0
             phase continuous -> cross 1x3 201 x100
             book -> buy 199x100 sell 202x100",
        ),
        (
            "7.1(d) without a reference the middle, rounded down; the last trade is one",
            "phase open_auction
             new 1 buy limit 103 x3
             new 2 sell limit 100 x3
             phase continuous -> cross 1x2 101 x3
             phase halt
             new 3 buy limit 110 x3
             new 4 sell limit 100 x3
             phase continuous -> cross 3x4 101 x3
             phase halt
             reference 108
             new 5 buy limit 110 x3
             new 6 sell limit 100 x3
             phase continuous -> cross 5x6 108 x3
             reference 103
             new 7 buy limit 106 x1
             new 8 sell limit 106 x1 -> accepted 8; trade 7x8 106 x1
             phase halt
             new 9 buy limit 110 x3
             new 10 sell limit 100 x3
             phase continuous -> cross 9x10 106 x3",
        ),
        (
            "7.2 only market orders: at the reference price (Xetra: only market orders are executable)",
            "phase open_auction
             new 1 buy market x9
             new 2 sell market x8
             indicative -> indicative none
             phase continuous -> canceled 1 x9 no_liquidity; canceled 2 x8 no_liquidity
             phase halt
             reference 123
             new 1 buy market x9
             new 2 sell market x8 -> accepted 2; indicative 123 x8 buy 1
             phase continuous -> cross 1x2 123 x8; canceled 1 x1 no_liquidity",
        ),
        (
            "7.3 market orders first, then prices, then displayed before hidden, then stamps",
            "phase open_auction
             new 1 buy limit 101 x1 hidden
             new 2 buy limit 101 x1
             new 3 buy limit 102 x1 hidden
             new 4 buy market x1
             new 5 buy limit 101 x1
             new 6 sell limit 101 x4
             phase continuous -> cross 4x6 101 x1; cross 3x6 101 x1; cross 2x6 101 x1; cross 5x6 101 x1
             book -> buy sell",
        ),
        (
            "7.3 a market order with a protection price ranks as hidden at it",
            "phase open_auction
             new 1 buy market 101 x5
             new 2 buy limit 101 x5
             new 3 sell limit 100 x7
             new 4 buy market 99 x5
             phase continuous -> cross 2x3 101 x5; cross 1x3 101 x2; canceled 1 x3 no_liquidity; canceled 4 x5 no_liquidity",
        ),
        (
            "7.3 icebergs with their whole quantity; the next part is shown after the last trade, behind",
            "phase open_auction
             new 1 buy limit 100 x30 display=10
             new 2 buy limit 100 x5
             new 3 sell limit 100 x14
             indicative -> indicative 100 x14 buy 21
             phase continuous -> cross 1x3 100 x14
             book -> buy 100x15/2 sell
             new 4 sell limit 100 x6 -> accepted 4; trade 2x4 100 x5; trade 1x4 100 x1",
        ),
        (
            "7.3 a displayed part that is not used up keeps its place",
            "phase open_auction
             new 1 buy limit 100 x30 display=10
             new 2 buy limit 100 x5
             new 3 sell limit 100 x4
             phase continuous -> cross 1x3 100 x4
             book -> buy 100x11/2 sell
             new 4 sell limit 100 x7 -> accepted 4; trade 1x4 100 x6; trade 2x4 100 x1",
        ),
        (
            "7.3 self-trade prevention does not apply",
            "phase open_auction
             new 1 buy limit 100 x5 account=7 stp=cancel_both
             new 2 sell limit 100 x5 account=7 stp=cancel_both
             phase continuous -> cross 1x2 100 x5",
        ),
        (
            "7.4 price, quantity and imbalance are published when they change (Xetra, indicative price)",
            "phase pre_open
             new 1 buy limit 100 x5
             new 2 sell limit 100 x3 -> accepted 2; indicative 100 x3 buy 2
             new 3 sell limit 105 x9
             phase open_auction
             new 4 sell limit 99 x4 -> accepted 4; indicative 100 x5 sell 2
             cancel 1 -> canceled 1 x5 user; indicative none
             new 5 buy market x1 -> accepted 5; indicative 99 x1 sell 3
             phase continuous -> cross 5x4 99 x1",
        ),
        (
            "7 what is left goes on in continuous trading",
            "phase open_auction
             new 1 buy limit 100 x5
             new 2 sell limit 99 x3
             new 3 sell limit 101 x3
             phase continuous -> cross 1x2 100 x3
             book -> buy 100x2 sell 101x3
             new 4 sell limit 100 x2 -> accepted 4; trade 1x4 100 x2",
        ),
    ]);
}

#[test]
fn price_bands() {
    check(&[
        (
            "8 a trade outside the band halts the market; a limit order rests (LULD plan VII, trading pause; Xetra, volatility interruption)",
            "new 1 sell limit 100 x2
             new 2 sell limit 106 x2
             bands 95 105
             new 3 buy limit 110 x3 -> accepted 3; trade 1x3 100 x2; phase halt
             book -> buy 110x1 sell 106x2
             phase continuous -> phase halt
             bands 95 115
             phase continuous -> cross 3x2 106 x1",
        ),
        (
            "8 what cannot rest is canceled",
            "new 1 sell limit 106 x2
             bands 95 105
             new 2 buy market x3 -> accepted 2; phase halt; canceled 2 x3 price_band
             bands none
             phase continuous
             bands 107 110
             new 3 buy limit 106 x3 ioc -> accepted 3; phase halt; canceled 3 x3 price_band",
        ),
        (
            "8 the limits themselves are inside",
            "new 1 sell limit 105 x2
             new 2 buy limit 95 x2
             bands 95 105
             new 3 buy market x2 -> accepted 3; trade 1x3 105 x2
             new 4 sell market x2 -> accepted 4; trade 2x4 95 x2",
        ),
        (
            "8 orders outside the band rest where they are no trade",
            "bands 95 105
             new 1 sell limit 200 x1
             new 2 buy limit 1 x1
             new 3 buy limit 150 x1
             book -> buy 150x1 1x1 sell 200x1",
        ),
        (
            "8 a fill-or-kill order that would have to trade outside is canceled, and halts nothing",
            "new 1 sell limit 100 x2
             new 2 sell limit 106 x2
             bands 95 105
             new 3 buy limit 110 x3 fok -> accepted 3; canceled 3 x3 fok
             new 4 buy limit 110 x3 min=3
             new 5 buy limit 110 x1 -> accepted 5; trade 1x5 100 x1",
        ),
        (
            "8 the price is looked at before self-trade prevention",
            "new 1 sell limit 106 x2 account=7
             bands 95 105
             new 2 buy limit 106 x2 account=7 stp=cancel_oldest -> accepted 2; phase halt",
        ),
        (
            "8 an order that no one can trade with is no reason for a halt",
            "new 1 sell limit 106 x2 min=2
             bands 95 105
             new 2 buy limit 106 x1
             book -> buy 106x1 sell",
        ),
        (
            "8 a triggered order and a peg halt the market as well; the stops behind wait",
            "new 1 sell limit 100 x1
             new 2 sell limit 106 x9
             new 3 buy stop x1 stop=100
             new 4 buy stop x1 stop=100
             bands 95 105
             new 5 buy limit 100 x1 -> accepted 5; trade 1x5 100 x1; triggered 3; phase halt; canceled 3 x1 price_band
             bands 95 110
             phase continuous -> triggered 4; trade 2x4 106 x1
             bands 95 105
             new 6 buy pegged x4 peg=market -> accepted 6; phase halt
             bands none
             phase continuous -> trade 2x6 106 x4",
        ),
        (
            "9 a halt leaves a trailing stop that was triggered waiting, and the last trade decides anew",
            "new 1 buy limit 100 x1
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1
             new 3 buy limit 97 x1
             new 4 buy limit_if_touched 120 x1 stop=97
             new 5 buy market_if_touched x1 stop=97
             new 6 sell trailing_stop_limit 90 x5 trail=3
             new 7 sell limit 104 x1
             new 8 sell limit 120 x1
             bands 90 110
             new 9 sell limit 97 x1 -> accepted 9; trade 3x9 97 x1; triggered 4; trade 7x4 104 x1; triggered 5; phase halt; canceled 5 x1 price_band
             phase continuous
             new 10 buy limit 101 x2
             new 11 sell limit 101 x1 -> accepted 11; trade 10x11 101 x1; triggered 6; trade 10x6 101 x1",
        ),
        (
            "8 an auction outside the band does not happen, nor does the step",
            "phase close_auction
             new 1 buy limit 106 x1 day
             new 2 sell limit 106 x1 day
             bands 95 105
             phase closed -> phase halt
             book -> buy 106x1 sell 106x1
             phase closed -> canceled 1 x1 expired; canceled 2 x1 expired",
        ),
        (
            "8 a wider band lets a minimum-quantity order take at once",
            "new 1 sell limit 100 x2
             bands 95 99
             new 2 buy limit 100 x2 min=2
             bands 95 100 -> trade 1x2 100 x2",
        ),
    ]);
}
