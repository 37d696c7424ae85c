//! Random orders on a live route whose link breaks, whose engine is killed, and whose requests are lost, late or refused. A
//! plain venue keeps what really happened there, a plain twin what the engine was told. Nothing leaves twice, what was told
//! is what is booked, a replay is in the same state, and when the link holds at last both sides agree.

mod route_support;
mod support;
use proptest::prelude::*;
use route_support::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use support::*;
use tidegate_model::command::*;
use tidegate_model::*;

/// Where the venue's history begins.
const PLACE: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Order {
        buy: bool,
        qty: u64,
    },
    Bracket {
        buy: bool,
        qty: u64,
    },
    /// Somebody trades, perhaps where stop losses are triggered.
    Trade {
        at_cents: i64,
    },
    Cancel {
        order: u64,
    },
    Replace {
        order: u64,
        qty: u64,
    },
    /// The next request reaches the venue, which takes it or refuses it.
    Arrive {
        is_taken: bool,
    },
    /// The venue's next report, or its next direct answer, reaches the engine.
    Tell {
        is_answer: bool,
    },
    Fill {
        order: u64,
        qty: u64,
    },
    CancelThere {
        order: u64,
    },
    RestateThere {
        order: u64,
        qty: u64,
    },
    /// The link breaks: some of the requests under way arrive nevertheless, one of the others perhaps much later.
    Break {
        arrived: usize,
        is_killed: bool,
        is_ghost: bool,
    },
    /// A request arrives that counted as lost.
    Ghost,
    /// Connected again; the link may break before all is compared.
    Connect {
        reports: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let order = 1..30u64;
    let usually = prop::bool::weighted(0.8);
    prop_oneof![
        10 => (any::<bool>(), 1..60u64).prop_map(|(buy, qty)| Step::Order { buy, qty }),
        5 => (any::<bool>(), 1..60u64).prop_map(|(buy, qty)| Step::Bracket { buy, qty }),
        2 => prop::sample::select(vec![9_890, 10_000, 10_110])
            .prop_map(|at_cents| Step::Trade { at_cents }),
        4 => order.clone().prop_map(|order| Step::Cancel { order }),
        4 => (order.clone(), 1..80u64).prop_map(|(order, qty)| Step::Replace { order, qty }),
        20 => usually.prop_map(|is_taken| Step::Arrive { is_taken }),
        20 => prop::bool::weighted(0.3).prop_map(|is_answer| Step::Tell { is_answer }),
        10 => (order.clone(), 1..40u64).prop_map(|(order, qty)| Step::Fill { order, qty }),
        1 => order.clone().prop_map(|order| Step::CancelThere { order }),
        1 => (order, 1..80u64).prop_map(|(order, qty)| Step::RestateThere { order, qty }),
        2 => (0..4usize, any::<bool>(), any::<bool>())
            .prop_map(|(arrived, is_killed, is_ghost)| Step::Break { arrived, is_killed, is_ghost }),
        1 => Just(Step::Ghost),
        4 => prop_oneof![Just(usize::MAX), 0..12usize].prop_map(|reports| Step::Connect { reports }),
    ]
}

/// An order as the venue has it.
#[derive(Debug)]
struct There {
    side: Side,
    qty: u64,
    cum: u64,
    is_open: bool,
}

/// The venue, as plain as it can be.
#[derive(Debug, Default)]
struct Venue {
    orders: BTreeMap<u64, There>,
    /// Everything it ever told, for whoever reads from any place on.
    history: Vec<RouteReport>,
    /// Refusals, told on the connection only.
    answers: VecDeque<RouteReport>,
}

impl Venue {
    fn terms(&self, id: u64, kind: RouteReportKind) -> RouteReport {
        let order = &self.orders[&id];
        RouteReport {
            order_id: OrderId(id),
            kind: kind.wire(),
            route: ROUTE,
            qty: Lots(order.qty),
            price: PRICE,
            cum_qty: Lots(order.cum),
            venue_order_id: 1_000 + id,
            ..blank()
        }
    }

    fn tell(&mut self, id: u64, kind: RouteReportKind, last: Option<u64>) {
        let cursor = [PLACE + 1 + self.history.len() as u64, 0];
        let terms = self.terms(id, kind);
        let qty = last.map_or(terms.qty, Lots);
        self.history.push(RouteReport { cursor, qty, ..terms });
    }

