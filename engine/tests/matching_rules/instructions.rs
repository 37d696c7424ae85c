//! Rule 3: iceberg, hidden, post-only, minimum quantity, all or none, self-trade prevention.

use super::check;

#[test]
fn icebergs() {
    check(&[
        (
            "3.1 the next part goes behind what is displayed (LSE MIT201 6.3; CME Globex, display quantity; Nasdaq 4703(h))",
            "new 1 sell limit 100 x30 display=10
             new 2 sell limit 100 x10
             new 3 buy limit 100 x15 -> accepted 3; trade 1x3 100 x10; trade 2x3 100 x5
             book -> buy sell 100x15/2
             new 4 buy limit 100 x10 -> accepted 4; trade 2x4 100 x5; trade 1x4 100 x5
             book -> buy sell 100x5",
        ),
        (
            "3.1 a part that is hit but not used up keeps its place",
            "new 1 sell limit 100 x30 display=10
             new 2 sell limit 100 x10
             new 3 buy limit 100 x4 -> accepted 3; trade 1x3 100 x4
             book -> buy sell 100x16/2
             new 4 buy limit 100 x7 -> accepted 4; trade 1x4 100 x6; trade 2x4 100 x1",
        ),
        (
            "3.1 parts of several icebergs take turns in one sweep, before hidden interest",
            "new 1 sell limit 100 x25 display=10
             new 2 sell limit 100 x12 display=5
             new 3 sell limit 100 x1 hidden
             new 4 buy limit 100 x38 -> accepted 4; trade 1x4 100 x10; trade 2x4 100 x5; trade 1x4 100 x10; trade 2x4 100 x5; trade 1x4 100 x5; trade 2x4 100 x2; trade 3x4 100 x1",
        ),
        (
            "3.1 as a taker it trades with its whole quantity, the rest shows a part",
            "new 1 sell limit 100 x15
             new 2 buy limit 100 x40 display=4 -> accepted 2; trade 1x2 100 x15
             book -> buy 100x4 sell
             new 3 sell limit 100 x25 -> accepted 3; trade 2x3 100 x4; trade 2x3 100 x4; trade 2x3 100 x4; trade 2x3 100 x4; trade 2x3 100 x4; trade 2x3 100 x4; trade 2x3 100 x1",
        ),
        (
            "3.1 a display quantity above the order's displays all of it",
            "new 1 buy limit 100 x3 display=10
             book -> buy 100x3 sell",
        ),
    ]);
}

#[test]
fn post_only() {
    check(&[
        (
            "3.3 refused where it would trade (LSE MIT201 6.4, Passive Only; FIX 18=6)",
            "new 1 sell limit 100 x5
             new 2 buy limit 100 x5 post_only=reject -> rejected 2 post_only_would_cross 100/100
             new 2 buy limit 103 x5 post_only=reject -> rejected 2 post_only_would_cross 100/103
             new 2 buy limit 99 x5 post_only=reject
             book -> buy 99x5 sell 100x5",
        ),
        (
            "3.3 slides one step short of the other side (Nasdaq 4702(b)(4): ranked one increment below the best offer)",
            "new 1 sell limit 100 x5
             new 2 buy limit 103 x5 post_only=slide -> accepted 2 99
             new 3 sell limit 97 x5 post_only=slide -> accepted 3 100
             book -> buy 99x5 sell 100x10/2",
        ),
        (
            "3.3 hidden interest and pegs are interest to slide from",
            "new 1 sell limit 100 x5
             new 2 sell limit 98 x5 hidden
             new 3 buy limit 99 x5 post_only=slide -> accepted 3 97
             new 4 buy limit 98 x5 post_only=reject -> rejected 4 post_only_would_cross 98/98
             cancel 2 -> canceled 2 x5 user
             new 5 sell pegged x5 peg=primary-1
             new 6 buy limit 99 x5 post_only=slide -> accepted 6 98",
        ),
        (
            "3.3 a minimum quantity that it cannot bring is none",
            "new 1 sell limit 100 x5 min=5
             new 2 buy limit 100 x4 post_only=reject
             new 3 buy limit 100 x5 post_only=reject -> rejected 3 post_only_would_cross 100/100
             book -> buy 100x4 sell",
        ),
        (
            "3.3 its own account's orders are interest",
            "new 1 sell limit 100 x5 account=1
             new 2 buy limit 100 x5 post_only=slide account=1 stp=cancel_oldest -> accepted 2 99",
        ),
        (
            "3.3 it stays post-only: a replace that would trade is refused, and leaves it as it was",
            "new 1 sell limit 100 x5
             new 2 buy limit 98 x5 post_only=reject
             new 3 buy limit 98 x5 post_only=slide
             replace 2 100 x5 -> refused 2 post_only_would_cross 100/100
             replace 3 101 x7 -> refused 3 post_only_would_cross 100/101
             replace 3 99 x7
             new 4 sell limit 98 x13 -> accepted 4; trade 3x4 99 x7; trade 2x4 98 x5
             book -> buy sell 98x1 100x5",
        ),
        (
            "3.3 where there is no price left to slide to it is refused",
            "new 1 sell limit 1 x5
             new 2 buy limit 2 x5 post_only=slide -> rejected 2 post_only_would_cross 1/2",
        ),
        (
            "3.3 with instructions of its own it rests as they say",
            "new 1 buy limit 100 x20 post_only=reject display=5 day
             new 2 buy limit 100 x20 post_only=slide hidden
             book -> buy 100x5 sell",
        ),
    ]);
}

