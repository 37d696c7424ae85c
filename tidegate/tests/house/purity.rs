//! What the core may not mention. `clippy.toml` forbids the same in the pure crates; the state machine shares its crate
//! with the thread that runs it, which may read clocks, so here its source is read.

use super::tokens::{Token, is_float, tokens, without_tests};
use super::{Source, assert_complains, assert_none, root, sources};
use std::fs;

/// Where the core lies: what begins with one of these is guarded.
const GUARDED: [&str; 6] = [
    "model/src/",
    "risk/src/",
    "oms/src/",
    "engine/src/core",
    "engine/src/book",
    "engine/src/matching",
];

const CLOCK: &str = "the core reads no clock: time is a field of the input";
const RANDOM: &str = "the core draws no random number: a seed enters as an input";
const FLOAT: &str = "the core knows integers only, with their unit in the type";
const SEEDED: &str =
    "its order depends on a random seed; index a Vec, or use a BTreeMap off the hot path";
const OUTSIDE: &str = "the core opens no file or socket, starts no thread and reads no environment";
const RUNTIME: &str = "the core runs without an async runtime";

/// Names that are forbidden wherever they stand.
const NAMES: [(&str, &str); 18] = [
    ("Instant", CLOCK),
    ("SystemTime", CLOCK),
    ("UNIX_EPOCH", CLOCK),
    ("quanta", CLOCK),
    ("chrono", CLOCK),
    ("_rdtsc", CLOCK),
    ("clock_gettime", CLOCK),
    ("rand", RANDOM),
    ("fastrand", RANDOM),
    ("getrandom", RANDOM),
    ("RandomState", RANDOM),
    ("f32", FLOAT),
    ("f64", FLOAT),
    ("HashMap", SEEDED),
    ("HashSet", SEEDED),
    ("hashbrown", SEEDED),
    ("tokio", RUNTIME),
    ("thread_local", OUTSIDE),
];

/// Modules of `std` that reach outside.
const STD_MODULES: [&str; 6] = ["fs", "net", "env", "process", "thread", "os"];

/// What is wrong with one source of the core.
fn check(path: &str, found: &[Token]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut complain = |token: &Token, name: &str, why: &str| {
        complaints.push(format!("{path}:{}: {name}: {why}", token.line));
    };
    for (at, token) in found.iter().enumerate() {
        if is_float(&token.text) {
            complain(token, &token.text, FLOAT);
        }
        if let Some((name, why)) = NAMES.iter().find(|(name, _)| *name == token.text) {
            complain(token, name, why);
        }
        if token.text == "std" {
            for module in modules_of_std(&found[at..]) {
                if STD_MODULES.contains(&module.text.as_str()) {
                    complain(module, &format!("std::{}", module.text), OUTSIDE);
                }
            }
        }
    }
    complaints
}

/// In `std::a::b` the `a`; in `std::{a, b::c}` the `a` and the `b`.
fn modules_of_std(found: &[Token]) -> Vec<&Token> {
    let is = |at: usize, text: &str| found.get(at).is_some_and(|token| token.text == text);
    if !(is(1, ":") && is(2, ":")) {
        return Vec::new();
    }
    if !is(3, "{") {
        return found.get(3).into_iter().collect();
    }
    let (mut modules, mut depth) = (Vec::new(), 0);
    for (at, token) in found.iter().enumerate().skip(3) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && (is(at - 1, "{") || is(at - 1, ",")) => modules.push(token),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    modules
}

/// The files of test modules that `path` declares: beside it for `lib.rs` and `mod.rs`, else below its own name.
fn files_of(path: &str, module: &str) -> [String; 2] {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_string(),
        _ => path.trim_end_matches(".rs").to_string(),
    };
    [format!("{folder}/{module}.rs"), format!("{folder}/{module}/")]
}

