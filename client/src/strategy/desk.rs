//! What a strategy trades with.

use super::{Book, Order, OrderKey, Report};
use std::io::Write;
use tidegate_model::event::{ExecType, OrdStatus};
use tidegate_model::{
    ClientOrderId, Instrument, InstrumentId, Lots, Money, Side, Ticks, UnixNanos,
};

/// Requests that may lie at a desk when a call of the strategy ends: as many as a backtest takes in one step.
pub const REQUESTS_MAX: usize = 1_000;
/// Instruments of one desk: as many as an engine has.
const HOLDINGS_MAX: usize = InstrumentId::COUNT_MAX;
/// Bytes of the prefix of our order names; the longest number needs 20, and a dash stands between.
const PREFIX_LEN_MAX: usize = ClientOrderId::LEN_MAX - 21;

/// No more requests fit before the strategy's call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{REQUESTS_MAX} requests lie at the desk, the most that one call of a strategy may send")]
pub struct Full;

/// What the strategy wants of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A new order.
    Submit(OrderKey, Order),
    /// A new OrderQty, the executed part included, and a new limit price.
    Replace(OrderKey, InstrumentId, Lots, Ticks),
    /// The end of an order.
    Cancel(OrderKey),
    /// The end of all open orders.
    CancelAll,
}

impl Request {
    /// The order that it is about, if it is about one.
    pub fn key(&self) -> Option<OrderKey> {
        match self {
            Self::Submit(key, _) | Self::Replace(key, ..) | Self::Cancel(key) => Some(*key),
            Self::CancelAll => None,
        }
    }
}

/// One instrument at a desk.
#[derive(Clone, Debug)]
pub struct Holding {
    /// What its integers mean.
    pub terms: Instrument,
    /// Its market as last heard.
    pub book: Book,
    /// What we hold: lots, below 0 short.
    pub position: i64,
}

/// An order that is not finished, as last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What it trades.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// Where it stands; `PendingNew` until the engine has said so.
    pub status: OrdStatus,
    /// Limit price; 0 of a market order.
    pub price: Ticks,
    /// Executed so far.
    pub cum_qty: Lots,
    /// May still be executed.
    pub leaves_qty: Lots,
}

/// A strategy's desk: the time, its instruments with their books and what is held of them, and the way to send orders.
///
/// What is asked for lies here until the strategy's call is over; then the host sends it, in order.
#[derive(Debug)]
pub struct Desk {
    account: u32,
    now: UnixNanos,
    cash: Option<Money>,
    holdings: Vec<Holding>,
    /// By rising key, so that a new one goes to the end.
    open: Vec<(OrderKey, Open)>,
    prefix: String,
    last_key: u64,
    requests: Vec<Request>,
    wake_at: Option<UnixNanos>,
}

impl Desk {
    /// A desk that trades for `account` and calls its orders `prefix` and a number. The engine wants names to be unique for
    /// the account's day: whoever starts more than once a day needs another prefix each time.
    ///
    /// # Panics
    /// If the prefix is not 1 to 15 printable ASCII characters.
    pub fn new(account: u32, prefix: &str) -> Self {
        let is_printable = prefix.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(is_printable, "order names are printable ASCII");
        assert!((1..=PREFIX_LEN_MAX).contains(&prefix.len()), "order names are 36 bytes at most");
        Self {
            account,
            now: UnixNanos::ZERO,
            cash: None,
            holdings: Vec::new(),
            open: Vec::new(),
            prefix: prefix.to_string(),
            last_key: 0,
            requests: Vec::new(),
            wake_at: None,
        }
    }

    /// The account that we trade for.
    pub fn account(&self) -> u32 {
        self.account
    }

    /// The time of the market; never a clock's in a backtest.
    pub fn now(&self) -> UnixNanos {
        self.now
    }

    /// The account's cash in its base currency, as last heard; `None` before that is known, as in `on_start`.
    pub fn cash(&self) -> Option<Money> {
        self.cash
    }

    /// What there is to trade, in the order in which it came.
    pub fn instruments(&self) -> impl Iterator<Item = InstrumentId> + use<> {
        (0..self.holdings.len() as u32).map(InstrumentId)
    }

