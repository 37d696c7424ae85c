//! A strategy against a backtest that listens.

use super::convert::Symbols;
use super::{Desk, Heard, Player, Report, Request, Strategy};
use crate::ClientError;
use crate::client::Client;
use crate::proto::backtest_item::Item;
use crate::proto::{BacktestAnswer, BacktestStep};
use tidegate_model::{RejectReason, UnixNanos};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const CALL: &str = "BacktestService.Run";
/// What our orders are called: one backtest, one prefix.
const PREFIX: &str = "bt";

/// Runs `strategy` in a backtest: `tidegate backtest FILE --listen ADDR`, to which `client` is connected. Returns what the
/// backtest found, as JSON.
///
/// # Errors
/// [`ClientError::Call`] with the backtest's reason if it ended early; [`ClientError::Protocol`].
pub async fn trade_in_lock_step<S: Strategy>(
    client: &Client,
    strategy: S,
) -> Result<String, ClientError> {
    let (answers, outgoing) = mpsc::channel(1);
    let called = client.backtest_service().run(ReceiverStream::new(outgoing)).await;
    let mut steps = called.map_err(ClientError::call(CALL))?.into_inner();
    let mut wrong = ClientError::Protocol { call: CALL, part: "first step" };
    let mut next = steps.message().await.map_err(ClientError::call(CALL))?;
    let Some(first) = &next else { return Err(wrong) };
    let player = Player { desk: Desk::new(first.account, PREFIX), strategy };
    let symbols = Symbols::default();
    let mut lock_step = LockStep { player, symbols, sent: Vec::new(), sent_before: 0 };
    lock_step.player.hear(UnixNanos(first.now), &Heard::Start);
    while let Some(step) = next {
        if !step.summary.is_empty() {
            return Ok(step.summary);
        }
        let answer = lock_step.answer(step)?;
        // If nobody takes it, the other side has ended, and says why.
        let _ = answers.send(answer).await;
        next = steps.message().await.map_err(ClientError::call(CALL))?;
        wrong = ClientError::Protocol { call: CALL, part: "summary" };
    }
    Err(wrong)
}

struct LockStep<S> {
    player: Player<S>,
    symbols: Symbols,
    /// The requests of the last answer. If one is malformed, the next step says so.
    sent: Vec<Request>,
    /// How many were sent in the answers before it.
    sent_before: u64,
}

impl<S: Strategy> LockStep<S> {
    fn answer(&mut self, step: BacktestStep) -> Result<BacktestAnswer, ClientError> {
        let now = UnixNanos(step.now);
        for item in step.items.into_iter().filter_map(|item| item.item) {
            if let Some(heard) = self.heard(&item)? {
                self.player.hear(now, &heard);
            }
        }
        let desk = &mut self.player.desk;
        self.sent_before += self.sent.len() as u64;
        self.sent.clear();
        self.sent.extend(desk.take_requests());
        Ok(BacktestAnswer {
            step: step.step,
            requests: self.sent.iter().map(|r| self.symbols.request(desk, *r)).collect(),
            wake_at: desk.timer().map_or(0, |at| at.0),
        })
    }

    fn heard(&mut self, item: &Item) -> Result<Option<Heard>, ClientError> {
        match item {
            Item::Instrument(told) => {
                Ok(self.symbols.add(told)?.map(|terms| Heard::Instrument(terms, 0)))
            }
            Item::Quote(quote) => self.symbols.book(quote),
            Item::Trade(trade) => self.symbols.trade(trade),
            Item::Event(event) => self.symbols.event(event, &self.player.desk),
            Item::Refused(refused) => {
                let at = refused.request_id.checked_sub(self.sent_before + 1);
                let request = at.and_then(|at| self.sent.get(usize::try_from(at).ok()?));
                let refusal = request.and_then(|request| self.player.desk.refusal(request));
                let reject = Some(RejectReason::BadField);
                Ok(refusal.map(|refusal| Heard::Report(Report { reject, ..refusal })))
            }
            Item::Timer(_) => Ok(Some(Heard::Timer)),
            Item::End(_) => Ok(Some(Heard::End)),
        }
    }
}