#[test]
fn minimum_quantity() {
    check(&[
        (
            "3.4 on arrival what all makers give together counts (Nasdaq 4703(e): one or more orders)",
            "new 1 sell limit 100 x3
             new 2 sell limit 100 x3
             new 3 buy limit 100 x10 min=6 -> accepted 3; trade 1x3 100 x3; trade 2x3 100 x3
             book -> buy sell
             new 4 sell limit 100 x3
             new 5 sell limit 100 x4 -> accepted 5; trade 3x5 100 x4",
        ),
        (
            "3.4 not met, it rests beside the book and others trade past it",
            "new 1 sell limit 100 x3
             new 2 buy limit 100 x10 min=5
             book -> buy sell 100x3
             new 3 buy limit 99 x4
             new 4 sell limit 99 x4 -> accepted 4; trade 3x4 99 x4
             new 5 buy limit 100 x3 -> accepted 5; trade 1x5 100 x3",
        ),
        (
            "3.4 an immediate order is canceled instead (CME Globex, minimum quantity; FIX 110)",
            "new 1 sell limit 100 x3
             new 2 buy limit 100 x10 min=5 ioc -> accepted 2; canceled 2 x10 min_qty
             new 3 buy market x10 min=4 -> accepted 3; canceled 3 x10 min_qty
             new 4 buy limit 100 x10 min=3 ioc -> accepted 4; trade 1x4 100 x3; canceled 4 x7 ioc
             new 5 sell limit 100 x3
             new 6 buy market x10 min=3 -> accepted 6; trade 5x6 100 x3; canceled 6 x7 no_liquidity",
        ),
        (
            "3.4 at rest each execution has to bring it, or what is left",
            "new 1 buy limit 100 x12 min=5
             new 2 sell limit 100 x4 ioc -> accepted 2; canceled 2 x4 ioc
             new 3 sell limit 100 x5 ioc -> accepted 3; trade 1x3 100 x5
             new 4 sell limit 100 x5 ioc -> accepted 4; trade 1x4 100 x5
             new 5 sell limit 100 x1 ioc -> accepted 5; canceled 5 x1 ioc
             new 6 sell limit 100 x3 ioc -> accepted 6; trade 1x6 100 x2; canceled 6 x1 ioc",
        ),
        (
            "3.4 what a taker has left when it comes to it counts",
            "new 1 buy limit 101 x3
             new 2 buy limit 100 x5 min=5
             new 3 buy limit 99 x9
             new 4 sell limit 99 x7 -> accepted 4; trade 1x4 101 x3; trade 3x4 99 x4
             new 5 sell limit 99 x5 -> accepted 5; trade 2x5 100 x5",
        ),
        (
            "3.4 it ranks by price and stamp among the displayed",
            "new 1 buy limit 100 x2
             new 2 buy limit 100 x2 min=2
             new 3 buy limit 100 x2
             new 4 buy limit 101 x2 min=2
             new 5 sell limit 100 x7 -> accepted 5; trade 4x5 101 x2; trade 1x5 100 x2; trade 2x5 100 x2; trade 3x5 100 x1",
        ),
        (
            "9.2 tried again when the other side gains interest: it takes, at the makers' prices",
            "new 1 buy limit 102 x10 min=6
             new 2 sell limit 100 x3
             new 3 sell limit 101 x2
             new 4 sell limit 102 x4 -> accepted 4; trade 2x1 100 x3; trade 3x1 101 x2; trade 4x1 102 x4
             book -> buy sell
             new 5 sell limit 101 x1 -> accepted 5; trade 1x5 102 x1",
        ),
        (
            "9 what takes from where it rests keeps its place",
            "new 1 buy limit 100 x10 min=3
             new 2 buy limit 100 x10 min=3
             new 3 sell limit 100 x2
             new 4 sell limit 100 x1 -> accepted 4; trade 3x1 100 x2; trade 4x1 100 x1
             new 5 sell limit 100 x4 -> accepted 5; trade 1x5 100 x4",
        ),
        (
            "9.2 tried again when its own minimum becomes less",
            "new 1 buy limit 100 x8 min=5
             new 2 sell limit 100 x3
             new 3 sell limit 99 x5 ioc -> accepted 3; trade 1x3 100 x5; trade 2x1 100 x3",
        ),
        (
            "9.2 or is replaced to less",
            "new 1 buy limit 100 x8 min=5
             new 2 sell limit 100 x3
             replace 1 100 x4
             replace 1 100 x3 -> replaced 1 100 x3; trade 2x1 100 x3",
        ),
        (
            "9.2 better priced first, then by stamp",
            "new 1 buy limit 100 x5 min=5
             new 2 buy limit 101 x5 min=5
             new 3 buy limit 101 x5 min=5
             new 4 sell limit 100 x3
             new 5 sell limit 100 x4 -> accepted 5; trade 4x2 100 x3; trade 5x2 100 x2
             new 6 sell limit 100 x3 -> accepted 6; trade 5x3 100 x2; trade 6x3 100 x3",
        ),
        (
            "3.4 two of them: each has to be content; of two that rest the buyer takes",
            "new 1 buy limit 100 x10 min=6
             new 2 sell limit 100 x5 min=5
             new 3 sell limit 100 x1 -> accepted 3; trade 2x1 100 x5; trade 3x1 100 x1
             new 4 sell limit 99 x9 min=5
             book -> buy sell
             replace 4 99 x4 -> replaced 4 99 x4; trade 4x1 99 x4",
        ),
        (
            "3.5 all or none (FIX 18=G; Nasdaq 4703(e): a minimum equal to its size)",
            "new 1 sell limit 100 x4
             new 2 buy limit 100 x5 min=5
             new 3 sell limit 100 x1 -> accepted 3; trade 1x2 100 x4; trade 3x2 100 x1
             new 4 sell limit 100 x5 min=5
             new 5 buy limit 100 x4 ioc -> accepted 5; canceled 5 x4 ioc
             new 6 buy limit 100 x6 -> accepted 6; trade 4x6 100 x5
             book -> buy 100x1 sell",
        ),
        (
            "3.4 with fill or kill, which is asked first",
            "new 1 sell limit 100 x4
             new 2 buy limit 100 x5 min=5 fok -> accepted 2; canceled 2 x5 fok
             new 3 buy limit 100 x4 min=2 fok -> accepted 3; trade 1x3 100 x4",
        ),
        (
            "3.4 a fill-or-kill order counts it where its quantity can be brought",
            "new 1 sell limit 100 x4 min=3
             new 2 sell limit 100 x3
             new 3 buy limit 100 x2 fok -> accepted 3; trade 2x3 100 x2
             new 4 buy limit 100 x5 fok -> accepted 4; trade 1x4 100 x4; trade 2x4 100 x1",
        ),
        (
            "3.4 a minimum of one is one too: not displayed",
            "new 1 buy limit 100 x5 min=1
             book -> buy sell
             new 2 sell limit 100 x1 -> accepted 2; trade 1x2 100 x1",
        ),
    ]);
}

