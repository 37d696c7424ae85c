//! Stripe: hosted checkout and portal pages, and signed webhooks. Forms, fields and the signature are those of its API reference
//! (docs.stripe.com/api, docs.stripe.com/webhooks/signature).

use super::{Change, Order, Payments, Standing};
use crate::config::Billing;
use crate::error::{ApiError, Code, Result};
use crate::trading::plans::Plan;
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How old a signature may be, in seconds: what Stripe's own libraries take.
const TOLERANCE_S: i64 = 300;
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The version of the API that forms and events are of.
const VERSION: &str = "2024-06-20";

/// Stripe, with one account's keys.
pub struct Stripe {
    agent: ureq::Agent,
    api: String,
    key: String,
    webhook: hmac::Key,
    /// Price by plan.
    prices: BTreeMap<String, String>,
    success_url: String,
    cancel_url: String,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").field("api", &self.api).field("prices", &self.prices).finish()
    }
}

impl Stripe {
    /// An account's, with its secret key and the secret that webhooks are signed with.
    pub fn new(config: &Billing, key: String, webhook_secret: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self {
            agent: agent.new_agent(),
            api: config.api.trim_end_matches('/').into(),
            key,
            webhook: hmac::Key::new(hmac::HMAC_SHA256, webhook_secret.as_bytes()),
            prices: config.prices.clone(),
            success_url: config.success_url.clone(),
            cancel_url: config.cancel_url.clone(),
        }
    }

    /// A request with what every one carries.
    fn signed<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        let bearer = format!("Bearer {}", self.key);
        request.header("Authorization", bearer).header("Stripe-Version", VERSION)
    }

    /// The address of a page that Stripe makes for a form. `once` makes a repetition the same page.
    fn page(&self, path: &str, form: &[(&str, &str)], once: Option<&str>) -> Result<String> {
        let mut request = self.signed(self.agent.post(format!("{}{path}", self.api)));
        if let Some(once) = once {
            request = request.header("Idempotency-Key", once);
        }
        let page = read(path, request.send_form(form.iter().copied()))?;
        let url = page["url"].as_str().ok_or_else(|| failed(path, &"no url"))?;
        Ok(url.to_string())
    }

    /// The plan of a price; free, for one that is not sold here.
    fn plan_of(&self, price: &Value) -> Plan {
        let sold = self.prices.iter().find(|(_, known)| price == known.as_str());
        sold.map_or(Plan::Free, |(plan, _)| Plan::from_name(plan))
    }

    /// A subscription; `None` for what is none.
    fn subscription(&self, object: &Value) -> Option<Standing> {
        let item = &object["items"]["data"][0];
        // Since 2025 the end is told with each item.
        let paid_until = object["current_period_end"].as_i64();
        Some(Standing {
            id: object["id"].as_str()?.to_string(),
            status: object["status"].as_str()?.to_string(),
            plan: self.plan_of(&item["price"]["id"]),
            paid_until: paid_until.or_else(|| item["current_period_end"].as_i64()),
        })
    }
}

fn failed(path: &str, cause: &dyn std::fmt::Display) -> ApiError {
    tracing::error!("the payment service: {path}: {cause}");
    ApiError::new(Code::Upstream, "the payment service cannot be reached; try again later")
}

