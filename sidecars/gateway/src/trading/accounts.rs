//! Accounts of people: opening them, and what is in them.
//!
//! All are in memory, for their rows never change but once: `opened_at` is set when the engine has opened the account, limited it
//! and paid its first cash. Where a crash cut that off, the next order finishes it, or the same request again.

use super::outcome;
use super::picture::place;
use super::report::Balance;
use crate::config::Config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::cursor::Page;
use crate::http::guard::Caller;
use crate::http::idempotency::IdempotencyKey;
use crate::identity::people::uuid;
use crate::permission::Permission;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{AnyPool, Row};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tidegate_client::ClientError;
use tidegate_client::proto::{
    self, EventPosition, GetAccountRequest, GetAccountResponse, OpenAccountRequest, RejectReason,
    SetLimitsRequest, TransferRequest,
};
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Accounts of one user at most.
const ACCOUNTS_MAX: usize = 10;
/// Characters of a name at most.
const NAME_LEN_MAX: usize = 60;
/// How often a number is tried to be found that nobody else took in the same moment.
const TRIES: usize = 8;
/// How often and after which pause the edge is asked again that does not include yet what the engine answered.
const BEHIND_TRIES: usize = 100;
const BEHIND_PAUSE: Duration = Duration::from_millis(10);
/// The list that cursors of everybody's accounts belong to.
const LIST: &str = "accounts";

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its UUID.
    pub id: Uuid,
    /// The engine's number.
    pub number: u32,
    /// Whose.
    pub owner: Uuid,
    /// What the owner calls it.
    pub name: String,
    /// When it was asked for, in milliseconds.
    pub created_at: i64,
    /// Whether the engine has it, with limits and cash.
    pub is_open: bool,
}

#[derive(Debug, Default)]
struct Index {
    by_id: HashMap<Uuid, Arc<Account>>,
    by_number: HashMap<u32, Uuid>,
    by_owner: HashMap<Uuid, Vec<Uuid>>,
}

/// All accounts.
#[derive(Debug)]
pub struct Accounts {
    pool: AnyPool,
    numbers: [u32; 2],
    index: RwLock<Index>,
    /// One is opened at a time: what is half done is looked at before it is done again.
    opening: Mutex<()>,
}

impl Accounts {
    /// Reads them.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(config: &Config, pool: AnyPool) -> Result<Self> {
        let mut index = Index::default();
        for row in sqlx::query("SELECT * FROM accounts ORDER BY number").fetch_all(&pool).await? {
            index.put(Account {
                id: uuid(&row.try_get::<String, _>("id")?)?,
                number: u32::try_from(row.try_get::<i64, _>("number")?)
                    .map_err(ApiError::internal)?,
                owner: uuid(&row.try_get::<String, _>("owner")?)?,
                name: row.try_get("name")?,
                created_at: row.try_get("created_at")?,
                is_open: row.try_get::<Option<i64>, _>("opened_at")?.is_some(),
            });
        }
        let numbers = config.engine.accounts;
        Ok(Self { pool, numbers, index: RwLock::new(index), opening: Mutex::default() })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account by its UUID.
    pub fn get(&self, id: Uuid) -> Option<Arc<Account>> {
        self.read().by_id.get(&id).cloned()
    }

    /// An account by the engine's number.
    pub fn by_number(&self, number: u32) -> Option<Arc<Account>> {
        let index = self.read();
        index.by_id.get(index.by_number.get(&number)?).cloned()
    }

