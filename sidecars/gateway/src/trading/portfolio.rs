//! What accounts hold, what it is worth, and the executions that made it so.

use super::accounts::{Account, Accounts};
use super::amount::Amount;
use super::marks;
use super::picture::{Picture, place};
use super::report::{Balance, Execution, Position, is_flat};
use crate::error::Result;
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::cursor::Page;
use crate::http::guard::Caller;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_client::proto::PositionReport;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The list that cursors of executions belong to.
const LIST: &str = "executions";

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Of this account; absent: of all of one's own.
    account: Option<Uuid>,
    /// In this symbol.
    symbol: Option<String>,
    /// Flat positions too, which carry what was realised.
    #[serde(default)]
    include_flat: bool,
}

fn positions_of(
    gateway: &Gateway,
    picture: &Picture,
    account: &Account,
    is_wanted: impl Fn(&PositionReport) -> bool,
) -> Vec<Position> {
    let Some(known) = picture.account(account.number) else { return Vec::new() };
    let wanted = known.positions.values().filter(|report| is_wanted(report));
    let at_mark = wanted.map(|report| {
        let mark = marks::of(&gateway.market, &report.symbol);
        Position::new(report, Some(account.id), mark, picture.instrument(&report.symbol))
    });
    at_mark.collect()
}

/// Positions.
#[utoipa::path(get, path = "/api/v1/positions", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(Whose), responses((status = 200, body = Envelope<Vec<Position>>)))]
pub(super) async fn positions(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(whose): Query<Whose>,
) -> Result<Data<Vec<Position>>> {
    let accounts = Accounts::asked(&gateway, &caller, whose.account).await?;
    let picture = gateway.events.picture();
    let is_wanted = |report: &PositionReport| {
        (whose.include_flat || !is_flat(report))
            && whose.symbol.as_ref().is_none_or(|symbol| *symbol == report.symbol)
    };
    let all = accounts.iter().flat_map(|one| positions_of(&gateway, &picture, one, is_wanted));
    Ok(Data::new(all.collect()).as_of(place(picture.as_of())))
}

/// What accounts are worth in one currency.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Totals {
    /// The currency of all amounts.
    pub currency: String,
    /// Cash.
    pub cash: String,
    /// Cash and positions: at their marks, and at their cost where there is none. Of what is settled daily, whose profit is in cash
    /// once it is settled, only what it has made since.
    pub equity: String,
    /// Realised profit and loss, before fees.
    pub realised: String,
    /// Profit and loss of open positions.
    pub unrealised: String,
    /// Fees.
    pub fees: String,
    /// Value of long and short positions, added up.
    gross_exposure: String,
    /// Value of long less short positions.
    net_exposure: String,
    /// Positions that count at their cost because there is no mark.
    pub unmarked: usize,
    /// What equity is in, the largest first; cash among it.
    allocation: Vec<Share>,
}

/// A part of equity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Share {
    /// The instrument; absent: cash.
    symbol: Option<String>,
    /// Its value; below 0 is short.
    value: String,
    /// Its part of equity in per cent; below 0 is short; absent where equity is nothing.
    percent: Option<String>,
}

/// What accounts hold and are worth.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Portfolio {
    /// By currency: amounts of two are not added up.
    pub totals: Vec<Totals>,
    /// Open positions.
    positions: Vec<Position>,
    /// Cash, by account and currency.
    balances: Vec<AccountBalance>,
}

/// Cash of one account in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountBalance {
    /// The account's UUID.
    account: Uuid,
    /// The cash.
    #[serde(flatten)]
    balance: Balance,
}

#[derive(Debug, Default)]
struct Sums {
    cash: Amount,
    realised: Amount,
    fees: Amount,
    unrealised: Amount,
    gross: Amount,
    net: Amount,
    unmarked: usize,
    /// What each instrument adds to equity.
    by_symbol: BTreeMap<String, Amount>,
}

