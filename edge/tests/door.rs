//! Sessions over shared memory: what they hear and send, how they end, and what a hostile one can do.

mod support;

use bytemuck::Zeroable;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::{ACCOUNT, House, SYMBOL, TRADER, config};
use tempfile::TempDir;
use tidegate_client::proto::{ListOrdersRequest, Side as ProtoSide};
use tidegate_edge::EdgeConfig;
use tidegate_model::command::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, NewOrder, OrderType, SetLimits, TimeInForce,
};
use tidegate_model::event::{ExecType, Execution};
use tidegate_model::{
    AccountId, ClientOrderId, Command, CommandRecord, Event, EventRecord, InstrumentId, Lots,
    OrderId, PublicKind, Side, Ticks,
};
use tidegate_ring::{Access, Memory};
use tidegate_shm::book::Books;
use tidegate_shm::protocol::{Code, Head, Hello, Kind, Welcome};
use tidegate_shm::{Attach, Ended, Next, Session, ShmError, socket};

const LONG: Duration = Duration::from_secs(20);

/// A house with a door.
struct WithDoor {
    house: House,
    path: PathBuf,
    _dir: TempDir,
}

async fn with_door() -> WithDoor {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("door");
    let house = House::new(EdgeConfig { door: Some(path.clone()), ..config() }).await;
    WithDoor { house, path, _dir: dir }
}

impl WithDoor {
    async fn attach(&self, attach: Attach) -> Result<Session, ShmError> {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || Session::attach(&path, &attach))
            .await
            .expect("attaching does not panic")
    }

    async fn session(&self) -> Session {
        self.attach(Attach { token: TRADER.into(), ..Default::default() }).await.expect("a session")
    }

    /// The names of the account's open orders.
    async fn open_orders(&self) -> Vec<String> {
        let request = ListOrdersRequest { account: Some(ACCOUNT), ..Default::default() };
        let orders = self.house.client.list_orders(request).await.expect("an answer").orders;
        let mut names: Vec<_> = orders.into_iter().map(|order| order.client_order_id).collect();
        names.sort_unstable();
        names
    }

    async fn until_open_orders(&self, names: &[&str]) {
        let until = Instant::now() + LONG;
        while self.open_orders().await != names {
            assert!(Instant::now() < until, "{:?} are open", self.open_orders().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn order(name: &str, side: Side, qty: u64, cents: i64) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).expect("a name"),
        account: AccountId(ACCOUNT),
        instrument: InstrumentId(0),
        side: side.wire(),
        order_type: OrderType::Limit.wire(),
        time_in_force: TimeInForce::Day.wire(),
        qty: Lots(qty),
        price: Ticks(cents * 100),
        ..NewOrder::BLANK
    }
}

fn next(session: &mut Session) -> Result<EventRecord, Ended> {
    let until = Instant::now() + LONG;
    loop {
        if let Some(record) = session.next_event()? {
            return Ok(record);
        }
        assert!(Instant::now() < until, "nothing came");
        std::thread::yield_now();
    }
}

fn next_execution(session: &mut Session) -> (EventRecord, Execution) {
    loop {
        let record = next(session).expect("the session goes on");
        if let Some(Event::Execution(execution) | Event::CancelReject(execution)) = record.event() {
            return (record, execution);
        }
    }
}

fn until_ended(session: &mut Session) -> Ended {
    loop {
        if let Err(ended) = next(session) {
            return ended;
        }
    }
}

