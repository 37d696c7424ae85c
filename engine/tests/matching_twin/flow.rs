//! Random flows: few prices, few accounts, so that orders meet.

use crate::support::Input;
use proptest::prelude::*;
use std::fmt;
use tidegate_engine::matching::{Entry, Peg, Phase, Terms, Trail};
use tidegate_model::command::{OrderType as T, PegKind, PostOnly, SelfTrade, TimeInForce as F};
use tidegate_model::{AccountId, Lots, Side, Ticks, UnixNanos};

/// Steps from which inputs follow without looking at any market: a new order's handle is its number among the new orders.
#[derive(Clone)]
pub struct Flow(Vec<Act>);

#[derive(Clone, Debug)]
enum Act {
    New(Entry),
    /// Of the order so many new orders ago.
    Cancel(usize),
    Replace {
        ago: usize,
        leaves: u64,
        price: Option<i64>,
        stop_price: Option<i64>,
    },
    MassCancel(Option<u32>, Option<bool>),
    Phase(Phase),
    /// So much later.
    Time(u64),
    Bands(Option<(i64, i64)>),
    Reference(i64),
}

impl Flow {
    /// The inputs, in order.
    pub fn inputs(&self) -> Vec<Input> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut now = 0;
        let mut inputs = Vec::new();
        for act in &self.0 {
            let handle = |ago: usize| (entries.len() as u32).saturating_sub(ago as u32);
            inputs.push(match act {
                Act::New(entry) => {
                    let mut entry = Entry { handle: entries.len() as u32 + 1, ..*entry };
                    if entry.time_in_force == F::Gtd {
                        entry.terms.expire_at.0 += now;
                    }
                    entries.push(entry);
                    Input::New(entry)
                }
                Act::Cancel(ago) => Input::Cancel(handle(*ago)),
                Act::Replace { ago, leaves, price, stop_price } => {
                    let handle = handle(*ago);
                    let old = handle.checked_sub(1).map(|index| entries[index as usize]);
                    let old_price = old.map_or(Ticks(100), |entry| entry.price);
                    // What has no limit mostly asks for none.
                    let price = price.filter(|_| old_price.0 != 0 || leaves.is_multiple_of(3));
                    let price = price.map_or(old_price, Ticks);
                    let waits = old.is_some_and(|entry| entry.terms.stop_price.is_some());
                    let stop_price =
                        stop_price.filter(|_| waits || leaves.is_multiple_of(5)).map(Ticks);
                    Input::Replace { handle, leaves: Lots(*leaves), price, stop_price }
                }
                Act::MassCancel(account, side) => Input::MassCancel {
                    account: account.map(AccountId),
                    side: side.map(|buys| if buys { Side::Buy } else { Side::Sell }),
                },
                Act::Phase(phase) => Input::Phase(*phase),
                Act::Time(later) => {
                    now += later;
                    Input::Time(UnixNanos(now))
                }
                Act::Bands(bands) => {
                    Input::Bands(bands.map(|(low, high)| (Ticks(low), Ticks(high))))
                }
                Act::Reference(price) => Input::Reference(Ticks(*price)),
            });
        }
        inputs
    }
}

impl Flow {
    /// The flow without the steps that it fails without.
    pub fn without_needless(mut self, fails: impl Fn(&Self) -> bool) -> Self {
        let mut at = 0;
        while at < self.0.len() {
            let mut shorter = self.clone();
            shorter.0.remove(at);
            if fails(&shorter) {
                // What was needed before may be needless now.
                (self, at) = (shorter, 0);
            } else {
                at += 1;
            }
        }
        self
    }
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inputs().iter().try_for_each(|input| write!(f, "\n    {input}"))
    }
}

/// Up to so many steps of every kind.
pub fn flow(steps: usize) -> impl Strategy<Value = Flow> {
    prop::collection::vec(act(entry().boxed()), 1..=steps).prop_map(Flow)
}

/// As many steps of every kind.
pub fn exactly(steps: usize) -> impl Strategy<Value = Flow> {
    prop::collection::vec(act(entry().boxed()), steps).prop_map(Flow)
}

