//! Who comes in, and who tries to, over HTTP.

mod api_keys;
mod attacks;
mod brokers;
mod mail;
mod oidc;
mod onboarding;
mod second_factor;
#[path = "../support/mod.rs"]
mod support;
mod users;
