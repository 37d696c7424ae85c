//! Any flow of orders: the market and its naive twin report the same, show the same book and have the same hash.
#![no_main]

#[path = "../../tests/matching_support/mod.rs"]
mod matching_support;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use matching_support::{Input, Matching};
use tidegate_engine::matching::{Entry, NaiveMarket, Peg, Phase, SingleMarket, Terms, Trail};
use tidegate_model::command::{OrderType, PegKind, PostOnly, SelfTrade, TimeInForce};
use tidegate_model::{AccountId, Lots, Side, Ticks, UnixNanos};

/// Inputs of one flow: the twin looks at every order for each.
const INPUTS_MAX: usize = 200;
const PHASES: [Phase; 6] = [
    Phase::PreOpen,
    Phase::OpenAuction,
    Phase::Continuous,
    Phase::Halt,
    Phase::CloseAuction,
    Phase::Closed,
];

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Unstructured::new(bytes);
    let mut fast = <SingleMarket as Matching>::new(Ticks(1));
    let mut naive = <NaiveMarket as Matching>::new(Ticks(1));
    for _ in 0..INPUTS_MAX {
        if bytes.is_empty() {
            return;
        }
        let Ok(input) = input(&mut bytes) else { return };
        assert_eq!(fast.report(&input), naive.report(&input), "{input:?}");
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(fast.levels(side), naive.levels(side), "{input:?}");
        }
        assert_eq!(fast.state_hash(), naive.state_hash(), "{input:?}");
    }
});

fn input(bytes: &mut Unstructured) -> Result<Input> {
    Ok(match bytes.int_in_range(0..=15)? {
        0..=8 => Input::New(entry(bytes)?),
        9..=10 => Input::Cancel(handle(bytes)?),
        11 => Input::Replace {
            handle: handle(bytes)?,
            leaves: qty(bytes)?,
            price: price(bytes)?,
            stop_price: maybe(bytes, price)?,
        },
        12 => Input::MassCancel { account: maybe(bytes, account)?, side: maybe(bytes, side)? },
        13 => Input::Phase(*bytes.choose(&PHASES)?),
        14 => Input::Time(time(bytes)?),
        _ => match maybe(bytes, price)? {
            Some(price) => Input::Reference(price),
            None => Input::Bands(maybe(bytes, |bytes| Ok((price(bytes)?, price(bytes)?)))?),
        },
    })
}

fn entry(bytes: &mut Unstructured) -> Result<Entry> {
    Ok(Entry {
        handle: handle(bytes)?,
        account: account(bytes)?,
        side: side(bytes)?,
        order_type: wire(bytes, OrderType::from_wire)?.unwrap_or(OrderType::Limit),
        time_in_force: wire(bytes, TimeInForce::from_wire)?.unwrap_or(TimeInForce::Gtc),
        qty: qty(bytes)?,
        price: price(bytes)?,
        terms: if bytes.ratio(1, 2)? { Terms::NONE } else { terms(bytes)? },
    })
}

fn terms(bytes: &mut Unstructured) -> Result<Terms> {
    Ok(Terms {
        stop_price: maybe(bytes, price)?,
        trail: maybe(bytes, |bytes| {
            let ticks = bytes.int_in_range(-1..=4)?;
            Ok(if bytes.arbitrary()? { Trail::Ticks(ticks) } else { Trail::Ppm(ticks * 10_000) })
        })?,
        limit_offset: maybe(bytes, offset)?,
        peg: maybe(bytes, |bytes| {
            let kind = wire(bytes, PegKind::from_wire)?.unwrap_or(PegKind::Primary);
            Ok(Peg { kind, offset: offset(bytes)? })
        })?,
        post_only: wire(bytes, PostOnly::from_wire)?,
        self_trade: wire(bytes, SelfTrade::from_wire)?,
        hidden: bytes.ratio(1, 4)?,
        display_qty: maybe(bytes, qty)?,
        min_qty: maybe(bytes, qty)?,
        expire_at: time(bytes)?,
    })
}

fn maybe<T>(
    bytes: &mut Unstructured,
    some: impl FnOnce(&mut Unstructured) -> Result<T>,
) -> Result<Option<T>> {
    if bytes.ratio(1, 4)? { some(bytes).map(Some) } else { Ok(None) }
}

fn wire<T>(bytes: &mut Unstructured, of: impl Fn(u8) -> Option<T>) -> Result<Option<T>> {
    Ok(of(bytes.int_in_range(0..=12)?))
}

/// Few of each, so that orders meet; now and then the largest there are.
fn qty(bytes: &mut Unstructured) -> Result<Lots> {
    Ok(Lots(if bytes.ratio(1, 64)? { bytes.arbitrary()? } else { bytes.int_in_range(0..=12)? }))
}

fn price(bytes: &mut Unstructured) -> Result<Ticks> {
    Ok(Ticks(if bytes.ratio(1, 64)? {
        bytes.arbitrary()?
    } else {
        bytes.int_in_range(94..=106)?
    }))
}

fn offset(bytes: &mut Unstructured) -> Result<Ticks> {
    bytes.int_in_range(-3..=3).map(Ticks)
}

fn handle(bytes: &mut Unstructured) -> Result<u32> {
    bytes.int_in_range(0..=40)
}

fn account(bytes: &mut Unstructured) -> Result<AccountId> {
    bytes.int_in_range(0..=3).map(AccountId)
}

fn side(bytes: &mut Unstructured) -> Result<Side> {
    Ok(if bytes.arbitrary()? { Side::Buy } else { Side::Sell })
}

fn time(bytes: &mut Unstructured) -> Result<UnixNanos> {
    bytes.int_in_range(0..=100).map(UnixNanos)
}
