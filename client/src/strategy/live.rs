//! A strategy against a server.

use super::convert::{Symbols, cash, lots};
use super::{Desk, ExecType, Heard, Player, Report, Strategy, Tally};
use crate::ClientError;
use crate::client::Client;
use crate::proto::event::Body;
use crate::proto::order_event::Event as Told;
use crate::proto::{
    Event, GetAccountRequest, Instrument, ListPositionsRequest, MassCancelRequest, Quote,
    QuotesRequest, RequestRefused, Trade, TradesRequest,
};
use crate::session::{OrderEvents, OrderSender};
use core::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_model::{RejectReason, UnixNanos};
use tokio::time::Instant;
use tonic::{Code, Streaming};

/// How long to wait at the end for our orders to be canceled.
const GOODBYE: Duration = Duration::from_secs(3);

/// How a strategy trades on a server.
#[derive(Clone, Debug)]
pub struct Live {
    /// The account it trades for.
    pub account: u32,
    /// What it trades: one at least, as the server lists them.
    pub instruments: Vec<Instrument>,
    /// What its orders are called, with a number behind: unique for the account's day, 1 to 15 printable ASCII characters.
    pub prefix: String,
    /// Least time between two quotes of one instrument, in milliseconds; 0: each change.
    pub min_interval_ms: u32,
    /// Hears remarks for people.
    pub note: fn(fmt::Arguments<'_>),
}

/// Runs `strategy` on a server until `stop` is done or the market data ends; then what is open is canceled.
///
/// # Errors
/// [`ClientError`]: the server refuses or ends the session, or cannot be understood. Its end cancels our orders.
pub async fn trade<S: Strategy>(
    client: &Client,
    live: Live,
    strategy: S,
    stop: impl Future<Output = ()>,
) -> Result<Tally, ClientError> {
    let (sender, mut events) = client.order_session().await?.split();
    let mut host = Host {
        clock: Clock::new(),
        player: Player { desk: Desk::new(live.account, &live.prefix), strategy },
        symbols: Symbols::default(),
        sender,
        tally: Tally::default(),
        note: live.note,
    };
    host.hear(&Heard::Start);
    for instrument in &live.instruments {
        host.list(client, instrument).await?;
    }
    host.ask_cash(client).await?;
    host.send().await?;
    let symbols: Vec<_> = live.instruments.iter().map(|told| told.symbol.clone()).collect();
    let mut trades = client.trades(TradesRequest { symbols: symbols.clone() }).await?;
    let quotes = QuotesRequest { symbols, min_interval_ms: live.min_interval_ms };
    let mut quotes = client.quotes(quotes).await?;
    host.run(&mut quotes, &mut trades, &mut events, stop).await?;
    host.close(&mut events).await
}

/// The time as the strategy sees it: the system's at the start, and from then on the monotonic clock's pace.
struct Clock {
    began: Instant,
    unix_ns: u64,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), unix_ns: since.as_nanos() as u64 }
    }

    fn now(&self) -> UnixNanos {
        UnixNanos(self.unix_ns + self.began.elapsed().as_nanos() as u64)
    }

    fn instant(&self, at: UnixNanos) -> Instant {
        self.began + Duration::from_nanos(at.0.saturating_sub(self.unix_ns))
    }
}

struct Host<S> {
    clock: Clock,
    player: Player<S>,
    symbols: Symbols,
    sender: OrderSender,
    tally: Tally,
    note: fn(fmt::Arguments<'_>),
}

impl<S: Strategy> Host<S> {
    async fn list(&mut self, client: &Client, told: &Instrument) -> Result<(), ClientError> {
        let Some(terms) = self.symbols.add(told)? else { return Ok(()) };
        let ours = ListPositionsRequest {
            account: Some(self.player.desk.account()),
            symbol: told.symbol.clone(),
            ..Default::default()
        };
        let held = match client.list_positions(ours).await?.positions.first() {
            Some(position) => lots(&terms, &position.qty)?,
            None => 0,
        };
        self.hear(&Heard::Instrument(terms, held));
        Ok(())
    }

