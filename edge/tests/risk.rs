//! The administration of risk, before an engine that plays its part from a script: what each call asks for and is answered,
//! who may call, and what the listings, the history and the stream of events tell afterwards.

mod support;

use bytemuck::Zeroable;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use support::*;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::proposal_report::Asked;
use tidegate_client::proto::*;
use tidegate_client::{Client, ClientError, EventFilter};
use tidegate_edge::{EdgeConfig, EngineLink, TokenEntry};
use tidegate_engine::event_log::EventLogHandle;
use tidegate_engine::lane::lane;
use tidegate_engine::runtime::seats::seats;
use tidegate_engine::runtime::{BookRequests, EngineStatus, event_ring};
use tidegate_engine::{broadcast, event_log};
use tidegate_model::command::{ControlKind as Kind, Decision as Decided, SetPrincipal};
use tidegate_model::event::{Ack as Acked, Event as Told, ProposalStatus as Status};
use tidegate_model::event::{FLAG_LAST_OF_INPUT, Proposal, Tripped, Verdict as Said};
use tidegate_model::{
    Command, CommandRecord, EventRecord, InstrumentId, PrincipalId, Reject as Refused,
    RejectReason as Why, Scope as Whom, SeqNo,
};
use tonic::Code;

/// A second officer, and a program.
const OFFICER: &str = "officer-token-0123456789";
const AGENT: &str = "agent-token-01234567890";

/// An engine that tightens at once, makes a proposal of whatever loosens, and is no engine otherwise.
#[derive(Default)]
struct Script {
    seq: u64,
    limits: BTreeMap<(Whom, u8), i128>,
    /// What waits, and who asked.
    proposals: BTreeMap<u64, (Proposal, CommandRecord)>,
    last_proposal: u64,
}

impl Script {
    /// What it says to one command.
    fn play(&mut self, asked: &CommandRecord) -> Vec<EventRecord> {
        let mut told = Vec::new();
        let value = match self.carry_out(asked, false, &mut told) {
            Ok(value) => Acked { value, ..Acked::zeroed() },
            Err(reject) => Acked {
                reject_reason: reject.reason.wire(),
                reject_limit: reject.limit,
                reject_value: reject.value,
                ..Acked::zeroed()
            },
        };
        told.push((Told::Ack(Acked { command_kind: asked.kind, ..value }), InstrumentId::NONE));
        self.seq += 1;
        let mut records: Vec<_> = (0..)
            .zip(&told)
            .map(|(ordinal, (event, instrument))| EventRecord {
                seq: SeqNo(self.seq),
                ordinal,
                ts: asked.ts_recv,
                request_id: asked.request_id,
                session: asked.session,
                principal: asked.principal,
                instrument: *instrument,
                ..EventRecord::new(event)
            })
            .collect();
        records.last_mut().expect("there is an answer").flags = FLAG_LAST_OF_INPUT;
        records
    }

