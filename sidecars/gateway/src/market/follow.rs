//! The tasks that keep the picture: one hears of instruments, one for each thousand of them reads their streams. All try again for
//! as long as the gateway runs.

use super::picture::Picture;
use crate::config;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto::{self, event::Body};
use tidegate_client::{Client, ClientError, EventFilter};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Symbols of one stream: what the edge allows.
const SYMBOLS_MAX: usize = 1_000;
/// Groups of symbols that are followed; with more, all are put together anew. Three streams each, of the 128 of a connection.
const GROUPS_MAX: usize = 32;
/// How long new instruments are awaited, so that those that are defined together are followed together.
const GATHER: Duration = Duration::from_millis(100);
/// Waits between two tries.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Keeps the picture. It ends when it is dropped.
pub(super) async fn follow(client: Client, picture: Arc<Picture>, config: config::Market) {
    let (tell, mut told) = mpsc::channel(16);
    let mut tasks = JoinSet::new();
    tasks.spawn(instruments(client.clone(), Arc::clone(&picture), tell));
    let mut groups = JoinSet::new();
    while let Some(mut symbols) = told.recv().await {
        tokio::time::sleep(GATHER).await;
        while let Ok(more) = told.try_recv() {
            symbols.extend::<Vec<String>>(more);
        }
        if groups.len() + symbols.len().div_ceil(SYMBOLS_MAX) > GROUPS_MAX {
            groups.shutdown().await;
            symbols = picture.index().sorted.iter().map(|one| one.symbol.clone()).collect();
            picture.broke(&symbols);
        }
        for group in symbols.chunks(SYMBOLS_MAX) {
            let (client, picture) = (client.clone(), Arc::clone(&picture));
            groups.spawn(keep(client, picture, group.to_vec(), config.clone()));
        }
    }
}

/// Hears of instruments: those that there are, then each that is defined.
async fn instruments(client: Client, picture: Arc<Picture>, tell: mpsc::Sender<Vec<String>>) {
    let mut wait = RETRY[0];
    loop {
        match hear(&client, &picture, &tell, &mut wait).await {
            Ok(()) => return,
            Err(error) => tracing::warn!("instruments cannot be followed: {error}"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY[1]);
    }
}

async fn hear(
    client: &Client,
    picture: &Picture,
    tell: &mpsc::Sender<Vec<String>>,
    wait: &mut Duration,
) -> Result<(), ClientError> {
    // What is defined from here on is told by events, what was before is in the list.
    let as_of = last_event(client).await?;
    let new = picture.define(client.instruments().await?);
    if !new.is_empty() && tell.send(new).await.is_err() {
        return Ok(());
    }
    *wait = RETRY[0];
    let kinds = vec![proto::EventKind::Instrument, proto::EventKind::TickTable];
    let mut events = client.events(as_of, EventFilter { kinds, ..EventFilter::default() });
    loop {
        let (Some(Body::Instrument(terms)) | Some(Body::TickTable(terms))) =
            events.next().await?.body
        else {
            continue;
        };
        let new = picture.define(vec![terms]);
        if !new.is_empty() && tell.send(new).await.is_err() {
            return Ok(());
        }
    }
}

/// The engine's last event.
async fn last_event(client: &Client) -> Result<Option<proto::EventPosition>, ClientError> {
    let request = proto::ListAccountsRequest { page_size: 1, ..Default::default() };
    Ok(client.list_accounts(request).await?.as_of)
}

/// Follows some symbols, again and again.
async fn keep(client: Client, picture: Arc<Picture>, symbols: Vec<String>, config: config::Market) {
    let mut wait = RETRY[0];
    loop {
        let error = streams(&client, &picture, &symbols, &config, &mut wait).await;
        picture.broke(&symbols);
        tracing::warn!(symbols = symbols.len(), "market data broke off: {error:?}");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY[1]);
    }
}

/// Reads the streams of some symbols until one breaks.
async fn streams(
    client: &Client,
    picture: &Picture,
    symbols: &[String],
    config: &config::Market,
    wait: &mut Duration,
) -> Option<ClientError> {
    let symbols = || symbols.to_vec();
    let trades = client.trades(proto::TradesRequest { symbols: symbols() });
    let min_interval_ms = config.quote_interval_ms;
    let quotes = client.quotes(proto::QuotesRequest { symbols: symbols(), min_interval_ms });
    let (depth, min_interval_ms) = (config.depth, config.book_interval_ms);
    let books = client.books(proto::BooksRequest { symbols: symbols(), depth, min_interval_ms });
    let (mut trades, mut quotes, mut books) = match tokio::try_join!(trades, quotes, books) {
        Ok(streams) => streams,
        Err(error) => return Some(error),
    };
    *wait = RETRY[0];
    let broke =
        |error| Err(Some(ClientError::Call { call: "MarketData", status: Box::new(error) }));
    loop {
        let step = tokio::select! {
            trade = trades.message() => trade.map(|trade| trade.map(|trade| picture.trade(&trade))),
            quote = quotes.message() => quote.map(|quote| quote.map(|quote| picture.quote(quote))),
            book = books.message() => book.map(|book| book.map(|book| picture.book(book))),
        };
        let step = match step {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(None),
            Err(error) => broke(error),
        };
        if let Err(error) = step {
            return error;
        }
    }
}
