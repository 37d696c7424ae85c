//! `docs/controls.md` is true: every control is in it, every reject that it names exists, and so does every test. So do those of
//! `docs/security.md`, which names one for each item of the OWASP API Security Top 10.

use super::{Source, assert_complains, assert_none, root, sources};
use std::fs;
use tidegate_model::command::ControlKind;
use tidegate_model::{RejectReason, ScopeKind};
use tidegate_risk::control::fits;

/// Rows that may say [`UNTESTED`]. It only ever gets smaller.
const UNTESTED_MAX: usize = 0;
/// What stands in the place of a test that is not there.
const UNTESTED: &str = "no test yet";
/// Columns of the tables that are read; others are for people.
const HEADER: &str = "| control | set for | unit | refuses with | SEC | RTS 6 | FIA | test |";

/// One row of a table of controls.
struct Row {
    line: usize,
    control: String,
    scopes: String,
    refuses: String,
    test: String,
}

/// The rows of every table of controls on the page.
fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for (at, line) in page.lines().enumerate() {
        is_inside = line == HEADER || is_inside && line.starts_with('|');
        if !is_inside || line == HEADER || line.starts_with("|--") {
            continue;
        }
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let cell = |number: usize| cells.get(number).copied().unwrap_or_default().to_string();
        rows.push(Row {
            line: at + 1,
            control: cell(0),
            scopes: cell(1),
            refuses: cell(3),
            test: cell(7),
        });
    }
    rows
}

/// What stands between backquotes.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Complaints about controls that have no row of their own, or no line that says what they do.
fn check_kinds(page: &str, rows: &[Row]) -> Vec<String> {
    let mut complaints = Vec::new();
    for kind in ControlKind::ALL {
        let name = format!("`{kind}`");
        let count = rows.iter().filter(|row| row.control == name).count();
        if count != 1 {
            complaints.push(format!("docs/controls.md: {name} has {count} rows, 1 is right"));
        }
        let said = page.lines().filter(|line| line.starts_with("* **") && line.contains(&name));
        if said.count() != 1 {
            complaints.push(format!("docs/controls.md: one line must say what {name} does"));
        }
    }
    complaints
}

/// Complaints about scopes that a control is said to be for and is not, or is and is not said to be.
fn check_scopes(rows: &[Row]) -> Vec<String> {
    let letters = [
        ("F", ScopeKind::Firm),
        ("P", ScopeKind::Principal),
        ("A", ScopeKind::Account),
        ("S", ScopeKind::Strategy),
        ("I", ScopeKind::Instrument),
        ("G", ScopeKind::Group),
    ];
    let mut complaints = Vec::new();
    for kind in ControlKind::ALL {
        let fitting = letters.iter().filter(|(_, scope)| fits(*kind, *scope));
        let wanted = fitting.map(|(letter, _)| *letter).collect::<Vec<_>>().join(" ");
        for row in rows.iter().filter(|row| row.control == format!("`{kind}`")) {
            if row.scopes != wanted {
                let (line, said) = (row.line, &row.scopes);
                complaints.push(format!("docs/controls.md:{line}: {said}: it is for {wanted}"));
            }
        }
    }
    complaints
}

/// Complaints about rejects that there are none of.
fn check_rejects(rows: &[Row]) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in rows {
        for reason in code(&row.refuses) {
            if !RejectReason::ALL.iter().any(|known| known.as_str() == reason) {
                complaints.push(format!("docs/controls.md:{}: no reject is {reason}", row.line));
            }
        }
    }
    complaints
}

/// True if a file has a test of this name: a function that is marked as one, or stands in `proptest!`.
fn has_test(text: &str, name: &str) -> bool {
    let is_it = |line: &str| line.contains("fn ") && line.contains(&format!("fn {name}("));
    let Some(at) = text.lines().position(is_it) else { return false };
    let before: Vec<_> = text.lines().take(at).collect();
    let attributes = before.iter().rev().map(|line| line.trim_start());
    let mut attributes =
        attributes.take_while(|line| line.starts_with('#') || line.starts_with("//"));
    attributes.any(|line| line.contains("test]") || line.contains("test("))
        || text.lines().nth(at).is_some_and(|line| line.starts_with(' '))
            && before.iter().any(|line| line.trim() == "proptest! {")
}

/// Complaints about rows that neither name a test nor say that there is none.
fn check_claims(rows: &[Row]) -> Vec<String> {
    let is_bare = |row: &&Row| row.test != UNTESTED && code(&row.test).next().is_none();
    let complaint =
        |row: &Row| format!("docs/controls.md:{}: name a test, or say '{UNTESTED}'", row.line);
    rows.iter().filter(is_bare).map(complaint).collect()
}

