//! The kill file: a human stops everything by making a file, whatever else does not work.
//!
//! Its first line says whom and how, all other words say why:
//!
//! ```text
//! [SCOPE [reduce_only]] [reason ...]
//! ```
//!
//! An empty file stops the firm, and so does one that cannot be read: whoever makes it wants to stop something, and what is
//! stopped too much can be released by two persons; what went on cannot be taken back.

pub mod trigger;

use crate::scope_text::ScopeText;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tidegate_model::command::{KillMode, Reason};

/// The name of the file in the journal's folder.
pub const FILE_NAME: &str = "KILL";
/// Bytes that the file may have: a scope and a reason need a few dozen.
pub const LEN_MAX: usize = 4_096;

/// What a kill file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillFile {
    /// Whom to stop.
    pub scope: ScopeText,
    /// What still passes.
    pub mode: KillMode,
    /// Why.
    pub reason: Reason,
}

impl KillFile {
    /// Stops everything.
    pub fn firm(reason: Reason) -> Self {
        Self { scope: ScopeText::FIRM, mode: KillMode::Block, reason }
    }

    /// What the text of a file asks for; whatever does not begin with a scope is a reason to stop the firm.
    pub fn parse(text: &str) -> Self {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let mut words = first.split_whitespace().peekable();
        let scope = words.peek().and_then(|word| word.parse().ok());
        let Some(scope) = scope else { return Self::firm(reason(text)) };
        words.next();
        let mode = match words.next_if_eq(&KillMode::ReduceOnly.as_str()) {
            Some(_) => KillMode::ReduceOnly,
            None => KillMode::Block,
        };
        let why: Vec<_> = words.chain(rest.split_whitespace()).collect();
        Self { scope, mode, reason: reason(&why.join(" ")) }
    }

    /// The text that asks for it.
    pub fn text(&self) -> String {
        let mode = match self.mode {
            KillMode::Block => "",
            KillMode::ReduceOnly => " reduce_only",
        };
        // The reason has a line of its own, so that none of it is taken for a mode.
        format!("{}{mode}\n{}\n", self.scope, self.reason.as_str())
    }
}

/// As much of a text as a reason holds: spaces for whatever is not printable, and the first 48 bytes.
pub fn reason(text: &str) -> Reason {
    let words: Vec<_> = text.split(|c: char| !c.is_ascii_graphic()).collect();
    let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let len = words.len().min(Reason::EMPTY.0.len());
    words.get(..len).and_then(|text| Reason::new(text.trim_end())).unwrap_or(Reason::EMPTY)
}

/// What is found in place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing: nobody asks.
    Nothing,
    /// Its text, as far as it is written.
    Text(String),
    /// Something that is no text of a reasonable size, and why.
    Unreadable(String),
}

/// Looks for the file. It never waits for another end, and reads no more than [`LEN_MAX`].
///
/// # Errors
/// If it cannot be known whether it is there.
fn look(path: &Path) -> io::Result<Found> {
    // The link itself: a link into the void, or in a circle, was made by somebody.
    match std::fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let read = || -> io::Result<Result<Vec<u8>, &'static str>> {
        // A pipe must not hold whoever looks.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Err("it is no regular file"));
        }
        let mut bytes = Vec::new();
        file.take(LEN_MAX as u64 + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() > LEN_MAX { Err("it is too long") } else { Ok(bytes) })
    };
    Ok(match read() {
        Ok(Ok(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Found::Text(text),
            Err(_) => Found::Unreadable("it is not text".into()),
        },
        Ok(Err(why)) => Found::Unreadable(why.into()),
        // A link into the void ends here as well.
        Err(error) => Found::Unreadable(error.to_string()),
    })
}

/// A kill file that was written here, to see what becomes of it.
#[derive(Debug)]
pub struct Written {
    path: PathBuf,
    inode: u64,
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if one is there that was not obeyed yet; whatever else the file system says.
pub fn write(path: &Path, request: &KillFile) -> io::Result<Written> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write_and_link(&beside, path, request);
    let removed = std::fs::remove_file(&beside);
    let inode = written?;
    removed?;
    Ok(Written { path: path.to_owned(), inode })
}

/// Writes `beside` and gives it the name `path` as well; its inode. A rename would put it in the place of another's file, which
/// may ask for more.
fn write_and_link(beside: &Path, path: &Path, request: &KillFile) -> io::Result<u64> {
    let mut file = File::create(beside)?;
    file.write_all(request.text().as_bytes())?;
    std::fs::hard_link(beside, path)?;
    Ok(file.metadata()?.ino())
}

/// The name of a file that was obeyed.
fn done_path(path: &Path, at_ns: u64) -> PathBuf {
    let mut done = path.as_os_str().to_owned();
    done.push(format!(".done-{at_ns}"));
    PathBuf::from(done)
}

