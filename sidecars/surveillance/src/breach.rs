//! Limit breach attempts: many orders of one principal, or of one account, refused by risk controls; and requests that only
//! another person may make.

use crate::Heard;
use crate::alert::{Alert, AlertKind, Place, Severity};
use crate::episodes::{Episodes, Subject, Who};
use crate::recent::Recent;
use crate::settings::Settings;
use std::collections::BTreeMap;
use tidegate_client::proto::{Reject, RejectReason};

/// The band of reasons that belongs to risk (`RejectReason`: 80.. risk, 160.. the venue).
const RISK_REASONS: std::ops::Range<i32> = 80..160;

/// Reasons that refuse who asks, not what is asked.
const NOT_PERMITTED: [RejectReason; 4] = [
    RejectReason::NotPermitted,
    RejectReason::SamePerson,
    RejectReason::NotAPerson,
    RejectReason::WrongHash,
];

/// True if a risk control refused it: by its number, or by its scope where the number is newer than this.
pub(crate) fn is_by_risk(reject: &Reject) -> bool {
    RISK_REASONS.contains(&reject.reason) || !reject.scope.is_empty()
}

struct Refused {
    place: Place,
    reason: i32,
}

pub(crate) struct Breach {
    count: usize,
    within_ns: u64,
    refused: Recent<Who, Refused>,
}

impl Breach {
    pub fn new(settings: &Settings) -> Self {
        let within_ns = settings.breach_within_ns;
        Self { count: settings.breach_count as usize, within_ns, refused: Recent::new(within_ns) }
    }

    /// A risk control refused something. True beside it if an older refusal had to go for it.
    pub fn refused(
        &mut self,
        heard: &Heard,
        account: Option<u32>,
        reject: &Reject,
        episodes: &mut Episodes,
    ) -> (Option<Alert>, bool) {
        // Principal 0 is the operator, or nobody: its accounts tell more.
        let principal = Some(heard.principal).filter(|it| *it != 0).map(Who::Principal);
        let mut lost = false;
        let mut met: Option<(Who, u64)> = None;
        for who in [principal, account.map(Who::Account)].into_iter().flatten() {
            let refused = Refused { place: heard.place, reason: reject.reason };
            lost |= self.refused.push(heard.ts, who, refused);
            if self.refused.of(&who, heard.ts).count() < self.count {
                continue;
            }
            let subject = Subject { kind: AlertKind::LimitBreach, who, what: 0 };
            // Both episodes begin with one alert, which names both.
            met = met.or(episodes.met(heard.ts, subject).map(|repeats| (who, repeats)));
        }
        let alert = met.map(|(who, repeats)| self.tell(heard, account, who, repeats));
        (alert, lost)
    }

    fn tell(&self, heard: &Heard, account: Option<u32>, who: Who, repeats: u64) -> Alert {
        let (mut places, mut reasons) = (Vec::new(), BTreeMap::new());
        for refused in self.refused.of(&who, heard.ts) {
            places.push(refused.place);
            *reasons.entry(refused.reason).or_insert(0u32) += 1;
        }
        let (count, seconds) = (places.len(), self.within_ns / 1_000_000_000);
        let reasons: Vec<_> =
            reasons.iter().map(|(reason, n)| format!("{} {n}", reason_name(*reason))).collect();
        let whose = match who {
            Who::Principal(principal) => format!("principal {principal}"),
            _ => format!("account {}", account.unwrap_or_default()),
        };
        let mut alert = Alert::new(AlertKind::LimitBreach, Severity::High, heard);
        alert.accounts.extend(account);
        alert.figures = vec![
            ("rejects", count.to_string()),
            ("limit", self.count.to_string()),
            ("within_s", seconds.to_string()),
            ("reasons", reasons.join(", ")),
        ];
        alert.text = format!(
            "risk controls refused {whose} {count} times within {seconds} s: {}",
            reasons.join(", ")
        );
        alert.repeats = repeats;
        alert.prove(places);
        alert
    }

    pub fn len(&self) -> usize {
        self.refused.len()
    }
}

fn reason_name(reason: i32) -> String {
    let name = RejectReason::try_from(reason).map(|it| it.as_str_name());
    match name.ok().and_then(|it| it.strip_prefix("REJECT_REASON_")) {
        Some(name) => name.to_lowercase(),
        None => format!("reason_{reason}"),
    }
}

/// Somebody asked for what only another may ask for, or decided what is not theirs to decide. One is enough.
pub(crate) fn not_permitted(
    heard: &Heard,
    command: &str,
    reject: &Reject,
    episodes: &mut Episodes,
) -> Option<Alert> {
    if !NOT_PERMITTED.contains(&reject.reason()) {
        return None;
    }
    let what = reject.reason.unsigned_abs();
    let who = Who::Principal(heard.principal);
    let subject = Subject { kind: AlertKind::NotPermitted, who, what };
    let repeats = episodes.met(heard.ts, subject)?;
    let mut alert = Alert::new(AlertKind::NotPermitted, Severity::High, heard);
    alert.accounts.extend(heard.account);
    alert.figures = vec![("command", command.to_string()), ("reason", reason_name(reject.reason))];
    alert.text = format!(
        "principal {} may not do this: {command} was refused with {}",
        heard.principal,
        reason_name(reject.reason)
    );
    alert.repeats = repeats;
    Some(alert)
}
