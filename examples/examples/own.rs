//! A strategy of one's own as a program of its own: buys the first symbol once, and says what it got.
//!
//! ```text
//! TIDEGATE_TOKEN=... cargo run --release -p tidegate-examples --example own -- data/journal/door.sock 1
//! ```

use anyhow::{Context, Result};
use std::sync::atomic::AtomicBool;
use tidegate_client::strategy::{
    Desk, InstrumentId, Lots, Order, Report, Shared, Side, Strategy, TimeInForce, Wait,
    trade_over_shared_memory,
};

/// Buys once.
#[derive(Debug, Default)]
struct BuyOnce {
    has_asked: bool,
}

impl Strategy for BuyOnce {
    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        if self.has_asked || desk.book(instrument).touch().is_none() {
            return;
        }
        let order = Order {
            instrument,
            side: Side::Buy,
            qty: Lots(100),
            price: None,
            time_in_force: TimeInForce::Ioc,
        };
        self.has_asked = desk.submit(order).is_ok();
    }

    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        let symbol = desk.terms(report.instrument).symbol;
        eprintln!("{symbol}: {:?}, {} lots executed", report.status, report.cum_qty.0);
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let door = args.next().context("usage: own DOOR ACCOUNT")?.into();
    let account = args.next().context("usage: own DOOR ACCOUNT")?.parse()?;
    let token = std::env::var("TIDEGATE_TOKEN").context("TIDEGATE_TOKEN is not set")?;
    let shared = Shared {
        door,
        token,
        account,
        symbols: Vec::new(),
        prefix: format!("own-{:x}", std::process::id()),
        wait: Wait::default(),
        note: |text| eprintln!("{text}"),
    };
    // Where it runs is this line: `trade` is the same over gRPC, `trade_in_lock_step` in a backtest.
    let tally = trade_over_shared_memory(shared, BuyOnce::default(), &AtomicBool::new(false))?;
    println!("{} orders, {} executions", tally.orders, tally.fills);
    Ok(())
}
