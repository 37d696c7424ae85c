//! Who may depend on whom. The table is the drawing of ARCHITECTURE.md; a new edge is a decision, not a detail.

use super::{assert_complains, assert_none, root};
use std::fs;
use toml::{Table, Value};

/// A crate by its folder, and the crates of ours that it may use; `["*"]` is any.
const EDGES: [(&str, &[&str]); 21] = [
    ("model", &[]),
    ("ring", &[]),
    ("journal", &["model"]),
    ("risk", &["model"]),
    ("oms", &["model", "risk"]),
    ("engine", &["model", "ring", "risk", "oms", "journal"]),
    ("replication", &["model", "journal", "engine"]),
    ("feed-handler", &["model"]),
    ("edge/shm", &["model", "ring"]),
    ("edge/shm/c", &["model", "shm"]),
    ("client", &["model", "shm"]),
    ("python", &["model", "shm", "client"]),
    ("adapters", &["model", "risk", "client"]),
    ("edge", &["model", "ring", "engine", "shm", "client"]),
    ("examples", &["client"]),
    ("sidecars/*", &["client"]),
    ("sim", &["model", "journal", "engine", "replication"]),
    ("bench", &["*"]),
    ("bench/matching-challenge", &["model", "engine"]),
    ("bench/tick-to-order", &["*"]),
    ("tidegate", &["*"]),
];

/// Crates that are a workspace of their own, so that whoever builds the server does not build them; their lints are the workspace's.
const APART: [&str; 1] = ["python"];

/// What tests may use besides: real and synthetic sessions to drive books and services with.
const EDGES_DEV: [(&str, &[&str]); 3] = [
    ("engine", &["feed-handler"]),
    ("edge", &["feed-handler", "journal"]),
    ("sidecars/gateway", &["model", "engine", "edge"]),
];

/// Crates that would bring a clock, a random source, a runtime or a float into the pure crates.
const CRATES_IMPURE: [&str; 22] = [
    "tokio",
    "tokio-stream",
    "tonic",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "rayon",
    "rand",
    "rand_core",
    "fastrand",
    "getrandom",
    "uuid",
    "quanta",
    "chrono",
    "time",
    "jiff",
    "minstant",
    "ahash",
    "ordered-float",
    "hashbrown",
];

/// Crates that may not stand behind the state machine, though its thread reads clocks and its journal files.
const CRATES_ASYNC_OR_RANDOM: [&str; 11] = [
    "tokio",
    "tokio-stream",
    "tonic",
    "async-std",
    "smol",
    "futures",
    "rand",
    "rand_core",
    "fastrand",
    "getrandom",
    "uuid",
];

/// The names that may not stand in a crate's dependencies.
fn crates_forbidden(folder: &str) -> &'static [&'static str] {
    match folder {
        "model" | "risk" | "oms" => &CRATES_IMPURE,
        "engine" | "journal" => &CRATES_ASYNC_OR_RANDOM,
        _ => &[],
    }
}

/// The table's row for `folder`; `sidecars/*` covers every crate in that folder.
fn allowed<'t>(table: &[(&str, &'t [&'t str])], folder: &str) -> Option<&'t [&'t str]> {
    table
        .iter()
        .find(|(name, _)| match name.strip_suffix("/*") {
            Some(parent) => folder.split_once('/').is_some_and(|(first, _)| first == parent),
            None => *name == folder,
        })
        .map(|(_, targets)| *targets)
}

/// Every `(section, crate)` that a manifest depends on, those for one platform only included.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut read = |table: &Table| {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(Value::Table(entries)) = table.get(section) else { continue };
            for (key, value) in entries {
                // `name = { package = "real-name" }` hides the real name.
                let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
                found.push((section, package.to_string()));
            }
        }
    };
    read(manifest);
    if let Some(Value::Table(targets)) = manifest.get("target") {
        targets.values().filter_map(Value::as_table).for_each(read);
    }
    found
}

/// What is wrong with the manifest of the crate in `folder`.
fn check(folder: &str, text: &str) -> Vec<String> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{folder}/Cargo.toml cannot be read: {error}")],
    };
    let Some(allowed_always) = allowed(&EDGES, folder) else {
        return vec![format!(
            "{folder} is not in the table: add it to EDGES and to ARCHITECTURE.md"
        )];
    };
    let allowed_dev = allowed(&EDGES_DEV, folder).unwrap_or_default();
    let mut complaints = Vec::new();

    let name = manifest.get("package").and_then(|p| p.get("name")).and_then(Value::as_str);
    let expected = match folder.rsplit('/').next() {
        Some("tidegate") | None => "tidegate".to_string(),
        Some(last) => format!("tidegate-{last}"),
    };
    if name != Some(expected.as_str()) {
        complaints.push(format!("{folder}/Cargo.toml: the package must be named {expected}"));
    }
    let inherits =
        manifest.get("lints").and_then(|l| l.get("workspace")) == Some(&Value::Boolean(true));
    if !inherits && !APART.contains(&folder) {
        complaints.push(format!("{folder}/Cargo.toml: [lints] workspace = true is missing"));
    }

    for (section, package) in dependencies(&manifest) {
        let dev = section == "dev-dependencies";
        if let Some(target) =
            package.strip_prefix("tidegate").map(|rest| rest.trim_start_matches('-'))
        {
            let drawn = allowed_always.contains(&"*")
                || allowed_always.contains(&target)
                || (dev && allowed_dev.contains(&target));
            if !drawn {
                complaints.push(format!(
                    "{folder} -> {package} in [{section}] is not drawn ({folder} may use: {}). Move what is shared \
                     to a crate that both may use; if the drawing is wrong, change ARCHITECTURE.md and EDGES \
                     together and record why in docs/decisions",
                    if allowed_always.is_empty() { "none of ours".into() } else { allowed_always.join(", ") },
                ));
            }
        } else if !dev && crates_forbidden(folder).contains(&package.as_str()) {
            complaints.push(format!(
                "{folder} -> {package} in [{section}]: {folder} must give the same result on every run; what needs \
                 {package} belongs to the crates around it and enters as an input"
            ));
        }
    }
    complaints
}

