//! Rules 3.7 and 6.1: orders that are refused (FIX 39=8), with reason, limit and value.

use super::{check, run};
use tidegate_engine::matching::{NaiveMarket, SingleMarket};
use tidegate_model::Ticks;

#[test]
fn quantities_and_prices() {
    check(&[
        (
            "FIX 103=13, incorrect quantity",
            "new 1 buy limit 100 x0 -> rejected 1 zero_quantity 0/0
             new 1 buy limit 100 x1099511627777 -> rejected 1 overflow 1099511627776/1099511627777
             new 1 buy limit 100 x1099511627776
             replace 1 100 x1099511627777 -> refused 1 overflow 1099511627776/1099511627777",
        ),
        (
            "FIX 103=99: a price that is none",
            "new 1 buy limit x5 -> rejected 1 bad_price 1/0
             new 1 buy limit -1 x5 -> rejected 1 bad_price 1/-1
             new 1 buy market -1 x5 -> rejected 1 bad_price 0/-1
             new 1 buy limit 72057594037927937 x5 -> rejected 1 bad_price 72057594037927936/72057594037927937
             new 1 buy stop x5 stop=0 -> rejected 1 bad_price 1/0
             new 1 buy pegged x5 peg=primary-72057594037927937 -> rejected 1 bad_price -72057594037927936/-72057594037927937
             new 1 sell trailing_stop x5 trail=72057594037927937 -> rejected 1 bad_price 72057594037927936/72057594037927937
             new 1 buy limit 72057594037927936 x5",
        ),
        (
            "the ends of the range do not pass the integers",
            "new 1 sell limit 72057594037927936 x5
             new 2 sell pegged x5 peg=primary+72057594037927936
             new 3 buy pegged x5 peg=mid+72057594037927936
             new 4 buy trailing_stop_limit x5 trail=72057594037927936 offset=72057594037927936
             new 5 sell trailing_stop_limit x5 trail=999999ppm offset=-72057594037927936
             new 6 buy limit 72057594037927936 x1 -> accepted 6; trade 1x6 72057594037927936 x1
             new 7 buy limit 1 x1 -> accepted 7; trade 1x3 72057594037927936 x4",
        ),
    ]);
}