    /// Terms, book and position of an instrument.
    ///
    /// # Panics
    /// If it is not one of [`Self::instruments`]. The desk numbers them itself: the number of another desk or of the engine
    /// means nothing here.
    pub fn holding(&self, instrument: InstrumentId) -> &Holding {
        &self.holdings[instrument.index()]
    }

    /// What the instrument's integers mean. Panics as [`Self::holding`] does.
    pub fn terms(&self, instrument: InstrumentId) -> &Instrument {
        &self.holding(instrument).terms
    }

    /// The instrument's market as last heard. Panics as [`Self::holding`] does.
    pub fn book(&self, instrument: InstrumentId) -> &Book {
        &self.holding(instrument).book
    }

    /// What we hold of it: lots, below 0 short. Panics as [`Self::holding`] does.
    pub fn position(&self, instrument: InstrumentId) -> i64 {
        self.holding(instrument).position
    }

    /// The order `key`, unless it is finished, or never was.
    pub fn order(&self, key: OrderKey) -> Option<Open> {
        Some(self.open[self.place_of(key)?].1)
    }

    /// Where an order stands among those that are open.
    fn place_of(&self, key: OrderKey) -> Option<usize> {
        self.open.binary_search_by_key(&key, |(key, _)| *key).ok()
    }

    /// The orders that are not finished, the oldest first.
    pub fn orders(&self) -> impl Iterator<Item = (OrderKey, Open)> {
        self.open.iter().copied()
    }

    /// Sends an order. What comes of it is heard as reports under the key that is returned.
    ///
    /// # Errors
    /// [`Full`].
    pub fn submit(&mut self, order: Order) -> Result<OrderKey, Full> {
        let key = OrderKey(self.last_key + 1);
        self.ask(Request::Submit(key, order))?;
        self.last_key = key.0;
        let open = Open {
            instrument: order.instrument,
            side: order.side,
            status: OrdStatus::PendingNew,
            price: order.price.unwrap_or_default(),
            cum_qty: Lots::ZERO,
            leaves_qty: order.qty,
        };
        self.open.push((key, open));
        Ok(key)
    }

    /// Asks for a new OrderQty, executed part included, and a new limit price. Of an order that is finished, nothing is asked.
    ///
    /// # Errors
    /// [`Full`].
    pub fn replace(&mut self, key: OrderKey, qty: Lots, price: Ticks) -> Result<(), Full> {
        match self.order(key) {
            Some(Open { instrument, .. }) => {
                self.ask(Request::Replace(key, instrument, qty, price))
            }
            None => Ok(()),
        }
    }

    /// Asks for the end of an order. Of an order that is finished, nothing is asked.
    ///
    /// # Errors
    /// [`Full`].
    pub fn cancel(&mut self, key: OrderKey) -> Result<(), Full> {
        if self.order(key).is_some() { self.ask(Request::Cancel(key)) } else { Ok(()) }
    }

    /// Asks for the end of all open orders of the account.
    ///
    /// # Errors
    /// [`Full`].
    pub fn cancel_all(&mut self) -> Result<(), Full> {
        self.ask(Request::CancelAll)
    }

    /// Asks for a call of `on_timer` at `at`, or at once if that is past. Of several times asked for, the earliest counts; the
    /// call clears them all.
    pub fn wake_at(&mut self, at: UnixNanos) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn ask(&mut self, request: Request) -> Result<(), Full> {
        if self.requests.len() == REQUESTS_MAX {
            return Err(Full);
        }
        self.requests.push(request);
        Ok(())
    }
}

