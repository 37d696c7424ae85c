//! Trades, quotes and books.

use super::{Shared, page};
use crate::convert::{amounts, reports, requests};
use crate::error::Refusal;
use crate::market::{BookCell, BookState, Depth, Row, TradeRow};
use crate::outlet::{Gone, Inlet, Outlet, outlet};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::market_data_service_server::MarketDataService;
use tidegate_model::command::Phase;
use tidegate_model::event::PhaseChange;
use tidegate_model::{Instrument, Side, TickTable, Ticks};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

/// Symbols of one subscription: each costs a glance at every change.
const SYMBOLS_MAX: usize = 1_000;
/// Levels a side of one subscription.
const DEPTH_MAX: u32 = 1_000;
/// Levels a side where none are named.
const DEPTH_DEFAULT: u32 = 10;
/// Longest pause a subscriber may ask for, in milliseconds.
const INTERVAL_MAX_MS: u32 = 60_000;
/// How long GetBook waits for the engine's picture of a book that the edge does not have whole.
const PICTURE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it looks.
const PICTURE_POLL: Duration = Duration::from_millis(2);

/// MarketDataService.
#[derive(Clone, Debug)]
pub(crate) struct MarketData(pub Arc<Shared>);

/// One symbol of a subscription.
struct Followed {
    terms: Arc<Instrument>,
    cell: Arc<BookCell>,
}

impl MarketData {
    fn follow(&self, symbols: &[String]) -> Result<Vec<Followed>, Refusal> {
        if symbols.is_empty() || symbols.len() > SYMBOLS_MAX {
            let count = symbols.len();
            return Err(Refusal::invalid(
                "symbols",
                format_args!("{count} are named, 1 to {SYMBOLS_MAX} are allowed"),
            ));
        }
        let distinct: BTreeSet<&String> = symbols.iter().collect();
        let view = self.0.view();
        distinct
            .into_iter()
            .map(|symbol| {
                let (id, terms) = requests::instrument(&view, symbol)?;
                Ok(Followed { terms, cell: self.0.board.wanted(id) })
            })
            .collect()
    }
}

fn interval(ms: u32) -> Result<Duration, Refusal> {
    if ms > INTERVAL_MAX_MS {
        return Err(Refusal::invalid(
            "min_interval_ms",
            format_args!("{ms} is out of range: 0 to {INTERVAL_MAX_MS}"),
        ));
    }
    Ok(Duration::from_millis(ms.into()))
}

fn depth(asked: u32) -> Result<usize, Refusal> {
    match asked {
        0 => Ok(DEPTH_DEFAULT as usize),
        1..=DEPTH_MAX => Ok(asked as usize),
        _ => Err(Refusal::invalid(
            "depth",
            format_args!("{asked} is out of range: 1 to {DEPTH_MAX}"),
        )),
    }
}

fn level(terms: &Instrument, row: &Row) -> proto::Level {
    proto::Level {
        price: terms.format_price(row.price),
        qty: terms.format_qty(row.qty),
        orders: row.orders,
    }
}

fn levels(terms: &Instrument, rows: &[Row]) -> Vec<proto::Level> {
    rows.iter().map(|row| level(terms, row)).collect()
}

fn quote(terms: &Instrument, book: &BookState) -> proto::Quote {
    let best = [Side::Buy, Side::Sell].map(|side| book.best(side));
    proto::Quote {
        ts_event: book.ts_event.0,
        ts: book.ts.0,
        seq: book.seq.0,
        auction: book.auction().map(|auction| proto::Auction {
            price: match auction.qty.0 {
                0 => String::new(),
                _ => terms.format_price(auction.price),
            },
            qty: terms.format_qty(auction.qty),
            imbalance_qty: terms.format_qty(auction.imbalance),
            imbalance_side: auction.side.into(),
        }),
        ..quote_of(terms, best, book.status, book.last_price)
    }
}