#[test]
fn terms_that_do_not_go_together() {
    check(&[
        (
            "3.7 stop prices, trails, pegs and offsets",
            "new 1 buy stop x5 -> rejected 1 bad_field 0/0
             new 1 buy stop_limit 100 x5 -> rejected 1 bad_field 0/0
             new 1 buy market_if_touched x5 -> rejected 1 bad_field 0/0
             new 1 buy limit_if_touched 100 x5 -> rejected 1 bad_field 0/0
             new 1 buy limit 100 x5 stop=99 -> rejected 1 bad_field 0/99
             new 1 buy market x5 stop=99 -> rejected 1 bad_field 0/99
             new 1 buy pegged x5 peg=mid stop=99 -> rejected 1 bad_field 0/99
             new 1 buy trailing_stop x5 -> rejected 1 bad_field 0/0
             new 1 buy trailing_stop x5 trail=0 -> rejected 1 bad_field 0/0
             new 1 buy trailing_stop x5 trail=-3 -> rejected 1 bad_field 0/-3
             new 1 buy trailing_stop x5 trail=0ppm -> rejected 1 bad_field 0/0
             new 1 buy trailing_stop x5 trail=1000000ppm -> rejected 1 bad_field 0/1000000
             new 1 buy stop x5 stop=100 trail=3 -> rejected 1 bad_field 0/3
             new 1 buy trailing_stop x5 trail=3 offset=1 -> rejected 1 bad_field 0/1
             new 1 buy trailing_stop_limit 100 x5 trail=3 offset=1 -> rejected 1 bad_field 0/1
             new 1 buy trailing_stop_limit x5 trail=3 -> rejected 1 bad_price 1/0
             new 1 buy pegged x5 -> rejected 1 bad_field 0/0
             new 1 buy limit 100 x5 peg=primary+2 -> rejected 1 bad_field 0/2",
        ),
        (
            "3.7 post-only",
            "new 1 buy market x5 post_only=reject -> rejected 1 bad_field 0/1
             new 1 buy limit 100 x5 ioc post_only=slide -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 fok post_only=slide -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 at_the_close post_only=slide -> rejected 1 bad_field 0/2
             new 1 buy stop_limit 100 x5 stop=100 post_only=slide -> rejected 1 bad_field 0/2
             new 1 buy pegged x5 peg=primary post_only=slide -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 min=2 post_only=slide -> rejected 1 bad_field 0/2",
        ),
        (
            "3.7 minimum and display quantity",
            "new 1 buy limit 100 x5 min=0 -> rejected 1 bad_field 0/0
             new 1 buy limit 100 x5 min=6 -> rejected 1 bad_field 0/6
             new 1 buy pegged x5 peg=primary min=2 -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 min=2 at_the_close -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 display=0 -> rejected 1 bad_field 0/0
             new 1 buy limit 100 x5 display=2 hidden -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x5 display=2 min=2 -> rejected 1 bad_field 0/2
             new 1 buy pegged x5 peg=primary display=2 -> rejected 1 bad_field 0/2
             new 1 buy limit 100 x10001 display=1 -> rejected 1 bad_field 0/1
             new 1 buy limit 100 x10000 display=1
             replace 1 100 x10001 -> refused 1 bad_field 0/1
             replace 1 100 x1",
        ),
        (
            "3.7 times in force",
            "new 1 buy stop x5 stop=100 at_the_close -> rejected 1 bad_field 0/7
             new 1 buy market_to_limit x5 at_the_open -> rejected 1 bad_field 0/6
             new 1 buy pegged x5 peg=mid at_the_close -> rejected 1 bad_field 0/7
             new 1 buy limit 100 x5 day until=7 -> rejected 1 bad_field 0/7
             new 1 buy limit 100 x5 gtd -> rejected 1 expired 0/0",
        ),
    ]);
}

/// Where prices go in steps of several ticks, so do the prices that follow from others.
#[test]
fn steps_of_several_ticks() {
    for (name, lines) in [
        (
            "prices between two steps",
            "new 1 buy limit 101 x5 -> rejected 1 tick 5/101
             new 1 buy stop x5 stop=101 -> rejected 1 tick 5/101
             new 1 buy market 101 x5 -> rejected 1 tick 5/101
             new 1 buy pegged x5 peg=primary+1 -> rejected 1 tick 5/1
             new 1 buy trailing_stop x5 trail=6 -> rejected 1 tick 5/6
             new 1 buy trailing_stop_limit x5 trail=5 offset=1 -> rejected 1 tick 5/1
             new 1 buy limit 100 x5
             replace 1 102 x5 -> refused 1 tick 5/102",
        ),
        (
            "2.6 a trail in per cent: 1 % of 700 is 10, of 400 is 5",
            "new 1 buy limit 700 x1
             new 2 sell limit 700 x1 -> accepted 2; trade 1x2 700 x1
             new 3 sell trailing_stop_limit x5 trail=10000ppm offset=0
             new 4 buy limit 690 x1
             new 5 sell limit 690 x1 -> accepted 5; trade 4x5 690 x1; triggered 3
             book -> buy sell 690x5",
        ),
        (
            "2.7 a middle between two steps, 3.3 a slide",
            "new 1 buy limit 100 x1
             new 2 sell limit 115 x1
             new 3 buy pegged x1 peg=mid
             new 4 sell pegged x1 peg=mid
             new 5 buy limit 110 x2 -> accepted 5; trade 4x5 110 x1
             cancel 5 -> canceled 5 x1 user
             new 6 sell limit 105 x3 post_only=slide -> accepted 6 110",
        ),
        (
            "7.1(d) the middle of an auction",
            "phase open_auction
             new 1 buy limit 115 x3
             new 2 sell limit 100 x3
             phase continuous -> cross 1x2 105 x3",
        ),
    ] {
        run::<NaiveMarket>(name, lines, Ticks(5));
        run::<SingleMarket>(name, lines, Ticks(5));
    }
}
