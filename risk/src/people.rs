//! Who may ask for what.

use serde::{Deserialize, Serialize};
use tidegate_model::command::{
    MAY_CONTROL, MAY_ESTIMATE, MAY_TRADE, PERMISSIONS_KNOWN, Role, SetPrincipal,
};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::UpTo;
use tidegate_model::{AccountId, PrincipalId, Reject, RejectReason, StateHash, StrategyId};

const TAG_PRINCIPAL: u64 = 0x7269_736b_7072_696e;

/// Every principal that the configuration or a gateway has told of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct People {
    #[serde(with = "UpTo::<{ PrincipalId::COUNT_MAX }>")]
    known: Vec<Option<SetPrincipal>>,
    hash: StateHash,
}

fn not_permitted(principal: PrincipalId, may: u8) -> Reject {
    Reject::new(RejectReason::NotPermitted, may.into(), principal.0.into())
}

impl People {
    /// Takes a principal in, in place of what was known of it; true if that is a change.
    ///
    /// # Errors
    /// [`RejectReason::BadField`]: the operator's own number or one out of range, a role or permission that is not
    /// assigned, a program that may change controls, a name that is no text.
    pub fn set(&mut self, set: &SetPrincipal) -> Result<bool, Reject> {
        let bad = |value: i128| Err(Reject::of(RejectReason::BadField, value));
        let id = set.principal;
        if id == PrincipalId::OPERATOR || id.index() >= PrincipalId::COUNT_MAX {
            return bad(id.0.into());
        }
        let Some(role) = Role::from_wire(set.role) else { return bad(set.role.into()) };
        let is_program = role != Role::Person;
        let too_much = set.permissions & !PERMISSIONS_KNOWN != 0
            || is_program && set.permissions & MAY_CONTROL != 0;
        if too_much {
            return bad(set.permissions.into());
        }
        if !set.name.iter().all(|byte| *byte == 0 || (b' '..=b'~').contains(byte)) {
            return bad(0);
        }
        if self.known.len() <= id.index() {
            self.known.resize(id.index() + 1, None);
        }
        let known = &mut self.known[id.index()];
        if *known == Some(*set) {
            return Ok(false);
        }
        self.hash.remove(known.as_ref().map_or(0, hash_of));
        self.hash.add(hash_of(set));
        *known = Some(*set);
        Ok(true)
    }

    #[inline]
    pub fn get(&self, principal: PrincipalId) -> Option<&SetPrincipal> {
        self.known.get(principal.index())?.as_ref()
    }

    /// Lets an order pass of a principal that may enter it. What nobody has told of is bound by its account's limits alone.
    #[inline]
    pub fn check_order(
        &self,
        principal: PrincipalId,
        account: AccountId,
        strategy: StrategyId,
    ) -> Result<(), Reject> {
        let Some(known) = self.get(principal) else { return Ok(()) };
        let is_strange = known.strategy != StrategyId::NONE && known.strategy != strategy;
        if known.permissions & MAY_TRADE == 0 || is_strange {
            return Err(not_permitted(principal, known.permissions));
        }
        self.check_account(principal, account)
    }

    /// Lets new terms pass for an order that `owner` entered: from the same principal only. What it may have is counted and
    /// limited as the owner's, so that with another's order anybody could pass limits of its own.
    #[inline]
    pub fn check_replace(
        &self,
        principal: PrincipalId,
        owner: PrincipalId,
        account: AccountId,
        strategy: StrategyId,
    ) -> Result<(), Reject> {
        if principal != owner {
            let permissions = self.get(principal).map_or(0, |known| known.permissions);
            return Err(not_permitted(principal, permissions));
        }
        self.check_order(principal, account, strategy)
    }

    /// Lets a principal pass that may act for an account; `AccountId::NONE` is all of them.
    #[inline]
    pub fn check_account(&self, principal: PrincipalId, account: AccountId) -> Result<(), Reject> {
        match self.get(principal) {
            Some(known) if known.account != AccountId::NONE && known.account != account => {
                Err(not_permitted(principal, known.permissions))
            }
            _ => Ok(()),
        }
    }

    /// Lets the operator and those pass who may change controls.
    pub fn check_control(&self, principal: PrincipalId) -> Result<(), Reject> {
        if principal == PrincipalId::OPERATOR {
            return Ok(());
        }
        let permissions = self.get(principal).map_or(0, |known| known.permissions);
        if permissions & MAY_CONTROL != 0 {
            return Ok(());
        }
        Err(not_permitted(principal, permissions))
    }

    /// Lets the operator and those pass who may supply estimates.
    pub fn check_estimate(&self, principal: PrincipalId) -> Result<(), Reject> {
        let permissions = self.get(principal).map_or(0, |known| known.permissions);
        if permissions & MAY_ESTIMATE != 0 {
            return Ok(());
        }
        self.check_control(principal)
    }

