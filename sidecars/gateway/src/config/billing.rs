//! `[billing]`

use serde::Deserialize;
use std::collections::BTreeMap;

/// `[billing]`
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Billing {
    /// Stripe's secret key; empty: `TIDEGATE_STRIPE_KEY` of the environment.
    pub stripe_key: String,
    /// What Stripe signs webhooks with; empty: `TIDEGATE_STRIPE_WEBHOOK_SECRET` of the environment.
    pub webhook_secret: String,
    /// Where the payment service is.
    pub api: String,
    /// Stripe's price of each plan that is sold.
    pub prices: BTreeMap<String, String>,
    /// Where people land who have paid.
    pub success_url: String,
    /// Where people land who have not.
    pub cancel_url: String,
}

// The secrets stay out of logs.
impl std::fmt::Debug for Billing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { api, prices, success_url, cancel_url, .. } = self;
        f.debug_tuple("Billing").field(&(api, prices, success_url, cancel_url)).finish()
    }
}

impl Default for Billing {
    fn default() -> Self {
        Self {
            stripe_key: String::new(),
            webhook_secret: String::new(),
            api: "https://api.stripe.com".into(),
            prices: BTreeMap::new(),
            success_url: "http://127.0.0.1:8080/".into(),
            cancel_url: "http://127.0.0.1:8080/".into(),
        }
    }
}