    fn arrive(&mut self, request: &RoutedRequest, is_taken: bool) {
        let (order, refusal) = match &request.kind {
            RoutedKind::New(order) => {
                let &RoutedOrder { side, qty: Lots(qty), .. } = order;
                let there = There { side, qty, cum: 0, is_open: is_taken };
                let id = order.order_id.0;
                assert!(self.orders.insert(id, there).is_none(), "order {id} came twice");
                let kind = match is_taken {
                    true => RouteReportKind::Accepted,
                    false => RouteReportKind::Rejected,
                };
                return self.tell(id, kind, None);
            }
            RoutedKind::Cancel(order) => (order, RouteReportKind::CancelRejected),
            RoutedKind::Replace(order) => (order, RouteReportKind::ReplaceRejected),
            other => panic!("{other:?} is a question for the adapter"),
        };
        let id = order.order_id.0;
        let open = self.orders.get_mut(&id).filter(|there| there.is_open && is_taken);
        match (open, &request.kind) {
            (Some(there), RoutedKind::Cancel(_)) => {
                there.is_open = false;
                self.tell(id, RouteReportKind::Canceled, None);
            }
            (Some(there), _) if order.qty.0 > there.cum => {
                there.qty = order.qty.0;
                self.tell(id, RouteReportKind::Replaced, None);
            }
            _ => self.answers.push_back(RouteReport {
                order_id: order.order_id,
                attempt: order.attempt,
                kind: refusal.wire(),
                route: ROUTE,
                ..blank()
            }),
        }
    }

    fn open(&mut self, id: u64) -> Option<&mut There> {
        self.orders.get_mut(&id).filter(|there| there.is_open)
    }

    fn position(&self) -> i64 {
        let signed = |there: &There| match there.side {
            Side::Buy => there.cum as i64,
            Side::Sell => -(there.cum as i64),
        };
        self.orders.values().map(signed).sum()
    }
}

/// Everything between the two.
struct Flow {
    near: Near,
    venue: Venue,
    link: RouteLink,
    /// Requests on their way, oldest first, from this one on.
    ring: VecDeque<RoutedRequest>,
    taken: usize,
    /// How much of the venue's history the adapter has told.
    told: usize,
    ghosts: Vec<RoutedRequest>,
    /// What left, each once.
    left: BTreeSet<(u64, u32)>,
    entered: BTreeSet<u64>,
    /// CumQty by order, as the engine was told it.
    cum: BTreeMap<u64, u64>,
    position: i64,
    brackets: Vec<[u64; 3]>,
    /// The venue did nothing unasked, and nothing late.
    is_plain: bool,
}

impl Flow {
    fn new() -> Self {
        Self {
            near: Near::new(),
            venue: Venue::default(),
            link: RouteLink::Down,
            ring: VecDeque::new(),
            taken: 0,
            told: 0,
            ghosts: Vec::new(),
            left: BTreeSet::new(),
            entered: BTreeSet::new(),
            cum: BTreeMap::new(),
            position: 0,
            brackets: Vec::new(),
            is_plain: true,
        }
    }

    /// Tells the engine, looks at what left, and compares with the twin.
    fn tell(&mut self, command: Command) {
        let told = self.near.tell(command);
        self.look(&told);
    }

    fn look(&mut self, told: &[String]) {
        for line in told {
            assert!(!line.starts_with("position") && !line.starts_with("execution"), "{told:?}");
        }
        for at in self.taken..self.near.desk.out.routed.len() {
            let request = self.near.desk.out.routed[at];
            self.leaves(&request);
            self.ring.push_back(request);
        }
        self.taken = self.near.desk.out.routed.len();
        for (&id, &cum) in &self.cum {
            let oms = self.near.desk.core.oms();
            let slot = oms.by_id(OrderId(id)).expect("it is kept");
            assert_eq!(oms.order(slot).cum_qty.0, cum, "CumQty of {id} after {told:?}");
        }
        assert_eq!(self.near.held(), self.position, "the position after {told:?}");
        if self.is_plain {
            self.check_brackets();
        }
    }

    /// A venue that does only what it was asked for executes no more of the exits than of the entry, and never has both.
    fn check_brackets(&self) {
        for &[entry, profit, loss] in &self.brackets {
            let cum = |id| self.venue.orders.get(&id).map_or(0, |there| there.cum);
            let open = |id| self.venue.orders.get(&id).is_some_and(|there| there.is_open);
            assert!(cum(profit) + cum(loss) <= cum(entry), "{entry}: {:#?}", self.venue.orders);
            assert!(!(open(profit) && open(loss)), "{entry}: {:#?}", self.venue.orders);
        }
    }

