//! What keeps a journal, and what is built on it, from losing anything; and the switch that takes one of these away.
//!
//! The switch exists with the feature `breakable` only, which nothing but the simulator's table of broken builds asks for: it
//! shows that the simulator would notice. Without the feature nothing can be taken away, and nothing is asked at run time.

macro_rules! protections {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// One protection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Protection {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Protection {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// A short name, for the command line and the table.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

protections! {
    /// A sync waits for the disk before it counts.
    Sync => "sync",
    /// What a sync covered stands in the durable watermark before it counts.
    Watermark => "watermark",
    /// The first sync error is final.
    SyncError => "sync_error",
    /// Recovery writes again what a failed sync may have left in the page cache only.
    WriteAgain => "write_again",
    /// A directory is synced when a name in it changed.
    DirectorySync => "directory_sync",
    /// A record whose CRC does not match is none.
    Crc => "crc",
    /// Events wait for the release of their input.
    Release => "release",
    /// The event log loses what the journal lost.
    LogCut => "log_cut",
    /// A follower cuts what its leader never had.
    CutTail => "cut_tail",
    /// A follower leaves the set that must confirm only when that is written.
    LeaveOrder => "leave_order",
    /// A candidate waits until the lease is over.
    Lease => "lease",
    /// Who has lost power does not take over before it has caught up.
    Complete => "complete",
    /// A snapshot is of the epoch that the journal has at its number.
    SnapshotEpoch => "snapshot_epoch",
    /// A journal takes another's place whole, whatever happens on the way.
    Exchange => "exchange",
}

#[cfg(feature = "breakable")]
mod switch {
    use super::Protection;
    use std::cell::Cell;

    thread_local! {
        static REMOVED: Cell<Option<Protection>> = const { Cell::new(None) };
    }

    /// Takes `protection` away on this thread, or gives back whatever was taken.
    pub fn remove(protection: Option<Protection>) {
        REMOVED.set(protection);
    }

    pub fn is_removed(protection: Protection) -> bool {
        REMOVED.get() == Some(protection)
    }
}

#[cfg(feature = "breakable")]
pub use switch::remove;

/// Whether `protection` was taken away. Never without the feature `breakable`.
#[inline(always)]
pub fn is_removed(protection: Protection) -> bool {
    #[cfg(feature = "breakable")]
    return switch::is_removed(protection);
    #[cfg(not(feature = "breakable"))]
    {
        let _ = protection;
        false
    }
}
