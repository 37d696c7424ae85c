//! From a feed packet on loopback UDP to the fill of an order of ours, read from a session over gRPC: feed handler, ring, journal, book, paper
//! venue, event log, edge. The packet's time is when it is due.

use crate::feed::Feed;
use crate::open_loop::{Figures, Load, Stamps};
use crate::server::{ACCOUNT, SYMBOL, Server, TOKEN};
use anyhow::{Context, Result, bail};
use std::time::Duration;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::{ExecType, OrderType, Side, SubmitOrderRequest, TimeInForce};
use tidegate_client::{Client, OrderEvents};

/// Market events of a packet; the last but one fills one lot of ours.
pub const EVENTS_PER_PACKET: u64 = 20;

/// Measures packets, each of [`EVENTS_PER_PACKET`], so many as `load` says.
pub fn measure(load: Load) -> Result<Figures> {
    let server = Server::start()?;
    let mut feed = Feed::open(server.feed)?;
    std::thread::sleep(Duration::from_millis(300));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let client = Client::connect(&server.addr, Some(TOKEN)).await?;
        let (mut sender, mut events) = client.order_session().await?.split();
        let order = SubmitOrderRequest {
            client_order_id: "rests".into(),
            account: ACCOUNT,
            symbol: SYMBOL.into(),
            side: Side::Buy.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Day.into(),
            qty: (load.total + 1).to_string(),
            price: "10.01".into(),
            ..Default::default()
        };
        sender.submit(order).await?;
        next(&mut events, ExecType::New).await?;

        let mut stamps = Stamps::begin(load);
        stamps.restart();
        let due = stamps.clone();
        let sending = std::thread::spawn(move || -> Result<()> {
            for packet in 0..load.total {
                let first = 1_000 + packet * EVENTS_PER_PACKET;
                for pair in 0..EVENTS_PER_PACKET / 2 - 1 {
                    feed.add(first + pair, b'B', 999, 100);
                    feed.delete(first + pair);
                }
                // Behind ours at its price, and executed: ours would have been.
                let last = first + EVENTS_PER_PACKET;
                feed.add(last, b'B', 1_001, 1);
                feed.execute(last, 1);
                let left = due.due(packet).saturating_sub(due.now());
                if left > 0 {
                    std::thread::sleep(Duration::from_nanos(left));
                }
                feed.send()?;
            }
            Ok(())
        });
        while stamps.answered() < load.total {
            next(&mut events, ExecType::Trade).await?;
            stamps.stamp();
        }
        if sending.join().is_err() {
            bail!("the sender failed");
        }
        Ok(stamps.figures())
    })
}

/// Reads on to the next report of a kind.
async fn next(events: &mut OrderEvents, kind: ExecType) -> Result<()> {
    loop {
        let heard = tokio::time::timeout(Duration::from_secs(5), events.next()).await;
        match heard.context("nothing is told any more")??.context("the session is over")? {
            Heard::Engine(event) => match event.body {
                Some(Body::Execution(report)) if report.exec_type() == kind => return Ok(()),
                _ => {}
            },
            Heard::Refused(refused) => bail!("refused: {} {}", refused.field, refused.text),
            Heard::Opened(_) => {}
        }
    }
}
