//! What acknowledgements wait for: the deployment's level, and more where a caller asks for it. The disk is held and let go by
//! the test.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::*;
use tidegate_client::proto::stream_events_response::Step;
use tidegate_client::proto::*;
use tidegate_client::{Client, EventFilter};
use tidegate_edge::{EdgeConfig, Limits as EdgeLimits};
use tidegate_engine::runtime::{Release, SyncPolicy};
use tidegate_model::ReleaseLevel as Asked;
use tonic::Code;

/// Long enough for whatever would be told to be told.
const MOMENT: Duration = Duration::from_millis(50);

/// A disk that stands still for as long as the flag is set.
fn held_disk() -> (Arc<AtomicBool>, SyncPolicy) {
    let is_held = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&is_held);
    let wait = move || {
        while held.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    // So late that nothing is synced in this test but for whoever waits.
    let every = Duration::from_secs(600);
    (is_held, SyncPolicy { every, before: Some(Arc::new(wait)) })
}

async fn trader_at(house: &House, level: Asked) -> Client {
    house.trader().await.with_release_level(level)
}

#[tokio::test]
async fn a_call_waits_for_what_it_asks_and_says_so() {
    let (is_held, sync) = held_disk();
    let limits = EdgeLimits { answer_timeout: Duration::from_secs(1), ..Default::default() };
    let config = EdgeConfig { limits, ..config() };
    let mut house = House::new_at(config, Release::new(Asked::Process), sync).await;
    let (plain, power) = (house.trader().await, trader_at(&house, Asked::Power).await);

    let order = house.order(Side::Buy, "1", "9.00");
    let report = power.submit(order).await.expect("the disk takes it");
    assert_eq!(report.release_level(), ReleaseLevel::Power);
    assert!(report.position.expect("a position").seq <= house.release.synced().0);

    is_held.store(true, Ordering::Release);
    let order = house.order(Side::Buy, "1", "9.00");
    let report = plain.submit(order).await.expect("nobody waits for the disk");
    assert_eq!(report.release_level(), ReleaseLevel::Process);
    let before = house.release.synced();
    let order = house.order(Side::Buy, "1", "9.00");
    let (code, text) = failure(power.submit(order.clone()).await);
    assert_eq!(code, Code::DeadlineExceeded, "{text}");
    assert!(text.contains("the outcome is unknown"), "{text}");
    assert_eq!(house.release.synced(), before);
    let all = MassCancelRequest { account: Some(ACCOUNT), ..Default::default() };
    assert_eq!(failure(power.mass_cancel(all).await).0, Code::DeadlineExceeded);

    // What was carried out is found again, once it may be told.
    is_held.store(false, Ordering::Release);
    let report = power.submit(order).await.expect("the disk takes it");
    assert_eq!(report.release_level(), ReleaseLevel::Power);
    let canceled = power.mass_cancel(MassCancelRequest::default()).await.expect("an answer");
    assert_eq!(canceled.release_level(), ReleaseLevel::Power);

    let status = plain.get_status(GetStatusRequest {}).await.expect("an answer");
    assert_eq!(status.release_level(), ReleaseLevel::Process);
    assert!(status.synced_seq >= canceled.position.expect("a position").seq);
    assert_eq!((status.replicated_seq, status.waits_for_release), (0, false));
    house.close().await;
}

#[tokio::test]
async fn a_level_that_is_weaker_or_cannot_be_had() {
    let (_, sync) = held_disk();
    let mut house = House::new_at(config(), Release::new(Asked::Power), sync).await;
    let order = house.order(Side::Buy, "1", "9.00");
    let weaker = trader_at(&house, Asked::Process).await;
    let report = weaker.submit(order).await.expect("a report");
    assert_eq!(report.release_level(), ReleaseLevel::Power, "the deployment's holds");
    let session = weaker.order_session().await.expect("a session");
    assert_eq!(session.opened.release_level(), ReleaseLevel::Power);
    for level in [Asked::Replica, Asked::ReplicaPower] {
        let client = trader_at(&house, level).await;
        let order = house.order(Side::Buy, "1", "9.00");
        let (code, text) = failure(client.submit(order).await);
        assert_eq!(code, Code::FailedPrecondition, "{text}");
        assert!(text.contains("followers"), "{text}");
        let (code, _) = failure(client.order_session().await);
        assert_eq!(code, Code::FailedPrecondition);
        let (code, _) = failure(client.events(None, EventFilter::default()).open().await);
        assert_eq!(code, Code::FailedPrecondition);
    }
    house.close().await;
}

#[tokio::test]
async fn a_session_and_a_stream_wait_for_what_they_ask() {
    let (is_held, sync) = held_disk();
    let mut house = House::new_at(config(), Release::new(Asked::Process), sync).await;
    let power = trader_at(&house, Asked::Power).await;
    let session = power.order_session().await.expect("a session");
    assert_eq!(session.opened.release_level(), ReleaseLevel::Power);
    let (mut sender, mut heard) = session.split();
    let filter = EventFilter { kinds: vec![EventKind::Execution], ..Default::default() };
    let mut stream = power.events(None, filter.clone());
    let mut plain = house.trader().await.events(None, filter);
    stream.open().await.expect("a stream");

    is_held.store(true, Ordering::Release);
    sender.submit(house.order(Side::Buy, "1", "9.00")).await.expect("sent");
    let told = plain.next().await.expect("an event");
    let seq = told.position.expect("a position").seq;
    assert!(house.release.synced().0 < seq);
    assert!(tokio::time::timeout(MOMENT, heard.next()).await.is_err(), "the session heard it");
    assert!(tokio::time::timeout(MOMENT, stream.next()).await.is_err(), "the stream told it");

    is_held.store(false, Ordering::Release);
    let event = heard.next().await.expect("no error").expect("no end");
    let order_event::Event::Engine(event) = event else { panic!("{event:?}") };
    assert_eq!(event.position, told.position);
    assert_eq!(stream.next().await.expect("an event").position, told.position);
    assert!(house.release.synced().0 >= seq);
    house.close().await;
}

