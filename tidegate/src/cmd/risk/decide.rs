//! Proposals: what waits, and what a second person decides.

use super::Decision;
use super::change::told;
use super::words::{Table, name, proposal_json, time, who};
use crate::remote::ServerArgs;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use tidegate_client::{Client, ClientError, proto};
use tidegate_model::event::ProposalStatus;

/// Pages of proposals that are read at most: 100,000 proposals, far more than the engine holds.
const PAGES_MAX: usize = 100;

fn status(proposal: &proto::ProposalReport) -> &'static str {
    name!(ProposalStatus, proposal.status)
}

/// Every proposal there is, the newest first.
async fn all(client: &Client, decided: bool) -> Result<Vec<proto::ProposalEntry>, ClientError> {
    let mut request = proto::ListProposalsRequest {
        include_decided: decided,
        page_size: 1_000,
        ..Default::default()
    };
    let mut proposals = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.list_proposals(request.clone()).await?;
        proposals.extend(page.proposals);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(proposals)
}

pub(super) fn list(server: &ServerArgs, decided: bool, as_json: bool) -> Result<()> {
    let proposals = server.ask(|client| async move { all(&client, decided).await })?;
    let mut out = io::stdout().lock();
    if as_json {
        let proposals: Vec<_> = proposals.iter().filter_map(proposal_json).collect();
        writeln!(out, "{}", json!({ "proposals": proposals }))?;
        return Ok(());
    }
    if proposals.is_empty() {
        writeln!(out, "nothing waits for a second person")?;
        return Ok(());
    }
    let mut table = Table::new(&["number", "status", "asked by", "lapses", "hash", "why", "what"]);
    for entry in &proposals {
        let Some(proposal) = &entry.proposal else { continue };
        table.row([
            proposal.number.to_string(),
            status(proposal).to_string(),
            who(proposal.proposer, &entry.proposer_name),
            time(proposal.lapses_at),
            proposal.hash.clone(),
            proposal.reason.clone(),
            proposal.summary.clone(),
        ]);
    }
    table.print(&mut out)
}

fn find(server: &ServerArgs, number: u64) -> Result<(proto::ProposalReport, String)> {
    let proposals = server.ask(|client| async move { all(&client, true).await })?;
    let found = proposals.into_iter().find_map(|entry| {
        let proposal = entry.proposal.filter(|proposal| proposal.number == number)?;
        Some((proposal, entry.proposer_name))
    });
    found.with_context(|| {
        format!("there is no proposal {number}; tidegate risk proposals lists them")
    })
}

pub(super) fn approve(server: &ServerArgs, decision: &Decision, as_json: bool) -> Result<()> {
    let (proposal, proposer) = find(server, decision.number)?;
    let proto::ProposalReport { number, hash, summary, .. } = &proposal;
    if proposal.status() != proto::ProposalStatus::Pending {
        bail!("proposal {number} is {} already", status(&proposal));
    }
    // What is printed for programs stays one object.
    let mut shown: Box<dyn Write> =
        if as_json { Box::new(io::stderr().lock()) } else { Box::new(io::stdout().lock()) };
    writeln!(shown, "proposal  {number}, by {}", who(proposal.proposer, &proposer))?;
    writeln!(shown, "what      {summary}")?;
    if !proposal.reason.is_empty() {
        writeln!(shown, "why       {}", proposal.reason)?;
    }
    writeln!(shown, "lapses    {}", time(proposal.lapses_at))?;
    writeln!(shown, "hash      {hash}")?;
    match &decision.hash {
        Some(given) if given.eq_ignore_ascii_case(hash) => {}
        Some(given) => bail!(
            "the hash of proposal {number} is {hash}, not {given}: it is not what you looked at; nothing was approved"
        ),
        None if io::stdin().is_terminal() => {
            write!(shown, "approve it? [y/N] ")?;
            shown.flush()?;
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            if !matches!(line.trim(), "y" | "Y" | "yes") {
                bail!("proposal {number} is not approved; it still waits");
            }
        }
        None => bail!(
            "nothing was approved: read the above, then run tidegate risk approve {number} --hash {hash}"
        ),
    }
    drop(shown);
    decide(server, &proposal, proto::Decision::Approve, &decision.reason, as_json)
}

pub(super) fn refuse(server: &ServerArgs, decision: &Decision, as_json: bool) -> Result<()> {
    let (mut proposal, _) = find(server, decision.number)?;
    if let Some(hash) = &decision.hash {
        proposal.hash.clone_from(hash);
    }
    decide(server, &proposal, proto::Decision::Refuse, &decision.reason, as_json)
}

fn decide(
    server: &ServerArgs,
    proposal: &proto::ProposalReport,
    decision: proto::Decision,
    reason: &str,
    as_json: bool,
) -> Result<()> {
    let request = proto::DecideRequest {
        proposal: proposal.number,
        hash: proposal.hash.clone(),
        decision: decision.into(),
        reason: reason.to_string(),
    };
    told(&server.ask(|client| async move { client.decide(request).await })?, as_json)
}