/// Best bid and offer, a TradingStatus on the wire, and the last price, without times.
pub(crate) fn quote_of(
    terms: &Instrument,
    best: [Option<Row>; 2],
    status: u8,
    last_price: Option<Ticks>,
) -> proto::Quote {
    let [(bid_price, bid_qty), (ask_price, ask_qty)] = best.map(|row| {
        let level = row.map(|row| level(terms, &row));
        level.map(|level| (level.price, level.qty)).unwrap_or_default()
    });
    proto::Quote {
        symbol: terms.symbol.as_str().to_string(),
        bid_price,
        bid_qty,
        ask_price,
        ask_qty,
        status: status.into(),
        last_price: last_price.map(|price| terms.format_price(price)).unwrap_or_default(),
        ..Default::default()
    }
}

pub(crate) fn trade(terms: &Instrument, row: &TradeRow) -> proto::Trade {
    proto::Trade {
        symbol: terms.symbol.as_str().to_string(),
        price: terms.format_price(row.price),
        qty: terms.format_qty(row.qty),
        aggressor: row.aggressor.into(),
        ts_event: row.ts_event.0,
        ts: row.ts.0,
        seq: row.seq.0,
        skipped: 0,
        lost_upstream: 0,
    }
}

/// What turns one side from `old` into `new`: both sorted, best first. A level that is gone has quantity 0.
fn side_delta(terms: &Instrument, old: &[Row], new: &[Row], side: Side) -> Vec<proto::Level> {
    let is_better = |a: &Row, b: &Row| match side {
        Side::Buy => a.price > b.price,
        Side::Sell => a.price < b.price,
    };
    let mut delta = Vec::new();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek().copied(), new.peek().copied()) {
            (Some(o), Some(n)) if o.price == n.price => {
                if o != n {
                    delta.push(level(terms, n));
                }
                old.next();
                new.next();
            }
            (Some(o), n) if n.is_none_or(|n| is_better(o, n)) => {
                let gone = Row { qty: tidegate_model::Lots(0), orders: 0, ..*o };
                delta.push(level(terms, &gone));
                old.next();
            }
            (_, Some(n)) => {
                delta.push(level(terms, n));
                new.next();
            }
            (_, None) => return delta,
        }
    }
}

/// What one symbol of a conflating stream remembers.
struct Conflated<S> {
    followed: Followed,
    /// Version of the state last sent; `None` before the first.
    seen: Option<u64>,
    sent_at: Instant,
    sent: S,
}

/// Makes a message from terms, state and what was sent before (true: nothing was); `None` if there is nothing to say.
type Make<S, T> = Box<dyn Fn(&Instrument, &BookState, &mut S, bool) -> Option<T> + Send>;

/// A stream of states: each symbol's latest, whenever it changed and its interval is over.
struct Conflation<S, T> {
    shared: Arc<Shared>,
    symbols: Vec<Conflated<S>>,
    interval: Duration,
    version: fn(&BookCell) -> u64,
    make: Make<S, T>,
    /// Writes into a message how many changes it skips.
    skipped: fn(&mut T, u64),
}

