//! Enums on the wire, texts in fixed fields, and the arithmetic of units.

use proptest::prelude::*;
use tidegate_model::command::{
    AccountKind, Algorithm, AmendKind, CommandKind, Contingency, CorporateActionKind, CostMethod,
    FillModelKind, LatencyLeg, LatencyModel, OrderType, Phase, TimeInForce,
};
use tidegate_model::command::{
    Action, ControlKind, Decision, KillMode, ReferenceKind, Role, RouteLink, RouteReportKind,
};
use tidegate_model::event::{
    CancelReason, EventKind, ExecType, Liquidity, ListOrderStatus, OrdStatus, PhaseCause,
    PostingKind, ProposalStatus, RouteDifferenceKind,
};
use tidegate_model::ids::Code;
use tidegate_model::instrument::{AssetClass, Settlement};
use tidegate_model::market::TradingStatus;
use tidegate_model::units::product;
use tidegate_model::{
    ClientOrderId, Lots, MarketEventKind, Money, PublicKind, Reject, RejectReason, ScopeKind,
    SeqNo, Side, Symbol, TextIdError, Ticks,
};

/// Every byte is either one value of the enum, which gives the byte back, or none; zero is never a value, so that
/// zeroed memory is no message; names are unique and in snake case.
macro_rules! wire {
    ($name:ident) => {{
        let mut found = Vec::new();
        for byte in 0..=u8::MAX {
            if let Some(value) = $name::from_wire(byte) {
                assert_eq!(value.wire(), byte);
                found.push(value);
            }
        }
        assert_eq!(
            found,
            $name::ALL,
            "ALL of {} holds every value in wire order",
            stringify!($name)
        );
        assert_eq!($name::from_wire(0), None, "zero of {}", stringify!($name));
        let mut names: Vec<String> = $name::ALL.iter().map(|value| value.to_string()).collect();
        for (name, value) in names.iter().zip($name::ALL) {
            assert_eq!(name, value.as_str());
            assert!(
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), $name::ALL.len(), "names of {}", stringify!($name));
    }};
}

#[test]
fn every_wire_enum() {
    wire!(Side);
    wire!(MarketEventKind);
    wire!(TradingStatus);
    wire!(PublicKind);
    wire!(AccountKind);
    wire!(AmendKind);
    wire!(CommandKind);
    wire!(CorporateActionKind);
    wire!(CostMethod);
    wire!(OrderType);
    wire!(PhaseCause);
    wire!(TimeInForce);
    wire!(EventKind);
    wire!(ExecType);
    wire!(OrdStatus);
    wire!(Liquidity);
    wire!(CancelReason);
    wire!(PostingKind);
    wire!(Contingency);
    wire!(Algorithm);
    wire!(ListOrderStatus);
    wire!(AssetClass);
    wire!(Settlement);
    wire!(FillModelKind);
    wire!(LatencyLeg);
    wire!(LatencyModel);
    wire!(Phase);
    wire!(RouteLink);
    wire!(RouteReportKind);
    wire!(RouteDifferenceKind);
    wire!(RejectReason);
    wire!(ScopeKind);
    wire!(ControlKind);
    wire!(ReferenceKind);
    wire!(Action);
    wire!(Role);
    wire!(KillMode);
    wire!(Decision);
    wire!(ProposalStatus);
}

#[test]
fn reject_reasons_stay_in_their_bands() {
    let check = |reason: RejectReason, band: std::ops::Range<u8>| {
        assert!(band.contains(&reason.wire()), "{reason} = {}", reason.wire());
    };
    check(RejectReason::UnknownInstrument, 1..40);
    check(RejectReason::Expired, 1..40);
    check(RejectReason::NoRate, 1..40);
    check(RejectReason::UnknownOrder, 40..80);
    check(RejectReason::QuantityBelowExecuted, 40..80);
    check(RejectReason::NoLimits, 80..160);
    check(RejectReason::MaxOpenOrders, 80..160);
    check(RejectReason::InitialMargin, 80..160);
    check(RejectReason::NotTrading, 160..u8::MAX);
    let reject = Reject::new(RejectReason::PriceCollar, 105, 110);
    assert_eq!(reject.to_string(), "price_collar: limit=105 value=110");
}

#[test]
fn sides_and_final_states() {
    assert_eq!(Side::Buy.opposite(), Side::Sell);
    assert_eq!(Side::Sell.opposite(), Side::Buy);
    assert_eq!((Side::Buy.index(), Side::Sell.index()), (0, 1));
    let last: Vec<_> = OrdStatus::ALL.iter().filter(|s| s.is_final()).map(|s| s.as_str()).collect();
    assert_eq!(last, ["filled", "canceled", "rejected", "expired"]);
}

