//! Several currencies in one account: each adds up by itself, conversions lose nothing, and what the whole is worth is
//! what its parts are.

mod desk;

use desk::{USD, name};
use proptest::prelude::*;
use tidegate_model::command::{Convert, OpenAccount, SetRate};
use tidegate_model::event::Liquidity;
use tidegate_model::ids::Code;
use tidegate_model::{AccountId, InstrumentId, Money, RejectReason, Side, Ticks};
use tidegate_oms::{Mark, Oms};

const EUR: Code = Code(*b"EUR\0\0\0\0\0");
const JPY: Code = Code(*b"JPY\0\0\0\0\0");
const ACCOUNT: AccountId = AccountId(0);

fn rate(from: Code, to: Code, mantissa: u64, scale: u8) -> SetRate {
    SetRate { from, to, mantissa, scale, reserved: [0; 7] }
}

fn convert(from: Code, to: Code, amount: i128, received: i128) -> Convert {
    let (amount, received) = (Money(amount), Money(received));
    Convert { amount, received, from, to, account: ACCOUNT, reserved: [0; 12] }
}

fn opened() -> Oms {
    let mut oms = Oms::new(16).expect("a power of two");
    oms.open_account(&OpenAccount::of(ACCOUNT, USD)).expect("new");
    oms
}

/// Cash and conversions in one currency.
fn cash(oms: &Oms, currency: Code) -> (i128, i128) {
    let account = oms.account_in(ACCOUNT, currency).expect("it holds it");
    (account.cash.0, account.conversions.0)
}

#[test]
fn conversions_carry_what_a_division_leaves() {
    let mut oms = opened();
    oms.transfer(ACCOUNT, Money(1_000), Code::EMPTY).expect("in");
    oms.set_rate(&rate(USD, EUR, 333, 3)).expect("a rate");
    // 0.333 each: the third brings the second whole unit, after 0.999 have come to nothing.
    for (amount, eur) in [(1, 0), (1, 0), (1, 0), (1, 1), (3, 2), (993, 333)] {
        oms.convert(&convert(USD, EUR, amount, 0)).expect("a rate");
        assert_eq!(cash(&oms, EUR), (eur, eur));
    }
    assert_eq!(cash(&oms, USD), (0, -1_000));
    // As it was dealt, whatever the rate.
    oms.convert(&convert(EUR, USD, 333, 990)).expect("dealt");
    assert_eq!((cash(&oms, EUR), cash(&oms, USD)), ((0, 0), (990, -10)));
}

#[test]
fn what_cannot_be_converted_or_held_changes_nothing() {
    let mut oms = opened();
    oms.transfer(ACCOUNT, Money(1_000), Code::EMPTY).expect("in");
    oms.set_rate(&rate(USD, EUR, 9, 1)).expect("a rate");
    oms.set_rate(&rate(USD, JPY, u64::MAX, 0)).expect("a rate");
    let before = oms.hash();
    let huge = 1_i128 << 123;
    for (asked, expected) in [
        (convert(EUR, USD, 1, 0), RejectReason::CurrencyMismatch),
        (convert(USD, USD, 1, 1), RejectReason::BadField),
        (convert(USD, EUR, 0, 0), RejectReason::BadField),
        (convert(USD, EUR, -5, 0), RejectReason::BadField),
        (convert(USD, EUR, 5, -1), RejectReason::BadField),
        (convert(USD, Code(*b"GBP\0\0\0\0\0"), 5, 0), RejectReason::NoRate),
        (convert(USD, Code::EMPTY, 5, 4), RejectReason::BadField),
        (convert(USD, EUR, huge, 1), RejectReason::Overflow),
        (convert(USD, EUR, 1, huge), RejectReason::Overflow),
        (convert(USD, JPY, 1 << 100, 0), RejectReason::Overflow),
        (
            Convert { account: AccountId(9), ..convert(USD, EUR, 1, 0) },
            RejectReason::UnknownAccount,
        ),
    ] {
        assert_eq!(oms.convert(&asked).expect_err("refused").reason, expected, "{asked:?}");
    }
    let long = oms.transfer(ACCOUNT, Money(huge), JPY).expect_err("too much");
    assert_eq!(long.reason, RejectReason::Overflow);
    let bad = oms.transfer(ACCOUNT, Money(1), Code([7; 8])).expect_err("no code");
    assert_eq!(bad.reason, RejectReason::BadField);
    assert_eq!(oms.hash(), before);
    assert_eq!(oms.currencies(ACCOUNT).count(), 1, "a refusal opens no currency");

    for number in 1..AccountId::CURRENCIES_MAX as u8 {
        oms.transfer(ACCOUNT, Money(1), Code([b'A' + number, 0, 0, 0, 0, 0, 0, 0])).expect("room");
    }
    let ninth = oms.transfer(ACCOUNT, Money(1), EUR).expect_err("full");
    assert_eq!((ninth.reason, ninth.limit), (RejectReason::CapacityExceeded, 8));
}