    /// An account that is not there is told by the first order.
    async fn ask_cash(&mut self, client: &Client) -> Result<(), ClientError> {
        let account = self.player.desk.account();
        let told = match client.get_account(GetAccountRequest { account }).await {
            Ok(answer) => answer.account,
            Err(ClientError::Call { status, .. }) if status.code() == Code::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(heard) = told.as_ref().map(cash).transpose()?.flatten() {
            self.hear(&heard);
        }
        Ok(())
    }

    fn hear(&mut self, heard: &Heard) {
        self.player.hear(self.clock.now(), heard);
    }

    /// Sends what lies at the desk.
    async fn send(&mut self) -> Result<(), ClientError> {
        let requests: Vec<_> = self.player.desk.take_requests().collect();
        for request in requests {
            let message = self.symbols.request(&self.player.desk, request);
            let request_id = self.sender.send_any(message).await?;
            self.tally.sent(request_id, request);
        }
        Ok(())
    }

    async fn run(
        &mut self,
        quotes: &mut Streaming<Quote>,
        trades: &mut Streaming<Trade>,
        events: &mut OrderEvents,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ClientError> {
        tokio::pin!(stop);
        loop {
            let wake = self.player.desk.timer().map(|at| self.clock.instant(at));
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                () = &mut stop => return Ok(()),
                quote = quotes.message() => {
                    let Some(quote) = quote.map_err(ClientError::call("Quotes"))? else {
                        return Ok(());
                    };
                    self.symbols.book(&quote)?
                }
                trade = trades.message() => {
                    let Some(trade) = trade.map_err(ClientError::call("Trades"))? else {
                        return Ok(());
                    };
                    self.symbols.trade(&trade)?
                }
                told = events.next() => match told? {
                    Some(told) => self.told(told)?,
                    None => return Err(ClientError::SessionClosed),
                },
                () = timer => Some(Heard::Timer),
            };
            if let Some(heard) = heard {
                self.hear(&heard);
                self.send().await?;
            }
        }
    }

    /// Counts what the session says, and finds what the strategy is to hear of it.
    fn told(&mut self, told: Told) -> Result<Option<Heard>, ClientError> {
        match told {
            Told::Engine(event) => {
                self.tally.heard(event.request_id);
                self.count(&event);
                self.symbols.event(&event, &self.player.desk)
            }
            Told::Refused(RequestRefused { request_id, text, .. }) => {
                (self.note)(format_args!("refused: {text}"));
                self.tally.rejects += 1;
                let request = self.tally.heard(request_id);
                let refusal = request.and_then(|request| self.player.desk.refusal(&request));
                let reject = Some(RejectReason::BadField);
                Ok(refusal.map(|refusal| Heard::Report(Report { reject, ..refusal })))
            }
            Told::Opened(_) => Ok(None),
        }
    }

    fn count(&mut self, event: &Event) {
        let number = |exec_type: ExecType| i32::from(exec_type.wire());
        match &event.body {
            Some(Body::Execution(order)) => {
                self.tally.fills += u64::from(order.exec_type == number(ExecType::Trade));
                self.tally.rejects += u64::from(order.exec_type == number(ExecType::Rejected));
            }
            Some(Body::CancelReject(_)) => self.tally.rejects += 1,
            _ => {}
        }
    }

    /// Lets the strategy say its last word, cancels what is open, and waits for the answer.
    async fn close(mut self, events: &mut OrderEvents) -> Result<Tally, ClientError> {
        self.hear(&Heard::End);
        self.send().await?;
        let account = Some(self.player.desk.account());
        let everything = MassCancelRequest { account, ..Default::default() };
        let last_id = self.sender.mass_cancel(everything).await?;
        let answered = async {
            while let Some(told) = events.next().await? {
                let Told::Engine(event) = told else { continue };
                self.tally.heard(event.request_id);
                self.count(&event);
                if matches!(event.body, Some(Body::Ack(_))) && event.request_id == last_id {
                    return Ok(true);
                }
            }
            Ok::<_, ClientError>(false)
        };
        // What was done is told in any case.
        match tokio::time::timeout(GOODBYE, answered).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                (self.note)(format_args!("the server ended the session; that cancels our orders"))
            }
            Ok(Err(error)) => (self.note)(format_args!("{error}; that cancels our orders")),
            Err(_) => (self.note)(format_args!(
                "no answer to the mass cancel; the end of the session cancels our orders"
            )),
        }
        Ok(self.tally)
    }
}
