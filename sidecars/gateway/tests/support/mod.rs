//! A gateway before a real engine, both in the test's process, and people who come in over HTTP.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod database;
#[path = "../../../../edge/tests/support/mod.rs"]
pub mod house;
pub mod socket;

use house::House;
use serde_json::{Value, json};
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_edge::{ActsFor, EdgeConfig, TokenEntry};
use tidegate_gateway::{Config, Gateway, serve};
use tidegate_model::PrincipalId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The edge's token that acts for people.
pub const GATEWAY: &str = "gateway-token-0123456789";
/// What everybody's password is.
pub const PASSWORD: &str = "correct horse battery";

/// A gateway, the engine behind it, and the database of both's test.
pub struct Front {
    pub house: House,
    pub gateway: Arc<Gateway>,
    pub api: Api,
    config: Config,
    running: Running,
    _dir: TempDir,
}

struct Running {
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub struct Api {
    /// `http://ADDR`.
    pub base: String,
    /// What is sent as bearer.
    pub token: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    /// `Null` if it is no JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// `data` of a good answer.
    #[track_caller]
    pub fn data(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:#?}");
        self.body["data"].clone()
    }

    /// Status and `error.code` of a bad one.
    #[track_caller]
    pub fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:#?}")))
    }
}

/// A house whose edge lets a gateway act for people.
pub fn edge_config() -> EdgeConfig {
    let mut config = house::config();
    config.tokens.push(TokenEntry {
        token: GATEWAY.into(),
        principal: PrincipalId(5),
        name: "gateway".into(),
        may_administer: true,
        may_control: true,
        acts_for: Some(ActsFor::new(PrincipalId(1_000), PrincipalId(3_999)).expect("people")),
    });
    config
}

