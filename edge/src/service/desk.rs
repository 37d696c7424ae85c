//! The desk.

use super::{Done, Shared, misfit};
use crate::answers::Expect;
use crate::convert::{desk, reports};
use crate::error::Refusal;
use crate::view::View;
use std::sync::Arc;
use tidegate_client::proto;
use tidegate_client::proto::desk_service_server::DeskService;
use tidegate_model::{Command, Event};
use tonic::{Request, Response, Status};

/// DeskService.
#[derive(Clone, Debug)]
pub(crate) struct Desk(pub Arc<Shared>);

impl Desk {
    async fn administer<T>(
        &self,
        request: Request<T>,
        read: impl FnOnce(&View, &T) -> Result<Command, Refusal>,
    ) -> Done {
        let caller = self.0.auth.administrator(&request)?;
        let command = read(&self.0.view(), request.get_ref())?;
        self.0.administer(caller, command).await
    }
}

#[tonic::async_trait]
impl DeskService for Desk {
    async fn set_rate(&self, request: Request<proto::SetRateRequest>) -> Done {
        self.administer(request, |_, asked| desk::set_rate(asked)).await
    }

    async fn convert(&self, request: Request<proto::ConvertRequest>) -> Done {
        self.administer(request, |_, asked| desk::convert(asked)).await
    }

    async fn set_fees(&self, request: Request<proto::SetFeesRequest>) -> Done {
        self.administer(request, |_, asked| desk::set_fees(asked)).await
    }

    async fn assign_fees(&self, request: Request<proto::AssignFeesRequest>) -> Done {
        self.administer(request, desk::assign_fees).await
    }

    async fn set_margin(&self, request: Request<proto::SetMarginRequest>) -> Done {
        self.administer(request, desk::set_margin).await
    }

    async fn set_tick_table(&self, request: Request<proto::SetTickTableRequest>) -> Done {
        self.administer(request, desk::set_tick_table).await
    }

    async fn set_borrow(&self, request: Request<proto::SetBorrowRequest>) -> Done {
        self.administer(request, desk::set_borrow).await
    }

    async fn pay_dividend(&self, request: Request<proto::PayDividendRequest>) -> Done {
        self.administer(request, desk::pay_dividend).await
    }

    async fn split_instrument(&self, request: Request<proto::SplitInstrumentRequest>) -> Done {
        self.administer(request, desk::split).await
    }

    async fn settle(&self, request: Request<proto::SettleRequest>) -> Done {
        self.administer(request, desk::settle).await
    }

    async fn bust_trade(&self, request: Request<proto::BustTradeRequest>) -> Done {
        self.administer(request, |_, asked| desk::bust_trade(asked)).await
    }

    async fn correct_trade(&self, request: Request<proto::CorrectTradeRequest>) -> Done {
        self.administer(request, desk::correct_trade).await
    }

    async fn get_equity(
        &self,
        request: Request<proto::GetEquityRequest>,
    ) -> Result<Response<proto::GetEquityResponse>, Status> {
        let caller = self.0.auth.administrator(&request)?;
        let command = desk::get_equity(request.get_ref())?;
        let record = self.0.ask(caller, command, Expect::Equity).await?;
        match record.event() {
            Some(Event::Equity(worth)) => Ok(Response::new(reports::equity(&record, &worth))),
            Some(Event::Ack(ack)) => {
                let proto::AdminResponse { reject, position, .. } =
                    reports::admin(&record, &ack, 0, caller.level);
                Ok(Response::new(proto::GetEquityResponse { equity: None, reject, position }))
            }
            _ => Err(misfit(&record)),
        }
    }
}
