//! The tasks that feed streams: one tells what of the market changed, one what happens to accounts.

use super::Hub;
use super::events::{Event, EventChannel as Channel, Position, Told, Whose};
use crate::market::picture::Picture;
use crate::trading::accounts::Accounts;
use crate::trading::events::{Events, Update};
use crate::trading::picture::Change;
use std::sync::Arc;
use std::time::Duration;
use tidegate_client::proto::{self, ScopeKind};
use tokio::sync::broadcast::error::RecvError;

/// Least time between two rounds of telling: what changes meanwhile is told once.
const ROUND: Duration = Duration::from_millis(5);

/// Tells what of the market changed.
pub(super) async fn dispatch(hub: Arc<Hub>, picture: Arc<Picture>) {
    loop {
        picture.changes.notified().await;
        for instrument in picture.take_changed() {
            hub.topics.publish(&instrument, instrument.take_changed());
        }
        tokio::time::sleep(ROUND).await;
    }
}

/// Takes what happens to accounts into the log, for as long as the gateway runs.
pub(super) async fn events(hub: Arc<Hub>, events: Arc<Events>, accounts: Arc<Accounts>) {
    // Only wakes: what is read by place comes whole, event by event.
    let mut woken = events.subscribe();
    loop {
        let after = hub.log.head();
        match events.since((after.seq, after.ordinal)) {
            Some(updates) => {
                for event in updates.chunk_by(|a, b| a.position == b.position) {
                    hub.log.add(told(event, &accounts));
                }
            }
            None => {
                let (seq, ordinal) = events.picture().as_of();
                let newest = Position { seq, ordinal };
                // Asked for just after the newest was told, before it counts as reached: nothing was lost.
                if newest != after {
                    hub.log.begin(newest);
                }
            }
        }
        if let Err(RecvError::Closed) = woken.recv().await {
            return;
        }
        while !woken.is_empty() {
            let _ = woken.try_recv();
        }
    }
}

/// Whom a change of no account is about; `None`: nobody who could hear it.
fn whose(scope: Option<&proto::Scope>) -> Option<Whose> {
    let scope = scope?;
    match scope.kind() {
        ScopeKind::Firm | ScopeKind::Instrument => Some(Whose::Everybody),
        ScopeKind::Account => Some(Whose::Account(scope.id)),
        ScopeKind::Principal => Some(Whose::Principal(scope.id)),
        ScopeKind::Strategy | ScopeKind::Group | ScopeKind::Unspecified => None,
    }
}

/// An event: all updates of one place.
fn told(updates: &[Arc<Update>], accounts: &Accounts) -> Event {
    let (seq, ordinal) = updates.first().map_or((0, 0), |update| update.position);
    let told = |update: &Arc<Update>| {
        let (channel, replaces) = match &update.change {
            Change::Order(..) | Change::CancelReject(..) => (Channel::Orders, None),
            Change::Execution(_) => (Channel::Fills, None),
            Change::Position(held) => (Channel::Positions, Some((held.account, &held.symbol))),
            Change::Balance(cash) => (Channel::Balances, Some((cash.account, &cash.currency))),
            Change::Limits(_) | Change::Proposal(_) => (Channel::Risk, None),
            Change::KillSwitch(_) | Change::Tripped(_) => (Channel::Alerts, None),
        };
        let whose = match (&update.change, update.account) {
            (Change::Proposal(_), _) => Whose::Deciders,
            (_, Some(account)) => Whose::Account(account),
            (Change::KillSwitch(kill), None) => whose(kill.scope.as_ref())?,
            (Change::Tripped(tripped), None) => whose(tripped.scope.as_ref())?,
            (_, None) => return None,
        };
        let replaces = replaces.map(|(account, of)| format!("{channel:?} {account} {of}").into());
        Some(Told { whose, channel, text: update.json(accounts).to_string().into(), replaces })
    };
    Event { position: Position { seq, ordinal }, told: updates.iter().filter_map(told).collect() }
}
