//! `[risk]`

use serde::Deserialize;
use std::path::PathBuf;

/// `[risk]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Risk {
    /// The file that stops everything when somebody makes it; `KILL` in the journal's folder without.
    pub kill_file: Option<PathBuf>,
}