#[test]
fn rates_that_no_table_takes() {
    let mut oms = opened();
    for bad in [
        rate(USD, USD, 1, 0),
        rate(Code::EMPTY, USD, 1, 0),
        rate(USD, Code([200; 8]), 1, 0),
        rate(USD, EUR, 1, 19),
    ] {
        assert_eq!(
            oms.set_rate(&bad).expect_err("refused").reason,
            RejectReason::BadField,
            "{bad:?}"
        );
    }
    let before = oms.hash();
    oms.set_rate(&rate(USD, EUR, 9, 1)).expect("a rate");
    assert_ne!(oms.hash(), before, "a rate shapes what follows");
    oms.set_rate(&rate(USD, EUR, 0, 0)).expect("taken away");
    oms.set_rate(&rate(USD, EUR, 0, 0)).expect("there was none");
    assert_eq!(oms.hash(), before);
    for number in 0..256_u32 {
        let code = Code::new(&format!("C{number}")).expect("a code");
        oms.set_rate(&rate(code, USD, 1, 0)).expect("room");
    }
    let full = oms.set_rate(&rate(USD, EUR, 1, 0)).expect_err("full");
    assert_eq!((full.reason, full.limit), (RejectReason::CapacityExceeded, 256));
    oms.set_rate(&rate(Code(*b"C7\0\0\0\0\0\0"), USD, 5, 0)).expect("it is there already");
}

#[test]
fn an_account_is_worth_its_currencies_and_positions() {
    let mut desk = desk::Desk::new(16, 1, 2);
    desk.oms.transfer(ACCOUNT, Money(1_000), Code::EMPTY).expect("in");
    desk.oms.transfer(ACCOUNT, Money(500), EUR).expect("in");
    desk.terms.currency = EUR;
    let new = desk::order(0, 1, 1, Side::Buy, 4);
    assert_eq!(desk.ask(new).expect_err("limits count in dollars").reason, RejectReason::NoRate);
    desk.oms.set_rate(&rate(EUR, USD, 1, 0)).expect("a rate");
    let slot = desk.enter(new).expect("it holds euros");
    desk.fill(slot, 4, 100, Liquidity::Taker);
    desk.oms.set_rate(&rate(EUR, USD, 0, 0)).expect("taken away");
    assert_eq!(cash(&desk.oms, EUR), (100, 0));
    let worth = |oms: &Oms, mark: Option<i64>| {
        oms.equity(ACCOUNT, |_| Mark { terms: &desk.terms, price: mark.map(Ticks), margin: None })
    };
    assert_eq!(worth(&desk.oms, None).expect_err("no rate").reason, RejectReason::NoRate);
    desk.oms.set_rate(&rate(EUR, USD, 11, 1)).expect("a rate");
    for (mark, equity, unrealised, unmarked) in
        [(Some(110), 1_000 + 594, 44, 0), (Some(90), 1_000 + 506, -44, 0), (None, 1_550, 0, 1)]
    {
        let told = worth(&desk.oms, mark).expect("a rate");
        let figures = (told.equity.0, told.unrealised.0, told.unmarked);
        assert_eq!(figures, (equity, unrealised, unmarked), "at {mark:?}");
        assert_eq!(told.currency, USD);
    }
}

/// One step of an account in three currencies.
#[derive(Clone, Copy, Debug)]
enum Step {
    Transfer { currency: usize, amount: i64 },
    Convert { from: usize, to: usize, amount: i64, dealt: i64 },
    Trade { instrument: u32, buy: bool, qty: u64, price: i64 },
}

const CODES: [Code; 3] = [USD, EUR, JPY];
/// From, to, mantissa, scale.
const RATES: [(usize, usize, u64, u8); 4] =
    [(0, 1, 891_234_567, 9), (1, 0, 112, 2), (0, 2, 147, 0), (2, 0, 68, 4)];

fn step() -> impl Strategy<Value = Step> {
    let currency = 0..3_usize;
    prop_oneof![
        (currency.clone(), -1_000_i64..10_000)
            .prop_map(|(currency, amount)| Step::Transfer { currency, amount }),
        (currency.clone(), currency, -3_i64..5_000, prop_oneof![Just(0_i64), -2_i64..5_000])
            .prop_map(|(from, to, amount, dealt)| Step::Convert { from, to, amount, dealt }),
        (0..6_u32, any::<bool>(), 1..40_u64, 1..300_i64)
            .prop_map(|(instrument, buy, qty, price)| Step::Trade { instrument, buy, qty, price }),
    ]
}

