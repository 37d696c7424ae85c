//! A deterministic simulator: the real engine and journal, on simulated disks, in simulated time, from one seed.
pub mod dice;
pub mod disk;