/// Up to so many market and limit orders, cancels and replaces.
pub fn plain_flow(steps: usize) -> impl Strategy<Value = Flow> {
    let entry = (side(), prop_oneof![8 => Just(T::Limit), 1 => Just(T::Market)], qty(), price());
    let life = prop_oneof![6 => Just(F::Gtc), 1 => Just(F::Ioc), 1 => Just(F::Fok)];
    let entry = (entry, life).prop_map(|((side, order_type, qty, price), time_in_force)| Entry {
        order_type,
        time_in_force,
        price: Ticks(if order_type == T::Market { 0 } else { price }),
        ..Entry::limit(0, side, Ticks(price), Lots(qty))
    });
    let act = prop_oneof![
        6 => entry.prop_map(Act::New),
        1 => ago().prop_map(Act::Cancel),
        2 => replace(),
    ];
    prop::collection::vec(act, 1..=steps).prop_map(Flow)
}

fn act(entry: BoxedStrategy<Entry>) -> impl Strategy<Value = Act> {
    let phase = prop_oneof![
        10 => Just(Phase::Continuous),
        2 => Just(Phase::Halt),
        2 => Just(Phase::OpenAuction),
        2 => Just(Phase::CloseAuction),
        1 => Just(Phase::PreOpen),
        1 => Just(Phase::Closed),
    ];
    let bands = prop_oneof![
        2 => Just(None),
        3 => (95i64..100, 101i64..106).prop_map(Some),
    ];
    let side = prop::option::of(any::<bool>());
    prop_oneof![
        70 => entry.prop_map(Act::New),
        8 => ago().prop_map(Act::Cancel),
        14 => replace(),
        6 => phase.prop_map(Act::Phase),
        2 => (1u64..5).prop_map(Act::Time),
        2 => bands.prop_map(Act::Bands),
        1 => price().prop_map(Act::Reference),
        1 => (prop::option::of(0u32..3), side).prop_map(|(account, side)| Act::MassCancel(account, side)),
    ]
}

fn replace() -> impl Strategy<Value = Act> {
    let some_price = || prop::option::of(price());
    (ago(), qty(), some_price(), some_price()).prop_map(|(ago, leaves, price, stop_price)| {
        Act::Replace { ago, leaves, price, stop_price }
    })
}

fn ago() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0usize..6, 3 => 6usize..30]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn price() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 98i64..=103, 3 => 90i64..=110, 1 => 1i64..=4]
}

fn qty() -> impl Strategy<Value = u64> {
    prop_oneof![12 => 1u64..=9, 3 => 10u64..=40]
}

fn life() -> impl Strategy<Value = F> {
    prop_oneof![
        10 => Just(F::Gtc),
        3 => Just(F::Day),
        3 => Just(F::Ioc),
        2 => Just(F::Fok),
        2 => Just(F::Gtd),
        1 => Just(F::AtTheOpen),
        1 => Just(F::AtTheClose),
    ]
}

fn kind() -> impl Strategy<Value = T> {
    prop_oneof![
        30 => Just(T::Limit),
        4 => Just(T::Market),
        3 => Just(T::MarketToLimit),
        3 => Just(T::Stop),
        3 => Just(T::StopLimit),
        2 => Just(T::MarketIfTouched),
        2 => Just(T::LimitIfTouched),
        2 => Just(T::TrailingStop),
        3 => Just(T::TrailingStopLimit),
        8 => Just(T::Pegged),
    ]
}

/// What a random order has beside its kind; [`fitted`] leaves out what does not go with the rest.
#[derive(Clone, Debug)]
struct Extras {
    stop_price: Option<i64>,
    trail: Trail,
    offset: i64,
    has_limit: bool,
    peg: PegKind,
    post_only: Option<PostOnly>,
    self_trade: Option<SelfTrade>,
    hidden: bool,
    display_qty: Option<u64>,
    min_qty: Option<u64>,
    later: u64,
    /// Once in a while the order is left as it is, however little it makes sense.
    is_wild: bool,
}