/// A naive ledger: every currency as a sum of what was paid.
#[derive(Default)]
struct Naive {
    cash: [i128; 3],
    deposits: [i128; 3],
    conversions: [i128; 3],
    /// What conversions at rates are worth exactly, in 1e-18.
    exact: [i128; 3],
    /// What conversions brought as they were dealt.
    dealt: [i128; 3],
    given: [i128; 3],
    holds: [bool; 3],
}

impl Naive {
    fn convert(&mut self, from: usize, to: usize, amount: i128, dealt: i128) -> bool {
        let rate = RATES.iter().find(|rate| (rate.0, rate.1) == (from, to));
        if amount <= 0 || dealt < 0 || from == to || !self.holds[from] {
            return false;
        }
        if dealt > 0 {
            self.dealt[to] += dealt;
        } else {
            let Some((_, _, mantissa, scale)) = rate else { return false };
            let scale = 10_i128.pow(18 - u32::from(*scale));
            self.exact[to] += amount * i128::from(*mantissa) * scale;
        }
        self.given[from] += amount;
        self.holds[to] = true;
        true
    }

    fn settle(&mut self) {
        for at in 0..3 {
            let before = self.conversions[at];
            let paid = self.exact[at].div_euclid(10_i128.pow(18));
            self.conversions[at] = self.dealt[at] + paid - self.given[at];
            self.cash[at] += self.conversions[at] - before;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_currency_adds_up(steps in prop::collection::vec(step(), 1..80)) {
        let mut desk = desk::Desk::new(128, 1, 6);
        for (from, to, mantissa, scale) in RATES {
            desk.oms.set_rate(&rate(CODES[from], CODES[to], mantissa, scale)).expect("room");
        }
        let mut naive = Naive { holds: [true, false, false], ..Naive::default() };
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Transfer { currency, amount } => {
                    let amount = i128::from(amount);
                    desk.oms.transfer(ACCOUNT, Money(amount), CODES[currency]).expect("fits");
                    naive.holds[currency] = true;
                    naive.cash[currency] += amount;
                    naive.deposits[currency] += amount;
                }
                Step::Convert { from, to, amount, dealt } => {
                    let (amount, dealt) = (i128::from(amount), i128::from(dealt));
                    let done = desk.oms.convert(&convert(CODES[from], CODES[to], amount, dealt));
                    prop_assert_eq!(done.is_ok(), naive.convert(from, to, amount, dealt));
                    naive.settle();
                }
                Step::Trade { instrument, buy, qty, price } => {
                    let currency = instrument as usize % 3;
                    desk.terms.currency = CODES[currency];
                    if !naive.holds[currency] {
                        let funds = desk.oms.funds(ACCOUNT, &desk.terms, None);
                        prop_assert_eq!(funds.map(|_| ()).expect_err("not held").reason, RejectReason::CurrencyMismatch);
                        continue;
                    }
                    let side = if buy { Side::Buy } else { Side::Sell };
                    let mut new = desk::order(0, instrument, number as u64, side, qty);
                    new.client_order_id = name(number as u64);
                    // The euro's worth limits nothing here: credit is of the base currency.
                    let Some(slot) = desk.try_enter(new) else { continue };
                    desk.fill(slot, qty, price, Liquidity::Maker);
                    let signed = if buy { i128::from(qty) } else { -i128::from(qty) };
                    naive.cash[currency] -= signed * i128::from(price);
                }
            }
            for (at, code) in CODES.iter().enumerate().filter(|(at, _)| naive.holds[*at]) {
                let account = desk.oms.account_in(ACCOUNT, *code).expect("held");
                prop_assert_eq!(account.cash.0, naive.cash[at], "{} after {:?}", code, step);
                prop_assert_eq!(account.deposits.0, naive.deposits[at]);
                prop_assert_eq!(account.conversions.0, naive.conversions[at]);
            }
            prop_assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
        }
        // What is held of each instrument is paid in its currency alone.
        let held = |id: u32| desk.oms.position(ACCOUNT, InstrumentId(id)).cost.0;
        for (at, code) in CODES.iter().enumerate().filter(|(at, _)| naive.holds[*at]) {
            let account = *desk.oms.account_in(ACCOUNT, *code).expect("held");
            let cost = held(at as u32) + held(at as u32 + 3);
            let came = account.deposits.0 + account.realised.0 + account.conversions.0;
            prop_assert_eq!(account.cash.0 + cost, came);
        }
    }
}
