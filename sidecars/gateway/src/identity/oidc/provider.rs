//! A provider of sign-ins: where it is, and what it says of who signed in. OpenID Connect, and GitHub, which is OAuth 2.0 only.
//!
//! The library for JWTs that the gateway has checks the tokens; a library for the flow would bring a second one of everything.

use crate::config::{self, ProviderKind};
use crate::error::{ApiError, Code, Result};
use crate::http::escaped;
use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long a provider may take, and bytes of its answers at most.
const PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 256 * 1024;
/// How long what a provider says of itself is kept, and how soon it is asked again for a key that is not known.
const KEPT: Duration = Duration::from_secs(600);
const AGAIN: Duration = Duration::from_secs(10);
/// Seconds that the provider's clock may be off.
const LEEWAY_S: u64 = 60;

/// A provider.
pub struct Provider {
    /// What it is called in paths.
    pub name: String,
    /// Which one it is.
    pub kind: ProviderKind,
    client_id: String,
    client_secret: String,
    issuer: String,
    agent: ureq::Agent,
    known: Mutex<Option<(Instant, Arc<Known>)>>,
}

// The secret stays out of logs.
impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a provider says of itself (OpenID Connect Discovery 1.0, 3).
#[derive(Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Debug)]
struct Known {
    discovery: Discovery,
    keys: JwkSet,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    id_token: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    azp: Option<String>,
    aud: Value,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The provider's name for the person, which never changes.
    pub id: String,
    /// The address, if the provider has verified it.
    pub email: Option<String>,
    /// What the person is called there.
    pub name: Option<String>,
}

/// What ties the parts of one sign-in together.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Where the provider leads back to.
    pub redirect_uri: &'a str,
    /// Comes back with the code.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// The secret of PKCE (RFC 7636), or its SHA-256.
    pub verifier: &'a str,
}

fn upstream(name: &str, why: impl std::fmt::Display) -> ApiError {
    tracing::warn!("the provider {name}: {why}");
    ApiError::new(Code::Upstream, format!("{name} did not answer as it should; try again"))
}

fn refused() -> ApiError {
    ApiError::new(Code::Unauthenticated, "the provider does not say who this is; start again")
}

fn is_safe(url: &str) -> bool {
    let is_loopback = |host: &str| {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|loopback| {
            host.strip_prefix(loopback)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        })
    };
    url.starts_with("https://") || url.strip_prefix("http://").is_some_and(is_loopback)
}

/// The algorithms of a key: what a token says of itself decides nothing.
fn algorithms(key: &Jwk) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(_) => &[EdDSA],
        _ => &[],
    }
}

