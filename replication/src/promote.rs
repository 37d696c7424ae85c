//! What operators ask a node: how it stands, to lead, or to give over. A node that is to lead asks the others first.

use crate::lease::{Demand, Lease};
use crate::message::{Control, Reply, Request, Stands};
use crate::node::{self, Shared};
use crate::primary::{Given, Leading};
use crate::quic::{self, Outgoing, QuicError};
use crate::standby::{Following, Outcome};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long the other nodes have to say how they stand: some times a handshake over a long way.
const OTHERS_PATIENCE: Duration = Duration::from_millis(500);
/// How long a node that may lead takes to do so: the store's answer, and what its engine has before it.
const LEAD_PATIENCE: Duration = Duration::from_secs(3);
/// Nodes that may be silent where no store says who was in sync: the old primary. Everything acknowledged at a replica level is on it and
/// on one other at least.
const SILENT_MAX: usize = 1;
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What another node said of how it stands, or why it said nothing.
#[derive(Debug)]
pub(crate) struct Other {
    name: String,
    said: Result<Stands, String>,
}

/// An operator, or another node, who waits for an answer. Nothing depends on whether it is still there.
struct Asker(Outgoing);

impl Asker {
    async fn hears(&mut self, reply: Reply) -> Result<(), QuicError> {
        self.0.send(&Control::Reply(reply).to_bytes()).await
    }

    async fn waits(&mut self, text: String) {
        tracing::warn!("{text}");
        let _ = self.hears(Reply::Waits(text)).await;
    }
}

/// Answers a request.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    name: &str,
    request: Request,
    out: Outgoing,
) -> Result<(), QuicError> {
    shared.asks.fetch_add(1, Ordering::AcqRel);
    let answered = answered(shared, name, request, Asker(out)).await;
    shared.asks.fetch_sub(1, Ordering::AcqRel);
    answered
}

async fn answered(
    shared: &Arc<Shared>,
    name: &str,
    request: Request,
    mut asker: Asker,
) -> Result<(), QuicError> {
    let done = match request {
        Request::Standing => match stands(shared) {
            Some(stands) => Ok(Reply::Stands(stands)),
            None => Err("it neither leads nor follows yet".into()),
        },
        Request::Status => Ok(Reply::Said(node::status(shared))),
        Request::HandOver { to } => {
            tracing::warn!("'{name}' asks to hand over");
            hand_over(shared, to).await.map(Reply::Said)
        }
        Request::Promote { force } => {
            tracing::warn!(
                "'{name}' asks to lead{}",
                if force { ", whatever is missing" } else { "" }
            );
            // Whoever is asked by another from here on says so: of two at once neither leads.
            shared.promotions.fetch_add(1, Ordering::AcqRel);
            let promoted = promote(shared, force, &mut asker).await;
            shared.promotions.fetch_sub(1, Ordering::AcqRel);
            promoted.map(Reply::Said)
        }
    };
    asker.hears(done.unwrap_or_else(Reply::Refused)).await?;
    asker.0.finish().await;
    Ok(())
}

fn stands(shared: &Shared) -> Option<Stands> {
    if let Some(leading) = shared.leading().as_mut() {
        return Some(leading.stands());
    }
    let stands = shared.following().as_ref().map(Following::stands)?;
    Some(Stands { is_asked: shared.promotions.load(Ordering::Acquire) > 0, ..stands })
}

/// Asks all other nodes at once how they stand.
pub(crate) async fn others(shared: &Arc<Shared>) -> Vec<Other> {
    let ask = |(name, address): (&String, &String)| {
        let (shared, name, address) = (Arc::clone(shared), name.clone(), address.clone());
        tokio::spawn(async move {
            let request = Request::Standing;
            let asked =
                quic::ask(&shared.endpoint, &name, &address, request, OTHERS_PATIENCE, |_| {});
            let said = match asked.await {
                Ok(Reply::Stands(stands)) => Ok(stands),
                Ok(Reply::Refused(why)) => Err(why),
                Ok(_) => Err(QuicError::NotAnAnswer.to_string()),
                Err(error) => Err(error.to_string()),
            };
            Other { name, said }
        })
    };
    let asked: Vec<_> = shared.peers.iter().map(ask).collect();
    let mut others = Vec::new();
    for other in asked {
        others.extend(other.await);
    }
    others
}

/// Those who said how they stand.
fn said(others: &[Other]) -> impl Iterator<Item = (&str, &Stands)> {
    others.iter().filter_map(|other| Some((other.name.as_str(), other.said.as_ref().ok()?)))
}

