//! How files are kept: short enough to read, and without leftovers.

use super::tokens::tokens;
use super::{Source, assert_complains, assert_none, sources};

/// Lines of a file that a reader can still hold; from 800 on the question is whether it holds two things.
const LINES_MAX: usize = 900;

/// Words that mark something unfinished, put together here so that this file does not mark itself.
const MARKS: [&str; 3] = [concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
const MACROS: [&str; 3] = [concat!("to", "do"), concat!("unimple", "mented"), concat!("d", "bg")];

/// What is wrong with one file.
fn check(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let mut complaints = Vec::new();
    let count = text.lines().count();
    if count > LINES_MAX {
        complaints.push(format!(
            "{path} has {count} lines, at most {LINES_MAX} are allowed: split it by what it holds"
        ));
    }
    if path.ends_with(".md") {
        return complaints;
    }
    for (number, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for mark in words.filter(|word| MARKS.contains(word)) {
            complaints.push(format!(
                "{path}:{}: {mark}: finish it, or open an issue and say so in words",
                number + 1
            ));
        }
    }
    if path.ends_with(".rs") {
        for pair in tokens(text).windows(2) {
            if MACROS.contains(&pair[0].text.as_str()) && pair[1].text == "!" {
                complaints
                    .push(format!("{path}:{}: {}! is unfinished work", pair[0].line, pair[0].text));
            }
        }
    }
    complaints
}

#[test]
fn files_are_short_and_finished() {
    let complaints: Vec<_> = sources("").iter().flat_map(check).collect();
    assert_none("A file is too long or unfinished.", &complaints);
}

#[test]
fn a_long_or_unfinished_file_is_complained_about() {
    let complaints =
        |path: &str, text: &str| check(&Source { path: path.to_string(), text: text.to_string() });
    assert_eq!(complaints("a.rs", &"x\n".repeat(LINES_MAX)), [""; 0]);
    assert_complains(&complaints("a.rs", &"x\n".repeat(LINES_MAX + 1)), "a.rs has 901 lines");
    assert_complains(&complaints("a.md", &"x\n".repeat(LINES_MAX + 1)), "a.md has 901 lines");
    for mark in MARKS {
        assert_complains(
            &complaints("a.sh", &format!("x\n# {mark}: later")),
            &format!("a.sh:2: {mark}"),
        );
        assert_eq!(complaints("a.sh", &format!("# {mark}ED")), [""; 0]);
    }
    for name in MACROS {
        assert_complains(
            &complaints("a.rs", &format!("fn f() {{\n {name}!() }}")),
            &format!("a.rs:2: {name}!"),
        );
        assert_eq!(complaints("a.rs", &format!("// {name}!\nlet x = \"{name}!\";")), [""; 0]);
    }
}
