//! GraphQL over the REST API, for those who want one question for one screen. It decides nothing: each field is a call of the same
//! caller ([`rest::Rest`]), so what may be done, limits and idempotency are those of REST.

mod rest;
mod subscription;
mod types;
mod weight;

pub(crate) use rest::{Rest, refused};
pub(crate) use subscription::Follower;

use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::Body;
use crate::http::escaped;
use async_graphql::{Context, ID, Object, Pos, Request, Response, Schema, SimpleObject, Variables};
use axum::http::{Method, request::Parts};
use axum::{Extension, Json, Router};
use futures_util::stream::{BoxStream, StreamExt, once};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::future::ready;
use std::sync::Arc;
use subscription::Subscription;
use types::{Decimal, Order, OrderInput, Position, Quote, User};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// How deep a question may be: as deep as the question for the schema that tools send.
const DEPTH_MAX: usize = 15;
/// How much a question may cost: each field counts one, each that asks the API [`CALL_COST`].
const COST_MAX: usize = 400;
/// What a field costs that asks the API; what is asked for each row of it comes on top.
const CALL_COST: usize = 20;

/// The schema, and what it asks.
#[derive(Clone)]
pub struct GraphQl {
    schema: Schema<Query, Mutation, Subscription>,
    rest: Router,
}

impl GraphQl {
    /// Over the routes of the API.
    pub fn new(rest: Router) -> Self {
        let schema = Schema::build(Query, Mutation, Subscription)
            .limit_depth(DEPTH_MAX)
            .limit_complexity(COST_MAX)
            .finish();
        Self { schema, rest }
    }

    /// The API as whoever sent a request reaches it.
    pub(crate) fn rest(&self, parts: &Parts) -> Rest {
        Rest::new(self.rest.clone(), parts)
    }

    /// Answers a question that came over a socket: once, or, to a subscription, as often as there is something.
    pub(crate) fn follow(
        &self,
        question: Question,
        rest: Rest,
        follower: Follower,
    ) -> BoxStream<'static, Response> {
        match question.request(rest) {
            Ok(request) => self.schema.execute_stream(request.data(follower)),
            Err(error) => {
                let error = refused(error).into_server_error(Pos::default());
                once(ready(Response::from_errors(vec![error]))).boxed()
            }
        }
    }
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(ask)).routes(routes!(schema))
}

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Question {
    /// The document.
    #[schema(example = "{ me { email } }")]
    query: String,
    /// Which of its operations.
    operation_name: Option<String>,
    /// Its variables.
    #[schema(value_type = Option<Object>)]
    variables: Option<Map<String, Value>>,
    /// For extensions of clients; passed over.
    #[schema(value_type = Option<Object>)]
    #[serde(rename = "extensions")]
    _extensions: Option<Map<String, Value>>,
}

impl Question {
    fn request(self, rest: Rest) -> Result<Request> {
        let document = weight::read(&self.query)?;
        let variables = Variables::from_json(json!(self.variables.unwrap_or_default()));
        let mut request = Request::new(self.query).variables(variables).data(rest);
        if let Some(document) = document {
            request.set_parsed_query(document);
        }
        Ok(match self.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        })
    }
}

/// What was asked for, and what went wrong of it.
#[derive(Debug, serde::Serialize, ToSchema)]
struct Reply {
    /// As the question has it.
    #[schema(value_type = Option<Object>)]
    data: Value,
    /// Each with `extensions.code`, one of the API's.
    #[schema(value_type = Option<Vec<Object>>)]
    errors: Option<Vec<Value>>,
}

/// Asks in GraphQL; GET /api/v1/graphql/schema has the schema. Each field needs the permission of the route that it asks.
#[utoipa::path(post, path = "/api/v1/graphql", tag = "graphql", security(("bearer" = ["profile:read"])),
    request_body = Question, responses((status = 200, body = Reply)))]
async fn ask(
    Extension(graphql): Extension<GraphQl>,
    parts: Parts,
    Body(question): Body<Question>,
) -> Result<Json<Value>> {
    let request = question.request(graphql.rest(&parts))?;
    let reply = graphql.schema.execute(request).await;
    Ok(Json(serde_json::to_value(reply).unwrap_or_default()))
}

/// The schema in GraphQL's own language.
#[utoipa::path(get, path = "/api/v1/graphql/schema", tag = "graphql", security(()),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn schema() -> String {
    Schema::new(Query, Mutation, Subscription).sdl()
}

/// What can be asked.
struct Query;

#[Object]
impl Query {
    /// The user who asks.
    #[graphql(complexity = "CALL_COST + child_complexity")]
    async fn me(&self, context: &Context<'_>) -> async_graphql::Result<User> {
        context.data::<Rest>()?.get("/api/v1/users/me").await
    }

    /// Best bid and offer of an instrument.
    #[graphql(complexity = "CALL_COST + child_complexity")]
    async fn quote(&self, context: &Context<'_>, symbol: String) -> async_graphql::Result<Quote> {
        context.data::<Rest>()?.get(&format!("/api/v1/quotes/{}", escaped(&symbol))).await
    }

    /// What one's accounts hold.
    #[graphql(complexity = "CALL_COST + 10 * child_complexity")]
    async fn positions(&self, context: &Context<'_>) -> async_graphql::Result<Vec<Position>> {
        context.data::<Rest>()?.get("/api/v1/positions").await
    }

    /// One's orders, the newest first; 1 to 200 of them.
    #[graphql(complexity = "CALL_COST + 10 * child_complexity")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50)] limit: u32,
    ) -> async_graphql::Result<Vec<Order>> {
        context.data::<Rest>()?.get(&format!("/api/v1/orders?limit={limit}")).await
    }
}

/// What can be done.
struct Mutation;

#[derive(Deserialize, SimpleObject)]
struct AccountId {
    id: ID,
}

#[Object]
impl Mutation {
    /// Enters an order.
    #[graphql(complexity = "2 * CALL_COST + child_complexity")]
    async fn place_order(
        &self,
        context: &Context<'_>,
        input: OrderInput,
    ) -> async_graphql::Result<Order> {
        let rest = context.data::<Rest>()?;
        let account = match input.account {
            Some(account) => account,
            None => {
                let mut all: Vec<AccountId> = rest.get("/api/v1/accounts").await?;
                match (all.pop(), all.is_empty()) {
                    (Some(only), true) => only.id,
                    _ => return Err("you have none or several accounts: name one".into()),
                }
            }
        };
        let mut order = json!({
            "account": account,
            "symbol": input.symbol,
            "side": input.side,
            "type": input.order_type,
            "qty": input.quantity,
        });
        for (name, price) in [("limit_price", input.price), ("stop_price", input.stop_price)] {
            if let Some(Decimal(price)) = price {
                order[name] = price.into();
            }
        }
        let field = context.field();
        let own = || rest.key(field.alias().unwrap_or(field.name()));
        let key = input.idempotency_key.or_else(own);
        let key = key.unwrap_or_else(|| Uuid::new_v4().to_string());
        rest.call(Method::POST, "/api/v1/orders", Some(&key), Some(order)).await
    }

    /// Asks to cancel an order; true once the engine has taken it.
    #[graphql(complexity = "CALL_COST")]
    async fn cancel_order(&self, context: &Context<'_>, id: ID) -> async_graphql::Result<bool> {
        let no_uuid = |_| refused(ApiError::field("id", "id: a UUID"));
        let id: Uuid = id.parse().map_err(no_uuid)?;
        let path = format!("/api/v1/orders/{id}");
        let _: Value = context.data::<Rest>()?.call(Method::DELETE, &path, None, None).await?;
        Ok(true)
    }
}