impl Written {
    /// Its new name, once it was obeyed; `None` as long as it lies there.
    ///
    /// # Errors
    /// If the folder cannot be read, or the file is gone.
    pub fn obeyed(&self) -> io::Result<Option<PathBuf>> {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            return Ok(None);
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            if entry.metadata().is_ok_and(|found| found.ino() == self.inode) {
                return Ok(Some(entry.path()));
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "somebody has removed it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whom_how_and_why() {
        for (text, scope, mode, why) in [
            ("", "firm", KillMode::Block, ""),
            ("\n\n", "firm", KillMode::Block, ""),
            ("firm\n", "firm", KillMode::Block, ""),
            ("firm reduce_only\n", "firm", KillMode::ReduceOnly, ""),
            ("account:3\n", "account:3", KillMode::Block, ""),
            (
                "  strategy:5 \t reduce_only  it runs wild\n",
                "strategy:5",
                KillMode::ReduceOnly,
                "it runs wild",
            ),
            ("principal:7 runs\nwild\n", "principal:7", KillMode::Block, "runs wild"),
            ("instrument:ACME\nbad news", "instrument:ACME", KillMode::Block, "bad news"),
            ("group:2\r\nreason\r\n", "group:2", KillMode::Block, "reason"),
            // A mode stands on the first line, behind the scope.
            ("account:3\nreduce_only\n", "account:3", KillMode::Block, "reduce_only"),
            ("reduce_only\n", "firm", KillMode::Block, "reduce_only"),
            // Whatever is no scope stops everything, and is the reason.
            ("stop it all", "firm", KillMode::Block, "stop it all"),
            ("account:99999999", "firm", KillMode::Block, "account:99999999"),
            ("account:\u{1b}3 now", "firm", KillMode::Block, "account: 3 now"),
            ("\nfirm\n", "firm", KillMode::Block, "firm"),
        ] {
            let asked = KillFile::parse(text);
            let found = (asked.scope.to_string(), asked.mode, asked.reason.as_str());
            assert_eq!(found, (scope.to_string(), mode, why), "{text:?}");
            assert_eq!(KillFile::parse(&asked.text()), asked, "written and read again");
        }
    }

    #[test]
    fn a_reason_is_cut_where_it_ends() {
        assert_eq!(reason(&"a".repeat(48)).as_str(), "a".repeat(48));
        assert_eq!(reason(&"a".repeat(49)).as_str(), "a".repeat(48));
        assert_eq!(reason(&format!("{} bc", "a".repeat(47))).as_str(), "a".repeat(47));
        assert_eq!(reason("größer\0 als\tnichts").as_str(), "gr er als nichts");
    }

    #[test]
    fn whatever_lies_there_is_found_and_nothing_holds_whoever_looks() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        let unreadable = |name: &str| match look(&at(name)).expect("it can be known") {
            Found::Unreadable(why) => why,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(look(&at("none")).expect("known"), Found::Nothing);
        assert_eq!(look(&at("no/folder")).expect("known"), Found::Nothing);
        std::fs::write(at("text"), "firm\n").expect("written");
        assert_eq!(look(&at("text")).expect("known"), Found::Text("firm\n".into()));
        assert!(look(&at("text/below")).is_err(), "a file is no folder");
        for (len, is_long) in [(LEN_MAX, false), (LEN_MAX + 1, true)] {
            std::fs::write(at("long"), "x".repeat(len)).expect("written");
            assert_eq!(matches!(look(&at("long")), Ok(Found::Unreadable(_))), is_long, "{len}");
        }
        std::fs::write(at("binary"), [0xff, 0xfe, 0]).expect("written");
        assert!(unreadable("binary").contains("not text"));
        std::fs::create_dir(at("folder")).expect("made");
        assert!(unreadable("folder").contains("no regular file"));
        std::os::unix::fs::symlink(at("loop"), at("loop")).expect("made");
        unreadable("loop");
        std::os::unix::fs::symlink(at("none"), at("void")).expect("made");
        unreadable("void");
        std::os::unix::fs::symlink("/dev/zero", at("endless")).expect("made");
        assert!(unreadable("endless").contains("no regular file"));
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status();
        assert!(made.is_ok_and(|made| made.success()));
        assert!(unreadable("pipe").contains("no regular file"));
    }

    #[test]
    fn a_file_is_written_whole_never_over_another_and_followed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(FILE_NAME);
        let request = KillFile::parse("account:3 reduce_only why not");
        let written = write(&path, &request).expect("written");
        assert_eq!(look(&path).expect("known"), Found::Text(request.text()));
        let second = write(&path, &KillFile::parse("firm"));
        let second = second.map(|_| ()).expect_err("one is there");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_dir(dir.path()).expect("read").count(), 1, "nothing is left");
        assert_eq!(written.obeyed().expect("known"), None);
        std::fs::rename(&path, done_path(&path, 7)).expect("renamed");
        let done = written.obeyed().expect("known").expect("obeyed");
        assert_eq!(done, dir.path().join("KILL.done-7"));
        // Another's file in its place is another's.
        write(&path, &request).expect("written");
        assert_eq!(written.obeyed().expect("known"), Some(done.clone()));
        std::fs::remove_file(done).expect("removed");
        assert!(written.obeyed().is_err());
    }
}
