//! A deterministic simulator: the real engine, journal and replication on simulated disks, network, store and clocks, from one
//! seed. What goes wrong is rolled from that seed as well, so whatever is found can be replayed.
//!
//! Start reading at [`world::run`].

#[cfg(feature = "breakable")]
pub mod broken;
pub mod dice;
pub mod disk;
pub mod load;
pub mod machine;
pub mod net;
pub mod node;
pub mod operator;
pub mod oracle;
pub mod store;
pub mod world;
