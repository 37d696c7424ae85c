//! What is written: one JSON object a line.

use super::Instrument;
use serde::Serialize;
use tidegate_model::{Lots, Ticks, decimal};

/// An event, its fields in the order in which they are written.
#[derive(Debug, Serialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum Event {
    Accepted {
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        price: Option<String>,
    },
    Trade {
        maker: u64,
        taker: u64,
        price: String,
        qty: Qty,
    },
    /// A trade of an auction.
    #[serde(rename = "trade")]
    Cross {
        buy: u64,
        sell: u64,
        price: String,
        qty: Qty,
    },
    Canceled {
        id: u64,
        qty: Qty,
        reason: &'static str,
    },
    Replaced {
        id: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        price: Option<String>,
        qty: Qty,
    },
    Triggered {
        id: u64,
    },
    Rejected {
        id: u64,
        reason: &'static str,
        text: String,
    },
    Phase {
        to: &'static str,
    },
    Indicative {
        price: Option<String>,
        qty: Qty,
        imbalance: Qty,
        side: &'static str,
    },
    /// The displayed book after line `message`.
    Book {
        message: u64,
        bids: Vec<Level>,
        asks: Vec<Level>,
        orders: u64,
    },
}

/// Price, quantity and number of orders.
#[derive(Debug, Serialize)]
pub struct Level(pub String, pub Qty, pub u32);

/// A quantity: a number where it is whole, else the text of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Qty {
    Whole(u64),
    Text(String),
}

impl Instrument {
    /// A price as it is written.
    pub fn price(&self, price: Ticks) -> String {
        decimal::format_ticks(price, self.tick_nano, self.decimals)
    }

    /// The limit of an order, if it has one.
    pub fn limit(&self, price: Ticks) -> Option<String> {
        (price.0 != 0).then(|| self.price(price))
    }

    /// A quantity as it is written.
    pub fn qty(&self, qty: Lots) -> Qty {
        let text = self.qty_text(qty);
        text.parse().map_or(Qty::Text(text), Qty::Whole)
    }

    /// A quantity in words.
    pub fn qty_text(&self, qty: Lots) -> String {
        decimal::format_lots(qty, self.lot_nano, 0)
    }
}