    /// Lets a person pass who may decide what `proposer` asked for.
    pub fn check_decision(
        &self,
        decider: PrincipalId,
        proposer: PrincipalId,
    ) -> Result<(), Reject> {
        let value = decider.0.into();
        let known = self.get(decider).filter(|known| known.role == Role::Person.wire());
        let known = known.ok_or(Reject::of(RejectReason::NotAPerson, value))?;
        if known.permissions & MAY_CONTROL == 0 {
            return Err(not_permitted(decider, known.permissions));
        }
        if decider == proposer {
            return Err(Reject::of(RejectReason::SamePerson, value));
        }
        Ok(())
    }

    /// The same hash, computed anew.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        self.known.iter().flatten().for_each(|known| hash.add(hash_of(known)));
        hash
    }

    pub const fn hash(&self) -> StateHash {
        self.hash
    }
}

fn hash_of(known: &SetPrincipal) -> u64 {
    let words: [u32; 10] = bytemuck::cast(*known);
    let words = words.map(u64::from);
    hash_words(TAG_PRINCIPAL, &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u32) -> SetPrincipal {
        SetPrincipal {
            principal: PrincipalId(id),
            account: AccountId::NONE,
            strategy: StrategyId::NONE,
            role: Role::Person.wire(),
            permissions: PERMISSIONS_KNOWN,
            reserved: [0; 4],
            name: [0; 24],
        }
    }

    #[test]
    fn who_may_be_told_of() {
        let agent = SetPrincipal { role: Role::Agent.wire(), ..person(7) };
        for (set, value) in [
            (person(1), None),
            (person(16_383), None),
            (person(0), Some(0)),
            (person(16_384), Some(16_384)),
            (person(u32::MAX), Some(u32::MAX.into())),
            (SetPrincipal { role: 0, ..person(1) }, Some(0)),
            (SetPrincipal { role: 4, ..person(1) }, Some(4)),
            (SetPrincipal { permissions: 8, ..person(1) }, Some(8)),
            (agent, Some(7)),
            (SetPrincipal { role: Role::Strategy.wire(), ..agent }, Some(7)),
            (SetPrincipal { permissions: MAY_TRADE, ..agent }, None),
            (SetPrincipal { name: [7; 24], ..person(1) }, Some(0)),
        ] {
            let told = People::default().set(&set).map(|_| ());
            let expected = value.map_or(Ok(()), |v| Err(Reject::of(RejectReason::BadField, v)));
            assert_eq!(told, expected, "{set:?}");
        }
    }

    #[test]
    fn nobody_decides_alone() {
        let mut people = People::default();
        let agent = SetPrincipal { role: Role::Agent.wire(), permissions: MAY_TRADE, ..person(3) };
        let trader = SetPrincipal { permissions: MAY_TRADE, ..person(4) };
        for set in [person(1), person(2), agent, trader] {
            people.set(&set).expect("sensible");
        }
        for (decider, proposer, refused) in [
            (1, 2, None),
            (2, 1, None),
            (1, 0, None),
            (1, 1, Some(RejectReason::SamePerson)),
            (0, 1, Some(RejectReason::NotAPerson)),
            (3, 1, Some(RejectReason::NotAPerson)),
            (4, 1, Some(RejectReason::NotPermitted)),
            (9, 1, Some(RejectReason::NotAPerson)),
        ] {
            let told = people.check_decision(PrincipalId(decider), PrincipalId(proposer));
            assert_eq!(told.err().map(|r| r.reason), refused, "{decider} on {proposer}");
        }
        for (principal, may) in [(0, true), (1, true), (3, false), (4, false), (9, false)] {
            assert_eq!(people.check_control(PrincipalId(principal)).is_ok(), may, "{principal}");
        }
    }

    #[test]
    fn each_trades_for_whom_it_may() {
        let mut people = People::default();
        let (account, strategy) = (AccountId(5), StrategyId(6));
        let bound = SetPrincipal { account, strategy, ..person(1) };
        people.set(&bound).expect("sensible");
        people.set(&SetPrincipal { permissions: MAY_CONTROL, ..person(2) }).expect("sensible");
        for (principal, account, strategy, may) in [
            (1, 5, 6, true),
            (1, 4, 6, false),
            (1, 5, 0, false),
            (1, 5, 7, false),
            (2, 5, 6, false),
            (3, 5, 6, true),
        ] {
            let (account, strategy) = (AccountId(account), StrategyId(strategy));
            let told = people.check_order(PrincipalId(principal), account, strategy);
            assert_eq!(told.is_ok(), may, "{principal} {account} {strategy}");
        }
    }
}