fn exec_type(execution: &Execution) -> ExecType {
    ExecType::from_wire(execution.exec_type).expect("a type")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_in_and_events_come_out() {
    let mut door = with_door().await;
    let mut session = door.session().await;
    // How things stand: the instrument.
    let known = next(&mut session).expect("an event");
    assert!(
        matches!(known.event(), Some(Event::Instrument(terms)) if terms.symbol.as_str() == SYMBOL)
    );

    let request = session.submit(order("a1", Side::Buy, 10, 999)).expect("room");
    let (record, execution) = next_execution(&mut session);
    assert_eq!((record.request_id, record.session), (request, session.session()));
    assert_eq!(record.principal, session.principal());
    assert_eq!(exec_type(&execution), ExecType::New);
    let order_id = execution.order_id;

    let taking = session.submit(order("a2", Side::Buy, 3, 1002)).expect("room");
    let mut seen = Vec::new();
    while !seen.contains(&ExecType::Trade) {
        let (record, execution) = next_execution(&mut session);
        assert_eq!(record.request_id, taking);
        seen.push(exec_type(&execution));
    }
    let cancel = CancelOrder { order_id, account: AccountId(ACCOUNT), ..CancelOrder::zeroed() };
    session.cancel(cancel).expect("room");
    let (_, execution) = next_execution(&mut session);
    assert_eq!((exec_type(&execution), execution.order_id), (ExecType::Canceled, order_id));
    // What another session does is not this one's to hear.
    let asked = door.house.order(ProtoSide::Buy, "1", "9.90");
    door.house.trader().await.submit(asked).await.expect("an answer");
    let cancel = CancelOrder { order_id: OrderId(77), ..cancel };
    session.cancel(cancel).expect("room");
    let (record, execution) = next_execution(&mut session);
    assert_eq!((record.kind, execution.order_id), (2, OrderId(77)));
    drop(session);
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_data_makes_the_same_book() {
    let mut door = with_door().await;
    let mut session = door.session().await;
    session.ask_picture(InstrumentId(0)).expect("room");
    door.house.add(3, Side::Buy, 1001, 40);
    let (mut books, mut is_traded) = (Books::default(), false);
    let until = Instant::now() + LONG;
    loop {
        match session.next_public().expect("the session goes on") {
            Next::Item(update) => {
                books.apply(&update);
                is_traded |= update.kind == PublicKind::Trade.wire();
            }
            Next::Empty => std::thread::yield_now(),
            Next::Lapped { skipped } => panic!("{skipped} lost"),
        }
        let book = books.book(InstrumentId(0)).filter(|book| book.is_shown());
        if let Some(book) = book
            && book.best(Side::Buy).is_some_and(|level| level.price == Ticks(100_100))
        {
            assert_eq!(book.best(Side::Sell).expect("an offer").qty, Lots(500));
            if is_traded {
                break;
            }
            door.house.execute(2, 1);
            door.house.execute(2, 1);
            is_traded = true;
        }
        assert!(Instant::now() < until, "{books:?}");
    }
    drop(session);
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_resumes_hears_what_it_missed_once() {
    let door = with_door().await;
    let of_account = Attach { token: TRADER.into(), account: Some(ACCOUNT), ..Default::default() };
    let mut first = door.attach(of_account.clone()).await.expect("a session");
    first.submit(order("a1", Side::Buy, 10, 999)).expect("room");
    let (record, _) = next_execution(&mut first);
    let after = first.position();
    assert_eq!((record.seq.0, record.ordinal), (after.seq, after.ordinal));
    drop(first);
    // Another session's order, of the same account.
    let mut other = door.session().await;
    other.submit(order("b1", Side::Buy, 10, 998)).expect("room");
    other.submit(order("b2", Side::Buy, 1, 1002)).expect("room");
    while exec_type(&next_execution(&mut other).1) != ExecType::Trade {}

    let resumed = Attach { after: Some(after), ..of_account };
    let mut second = door.attach(resumed).await.expect("a session");
    let mut positions = Vec::new();
    let mut names = Vec::new();
    let mut has_cash = false;
    while names.last().map(String::as_str) != Some("b3") {
        let record = next(&mut second).expect("the session goes on");
        match record.event() {
            Some(Event::Execution(execution)) => {
                positions.push((record.seq, record.ordinal));
                names.push(execution.client_order_id.as_str().to_string());
            }
            Some(Event::Account(_)) => has_cash = true,
            _ => {}
        }
        if names.len() == 3 {
            other.submit(order("b3", Side::Buy, 10, 997)).expect("room");
        }
    }
    assert_eq!(names, ["b1", "b2", "b2", "b3"]);
    assert!(has_cash);
    assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
    drop((second, other));
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_cancels_what_asked_for_it() {
    let door = with_door().await;
    let mut session = door.session().await;
    let stays = order("stays", Side::Buy, 1, 990);
    let goes = NewOrder { flags: FLAG_CANCEL_ON_DISCONNECT, ..order("goes", Side::Buy, 1, 991) };
    session.submit(stays).expect("room");
    session.submit(goes).expect("room");
    for _ in 0..2 {
        assert_eq!(exec_type(&next_execution(&mut session).1), ExecType::New);
    }
    door.until_open_orders(&["goes", "stays"]).await;
    // What was sent before the end is taken before it.
    session.submit(order("last", Side::Buy, 1, 989)).expect("room");
    drop(session);
    // Two are open before it is taken too.
    door.until_open_orders(&["last", "stays"]).await;
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_and_told_why() {
    let door = with_door().await;
    let refused = |result: Result<Session, ShmError>| match result {
        Err(ShmError::Refused { code, text }) => (code, text),
        other => panic!("{other:?}"),
    };
    let (code, text) = refused(door.attach(Attach::default()).await);
    assert_eq!(code, Code::Unauthenticated);
    assert!(text.contains("unknown token"), "{text}");
    let beyond = Attach { token: TRADER.into(), account: Some(1 << 20), ..Default::default() };
    let (code, text) = refused(door.attach(beyond).await);
    assert!(code == Code::Precondition && text.contains("out of range"), "{text}");
    let replicated = Attach {
        token: TRADER.into(),
        level: Some(tidegate_shm::ReleaseLevel::Replica),
        ..Default::default()
    };
    let (code, text) = refused(door.attach(replicated).await);
    assert!(code == Code::Precondition && text.contains("followers"), "{text}");
    let long = Attach { token: "x".repeat(600), ..Default::default() };
    assert!(matches!(door.attach(long).await, Err(ShmError::Token { len: 600 })));
    let nowhere = Session::attach(&door.path.with_extension("not"), &Attach::default());
    assert!(matches!(nowhere, Err(ShmError::Connect { .. })));
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_are_bounded_and_come_back() {
    let door = with_door().await;
    let seats = tidegate_engine::runtime::seats::SEATS_MAX;
    let mut sessions = Vec::new();
    for _ in 0..seats {
        sessions.push(door.session().await);
    }
    let one_more = door.attach(Attach { token: TRADER.into(), ..Default::default() }).await;
    assert!(matches!(one_more, Err(ShmError::Refused { code: Code::Exhausted, .. })));
    sessions.truncate(seats - 1);
    let until = Instant::now() + LONG;
    let again = loop {
        match door.attach(Attach { token: TRADER.into(), ..Default::default() }).await {
            Ok(session) => break session,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    sessions.push(again);
    // Each of them still has the engine's ear.
    for (at, session) in sessions.iter_mut().enumerate() {
        session.submit(order(&format!("s{at}"), Side::Buy, 1, 900)).expect("room");
        assert_eq!(exec_type(&next_execution(session).1), ExecType::New);
    }
    drop(sessions);
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_session_may_send_ends_it() {
    let door = with_door().await;
    let mut session = door.session().await;
    let goes = NewOrder { flags: FLAG_CANCEL_ON_DISCONNECT, ..order("goes", Side::Buy, 1, 991) };
    session.submit(goes).expect("room");
    assert_eq!(exec_type(&next_execution(&mut session).1), ExecType::New);
    session.send(Command::SetLimits(SetLimits::default())).expect("room");
    session.submit(order("after", Side::Buy, 1, 990)).expect("room");
    let ended = until_ended(&mut session);
    assert_eq!(ended.code, Code::Garbage);
    assert!(ended.text.contains("kind 19"), "{ended}");
    door.until_open_orders(&[]).await;
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_listen_is_cut_and_may_resume() {
    let door = with_door().await;
    let of_account = Attach { token: TRADER.into(), account: Some(ACCOUNT), ..Default::default() };
    let mut deaf = door.attach(of_account.clone()).await.expect("a session");
    let mut busy = door.session().await;
    let orders = tidegate_engine::runtime::seats::EVENTS_CAPACITY as u64;
    for n in 0..orders {
        while busy.submit(order(&format!("n{n}"), Side::Buy, 1, 900)).is_err() {
            std::thread::yield_now();
        }
        let (_, execution) = next_execution(&mut busy);
        let cancel = CancelOrder {
            order_id: execution.order_id,
            account: AccountId(ACCOUNT),
            ..CancelOrder::zeroed()
        };
        busy.cancel(cancel).expect("room");
        assert_eq!(exec_type(&next_execution(&mut busy).1), ExecType::Canceled);
    }
    let ended = until_ended(&mut deaf);
    assert_eq!(ended.code, Code::Behind, "{ended}");
    let resumed = Attach { after: Some(ended.position), ..of_account };
    let mut again = door.attach(resumed).await.expect("a session");
    let mut missed = 0;
    let last = format!("n{}", orders - 1);
    loop {
        let (_, execution) = next_execution(&mut again);
        missed += 1;
        let is_last = execution.client_order_id.as_str() == last;
        if is_last && exec_type(&execution) == ExecType::Canceled {
            break;
        }
    }
    assert!(missed > 2, "{missed}");
    drop((again, busy));
    door.house.close().await;
}

/// Comes in by hand, and has the whole of its memory to write to.
fn by_hand(path: &std::path::Path) -> (std::os::fd::OwnedFd, Welcome, Memory) {
    let socket = socket::connect_to(path).expect("a connection");
    socket::set_timeouts(&socket, LONG).expect("timeouts");
    let mut hello = Hello { account: u32::MAX, token_len: TRADER.len() as u32, ..Hello::zeroed() };
    hello.token[..TRADER.len()].copy_from_slice(TRADER.as_bytes());
    let head = Head::new(Kind::Hello, 0);
    let parts = [bytemuck::bytes_of(&head), bytemuck::bytes_of(&hello)];
    socket::send(&socket, &parts, &[]).expect("it is sent");
    let mut buffer = vec![0; 65_536];
    let (len, fds) = socket::receive(&socket, &mut buffer).expect("an answer");
    let head_len = size_of::<Head>();
    let head: Head = bytemuck::pod_read_unaligned(&buffer[..head_len]);
    assert_eq!(Kind::from_wire(head.kind), Some(Kind::Welcome), "{head:?}");
    let welcome: Welcome = bytemuck::pod_read_unaligned(&buffer[head_len..len]);
    let memory = Memory::open(&fds[1], Access::ReadWrite).expect("memory");
    (socket, welcome, memory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_writes_random_bytes_harms_nobody_but_itself() {
    let door = with_door().await;
    let mut honest = door.session().await;
    let path = door.path.clone();
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_over_inner = Arc::clone(&is_over);
    let scribbling = tokio::task::spawn_blocking(move || {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut bits = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut sessions = 0;
        while !is_over_inner.load(Ordering::Relaxed) {
            let (socket, welcome, memory) = by_hand(&path);
            sessions += 1;
            let words = memory.words();
            // Orders of random bodies, one after the other as a sender lays them, and anything anywhere.
            let stride = (8 + size_of::<CommandRecord>()).next_multiple_of(64) / 8;
            for n in 0..20_000u64 {
                let from = 8 + (n % u64::from(welcome.orders_capacity)) as usize * stride;
                for word in 2..21 {
                    let value = if bits() % 3 == 0 { 0 } else { bits() };
                    words[from + word].store(value, Ordering::Relaxed);
                }
                words[from + 1].store(1 + bits() % 4, Ordering::Relaxed);
                words[from].store(n + 1, Ordering::Release);
                if bits() % 16 == 0 {
                    let anywhere = (bits() % words.len() as u64) as usize;
                    words[anywhere].store(bits() % 200, Ordering::Relaxed);
                }
            }
            drop(socket);
        }
        sessions
    });
    let mut slowest = Duration::ZERO;
    for n in 0..300 {
        let sent = Instant::now();
        honest.submit(order(&format!("h{n}"), Side::Buy, 1, 900)).expect("room");
        let (_, execution) = next_execution(&mut honest);
        slowest = slowest.max(sent.elapsed());
        assert_eq!(exec_type(&execution), ExecType::New, "order {n}");
        let cancel = CancelOrder {
            order_id: execution.order_id,
            account: AccountId(ACCOUNT),
            ..CancelOrder::zeroed()
        };
        honest.cancel(cancel).expect("room");
        assert_eq!(exec_type(&next_execution(&mut honest).1), ExecType::Canceled);
    }
    is_over.store(true, Ordering::Relaxed);
    let sessions = scribbling.await.expect("it only writes");
    assert!(sessions > 0);
    println!("{sessions} sessions scribbled; the honest one waited {slowest:?} at most");
    drop(honest);
    // The journal replays, and the state is what it was.
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_at_the_socket_is_refused_or_dropped() {
    let door = with_door().await;
    let send = |bytes: Vec<u8>| {
        let path = door.path.clone();
        tokio::task::spawn_blocking(move || {
            let socket = socket::connect_to(&path).expect("a connection");
            socket::set_timeouts(&socket, LONG).expect("timeouts");
            socket::send(&socket, &[&bytes], &[]).expect("it is sent");
            let mut buffer = vec![0; 65_536];
            let (len, fds) = socket::receive(&socket, &mut buffer).expect("an answer");
            assert!(fds.is_empty());
            let head: Option<Head> =
                (len >= 16).then(|| bytemuck::pod_read_unaligned(&buffer[..size_of::<Head>()]));
            head.and_then(|head| Kind::from_wire(head.kind))
        })
    };
    let head = |kind: Kind| bytemuck::bytes_of(&Head::new(kind, 0)).to_vec();
    let other_version =
        bytemuck::bytes_of(&Head { version: 9, ..Head::new(Kind::Hello, 0) }).to_vec();
    let mut nonsense =
        vec![vec![1], vec![0xff; 544], head(Kind::Hello), head(Kind::Welcome), other_version];
    nonsense.push(vec![7; 60_000]);
    for bytes in nonsense {
        let len = bytes.len();
        let answer = send(bytes).await.expect("no panic");
        assert_eq!(answer, Some(Kind::Refused), "{len} bytes");
    }
    // Connections that say nothing have a bound, and do not keep others out for long.
    let silent: Vec<_> = (0..40).filter_map(|_| socket::connect_to(&door.path).ok()).collect();
    drop(silent);
    let until = Instant::now() + LONG;
    while door.attach(Attach { token: TRADER.into(), ..Default::default() }).await.is_err() {
        assert!(Instant::now() < until);
    }
    door.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_goes_the_session_is_told() {
    let door = with_door().await;
    let mut session = door.session().await;
    let WithDoor { house, path, _dir } = door;
    house.close().await;
    let ended = until_ended(&mut session);
    assert_eq!(ended.code, Code::Unavailable);
    assert!(ended.text.contains("shutting down"), "{ended}");
    assert!(!path.exists(), "the socket goes with it");
}
