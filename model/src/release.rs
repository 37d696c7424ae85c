//! How much of what may go wrong an acknowledgement has waited for.

wire_enum!(
    /// What an output, or the acknowledgement of one, has waited for. Two bits, one less than the number on the wire:
    /// *synced* and *replicated*.
    ReleaseLevel {
        /// The input is in the page cache of the machine: it survives the end of the process.
        Process = 1 => "process",
        /// It is on the machine's disk: it survives a loss of power.
        Power = 2 => "power",
        /// The in-sync followers of the current epoch have it in memory: it survives the loss of the machine.
        Replica = 3 => "replica",
        /// Both.
        ReplicaPower = 4 => "replica+power",
    }
);

impl ReleaseLevel {
    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|level| level.as_str() == name)
    }

    /// True if it waits for this machine's disk.
    #[inline]
    pub const fn is_synced(self) -> bool {
        (self.wire() - 1) & 1 != 0
    }

    /// True if it waits for followers.
    #[inline]
    pub const fn is_replicated(self) -> bool {
        (self.wire() - 1) & 2 != 0
    }

    /// The weakest level that holds whatever either of the two holds.
    pub const fn union(self, other: Self) -> Self {
        let is_synced = self.is_synced() || other.is_synced();
        let is_replicated = self.is_replicated() || other.is_replicated();
        match (is_synced, is_replicated) {
            (false, false) => Self::Process,
            (true, false) => Self::Power,
            (false, true) => Self::Replica,
            (true, true) => Self::ReplicaPower,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReleaseLevel::{self, Power, Process, Replica, ReplicaPower};

    #[test]
    fn a_level_is_what_its_name_and_number_say() {
        for (level, wire, name, is_synced, is_replicated) in [
            (Process, 1, "process", false, false),
            (Power, 2, "power", true, false),
            (Replica, 3, "replica", false, true),
            (ReplicaPower, 4, "replica+power", true, true),
        ] {
            assert_eq!((level.wire(), level.as_str()), (wire, name));
            assert_eq!((level.is_synced(), level.is_replicated()), (is_synced, is_replicated));
            assert_eq!(ReleaseLevel::from_wire(wire), Some(level));
            assert_eq!(ReleaseLevel::from_name(name), Some(level));
            for &other in ReleaseLevel::ALL {
                let both = level.union(other);
                assert_eq!(both.is_synced(), is_synced || other.is_synced());
                assert_eq!(both.is_replicated(), is_replicated || other.is_replicated());
            }
        }
        assert_eq!((ReleaseLevel::from_wire(0), ReleaseLevel::from_wire(5)), (None, None));
        assert_eq!(ReleaseLevel::from_name("Power"), None);
    }
}