#[test]
fn self_trade_prevention() {
    check(&[
        (
            "3.6 cancel newest (Nasdaq 4757(a)(4), anti-internalization; CME, Cancel Aggressing; LSE MIT201 3.10)",
            "new 1 sell limit 100 x2
             new 2 sell limit 100 x5 account=7
             new 3 sell limit 100 x5
             new 4 buy limit 100 x9 account=7 stp=cancel_newest -> accepted 4; trade 1x4 100 x2; canceled 4 x7 self_trade
             book -> buy sell 100x10/2",
        ),
        (
            "3.6 cancel oldest (CME, Cancel Resting)",
            "new 1 sell limit 100 x2
             new 2 sell limit 100 x5 account=7 display=1
             new 3 sell limit 100 x5
             new 4 buy limit 100 x9 account=7 stp=cancel_oldest -> accepted 4; trade 1x4 100 x2; canceled 2 x5 self_trade; trade 3x4 100 x5
             book -> buy 100x2 sell",
        ),
        (
            "3.6 cancel both (CME, Cancel Both)",
            "new 1 sell limit 100 x5 account=7
             new 2 sell limit 100 x5
             new 3 buy limit 100 x9 account=7 stp=cancel_both -> accepted 3; canceled 1 x5 self_trade; canceled 3 x9 self_trade
             book -> buy sell 100x5",
        ),
        (
            "3.6 decrement: the smaller quantity off both (Nasdaq 4757(a)(4))",
            "new 1 sell limit 100 x5 account=7
             new 2 sell limit 100 x5
             new 3 buy limit 100 x9 account=7 stp=decrement -> accepted 3; canceled 1 x5 self_trade; canceled 3 x5 self_trade; trade 2x3 100 x4
             new 4 sell limit 100 x8 account=7
             new 5 buy limit 100 x3 account=7 stp=decrement -> accepted 5; trade 2x5 100 x1; canceled 4 x2 self_trade; canceled 5 x2 self_trade
             book -> buy sell 100x6",
        ),
        (
            "3.6 decrement leaves the resting order its place, and an iceberg its displayed part",
            "new 1 sell limit 100 x20 account=7 display=4
             new 2 sell limit 100 x5
             new 3 buy limit 100 x15 account=7 stp=decrement -> accepted 3; canceled 1 x15 self_trade; canceled 3 x15 self_trade
             book -> buy sell 100x9/2
             new 4 buy limit 100 x5 -> accepted 4; trade 1x4 100 x4; trade 2x4 100 x1
             book -> buy sell 100x5/2",
        ),
        (
            "3.6 the arriving order's instruction counts, the resting one's does not",
            "new 1 sell limit 100 x5 account=7 stp=cancel_both
             new 2 buy limit 100 x2 account=7 -> accepted 2; trade 1x2 100 x2
             new 3 buy limit 100 x2 account=8 stp=cancel_both -> accepted 3; trade 1x3 100 x2",
        ),
        (
            "3.6 a resting order that would not trade is left alone",
            "new 1 sell limit 101 x5 account=7
             new 2 sell limit 100 x5 account=7 min=5
             new 3 buy limit 100 x4 account=7 stp=cancel_oldest
             book -> buy 100x4 sell 101x5
             new 4 buy limit 100 x5 account=7 stp=cancel_oldest -> accepted 4; canceled 2 x5 self_trade
             book -> buy 100x9/2 sell 101x5",
        ),
        (
            "3.6 what rested before counts for none of what a fill-or-kill order could take",
            "new 1 sell limit 100 x3
             new 2 sell limit 100 x5 account=7
             new 3 sell limit 101 x2
             new 4 buy limit 101 x9 account=7 stp=cancel_oldest fok -> accepted 4; canceled 4 x9 fok
             new 5 buy limit 101 x5 account=7 stp=cancel_newest fok -> accepted 5; canceled 5 x5 fok
             new 6 buy limit 101 x5 account=7 stp=decrement fok -> accepted 6; canceled 6 x5 fok
             new 7 buy limit 101 x5 account=7 stp=cancel_oldest fok -> accepted 7; trade 1x7 100 x3; canceled 2 x5 self_trade; trade 3x7 101 x2
             book -> buy sell",
        ),
        (
            "3.6 nor for a minimum quantity",
            "new 1 sell limit 100 x5 account=7
             new 2 buy limit 100 x5 account=7 stp=cancel_oldest min=2
             book -> buy sell 100x5
             new 3 sell limit 100 x2 -> accepted 3; trade 2x3 100 x2
             new 4 sell limit 101 x2
             new 5 buy limit 101 x5 account=7 stp=cancel_oldest min=2 -> accepted 5; canceled 1 x5 self_trade; trade 4x5 101 x2",
        ),
        (
            "3.6 without an instruction its own account counts like any other",
            "new 1 sell limit 100 x5 account=7
             new 2 buy limit 100 x5 account=7 fok -> accepted 2; trade 1x2 100 x5",
        ),
        (
            "3.6 market, triggered and pegged orders too",
            "new 1 sell limit 100 x5 account=7
             new 2 buy market x3 account=7 stp=cancel_newest -> accepted 2; canceled 2 x3 self_trade
             new 3 buy stop x3 stop=100 account=7 stp=cancel_oldest
             new 4 buy limit 100 x1 -> accepted 4; trade 1x4 100 x1; triggered 3; canceled 1 x4 self_trade; canceled 3 x3 no_liquidity
             new 5 sell limit 105 x5 account=7
             new 6 buy pegged x3 peg=market account=7 stp=cancel_newest -> accepted 6; canceled 6 x3 self_trade
             new 7 buy limit 100 x1
             new 8 buy pegged x3 peg=primary account=7 stp=decrement
             new 9 sell limit 100 x3 account=7 -> accepted 9; trade 7x9 100 x1; trade 8x9 100 x2",
        ),
        (
            "9.1 a resting peg that meets its own account's order: its instruction counts, for it arrives",
            "new 1 sell limit 101 x4 account=7 hidden
             new 2 buy limit 100 x1
             new 3 buy pegged x5 peg=primary account=7 stp=decrement
             new 4 buy limit 99 x1
             replace 2 100 x2
             new 5 buy limit 100 x9
             new 6 sell limit 102 x1
             new 7 buy pegged x5 peg=primary+1 account=7 stp=cancel_oldest -> accepted 7; canceled 1 x4 self_trade",
        ),
    ]);
}
