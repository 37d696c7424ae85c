//! Rules 1, 2.1, 2.2, 4.2, 5: plain orders.

use super::check;

#[test]
fn plain_orders() {
    check(&[
        (
            "1.1 price, then time",
            "new 1 sell limit 101 x5
             new 2 sell limit 100 x5
             new 3 sell limit 100 x5
             new 4 buy limit 101 x12 -> accepted 4; trade 2x4 100 x5; trade 3x4 100 x5; trade 1x4 101 x2
             book -> buy sell 101x3",
        ),
        (
            "2.2 market",
            "new 1 sell limit 101 x5
             new 2 buy market x9 -> accepted 2; trade 1x2 101 x5; canceled 2 x4 no_liquidity
             new 3 buy market x9 -> accepted 3; canceled 3 x9 no_liquidity",
        ),
    ]);
}