impl<S: Default + Send + 'static, T: Send + 'static> Conflation<S, T> {
    async fn run(mut self, inlet: Inlet<T>) {
        let mut changes = self.shared.board.changes();
        let mut shutdown = self.shared.shutdown.clone();
        loop {
            let Ok(soonest) = self.send_changed(&inlet, &mut shutdown).await else { return };
            let pause = async {
                match soonest {
                    Some(soonest) => tokio::time::sleep_until(soonest).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = pause => {}
                () = inlet.closed() => return,
                _ = shutdown.wait_for(|down| *down) => {
                    return inlet.close(Status::unavailable("the server is shutting down"));
                }
            }
        }
    }

    /// Sends what changed; when to look again at what its interval holds back.
    async fn send_changed(
        &mut self,
        inlet: &Inlet<T>,
        shutdown: &mut tokio::sync::watch::Receiver<bool>,
    ) -> Result<Option<Instant>, Gone> {
        let mut soonest: Option<Instant> = None;
        for symbol in &mut self.symbols {
            let cell = &symbol.followed.cell;
            if symbol.seen == Some((self.version)(cell)) {
                continue;
            }
            let due = symbol.sent_at + self.interval;
            if symbol.seen.is_some() && due > Instant::now() {
                soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
                continue;
            }
            // Room first: the state that is sent is the latest when it leaves.
            let room = tokio::select! {
                room = inlet.reserve() => room?,
                _ = shutdown.wait_for(|down| *down) => return Ok(None),
            };
            let terms = &symbol.followed.terms;
            let (sent, is_first) = (&mut symbol.sent, symbol.seen.is_none());
            let made = cell.look(|book| {
                let version = (self.version)(cell);
                ((self.make)(terms, book, sent, is_first), version)
            });
            // A book that is not whole yet: its picture is asked for, and will be a change.
            let Some((message, version)) = made else { continue };
            let passed = version - symbol.seen.unwrap_or(version);
            if let Some(mut message) = message {
                (self.skipped)(&mut message, passed.saturating_sub(1));
                room.send(message);
                symbol.sent_at = Instant::now();
            }
            symbol.seen = Some(version);
        }
        Ok(soonest)
    }
}

fn conflated<S: Default>(followed: Vec<Followed>) -> Vec<Conflated<S>> {
    let new =
        |followed| Conflated { followed, seen: None, sent_at: Instant::now(), sent: S::default() };
    followed.into_iter().map(new).collect()
}

async fn send_trades(shared: Arc<Shared>, followed: Vec<Followed>, inlet: Inlet<proto::Trade>) {
    let mut changes = shared.board.changes();
    let mut shutdown = shared.shutdown.clone();
    let mut lost = shared.board.lost();
    let mut seen: Vec<u64> = followed.iter().map(|symbol| symbol.cell.trades_total()).collect();
    loop {
        for (symbol, seen) in followed.iter().zip(&mut seen) {
            if symbol.cell.trades_total() == *seen {
                continue;
            }
            let (rows, mut skipped) = symbol.cell.look_at_trades(|book| book.trades_after(*seen));
            *seen += skipped + rows.len() as u64;
            for row in &rows {
                let room = tokio::select! {
                    room = inlet.reserve() => room,
                    _ = shutdown.wait_for(|down| *down) => break,
                };
                let Ok(room) = room else { return };
                let mut message = trade(&symbol.terms, row);
                message.skipped = std::mem::take(&mut skipped);
                let lost_now = shared.board.lost();
                message.lost_upstream = lost_now - std::mem::replace(&mut lost, lost_now);
                room.send(message);
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = inlet.closed() => return,
            _ = shutdown.wait_for(|down| *down) => {
                return inlet.close(Status::unavailable("the server is shutting down"));
            }
        }
    }
}

#[tonic::async_trait]
impl MarketDataService for MarketData {
    type TradesStream = Outlet<proto::Trade>;

    async fn trades(
        &self,
        request: Request<proto::TradesRequest>,
    ) -> Result<Response<Self::TradesStream>, Status> {
        let client = self.0.auth.reader(&request)?;
        let followed = self.follow(&request.get_ref().symbols)?;
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        tokio::spawn(send_trades(Arc::clone(&self.0), followed, inlet));
        Ok(Response::new(out))
    }

    type QuotesStream = Outlet<proto::Quote>;

    async fn quotes(
        &self,
        request: Request<proto::QuotesRequest>,
    ) -> Result<Response<Self::QuotesStream>, Status> {
        let client = self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let interval = interval(request.min_interval_ms)?;
        let symbols = conflated::<()>(self.follow(&request.symbols)?);
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        let conflation = Conflation {
            shared: Arc::clone(&self.0),
            symbols,
            interval,
            version: BookCell::quote_version,
            make: Box::new(|terms, book, (), _| Some(quote(terms, book))),
            skipped: |message: &mut proto::Quote, count| message.skipped = count,
        };
        tokio::spawn(conflation.run(inlet));
        Ok(Response::new(out))
    }

    type BooksStream = Outlet<proto::BookUpdate>;

    async fn books(
        &self,
        request: Request<proto::BooksRequest>,
    ) -> Result<Response<Self::BooksStream>, Status> {
        let client = self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let (interval, depth) = (interval(request.min_interval_ms)?, depth(request.depth)?);
        let symbols = conflated::<(Depth, u8)>(self.follow(&request.symbols)?);
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        let conflation = Conflation {
            shared: Arc::clone(&self.0),
            symbols,
            interval,
            version: BookCell::book_version,
            make: Box::new(move |terms, book, sent, is_first| {
                book_update(terms, book, sent, is_first, depth)
            }),
            skipped: |message: &mut proto::BookUpdate, count| message.skipped = count,
        };
        tokio::spawn(conflation.run(inlet));
        Ok(Response::new(out))
    }

    async fn get_book(
        &self,
        request: Request<proto::GetBookRequest>,
    ) -> Result<Response<proto::Book>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let depth = depth(request.depth)?;
        let (id, terms) = requests::instrument(&self.0.view(), &request.symbol)?;
        let cell = self.0.board.wanted(id);
        let look = |book: &BookState| {
            let Depth { bids, asks } = book.depth(depth);
            proto::Book {
                symbol: terms.symbol.as_str().to_string(),
                bids: levels(&terms, &bids),
                asks: levels(&terms, &asks),
                status: book.status.into(),
                ts_event: book.ts_event.0,
                ts: book.ts.0,
                seq: book.seq.0,
                last_price: book
                    .last_price
                    .map(|price| terms.format_price(price))
                    .unwrap_or_default(),
            }
        };
        let until = Instant::now() + PICTURE_TIMEOUT;
        loop {
            if let Some(book) = cell.look(look) {
                return Ok(Response::new(book));
            }
            if Instant::now() >= until {
                return Err(Status::unavailable(
                    "the book is not whole here, and the engine has not sent a picture of it; try again",
                ));
            }
            tokio::time::sleep(PICTURE_POLL).await;
        }
    }

    async fn get_phase(
        &self,
        request: Request<proto::GetPhaseRequest>,
    ) -> Result<Response<proto::PhaseReport>, Status> {
        self.0.auth.reader(&request)?;
        let view = self.0.view();
        let (id, terms) = requests::instrument(&view, &request.get_ref().symbol)?;
        if !terms.is_internal() {
            let text = format!("{} has no market of the house", terms.symbol);
            return Err(Refusal::invalid("symbol", text).into());
        }
        // One that never stepped is in the phase that it was opened in.
        let first = PhaseChange { phase: Phase::Continuous.wire(), ..PhaseChange::default() };
        let change = view.phases.get(&id).copied().unwrap_or(first);
        Ok(Response::new(reports::phase_report(&change, &terms)))
    }

    async fn list_instruments(
        &self,
        request: Request<proto::ListInstrumentsRequest>,
    ) -> Result<Response<proto::ListInstrumentsResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, 1_000)?;
        let prefix = requests::symbol_from("prefix", &request.prefix)?;
        let after = requests::symbol_from("page_token", &request.page_token)?;
        let view = self.0.view();
        let rows: Vec<(Arc<Instrument>, Option<TickTable>)> = view
            .instruments_from(prefix.max(after))
            .skip_while(|(_, terms)| !after.is_empty() && terms.symbol == after)
            .take_while(|(_, terms)| terms.symbol.as_str().starts_with(&request.prefix))
            .take(size + 1)
            .map(|(id, terms)| (Arc::clone(terms), view.tick_table(id).copied()))
            .collect();
        drop(view);
        let symbol = |(terms, _): &(Arc<Instrument>, _)| terms.symbol.as_str().to_string();
        let (rows, next_page_token) = page(rows, size, symbol);
        let told = |(terms, table): &(Arc<Instrument>, Option<TickTable>)| {
            reports::instrument(terms, table.as_ref())
        };
        let instruments = rows.iter().map(told).collect();
        Ok(Response::new(proto::ListInstrumentsResponse { instruments, next_page_token }))
    }
}