    fn carry_out(
        &mut self,
        asked: &CommandRecord,
        is_approved: bool,
        told: &mut Vec<(Told, InstrumentId)>,
    ) -> Result<u64, Refused> {
        let mut tell = |event| told.push((event, InstrumentId::NONE));
        match asked.command().expect("a command") {
            Command::SetPrincipal(set) => tell(Told::Principal(set)),
            Command::DefineInstrument(terms) => {
                told.push((Told::Instrument(terms), InstrumentId(0)));
            }
            Command::SetControl(set) => {
                let place = (set.scope, set.control);
                let before = self.limits.get(&place).copied().unwrap_or(i128::MAX);
                if !is_approved && (set.off != 0 || set.limit > before) {
                    return Ok(self.propose(asked, told));
                }
                self.limits.insert(place, set.limit);
                tell(Told::Control(set));
            }
            Command::KillSwitch(kill) if kill.engaged == 0 && !is_approved => {
                return Ok(self.propose(asked, told));
            }
            Command::KillSwitch(kill) => {
                tell(Told::KillSwitch(kill));
                return Ok(3);
            }
            Command::SetLimits(set) => tell(Told::Limits(set)),
            Command::SetGroup(set) => tell(Told::Group(set)),
            Command::SetListed(set) => tell(Told::Listed(set)),
            Command::SetFactors(set) => tell(Told::Factors(set)),
            Command::GrantLocate(set) => tell(Told::Locate(set)),
            Command::Enable(enable) => {
                let control = Kind::ExecutionThrottle.wire();
                let (scope, reason) = (enable.scope, enable.reason);
                tell(Told::Tripped(Tripped { scope, control, reason, ..Tripped::zeroed() }));
            }
            Command::CheckOrder(order) => {
                let verdict = |scope, reason: Why, limit, value: i128| Said {
                    limit,
                    value,
                    scope,
                    reason: reason.wire(),
                    passes: (value <= limit).into(),
                    ..Said::zeroed()
                };
                let lots = i128::from(order.qty.0);
                tell(Told::Verdict(verdict(Whom::FIRM, Why::DayOrders, 50, 7)));
                let account = Whom::account(order.account);
                tell(Told::Verdict(verdict(account, Why::MaxOrderQuantity, 100, lots)));
                return Ok((lots > 100).into());
            }
            Command::Decide(decide) => {
                let number = decide.proposal;
                let (proposal, command) = *self
                    .proposals
                    .get(&number)
                    .ok_or(Refused::of(Why::UnknownProposal, number.into()))?;
                if decide.hash != proposal.hash {
                    return Err(Refused::of(Why::WrongHash, number.into()));
                }
                let is_approval = decide.decision == Decided::Approve.wire();
                if is_approval && asked.principal == proposal.proposer {
                    return Err(Refused::of(Why::SamePerson, asked.principal.0.into()));
                }
                self.proposals.remove(&number);
                let status = if is_approval { Status::Approved } else { Status::Refused };
                let decider = asked.principal;
                tell(Told::Proposal(Proposal { status: status.wire(), decider, ..proposal }));
                if is_approval {
                    return self.carry_out(&command, true, told);
                }
            }
            _ => return Err(Refused::of(Why::UnknownCommand, asked.kind.into())),
        }
        Ok(0)
    }

    fn propose(&mut self, asked: &CommandRecord, told: &mut Vec<(Told, InstrumentId)>) -> u64 {
        self.last_proposal += 1;
        let number = self.last_proposal;
        let proposal = Proposal {
            number,
            hash: 0xfeed_0000 + number,
            proposer: asked.principal,
            command_kind: asked.kind,
            status: Status::Pending.wire(),
            body: asked.body,
            ..Proposal::zeroed()
        };
        self.proposals.insert(number, (proposal, *asked));
        told.push((Told::Proposal(proposal), InstrumentId::NONE));
        number
    }
}