    fn leaves(&mut self, request: &RoutedRequest) {
        let order = match &request.kind {
            RoutedKind::New(order) | RoutedKind::Cancel(order) | RoutedKind::Replace(order) => {
                order
            }
            RoutedKind::Begin { .. } | RoutedKind::Query(_) | RoutedKind::End => return,
        };
        let id = order.order_id.0;
        assert!(self.left.insert((id, order.attempt)), "{request:?} leaves twice");
        match request.kind {
            RoutedKind::New(_) => assert!(self.entered.insert(id), "{request:?} is new twice"),
            _ => assert!(self.entered.contains(&id), "{request:?} of what never left"),
        }
        let may_leave = match request.kind {
            RoutedKind::Cancel(_) => self.link != RouteLink::Down,
            _ => self.link == RouteLink::Up,
        };
        assert!(may_leave, "{request:?} leaves while the link is {}", self.link);
    }

    fn report(&mut self, report: RouteReport) {
        if RouteReportKind::from_wire(report.kind) == Some(RouteReportKind::Executed) {
            let id = report.order_id.0;
            let cum = self.cum.entry(id).or_default();
            if report.cum_qty.0 > *cum {
                *cum = report.cum_qty.0;
                self.position += match self.venue.orders[&id].side {
                    Side::Buy => report.qty.0 as i64,
                    Side::Sell => -(report.qty.0 as i64),
                };
            }
        }
        self.tell(Command::RouteReport(report));
    }

    fn status(&mut self, link: RouteLink) {
        self.link = link;
        let cursor = [PLACE, 0];
        let (route, link) = (ROUTE, link.wire());
        self.tell(Command::RouteStatus(RouteStatus { cursor, route, link, reserved: [0; 6] }));
    }

    fn fill(&mut self, id: u64, qty: u64) {
        let Some(there) = self.venue.open(id) else { return };
        let qty = qty.min(there.qty - there.cum);
        there.cum += qty;
        there.is_open = there.cum < there.qty;
        self.venue.tell(id, RouteReportKind::Executed, Some(qty));
    }

    fn break_link(&mut self, arrived: usize, is_killed: bool, is_ghost: bool) {
        if self.link == RouteLink::Up {
            let is_new = |request: &RoutedRequest| matches!(request.kind, RoutedKind::New(_));
            let lost = self.ring.split_off(arrived.min(self.ring.len()));
            self.ghosts.extend(lost.into_iter().filter(is_new).take(is_ghost.into()));
            for request in &self.ring {
                self.venue.arrive(request, true);
            }
        }
        self.ring.clear();
        self.venue.answers.clear();
        if is_killed {
            self.near.restart();
        }
        self.status(RouteLink::Down);
    }

    /// What an adapter does on a connection: history first, then positions, then each order. `reports` are told at most.
    fn connect(&mut self, reports: usize) {
        self.ring.clear();
        self.status(RouteLink::Reconciling);
        let mut asked = Vec::new();
        for request in std::mem::take(&mut self.ring) {
            match request.kind {
                RoutedKind::Begin { cursor } => self.told = (cursor[0] - PLACE) as usize,
                RoutedKind::Query(order) => asked.push(order.order_id.0),
                _ => {}
            }
        }
        let mut answers: Vec<Command> = Vec::new();
        let symbol = Symbol::new("ACME").expect("valid");
        let (qty, route) = (self.venue.position(), ROUTE);
        let position = RoutePosition { symbol, qty, route, reserved: [0; 7] };
        answers.push(Command::RoutePosition(position));
        for &id in &asked {
            let report = match self.venue.orders.get(&id) {
                Some(there) if there.is_open => self.venue.terms(id, RouteReportKind::Found),
                Some(_) => continue,
                None => {
                    let kind = RouteReportKind::Missing.wire();
                    RouteReport { order_id: OrderId(id), kind, route: ROUTE, ..blank() }
                }
            };
            answers.push(Command::RouteReport(report));
        }
        for (&id, there) in &self.venue.orders {
            if there.is_open && !asked.contains(&id) {
                let found = self.venue.terms(id, RouteReportKind::Found);
                answers.push(Command::RouteReport(found));
            }
        }
        let history = self.venue.history.len() - self.told;
        for _ in 0..history.min(reports) {
            self.tell_next();
        }
        let rest = reports.saturating_sub(history);
        let is_whole = rest >= answers.len();
        for answer in answers.into_iter().take(rest) {
            self.tell(answer);
        }
        match is_whole {
            true => self.status(RouteLink::Up),
            false => self.break_link(0, false, false),
        }
    }