impl Sums {
    fn totals(self, currency: String) -> Totals {
        let held = self.by_symbol.values().fold(Amount::default(), |sum, value| sum.plus(*value));
        let equity = self.cash.plus(held);
        let mut parts: Vec<_> =
            self.by_symbol.into_iter().map(|(symbol, value)| (Some(symbol), value)).collect();
        parts.push((None, self.cash));
        parts.sort_by_key(|(_, value)| std::cmp::Reverse(value.size()));
        let share = |(symbol, value): (Option<String>, Amount)| Share {
            symbol,
            value: value.text(),
            percent: value.percent_of(equity),
        };
        Totals {
            currency,
            cash: self.cash.text(),
            equity: equity.text(),
            realised: self.realised.text(),
            unrealised: self.unrealised.text(),
            fees: self.fees.text(),
            gross_exposure: self.gross.text(),
            net_exposure: self.net.text(),
            unmarked: self.unmarked,
            allocation: parts.into_iter().map(share).collect(),
        }
    }
}

/// Adds up by currency.
fn sums(balances: &[AccountBalance], positions: &[Position]) -> Vec<Totals> {
    let read = |text: &str| Amount::parse(text).unwrap_or_default();
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for AccountBalance { balance, .. } in balances {
        let sum = sums.entry(balance.currency.clone()).or_default();
        sum.cash = sum.cash.plus(read(&balance.cash));
        sum.realised = sum.realised.plus(read(&balance.realised));
        sum.fees = sum.fees.plus(read(&balance.fees));
    }
    for position in positions {
        let sum = sums.entry(position.currency.clone()).or_default();
        let worth = position.worth;
        sum.unmarked += usize::from(!worth.is_marked);
        sum.unrealised = sum.unrealised.plus(worth.unrealised);
        sum.gross = sum.gross.plus(worth.value.size());
        sum.net = sum.net.plus(worth.value);
        let of_symbol = sum.by_symbol.entry(position.symbol.clone()).or_default();
        *of_symbol = of_symbol.plus(worth.equity);
    }
    sums.into_iter().map(|(currency, sums)| sums.totals(currency)).collect()
}

/// Whose portfolio.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    /// Of this account; absent: all of one's own together.
    account: Option<Uuid>,
}

/// What accounts hold and are worth now.
pub(super) fn worth(gateway: &Gateway, picture: &Picture, accounts: &[Arc<Account>]) -> Portfolio {
    let is_open = |report: &PositionReport| !is_flat(report);
    let all = accounts.iter().flat_map(|one| positions_of(gateway, picture, one, is_open));
    let positions: Vec<_> = all.collect();
    let mut balances = Vec::new();
    for account in accounts {
        let Some(known) = picture.account(account.number) else { continue };
        let of_account = known.balances.iter().map(Balance::new);
        balances.extend(of_account.map(|balance| AccountBalance { account: account.id, balance }));
    }
    Portfolio { totals: sums(&balances, &positions), positions, balances }
}

/// What accounts hold and are worth: profit and loss, allocation, exposure.
#[utoipa::path(get, path = "/api/v1/portfolio", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(Of), responses((status = 200, body = Envelope<Portfolio>)))]
pub(super) async fn portfolio(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(of): Query<Of>,
) -> Result<Data<Portfolio>> {
    let accounts = Accounts::asked(&gateway, &caller, of.account).await?;
    let picture = gateway.events.picture();
    Ok(Data::new(worth(&gateway, &picture, &accounts)).as_of(place(picture.as_of())))
}

/// Which executions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this account; absent: of all of one's own.
    account: Option<Uuid>,
    /// In this symbol.
    symbol: Option<String>,
    /// Of this order.
    order: Option<Uuid>,
    /// `meta.next_cursor` of the page before; absent: the newest.
    cursor: Option<String>,
    /// Rows of the page, 1 to 200; absent: 50.
    limit: Option<u32>,
}

