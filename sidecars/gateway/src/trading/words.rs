//! The words of orders as JSON has them: those of the protocol, in `snake_case`.

use serde::{Deserialize, Serialize};
use tidegate_client::proto;
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident: $($one:ident)+;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $(#[allow(missing_docs, reason = "the protocol says what it is")] $one),+ }

        #[allow(dead_code, reason = "each word needs its own of these")]
        impl $name {
            /// The word of a number of the protocol; `None` for none, and for one that is newer.
            pub fn of(number: i32) -> Option<Self> {
                match proto::$name::try_from(number) {
                    $(Ok(proto::$name::$one) => Some(Self::$one),)+
                    _ => None,
                }
            }

            /// Its number in the protocol.
            pub fn number(self) -> i32 {
                match self { $(Self::$one => proto::$name::$one.into()),+ }
            }

            /// As JSON has it.
            pub fn as_text(self) -> String {
                let text = serde_json::to_value(self).unwrap_or_default();
                text.as_str().unwrap_or_default().to_string()
            }
        }
    )*};
}

words! {
    /// Which way an order or position goes.
    Side: Buy Sell;
    /// How an order is priced, and what sets it off.
    OrderType: Market Limit Stop StopLimit MarketToLimit MarketIfTouched LimitIfTouched
        TrailingStop TrailingStopLimit Pegged;
    /// How long an order lives.
    TimeInForce: Day Gtc Ioc Fok Gtd AtTheOpen AtTheClose;
    /// What a pegged order follows.
    PegKind: Primary Market Mid;
    /// What becomes of a post-only order that would take at once.
    PostOnly: Reject Slide;
    /// What happens where an order would trade with another of its account.
    SelfTrade: CancelNewest CancelOldest CancelBoth Decrement;
    /// What the legs of a list are to each other.
    Contingency: Oco Oto OneTriggersOco Bracket;
    /// How a parent order is worked.
    Algorithm: Twap Vwap Pov Iceberg;
    /// Where an order stands.
    OrdStatus: New PartiallyFilled Filled Canceled Rejected Expired PendingNew PendingCancel
        PendingReplace DoneForDay PendingApproval;
    /// Which side of a trade an order was on.
    Liquidity: Maker Taker Auction;
    /// What kind of thing an instrument is.
    AssetClass: Equity Future Option Fx Crypto;
    /// How a position is paid for.
    Settlement: Paid Daily;
    /// Where orders of an instrument go.
    VenueKind: Paper Internal Route;
    /// What a kill switch lets through.
    KillMode: Block ReduceOnly;
    /// What becomes of a proposal.
    Decision: Approve Refuse;
    /// Where a proposal stands.
    ProposalStatus: Pending Approved Refused Lapsed Withdrawn;
}

impl OrdStatus {
    /// Whether nothing follows any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_protocol() {
        for (word, name) in [
            (OrderType::MarketIfTouched, "ORDER_TYPE_MARKET_IF_TOUCHED"),
            (OrderType::StopLimit, "ORDER_TYPE_STOP_LIMIT"),
        ] {
            let number = proto::OrderType::from_str_name(name).map(i32::from);
            assert_eq!((Some(word.number()), OrderType::of(word.number())), (number, Some(word)));
            assert_eq!(word.as_text(), crate::market::report::name(name, "ORDER_TYPE_"));
        }
        assert_eq!(OrderType::of(0), None);
        assert_eq!(TimeInForce::AtTheOpen.as_text(), "at_the_open");
    }
}