/// A snapshot, or what changed since `sent`; `None` if nothing within the depth did.
fn book_update(
    terms: &Instrument,
    book: &BookState,
    sent: &mut (Depth, u8),
    is_first: bool,
    depth: usize,
) -> Option<proto::BookUpdate> {
    let new = book.depth(depth);
    let (bids, asks) = if is_first {
        (levels(terms, &new.bids), levels(terms, &new.asks))
    } else {
        (
            side_delta(terms, &sent.0.bids, &new.bids, Side::Buy),
            side_delta(terms, &sent.0.asks, &new.asks, Side::Sell),
        )
    };
    let is_same = bids.is_empty() && asks.is_empty() && sent.1 == book.status;
    *sent = (new, book.status);
    (is_first || !is_same).then(|| proto::BookUpdate {
        symbol: terms.symbol.as_str().to_string(),
        snapshot: is_first,
        bids,
        asks,
        status: book.status.into(),
        ts_event: book.ts_event.0,
        ts: book.ts.0,
        seq: book.seq.0,
        skipped: 0,
    })
}

/// The price a position is valued at and what it is worth there, as text.
pub(super) fn mark(
    terms: &Instrument,
    book: &BookState,
    held: &tidegate_model::event::Position,
) -> Option<(String, String)> {
    let doubled = book.mark_doubled()?;
    let price = amounts::average_price(terms, doubled, 2);
    // Half a tick of a lot may be half a unit of 1e-18: the last digit is cut.
    let value = doubled.checked_mul(held.qty.into()).and_then(|doubled| terms.value_of(doubled))?;
    let unrealised = (value.0 / 2).checked_sub(held.cost.0)?;
    Some((price, tidegate_model::instrument::format_money(tidegate_model::Money(unrealised))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::{Lots, Symbol, Ticks};

    #[test]
    fn deltas_turn_one_side_into_the_other() {
        let terms =
            Instrument::us_equity(Symbol::new("A").expect("a symbol")).checked().expect("terms");
        let rows = |list: &[(i64, u64)]| -> Vec<Row> {
            let row = |&(price, qty)| Row { price: Ticks(price), qty: Lots(qty), orders: 1 };
            list.iter().map(row).collect()
        };
        let check = |side, old: &[(i64, u64)], new: &[(i64, u64)], delta: &[(i64, u64)]| {
            let expected = levels(&terms, &rows(delta));
            let found = side_delta(&terms, &rows(old), &rows(new), side);
            let plain = |l: &proto::Level| (l.price.clone(), l.qty.clone());
            assert_eq!(
                found.iter().map(plain).collect::<Vec<_>>(),
                expected.iter().map(plain).collect::<Vec<_>>(),
                "{side} {old:?} -> {new:?}"
            );
        };
        check(Side::Buy, &[], &[(5, 1)], &[(5, 1)]);
        check(Side::Buy, &[(5, 1)], &[], &[(5, 0)]);
        check(Side::Buy, &[(5, 1), (4, 1)], &[(5, 1), (4, 1)], &[]);
        check(Side::Buy, &[(5, 1), (3, 1)], &[(6, 2), (5, 1), (4, 9)], &[(6, 2), (4, 9), (3, 0)]);
        check(
            Side::Sell,
            &[(5, 1), (7, 1)],
            &[(4, 2), (5, 3), (8, 1)],
            &[(4, 2), (5, 3), (7, 0), (8, 1)],
        );
    }
}