/// What Stripe answered, if it is good.
fn read(
    path: &str,
    answer: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value> {
    let mut answer = answer.map_err(|error| failed(path, &error))?;
    let text = answer.body_mut().read_to_string().map_err(|error| failed(path, &error))?;
    let body: Value = serde_json::from_str(&text).map_err(|error| failed(path, &error))?;
    match answer.status().is_success() {
        true => Ok(body),
        // Its error names the field and never holds the key.
        false => Err(failed(path, &body["error"]["message"])),
    }
}

/// An event, with what is looked at of it.
#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

impl Payments for Stripe {
    fn checkout(&self, order: &Order) -> Result<String> {
        let price = self.prices.get(&order.plan).ok_or_else(|| {
            let plans: Vec<_> = self.prices.keys().map(String::as_str).collect();
            ApiError::field("plan", format!("one that can be bought: {}", plans.join(", ")))
        })?;
        let user = order.user.to_string();
        let mut form = vec![
            ("mode", "subscription"),
            ("line_items[0][price]", price),
            ("line_items[0][quantity]", "1"),
            ("success_url", &self.success_url),
            ("cancel_url", &self.cancel_url),
            ("client_reference_id", &user),
            ("subscription_data[metadata][user]", &user),
        ];
        form.push(match &order.customer {
            Some(customer) => ("customer", customer),
            None => ("customer_email", &order.email),
        });
        self.page("/v1/checkout/sessions", &form, Some(&order.once))
    }

    fn portal(&self, customer: &str) -> Result<String> {
        let form = [("customer", customer), ("return_url", self.success_url.as_str())];
        self.page("/v1/billing_portal/sessions", &form, None)
    }

    fn standing(&self, customer: &str) -> Result<Vec<Standing>> {
        let path = "/v1/subscriptions";
        let request = self.signed(self.agent.get(format!("{}{path}", self.api)));
        // Without a status: all that have not ended.
        let answer = request.query("customer", customer).query("limit", "100").call();
        let list = read(path, answer)?;
        let list = list["data"].as_array().ok_or_else(|| failed(path, &"no list"))?;
        Ok(list.iter().filter_map(|object| self.subscription(object)).collect())
    }

    fn event(&self, signature: &str, body: &[u8], now_s: i64) -> Result<(String, Option<Change>)> {
        let bad = |message: &str| ApiError::new(Code::WrongCredentials, message);
        let (mut at, mut tags) = (None, Vec::new());
        for part in signature.split(',') {
            match part.trim().split_once('=') {
                Some(("t", value)) => at = Some(value),
                Some(("v1", value)) => tags.push(value),
                _ => {}
            }
        }
        let at = at.ok_or_else(|| bad("Stripe-Signature has no time"))?;
        let signed = [at.as_bytes(), b".", body].concat();
        let is_signed = tags.iter().filter_map(|tag| crate::keys::unhex(tag));
        if !is_signed.into_iter().any(|tag| hmac::verify(&self.webhook, &signed, &tag).is_ok()) {
            return Err(bad("Stripe-Signature is not of this endpoint's secret"));
        }
        let at: i64 = at.parse().map_err(|_| bad("Stripe-Signature has no time"))?;
        if at.abs_diff(now_s) > TOLERANCE_S as u64 {
            return Err(bad("Stripe-Signature is older than five minutes"));
        }
        let event: Event = serde_json::from_slice(body).map_err(|error| {
            ApiError::new(Code::Malformed, format!("this is no event of Stripe's: {error}"))
        })?;
        let object = &event.data.object;
        let user = match event.kind.as_str() {
            "checkout.session.completed" => &object["client_reference_id"],
            "customer.subscription.created"
            | "customer.subscription.updated"
            | "customer.subscription.deleted" => &object["metadata"]["user"],
            _ => return Ok((event.id, None)),
        };
        let change = object["customer"].as_str().map(|customer| Change {
            user: user.as_str().and_then(|user| user.parse().ok()),
            customer: customer.to_string(),
        });
        Ok((event.id, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::hex;

    const SECRET: &str = "whsec_test_secret";

    fn stripe() -> Stripe {
        let config = Billing {
            prices: [("pro".to_string(), "price_1PgafmB7WZ01zgkW6dKueIc5".to_string())].into(),
            ..Billing::default()
        };
        Stripe::new(&config, "sk_test_x".into(), SECRET)
    }

    fn sign(at: i64, body: &str, secret: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
        format!(
            "t={at},v1={},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
            hex(tag.as_ref())
        )
    }

    #[test]
    fn only_what_is_signed_lately_with_the_secret_is_taken() {
        let body = include_str!("testdata/subscription_updated.json");
        let good = sign(1_000, body, SECRET);
        let (id, change) = stripe().event(&good, body.as_bytes(), 1_100).expect("it is good");
        assert_eq!(id, "evt_1PgafmB7WZ01zgkWSubUpdated");
        let change = change.expect("a change");
        assert_eq!((change.customer.as_str(), change.user), ("cus_QXg1o8vcGmoR32", None));
        let event: Value = serde_json::from_str(body).expect("JSON");
        let standing = stripe().subscription(&event["data"]["object"]).expect("a subscription");
        assert_eq!((standing.status.as_str(), standing.plan), ("active", Plan::Pro));
        assert_eq!(standing.paid_until, Some(1_724_425_000));
        let other = body.replace("active", "trialing");
        for (signature, body, now) in [
            (sign(1_000, body, "whsec_other"), body, 1_000),
            (good.clone(), body, 1_301),
            (good.clone(), body, 699),
            (good.clone(), other.as_str(), 1_000),
            (good.replace("t=1000", "t=1001"), body, 1_000),
            (good.replace("v1=", "v0="), body, 1_000),
            ("v1=00".into(), body, 1_000),
            (String::new(), body, 1_000),
            ("t=1000,v1=zz".into(), body, 1_000),
        ] {
            let refused = stripe().event(&signature, body.as_bytes(), now);
            assert_eq!(refused.expect_err(&signature).code, Code::WrongCredentials, "{signature}");
        }
    }

    #[test]
    fn what_is_signed_and_no_event_is_refused_and_what_does_not_matter_is_passed_over() {
        for body in ["", "{}", "[]", r#"{"id":1}"#] {
            let refused = stripe().event(&sign(5, body, SECRET), body.as_bytes(), 5);
            assert_eq!(refused.expect_err(body).code, Code::Malformed, "{body}");
        }
        let other = r#"{"id":"evt_1","type":"invoice.paid","created":1,"data":{"object":{}}}"#;
        let read = stripe().event(&sign(5, other, SECRET), other.as_bytes(), 5);
        assert!(matches!(read, Ok((id, None)) if id == "evt_1"));
    }
}
