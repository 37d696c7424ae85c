//! A connection to the edge, with typed calls.

use crate::ClientError;
use crate::events::{EventFilter, EventStream};
use crate::nodes;
use crate::proto::account_service_client::AccountServiceClient;
use crate::proto::admin_service_client::AdminServiceClient;
use crate::proto::backtest_service_client::BacktestServiceClient;
use crate::proto::desk_service_client::DeskServiceClient;
use crate::proto::event_service_client::EventServiceClient;
use crate::proto::latency_service_client::LatencyServiceClient;
use crate::proto::market_data_service_client::MarketDataServiceClient;
use crate::proto::order_event::Event as Heard;
use crate::proto::order_service_client::OrderServiceClient;
use crate::proto::risk_service_client::RiskServiceClient;
use crate::proto::{self, EventPosition, OrderEvent, OrderReport};
use crate::session::{OUTGOING_MAX, OrderEvents, OrderSender, OrderSession};
use crate::tls::Tls;
use std::time::Duration;
use tidegate_model::ReleaseLevel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// How often an idle connection is probed, so that a dead server is noticed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Bytes of one stream that may wait to be read.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes of all streams that may wait. HTTP/2 allows small unread frames an overhead of half of it and cuts the
/// connection beyond: with this ratio, streams that nobody reads for a while are held back by their window instead.
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;

/// The name under which a call says which release level it asks for.
pub const RELEASE_LEVEL_KEY: &str = "tidegate-release-level";

/// The name under which a call of a gateway says which principal it acts for.
pub const PRINCIPAL_KEY: &str = "tidegate-principal";

/// The name under which a call says which trace it belongs to (W3C Trace Context).
pub const TRACEPARENT_KEY: &str = "traceparent";

tokio::task_local! {
    /// The trace that this task's calls belong to, as [`TRACEPARENT_KEY`] has it; outside of a scope they belong to none.
    pub static TRACEPARENT: String;
}

/// Adds to every request who asks, and what the answer is to wait for.
#[derive(Clone, Debug)]
pub struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    level: Option<ReleaseLevel>,
    principal: Option<u32>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        if let Some(token) = &self.token {
            metadata.insert("authorization", token.clone());
        }
        if let Some(level) = self.level {
            metadata.insert(RELEASE_LEVEL_KEY, MetadataValue::from_static(level.as_str()));
        }
        if let Some(principal) = self.principal {
            metadata.insert(PRINCIPAL_KEY, principal.into());
        }
        if let Ok(Ok(trace)) = TRACEPARENT.try_with(|trace| trace.parse()) {
            metadata.insert(TRACEPARENT_KEY, trace);
        }
        Ok(request)
    }
}

type Service = InterceptedService<Channel, Bearer>;
pub(crate) type Events = EventServiceClient<Service>;

/// Names one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderRef {
    /// By the engine's number.
    Id(u64),
    /// By the client's own name.
    ClientId(String),
}

/// A connection to the edge; clones share it. It reconnects by itself when used after a disconnect.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    bearer: Bearer,
}