impl Front {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a configuration that `change` makes.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::before(House::new(edge_config()).await, change).await
    }

    /// Before a house of the caller's.
    pub async fn before(house: House, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            dir: dir.path().into(),
            ..Config::default()
        };
        config.database = database::url(dir.path()).await;
        config.engine.addr = house.addr.clone();
        config.engine.token = GATEWAY.into();
        // Tests are faster than people.
        let many = NonZeroU32::new(1_000_000).expect("some");
        config.identity.registrations_per_network = u32::MAX;
        config.limits.user_per_minute = many;
        config.limits.user_burst = many;
        config.limits.open_per_minute = many;
        config.limits.open_burst = many;
        change(&mut config);
        let (gateway, running, api) = start(config.clone()).await;
        Self { house, gateway, api, config, running, _dir: dir }
    }

    /// The gateway goes and comes again; the engine stays.
    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same with another configuration.
    pub async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { house, mut config, running, _dir, .. } = self;
        change(&mut config);
        running.stop().await;
        let (gateway, running, api) = start(config.clone()).await;
        // It hears first what there is to trade.
        for _ in 0..50 {
            if api.get("/ready").await.status == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Self { house, gateway, api, config, running, _dir }
    }

    /// The edge goes and comes again; engine and gateway stay.
    pub async fn restart_edge(self) -> Self {
        Self { house: self.house.restart_edge_with(edge_config()).await, ..self }
    }

    /// Changes the database behind the gateway's back; what it keeps in memory it reads again after [`Front::restart`].
    pub async fn sql(&self, statement: &'static str) -> u64 {
        let pool = tidegate_gateway::open_database(&self.config.database).await.expect("there");
        sqlx::query(statement).execute(&pool).await.expect("done").rows_affected()
    }

    /// Registers somebody, logged in.
    pub async fn register(&self, name: &str) -> Api {
        let body =
            json!({ "email": format!("{name}@example.org"), "password": PASSWORD, "name": name });
        let pair = self.api.post("/api/v1/auth/register", body).await.data();
        self.api.with(pair["access_token"].as_str().expect("a token"))
    }

    /// Makes somebody what only the command line makes: the gateway is started anew.
    pub async fn promote(self, name: &str, role: &str) -> Self {
        let pool = tidegate_gateway::open_database(&self.config.database_url()).await;
        sqlx::query("UPDATE users SET role = $1 WHERE email = $2")
            .bind(role.to_string())
            .bind(format!("{name}@example.org"))
            .execute(&pool.expect("a database"))
            .await
            .expect("done");
        self.restart().await
    }

    /// The texts of the mails that went to somebody, oldest first, once there are so many.
    pub async fn mails(&self, name: &str, count: usize) -> Vec<String> {
        let folder = self.config.dir.join("mail");
        for _ in 0..500 {
            let files =
                std::fs::read_dir(&folder).expect("a folder").map(|file| file.expect("it").path());
            let mut files: Vec<_> = files
                .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
                .collect();
            files.sort();
            let texts = files.iter().map(|path| std::fs::read_to_string(path).expect("text"));
            let to = format!("To: {name}@example.org");
            let texts: Vec<_> = texts.filter(|text| text.contains(&to)).collect();
            assert!(texts.len() <= count, "{texts:#?}");
            if texts.len() == count {
                return texts;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no {count} mails to {name}");
    }

    /// The token of the newest of so many mails to somebody.
    pub async fn mailed(&self, name: &str, count: usize) -> String {
        let mails = self.mails(name, count).await;
        let mut lines = mails.last().expect("a mail").lines().map(str::trim);
        lines.rfind(|line| line.starts_with("tg")).expect("a token").to_string()
    }

    /// Ends everything, in order.
    pub async fn close(self) {
        self.running.stop().await;
        self.house.close().await;
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.served.await.expect("no panic").expect("a clean end");
    }
}

async fn start(config: Config) -> (Arc<Gateway>, Running, Api) {
    let gateway = Gateway::open(config).await.expect("it opens");
    let (stop, stopped) = oneshot::channel();
    let (told, heard) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    let serving = serve(Arc::clone(&gateway), stopped, |addr| told.send(addr).expect("awaited"));
    let served = tokio::spawn(serving);
    let base = format!("http://{}", heard.await.expect("it listens"));
    (gateway, Running { stop, served }, Api { base, token: None })
}

impl Api {
    /// The same door with another token.
    pub fn with(&self, token: &str) -> Self {
        Self { base: self.base.clone(), token: Some(token.into()) }
    }

    /// Opens a paper account; its UUID.
    pub async fn open_account(&self, name: &str) -> String {
        let account = self.post("/api/v1/accounts", json!({ "name": name })).await.data();
        account["id"].as_str().expect("an id").to_string()
    }

    /// Makes an API key; whoever has it.
    pub async fn key(&self, scopes: &[&str]) -> Self {
        let body = json!({ "name": "key", "scopes": scopes, "password": PASSWORD });
        let made = self.post("/api/v1/api-keys", body).await.data();
        self.with(made["token"].as_str().expect("a token"))
    }

    /// Waits until the gateway has the instrument and its quote.
    pub async fn settle(&self) {
        for _ in 0..1_000 {
            if self.get("/api/v1/quotes/ACME").await.status == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the market does not come");
    }

    /// A POST under an Idempotency-Key.
    pub async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call("POST", path, &[("idempotency-key", key)], Some(body.to_string())).await
    }

    /// Asks again and again until `data` is as it should be.
    #[track_caller]
    pub fn until<'a>(
        &'a self,
        path: &'a str,
        is_so: impl Fn(&Value) -> bool + 'a,
    ) -> impl Future<Output = Value> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let mut last = Value::Null;
            for _ in 0..500 {
                last = self.get(path).await.body;
                if is_so(&last["data"]) {
                    return last["data"].take();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            panic!("{caller}: {path} did not become what it should: {last:#}")
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &[], Some(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call("PUT", path, &[], Some(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call("PATCH", path, &[], Some(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], None).await
    }

    /// Logs in with a code or without.
    pub async fn login(&self, name: &str, password: &str, code: Option<&str>) -> Answer {
        let mut body = json!({ "email": format!("{name}@example.org"), "password": password });
        if let Some(code) = code {
            body["code"] = code.into();
        }
        self.post("/api/v1/auth/login", body).await
    }

    /// Any call, with headers besides; a body is sent as JSON.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(body.unwrap_or_default()).expect("a request");
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .build()
                .new_agent();
            let mut response = agent.run(request).expect("an answer");
            let kind = response.headers().get("content-type").map(|kind| kind.as_bytes());
            // A stream does not end.
            let text = match kind == Some(b"text/event-stream") {
                true => String::new(),
                false => response.body_mut().read_to_string().expect("text"),
            };
            Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: serde_json::from_str(&text).unwrap_or_default(),
                text,
            }
        })
        .await
        .expect("no panic")
    }
}
