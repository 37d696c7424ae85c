//! The vocabulary that every other crate speaks: units, identifiers, instruments, and the three record
//! families that travel on rings, in shared memory and on disk with one layout:
//!
//! * [`MarketEvent`]: what a feed says (64 bytes),
//! * [`CommandRecord`]: what a session, an operator or the clock asks for (160 bytes),
//! * [`EventRecord`]: what the engine answers (256 bytes).
//!
//! This crate does no I/O, reads no clock, draws no random number and knows no float.
//! Start reading at [`market`], [`command`] and [`event`].

const _: () = assert!(
    cfg!(target_endian = "little"),
    "records travel and rest as they lie in memory: little-endian; other machines would need conversion"
);

/// Declares an enum with fixed wire values, a checked conversion from them, and its FIX-like name.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)+ }

        impl $name {
            /// Every value, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value that stands for `self` in records.
            #[inline]
            pub const fn wire(self) -> u8 { self as u8 }

            /// The enum value for `wire`, or `None` if no value is assigned to that number.
            #[inline]
            pub const fn from_wire(wire: u8) -> Option<Self> {
                match wire { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// The lower-case name used in JSON, logs and configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str(self.as_str()) }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> { to.serialize_u8(self.wire()) }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let wire = <u8 as serde::Deserialize>::deserialize(from)?;
                Self::from_wire(wire).ok_or_else(|| {
                    serde::de::Error::custom(format_args!("{wire} is no {}", stringify!($name)))
                })
            }
        }
    };
}

pub mod ahead;
pub mod command;
pub mod decimal;
pub mod event;
pub mod fx;
pub mod hash;
pub mod ids;
pub mod instrument;
pub mod market;
pub mod public;
pub mod reject;
pub mod release;
pub mod route;
pub mod saved;
pub mod scope;
pub mod tick_table;
pub mod units;

pub use command::{Command, CommandRecord};
pub use decimal::DecimalError;
pub use event::{Event, EventRecord};
pub use hash::StateHash;
pub use ids::{
    AccountId, ClientOrderId, ExecId, GroupId, InstrumentId, OrderId, PrincipalId, SessionId,
    StrategyId, Symbol, TextIdError,
};
pub use instrument::Instrument;
pub use market::{MarketEvent, MarketEventKind, Side};
pub use public::{PublicKind, PublicUpdate};
pub use reject::{Reject, RejectReason};
pub use release::ReleaseLevel;
pub use route::{RoutedKind, RoutedOrder, RoutedRequest};
pub use scope::{Scope, ScopeKind};
pub use tick_table::{TickBand, TickTable};
pub use units::{Lots, Money, SeqNo, Ticks, UnixNanos};