/// Who else leads, in the newest epoch, and how it stands, as the others said.
pub(crate) fn newest_leader(others: &[Other]) -> Option<(&str, &Stands)> {
    said(others).filter(|(_, stands)| stands.leads.is_some()).max_by_key(|(_, stands)| stands.leads)
}

/// What speaks against it that a node which stands as `own` leads, as the others said.
pub(crate) fn objection(own: &Stands, others: &[Other]) -> Option<String> {
    let said = || said(others);
    if let Some((name, epoch)) = said().find_map(|(name, stands)| Some((name, stands.leads?))) {
        return Some(format!("'{name}' leads, in epoch {epoch}"));
    }
    if let Some((name, _)) = said().find(|(_, stands)| stands.is_asked) {
        return Some(format!("'{name}' is told to lead at the same moment"));
    }
    let is_other =
        |stands: &Stands| stands.last.0 > 0 && own.last.0 > 0 && stands.instance != own.instance;
    if let Some((name, _)) = said().find(|(_, stands)| is_other(stands)) {
        return Some(format!("'{name}' has another journal"));
    }
    let most = said().max_by_key(|(_, stands)| (stands.epoch, stands.last))?;
    let (name, stands) = most;
    ((stands.epoch, stands.last) > (own.epoch, own.last)).then(|| {
        let text = |stands: &Stands| match stands.epoch {
            Some(epoch) => format!("input {} of epoch {epoch}", stands.last),
            None => "nothing".to_string(),
        };
        format!("'{name}' has more: {}, this node has {}", text(stands), text(own))
    })
}

/// Lets this node lead: a standby, or a primary that gave over to one who did not take it.
async fn promote(shared: &Arc<Shared>, force: bool, asker: &mut Asker) -> Result<String, String> {
    let began = Instant::now();
    let heir = match &*shared.leading() {
        None => None,
        Some(leading) => {
            Some(leading.heir().ok_or("this node is the primary already")?.to_string())
        }
    };
    if !force {
        if heir.is_none() {
            following(shared, Following::check_entitled)??;
        }
        let (others, is_silent) = tokio::join!(others(shared), silence(shared, asker));
        is_silent?;
        let own = stands(shared).ok_or("this node does not follow any more")?;
        if let Some(why) = objection(&own, &others) {
            return Err(format!(
                "{why}: hand over with --planned, promote the one that has most, or accept what is lost with --force"
            ));
        }
        // A primary lets go of a follower as long as another confirms, and what that one has, only it can say.
        let silent = others.iter().filter(|other| other.said.is_err()).count();
        if shared.lease.is_none() && silent > SILENT_MAX {
            let text =
                |other: &Other| Some(format!("'{}': {}", other.name, other.said.as_ref().err()?));
            let silent: Vec<_> = others.iter().filter_map(text).collect();
            return Err(format!(
                "{} do not say what they have, and without a lease one of them may have more than this node: start one of them as a standby, or accept what is lost with --force",
                silent.join("; ")
            ));
        }
        for Other { name, said } in &others {
            let Err(why) = said else { continue };
            if heir.as_ref() == Some(name) {
                return Err(format!(
                    "'{name}' was told to lead and does not say whether it does ({why}): see that it does not, then --force"
                ));
            }
            asker.waits(format!("does not hear what '{name}' has: {why}")).await;
        }
    }
    if heir.is_some() {
        if let Some(leading) = shared.leading().as_mut() {
            leading.keep();
        }
        return Ok(format!("'{}' goes on as primary\n", shared.name));
    }
    match &shared.lease {
        Some(lease) => {
            let demand = if force { Demand::Force } else { Demand::Now };
            lease.change(|lease| lease.demand(demand));
        }
        None => following(shared, |following| following.lead(shared))?,
    }
    let done = until_it_leads(shared, began).await;
    if done.is_err()
        && let Some(lease) = &shared.lease
    {
        // Nobody expects any more that it takes over.
        lease.change(Lease::withdraw);
    }
    done
}

