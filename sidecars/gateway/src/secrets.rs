//! Where the gateway's secret comes from: its file, the environment, or a HashiCorp Vault.

use crate::config::{Config, SecretSource, Secrets};
use crate::keys::Keys;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;

/// How long the Vault may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of its answer at most.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// The field that holds the secret.
const FIELD: &str = "secret";

/// Opens the keys.
///
/// # Errors
/// A source that cannot be read or holds no secret; the message names it and does not show what it holds.
pub async fn open(config: &Config) -> Result<Keys> {
    let secrets = &config.secrets;
    match secrets.source {
        SecretSource::File => Keys::open(&config.dir.join("secret")),
        SecretSource::Environment => {
            let variable = &secrets.variable;
            let text = std::env::var(variable)
                .with_context(|| format!("secrets.variable: {variable} is not set"))?;
            Keys::read(&text).with_context(|| format!("the environment's {variable}"))
        }
        SecretSource::Vault => {
            let secrets = secrets.clone();
            tokio::task::spawn_blocking(move || from_vault(&secrets)).await?
        }
    }
}

fn from_vault(secrets: &Secrets) -> Result<Keys> {
    let file = &secrets.vault_token_file;
    let token = match file.as_os_str().is_empty() {
        true => std::env::var("VAULT_TOKEN").context("VAULT_TOKEN is not set")?,
        false => std::fs::read_to_string(file)
            .with_context(|| format!("secrets.vault_token_file: cannot read {}", file.display()))?,
    };
    let (addr, path) = (secrets.vault_addr.trim_end_matches('/'), &secrets.vault_path);
    let url = format!("{addr}/v1/{}", path.trim_start_matches('/'));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    let asked = agent.get(&url).header("X-Vault-Token", token.trim()).call();
    let mut answer = asked.with_context(|| format!("the Vault cannot be reached: {url}"))?;
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let said = || body["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let status = answer.status().as_u16();
    ensure!(
        status == 200,
        "the Vault answers {status} for {url}: {}",
        said().collect::<Vec<_>>().join("; ")
    );
    // The KV store of version 2 has one more `data` around it than that of version 1.
    let fields =
        if body["data"]["data"].is_object() { &body["data"]["data"] } else { &body["data"] };
    let secret = fields[FIELD].as_str();
    let secret = secret.with_context(|| format!("there is no field '{FIELD}' in {url}"))?;
    Keys::read(secret).with_context(|| format!("field '{FIELD}' in {url}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Purpose;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    const SECRET: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// A Vault that gives one answer, to whoever has the token; says what was asked.
    fn vault(answer: &str) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = format!("http://{}", listener.local_addr().expect("bound"));
        let answer = answer.to_string();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("asked");
            let lines = BufReader::new(stream.try_clone().expect("the same")).lines();
            let asked: Vec<_> =
                lines.map(|line| line.expect("text")).take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).expect("taken");
            asked
        });
        (addr, serving)
    }

    fn http(status: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    async fn ask(answer: String) -> (Result<Keys>, Vec<String>) {
        let dir = tempfile::tempdir().expect("a folder");
        let token = dir.path().join("token");
        std::fs::write(&token, "hvs.test-token\n").expect("written");
        let (addr, serving) = vault(&answer);
        let mut config = Config { dir: dir.path().into(), ..Config::default() };
        config.secrets.source = SecretSource::Vault;
        config.secrets.vault_addr = addr;
        config.secrets.vault_token_file = token;
        let keys = open(&config).await;
        (keys, serving.join().expect("no panic"))
    }

    #[tokio::test]
    async fn a_vault_of_either_version_gives_the_secret() {
        let expected = Keys::read(SECRET).expect("a secret").of(Purpose::Seal);
        // As the documentation of Vault's KV secrets engines has them.
        let second = format!(
            r#"{{"request_id":"0f0d","lease_id":"","renewable":false,"lease_duration":0,"data":{{"data":{{"secret":"{SECRET}"}},"metadata":{{"created_time":"2026-03-22T02:24:06.945319214Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":2}}}},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}}"#
        );
        let first = format!(
            r#"{{"auth":null,"data":{{"secret":"{SECRET}"}},"lease_duration":2764800,"lease_id":"","renewable":false}}"#
        );
        for body in [second, first] {
            let (keys, asked) = ask(http("200 OK", &body)).await;
            assert_eq!(keys.expect("a secret").of(Purpose::Seal), expected);
            assert_eq!(asked[0], "GET /v1/secret/data/tidegate HTTP/1.1");
            assert!(
                asked.iter().any(|line| line.eq_ignore_ascii_case("x-vault-token: hvs.test-token"))
            );
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_and_never_the_secret() {
        for (status, body, part) in [
            (
                "403 Forbidden",
                r#"{"errors":["permission denied"]}"#.to_string(),
                "permission denied",
            ),
            ("404 Not Found", r#"{"errors":[]}"#.into(), "404"),
            ("200 OK", r#"{"data":{"data":{"other":"x"}}}"#.into(), "no field 'secret'"),
            ("200 OK", r#"{"data":{"data":{"secret":"5ecre7"}}}"#.into(), "64 hexadecimal digits"),
            ("200 OK", "<html>".into(), "no field 'secret'"),
        ] {
            let error = format!("{:#}", ask(http(status, &body)).await.0.expect_err(part));
            assert!(error.contains(part) && !error.contains("5ecre7"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_environment_must_have_it() {
        let mut config = Config::default();
        config.secrets.source = SecretSource::Environment;
        config.secrets.variable = "TIDEGATE_NO_SUCH_VARIABLE".into();
        let error = format!("{:#}", open(&config).await.expect_err("it is not set"));
        assert!(error.contains("TIDEGATE_NO_SUCH_VARIABLE"), "{error}");
    }
}