    /// The accounts of a user, in the order in which they were opened.
    pub fn of(&self, owner: Uuid) -> Vec<Arc<Account>> {
        let index = self.read();
        let ids = index.by_owner.get(&owner).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| index.by_id.get(id).cloned()).collect()
    }

    /// The engine's numbers of a user's accounts.
    pub fn numbers_of(&self, owner: Uuid) -> Vec<u32> {
        self.of(owner).iter().map(|account| account.number).collect()
    }

    /// Every account.
    pub fn all(&self) -> Vec<Arc<Account>> {
        let mut all: Vec<_> = self.read().by_id.values().cloned().collect();
        all.sort_by_key(|account| account.number);
        all
    }

    /// An account that a caller may see: one's own, one of whose owner one leads, or anybody's for who sees everybody's.
    ///
    /// # Errors
    /// [`Code::NotFound`], or the database's.
    pub async fn seen(gateway: &Gateway, caller: &Caller, id: Uuid) -> Result<Arc<Account>> {
        let none = || ApiError::not_found("account");
        let account = gateway.accounts.get(id).ok_or_else(none)?;
        let may = gateway.identity.may_see(account.owner, caller).await?;
        may.then_some(account).ok_or_else(none)
    }

    /// An account of one's own.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn own(&self, caller: &Caller, id: Uuid) -> Result<Arc<Account>> {
        let account = self.get(id).filter(|account| account.owner == caller.user);
        account.ok_or_else(|| ApiError::not_found("account"))
    }

    /// The same, open: what a crash left undone is done first.
    ///
    /// # Errors
    /// [`Code::NotFound`], and those of opening.
    pub async fn ready(gateway: &Gateway, caller: &Caller, id: Uuid) -> Result<Arc<Account>> {
        let account = gateway.accounts.own(caller, id)?;
        if account.is_open { Ok(account) } else { finish(gateway, &account).await }
    }

    /// Those that a list is about: the one that is named, or all of one's own.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn asked(
        gateway: &Gateway,
        caller: &Caller,
        id: Option<Uuid>,
    ) -> Result<Vec<Arc<Account>>> {
        match id {
            Some(id) => Ok(vec![Self::seen(gateway, caller, id).await?]),
            None => Ok(gateway.accounts.of(caller.user)),
        }
    }

    /// Gives a user a number for an account of this name; the same one for the same UUID. Never one that the engine has and the
    /// database does not: it is somebody's of a database that was lost, or another gateway's.
    async fn add(
        &self,
        gateway: &Gateway,
        id: Uuid,
        owner: Uuid,
        name: &str,
    ) -> Result<Arc<Account>> {
        if !gateway.events.is_caught_up() {
            let message = "the gateway still reads which accounts there are; try again";
            let details = json!({ "retry_after_s": 1 });
            return Err(ApiError::new(Code::Unavailable, message).with(details));
        }
        let [first, last] = self.numbers;
        let taken = gateway.events.picture().account_last();
        if taken >= first && self.by_number(taken).is_none() {
            tracing::error!(
                "the engine has accounts up to {taken} that this database does not know: it was lost, or another gateway has the \
                 same engine.accounts; new accounts come after them"
            );
        }
        let first = first.max(taken.saturating_add(1));
        for _ in 0..TRIES {
            if let Some(account) = self.get(id) {
                return Ok(account);
            }
            if self.of(owner).len() >= ACCOUNTS_MAX {
                let message = format!("a user has {ACCOUNTS_MAX} accounts at most");
                let details = json!({ "limit": ACCOUNTS_MAX });
                return Err(ApiError::new(Code::Conflict, message).with(details));
            }
            let now = crate::now_ms();
            let added = sqlx::query(
                "INSERT INTO accounts (id, number, owner, name, created_at)
                 SELECT $1, CASE WHEN MAX(number) >= $4 THEN MAX(number) + 1 ELSE $4 END, $2, $3, $5 FROM accounts
                 HAVING COALESCE(MAX(number), 0) < $6 AND $4 <= $6 AND COUNT(CASE WHEN owner = $2 THEN 1 END) < $7
                 RETURNING number",
            )
            .bind(id.to_string())
            .bind(owner.to_string())
            .bind(name.to_string())
            .bind(i64::from(first))
            .bind(now)
            .bind(i64::from(last))
            .bind(ACCOUNTS_MAX as i64)
            .fetch_optional(&self.pool)
            .await;
            match added {
                Ok(Some(row)) => {
                    let number = u32::try_from(row.try_get::<i64, _>("number")?)
                        .map_err(ApiError::internal)?;
                    let name = name.to_string();
                    let account =
                        Account { id, number, owner, name, created_at: now, is_open: false };
                    let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                    return Ok(index.put(account));
                }
                Ok(None) => {
                    let message =
                        format!("all accounts up to {last} are given away (engine.accounts)");
                    return Err(ApiError::new(Code::Conflict, message));
                }
                Err(error) if crate::db::is_duplicate(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::new(Code::Unavailable, "many accounts are opened at once; try again"))
    }

    async fn opened(&self, account: &Account) -> Result<Arc<Account>> {
        sqlx::query("UPDATE accounts SET opened_at = $2 WHERE id = $1 AND opened_at IS NULL")
            .bind(account.id.to_string())
            .bind(crate::now_ms())
            .execute(&self.pool)
            .await?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        Ok(index.put(Account { is_open: true, ..account.clone() }))
    }
}

impl Index {
    fn put(&mut self, account: Account) -> Arc<Account> {
        let account = Arc::new(account);
        let is_new = self.by_id.insert(account.id, Arc::clone(&account)).is_none();
        self.by_number.insert(account.number, account.id);
        if is_new {
            self.by_owner.entry(account.owner).or_default().push(account.id);
        }
        account
    }
}

/// Has the engine open an account, limit it and pay its first cash, whatever of that was done before.
pub(super) async fn finish(gateway: &Gateway, account: &Account) -> Result<Arc<Account>> {
    let accounts = &gateway.accounts;
    let _one = accounts.opening.lock().await;
    if let Some(account) = accounts.get(account.id).filter(|account| account.is_open) {
        return Ok(account);
    }
    let (engine, config) = (&gateway.engine, &gateway.config);
    let number = account.number;
    let currency = config.engine.currency.clone();
    let open = OpenAccountRequest { account: number, currency, ..Default::default() };
    let answer = engine.open_account(open).await.map_err(outcome::unknown)?;
    let is_there = RejectReason::DuplicateAccount;
    let refused = answer.reject.filter(|reject| reject.reason() != is_there);
    outcome::check(refused.as_ref())?;
    let limits = config.trading.limits(number);
    let limits = SetLimitsRequest { limits: Some(limits), reason: "a new account".into() };
    let mut last = answer.position;
    if engine.get_limits(proto::GetLimitsRequest { account: number }).await?.limits.is_none() {
        let answer = engine.set_limits(limits).await.map_err(outcome::unknown)?;
        outcome::check(answer.reject.as_ref())?;
        if answer.proposal != 0 {
            return Err(ApiError::internal("an account's first limits wait for a second person"));
        }
        last = answer.position;
    }
    // Cash comes last, so that deposits say whether it came: those after the answer above, which came after any transfer of before.
    let held = || {
        let engine = engine.clone();
        async move { engine.get_account(GetAccountRequest { account: number }).await }
    };
    if !is_paid(held, answer.position.as_ref()).await? {
        let amount = config.engine.paper_cash.clone();
        let cash = TransferRequest { account: number, amount, ..Default::default() };
        let answer = engine.transfer(cash).await.map_err(outcome::unknown)?;
        outcome::check(answer.reject.as_ref())?;
        last = answer.position;
    }
    gateway.events.reach(last.as_ref()).await;
    accounts.opened(account).await
}

/// Whether something was paid into an account until an event, by an answer that includes it.
///
/// # Errors
/// What the question failed with: then nobody knows.
async fn is_paid<Held>(
    mut held: impl FnMut() -> Held,
    until: Option<&EventPosition>,
) -> Result<bool>
where
    Held: Future<Output = std::result::Result<GetAccountResponse, ClientError>>,
{
    let place = |at: &EventPosition| (at.seq, at.ordinal);
    let mut tries = BEHIND_TRIES;
    loop {
        tries -= 1;
        match held().await {
            Ok(held) if held.as_of.as_ref().map(place) >= until.map(place) => {
                let deposits = held.account.map(|report| report.deposits);
                return Ok(deposits.is_some_and(|deposits| !super::amount::is_zero(&deposits)));
            }
            Err(error) if tries == 0 || !is_not_found(&error) => return Err(error.into()),
            Ok(_) if tries == 0 => {
                return Err(ApiError::internal("the edge is behind the engine's answers"));
            }
            // It does not know the account yet, or not all of it.
            _ => tokio::time::sleep(BEHIND_PAUSE).await,
        }
    }
}

fn is_not_found(error: &ClientError) -> bool {
    matches!(error, ClientError::Call { status, .. } if status.code() == tonic::Code::NotFound)
}

/// A new paper account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    /// What to call it; 1 to 60 characters.
    #[schema(example = "Paper", min_length = 1, max_length = 60)]
    name: String,
}

