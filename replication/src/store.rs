//! The consensus store that keeps the lease's record.

use crate::lease::{Answer, Question, Record, Revision};
use crate::told::Told;
use etcdserverpb::compare::CompareTarget;
use etcdserverpb::kv_client::KvClient;
use etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}

/// Who is talked of: each server remembers for itself.
const ETCD: &str = "etcd";
/// Bytes of a record: some names and an address.
const RECORD_LEN_MAX: usize = 8 << 10;
/// Servers of one etcd: more make it slower, not safer.
pub const SERVERS_MAX: usize = 9;

/// Why a store cannot be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No server, or too many.
    #[error("{count} servers of etcd: 1 to {SERVERS_MAX} are allowed")]
    Servers {
        /// How many.
        count: usize,
    },
    /// An address that is none.
    #[error("'{address}' is no address of an etcd server, such as http://10.0.0.1:2379")]
    Address {
        /// The address.
        address: String,
    },
}

/// One key of an etcd. It answers what it was asked, or that it does not know; it never decides.
///
/// etcd agrees on each write among its servers and syncs it before it answers, and reads what was agreed.
#[derive(Debug)]
pub struct Etcd {
    key: Vec<u8>,
    servers: Vec<Server>,
    /// The server that answered last.
    current: AtomicUsize,
    patience: Duration,
}

#[derive(Debug)]
struct Server {
    endpoint: Endpoint,
    client: Mutex<KvClient<Channel>>,
    told: Mutex<Told>,
}

impl Server {
    fn locked(&self) -> MutexGuard<'_, KvClient<Channel>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that connects with its first question.
fn connect(endpoint: &Endpoint) -> KvClient<Channel> {
    KvClient::new(endpoint.connect_lazy()).max_decoding_message_size(2 * RECORD_LEN_MAX)
}

impl Etcd {
    /// The key `key` of the etcd with these servers, tried in turn. An answer may take `patience`.
    ///
    /// # Errors
    /// [`StoreError`] for addresses that are none. Nothing is connected yet.
    pub fn new(servers: &[String], key: &str, patience: Duration) -> Result<Self, StoreError> {
        if servers.is_empty() || servers.len() > SERVERS_MAX {
            return Err(StoreError::Servers { count: servers.len() });
        }
        let server = |address: &String| {
            let endpoint = Endpoint::from_shared(address.clone())
                .ok()
                .filter(|endpoint| endpoint.uri().authority().is_some());
            let endpoint =
                endpoint.ok_or_else(|| StoreError::Address { address: address.clone() })?;
            let endpoint = endpoint.connect_timeout(patience).timeout(patience).tcp_nodelay(true);
            let client = Mutex::new(connect(&endpoint));
            Ok(Server { endpoint, client, told: Mutex::default() })
        };
        let servers = servers.iter().map(server).collect::<Result<_, StoreError>>()?;
        let (key, current) = (key.as_bytes().to_vec(), AtomicUsize::new(0));
        Ok(Self { key, servers, current, patience })
    }

    /// Asks; every failure is [`Answer::Unknown`], since a request that was sent may have been carried out.
    pub async fn ask(&self, question: &Question) -> Answer {
        let at = self.current.load(Ordering::Relaxed) % self.servers.len();
        let server = &self.servers[at];
        let mut client = server.locked().clone();
        let asked = async {
            match question {
                Question::Read => self.read(&mut client).await,
                Question::Swap { expected, record } => {
                    self.swap(&mut client, *expected, record).await
                }
            }
        };
        let problem = match tokio::time::timeout(self.patience, asked).await {
            Ok(Ok(answer)) => {
                server.told().is_well(ETCD);
                return answer;
            }
            Ok(Err(status)) => status.to_string(),
            Err(_) => format!("no answer within {:?}", self.patience),
        };
        if server.told().is_news(ETCD, &problem) {
            tracing::warn!("etcd at {}: {problem}", server.endpoint.uri());
        }
        // A connection of before a cut waits ever longer until it sends again what was lost.
        *server.locked() = connect(&server.endpoint);
        self.current.store(at + 1, Ordering::Relaxed);
        Answer::Unknown
    }

    async fn read(&self, client: &mut KvClient<Channel>) -> Result<Answer, tonic::Status> {
        let found = client.range(RangeRequest { key: self.key.clone() }).await?.into_inner();
        let Some(entry) = found.kvs.first() else { return Ok(Answer::Is(None)) };
        let foreign = || {
            let key = String::from_utf8_lossy(&self.key);
            tonic::Status::data_loss(format!("the value of key '{key}' is no record of a lease"))
        };
        if entry.value.len() > RECORD_LEN_MAX {
            return Err(foreign());
        }
        let record: Record = serde_json::from_slice(&entry.value).map_err(|_| foreign())?;
        let revision = u64::try_from(entry.mod_revision).map_err(|_| foreign())?;
        Ok(Answer::Is(Some((record, Revision(revision)))))
    }

    async fn swap(
        &self,
        client: &mut KvClient<Channel>,
        expected: Revision,
        record: &Record,
    ) -> Result<Answer, tonic::Status> {
        let wrong = |what: &str| tonic::Status::internal(what.to_string());
        let value = serde_json::to_vec(record).map_err(|_| wrong("a record is always text"))?;
        let target = CompareTarget::Mod.into();
        let mod_revision =
            i64::try_from(expected.0).map_err(|_| wrong("a revision out of range"))?;
        let compare = Compare { target, key: self.key.clone(), mod_revision, ..Compare::default() };
        let put = PutRequest { key: self.key.clone(), value };
        let success = vec![RequestOp { request_put: Some(put) }];
        let done = client.txn(TxnRequest { compare: vec![compare], success }).await?.into_inner();
        if !done.succeeded {
            return Ok(Answer::Differs);
        }
        let revision = done.header.map(|header| header.revision);
        let revision = revision.and_then(|revision| u64::try_from(revision).ok());
        Ok(Answer::Swapped(Revision(revision.ok_or_else(|| wrong("an answer without revision"))?)))
    }
}