/// For hosts.
impl Desk {
    /// Takes out what lies at the desk, in order.
    pub fn take_requests(&mut self) -> std::vec::Drain<'_, Request> {
        self.requests.drain(..)
    }

    /// Takes out the first of what lies at the desk.
    pub fn take_request(&mut self) -> Option<Request> {
        if self.requests.is_empty() { None } else { Some(self.requests.remove(0)) }
    }

    /// When to call `on_timer`.
    pub fn timer(&self) -> Option<UnixNanos> {
        self.wake_at
    }

    /// The name of an order on the wire.
    pub fn name(&self, key: OrderKey) -> ClientOrderId {
        // On the stack: a strategy inside the engine allocates nothing for an order.
        let mut text = [0; ClientOrderId::LEN_MAX];
        let mut left = &mut text[..];
        write!(left, "{}-{key}", self.prefix).expect("a prefix of 15 bytes and a number fit 36");
        let len = ClientOrderId::LEN_MAX - left.len();
        let name = str::from_utf8(&text[..len]).expect("the prefix is ASCII");
        ClientOrderId::new(name).expect("it is printable")
    }

    /// The order behind a name on the wire, if it is one of ours.
    pub fn key_of(&self, name: &str) -> Option<OrderKey> {
        let number = name.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        number.parse().ok().map(OrderKey)
    }

    /// The report that `request` never reached the engine; `None` if it is about no order that is open.
    pub fn refusal(&self, request: &Request) -> Option<Report> {
        let key = request.key()?;
        let is_new = matches!(request, Request::Submit(..));
        let open = self.order(key)?;
        Some(Report {
            key,
            instrument: open.instrument,
            side: open.side,
            exec_type: is_new.then_some(ExecType::Rejected),
            status: if is_new { OrdStatus::Rejected } else { open.status },
            price: open.price,
            cum_qty: open.cum_qty,
            leaves_qty: if is_new { Lots::ZERO } else { open.leaves_qty },
            last_qty: Lots::ZERO,
            last_price: Ticks::ZERO,
            reject: None,
        })
    }

    pub(super) fn pass_to(&mut self, now: UnixNanos) {
        self.now = self.now.max(now);
    }

    pub(super) fn clear_timer(&mut self) {
        self.wake_at = None;
    }

    pub(super) fn list(&mut self, terms: Instrument, position: i64) -> InstrumentId {
        assert!(self.holdings.len() < HOLDINGS_MAX, "an engine has no more instruments");
        self.holdings.push(Holding { terms, book: Book::default(), position });
        InstrumentId(self.holdings.len() as u32 - 1)
    }

    /// False if there is no such instrument.
    pub(super) fn set_book(&mut self, instrument: InstrumentId, book: Book) -> bool {
        let Some(holding) = self.holdings.get_mut(instrument.index()) else { return false };
        holding.book = book;
        true
    }

    /// False if there is no such instrument.
    pub(super) fn set_last(&mut self, instrument: InstrumentId, price: Ticks) -> bool {
        let Some(holding) = self.holdings.get_mut(instrument.index()) else { return false };
        holding.book.last = Some(price);
        true
    }

    pub(super) fn set_cash(&mut self, cash: Money) {
        self.cash = Some(cash);
    }

    pub(super) fn set_position(&mut self, instrument: InstrumentId, position: i64) {
        if let Some(holding) = self.holdings.get_mut(instrument.index()) {
            holding.position = position;
        }
    }

    /// Notes where an order of ours stands; false if it is none, or was finished before.
    pub(super) fn note(&mut self, report: &Report) -> bool {
        let Some(place) = self.place_of(report.key) else { return false };
        let open = &mut self.open[place].1;
        open.status = report.status;
        open.price = report.price;
        open.cum_qty = report.cum_qty;
        open.leaves_qty = report.leaves_qty;
        let Open { instrument, side, .. } = *open;
        if report.status.is_final() {
            self.open.remove(place);
        }
        if report.exec_type == Some(ExecType::Trade)
            && let Some(holding) = self.holdings.get_mut(instrument.index())
        {
            // The engine's own word on the position follows; nothing is to be decided on the old one in between.
            let lots = i64::try_from(report.last_qty.0).unwrap_or(i64::MAX);
            let bought = if side == Side::Buy { lots } else { -lots };
            holding.position = holding.position.saturating_add(bought);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::TimeInForce;
    use tidegate_model::Symbol;

    const ONE: InstrumentId = InstrumentId(0);

    fn desk() -> Desk {
        let mut desk = Desk::new(7, "bt");
        let share = Instrument::us_equity(Symbol::new("ACME").expect("valid"));
        assert_eq!(desk.list(share.checked().expect("valid"), -5), ONE);
        desk
    }

    fn order(qty: u64) -> Order {
        Order {
            instrument: ONE,
            side: Side::Sell,
            qty: Lots(qty),
            price: Some(Ticks(100_100)),
            time_in_force: TimeInForce::Day,
        }
    }

    fn report(key: OrderKey, exec_type: Option<ExecType>, status: OrdStatus, last: u64) -> Report {
        Report {
            key,
            instrument: ONE,
            side: Side::Sell,
            exec_type,
            status,
            price: Ticks(100_100),
            cum_qty: Lots(last),
            leaves_qty: Lots(10 - last),
            last_qty: Lots(last),
            last_price: Ticks(100_100),
            reject: None,
        }
    }

    #[test]
    fn requests_lie_in_order_until_they_are_taken_and_are_bounded() {
        let mut desk = desk();
        let key = desk.submit(order(10)).expect("room");
        desk.replace(key, Lots(8), Ticks(100_200)).expect("room");
        desk.cancel(key).expect("room");
        desk.cancel_all().expect("room");
        let replace = Request::Replace(key, ONE, Lots(8), Ticks(100_200));
        let expected =
            [Request::Submit(key, order(10)), replace, Request::Cancel(key), Request::CancelAll];
        assert_eq!(desk.take_requests().collect::<Vec<_>>(), expected);
        for _ in 0..REQUESTS_MAX {
            desk.cancel_all().expect("room");
        }
        assert_eq!((desk.cancel_all(), desk.submit(order(1))), (Err(Full), Err(Full)));
        desk.take_requests();
        assert_eq!(desk.submit(order(1)), Ok(OrderKey(2)), "what found no room has no number");
    }

    #[test]
    fn fills_move_the_position_at_once_and_the_engine_has_the_last_word() {
        let mut desk = desk();
        let key = desk.submit(order(10)).expect("room");
        let partly = OrdStatus::PartiallyFilled;
        assert!(desk.note(&report(key, Some(ExecType::Trade), partly, 4)));
        assert_eq!(desk.position(ONE), -9);
        // A refused cancel says the same again, and moves nothing.
        assert!(desk.note(&report(key, None, partly, 4)));
        assert_eq!(desk.position(ONE), -9);
        desk.set_position(ONE, -20);
        assert_eq!(desk.position(ONE), -20);
        assert_eq!(desk.order(key).map(|open| open.leaves_qty), Some(Lots(6)));
        assert_eq!(desk.orders().map(|(key, _)| key).collect::<Vec<_>>(), [key]);
        let refusal = desk.refusal(&Request::Cancel(key)).expect("it is open");
        assert_eq!((refusal.exec_type, refusal.status, refusal.cum_qty), (None, partly, Lots(4)));

        assert!(desk.note(&report(key, Some(ExecType::Canceled), OrdStatus::Canceled, 4)));
        assert!(!desk.note(&report(key, None, OrdStatus::Canceled, 4)), "it is finished");
        desk.take_requests();
        desk.cancel(key).expect("room");
        desk.replace(key, Lots(1), Ticks(1)).expect("room");
        assert_eq!(desk.take_requests().count(), 0, "nothing is asked of a finished order");
        assert_eq!(desk.refusal(&Request::Cancel(key)), None);
        assert_eq!(desk.order(key), None);
    }

    #[test]
    fn names_go_there_and_back_and_others_are_not_ours() {
        let desk = desk();
        for key in [1, 77, u64::MAX] {
            let name = desk.name(OrderKey(key));
            assert_eq!(desk.key_of(name.as_str()), Some(OrderKey(key)));
        }
        for other in ["", "bt", "bt-", "bt-x", "bt-1-2", "btx-1", "py-1", "bt--1"] {
            assert_eq!(desk.key_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_earliest_of_the_times_asked_for_counts() {
        let mut desk = desk();
        assert_eq!(desk.timer(), None);
        for at in [30, 10, 20] {
            desk.wake_at(UnixNanos(at));
        }
        assert_eq!(desk.timer(), Some(UnixNanos(10)));
        desk.clear_timer();
        assert_eq!(desk.timer(), None);
        desk.pass_to(UnixNanos(9));
        desk.pass_to(UnixNanos(8));
        assert_eq!(desk.now(), UnixNanos(9), "time does not go back");
    }
}
