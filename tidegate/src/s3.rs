//! Archived objects in an S3-compatible store: requests signed by `rusty-s3`, sent by `ureq`.
//!
//! Where and who comes from the environment, under the names that the field's tools use: `AWS_ENDPOINT_URL_S3` or
//! `AWS_ENDPOINT_URL` (a server of one's own; without it Amazon's), `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, or a file of keys named by `AWS_SHARED_CREDENTIALS_FILE` with the section of
//! `AWS_PROFILE`; `AWS_CA_BUNDLE` for a certificate authority of one's own. Keys and signed addresses are never printed.

use anyhow::{Context, Result, bail};
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use tidegate_journal::JournalError;
use tidegate_journal::archive::Store;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// How long a signature holds: longer than one request may take.
const SIGNED_FOR: Duration = Duration::from_secs(900);
/// How long one request may take: 1 GiB at 2 MB/s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before a request is sent again that the network or the server's own fault ended. All requests here may be repeated.
const RETRY_AFTER: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];
/// Bytes read of an answer that is no object: a page of names has 1,000 of them.
const ANSWER_LEN_MAX: u64 = 4 << 20;
/// Pages of names: 10 million objects.
const PAGES_MAX: usize = 10_000;
/// Bytes of an error's message that are shown.
const MESSAGE_LEN_MAX: usize = 300;

/// A bucket, and the beginning of the names in it.
pub struct S3 {
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    agent: ureq::Agent,
}

/// An answer: its status and its bytes.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl S3 {
    /// The store `s3://BUCKET/PREFIX`, of which `rest` is what follows `s3://`.
    pub fn open(rest: &str) -> Result<Self> {
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let parts_fit =
            prefix.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if name.is_empty() || !(prefix.is_empty() || parts_fit) || !prefix.chars().all(is_plain) {
            bail!(
                "s3://{rest} is no store: write s3://BUCKET/PREFIX, with letters, digits, '.', '-' and '_'"
            );
        }
        let region =
            variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".into());
        let own = variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let style = if own.is_some() { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let url = endpoint
            .parse()
            .with_context(|| format!("AWS_ENDPOINT_URL '{endpoint}' is no address"))?;
        let bucket = Bucket::new(url, style, name.to_string(), region)
            .with_context(|| format!("'{name}' is no bucket at {endpoint}"))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(REQUEST_TIMEOUT));
        if let Some(path) = variable(&["AWS_CA_BUNDLE"]) {
            config = config.tls_config(authority(Path::new(&path))?);
        }
        let agent = ureq::Agent::new_with_config(config.build());
        Ok(Self { bucket, credentials: credentials()?, prefix, agent })
    }

    /// Sends a request until it is answered by more than the server's own fault.
    fn send(
        &self,
        send: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        len_max: u64,
    ) -> Result<Answer, String> {
        let mut waits = RETRY_AFTER.iter();
        loop {
            let answer = send().map_err(|error| cause_of(&error)).and_then(|r| read(r, len_max));
            let again = match &answer {
                Ok(answer) => answer.status >= 500 || answer.status == 429,
                Err(_) => true,
            };
            match waits.next() {
                Some(wait) if again => std::thread::sleep(*wait),
                _ => return answer,
            }
        }
    }

    fn refused(&self, what: &'static str, name: &str, answer: &Answer) -> JournalError {
        let text = String::from_utf8_lossy(&answer.body);
        let part = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            let (part, _) = rest.split_once('<')?;
            Some(part.chars().filter(|c| !c.is_control()).take(MESSAGE_LEN_MAX).collect::<String>())
        };
        let cause = match (part("Code"), part("Message")) {
            (Some(code), Some(message)) => format!("{code}: {message} (HTTP {})", answer.status),
            (Some(code), None) => format!("{code} (HTTP {})", answer.status),
            _ => format!("HTTP {}", answer.status),
        };
        JournalError::store(what, self, name, cause)
    }

    fn failed<'a>(
        &'a self,
        what: &'static str,
        name: &'a str,
    ) -> impl FnOnce(String) -> JournalError + 'a {
        move |cause| JournalError::store(what, self, name, cause)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// What ended a request, without the address, which is signed.
fn cause_of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address is none".to_string(),
        error => error.to_string(),
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>, len_max: u64) -> Result<Answer, String> {
    let status = response.status().as_u16();
    let promised = response.body().content_length();
    let mut body = Vec::new();
    let mut reader = response.body_mut().as_reader().take(len_max.saturating_add(1));
    reader.read_to_end(&mut body).map_err(|error| format!("the answer ended early: {error}"))?;
    if body.len() as u64 > len_max {
        return Err(format!("the answer is longer than the {len_max} bytes that it may have"));
    }
    match promised {
        Some(promised) if promised != body.len() as u64 => {
            Err(format!("the answer ended after {} of {promised} bytes", body.len()))
        }
        _ => Ok(Answer { status, body }),
    }
}

