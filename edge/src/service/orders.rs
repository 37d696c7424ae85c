//! Orders, one at a time.

use super::{Shared, misfit, session};
use crate::answers::Expect;
use crate::auth::Caller;
use crate::convert::{lists, reports, requests};
use crate::error::Refusal;
use crate::link::EventPosition;
use std::sync::Arc;
use tidegate_client::proto;
use tidegate_client::proto::order_service_server::OrderService;
use tidegate_model::{Command, Event};
use tonic::{Request, Response, Status, Streaming};

/// OrderService.
#[derive(Clone, Debug)]
pub(crate) struct Orders(pub Arc<Shared>);

impl Orders {
    async fn report(
        &self,
        caller: Caller,
        commands: &[Command],
    ) -> Result<proto::OrderReport, Status> {
        let record = self.0.ask_all(caller, commands, Expect::Report).await?;
        match record.event() {
            Some(Event::Execution(execution) | Event::CancelReject(execution)) => {
                let report = reports::any_order(&self.0.view(), &record, &execution);
                Ok(proto::OrderReport { release_level: reports::level(caller.level), ..report })
            }
            _ => Err(misfit(&record)),
        }
    }
}

/// Refuses what would need a session to end with.
fn check_lives_alone(order: &proto::SubmitOrderRequest) -> Result<(), Refusal> {
    if !order.cancel_on_disconnect {
        return Ok(());
    }
    let text = "needs a session: send the order over OrderSession";
    Err(Refusal::invalid("cancel_on_disconnect", text))
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn submit_order(
        &self,
        request: Request<proto::SubmitOrderRequest>,
    ) -> Result<Response<proto::SubmitOrderResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let request = request.into_inner();
        check_lives_alone(&request)?;
        let command = requests::new_order(&self.0.view(), &request)?;
        let report = self.report(caller, &[command]).await?;
        Ok(Response::new(proto::SubmitOrderResponse { report: Some(report) }))
    }

    async fn cancel_order(
        &self,
        request: Request<proto::CancelOrderRequest>,
    ) -> Result<Response<proto::CancelOrderResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let command = requests::cancel(request.get_ref())?;
        let report = self.report(caller, &[command]).await?;
        Ok(Response::new(proto::CancelOrderResponse { report: Some(report) }))
    }

    async fn replace_order(
        &self,
        request: Request<proto::ReplaceOrderRequest>,
    ) -> Result<Response<proto::ReplaceOrderResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let command = requests::replace(&self.0.view(), request.get_ref())?;
        let report = self.report(caller, &[command]).await?;
        Ok(Response::new(proto::ReplaceOrderResponse { report: Some(report) }))
    }

    async fn submit_list(
        &self,
        request: Request<proto::SubmitListRequest>,
    ) -> Result<Response<proto::SubmitListResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        request.get_ref().legs.iter().try_for_each(check_lives_alone)?;
        let commands = lists::list(&self.0.view(), request.get_ref())?;
        let record = self.0.ask_all(caller, &commands, Expect::List).await?;
        let Some(Event::ListStatus(status)) = record.event() else { return Err(misfit(&record)) };
        let list = Some(reports::list(&status));
        let position = Some(reports::position(EventPosition::of(&record)));
        let release_level = reports::level(caller.level);
        Ok(Response::new(proto::SubmitListResponse { list, position, release_level }))
    }

    async fn submit_algorithm(
        &self,
        request: Request<proto::SubmitAlgorithmRequest>,
    ) -> Result<Response<proto::SubmitAlgorithmResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        request.get_ref().parent.iter().try_for_each(check_lives_alone)?;
        let commands = lists::algorithm(&self.0.view(), request.get_ref())?;
        let report = self.report(caller, &commands).await?;
        Ok(Response::new(proto::SubmitAlgorithmResponse { report: Some(report) }))
    }

    async fn flatten(
        &self,
        request: Request<proto::FlattenRequest>,
    ) -> Result<Response<proto::FlattenResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let command = lists::flatten(&self.0.view(), request.get_ref())?;
        let record = self.0.ask(caller, command, Expect::Ack).await?;
        let Some(Event::Ack(ack)) = record.event() else { return Err(misfit(&record)) };
        Ok(Response::new(proto::FlattenResponse {
            waiting: ack.value,
            reject: ack.reject().map(|refused| reports::reject(&refused, None)),
            position: Some(reports::position(EventPosition::of(&record))),
            release_level: reports::level(caller.level),
        }))
    }

    async fn mass_cancel(
        &self,
        request: Request<proto::MassCancelRequest>,
    ) -> Result<Response<proto::MassCancelResponse>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let command = requests::mass_cancel(&self.0.view(), request.get_ref())?;
        let record = self.0.ask(caller, command, Expect::Ack).await?;
        let Some(Event::Ack(ack)) = record.event() else { return Err(misfit(&record)) };
        Ok(Response::new(proto::MassCancelResponse {
            canceled: ack.value,
            reject: ack.reject().map(|refused| reports::reject(&refused, None)),
            position: Some(reports::position(EventPosition::of(&record))),
            release_level: reports::level(caller.level),
        }))
    }

    type OrderSessionStream = session::Reports;

    async fn order_session(
        &self,
        request: Request<Streaming<proto::OrderRequest>>,
    ) -> Result<Response<Self::OrderSessionStream>, Status> {
        let caller = self.0.auth.trader(&request)?;
        let client = self.0.auth.reader(&request)?;
        session::open(&self.0, caller, client, request.into_inner()).map(Response::new)
    }
}
