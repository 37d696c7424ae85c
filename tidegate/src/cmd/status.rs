//! `tidegate status`

use crate::cmd::stats::grouped;
use crate::remote::ServerArgs;
use anyhow::Result;
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use tidegate_client::proto;
use tidegate_model::ReleaseLevel;

/// Show where a running server stands: what is appended, on disk, with followers, and what outputs wait for.
///
/// What is appended and not released has left nobody yet. docs/release-levels.md says what each level survives.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate status\n  \
    tidegate status --json | jq '.appended_seq - .synced_seq'")]
pub struct StatusArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: StatusArgs) -> Result<()> {
    let asked = |client: tidegate_client::Client| async move {
        client.get_status(proto::GetStatusRequest {}).await
    };
    let status = args.server.ask(asked)?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", as_json(&status))?,
        false => write!(out, "{}", as_text(&status))?,
    }
    Ok(())
}

fn level(status: &proto::GetStatusResponse) -> &'static str {
    let number = u8::try_from(status.release_level).ok();
    number.and_then(ReleaseLevel::from_wire).map_or("unknown", ReleaseLevel::as_str)
}

fn count(status: &proto::GetStatusResponse, name: &str) -> u64 {
    status.counters.get(name).copied().unwrap_or(0)
}

fn as_text(status: &proto::GetStatusResponse) -> String {
    let engine = match (status.engine_alive, status.waits_for_release) {
        (false, _) => "has stopped",
        (true, true) => "waits: its release buffer is full",
        (true, false) => "runs",
    };
    let trading = if status.firm_killed { "stopped by the firm's kill switch" } else { "open" };
    let mut text = format!("engine      {engine}, version {}\n", status.version);
    text += &format!("trading     {trading}\n");
    text += &format!("release     {}\n", level(status));
    text += &format!("appended    {:>16}\n", grouped(status.seq));
    text += &format!("synced      {:>16}\n", grouped(status.synced_seq));
    text += &format!("replicated  {:>16}\n", grouped(status.replicated_seq));
    let (waits, held) = (count(status, "release_waits"), count(status, "held_requests"));
    text + &format!(
        "waited      {waits} times for its release buffer; {held} requests to routes are held\n"
    )
}

fn as_json(status: &proto::GetStatusResponse) -> serde_json::Value {
    json!({
        "version": status.version,
        "engine_alive": status.engine_alive,
        "firm_killed": status.firm_killed,
        "release_level": level(status),
        "appended_seq": status.seq,
        "synced_seq": status.synced_seq,
        "replicated_seq": status.replicated_seq,
        "waits_for_release": status.waits_for_release,
        "release_waits": count(status, "release_waits"),
        "held_requests": count(status, "held_requests"),
        "state_hash": status.state_hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_said() {
        let status = proto::GetStatusResponse {
            engine_alive: true,
            seq: 1_234_567,
            synced_seq: 1_234_000,
            release_level: proto::ReleaseLevel::Power.into(),
            waits_for_release: true,
            counters: [("release_waits".to_string(), 3)].into(),
            ..Default::default()
        };
        let text = as_text(&status);
        for said in ["release     power", "1,234,567", "1,234,000", "buffer is full", "3 times"] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let json = as_json(&status);
        assert_eq!(
            (&json["release_level"], &json["synced_seq"]),
            (&json!("power"), &json!(1_234_000))
        );
        let stopped = proto::GetStatusResponse::default();
        assert!(as_text(&stopped).contains("has stopped"), "{}", as_text(&stopped));
    }
}