/// An edge before the script.
struct Stage {
    addr: String,
    admin: Client,
    officer: Client,
    edge: Running,
    stop: Arc<AtomicBool>,
    actor: JoinHandle<()>,
    log: EventLogHandle,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::TempDir::new().expect("a folder");
        let (writer, events) = event_log::open(dir.path(), Default::default()).expect("a log");
        let (mut ring, ring_out) = event_ring().expect("memory");
        let log = event_log::start(writer, ring_out, Arc::default()).expect("a thread");
        let (_public_writer, public) = broadcast::channel(Arc::default()).expect("memory");
        let (lanes, mut heard): (Vec<_>, Vec<_>) = (0..LANES).map(|_| lane()).unzip();
        let (kill, kill_heard) = lane();
        heard.push(kill_heard);
        let status = Arc::new(EngineStatus::default());
        status.alive.store(true, Ordering::Release);
        let stop = Arc::new(AtomicBool::new(false));
        let stop_inner = Arc::clone(&stop);
        let actor = std::thread::spawn(move || {
            let mut script = Script::default();
            let person = |number, name: &[u8]| {
                let mut set = SetPrincipal { principal: PrincipalId(number), ..Zeroable::zeroed() };
                set.name[..name.len()].copy_from_slice(name);
                set.role = tidegate_model::command::Role::Person.wire();
                set.permissions = tidegate_model::command::MAY_CONTROL;
                CommandRecord::new(Command::SetPrincipal(set))
            };
            let people = [person(1, b"alice"), person(3, b"bob")];
            for record in people.iter().flat_map(|asked| script.play(asked)) {
                ring.push(&record).expect("room");
            }
            while !stop_inner.load(Ordering::Acquire) {
                for lane in &mut heard {
                    while let Ok(asked) = lane.pop() {
                        for record in script.play(&asked) {
                            ring.push(&record).expect("room");
                        }
                    }
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        while events.count() < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let link = EngineLink {
            latency: Default::default(),
            usher: seats().0,
            kill,
            lanes,
            events,
            public,
            book_requests: Arc::<BookRequests>::default(),
            status,
            release: Arc::default(),
        };
        let token = |token: &str, principal, may_control| TokenEntry {
            token: token.into(),
            principal: PrincipalId(principal),
            name: token.into(),
            may_administer: false,
            may_control,
            acts_for: None,
        };
        let mut tokens = config().tokens;
        tokens.extend([token(OFFICER, 3, true), token(AGENT, 4, false)]);
        let (edge, addr) = serve(link, EdgeConfig { tokens, ..config() }).await;
        let admin = Client::connect(&addr, Some(ADMIN)).await.expect("a connection");
        let officer = Client::connect(&addr, Some(OFFICER)).await.expect("a connection");
        let share = Instrument { symbol: SYMBOL.into(), ..Default::default() };
        let share = DefineInstrumentRequest { instrument: Some(share) };
        done(admin.define_instrument(share).await.expect("an answer"));
        Self { addr, admin, officer, edge, stop, actor, log, _dir: dir }
    }

    async fn close(self) {
        self.edge.stop().await;
        self.stop.store(true, Ordering::Release);
        self.actor.join().expect("no panic");
        self.log.stop().expect("the log ends well");
    }
}

fn account(id: u32) -> Scope {
    Scope { kind: ScopeKind::Account.into(), id, symbol: String::new() }
}

fn firm() -> Scope {
    Scope { kind: ScopeKind::Firm.into(), ..Default::default() }
}

fn share() -> Scope {
    Scope { kind: ScopeKind::Instrument.into(), symbol: SYMBOL.into(), ..Default::default() }
}

fn control(scope: Scope, kind: ControlKind, limit: &str) -> SetControlRequest {
    let control = Control {
        scope: Some(scope),
        control: kind.into(),
        limit: limit.into(),
        reason: "a test".into(),
        ..Default::default()
    };
    SetControlRequest { control: Some(control) }
}

/// The number of the proposal that a change became.
fn proposed(answer: Result<AdminResponse, ClientError>) -> u64 {
    let answer = answer.expect("an answer");
    assert_eq!((answer.reject, answer.value), (None, 0));
    answer.proposal
}

fn decide(proposal: u64, hash: &str, decision: Decision) -> DecideRequest {
    DecideRequest { proposal, hash: hash.into(), decision: decision.into(), ..Default::default() }
}

fn refusal(answer: Result<AdminResponse, ClientError>) -> RejectReason {
    answer.expect("an answer").reject.expect("a refusal").reason()
}

#[tokio::test]
async fn what_loosens_waits_for_another_person() {
    let stage = Stage::new().await;
    let (alice, bob) = (&stage.admin, &stage.officer);
    let set = |limit| control(account(3), ControlKind::DayNotional, limit);
    assert_eq!(proposed(alice.set_control(set("1000")).await), 0);
    assert_eq!(proposed(alice.set_control(set("500.5")).await), 0, "tighter: at once");
    let number = proposed(alice.set_control(set("2000")).await);
    assert_eq!(number, 1);

    let limit = async || {
        let answer = bob.list_controls(Default::default()).await.expect("an answer");
        let in_force = answer.controls.into_iter().next().expect("a control");
        let changed = in_force.changed.expect("who and when");
        assert_eq!((changed.principal, changed.name.as_str()), (1, "alice"));
        assert_ne!(changed.ts, 0);
        in_force.control.expect("it").limit
    };
    assert_eq!(limit().await, "500.50", "what waits is not in force");

    let waiting = bob.list_proposals(Default::default()).await.expect("an answer").proposals;
    let entry = waiting.first().expect("one waits");
    let proposal = entry.proposal.as_ref().expect("it");
    assert_eq!(proposal.summary, "day_notional of account:3 is 2000.00");
    assert_eq!(proposal.scope, Some(account(3)));
    assert_eq!((proposal.proposer, entry.proposer_name.as_str()), (1, "alice"));
    assert_eq!((proposal.reason.as_str(), proposal.command.as_str()), ("a test", "set_control"));
    assert!(matches!(&proposal.asked, Some(Asked::Control(set)) if set.limit == "2000.00"));
    let hash = proposal.hash.as_str();
    assert_eq!(hash, "00000000feed0001");

    let wrong = decide(number, "00000000feed0002", Decision::Approve);
    assert_eq!(refusal(bob.decide(wrong).await), RejectReason::WrongHash);
    let right = decide(number, hash, Decision::Approve);
    assert_eq!(refusal(alice.decide(right.clone()).await), RejectReason::SamePerson);
    done(bob.decide(right.clone()).await.expect("an answer"));
    let again = bob.decide(right).await;
    assert_eq!(refusal(again), RejectReason::UnknownProposal, "an approval is used up");
    let answer = bob.list_controls(Default::default()).await.expect("an answer");
    assert_eq!(answer.controls[0].control.as_ref().expect("it").limit, "2000.00");

    let waiting = bob.list_proposals(Default::default()).await.expect("an answer").proposals;
    assert_eq!(waiting, []);
    let all = ListProposalsRequest { include_decided: true, ..Default::default() };
    let decided = bob.list_proposals(all).await.expect("an answer").proposals;
    let proposal = decided[0].proposal.as_ref().expect("it");
    assert_eq!((proposal.status(), proposal.decider), (ProposalStatus::Approved, 3));
    assert_eq!(decided[0].decider_name, "bob");
    stage.close().await;
}

#[tokio::test]
async fn nobody_but_a_person_who_may_control_changes_anything() {
    let stage = Stage::new().await;
    for (token, expected) in [
        (None, Code::Unauthenticated),
        (Some(TRADER), Code::PermissionDenied),
        (Some(AGENT), Code::PermissionDenied),
    ] {
        let client = Client::connect(&stage.addr, token).await.expect("a connection");
        macro_rules! refused {
            ($($call:ident($request:expr)),+ $(,)?) => {
                $(
                    let (code, text) = failure(client.$call($request).await);
                    assert_eq!(code, expected, "{}: {text}", stringify!($call));
                )+
            };
        }
        refused!(
            set_control(control(firm(), ControlKind::DayOrders, "1")),
            clear_control(Default::default()),
            set_group(Default::default()),
            set_listed(Default::default()),
            grant_locate(Default::default()),
            kill(Default::default()),
            release(Default::default()),
            enable(Default::default()),
            decide(Default::default()),
            set_limits(Default::default()),
        );
        // Whether it may estimate, and what each control would say to it, the engine knows.
        let factors = SetFactorsRequest { symbol: SYMBOL.into(), ..Default::default() };
        let answer = client.set_factors(factors).await;
        assert_eq!(answer.is_ok(), token.is_some(), "{answer:?}");
        client.list_controls(Default::default()).await.expect("reading is free here");
        client.history(Default::default()).await.expect("reading is free here");
    }
    let told = stage.admin.history(Default::default()).await.expect("an answer").entries;
    let texts: Vec<_> = told.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "principal:3 is the person 'bob', who may control",
            "principal:1 is the person 'alice', who may control"
        ]
    );
    stage.close().await;
}

#[tokio::test]
async fn what_was_changed_is_told_with_who_when_and_why() {
    let stage = Stage::new().await;
    let (alice, bob) = (&stage.admin, &stage.officer);
    let reason = || "a test".to_string();
    done(alice.set_control(control(share(), ControlKind::PriceCollar, "250")).await.expect("ok"));
    let group = SetGroupRequest { member: Some(account(3)), group: 2, reason: reason() };
    done(alice.set_group(group).await.expect("an answer"));
    let listed =
        SetListedRequest { symbol: SYMBOL.into(), list: 5, listed: true, reason: reason() };
    done(bob.set_listed(listed).await.expect("an answer"));
    let locate = GrantLocateRequest {
        account: 3,
        symbol: SYMBOL.into(),
        qty: "700".into(),
        reason: reason(),
    };
    done(bob.grant_locate(locate).await.expect("an answer"));
    let mode = KillMode::ReduceOnly.into();
    let kill = KillRequest { scope: Some(account(3)), mode, reason: reason() };
    assert_eq!(bob.kill(kill).await.expect("an answer").value, 3);
    let release = ReleaseRequest { scope: Some(account(3)), reason: reason() };
    assert_eq!(proposed(alice.release(release).await), 1);
    let enable = EnableRequest { scope: Some(account(3)), reason: reason() };
    done(alice.enable(enable).await.expect("an answer"));

    let stopped = alice.list_stopped(Default::default()).await.expect("an answer");
    let kill = stopped.kills[0].kill.as_ref().expect("a switch");
    assert_eq!((kill.scope.clone(), kill.mode()), (Some(account(3)), KillMode::ReduceOnly));
    assert_eq!((stopped.kills.len(), stopped.tripped.len(), stopped.left_out), (1, 0, 0));
    let groups = alice.list_groups(ListGroupsRequest { group: 2, ..Default::default() }).await;
    assert_eq!(groups.expect("an answer").members[0].member, Some(account(3)));
    let lists = alice.list_listed(Default::default()).await.expect("an answer").listed;
    assert_eq!((lists[0].list, lists[0].symbol.as_str()), (5, SYMBOL));
    let locates = alice.list_locates(Default::default()).await.expect("an answer").locates;
    assert_eq!((locates[0].account, locates[0].qty.as_str()), (3, "700"));

    // Page by page, the newest first.
    let mut request = HistoryRequest { page_size: 2, ..Default::default() };
    let mut told = Vec::new();
    loop {
        let page = bob.history(request.clone()).await.expect("an answer");
        assert!(page.entries.len() <= 2 && page.older == 0);
        told.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let line = |entry: &HistoryEntry| format!("{}: {} ({})", entry.name, entry.text, entry.reason);
    let lines: Vec<_> = told.iter().map(line).collect();
    assert_eq!(
        lines[..7],
        [
            "alice: account:3 goes on: execution_throttle no longer stops it (a test)",
            "alice: proposal 1 is pending: the kill switch of account:3 is released (a test)",
            "bob: the kill switch of account:3 is engaged (reduce_only) (a test)",
            "bob: 700 ACME are located for account:3 (a test)",
            "bob: ACME is on list 5 (a test)",
            "alice: account:3 is in group:2 (a test)",
            "alice: price_collar of instrument:ACME is 250 bp (a test)",
        ]
    );
    assert_eq!(lines.len(), 9, "and who there is: {lines:?}");
    assert!(told.iter().all(|entry| entry.event.as_ref().is_some_and(|e| e.position.is_some())));
    for (scope, count) in [(account(3), 5), (share(), 3), (firm(), 0), (account(4), 0)] {
        let request = HistoryRequest { scope: Some(scope.clone()), ..Default::default() };
        let told = bob.history(request).await.expect("an answer").entries;
        assert_eq!(told.len(), count, "{scope:?}");
    }
    stage.close().await;
}

#[tokio::test]
async fn a_check_tells_what_each_control_would_say() {
    let stage = Stage::new().await;
    let trader = Client::connect(&stage.addr, Some(AGENT)).await.expect("a connection");
    let order = |qty: &str| SubmitOrderRequest {
        account: 3,
        symbol: SYMBOL.into(),
        client_order_id: "a".into(),
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Day.into(),
        qty: qty.into(),
        price: "10".into(),
        ..Default::default()
    };
    for (qty, refusals) in [("100", 0), ("101", 1)] {
        let request = CheckOrderRequest { order: Some(order(qty)) };
        let answer = trader.check_order(request).await.expect("an answer");
        assert_eq!((answer.refusals, answer.left_out, answer.reject), (refusals, 0, None));
        let [day, size] = &answer.verdicts[..] else { panic!("{:?}", answer.verdicts) };
        assert_eq!(
            (day.scope.clone(), day.code.as_str(), day.passes),
            (Some(firm()), "day_orders", true)
        );
        assert_eq!(
            (size.scope.clone(), size.reason()),
            (Some(account(3)), RejectReason::MaxOrderQty)
        );
        assert_eq!((size.limit.as_str(), size.value.as_str()), ("100", qty));
        assert_eq!(size.passes, refusals == 0);
        assert_eq!(size.text.is_empty(), size.passes, "{size:?}");
    }
    let mut odd = order("100");
    odd.strategy = 4_096;
    let (code, text) = failure(trader.check_order(CheckOrderRequest { order: Some(odd) }).await);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(text, "strategy: 4096 is out of range: 0 to 4095");
    let (code, text) = failure(trader.check_order(Default::default()).await);
    assert_eq!((code, text.as_str()), (Code::InvalidArgument, "order: is missing"));
    stage.close().await;
}

#[tokio::test]
async fn malformed_requests_name_the_field() {
    let stage = Stage::new().await;
    let client = &stage.admin;
    type Spoil = fn(&mut Control);
    let cases: [(Spoil, &str); 15] = [
        (|c| c.scope = None, "scope: is missing"),
        (|c| c.scope = Some(Scope::default()), "scope: 0 is not allowed: 1 to 6"),
        (|c| c.scope = Some(account(999_999)), "scope: 999999 is out of range"),
        (
            |c| c.scope = Some(Scope { symbol: "NONE".into(), ..share() }),
            "symbol: 'NONE' is not defined",
        ),
        (|c| c.scope = Some(Scope { id: 1, ..share() }), "scope: id must be 0"),
        (|c| c.control = 0, "control: 0 is not allowed"),
        (|c| c.control = 99, "control: 99 is not allowed"),
        (|c| c.limit = String::new(), "limit: of max_order_qty is empty"),
        (|c| c.limit = "1e3".into(), "limit: of max_order_qty is '1e3'; a whole number"),
        (|c| c.action = 9, "action: 9 is not allowed"),
        (|c| c.reference = -1, "reference: -1 is not allowed"),
        (|c| c.whole_market = true, "whole_market: is not for max_order_qty"),
        (|c| c.off = true, "off: must be false"),
        (|c| c.reason = "x".repeat(49), "reason: has 49 bytes; at most 48"),
        (|c| c.reason = "größe".into(), "reason: has 7 bytes; at most 48 printable ASCII"),
    ];
    for (spoil, expected) in cases {
        let mut request = control(firm(), ControlKind::MaxOrderQty, "100");
        spoil(request.control.as_mut().expect("it is there"));
        let (code, text) = failure(client.set_control(request).await);
        let is_missing = text.contains("is not defined");
        let wanted = if is_missing { Code::NotFound } else { Code::InvalidArgument };
        assert_eq!(code, wanted, "{text}");
        assert!(text.starts_with(expected), "'{expected}': {text}");
    }
    let (_, text) = failure(client.decide(decide(1, "feed", Decision::Approve)).await);
    assert_eq!(text, "hash: 'feed' is not 16 hexadecimal digits");
    let member = SetGroupRequest { member: Some(firm()), group: 1, ..Default::default() };
    let (_, text) = failure(client.set_group(member).await);
    assert_eq!(text, "member: can be neither the firm nor a group");
    for list in [0, 65] {
        let listed = SetListedRequest { symbol: SYMBOL.into(), list, ..Default::default() };
        let (_, text) = failure(client.set_listed(listed).await);
        assert_eq!(text, format!("list: {list} is out of range: 1 to 64"));
    }
    for token in ["x", "1-2-3", "99999999999999999999-1"] {
        let request = HistoryRequest { page_token: token.into(), ..Default::default() };
        let (_, text) = failure(client.history(request).await);
        assert_eq!(text, "page_token: is not one that this call gave out", "{token}");
    }
    let history = client.history(Default::default()).await.expect("an answer").entries;
    assert_eq!(history.len(), 2, "none of it reached the engine");
    stage.close().await;
}

#[tokio::test]
async fn the_stream_has_the_events_of_risk_with_their_bodies() {
    let stage = Stage::new().await;
    let alice = &stage.admin;
    let mut throttle = control(firm(), ControlKind::ExecutionThrottle, "50");
    throttle.control.as_mut().expect("it is there").window_ns = 1_000_000_000;
    done(alice.set_control(throttle).await.expect("an answer"));
    let kill = KillRequest { scope: Some(share()), reason: "odd".into(), ..Default::default() };
    assert_eq!(alice.kill(kill).await.expect("an answer").value, 3);
    let cleared = ClearControlRequest {
        scope: Some(firm()),
        control: ControlKind::ExecutionThrottle.into(),
        reason: "no longer needed".into(),
        ..Default::default()
    };
    assert_eq!(proposed(alice.clear_control(cleared).await), 1);
    let kinds = vec![EventKind::Control, EventKind::KillSwitch, EventKind::Proposal];
    let filter = EventFilter { kinds, ..Default::default() };
    let mut stream = stage.officer.events(None, filter);
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.extend(stream.next().await.expect("an event").body);
    }
    let [Body::Control(set), Body::KillSwitchReport(kill), Body::Proposal(proposal)] = &bodies[..]
    else {
        panic!("{bodies:?}")
    };
    assert_eq!((set.limit.as_str(), set.window_ns), ("50", 1_000_000_000));
    assert_eq!(
        (kill.scope.clone(), kill.engaged, kill.reason.as_str()),
        (Some(share()), true, "odd")
    );
    assert_eq!(proposal.summary, "execution_throttle of firm is taken away");
    stage.close().await;
}