impl Provider {
    /// A provider of the configuration.
    ///
    /// # Errors
    /// What is missing or cannot be.
    pub fn new(config: &config::Provider) -> anyhow::Result<Self> {
        let name = &config.name;
        let is_name = (1..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        ensure!(is_name, "identity.providers: the name '{name}' is not of a-z, 0-9 and -");
        ensure!(!config.client_id.is_empty(), "identity.providers: {name} needs client_id");
        let issuer = match (config.issuer.as_str(), config.kind) {
            ("", ProviderKind::Google) => "https://accounts.google.com",
            ("", ProviderKind::Apple) => "https://appleid.apple.com",
            ("", ProviderKind::Github) => "https://github.com",
            (issuer, _) => issuer,
        };
        ensure!(is_safe(issuer), "identity.providers: {name} needs an issuer of https://");
        let variable = format!("TIDEGATE_OIDC_{}_SECRET", name.to_uppercase().replace('-', "_"));
        let client_secret = match (&config.client_secret_file, config.client_secret.is_empty()) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?
                .trim()
                .to_string(),
            (None, false) => config.client_secret.clone(),
            (None, true) => std::env::var(&variable).with_context(|| {
                format!("{name} needs client_secret, client_secret_file or {variable}")
            })?,
        };
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Self {
            name: name.clone(),
            kind: config.kind,
            client_id: config.client_id.clone(),
            client_secret,
            issuer: issuer.to_string(),
            agent,
            known: Mutex::default(),
        })
    }

    /// Sends a request and reads the JSON of a good answer.
    async fn send<T: DeserializeOwned>(
        &self,
        url: &str,
        authorization: Option<String>,
        form: Option<String>,
    ) -> Result<T> {
        if !is_safe(url) {
            return Err(upstream(&self.name, format!("{url} is not https://")));
        }
        let mut request = ureq::http::Request::builder()
            .method(if form.is_some() { "POST" } else { "GET" })
            .uri(url)
            .header("accept", "application/json")
            .header("user-agent", "tidegate");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let request = request.body(form.unwrap_or_default());
        let request = request.map_err(|error| upstream(&self.name, error))?;
        let agent = self.agent.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let mut answer = agent.run(request)?;
            let status = answer.status().as_u16();
            let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            Ok::<_, ureq::Error>((status, body))
        });
        let (status, body) = answered
            .await
            .map_err(ApiError::internal)?
            .map_err(|error| upstream(&self.name, error))?;
        if status != 200 {
            return Err(upstream(&self.name, format!("{url} answers {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| upstream(&self.name, error))
    }

    /// What the provider says of itself, no older than `age`.
    async fn known(&self, age: Duration) -> Result<Arc<Known>> {
        let mut known = self.known.lock().await;
        if let Some((at, known)) = known.as_ref().filter(|(at, _)| at.elapsed() < age) {
            let _ = at;
            return Ok(Arc::clone(known));
        }
        let base = self.issuer.trim_end_matches('/');
        let url = format!("{base}/.well-known/openid-configuration");
        let discovery: Discovery = self.send(&url, None, None).await?;
        if discovery.issuer.trim_end_matches('/') != base {
            return Err(upstream(&self.name, format!("it says that it is {}", discovery.issuer)));
        }
        let keys: JwkSet = self.send(&discovery.jwks_uri, None, None).await?;
        let fresh = Arc::new(Known { discovery, keys });
        *known = Some((Instant::now(), Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// Where to send the browser; `verifier` of what is asked is hashed already.
    ///
    /// # Errors
    /// [`Code::Upstream`].
    pub async fn start(&self, asked: &Asked<'_>) -> Result<String> {
        let (endpoint, scope) = match self.kind {
            ProviderKind::Github => {
                (format!("{}/login/oauth/authorize", self.issuer), "read:user user:email")
            }
            ProviderKind::Apple => (self.endpoint().await?, "openid email"),
            _ => (self.endpoint().await?, "openid email profile"),
        };
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", asked.redirect_uri),
            ("scope", scope),
            ("state", asked.state),
            ("nonce", asked.nonce),
            ("code_challenge", asked.verifier),
            ("code_challenge_method", "S256"),
        ];
        if self.kind == ProviderKind::Apple {
            // Apple tells the address in no other way.
            fields.push(("response_mode", "form_post"));
        }
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{sign}{}", form(&fields)))
    }

    async fn endpoint(&self) -> Result<String> {
        Ok(self.known(KEPT).await?.discovery.authorization_endpoint.clone())
    }

    /// Who signed in, by the code that came back.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] if the provider does not say so, [`Code::Upstream`].
    pub async fn subject(&self, code: &str, asked: &Asked<'_>) -> Result<Subject> {
        match self.kind {
            ProviderKind::Github => self.github(code, asked).await,
            _ => self.openid(code, asked).await,
        }
    }

    async fn tokens(
        &self,
        endpoint: &str,
        basic: bool,
        code: &str,
        asked: &Asked<'_>,
    ) -> Result<Tokens> {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", asked.redirect_uri),
            ("code_verifier", asked.verifier),
        ];
        let mut authorization = None;
        if basic {
            let pair = format!("{}:{}", escaped(&self.client_id), escaped(&self.client_secret));
            authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
        } else {
            fields
                .extend([("client_id", &*self.client_id), ("client_secret", &*self.client_secret)]);
        }
        self.send(endpoint, authorization, Some(form(&fields))).await
    }

    async fn openid(&self, code: &str, asked: &Asked<'_>) -> Result<Subject> {
        let known = self.known(KEPT).await?;
        let Discovery {
            token_endpoint,
            userinfo_endpoint,
            token_endpoint_auth_methods_supported,
            ..
        } = &known.discovery;
        let posts =
            token_endpoint_auth_methods_supported.iter().any(|one| one == "client_secret_post");
        let tokens = self.tokens(token_endpoint, !posts, code, asked).await?;
        let id_token = tokens.id_token.ok_or_else(refused)?;
        let mut claims = self.claims(&id_token, asked.nonce).await?;
        if claims.email.is_none()
            && let Some(endpoint) = userinfo_endpoint
        {
            let bearer = Some(format!("Bearer {}", tokens.access_token));
            let info: Value = self.send(endpoint, bearer, None).await?;
            if info["sub"].as_str() != Some(&claims.sub) {
                return Err(refused());
            }
            let text = |field: &str| info[field].as_str().map(str::to_string);
            (claims.email, claims.name) = (text("email"), claims.name.or(text("name")));
            claims.email_verified = info.get("email_verified").cloned();
        }
        // Apple says it as text.
        let is_verified = claims.email_verified.is_some_and(|said| said == true || said == "true");
        let email = claims.email.filter(|_| is_verified);
        Ok(Subject { id: claims.sub, email, name: claims.name })
    }

    /// What an ID token says, if it is the provider's, for us, and for this sign-in (OpenID Connect Core 1.0, 3.1.3.7).
    async fn claims(&self, id_token: &str, nonce: &str) -> Result<Claims> {
        let header = jsonwebtoken::decode_header(id_token).map_err(|_| refused())?;
        let mut known = self.known(KEPT).await?;
        let find = |keys: &JwkSet| match &header.kid {
            Some(kid) => keys.find(kid).cloned(),
            None => keys.keys.first().filter(|_| keys.keys.len() == 1).cloned(),
        };
        if find(&known.keys).is_none() {
            // The provider may have a new key.
            known = self.known(AGAIN).await?;
        }
        let key = find(&known.keys).ok_or_else(refused)?;
        if !algorithms(&key).contains(&header.alg) {
            return Err(refused());
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&known.discovery.issuer]);
        validation.set_audience(&[&self.client_id]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        let decoding = DecodingKey::from_jwk(&key).map_err(|_| refused())?;
        let read = jsonwebtoken::decode::<Claims>(id_token, &decoding, &validation);
        let claims = read.map_err(|error| {
            tracing::warn!("the provider {}: an ID token is refused: {error}", self.name);
            refused()
        })?;
        let claims = claims.claims;
        let is_alone = claims.aud.as_array().is_none_or(|all| all.len() == 1);
        let is_ours = claims.azp.as_ref().map_or(is_alone, |azp| *azp == self.client_id);
        if claims.nonce.as_deref() != Some(nonce) || !is_ours || claims.sub.is_empty() {
            return Err(refused());
        }
        Ok(claims)
    }

    async fn github(&self, code: &str, asked: &Asked<'_>) -> Result<Subject> {
        #[derive(Deserialize)]
        struct User {
            id: u64,
            name: Option<String>,
        }
        #[derive(Deserialize)]
        struct Email {
            email: String,
            primary: bool,
            verified: bool,
        }
        let api = match self.issuer.as_str() {
            "https://github.com" => "https://api.github.com".to_string(),
            enterprise => format!("{enterprise}/api/v3"),
        };
        let endpoint = format!("{}/login/oauth/access_token", self.issuer);
        let tokens = self.tokens(&endpoint, false, code, asked).await?;
        let bearer = || Some(format!("Bearer {}", tokens.access_token));
        let User { id, name } = self.send(&format!("{api}/user"), bearer(), None).await?;
        let emails: Vec<Email> = self.send(&format!("{api}/user/emails"), bearer(), None).await?;
        let email = emails.into_iter().find(|one| one.primary && one.verified);
        Ok(Subject { id: id.to_string(), email: email.map(|one| one.email), name })
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_machine_itself_is_asked_without_tls() {
        for safe in ["https://a.org", "http://127.0.0.1:9/x", "http://localhost", "http://[::1]:8"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for bad in
            ["http://a.org", "http://127.0.0.1.a.org", "http://localhost@a.org", "ftp://a", ""]
        {
            assert!(!is_safe(bad), "{bad}");
        }
        assert_eq!(form(&[("a", "b c&d"), ("e", "é~")]), "a=b%20c%26d&e=%C3%A9~");
    }
}
