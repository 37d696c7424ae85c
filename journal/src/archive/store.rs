//! Where archived objects lie: a folder here, or whatever else implements [`Store`].

use crate::error::JournalError;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Objects by name. Names are relative, have parts divided by `/`, and consist of ASCII letters, digits, `.`, `-` and `_`.
pub trait Store {
    /// Where it is, for messages; without secrets.
    fn place(&self) -> String;
    /// Stores an object, in place of one of that name, in one step: nobody ever finds a part of it. When this returns, it will last.
    ///
    /// # Errors
    /// [`JournalError::Store`], which names the object and the cause.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError>;
    /// An object of at most `len_max` bytes; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`JournalError::Store`], also for an object that is longer, or ends before the store said it would.
    fn get(&self, name: &str, len_max: u64) -> Result<Option<Vec<u8>>, JournalError>;
    /// The names of all objects that begin with `prefix`, in no order. `prefix` is empty or ends in `/`.
    ///
    /// # Errors
    /// [`JournalError::Store`].
    fn list(&self, prefix: &str) -> Result<Vec<String>, JournalError>;
    /// Takes an object away. It need not be there.
    ///
    /// # Errors
    /// [`JournalError::Store`].
    fn remove(&self, name: &str) -> Result<(), JournalError>;
}

/// A folder as a store. An object that is there is whole: it gets its name when it is on the disk.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

const UNFINISHED_SUFFIX: &str = ".part";
/// Folders below the root: a stream, an instance.
const DEPTH_MAX: usize = 4;

impl Folder {
    /// The folder `root`, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn failed<'a>(
        &'a self,
        what: &'static str,
        name: &'a str,
    ) -> impl FnOnce(std::io::Error) -> JournalError + 'a {
        move |error| JournalError::store(what, self, name, error)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent)?;
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(UNFINISHED_SUFFIX);
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        // Every folder that may have been made on the way gets its name synced.
        for folder in parent.ancestors().take(DEPTH_MAX) {
            File::open(folder)?.sync_all()?;
            if folder == self.root {
                break;
            }
        }
        Ok(())
    }

    fn collect(
        &self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        names: &mut Vec<String>,
    ) -> std::io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if depth < DEPTH_MAX {
                    self.collect(&entry.path(), &format!("{name}/"), depth + 1, names)?;
                }
            } else if !name.ends_with(UNFINISHED_SUFFIX) {
                names.push(name);
            }
        }
        Ok(())
    }
}

impl Store for Folder {
    fn place(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        self.write(&self.root.join(name), bytes).map_err(self.failed("store", name))
    }

    fn get(&self, name: &str, len_max: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let file = match File::open(self.root.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(self.failed("read", name))?,
        };
        let mut bytes = Vec::new();
        file.take(len_max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(self.failed("read", name))?;
        if bytes.len() as u64 > len_max {
            let cause = format!("it is longer than the {len_max} bytes that it may have");
            return Err(JournalError::store("read", self, name, cause));
        }
        Ok(Some(bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, JournalError> {
        let mut names = Vec::new();
        self.collect(&self.root.join(prefix), prefix, 0, &mut names)
            .map_err(self.failed("list", prefix))?;
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map_err(self.failed("remove", name)),
        }
    }
}