/// Complaints about tests, named anywhere on the page `name` as `crate::test`, that do not exist.
fn check_tests(name: &str, page: &str, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, line) in page.lines().enumerate() {
        let tests = code(line).filter_map(|path| Some((path, path.split_once("::")?)));
        for (path, (folder, test)) in tests.filter(|(path, _)| !path.contains('<')) {
            let is_there = sources.iter().any(|source| {
                let mut folders = source.path.split('/').rev().skip(1);
                folders.any(|part| part == folder) && has_test(&source.text, test)
            });
            if !is_there {
                complaints.push(format!("{name}:{}: there is no test {path}", at + 1));
            }
        }
    }
    complaints
}

#[test]
fn the_page_of_controls_is_true() {
    let page = fs::read_to_string(root().join("docs/controls.md")).expect("the page is there");
    let rows = rows(&page);
    let mut complaints = check_kinds(&page, &rows);
    complaints.extend(check_scopes(&rows));
    complaints.extend(check_rejects(&rows));
    complaints.extend(check_claims(&rows));
    complaints.extend(check_tests("docs/controls.md", &page, &code_files()));
    let untested = rows.iter().filter(|row| row.test == UNTESTED).count();
    if untested > UNTESTED_MAX {
        complaints.push(format!("{untested} rows say '{UNTESTED}', at most {UNTESTED_MAX} may"));
    }
    assert_none("docs/controls.md does not say what is.", &complaints);
}

fn code_files() -> Vec<Source> {
    sources("").into_iter().filter(|source| source.path.ends_with(".rs")).collect()
}

/// Complaints about items of the OWASP API Security Top 10 without a row that names a test, or without a section.
fn check_items(page: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for item in (1..=10).map(|number| format!("API{number}")) {
        let mut rows = page.lines().filter(|line| line.starts_with(&format!("| {item} |")));
        if !rows.any(|row| code(row).any(|test| test.contains("::"))) {
            complaints.push(format!("docs/security.md: no row of {item} names a test"));
        }
        if !page.lines().any(|line| line.starts_with(&format!("## {item}: "))) {
            complaints.push(format!("docs/security.md: no section says what is done for {item}"));
        }
    }
    complaints
}

#[test]
fn the_page_of_security_is_true() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("the page is there");
    let mut complaints = check_items(&page);
    complaints.extend(check_tests("docs/security.md", &page, &code_files()));
    assert_none("docs/security.md does not say what is.", &complaints);
    let without = check_items(&page.replace("| API7 |", "| x |").replace("## API7: ", "## x: "));
    assert_complains(&without, "no row of API7");
    assert_complains(&without, "no section says what is done for API7");
}

#[test]
fn a_page_that_claims_too_much_is_complained_about() {
    let page = |row: &str| format!("* **`sides`**: a line.\n\n{HEADER}\n|---|\n{row}\n\nno row\n");
    let read = |row: &str| rows(&page(row));
    let complete = read("| `sides` | F | bits | `side_not_allowed` | | | | `risk::sides` |");
    assert_eq!(complete.len(), 1);
    let complaints = check_kinds(&page(""), &complete);
    assert_complains(&complaints, "`max_order_qty` has 0 rows");
    assert_complains(&complaints, "one line must say what `max_order_qty` does");
    assert!(!complaints.iter().any(|complaint| complaint.contains("`sides`")));
    let twice = read("| `sides` | | | | | | | x |\n| `sides` | | | | | | | x |");
    assert_complains(&check_kinds(&page(""), &twice), "`sides` has 2 rows");

    assert_complains(&check_scopes(&complete), "F: it is for F P A S I G");
    let volatility = read("| `volatility` | I | bp | | | | | |");
    assert_eq!(check_scopes(&volatility), [""; 0]);

    assert_eq!(check_rejects(&complete), [""; 0]);
    let wrong = read("| `sides` | F | bits | `no_such_thing` | | | | `risk::sides` |");
    assert_complains(&check_rejects(&wrong), "no reject is no_such_thing");

    let source = |path: &str, text: &str| Source { path: path.to_string(), text: text.to_string() };
    let test = "#[test]\n/// Why.\n#[ignore = \"deep: long\"]\nfn sides() {}\n";
    for (path, text, is_there) in [
        ("risk/tests/controls.rs", test, true),
        ("risk/src/gate.rs", "mod tests {\n    #[test]\n    fn sides() {}\n}", true),
        ("risk/tests/x.rs", "#[tokio::test]\nasync fn sides() {}", true),
        ("risk/tests/x.rs", "proptest! {\n    /// x\n    fn sides(x in 0..1) {}\n}", true),
        ("oms/tests/controls.rs", test, false),
        ("risk/tests/controls.rs", "#[test]\nfn a() {}\n\nfn sides() {}", false),
        ("risk/tests/controls.rs", "#[test]\nfn sides_too() {}", false),
    ] {
        let complaints = check_tests("x.md", "x `risk::sides` `sides`", &[source(path, text)]);
        assert_eq!(complaints.is_empty(), is_there, "{path}: {text}");
    }
    assert_eq!(check_claims(&read("| x | | | | | | | no test yet |")), [""; 0]);
    assert_complains(&check_claims(&read("| x | | | | | | | |")), "name a test");
    assert_complains(&check_claims(&read("| x |")), "name a test");
}
