//! What accounts hold and did.

use super::{Shared, page, token_numbers};
use crate::convert::{reports, requests};
use crate::error::Refusal;
use crate::view::{OrderView, View};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::account_service_server::AccountService;
use tidegate_model::event::{OrdStatus, Position};
use tidegate_model::{AccountId, Instrument, InstrumentId, OrderId, SeqNo};
use tonic::{Request, Response, Status};

/// Accounts of one page where none is asked for.
const ACCOUNTS_PAGE: usize = 1_000;
/// Positions of one page where none is asked for.
const POSITIONS_PAGE: usize = 1_000;
/// Orders of one page where none is asked for.
const ORDERS_PAGE: usize = 100;
/// How long GetQueue waits for what the engine says, and for its release.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// AccountService.
#[derive(Clone, Debug)]
pub(crate) struct Accounts(pub Arc<Shared>);

fn open_account(view: &View, number: u32) -> Result<AccountId, Refusal> {
    let id = requests::account(number)?;
    let is_open = view.accounts.get(&id).is_some_and(|account| account.cash.is_some());
    if is_open {
        Ok(id)
    } else {
        Err(Refusal::not_found(
            "account",
            format_args!("{number} is not open; ListAccounts says which are"),
        ))
    }
}

/// What a listing is narrowed to.
struct Scope {
    account: Option<AccountId>,
    instrument: Option<InstrumentId>,
}

impl Scope {
    fn new(view: &View, account: Option<u32>, symbol: &str) -> Result<Self, Refusal> {
        let instrument = match symbol {
            "" => None,
            text => Some(requests::instrument(view, text)?.0),
        };
        let account = account.map(|number| open_account(view, number)).transpose()?;
        Ok(Self { account, instrument })
    }

    fn has(&self, account: AccountId, instrument: InstrumentId) -> bool {
        self.account.is_none_or(|wanted| wanted == account)
            && self.instrument.is_none_or(|wanted| wanted == instrument)
    }
}

