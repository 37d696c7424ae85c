//! The rules of the house, as tests: who may depend on whom, what the pure core may not touch, how files and
//! documents are kept. Each rule is a function from what it reads to a list of complaints, so that each has a test
//! that shows it complaining about a bad sample.
//!
//! * [`edges`]: dependencies between our crates, and crates the core may not use,
//! * [`purity`]: no clock, randomness, float, file or socket in the core's source,
//! * [`files`]: length, leftovers,
//! * [`documents`]: links resolve, commands exist,
//! * [`controls`]: the page of controls names every control, and no test that is not there.

mod controls;
mod documents;
mod edges;
mod files;
mod purity;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace: the folder above this crate.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace").into()
}

/// A text file of the project: its path from the root, with `/` between folders, and what it says.
struct Source {
    path: String,
    text: String,
}

/// Folders that hold what was built, downloaded or generated.
const FOLDERS_SKIPPED: [&str; 8] =
    ["target", "node_modules", "corpus", "artifacts", "data", "dist", "generated", "test-results"];
/// Hidden folders that are ours; the others belong to tools.
const FOLDERS_HIDDEN_OURS: [&str; 3] = [".ci", ".config", ".github"];
/// What is written by hand, by the end of its name.
const ENDINGS: [&str; 13] = [
    ".rs", ".md", ".toml", ".proto", ".sh", ".py", ".ts", ".tsx", ".css", ".html", ".yml",
    "Makefile", "/run",
];

/// Every handwritten file below `folder` of the root, sorted by path.
fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join(folder), &mut paths);
    paths.sort();
    paths
        .iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).expect("below the root").to_str()?;
            let path_text = relative.replace('\\', "/");
            let text = fs::read_to_string(path).ok()?;
            Some(Source { path: path_text, text })
        })
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            let skipped = FOLDERS_SKIPPED.contains(&name.as_str());
            let foreign = name.starts_with('.') && !FOLDERS_HIDDEN_OURS.contains(&name.as_str());
            if !skipped && !foreign {
                walk(&path, paths);
            }
        } else if kind.is_file() {
            let whole = path.to_string_lossy();
            if ENDINGS.iter().any(|ending| whole.ends_with(ending)) {
                paths.push(path);
            }
        }
    }
}

/// Fails with every complaint at once, so that one run shows all there is to do.
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{rule}\n  {}\n", complaints.join("\n  "));
}

/// Fails unless the bad sample was complained about in words that contain `expected`.
fn assert_complains(complaints: &[String], expected: &str) {
    assert!(
        complaints.iter().any(|complaint| complaint.contains(expected)),
        "no complaint contains '{expected}': {complaints:?}"
    );
}

#[test]
fn the_walk_finds_the_project() {
    let found: Vec<_> = sources("").into_iter().map(|source| source.path).collect();
    for path in ["Cargo.toml", "Makefile", ".ci/run", "README.md", "model/src/lib.rs"] {
        assert!(found.iter().any(|f| f == path), "{path} is not among the {} files", found.len());
    }
    assert!(found.iter().all(|f| !f.starts_with("target/") && !f.starts_with(".git/")));
}
