//! Documents that are true: links lead somewhere, commands exist, the map names every crate.

use super::{Source, assert_complains, assert_none, root, sources};
use std::fs;
use std::path::Path;

/// The text of a page outside fenced blocks and inline code, line by line.
fn prose(text: &str) -> Vec<String> {
    let mut fenced = false;
    text.lines()
        .map(|line| {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                return String::new();
            }
            if fenced {
                return String::new();
            }
            // Every second piece between backquotes is code.
            line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The targets of `[text](target)` with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text).iter().enumerate() {
        for piece in line.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                let target = target.split_whitespace().next().unwrap_or_default();
                found.push((number + 1, target.to_string()));
            }
        }
    }
    found
}

/// The anchor that a heading gets: lower case, blanks to hyphens, punctuation gone.
fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    title
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

fn has_anchor(page: &str, wanted: &str) -> bool {
    let mut fenced = false;
    page.lines().any(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.starts_with('#') && anchor(line) == wanted
    })
}

/// Complaints about the links of one page, read against the files below `root`.
fn check_links(page: &Source, root: &Path) -> Vec<String> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let mut complaints = Vec::new();
    for (line, target) in links(&page.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, wanted) = target.split_once('#').unwrap_or((&target, ""));
        let path =
            if file.is_empty() { root.join(&page.path) } else { root.join(folder).join(file) };
        let outside = Path::new(file).is_absolute() || !path.exists();
        if !file.is_empty() && outside {
            complaints.push(format!("{}:{line}: {target} leads nowhere", page.path));
            continue;
        }
        if !wanted.is_empty() && path.extension().is_some_and(|ending| ending == "md") {
            let text = if file.is_empty() {
                Some(page.text.clone())
            } else {
                fs::read_to_string(&path).ok()
            };
            if !text.is_some_and(|text| has_anchor(&text, wanted)) {
                complaints
                    .push(format!("{}:{line}: {target}: there is no such heading", page.path));
            }
        }
    }
    complaints
}

/// Complaints about `make target` in code that the Makefile does not have.
fn check_targets(page: &Source, makefile: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut fenced = false;
    for (number, line) in page.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        // Outside of a block every second piece between backquotes, from the second on, is code.
        let pieces: Vec<_> =
            if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for code in pieces {
            let mut words = code.split_whitespace();
            if words.next() != Some("make") {
                continue;
            }
            let Some(target) =
                words.next().filter(|word| !word.contains('=') && !word.starts_with('#'))
            else {
                continue;
            };
            if !makefile.lines().any(|line| line.starts_with(&format!("{target}:"))) {
                complaints.push(format!(
                    "{}:{}: make {target}: the Makefile has no such target",
                    page.path,
                    number + 1
                ));
            }
        }
    }
    complaints
}

/// Complaints about targets of the Makefile that bare `make` would not list.
fn check_help(makefile: &str) -> Vec<String> {
    makefile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(':'))
        .filter(|line| !line.contains(" ## ") && !line.contains(":="))
        .map(|line| {
            format!("Makefile: '{line}' says nothing after ##, so bare make does not list it")
        })
        .collect()
}

fn pages() -> Vec<Source> {
    sources("").into_iter().filter(|source| source.path.ends_with(".md")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    assert!(pages.len() >= 5, "the project's pages were not found");
    let complaints: Vec<_> = pages.iter().flat_map(|page| check_links(page, &root())).collect();
    assert_none("A link leads nowhere.", &complaints);
}

#[test]
fn commands_in_documents_exist() {
    let makefile = read("Makefile");
    let mut complaints: Vec<_> =
        pages().iter().flat_map(|page| check_targets(page, &makefile)).collect();
    complaints.extend(check_help(&makefile));
    assert_none("A document or the Makefile names what is not there.", &complaints);
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    for command in ["make run", "make test"] {
        assert!(readme.contains(command), "README.md must tell a newcomer about `{command}`");
    }
}

#[test]
fn the_map_names_every_crate() {
    let map = read("ARCHITECTURE.md");
    let missing = |map: &str, folders: &[String]| -> Vec<String> {
        let absent = folders.iter().filter(|folder| !map.contains(&format!("`{folder}/`")));
        absent
            .map(|folder| format!("ARCHITECTURE.md does not say what `{folder}/` is for"))
            .collect()
    };
    let manifest: toml::Table =
        read("Cargo.toml").parse().expect("the workspace's manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("members is a list");
    let folders: Vec<_> = members.iter().filter_map(|m| Some(m.as_str()?.to_string())).collect();
    assert_none("The map is not complete.", &missing(&map, &folders));
    assert_complains(
        &missing("`model/`", &["model".to_string(), "novelty".to_string()]),
        "novelty",
    );
}

#[test]
fn decisions_are_numbered_in_a_row_and_dated() {
    let complaints = |pages: &[Source]| -> Vec<String> {
        let decisions = pages.iter().filter(|page| page.path.starts_with("docs/decisions/"));
        let mut complaints = Vec::new();
        for (at, page) in decisions.enumerate() {
            if !page.path.starts_with(&format!("docs/decisions/{:04}-", at + 1)) {
                complaints.push(format!("{}: number {:04} is expected here", page.path, at + 1));
            }
            if !page.text.lines().take(5).any(|line| line.starts_with("Date: 20")) {
                complaints.push(format!(
                    "{}: a line 'Date: YYYY-MM-DD' is missing below the title",
                    page.path
                ));
            }
        }
        complaints
    };
    assert_none("Decisions are kept in a row.", &complaints(&pages()));
    let page = |path: &str, text: &str| Source { path: path.to_string(), text: text.to_string() };
    let gap = [
        page("docs/decisions/0001-a.md", "# A\n\nDate: 2026-01-01"),
        page("docs/decisions/0003-b.md", "# B"),
    ];
    assert_complains(&complaints(&gap), "0002 is expected");
    assert_complains(&complaints(&gap), "'Date: YYYY-MM-DD' is missing");
}

#[test]
fn bad_documents_are_complained_about() {
    let page = |text: &str| Source { path: "docs/page.md".to_string(), text: text.to_string() };
    let broken = |text: &str| check_links(&page(text), &root());
    assert_complains(&broken("x\n[a](absent.md)"), "docs/page.md:2: absent.md leads nowhere");
    assert_complains(&broken("[a](../README.md) [b](../absent)"), "../absent leads nowhere");
    assert_complains(&broken("[a](/etc)"), "/etc leads nowhere");
    assert_complains(&broken("[a](../README.md#no-such-heading)"), "no such heading");
    assert_complains(&broken("# One\n[a](#two)"), "no such heading");
    assert_eq!(
        broken("# One, two\n[a](#one-two) [b](../README.md) [c](https://example.org/x)"),
        [""; 0]
    );
    assert_eq!(broken("`[a](absent.md)`\n```\n[a](absent.md)\n```\n"), [""; 0]);

    let makefile = "run: x ## Build\n";
    assert_complains(&check_targets(&page("a `make rnu` b"), makefile), "make rnu");
    assert_complains(&check_targets(&page("```\nmake rnu\n```"), makefile), "make rnu");
    assert_eq!(check_targets(&page("`make run`, `make`, and make sure\n"), makefile), [""; 0]);
    assert_complains(&check_help("run: x ## Build\nhidden: y\n"), "hidden");
    assert_eq!(check_help(makefile), [""; 0]);
}
