//! Every route, asked by everybody: each role, strangers, sessions that have ended, API keys without the scope. Routes and what they
//! need come from the document; who has what stands here a second time, so that a slip in `permission.rs` is seen.

mod support;

use serde_json::json;
use std::fmt::Write as _;
use support::{Answer, Api, Front, PASSWORD};
use tidegate_gateway::http::api;
use tidegate_gateway::http::guard::{Need, Needs};

/// What each role may, as docs/security.md has it.
const MAY: [(&str, &str); 5] = [
    (
        "viewer",
        "market:read profile:read profile:write credentials:write accounts:read orders:read risk:read",
    ),
    (
        "trader",
        "market:read profile:read profile:write credentials:write accounts:read accounts:write orders:read orders:write risk:read",
    ),
    (
        "risk_officer",
        "market:read profile:read profile:write credentials:write accounts:read accounts:read_all orders:read risk:read risk:write audit:read",
    ),
    (
        "administrator",
        "market:read profile:read profile:write credentials:write accounts:read accounts:read_all orders:read risk:read risk:write audit:read users:admin instruments:admin",
    ),
    (
        "agent",
        "market:read profile:read profile:write accounts:read orders:read orders:write risk:read",
    ),
];
/// What nobody has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

struct Route {
    method: String,
    path: String,
    need: Option<String>,
    is_open: bool,
}

impl Route {
    /// Asks it for something that is nobody's, with an empty body.
    async fn ask(&self, api: &Api) -> Answer {
        let mut path = self.path.clone();
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, NOBODY);
        }
        let body = (self.method != "GET" && self.method != "DELETE").then(|| "{}".to_string());
        api.call(&self.method, &path, &[], body).await
    }
}

fn routes() -> Vec<Route> {
    let all = Needs::of(&api().1).list().into_iter();
    let route = |(path, method, Need { permission, is_open })| Route {
        method,
        path,
        need: permission.map(|permission| permission.to_string()),
        is_open,
    };
    all.map(route).collect()
}

fn code(answer: &Answer) -> &str {
    answer.body["error"]["code"].as_str().unwrap_or_default()
}

/// Whether the guard stopped it for want of `need`.
fn was_denied(answer: &Answer, need: &str) -> bool {
    answer.status == 403
        && code(answer) == "not_permitted"
        && answer.body["error"]["details"]["permission"] == need
}

async fn log_in(front: &Front, name: &str) -> Api {
    let body = json!({ "email": format!("{name}@example.org"), "password": PASSWORD });
    let pair = front.api.post("/api/v1/auth/login", body).await.data();
    front.api.with(pair["access_token"].as_str().expect("a token"))
}

/// An API key with every scope that a trader may give it; the key, and its UUID.
async fn make_key(trader: &Api, more: serde_json::Value) -> (String, String) {
    let may = MAY[1].1.split(' ').filter(|one| *one != "credentials:write");
    let mut asked =
        json!({ "name": "all", "scopes": may.collect::<Vec<_>>(), "password": PASSWORD });
    asked.as_object_mut().expect("it").extend(more.as_object().expect("it").clone());
    let made = trader.post("/api/v1/api-keys", asked).await.data();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_string();
    (text(&made["token"]), text(&made["key"]["id"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_through_whom_it_should_and_nobody_else() {
    // A token that is good for this second only.
    let mut front = Front::with(|config| config.identity.access_minutes = 0).await;
    let expired = front.register("expired").await;
    front = front.restart_with(|config| config.identity.access_minutes = 15).await;
    for (role, _) in MAY {
        front.register(role).await;
        front = front.promote(role, role).await;
    }
    let ended = log_in(&front, "trader").await;
    ended.post("/api/v1/auth/logout", json!({})).await.data();
    let trader = log_in(&front, "trader").await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    let (brief, _) = make_key(&trader, json!({ "expires_at": soon.to_string() })).await;
    let (revoked, id) = make_key(&trader, json!({})).await;
    trader.delete(&format!("/api/v1/api-keys/{id}")).await.data();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let strangers = [
        ("nobody", front.api.clone()),
        ("nonsense", front.api.with("nonsense")),
        ("an ended session", ended),
        ("an expired token", front.api.with(expired.token.as_deref().expect("a token"))),
        ("an expired API key", front.api.with(&brief)),
        ("a revoked API key", front.api.with(&revoked)),
    ];
    let routes = routes();
    let mut wrong = String::new();
    let mut asked = 0;
    for route in &routes {
        let Route { method, path, need, is_open } = route;
        for (who, stranger) in &strangers {
            let answer = route.ask(stranger).await;
            asked += 1;
            // What is open to strangers is not open to a credential that is none.
            let is_right = match need.is_some() && (!is_open || stranger.token.is_some()) {
                true => (answer.status, code(&answer)) == (401, "unauthenticated"),
                false => {
                    !matches!(code(&answer), "unauthenticated" | "not_permitted")
                        || path.contains("auth")
                }
            };
            if !is_right {
                let _ =
                    writeln!(wrong, "{method} {path} by {who}: {} {}", answer.status, answer.text);
            }
        }
    }
    for (role, may) in MAY {
        let mut api = log_in(&front, role).await;
        for route in routes.iter() {
            let Route { method, path, need: Some(need), .. } = route else { continue };
            let answer = route.ask(&api).await;
            asked += 1;
            let may = may.split(' ').any(|one| one == need);
            // A password that is asked for once more is asked by the route: the guard let the call through.
            let is_nobody = code(&answer) == "unauthenticated";
            if was_denied(&answer, need) == may || is_nobody || answer.status >= 500 {
                let (status, text) = (answer.status, &answer.text);
                let _ = writeln!(wrong, "{method} {path} by {role}, may={may}: {status} {text}");
            }
            // Some routes end the session that asks.
            if api.get("/api/v1/users/me").await.status == 401 {
                api = log_in(&front, role).await;
            }
        }
    }
    println!("{asked} questions to {} routes", routes.len());
    assert!(wrong.is_empty(), "\n{wrong}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_without_the_scope_is_not_let_through() {
    let front = Front::new().await;
    let routes = routes();
    front.register("trader").await;
    let trader = log_in(&front, "trader").await;
    let mut wrong = String::new();
    for scope in ["profile:read", "orders:read"] {
        let api = trader.key(&[scope]).await;
        for route in &routes {
            let Route { method, path, need: Some(need), .. } = route else { continue };
            let answer = route.ask(&api).await;
            if was_denied(&answer, need) == (need == scope) || answer.status == 401 {
                let (status, text) = (answer.status, &answer.text);
                let _ = writeln!(wrong, "{method} {path} by a key with {scope}: {status} {text}");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    front.close().await;
}

#[test]
fn the_table_of_this_file_knows_every_role_and_permission() {
    use tidegate_gateway::permission::{Permission, Role};
    for role in Role::ALL {
        assert!(MAY.iter().any(|(name, _)| *name == role.as_str()), "{role:?} has no row");
    }
    for permission in Permission::ALL {
        let name = permission.as_str();
        assert!(
            MAY.iter().any(|(_, may)| may.split(' ').any(|one| one == name)),
            "nobody has {name}"
        );
    }
}