#[test]
fn texts_that_fields_take_and_refuse() {
    assert_eq!(Symbol::new("BRK.A").map(|s| s.to_string()), Ok("BRK.A".to_string()));
    assert_eq!(Symbol::new("").map_err(|e| e.to_string()), Err("symbol is empty".to_string()));
    assert_eq!(
        Code::new("TOO LONG!").map_err(|e| e.to_string()),
        Err("code has 9 bytes, at most 8 are allowed".to_string())
    );
    assert_eq!(
        ClientOrderId::new("a b").map_err(|e| e.to_string()),
        Err("client_order_id has byte 0x20 at 1; only printable ASCII without spaces is allowed"
            .to_string())
    );
    assert!(matches!(ClientOrderId::new("é"), Err(TextIdError::Byte { at: 0, .. })));
    assert!(matches!(ClientOrderId::new("a\0"), Err(TextIdError::Byte { byte: 0, at: 1, .. })));
    assert!(ClientOrderId::new(&"x".repeat(36)).is_ok(), "36 bytes, as many as a UUID has");
    assert!(matches!(
        ClientOrderId::new(&"x".repeat(37)),
        Err(TextIdError::TooLong { len: 37, max: 36, .. })
    ));
    assert_eq!(Symbol::new(&"x".repeat(24)).map(|s| s.as_str().len()), Ok(24));
    assert_eq!(format!("[{:>6}]", Code::new("USD").expect("valid")), "[   USD]");
    assert!(ClientOrderId::EMPTY.is_empty());
    assert!(!ClientOrderId::EMPTY.is_valid());
    assert_eq!(ClientOrderId::default().as_str(), "");
}

#[test]
fn bytes_from_outside_are_checked_whole() {
    let check =
        |bytes: [u8; 8], valid: bool| assert_eq!(Code(bytes).is_valid(), valid, "{bytes:?}");
    check(*b"USD\0\0\0\0\0", true);
    check(*b"ABCDEFGH", true);
    check([0; 8], false);
    check(*b"US\0D\0\0\0\0", false);
    check(*b"\0USD\0\0\0\0", false);
    check(*b"US D\0\0\0\0", false);
    check([0xff; 8], false);
    assert_eq!(Code([0xff; 8]).as_str(), "?", "printing never fails");
    let mut long = ClientOrderId::EMPTY;
    long.0[..37].fill(b'x');
    assert!(!long.is_valid(), "37 bytes are one more than LEN_MAX");
}

#[test]
fn unit_arithmetic_is_checked() {
    assert_eq!(Ticks(2).checked_add(Ticks(-3)), Some(Ticks(-1)));
    assert_eq!(Ticks(i64::MIN).checked_sub(Ticks(1)), None);
    assert_eq!(Lots(1).checked_sub(Lots(2)), None);
    assert_eq!(Lots::MAX.checked_add(Lots(1)), None);
    assert_eq!(Money::MAX.checked_add(Money(1)), None);
    assert_eq!(SeqNo(1).next(), SeqNo(2));
}

proptest! {
    /// `new`, `as_str` and `is_valid` agree on every text and on every pattern of bytes.
    #[test]
    fn texts_round_trip(text in "[!-~]{1,24}") {
        let symbol = Symbol::new(&text).expect("printable, short enough");
        prop_assert_eq!(symbol.as_str(), text.as_str());
        prop_assert!(symbol.is_valid());
    }

    #[test]
    fn validity_means_new_would_accept(bytes in proptest::array::uniform8(prop_oneof![Just(0u8), Just(b'A'), any::<u8>()])) {
        let code = Code(bytes);
        let accepted = Code::new(code.as_str()) == Ok(code);
        prop_assert_eq!(code.is_valid(), accepted);
    }

    #[test]
    fn a_name_is_looked_at_byte_by_byte(
        text in prop::collection::vec(any::<u8>().prop_filter("of a text", u8::is_ascii_graphic), 0..=40),
        change in prop::option::of((0_usize..40, prop_oneof![Just(0), Just(b' '), Just(0x7f), any::<u8>()])),
    ) {
        let mut bytes = [0; 40];
        bytes[..text.len()].copy_from_slice(&text);
        if let Some((at, byte)) = change {
            bytes[at] = byte;
        }
        let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let is_text = (1..=36).contains(&len) && bytes[..len].iter().all(u8::is_ascii_graphic);
        let is_padded = bytes[len..].iter().all(|byte| *byte == 0);
        prop_assert_eq!(ClientOrderId(bytes).is_valid(), is_text && is_padded, "{:?}", bytes);
    }

    #[test]
    fn products_are_checked(a: i64, b: i64, shift in 0_u32..64) {
        for (a, b) in [(i128::from(a), i128::from(b)), (i128::from(a) << shift, i128::from(b) << shift)] {
            prop_assert_eq!(product(a, b), a.checked_mul(b));
        }
    }

    #[test]
    fn any_text_has_an_answer(text in ".*") {
        let fits = !text.is_empty() && text.len() <= 36 && text.bytes().all(|b| b.is_ascii_graphic());
        prop_assert_eq!(ClientOrderId::new(&text).is_ok(), fits);
    }
}