/// Executions, the newest first.
#[utoipa::path(get, path = "/api/v1/executions", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(Filter), responses((status = 200, body = Envelope<Vec<Execution>>)))]
pub(super) async fn executions(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Data<Vec<Execution>>> {
    let page = Page { cursor: filter.cursor, limit: filter.limit };
    let (size, before) = (page.size()?, gateway.cursors.read(&caller, LIST, &page)?);
    let accounts = Accounts::asked(&gateway, &caller, filter.account).await?;
    let picture = gateway.events.picture();
    let mut rows = Vec::new();
    for account in &accounts {
        let Some(known) = picture.account(account.number) else { continue };
        let older = known.executions.range(..before.unwrap_or(u64::MAX)).rev();
        let wanted = older.map(|(_, row)| row).filter(|row| {
            filter.symbol.as_ref().is_none_or(|symbol| *symbol == row.report.symbol)
                && filter.order.is_none_or(|order| order == row.order)
        });
        let of_page = wanted.take(size + 1);
        rows.extend(of_page.map(|row| (row.serial, Execution::new(row, Some(account.id)))));
    }
    let seen = place(picture.as_of());
    drop(picture);
    rows.sort_by_key(|(serial, _)| std::cmp::Reverse(*serial));
    let next = gateway.cursors.cut(&caller, LIST, &mut rows, size, |(serial, _)| *serial);
    Ok(Data::page(rows.into_iter().map(|(_, row)| row).collect(), next).as_of(seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_client::proto;

    fn position(symbol: &str, qty: &str, cost: &str, mark: Option<&str>) -> Position {
        let report = proto::PositionReport {
            symbol: symbol.into(),
            qty: qty.into(),
            cost: cost.into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let mark = mark.map(|mark| tidegate_client::decimal::parse_nano(mark).expect("a price"));
        Position::new(&report, None, mark.map(i128::from), None)
    }

    #[test]
    fn what_is_settled_daily_adds_what_it_makes_and_not_its_value() {
        let terms = proto::Instrument {
            multiplier: "50".into(),
            settlement: proto::Settlement::Daily.into(),
            ..Default::default()
        };
        let report = |qty: &str, cost: &str| proto::PositionReport {
            symbol: "ESZ6".into(),
            qty: qty.into(),
            cost: cost.into(),
            currency: "USD".into(),
            ..Default::default()
        };
        let cash = AccountBalance {
            account: Uuid::nil(),
            balance: Balance::new(&proto::AccountReport {
                currency: "USD".into(),
                cash: "100000".into(),
                ..Default::default()
            }),
        };
        for (qty, cost, mark, equity, net) in [
            ("1", "250000", Some(5_000_000_000_000), "100000.00", "250000.00"),
            ("1", "250000", Some(5_010_000_000_000), "100500.00", "250500.00"),
            ("-1", "-250000", Some(5_010_000_000_000), "99500.00", "-250500.00"),
            ("1", "250000", None, "100000.00", "250000.00"),
        ] {
            let position = Position::new(&report(qty, cost), None, mark, Some(&terms));
            let totals = sums(std::slice::from_ref(&cash), &[position]);
            let shown = (totals[0].equity.as_str(), totals[0].net_exposure.as_str());
            assert_eq!(shown, (equity, net), "{qty} at {mark:?}");
        }
    }

    #[test]
    fn long_and_short_add_up_by_currency() {
        let balance = |currency: &str, cash: &str| AccountBalance {
            account: Uuid::nil(),
            balance: Balance::new(&proto::AccountReport {
                currency: currency.into(),
                cash: cash.into(),
                realised: "5".into(),
                ..Default::default()
            }),
        };
        let totals = sums(
            &[balance("USD", "900"), balance("EUR", "10"), balance("USD", "100")],
            &[
                position("A", "10", "95", Some("10")),
                position("B", "-10", "-300", Some("20")),
                position("C", "1", "7", None),
            ],
        );
        let [eur, usd] = &totals[..] else { panic!("{totals:#?}") };
        assert_eq!((&eur.currency[..], &eur.equity[..]), ("EUR", "10.00"));
        for (value, expected) in [
            (&usd.cash, "1000.00"),
            (&usd.equity, "907.00"),
            (&usd.unrealised, "105.00"),
            (&usd.realised, "10.00"),
            (&usd.gross_exposure, "307.00"),
            (&usd.net_exposure, "-93.00"),
        ] {
            assert_eq!(value, expected);
        }
        assert_eq!(usd.unmarked, 1);
        let shares: Vec<_> = usd
            .allocation
            .iter()
            .map(|share| (share.symbol.as_deref(), share.percent.as_deref()))
            .collect();
        assert_eq!(
            shares,
            [
                (None, Some("110.25")),
                (Some("B"), Some("-22.05")),
                (Some("A"), Some("11.02")),
                (Some("C"), Some("0.77")),
            ]
        );
    }
}