#[tokio::test]
async fn a_place_in_the_queue_is_told_once_its_input_is_released() {
    let (is_held, sync) = held_disk();
    let mut house = House::new_at(config(), Release::new(Asked::Power), sync).await;
    let trader = house.trader().await;
    let order = house.order(Side::Buy, "1", "10.00");
    trader.submit(order).await.expect("the disk takes it");
    let ask = || trader.get_queue(GetQueueRequest { account: ACCOUNT, symbol: SYMBOL.into() });
    assert_eq!(ask().await.expect("places").places[0].behind, "0");

    is_held.store(true, Ordering::Release);
    let before = house.status.seq.load(Ordering::Acquire);
    house.add(3, tidegate_model::Side::Buy, 1000, 70);
    while house.status.seq.load(Ordering::Acquire) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (code, text) = failure(ask().await);
    assert_eq!(code, Code::Unavailable, "{text}");
    is_held.store(false, Ordering::Release);
    let told = ask().await.expect("places");
    assert_eq!(told.places[0].behind, "70");
    assert!(told.seq <= house.release.released().0);
    house.close().await;
}

/// A disk whose every sync takes another while, up to three milliseconds.
fn uneven_disk() -> SyncPolicy {
    let count = AtomicU64::new(1);
    let wait = move || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 3_000));
        Ok(())
    };
    SyncPolicy { before: Some(Arc::new(wait)), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_resume_under_load_have_every_event_once() {
    for (deployed, asked) in [
        (Asked::Process, Asked::Process),
        (Asked::Process, Asked::Power),
        (Asked::Power, Asked::Power),
    ] {
        let mut house = House::new_at(config(), Release::new(deployed), uneven_disk()).await;
        let session = house.trader().await.order_session().await.expect("a session");
        let (mut sender, mut heard) = session.split();
        let orders: Vec<_> = (0..1_000).map(|_| house.order(Side::Buy, "1", "9.00")).collect();
        let last_name = orders.last().expect("some").client_order_id.clone();
        let load = tokio::spawn(async move {
            for order in orders {
                sender.submit(order).await.expect("sent");
                heard.next().await.expect("no error").expect("no end");
            }
            // Until all is told: orders stay open with their session.
            sender
        });
        let client = trader_at(&house, asked).await;
        let mut position = None;
        let (mut told, mut resumes) = (Vec::new(), 0u64);
        let began = Instant::now();
        'all: loop {
            let mut stream = client.events(position, EventFilter::default());
            // Another length each time: in the past, on catching up, and live.
            for _ in 0..1 + resumes.wrapping_mul(0x9e37_79b9) % 200 {
                assert!(began.elapsed() < Duration::from_secs(60), "{} events", told.len());
                let event = stream.next().await.expect("an event");
                let at = event.position.expect("a position");
                let reached = house.release.reached(deployed.union(asked));
                assert!(at.seq <= reached.0, "{at:?} above {reached}");
                position = Some(at);
                let is_last = matches!(
                    &event.body,
                    Some(event::Body::Execution(report)) if report.client_order_id == last_name
                );
                told.push(event);
                if is_last {
                    break 'all;
                }
            }
            resumes += 1;
        }
        drop(load.await.expect("no panic"));
        assert!(resumes > 5, "{resumes} resumes");
        // The same from the beginning, in one go.
        let request = StreamEventsRequest { stop_at_end: true, ..Default::default() };
        let channel = tonic::transport::Endpoint::from_shared(house.addr.clone());
        let channel = channel.expect("an address").connect().await.expect("a connection");
        let mut events = event_service_client::EventServiceClient::new(channel);
        let mut all = events.stream_events(request).await.expect("a stream").into_inner();
        let mut count = 0;
        while let Some(message) = all.message().await.expect("no error") {
            assert_eq!(message.release_level(), level_of(deployed));
            if let Some(Step::Event(event)) = message.step
                && let Some(found) = told.get(count)
            {
                assert_eq!(*found, event, "{deployed} asked for {asked}");
                count += 1;
            }
        }
        assert_eq!(count, told.len());
        house.close().await;
    }
}

fn level_of(level: Asked) -> ReleaseLevel {
    ReleaseLevel::try_from(i32::from(level.wire())).expect("both have the same numbers")
}

#[test]
fn names_and_numbers_are_those_of_the_protocol() {
    for &level in Asked::ALL {
        let name = format!("RELEASE_LEVEL_{}", level.as_str().replace('+', "_").to_uppercase());
        assert_eq!(level_of(level).as_str_name(), name);
    }
}
