//! The messages themselves: one struct a type, read and written at the offsets of the specification
//! (Nasdaq TotalView-ITCH 5.0, section 4).

use super::Stock;
use crate::error::MessageError;

/// A fixed-size field at a fixed offset.
pub(super) trait Field: Sized + Copy {
    fn read(bytes: &[u8]) -> Self;
    fn write(self, bytes: &mut [u8]);
}

macro_rules! number_field {
    ($($int:ty),+) => {$(
        impl Field for $int {
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                Self::from_be_bytes(bytes.try_into().expect("the offset table gives exact widths"))
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }
        }
    )+};
}
number_field!(u8, u16, u32, u64);

impl<const N: usize> Field for [u8; N] {
    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        bytes.try_into().expect("the offset table gives exact widths")
    }
    #[inline(always)]
    fn write(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self);
    }
}

/// What every message begins with, after its type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The day's number of the stock; 0 in messages about the system.
    pub stock_locate: u16,
    /// Nasdaq's internal number.
    pub tracking_number: u16,
    /// Nanoseconds since midnight in New York, 48 bits.
    pub timestamp: u64,
}

/// Bytes of type and header.
const HEADER_LEN: usize = 11;
/// The largest timestamp that the field holds.
const TIMESTAMP_MAX: u64 = (1 << 48) - 1;

impl Header {
    #[inline(always)]
    pub(super) fn read<const N: usize>(bytes: &[u8; N]) -> Self {
        const { assert!(N >= HEADER_LEN) };
        // One load of the eight bytes 3..11 holds the tracking number and the time.
        let tail = u64::read(&bytes[3..11]);
        Self {
            stock_locate: u16::read(&bytes[1..3]),
            tracking_number: (tail >> 48) as u16,
            timestamp: tail & TIMESTAMP_MAX,
        }
    }

    #[inline(always)]
    fn write<const N: usize>(self, bytes: &mut [u8; N]) {
        debug_assert!(self.timestamp <= TIMESTAMP_MAX);
        self.stock_locate.write(&mut bytes[1..3]);
        let tail = (u64::from(self.tracking_number) << 48) | (self.timestamp & TIMESTAMP_MAX);
        tail.write(&mut bytes[3..11]);
    }
}

/// Declares the messages: `type byte, name, length, [name]: fields as offset..end`.
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        $kind:literal $name:ident $len:literal $text:literal {
            $($(#[$fmeta:meta])* $field:ident: $fty:ty = $from:literal..$to:literal,)*
        }
    )+) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
            pub struct $name {
                /// Locate, tracking number and time.
                pub header: Header,
                $($(#[$fmeta])* pub $field: $fty,)*
            }

            impl $name {
                /// The first byte of the message.
                pub const KIND: u8 = $kind;
                /// Bytes of the message, its type included.
                pub const LEN: usize = $len;

                /// Reads a message whose length is checked by its type; the first byte is not looked at.
                #[inline(always)]
                pub fn read(bytes: &[u8; $len]) -> Self {
                    Self {
                        header: Header::read(bytes),
                        $($field: Field::read(&bytes[$from..$to]),)*
                    }
                }

                /// Reads a message after checking type and length.
                ///
                /// # Errors
                /// [`MessageError::Empty`], [`MessageError::UnknownType`] if it is another type, [`MessageError::Length`].
                #[inline]
                pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
                    match bytes.first() {
                        None => Err(MessageError::Empty),
                        Some(&$kind) => Self::read_checked(bytes),
                        Some(&kind) => Err(MessageError::UnknownType { kind }),
                    }
                }

                /// Reads a message of which the type is known, after checking the length.
                #[inline(always)]
                pub(super) fn read_checked(bytes: &[u8]) -> Result<Self, MessageError> {
                    match bytes.try_into() {
                        Ok(exact) => Ok(Self::read(exact)),
                        Err(_) => Err(MessageError::Length {
                            kind: $kind, expected: $len, found: bytes.len(),
                        }),
                    }
                }

                /// The message as bytes. Of the timestamp the low 48 bits are kept.
                #[inline]
                pub fn to_bytes(&self) -> [u8; $len] {
                    let mut bytes = [0; $len];
                    bytes[0] = $kind;
                    self.header.write(&mut bytes);
                    $(self.$field.write(&mut bytes[$from..$to]);)*
                    bytes
                }
            }
        )+

        /// Any message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message { $($(#[$meta])* $name($name),)+ }

        impl Message {
            /// Reads a message, whatever its type.
            ///
            /// # Errors
            /// [`MessageError::Empty`], [`MessageError::UnknownType`] or [`MessageError::Length`].
            #[inline]
            pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
                match bytes.first() {
                    None => Err(MessageError::Empty),
                    $(Some(&$kind) => $name::read_checked(bytes).map(Self::$name),)+
                    Some(&kind) => Err(MessageError::UnknownType { kind }),
                }
            }

            /// The first byte of the message.
            pub const fn kind(&self) -> u8 {
                match self { $(Self::$name(_) => $kind,)+ }
            }

            /// Locate, tracking number and time.
            pub const fn header(&self) -> Header {
                match self { $(Self::$name(message) => message.header,)+ }
            }

            /// Appends the message's bytes.
            pub fn write_to(&self, out: &mut Vec<u8>) {
                match self { $(Self::$name(message) => out.extend_from_slice(&message.to_bytes()),)+ }
            }
        }

        $(impl From<$name> for Message {
            fn from(message: $name) -> Self { Self::$name(message) }
        })+

        /// Every message type: first byte, length and name.
        pub const MESSAGE_TYPES: &[(u8, usize, &str)] = &[$(($kind, $len, $text),)+];

    };
}