impl Store for S3 {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket.name(), self.prefix.trim_end_matches('/'))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        let key = self.key(name);
        let send = || {
            let url = self.bucket.put_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            self.agent.put(url.as_str()).send(bytes)
        };
        let answer = self.send(send, ANSWER_LEN_MAX).map_err(self.failed("store", name))?;
        match answer.status {
            200..=299 => Ok(()),
            _ => Err(self.refused("store", name, &answer)),
        }
    }

    fn get(&self, name: &str, len_max: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let key = self.key(name);
        let send = || {
            let url = self.bucket.get_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            self.agent.get(url.as_str()).call()
        };
        let answer =
            self.send(send, len_max.max(ANSWER_LEN_MAX)).map_err(self.failed("read", name))?;
        match answer.status {
            200..=299 if answer.body.len() as u64 <= len_max => Ok(Some(answer.body)),
            200..=299 => {
                let cause = format!("it is longer than the {len_max} bytes that it may have");
                Err(JournalError::store("read", self, name, cause))
            }
            // A bucket that is not there is no missing object.
            404 if !String::from_utf8_lossy(&answer.body).contains("NoSuchBucket") => Ok(None),
            _ => Err(self.refused("read", name, &answer)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let begin = self.key(prefix);
        let (mut names, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let send = || {
                let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
                action.with_prefix(begin.as_str());
                if let Some(token) = &token {
                    action.with_continuation_token(token.as_str());
                }
                self.agent.get(action.sign(SIGNED_FOR).as_str()).call()
            };
            let answer = self.send(send, ANSWER_LEN_MAX).map_err(self.failed("list", prefix))?;
            if !(200..=299).contains(&answer.status) {
                return Err(self.refused("list", prefix, &answer));
            }
            let text = String::from_utf8_lossy(&answer.body);
            let page = ListObjectsV2::parse_response(&text).map_err(|error| {
                self.failed("list", prefix)(format!("no list of names: {error}"))
            })?;
            let name = |key: &str| key.strip_prefix(&self.prefix).map(String::from);
            names.extend(page.contents.iter().filter_map(|object| name(&object.key)));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(names);
            }
        }
        Err(self.failed("list", prefix)(format!("there are more than {PAGES_MAX} pages of names")))
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        let key = self.key(name);
        let send = || {
            let url = self.bucket.delete_object(Some(&self.credentials), &key).sign(SIGNED_FOR);
            self.agent.delete(url.as_str()).call()
        };
        let answer = self.send(send, ANSWER_LEN_MAX).map_err(self.failed("remove", name))?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            _ => Err(self.refused("remove", name, &answer)),
        }
    }
}

/// The first of these variables that is set and not empty.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn credentials() -> Result<Credentials> {
    let mut key = variable(&["AWS_ACCESS_KEY_ID"]);
    let mut secret = variable(&["AWS_SECRET_ACCESS_KEY"]);
    let mut token = variable(&["AWS_SESSION_TOKEN"]);
    if key.is_none()
        && let Some(path) = variable(&["AWS_SHARED_CREDENTIALS_FILE"])
    {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let profile = variable(&["AWS_PROFILE"]).unwrap_or_else(|| "default".into());
        (key, secret, token) = keys_of(&text, &profile);
    }
    match (key, secret, token) {
        (Some(key), Some(secret), Some(token)) => {
            Ok(Credentials::new_with_token(key, secret, token))
        }
        (Some(key), Some(secret), None) => Ok(Credentials::new(key, secret)),
        _ => bail!(
            "no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file in AWS_SHARED_CREDENTIALS_FILE"
        ),
    }
}

type Keys = (Option<String>, Option<String>, Option<String>);

/// Key, secret and token of a section of a file of keys.
fn keys_of(text: &str, profile: &str) -> Keys {
    let mut keys = Keys::default();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let value = Some(value.trim().to_string());
            match name.trim() {
                "aws_access_key_id" => keys.0 = value,
                "aws_secret_access_key" => keys.1 = value,
                "aws_session_token" => keys.2 = value,
                _ => {}
            }
        }
    }
    keys
}

fn authority(path: &Path) -> Result<TlsConfig> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&pem) {
        match item.with_context(|| format!("{} holds no certificates", path.display()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            _ => bail!("{} holds something else than certificates", path.display()),
        }
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_the_section_that_is_asked_for() {
        let text = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n[other]\n\
            aws_access_key_id=C\naws_secret_access_key = D\naws_session_token = E=\n";
        let keys = |profile| {
            let (key, secret, token) = keys_of(text, profile);
            [key, secret, token].map(Option::unwrap_or_default)
        };
        assert_eq!(keys("default"), ["A", "B", ""]);
        assert_eq!(keys("other"), ["C", "D", "E="]);
        assert_eq!(keys("none"), ["", "", ""]);
    }

    #[test]
    fn what_is_no_store_is_refused() {
        for rest in ["", "/x", "bucket/../x", "bucket//x", "bucket/a b", "bucket/./x"] {
            let error = S3::open(rest).map(|_| ()).expect_err(rest).to_string();
            assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
        }
    }
}