/// Complaints about every guarded source, test modules left out.
fn check_all(core: &[Source]) -> Vec<String> {
    let mut test_files = Vec::new();
    let mut parsed = Vec::new();
    for source in core {
        let (kept, test_modules) = without_tests(&tokens(&source.text));
        for module in &test_modules {
            test_files.extend(files_of(&source.path, module));
        }
        parsed.push((source.path.as_str(), kept));
    }
    parsed
        .iter()
        .filter(|(path, _)| !test_files.iter().any(|test| path.starts_with(test.as_str())))
        .flat_map(|(path, kept)| check(path, kept))
        .collect()
}

fn is_guarded(path: &str) -> bool {
    path.ends_with(".rs") && GUARDED.iter().any(|prefix| path.starts_with(prefix))
}

#[test]
fn the_core_reaches_for_nothing_outside() {
    let core: Vec<_> = sources("").into_iter().filter(|source| is_guarded(&source.path)).collect();
    for prefix in GUARDED {
        assert!(
            core.iter().any(|source| source.path.starts_with(prefix)),
            "nothing lies at {prefix}: if it moved, move the guard with it"
        );
    }
    assert_none("The core must give the same result on every run.", &check_all(&core));
}

#[test]
fn the_pure_crates_share_one_clippy_toml() {
    let read =
        |folder: &str| fs::read_to_string(root().join(folder).join("clippy.toml")).expect(folder);
    let first = read("model");
    assert!(first.contains("disallowed-types"), "model/clippy.toml forbids nothing");
    for folder in ["risk", "oms"] {
        assert!(
            read(folder) == first,
            "{folder}/clippy.toml differs from model/clippy.toml: copy one onto the other"
        );
    }
}

#[test]
fn an_impure_core_is_complained_about() {
    let complaints = |text: &str| {
        check_all(&[Source { path: "risk/src/lib.rs".to_string(), text: text.to_string() }])
    };
    for text in [
        "let now = std::time::Instant::now();",
        "fn f() -> SystemTime { x }",
        "use std::collections::HashMap;",
        "let s: HashSet<u8>;",
        "let x = 1.5;",
        "let x = 1e-9;",
        "fn f(x: f64) {}",
        "x as f32",
        "3f64",
        "tokio::spawn(x)",
        "rand::random()",
        "use std::fs::File;",
        "use std::{cmp, net::TcpStream};",
        "use std::{\n    thread,\n};",
        "std::env::var(x)",
        "mod tests { fn f() -> f64 { x } }",
        "#[cfg(not(test))] fn f() -> f64 { x }",
        "#[cfg(test)] mod tests {} fn f() -> f64 { x }",
    ] {
        assert!(!complaints(text).is_empty(), "no complaint about: {text}");
    }
    for text in [
        "// an f64 would round\nlet x = 1;",
        "/// HashMap, SystemTime\nfn f() {}",
        "let x = \"f64\";",
        "use std::collections::BTreeMap;",
        "use std::{cmp, fmt::{self, Debug}};",
        "for i in 0..9 { pair.0.1 += 0xf32; }",
        "#[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n    const X: f64 = 1.5;\n}",
        "let environment = operand;",
    ] {
        assert_eq!(complaints(text), [""; 0], "{text}");
    }
    assert_complains(
        &complaints("a\nb\nlet x: f64;"),
        "risk/src/lib.rs:3: f64: the core knows integers only",
    );
}

#[test]
fn test_modules_in_files_of_their_own_are_left_out() {
    let source = |path: &str, text: &str| Source { path: path.to_string(), text: text.to_string() };
    let core = [
        source("oms/src/lib.rs", "mod orders; #[cfg(test)] mod twin;"),
        source("oms/src/twin.rs", "use std::collections::HashMap;"),
        source("oms/src/orders.rs", "#[cfg(test)] mod tests;"),
        source("oms/src/orders/tests.rs", "fn f() -> f64 { 1.5 }"),
    ];
    assert_eq!(check_all(&core), [""; 0]);
    let core =
        [source("oms/src/lib.rs", "mod twin;"), source("oms/src/twin.rs", "fn f() -> f64 { x }")];
    assert_complains(&check_all(&core), "oms/src/twin.rs:1: f64");
    assert!(is_guarded("engine/src/core/apply.rs"));
    assert!(is_guarded("engine/src/book.rs"));
    assert!(!is_guarded("engine/src/runtime.rs"));
}