/// An account, and what is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountReport {
    /// Its UUID.
    id: Uuid,
    /// What its owner calls it.
    name: String,
    /// Its owner.
    owner: Uuid,
    /// `paper`: its cash is not real.
    kind: &'static str,
    /// `open`, or `opening` until the engine has it.
    status: &'static str,
    /// When it was asked for, in milliseconds since the Unix epoch.
    created_at: i64,
    /// Cash, its base currency first.
    balances: Vec<Balance>,
}

fn report(gateway: &Gateway, account: &Account) -> AccountReport {
    let picture = gateway.events.picture();
    let balances = picture.account(account.number).map(|picture| &picture.balances[..]);
    AccountReport {
        id: account.id,
        name: account.name.clone(),
        owner: account.owner,
        kind: "paper",
        status: if account.is_open { "open" } else { "opening" },
        created_at: account.created_at,
        balances: balances.unwrap_or_default().iter().map(Balance::new).collect(),
    }
}

pub(super) fn as_of(gateway: &Gateway) -> String {
    place(gateway.events.picture().as_of())
}

/// Opens a paper account, with cash and limits.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", security(("bearer" = ["accounts:write"])),
    request_body = Open, responses((status = 201, body = Envelope<AccountReport>)))]
pub(super) async fn open(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Body(asked): Body<Open>,
) -> Result<Data<AccountReport>> {
    let name = crate::name::checked(&asked.name, NAME_LEN_MAX)?;
    let id = key.map_or_else(Uuid::now_v7, |key| key.uuid(caller.user));
    let account = gateway.accounts.add(&gateway, id, caller.user, &name).await?;
    let account = finish(&gateway, &account).await?;
    let detail = json!({ "name": account.name, "number": account.number });
    gateway.audit.add(caller.entry("account.open", account.id, detail)).await?;
    Ok(Data::created(report(&gateway, &account)).as_of(as_of(&gateway)))
}

