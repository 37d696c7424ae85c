//! Who comes in, and who tries to, over HTTP.

mod api_keys;
mod attacks;
mod mail;
mod oidc;
mod second_factor;
#[path = "../support/mod.rs"]
mod support;
mod users;