/// Waits until the node leads, or cannot.
async fn until_it_leads(shared: &Shared, began: Instant) -> Result<String, String> {
    let asked = Instant::now();
    while asked.elapsed() < LEAD_PATIENCE {
        if shared.leading().is_some() {
            return Ok(format!(
                "'{}' leads after {} ms\n",
                shared.name,
                began.elapsed().as_millis()
            ));
        }
        if let Some(Outcome::Failed { why }) = following(shared, Following::outcome).ok().flatten()
        {
            return Err(why);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("it does not lead after {LEAD_PATIENCE:?}; see: tidegate standby status"))
}

fn following<T>(shared: &Shared, look: impl FnOnce(&Following) -> T) -> Result<T, String> {
    let following = shared.following();
    following.as_ref().map(look).ok_or_else(|| "this node does not follow yet".to_string())
}

/// Waits until the primary has said nothing for as long as one that lives may.
async fn silence(shared: &Arc<Shared>, asker: &mut Asker) -> Result<(), String> {
    let (began, limits) = (Instant::now(), shared.limits);
    let now = || following(shared, |following| following.silence(shared.now())).ok().flatten();
    if let Some(silence) = now().filter(|silence| *silence <= limits.silence_max) {
        let left = (limits.silence_max - silence).as_millis();
        asker.waits(format!("waits {left} ms for a sign of life of the primary")).await;
    }
    while let Some(silence) = now().filter(|silence| *silence <= limits.silence_max) {
        // What it had said before it was asked for may still come in.
        if began.elapsed().saturating_sub(silence) > 2 * limits.heartbeat {
            return Err(
                "its primary is alive: hand over with --planned, or stop the primary first".into(),
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Gives over, as a primary.
async fn hand_over(shared: &Arc<Shared>, to: Option<String>) -> Result<String, String> {
    let began = Instant::now();
    let to = match shared.leading().as_mut() {
        Some(leading) => leading.give_to(to, shared.now())?,
        None => return Err("this node is no primary: ask the one that is".into()),
    };
    let max = shared.hand_over_max;
    let late = format!("'{to}' has not taken over within {max:?}");
    // Beyond its time, until the lease is taken back.
    while began.elapsed() < max * 2 + LEAD_PATIENCE {
        let given = shared.leading().as_ref().map_or(Given::Taken, Leading::given);
        match given {
            Given::Taken => {
                let took = began.elapsed().as_millis();
                // If not the heir, then another that has everything.
                let given_to = shared.leading().as_ref().and_then(Leading::given_to);
                let to = given_to.unwrap_or(to);
                return Ok(format!(
                    "'{to}' leads, {took} ms after this primary took its last input\n"
                ));
            }
            Given::Kept => return Err(format!("{late}: this primary goes on")),
            Given::Unknown => {
                return Err(format!(
                    "{late}, though it was told to, and nobody else says who leads: if it does not, let this one go on with tidegate promote"
                ));
            }
            Given::Not => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    Err(format!("{late}, and the store does not say who holds the lease that was given up for it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::SeqNo;

    #[test]
    fn one_that_leads_or_has_more_speaks_against_it() {
        let stands = |leads, instance, epoch, last| Stands {
            leads,
            is_asked: false,
            instance: Some(instance),
            epoch,
            last: SeqNo(last),
        };
        let own = stands(None, 7, Some(2), 100);
        let rows = [
            (stands(None, 7, Some(2), 100), ""),
            (stands(None, 7, Some(2), 99), ""),
            (stands(None, 7, Some(1), 500), ""),
            (stands(None, 7, None, 0), ""),
            (stands(None, 8, None, 0), ""),
            (
                stands(None, 7, Some(2), 101),
                "'c' has more: input 101 of epoch 2, this node has input 100 of epoch 2",
            ),
            (
                stands(None, 7, Some(3), 90),
                "'c' has more: input 90 of epoch 3, this node has input 100 of epoch 2",
            ),
            (stands(Some(1), 7, Some(1), 5), "'c' leads, in epoch 1"),
            (stands(None, 8, Some(1), 5), "'c' has another journal"),
            (Stands { is_asked: true, ..own }, "'c' is told to lead at the same moment"),
        ];
        for (other, why) in rows {
            let others = [("a", Err("no answer".into())), ("b", Ok(own)), ("c", Ok(other))];
            let others = others.map(|(name, said)| Other { name: name.into(), said });
            let found = objection(&own, &others).unwrap_or_default();
            assert_eq!(found, why, "{other:?}");
        }
        let new = stands(None, 9, None, 0);
        let other = Other { name: "c".into(), said: Ok(own) };
        let found = objection(&new, &[other]).unwrap_or_default();
        assert_eq!(found, "'c' has more: input 100 of epoch 2, this node has nothing");
    }
}