messages! {
    /// The state of the system (section 4.1).
    b'S' SystemEvent 12 "system_event" {
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours, `M` end of market
        /// hours, `E` end of system hours, `C` end of messages.
        event_code: u8 = 11..12,
    }
    /// One stock of the day (section 4.2.1).
    b'R' StockDirectory 39 "stock_directory" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `Q`, `G`, `S` Nasdaq tiers, `N` NYSE, `A` NYSE American, `P` Arca, `Z` BATS, `V` IEX, space unknown.
        market_category: u8 = 19..20,
        /// `N` normal, `D` deficient, `E` delinquent, `Q` bankrupt, `S` suspended and others.
        financial_status: u8 = 20..21,
        /// Shares of a round lot.
        round_lot_size: u32 = 21..25,
        /// `Y` if only round lots are accepted.
        round_lots_only: u8 = 25..26,
        /// Nasdaq's class of security.
        issue_classification: u8 = 26..27,
        /// Nasdaq's sub-type of security.
        issue_sub_type: [u8; 2] = 27..29,
        /// `P` live, `T` test.
        authenticity: u8 = 29..30,
        /// `Y` if restricted under SEC Rule 203(b)(3), `N`, or space.
        short_sale_threshold: u8 = 30..31,
        /// `Y` if set up for an initial public offering, `N`, or space.
        ipo_flag: u8 = 31..32,
        /// `1` or `2`, the tier of limit-up limit-down, or space.
        luld_tier: u8 = 32..33,
        /// `Y` if an exchange-traded product, `N`, or space.
        etp_flag: u8 = 33..34,
        /// Leverage of such a product.
        etp_leverage: u32 = 34..38,
        /// `Y` if such a product is inverse.
        inverse: u8 = 38..39,
    }
    /// Whether a stock trades (section 4.2.2).
    b'H' TradingAction 25 "trading_action" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        trading_state: u8 = 19..20,
        /// Reserved.
        reserved: u8 = 20..21,
        /// Nasdaq's reason code.
        reason: [u8; 4] = 21..25,
    }
    /// Short-sale price test restriction (section 4.2.3).
    b'Y' RegShoRestriction 20 "reg_sho_restriction" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `0` none, `1` newly in effect, `2` remains in effect.
        action: u8 = 19..20,
    }
    /// Position of a market participant in a stock (section 4.2.4).
    b'L' MarketParticipantPosition 26 "market_participant_position" {
        /// The participant.
        mpid: [u8; 4] = 11..15,
        /// The symbol.
        stock: Stock = 15..23,
        /// `Y` if primary market maker.
        primary_market_maker: u8 = 23..24,
        /// `N` normal, `P` passive, `S` syndicate, `R` pre-syndicate, `L` penalty.
        market_maker_mode: u8 = 24..25,
        /// `A` active, `E` excused, `W` withdrawn, `S` suspended, `D` deleted.
        state: u8 = 25..26,
    }
    /// Levels of the market-wide circuit breaker (section 4.2.5.1).
    b'V' CircuitBreakerLevels 35 "mwcb_decline_level" {
        /// Level 1 in 1e-8.
        level_1: u64 = 11..19,
        /// Level 2 in 1e-8.
        level_2: u64 = 19..27,
        /// Level 3 in 1e-8.
        level_3: u64 = 27..35,
    }
    /// A level of the market-wide circuit breaker was breached (section 4.2.5.2).
    b'W' CircuitBreakerStatus 12 "mwcb_status" {
        /// `1`, `2` or `3`.
        breached_level: u8 = 11..12,
    }
    /// Quoting period of an initial public offering (section 4.2.6).
    b'K' IpoQuotingPeriod 28 "ipo_quoting_period" {
        /// The symbol.
        stock: Stock = 11..19,
        /// Seconds since midnight at which quoting begins; 0 if canceled.
        release_time_secs: u32 = 19..23,
        /// `A` anticipated, `C` canceled.
        release_qualifier: u8 = 23..24,
        /// Offering price in 0.0001.
        price: u32 = 24..28,
    }
    /// Collar of a limit-up limit-down auction (section 4.2.7).
    b'J' AuctionCollar 35 "luld_auction_collar" {
        /// The symbol.
        stock: Stock = 11..19,
        /// Reference price in 0.0001.
        reference_price: u32 = 19..23,
        /// Upper price in 0.0001.
        upper_price: u32 = 23..27,
        /// Lower price in 0.0001.
        lower_price: u32 = 27..31,
        /// Number of extensions.
        extension: u32 = 31..35,
    }
    /// Interruption of one market center (section 4.2.8).
    b'h' OperationalHalt 21 "operational_halt" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `Q` Nasdaq, `B` BX, `X` PSX.
        market_code: u8 = 19..20,
        /// `H` halted, `T` resumed.
        action: u8 = 20..21,
    }
    /// A new order without attribution (section 4.3.1).
    b'A' AddOrder 36 "add_order" {
        /// The order's reference, unique for the day.
        order_ref: u64 = 11..19,
        /// `B` or `S`.
        side: u8 = 19..20,
        /// Displayed shares.
        shares: u32 = 20..24,
        /// The symbol.
        stock: Stock = 24..32,
        /// Price in 0.0001.
        price: u32 = 32..36,
    }
    /// A new order with attribution (section 4.3.2).
    b'F' AddOrderAttributed 40 "add_order_mpid" {
        /// The order's reference, unique for the day.
        order_ref: u64 = 11..19,
        /// `B` or `S`.
        side: u8 = 19..20,
        /// Displayed shares.
        shares: u32 = 20..24,
        /// The symbol.
        stock: Stock = 24..32,
        /// Price in 0.0001.
        price: u32 = 32..36,
        /// The participant.
        attribution: [u8; 4] = 36..40,
    }
    /// An order executed at its own price (section 4.4.1).
    b'E' OrderExecuted 31 "order_executed" {
        /// The order.
        order_ref: u64 = 11..19,
        /// Executed shares.
        shares: u32 = 19..23,
        /// Number of the match.
        match_number: u64 = 23..31,
    }
    /// An order executed at another price (section 4.4.2).
    b'C' OrderExecutedWithPrice 36 "order_executed_with_price" {
        /// The order.
        order_ref: u64 = 11..19,
        /// Executed shares.
        shares: u32 = 19..23,
        /// Number of the match.
        match_number: u64 = 23..31,
        /// `Y` if it goes to the tape, `N` if a cross will report it.
        printable: u8 = 31..32,
        /// Execution price in 0.0001.
        price: u32 = 32..36,
    }
    /// An order partially canceled (section 4.4.3).
    b'X' OrderCancel 23 "order_cancel" {
        /// The order.
        order_ref: u64 = 11..19,
        /// Shares taken off.
        shares: u32 = 19..23,
    }
    /// An order leaves the book (section 4.4.4).
    b'D' OrderDelete 19 "order_delete" {
        /// The order.
        order_ref: u64 = 11..19,
    }
    /// An order replaced by another (section 4.4.5).
    b'U' OrderReplace 35 "order_replace" {
        /// The order that leaves.
        order_ref: u64 = 11..19,
        /// The order that takes its place, at the back of its queue.
        new_order_ref: u64 = 19..27,
        /// Its displayed shares.
        shares: u32 = 27..31,
        /// Its price in 0.0001.
        price: u32 = 31..35,
    }
    /// A trade against an order that was not displayed (section 4.5.1).
    b'P' Trade 44 "trade" {
        /// 0 since 2010.
        order_ref: u64 = 11..19,
        /// The hidden order's side; always `B` since 2014.
        side: u8 = 19..20,
        /// Shares.
        shares: u32 = 20..24,
        /// The symbol.
        stock: Stock = 24..32,
        /// Price in 0.0001.
        price: u32 = 32..36,
        /// Number of the match.
        match_number: u64 = 36..44,
    }
    /// An auction's trade (section 4.5.2).
    b'Q' CrossTrade 40 "cross_trade" {
        /// Shares; 0 if nothing crossed.
        shares: u64 = 11..19,
        /// The symbol.
        stock: Stock = 19..27,
        /// Price in 0.0001.
        price: u32 = 27..31,
        /// Number of the match.
        match_number: u64 = 31..39,
        /// `O` opening, `C` closing, `H` after a halt.
        cross_type: u8 = 39..40,
    }
    /// A trade was undone (section 4.5.3).
    b'B' BrokenTrade 19 "broken_trade" {
        /// Number of the match.
        match_number: u64 = 11..19,
    }
    /// Net order imbalance before an auction (section 4.6).
    b'I' OrderImbalance 50 "net_order_imbalance" {
        /// Shares paired at the reference price.
        paired_shares: u64 = 11..19,
        /// Shares not paired.
        imbalance_shares: u64 = 19..27,
        /// `B` buy, `S` sell, `N` none, `O` insufficient, `P` paused.
        direction: u8 = 27..28,
        /// The symbol.
        stock: Stock = 28..36,
        /// Far price in 0.0001.
        far_price: u32 = 36..40,
        /// Near price in 0.0001.
        near_price: u32 = 40..44,
        /// Reference price in 0.0001.
        reference_price: u32 = 44..48,
        /// As in [`CrossTrade`].
        cross_type: u8 = 48..49,
        /// Band of the deviation of near from reference price.
        price_variation: u8 = 49..50,
    }
    /// Retail interest (section 4.7).
    b'N' RetailInterest 20 "retail_interest" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `B`, `S`, `A` both, `N` none.
        interest: u8 = 19..20,
    }
    /// Price discovery of a direct listing with capital raise (section 4.8).
    b'O' DirectListing 48 "direct_listing_price_discovery" {
        /// The symbol.
        stock: Stock = 11..19,
        /// `Y` if eligible to be released for trading.
        open_eligibility: u8 = 19..20,
        /// Minimum allowable price in 0.0001.
        minimum_price: u32 = 20..24,
        /// Maximum allowable price in 0.0001.
        maximum_price: u32 = 24..28,
        /// Near execution price in 0.0001.
        near_execution_price: u32 = 28..32,
        /// Nanoseconds since midnight of that price.
        near_execution_time: u64 = 32..40,
        /// Lower collar in 0.0001.
        lower_collar: u32 = 40..44,
        /// Upper collar in 0.0001.
        upper_collar: u32 = 44..48,
    }
}

impl StockDirectory {
    /// An ordinary share on the Nasdaq Global Select Market, round lots of 100, in tier 1 of limit up-limit down.
    pub fn share(header: Header, stock: [u8; 8]) -> Self {
        Self {
            header,
            stock,
            market_category: b'Q',
            financial_status: b'N',
            round_lot_size: 100,
            round_lots_only: b'N',
            issue_classification: b'C',
            issue_sub_type: *b"Z ",
            authenticity: b'P',
            short_sale_threshold: b'N',
            ipo_flag: b'N',
            luld_tier: b'1',
            etp_flag: b'N',
            etp_leverage: 0,
            inverse: b'N',
        }
    }
}