macro_rules! unary {
    ($(#[$meta:meta])* $name:ident($request:ident) -> $response:ident, $service:ident) => {
        $(#[$meta])*
        ///
        /// # Errors
        /// [`ClientError::Call`].
        pub async fn $name(
            &self,
            request: proto::$request,
        ) -> Result<proto::$response, ClientError> {
            let answer = self.$service().$name(request).await;
            Ok(answer.map_err(ClientError::call(stringify!($name)))?.into_inner())
        }
    };
}

macro_rules! report {
    ($(#[$meta:meta])* $short:ident => $name:ident($request:ident)) => {
        $(#[$meta])*
        ///
        /// # Errors
        /// [`ClientError::Call`], which says when the outcome is unknown.
        pub async fn $short(
            &self,
            request: proto::$request,
        ) -> Result<OrderReport, ClientError> {
            let answer = self.order_service().$name(request).await;
            let answer = answer.map_err(ClientError::call(stringify!($name)))?.into_inner();
            answer.report.ok_or(ClientError::Protocol { call: stringify!($name), part: "report" })
        }
    };
}

macro_rules! stream {
    ($(#[$meta:meta])* $name:ident($request:ident) -> $item:ident, $service:ident) => {
        $(#[$meta])*
        ///
        /// # Errors
        /// [`ClientError::Call`].
        pub async fn $name(
            &self,
            request: proto::$request,
        ) -> Result<Streaming<proto::$item>, ClientError> {
            let answer = self.$service().$name(request).await;
            Ok(answer.map_err(ClientError::call(stringify!($name)))?.into_inner())
        }
    };
}

impl Client {
    /// Connects to `addr`, e.g. `http://127.0.0.1:7800` (`http://` may be left out), with the token for calls that
    /// change something; without one, only reading is possible, if the server allows it. With `https://` it speaks TLS 1.3 as the
    /// environment says ([`Tls::from_env`]).
    ///
    /// Of a deployment with standbys give the addresses of all nodes, with commas between them: the primary is the one that takes
    /// connections. When it is gone the next call, and every [`EventStream`], goes to the one that has taken over.
    ///
    /// # Errors
    /// [`ClientError::Address`], [`ClientError::Tls`], [`ClientError::Connect`], [`ClientError::Token`].
    pub async fn connect(addr: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let tls = nodes::is_encrypted(addr).then(Tls::from_env).transpose()?;
        Self::connect_with(addr, token, tls).await
    }

    /// The same to an `https://` address, with files of the caller's.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_tls(
        addr: &str,
        token: Option<&str>,
        tls: Tls,
    ) -> Result<Self, ClientError> {
        Self::connect_with(addr, token, Some(tls)).await
    }

    async fn connect_with(
        addr: &str,
        token: Option<&str>,
        tls: Option<Tls>,
    ) -> Result<Self, ClientError> {
        let with = |endpoint: Endpoint| {
            endpoint
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_while_idle(true)
        };
        let bearer = token
            .map(|token| format!("Bearer {token}").parse().map_err(|_| ClientError::Token))
            .transpose()?;
        let channel = nodes::connect(addr, tls, with).await?;
        Ok(Self { channel, bearer: Bearer { token: bearer, level: None, principal: None } })
    }

    /// The same connection, whose calls, sessions and event streams ask for acknowledgements of `level`. Answers say what
    /// they have waited for: `level` and the deployment's own, whichever of the two asks for more.
    pub fn with_release_level(&self, level: ReleaseLevel) -> Self {
        let mut asking = self.clone();
        asking.bearer.level = Some(level);
        asking
    }

    /// The same connection, whose calls and sessions are those of `principal`: for a gateway, whose token acts for that one
    /// (`acts_for`). Reading is the same for all.
    pub fn acting_for(&self, principal: u32) -> Self {
        let mut acting = self.clone();
        acting.bearer.principal = Some(principal);
        acting
    }

    fn order_service(&self) -> OrderServiceClient<Service> {
        OrderServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn event_service(&self) -> Events {
        EventServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn latency_service(&self) -> LatencyServiceClient<Service> {
        LatencyServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn market_data_service(&self) -> MarketDataServiceClient<Service> {
        MarketDataServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn account_service(&self) -> AccountServiceClient<Service> {
        AccountServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn admin_service(&self) -> AdminServiceClient<Service> {
        AdminServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn desk_service(&self) -> DeskServiceClient<Service> {
        DeskServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    fn risk_service(&self) -> RiskServiceClient<Service> {
        RiskServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn backtest_service(&self) -> BacktestServiceClient<Service> {
        BacktestServiceClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    report!(
        /// Sends one order and waits for the engine's first word on it; a refusal is in `report.reject`.
        submit => submit_order(SubmitOrderRequest)
    );
    report!(
        /// Asks to cancel one order and waits for the first answer.
        cancel => cancel_order(CancelOrderRequest)
    );
    report!(
        /// Asks to change one order and waits for the first answer.
        replace => replace_order(ReplaceOrderRequest)
    );
    unary!(
        /// Sends a list of orders and waits until it is taken or refused; a refusal is in `list.reject`.
        submit_list(SubmitListRequest) -> SubmitListResponse, order_service
    );
    report!(
        /// Sends a parent order and waits until it is accepted or refused.
        algorithm => submit_algorithm(SubmitAlgorithmRequest)
    );
    unary!(
        /// Closes positions, now or at a time.
        flatten(FlattenRequest) -> FlattenResponse, order_service
    );
    unary!(
        /// Cancels every open order in scope.
        mass_cancel(MassCancelRequest) -> MassCancelResponse, order_service
    );

    /// Opens a session with a ring into the engine of its own.
    ///
    /// # Errors
    /// [`ClientError::Call`], among others with `ResourceExhausted` when all sessions are taken.
    pub async fn order_session(&self) -> Result<OrderSession, ClientError> {
        const CALL: &str = "OrderSession";
        let (requests, outgoing) = mpsc::channel(OUTGOING_MAX);
        let answer = self.order_service().order_session(ReceiverStream::new(outgoing)).await;
        let mut incoming = answer.map_err(ClientError::call(CALL))?.into_inner();
        match incoming.message().await.map_err(ClientError::call(CALL))? {
            Some(OrderEvent { event: Some(Heard::Opened(opened)) }) => {
                let (sender, events) = (OrderSender::new(requests), OrderEvents::new(incoming));
                Ok(OrderSession { opened, sender, events })
            }
            _ => Err(ClientError::Protocol { call: CALL, part: "SessionOpened" }),
        }
    }

    /// Every event after `after` (from the first, if absent) that passes `filter`, then live; see [`EventStream`].
    pub fn events(&self, after: Option<EventPosition>, filter: EventFilter) -> EventStream {
        EventStream::new(self, after, filter)
    }

    stream!(
        /// Trades as they happen.
        trades(TradesRequest) -> Trade, market_data_service
    );
    stream!(
        /// Best bid and offer, on change.
        quotes(QuotesRequest) -> Quote, market_data_service
    );
    stream!(
        /// A snapshot of each book, then deltas.
        books(BooksRequest) -> BookUpdate, market_data_service
    );
    unary!(
        /// What each stage of an order's way takes, and what took longer than it may.
        get_latency(GetLatencyRequest) -> LatencyReport, latency_service
    );
    stream!(
        /// The same again and again.
        stream_latency(StreamLatencyRequest) -> LatencyReport, latency_service
    );
    stream!(
        /// The ways of calls that belong to a trace, for whoever collects them.
        stream_traces(StreamTracesRequest) -> LatencyTrace, latency_service
    );
    unary!(
        /// The book of one symbol now.
        get_book(GetBookRequest) -> Book, market_data_service
    );
    unary!(
        /// One page of instruments.
        list_instruments(ListInstrumentsRequest) -> ListInstrumentsResponse, market_data_service
    );

    /// All instruments, page after page.
    ///
    /// # Errors
    /// [`ClientError::Call`].
    pub async fn instruments(&self) -> Result<Vec<proto::Instrument>, ClientError> {
        let mut all = Vec::new();
        let mut request = proto::ListInstrumentsRequest::default();
        loop {
            let page = self.list_instruments(request.clone()).await?;
            all.extend(page.instruments);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    unary!(
        /// One account's cash.
        get_account(GetAccountRequest) -> GetAccountResponse, account_service
    );
    unary!(
        /// All accounts.
        list_accounts(ListAccountsRequest) -> ListAccountsResponse, account_service
    );
    unary!(
        /// Positions with realised and unrealised profit and loss.
        list_positions(ListPositionsRequest) -> ListPositionsResponse, account_service
    );
    unary!(
        /// One page of orders.
        list_orders(ListOrdersRequest) -> ListOrdersResponse, account_service
    );
    unary!(
        /// One order as it stands.
        get_order(GetOrderRequest) -> GetOrderResponse, account_service
    );
    unary!(
        /// Where the resting orders of one account stand in the queues of one symbol.
        get_queue(GetQueueRequest) -> GetQueueResponse, account_service
    );
    unary!(
        /// Defines an instrument.
        define_instrument(DefineInstrumentRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Opens an account.
        open_account(OpenAccountRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Pays cash into or out of an account.
        transfer(TransferRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Sets every limit of one account.
        set_limits(SetLimitsRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// The limits of one account.
        get_limits(GetLimitsRequest) -> GetLimitsResponse, admin_service
    );
    unary!(
        /// Says who a principal is that the gateway acts for, and what it may.
        set_principal(SetPrincipalRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Steps a market of the house, or every one, to another phase.
        set_phase(SetPhaseRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Sets the price bands of a market of the house, or of every one.
        set_bands(SetBandsRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Sets the price that a market of the house begins from.
        set_reference(SetReferenceRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// The phase of a market of the house.
        get_phase(GetPhaseRequest) -> PhaseReport, market_data_service
    );
    unary!(
        /// Sets a curve of volume.
        set_volume_curve(SetVolumeCurveRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Ends the trading day.
        day_roll(DayRollRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// Sets a rate between two currencies.
        set_rate(SetRateRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Changes cash of one currency into another.
        convert(ConvertRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Sets a schedule of fees.
        set_fees(SetFeesRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Gives an account or an instrument a schedule of fees.
        assign_fees(AssignFeesRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Sets the margins of an instrument.
        set_margin(SetMarginRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Sets the tick table of an instrument.
        set_tick_table(SetTickTableRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Sets what being short costs.
        set_borrow(SetBorrowRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Pays a dividend.
        pay_dividend(PayDividendRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Splits an instrument.
        split_instrument(SplitInstrumentRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Sets a settlement price.
        settle(SettleRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Takes an execution of the day back.
        bust_trade(BustTradeRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// Puts an execution of the day right.
        correct_trade(CorrectTradeRequest) -> AdminResponse, desk_service
    );
    unary!(
        /// What an account is worth.
        get_equity(GetEquityRequest) -> GetEquityResponse, desk_service
    );
    unary!(
        /// Sets one control of one scope.
        set_control(SetControlRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// Asks for one control of one scope to be taken away.
        clear_control(ClearControlRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// One page of the controls in force.
        list_controls(ListControlsRequest) -> ListControlsResponse, risk_service
    );
    unary!(
        /// One page of accounts' limits.
        list_limits(ListLimitsRequest) -> ListLimitsResponse, risk_service
    );
    unary!(
        /// One page of principals.
        list_principals(ListPrincipalsRequest) -> ListPrincipalsResponse, risk_service
    );
    unary!(
        /// Puts a member into a group.
        set_group(SetGroupRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// One page of members of groups.
        list_groups(ListGroupsRequest) -> ListGroupsResponse, risk_service
    );
    unary!(
        /// Puts an instrument on a list, or takes it off.
        set_listed(SetListedRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// One page of instruments on lists.
        list_listed(ListListedRequest) -> ListListedResponse, risk_service
    );
    unary!(
        /// Sets the factors of an instrument.
        set_factors(SetFactorsRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// Says how much was located to borrow.
        grant_locate(GrantLocateRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// One page of locates.
        list_locates(ListLocatesRequest) -> ListLocatesResponse, risk_service
    );
    unary!(
        /// Engages the kill switch of any scope.
        kill(KillRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// Asks for the release of a kill switch.
        release(ReleaseRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// Lets a scope go on that a control stopped.
        enable(EnableRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// Scopes that stand still.
        list_stopped(ListStoppedRequest) -> ListStoppedResponse, risk_service
    );
    unary!(
        /// One page of proposals.
        list_proposals(ListProposalsRequest) -> ListProposalsResponse, risk_service
    );
    unary!(
        /// Approves or refuses a proposal.
        decide(DecideRequest) -> AdminResponse, risk_service
    );
    unary!(
        /// What each control would say of an order, which is not sent.
        check_order(CheckOrderRequest) -> CheckOrderResponse, risk_service
    );
    unary!(
        /// One page of the history of controls.
        history(HistoryRequest) -> HistoryResponse, risk_service
    );
    unary!(
        /// Confirms a difference of positions between here and the venue of a live route.
        confirm_position(ConfirmPositionRequest) -> AdminResponse, admin_service
    );
    unary!(
        /// How each live route stands.
        list_routes(ListRoutesRequest) -> ListRoutesResponse, admin_service
    );
    unary!(
        /// Where engine and edge stand.
        get_status(GetStatusRequest) -> GetStatusResponse, admin_service
    );
}