#[tonic::async_trait]
impl AccountService for Accounts {
    async fn get_account(
        &self,
        request: Request<proto::GetAccountRequest>,
    ) -> Result<Response<proto::GetAccountResponse>, Status> {
        self.0.auth.reader(&request)?;
        let view = self.0.view();
        let id = open_account(&view, request.get_ref().account)?;
        let account = view.accounts.get(&id);
        let mut reports = account
            .into_iter()
            .flat_map(|account| account.currencies())
            .map(|cash| reports::account_report(id, cash));
        Ok(Response::new(proto::GetAccountResponse {
            account: reports.next(),
            others: reports.collect(),
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<proto::ListAccountsRequest>,
    ) -> Result<Response<proto::ListAccountsResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ACCOUNTS_PAGE)?;
        let from = match token_numbers::<1>(&request.page_token)? {
            None => Bound::Unbounded,
            Some([account]) => {
                Bound::Excluded(AccountId(u32::try_from(account).unwrap_or(u32::MAX)))
            }
        };
        let view = self.0.view();
        let accounts = view.accounts.range((from, Bound::Unbounded)).take(size + 1).collect();
        let (accounts, next_page_token) = page(accounts, size, |(id, _)| id.to_string());
        let reports = accounts.into_iter().flat_map(|(id, account)| {
            account.currencies().map(|cash| reports::account_report(*id, cash))
        });
        Ok(Response::new(proto::ListAccountsResponse {
            accounts: reports.collect(),
            as_of: Some(reports::position(view.as_of)),
            next_page_token,
        }))
    }

    async fn list_positions(
        &self,
        request: Request<proto::ListPositionsRequest>,
    ) -> Result<Response<proto::ListPositionsResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, POSITIONS_PAGE)?;
        let from = match token_numbers::<2>(&request.page_token)? {
            None => Bound::Unbounded,
            Some([account, instrument]) => Bound::Excluded((
                AccountId(u32::try_from(account).unwrap_or(u32::MAX)),
                InstrumentId(u32::try_from(instrument).unwrap_or(u32::MAX)),
            )),
        };
        type Held = (AccountId, InstrumentId, Position, Arc<Instrument>);
        let (rows, as_of) = {
            let view = self.0.view();
            let scope = Scope::new(&view, request.account, &request.symbol)?;
            let rows: Vec<Held> = view
                .positions
                .range((from, Bound::Unbounded))
                .filter(|((account, instrument), held)| {
                    scope.has(*account, *instrument) && (held.qty != 0 || request.include_flat)
                })
                .filter_map(|((account, id), held)| {
                    let terms = view.instrument(*id)?;
                    Some((*account, *id, *held, Arc::clone(terms)))
                })
                .take(size + 1)
                .collect();
            (rows, view.as_of)
        };
        let (rows, next_page_token) =
            page(rows, size, |(account, id, ..)| format!("{account}-{id}"));
        let report = |(account, id, held, terms): &Held| {
            let mut report = reports::position_report(*account, held, terms);
            let cell = self.0.board.wanted(*id);
            let mark = cell.look(|book| super::market_data::mark(terms, book, held)).flatten();
            if let Some((price, unrealised)) = mark {
                report.mark_price = price;
                report.unrealised = unrealised;
            }
            report
        };
        Ok(Response::new(proto::ListPositionsResponse {
            positions: rows.iter().map(report).collect(),
            as_of: Some(reports::position(as_of)),
            next_page_token,
        }))
    }

    async fn list_orders(
        &self,
        request: Request<proto::ListOrdersRequest>,
    ) -> Result<Response<proto::ListOrdersResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ORDERS_PAGE)?;
        let from = token_numbers::<1>(&request.page_token)?
            .map_or(Bound::Unbounded, |[id]| Bound::Excluded(OrderId(id)));
        let view = self.0.view();
        let scope = Scope::new(&view, request.account, &request.symbol)?;
        let is_wanted = |order: &&OrderView| {
            let status = OrdStatus::from_wire(order.execution.ord_status);
            let is_final = status.is_some_and(OrdStatus::is_final);
            scope.has(order.record.account, order.record.instrument)
                && (!is_final || request.include_finished)
        };
        let rows: Vec<&OrderView> = view
            .orders
            .range((from, Bound::Unbounded))
            .map(|(_, order)| order)
            .filter(is_wanted)
            .take(size + 1)
            .collect();
        let (rows, next_page_token) =
            page(rows, size, |order| order.execution.order_id.to_string());
        Ok(Response::new(proto::ListOrdersResponse {
            orders: rows.iter().map(|order| reports::standing_order(&view, order)).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
            finished_dropped: view.finished_dropped,
        }))
    }

    async fn get_order(
        &self,
        request: Request<proto::GetOrderRequest>,
    ) -> Result<Response<proto::GetOrderResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let account = requests::account(request.account)?;
        let name = requests::order_asked(request.order.as_ref())?;
        let view = self.0.view();
        let found = match name.order_id {
            OrderId(0) => view.order_by_client_id(account, name.client_order_id),
            id => view.orders.get(&id).filter(|order| order.record.account == account),
        };
        let order = found.ok_or_else(|| {
            Refusal::not_found(
                "order",
                format_args!(
                    "account {account} has no such order open or finished today; one refused at the gate was never an order, StreamEvents has it"
                ),
            )
        })?;
        Ok(Response::new(proto::GetOrderResponse {
            report: Some(reports::standing_order(&view, order)),
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn get_queue(
        &self,
        request: Request<proto::GetQueueRequest>,
    ) -> Result<Response<proto::GetQueueResponse>, Status> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let (account, instrument, terms, heard) = {
            let view = self.0.view();
            let account = open_account(&view, request.account)?;
            let (instrument, terms) = requests::instrument(&view, &request.symbol)?;
            (account, instrument, terms, view.as_of.seq)
        };
        let status = &self.0.status;
        if !status.alive.load(Ordering::Acquire) {
            return Err(Status::unavailable("the engine is not running"));
        }
        // Nothing that the caller may have heard of by now is missing.
        let shown = self.0.board.cell(instrument).look(|book| book.seq).unwrap_or_default();
        let since = heard.max(shown).max(SeqNo(status.seq.load(Ordering::Acquire)));
        let told = async {
            let picture = self.0.places.after(since, instrument).await;
            self.0.reach(self.0.release.level(), picture.seq).await?;
            Ok(picture)
        };
        let picture = tokio::time::timeout(QUEUE_TIMEOUT, told).await.unwrap_or_else(|_| {
            Err(Status::unavailable("the engine has not told the places in the queue; try again"))
        })?;
        Ok(Response::new(reports::queue(&picture, account, &terms)))
    }
}