/// Whose accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Of this user, whose accounts one may see; absent: one's own.
    owner: Option<Uuid>,
    /// Of everybody, in pages; needs `accounts:read_all`.
    #[serde(default)]
    everybody: bool,
    /// `meta.next_cursor` of the page before, for everybody's; absent: the first page.
    cursor: Option<String>,
    /// Rows of a page of everybody's, 1 to 200; absent: 50.
    limit: Option<u32>,
}

/// One's accounts; those of a member of an organisation that one leads; everybody's.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(Whose), responses((status = 200, body = Envelope<Vec<AccountReport>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(whose): Query<Whose>,
) -> Result<Data<Vec<AccountReport>>> {
    let (mut accounts, mut next) = (Vec::new(), None);
    let page = Page { cursor: whose.cursor, limit: whose.limit };
    let (size, after) = (page.size()?, gateway.cursors.read(&caller, LIST, &page)?);
    if whose.everybody {
        caller.check(Permission::AccountsReadAll)?;
        accounts = gateway.accounts.all();
        accounts.retain(|account| after.is_none_or(|after| u64::from(account.number) > after));
        accounts.truncate(size + 1);
        let number = |account: &Arc<Account>| account.number.into();
        next = gateway.cursors.cut(&caller, LIST, &mut accounts, size, number);
    } else {
        let owner = whose.owner.unwrap_or(caller.user);
        if !gateway.identity.may_see(owner, &caller).await? {
            return Err(ApiError::not_found("user"));
        }
        accounts.extend(gateway.accounts.of(owner));
    }
    let reports = accounts.iter().map(|account| report(&gateway, account)).collect();
    Ok(Data::page(reports, next).as_of(as_of(&gateway)))
}

/// One account.
#[utoipa::path(get, path = "/api/v1/accounts/{id}", tag = "accounts", security(("bearer" = ["accounts:read"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<AccountReport>)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<AccountReport>> {
    let account = Accounts::seen(&gateway, &caller, id).await?;
    Ok(Data::new(report(&gateway, &account)).as_of(as_of(&gateway)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use tidegate_client::proto::AccountReport;
    use tonic::{Code as Grpc, Status};

    fn held(seq: u64, deposits: &str) -> std::result::Result<GetAccountResponse, ClientError> {
        let report = AccountReport { deposits: deposits.into(), ..Default::default() };
        let as_of = Some(EventPosition { seq, ..Default::default() });
        Ok(GetAccountResponse { account: Some(report), as_of, ..Default::default() })
    }

    fn failed(code: Grpc) -> std::result::Result<GetAccountResponse, ClientError> {
        let status = Box::new(Status::new(code, "x"));
        Err(ClientError::Call { call: "GetAccount", status })
    }

    #[tokio::test]
    async fn only_an_answer_says_that_nothing_was_paid() {
        let until = EventPosition { seq: 7, ..Default::default() };
        for (answers, expected) in [
            (vec![held(7, "0")], Some(false)),
            (vec![held(8, "100000")], Some(true)),
            // It is behind: before the account, then before the cash.
            (vec![failed(Grpc::NotFound), held(6, "0"), held(7, "100000")], Some(true)),
            (vec![failed(Grpc::Unavailable)], None),
            (vec![failed(Grpc::DeadlineExceeded)], None),
            (std::iter::repeat_with(|| held(6, "0")).take(BEHIND_TRIES).collect(), None),
            (std::iter::repeat_with(|| failed(Grpc::NotFound)).take(BEHIND_TRIES).collect(), None),
        ] {
            let mut answers = VecDeque::from(answers);
            let ask = || std::future::ready(answers.pop_front().expect("not asked more often"));
            assert_eq!(is_paid(ask, Some(&until)).await.ok(), expected);
        }
    }
}