/// The folders that the workspace's manifest names, those of `sidecars/*` patterns included.
fn members() -> Vec<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    let manifest: Table = text.parse().expect("the workspace's manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members is a list");
    let mut folders = Vec::new();
    for member in members.iter().filter_map(Value::as_str) {
        match member.strip_suffix("/*") {
            None => folders.push(member.to_string()),
            Some(parent) => {
                let entries =
                    fs::read_dir(root().join(parent)).expect("the folder of a member pattern");
                for entry in
                    entries.flatten().filter(|entry| entry.path().join("Cargo.toml").exists())
                {
                    folders.push(format!("{parent}/{}", entry.file_name().to_string_lossy()));
                }
            }
        }
    }
    folders
}

#[test]
fn every_edge_is_drawn() {
    let mut members = members();
    assert!(members.len() >= 11, "the workspace's members were not found: {members:?}");
    members.extend(APART.map(String::from));
    let mut complaints = Vec::new();
    for folder in &members {
        let path = root().join(folder).join("Cargo.toml");
        match fs::read_to_string(&path) {
            Ok(text) => complaints.extend(check(folder, &text)),
            Err(error) => complaints.push(format!("{}: {error}", path.display())),
        }
    }
    // A crate outside the workspace would be neither built nor checked.
    for entry in fs::read_dir(root()).expect("the root can be read").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().join("Cargo.toml").exists() && !members.contains(&name) && name != "target"
        {
            complaints.push(format!("{name}/ has a Cargo.toml but is no member of the workspace"));
        }
    }
    assert_none("A crate depends on something that ARCHITECTURE.md does not draw.", &complaints);
}

#[test]
fn what_is_apart_has_the_same_lints() {
    let manifest = |folder: &str| -> Table {
        let text = fs::read_to_string(root().join(folder).join("Cargo.toml"));
        text.expect("it is there").parse().expect("TOML")
    };
    for folder in APART {
        let apart = manifest(folder);
        assert!(apart.contains_key("workspace"), "{folder} is no workspace of its own");
        assert_eq!(apart.get("lints"), manifest("")["workspace"].get("lints"), "{folder}");
    }
}

#[test]
fn a_new_edge_is_complained_about() {
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"tidegate-{name}\"\n[lints]\nworkspace = true\n{rest}")
    };
    let complaints = |folder: &str, rest: &str| check(folder, &manifest(folder, rest));
    let ours = "tidegate-oms.workspace = true\n";

    assert_eq!(
        complaints("oms", "[dependencies]\ntidegate-risk = { path = \"../risk\" }\n"),
        [""; 0]
    );
    assert_eq!(complaints("bench", &format!("[dependencies]\n{ours}")), [""; 0]);
    assert_eq!(
        complaints("engine", "[dev-dependencies]\ntidegate-feed-handler.workspace = true\n"),
        [""; 0]
    );
    assert_eq!(complaints("model", "[dev-dependencies]\nrand = \"1\"\n"), [""; 0]);
    assert_eq!(complaints("engine", "[dependencies]\nquanta = \"1\"\n"), [""; 0]);

    let bad = |folder: &str, rest: &str, expected: &str| {
        assert_complains(&complaints(folder, rest), expected)
    };
    bad(
        "risk",
        &format!("[dependencies]\n{ours}"),
        "risk -> tidegate-oms in [dependencies] is not drawn",
    );
    bad("risk", &format!("[build-dependencies]\n{ours}"), "[build-dependencies]");
    bad("risk", &format!("[dev-dependencies]\n{ours}"), "[dev-dependencies]");
    bad("risk", &format!("[target.'cfg(unix)'.dependencies]\n{ours}"), "risk -> tidegate-oms");
    bad(
        "risk",
        "[dependencies]\nx = { package = \"tidegate-oms\", path = \"../oms\" }\n",
        "tidegate-oms",
    );
    bad(
        "engine",
        "[dependencies]\ntidegate-feed-handler.workspace = true\n",
        "engine -> tidegate-feed-handler",
    );
    bad("model", "[dependencies]\ntidegate = { path = \"../tidegate\" }\n", "none of ours");
    bad("oms", "[dependencies]\nrand = \"1\"\n", "oms -> rand");
    bad("engine", "[dependencies]\ntokio.workspace = true\n", "engine -> tokio");
    bad("sidecars/alerts", "[dependencies]\ntidegate-engine.workspace = true\n", "may use: client");
    bad("novelty", "", "novelty is not in the table");
    assert_complains(&check("risk", &manifest("rsik", "")), "must be named tidegate-risk");
    assert_complains(
        &check("risk", "[package]\nname = \"tidegate-risk\"\n"),
        "[lints] workspace = true is missing",
    );
    assert_complains(&check("risk", "[package"), "cannot be read");
}