fn entry() -> impl Strategy<Value = Entry> {
    (side(), kind(), life(), qty(), price(), 0u32..3, extras()).prop_map(
        |(side, order_type, time_in_force, qty, price, account, extras)| {
            let entry = Entry {
                account: AccountId(account),
                order_type,
                time_in_force,
                ..Entry::limit(0, side, Ticks(price), Lots(qty))
            };
            fitted(entry, &extras)
        },
    )
}

fn extras() -> impl Strategy<Value = Extras> {
    let rarely = |weight: f64| prop::bool::weighted(weight);
    let trail = prop_oneof![
        2 => (1i64..5).prop_map(Trail::Ticks),
        1 => (1i64..50_000).prop_map(Trail::Ppm),
    ];
    let peg = prop_oneof![Just(PegKind::Primary), Just(PegKind::Mid), Just(PegKind::Market)];
    let post_only = prop_oneof![Just(PostOnly::Reject), Just(PostOnly::Slide)];
    let self_trade = prop::sample::select(SelfTrade::ALL);
    let prices = (prop::option::of(price()), trail, -3i64..=3, any::<bool>(), peg);
    let instructions = (
        prop::option::weighted(0.08, post_only),
        prop::option::weighted(0.25, self_trade),
        rarely(0.1),
        prop::option::weighted(0.12, 1u64..6),
        prop::option::weighted(0.15, 1u64..12),
    );
    (prices, instructions, 1u64..8, rarely(0.04)).prop_map(
        |(
            (stop_price, trail, offset, has_limit, peg),
            (post_only, self_trade, hidden, display_qty, min_qty),
            later,
            is_wild,
        )| Extras {
            stop_price,
            trail,
            offset,
            has_limit,
            peg,
            post_only,
            self_trade,
            hidden,
            display_qty,
            min_qty,
            later,
            is_wild,
        },
    )
}

/// The order with those extras that its kind has.
fn fitted(mut entry: Entry, extras: &Extras) -> Entry {
    let kind = entry.order_type;
    let trails = matches!(kind, T::TrailingStop | T::TrailingStopLimit);
    let stops = matches!(kind, T::Stop | T::StopLimit | T::MarketIfTouched | T::LimitIfTouched);
    let auction = matches!(entry.time_in_force, F::AtTheOpen | F::AtTheClose);
    if auction && !extras.is_wild && !matches!(kind, T::Market | T::Limit) {
        entry.time_in_force = F::Gtc;
    }
    let auction = auction && matches!(kind, T::Market | T::Limit);
    let lives = matches!(entry.time_in_force, F::Day | F::Gtc | F::Gtd);
    let wild = extras.is_wild;
    let limited = matches!(kind, T::Limit | T::StopLimit | T::LimitIfTouched);
    let keeps_price = limited || extras.has_limit && extras.later.is_multiple_of(2);
    let by_offset = kind == T::TrailingStopLimit && !keeps_price;
    if !keeps_price {
        entry.price = Ticks(0);
    }
    let mut terms = Terms::default();
    if stops || trails && extras.has_limit {
        terms.stop_price = Some(Ticks(extras.stop_price.unwrap_or(100)));
    }
    terms.trail = (trails || wild && extras.hidden).then_some(extras.trail);
    terms.limit_offset = by_offset.then_some(Ticks(extras.offset));
    terms.peg =
        (kind == T::Pegged).then_some(Peg { kind: extras.peg, offset: Ticks(extras.offset) });
    terms.self_trade = extras.self_trade;
    terms.hidden = extras.hidden && (limited || kind == T::MarketToLimit);
    let posts = kind == T::Limit && lives;
    terms.post_only = extras.post_only.filter(|_| posts || wild);
    let has_minimum = kind != T::Pegged && !auction && terms.post_only.is_none();
    terms.min_qty =
        extras.min_qty.map(|qty| Lots(qty.min(entry.qty.0))).filter(|_| has_minimum || wild);
    let displays = kind != T::Pegged && !terms.hidden && terms.min_qty.is_none();
    terms.display_qty = extras.display_qty.map(Lots).filter(|_| displays || wild);
    if entry.time_in_force == F::Gtd {
        // Now and then it has passed already.
        terms.expire_at = UnixNanos(extras.later - 1);
    }
    entry.terms = terms;
    entry
}
