//! Whether a node's journal holds everything that the node ever confirmed or released.
//!
//! What is confirmed is in memory of the machine, and survives the end of the process. After a loss of power it may not be there
//! any more: such a node may not take over until it has caught up with a primary. The file `BOOT` beside the journal says in
//! which run of the machine the journal was last known to be complete, or that it was closed in order.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

const CLOSED: &str = "closed";
/// Where Linux says which run of the machine this is: it changes with each start of the kernel.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

fn file(dir: &Path) -> PathBuf {
    dir.join("BOOT")
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_string())
}

/// Whether the journal in `dir` is complete; `None` if nothing says so: it never had followers, or is not the one that had.
///
/// # Errors
/// If the file cannot be read.
pub fn is_complete(dir: &Path) -> io::Result<Option<bool>> {
    match fs::read_to_string(file(dir)) {
        Ok(text) => Ok(Some(text.trim() == CLOSED || text.trim() == boot()?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The journal in `dir` is complete as long as the machine runs. Call it before anything is confirmed or led.
///
/// # Errors
/// If the file cannot be made to last.
pub fn mark(dir: &Path) -> io::Result<()> {
    write(dir, &boot()?)
}

/// The journal in `dir` was complete, and was closed and synced.
///
/// # Errors
/// If the file cannot be made to last.
pub fn close(dir: &Path) -> io::Result<()> {
    write(dir, CLOSED)
}

fn write(dir: &Path, text: &str) -> io::Result<()> {
    let aside = dir.join("BOOT.tmp");
    let mut new = File::create(&aside)?;
    writeln!(new, "{text}")?;
    new.sync_all()?;
    fs::rename(&aside, file(dir))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_run_of_the_machine_makes_it_incomplete_unless_it_was_closed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let complete = || is_complete(dir.path()).expect("it can be read");
        assert_eq!(complete(), None, "never had followers");
        mark(dir.path()).expect("written");
        assert_eq!(complete(), Some(true), "the machine runs on");
        fs::write(file(dir.path()), "another run\n").expect("written");
        assert_eq!(complete(), Some(false));
        close(dir.path()).expect("written");
        assert_eq!(complete(), Some(true));
    }
}