    fn tell_next(&mut self) {
        if let Some(&report) = self.venue.history.get(self.told) {
            self.told += 1;
            self.report(report);
        }
    }

    fn answer(&mut self) {
        if let Some(answer) = self.venue.answers.pop_front() {
            self.report(answer);
        }
    }

    fn ghost(&mut self) {
        for request in std::mem::take(&mut self.ghosts) {
            self.is_plain = false;
            self.venue.arrive(&request, true);
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Order { buy, qty } => {
                self.near.desk.names += 1;
                let name = format!("order-{}", self.near.desk.names);
                let side = if buy { Side::Buy } else { Side::Sell };
                let order = new_order(&name, side, Some(PRICE), qty, TimeInForce::Gtc);
                self.tell(Command::NewOrder(order));
            }
            Step::Bracket { buy, qty } => {
                let side = if buy { Side::Buy } else { Side::Sell };
                let told = self.near.list(Contingency::Bracket, &bracket(side, qty));
                if let Some(first) =
                    told.iter().find_map(|line| line.strip_suffix(" pending_new -> pending_new"))
                {
                    let entry: u64 = first.parse().expect("a number");
                    self.brackets.push([entry, entry + 1, entry + 2]);
                }
                self.look(&told);
            }
            Step::Trade { at_cents } => {
                let told = self.near.trade(at_cents);
                self.look(&told);
            }
            Step::Cancel { order } => self.tell(cancel_of(order)),
            Step::Replace { order, qty } => self.tell(replace_of(order, qty)),
            Step::Arrive { is_taken } if self.link == RouteLink::Up => {
                if let Some(request) = self.ring.pop_front() {
                    self.venue.arrive(&request, is_taken);
                }
            }
            Step::Tell { is_answer } if self.link == RouteLink::Up => match is_answer {
                true => self.answer(),
                false => self.tell_next(),
            },
            Step::Fill { order, qty } => self.fill(order, qty),
            Step::CancelThere { order } => {
                if let Some(there) = self.venue.open(order) {
                    there.is_open = false;
                    self.venue.tell(order, RouteReportKind::Canceled, None);
                }
            }
            Step::RestateThere { order, qty } => {
                if let Some(there) = self.venue.open(order).filter(|there| qty > there.cum) {
                    there.qty = qty;
                    self.is_plain = false;
                    self.venue.tell(order, RouteReportKind::Replaced, None);
                }
            }
            Step::Break { arrived, is_killed, is_ghost } => {
                self.break_link(arrived, is_killed, is_ghost);
            }
            Step::Ghost => self.ghost(),
            Step::Connect { reports } if self.link == RouteLink::Down => self.connect(reports),
            Step::Arrive { .. } | Step::Tell { .. } | Step::Connect { .. } => {}
        }
    }

    /// The link holds, and everything is canceled.
    fn heal(&mut self) {
        self.ghost();
        if self.link == RouteLink::Up {
            self.break_link(usize::MAX, false, false);
        }
        self.connect(usize::MAX);
        for round in 0.. {
            while let Some(request) = self.ring.pop_front() {
                self.venue.arrive(&request, true);
            }
            while self.told < self.venue.history.len() {
                self.tell_next();
            }
            while let Some(answer) = self.venue.answers.pop_front() {
                self.report(answer);
            }
            let open = self.near.open();
            if open.is_empty() && self.ring.is_empty() {
                return;
            }
            assert!(round < 10, "these do not end: {open:?} {:#?}", self.venue.orders);
            open.into_iter().for_each(|id| self.tell(cancel_of(id)));
        }
    }

    fn check_agreement(&self) {
        for (id, there) in &self.venue.orders {
            assert!(!there.is_open, "{id} is open there: {there:?}");
            let oms = self.near.desk.core.oms();
            let slot = oms.by_id(OrderId(*id)).expect("it is kept");
            assert_eq!(oms.order(slot).cum_qty.0, there.cum, "CumQty of {id}");
        }
        assert_eq!(self.near.held(), self.venue.position());
        assert_eq!(self.near.desk.core.routes().all()[usize::from(ROUTE)].open, 0);
        self.near.check_replay();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_agree_when_the_link_holds(steps in prop::collection::vec(step(), 1..150)) {
        let mut flow = Flow::new();
        flow.connect(usize::MAX);
        for step in &steps {
            flow.take(step);
        }
        flow.heal();
        flow.check_agreement();
    }
}
