//! What GraphQL gives and takes: the API's own answers, under the names that GraphQL has for them.

use async_graphql::{ComplexObject, Enum, ID, InputObject, SimpleObject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A decimal number as text, exactly as the engine has it: `"101.25"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decimal(pub String);
async_graphql::scalar!(Decimal, "Decimal", "A decimal number as text, never rounded.");

/// A user.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub struct User {
    /// The user's UUID.
    pub id: ID,
    /// The log-in.
    pub email: String,
    /// What the user wants to be called.
    #[graphql(name = "fullName")]
    pub name: String,
    /// `viewer`, `trader`, `risk_officer`, `administrator` or `agent`.
    pub role: String,
    /// `free`, `basic`, `pro` or `enterprise`.
    #[graphql(name = "subscriptionTier")]
    pub plan: String,
    /// In milliseconds since the Unix epoch.
    #[graphql(skip)]
    pub created_at: i64,
}

#[ComplexObject]
impl User {
    /// When the user registered.
    async fn created_at(&self) -> Option<String> {
        Timestamp::from_millisecond(self.created_at).ok().map(|time| time.to_string())
    }
}

/// Best bid and offer.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub struct Quote {
    /// The instrument.
    pub symbol: String,
    /// Best bid.
    pub bid_price: Option<Decimal>,
    /// Quantity at it.
    pub bid_qty: Option<Decimal>,
    /// Best offer.
    pub ask_price: Option<Decimal>,
    /// Quantity at it.
    pub ask_qty: Option<Decimal>,
    /// Price of the last trade.
    pub last_price: Option<Decimal>,
    /// `trading`, `halted`, and so on.
    pub status: String,
    /// The engine's time of the last change.
    #[graphql(name = "timestamp")]
    pub time: String,
}

#[ComplexObject]
impl Quote {
    /// Price of the last trade.
    async fn price(&self) -> Option<&Decimal> {
        self.last_price.as_ref()
    }
}

/// A position.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
pub struct Position {
    /// The account's UUID.
    pub account: Option<ID>,
    /// What is held.
    pub symbol: String,
    /// Quantity; below 0 is short.
    #[graphql(name = "quantity")]
    pub qty: Decimal,
    /// Average price of the open position.
    #[graphql(name = "avgCost")]
    pub avg_price: Option<Decimal>,
    /// What it is valued at.
    #[graphql(name = "currentPrice")]
    pub mark_price: Option<Decimal>,
    /// Value less cost.
    #[graphql(name = "unrealizedPL")]
    pub unrealised: Option<Decimal>,
    /// Realised profit and loss before fees.
    #[graphql(name = "realizedPL")]
    pub realised: Decimal,
    /// The currency of all amounts.
    pub currency: String,
}

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
pub enum OrderSide {
    /// Buy.
    Buy,
    /// Sell.
    Sell,
}

/// How an order is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Enum)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At the market.
    Market,
    /// At a limit.
    Limit,
    /// At the market, once a trade is at the stop price or beyond.
    Stop,
    /// At a limit, once a trade is at the stop price or beyond.
    StopLimit,
    /// Any other, which REST alone enters.
    #[serde(other)]
    Other,
}

/// An order.
#[derive(Clone, Debug, Deserialize, SimpleObject)]
#[graphql(complex)]
pub struct Order {
    /// Its UUID.
    pub id: ID,
    /// The account's UUID.
    pub account: Option<ID>,
    /// What it trades.
    pub symbol: String,
    /// Buy or sell.
    pub side: Option<OrderSide>,
    /// How it is priced.
    #[serde(rename = "type")]
    #[graphql(name = "type")]
    pub order_type: Option<OrderType>,
    /// Quantity.
    #[graphql(name = "quantity")]
    pub qty: Decimal,
    /// Limit price.
    #[graphql(name = "price")]
    pub limit_price: Option<Decimal>,
    /// The price that it waits or waited for.
    pub stop_price: Option<Decimal>,
    /// Executed so far.
    #[graphql(name = "filledQuantity")]
    pub filled_qty: Decimal,
    /// Average price of what is executed.
    pub avg_price: Option<Decimal>,
    /// Where it stands: `new`, `partially_filled`, `filled`, `canceled`, `rejected`, and so on.
    pub status: Option<String>,
    /// When it was entered; RFC 3339.
    pub created_at: String,
    /// When it changed last; RFC 3339.
    pub updated_at: String,
}

#[ComplexObject]
impl Order {
    /// When it was executed to the end; RFC 3339.
    async fn filled_at(&self) -> Option<&str> {
        (self.status.as_deref() == Some("filled")).then_some(self.updated_at.as_str())
    }
}

/// A new order.
#[derive(Clone, Debug, InputObject)]
pub struct OrderInput {
    /// The account's UUID; absent: one's only account.
    pub account: Option<ID>,
    /// What it trades.
    pub symbol: String,
    /// Buy or sell.
    pub side: OrderSide,
    /// How it is priced.
    #[graphql(name = "type")]
    pub order_type: OrderType,
    /// Quantity, above 0.
    pub quantity: Decimal,
    /// Limit price.
    pub price: Option<Decimal>,
    /// Stop price.
    pub stop_price: Option<Decimal>,
    /// A name of one's own for this order, the same when it is tried again. Without it a repetition is another order.
    pub idempotency_key: Option<String>,
}
