//! `tidegate match` from outside: what it answers to files of orders, to a pipe, and to lines that are none.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use support::{run, text, tidegate};
use tempfile::TempDir;

const PLAIN: &str = r#"{"op":"new","id":1,"side":"buy","type":"limit","price":"100.05","qty":10}"#;

/// `NAME.in.jsonl` is answered with `NAME.out.jsonl`.
#[test]
fn answers_as_the_golden_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matching");
    let check = |name: &str, options: &[&str]| {
        let input = folder.join(format!("{name}.in.jsonl"));
        let said = run(&[&["match", text(&input)], options].concat()).ok();
        let expected = folder.join(format!("{name}.out.jsonl"));
        let expected = fs::read_to_string(&expected).expect("a golden file");
        for (at, (said, expected)) in said.lines().zip(expected.lines()).enumerate() {
            assert_eq!(said, expected, "{name}.out.jsonl, line {}", at + 1);
        }
        assert_eq!(said.lines().count(), expected.lines().count(), "{name}");
    };
    check("orders", &[]);
    check("triggers", &[]);
    check("auction.indicative", &["--indicative"]);
    check("lots.book", &["--book", "--instrument", "lot=0.25,tick=0.5"]);
}

/// Runs it on standard input.
fn piped(input: &[u8], options: &[&str]) -> (Option<i32>, String, String) {
    let mut child = tidegate()
        .arg("match")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // It may stop before the end of what it is given.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("a writer does not panic");
    let text = |bytes| String::from_utf8(bytes).expect("it says text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Every line that is no request: named with its number, after what came before was answered.
#[test]
fn a_line_that_is_no_request_ends_the_run_with_its_number() {
    let check = |line: &str, parts: &[&str]| {
        let input = format!("{PLAIN}\n\n{line}\n{PLAIN}\n");
        let (code, out, error) = piped(input.as_bytes(), &[]);
        let shown: String = line.chars().take(80).collect();
        assert_eq!(code, Some(2), "{shown}: {error}");
        assert_eq!(out, "{\"ev\":\"accepted\",\"id\":1}\n", "{shown}");
        assert!(error.starts_with("tidegate: standard input: line 3"), "{shown}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        for part in parts {
            assert!(error.contains(part), "{shown}: '{part}' is not in: {error}");
        }
    };
    let new = |fields: &str| format!(r#"{{"op":"new","id":2,"side":"buy",{fields}}}"#);
    let limit = |fields: &str| new(&format!(r#""type":"limit","price":"1",{fields}"#));
    check("not JSON", &["column 2"]);
    check("{", &["EOF"]);
    check("[]", &[]);
    check("{}", &["missing field `op`"]);
    check(r#"{"op":"nwe"}"#, &["unknown variant `nwe`", "`new`"]);
    check(&format!("{PLAIN}{PLAIN}"), &["trailing characters"]);
    check(r#"{"op":"cancel"}"#, &["missing field `id`"]);
    check(r#"{"op":"replace","id":1,"price":"1"}"#, &["missing field `qty`"]);
    check(r#"{"op":"cancel","id":-1}"#, &["-1", "u64"]);
    check(r#"{"op":"cancel","id":18446744073709551616}"#, &["u64"]);
    check(r#"{"op":"cancel","id":1.0}"#, &["u64"]);
    check(r#"{"op":"cancel","id":1,"id":1}"#, &["duplicate field `id`"]);
    check(r#"{"op":"cancel","op":"cancel","id":1}"#, &["duplicate field `op`"]);
    check(r#"{"op":"cancel","id":1,"why":"so"}"#, &["unknown field `why`", "column"]);
    check(&limit(r#""qty":1,"prise":"2""#), &["unknown field `prise`", "`stop_price`"]);
    check(&limit(r#""qty":1,"price":"2""#), &["duplicate field `price`"]);
    check(&limit(r#""tif":"day""#), &["missing field `qty`"]);
    check(&limit(r#""qty":NaN"#), &["column"]);
    check(&limit(r#""qty":"NaN""#), &["'NaN' is not a decimal number"]);
    check(&limit(r#""qty":1e3"#), &["'1e3' is not a decimal number"]);
    check(&limit(r#""qty":-1"#), &["-1 is negative"]);
    check(&limit(r#""qty":10000000000"#), &["out of range"]);
    check(&limit(r#""qty":true"#), &["a number or a decimal text is needed"]);
    check(&limit(r#""qty":null"#), &["a number or a decimal text is needed"]);
    check(&limit(r#""qty":1,"tif":"opg""#), &["'opg' is none of", "at_the_open"]);
    check(&limit(r#""qty":1,"tif":"gtd""#), &["missing field `expire_ns` of a gtd order"]);
    check(&limit(r#""qty":1,"hidden":1"#), &["boolean"]);
    check(&limit(r#""qty":1,"stp":"cancel""#), &["'cancel' is none of", "cancel_newest"]);
    check(&limit(r#""qty":1,"account":4294967296"#), &["u32"]);
    check(&new(r#""type":"limit","qty":1"#), &["missing field `price` of a limit order"]);
    check(&new(r#""type":"stop","qty":1"#), &["missing field `stop_price` of a stop order"]);
    check(&new(r#""type":"trailing_stop","qty":1"#), &["missing field `trail`"]);
    check(&new(r#""type":"trailing_stop_limit","trail":1,"qty":1"#), &["missing field `price`"]);
    check(&new(r#""type":"trailing_stop","trail":"0.00001%","qty":1"#), &["four decimals"]);
    check(&new(r#""type":"pegged","qty":1"#), &["missing field `peg`"]);
    check(&new(r#""type":"best","qty":1"#), &["'best' is none of", "market_to_limit"]);
    check(r#"{"op":"new","id":2,"side":"b","type":"market","qty":1}"#, &["'b' is none of"]);
    check(r#"{"op":"phase","to":"lunch"}"#, &["'lunch' is none of", "open_auction"]);
    check(r#"{"op":"time"}"#, &["missing field `ns`"]);
    check(r#"{"op":"bands","low":1}"#, &["missing field `high`"]);
    check(r#"{"op":"bands","low":2,"high":1}"#, &["low is above high"]);
    check(r#"{"op":"bands","low":1.001,"high":2}"#, &["not a multiple of the tick"]);
    let deep = format!(r#"{{"op":"cancel","id":{}"#, "[".repeat(10_000));
    check(&deep, &[]);
    check(&new(&format!(r#""type":"limit","qty":1,"price":{}"#, "[".repeat(10_000))), &[]);
    check(&format!(r#"{{"op":"cancel","id":1{}}}"#, " ".repeat(20_000)), &["longer than 16384"]);
}

#[test]
fn a_line_that_is_no_text_or_has_no_end() {
    let (code, _, error) = piped(b"{\"op\":\"\xff\"}\n", &[]);
    assert_eq!(code, Some(2), "{error}");
    // The last line may lack its end, lines may end as on Windows, and nothing is answered with nothing.
    let (code, out, _) =
        piped(format!("{PLAIN}\r\n{{\"op\":\"cancel\",\"id\":1}}").as_bytes(), &[]);
    assert_eq!((code, out.lines().count()), (Some(0), 2), "{out}");
    let (code, out, error) = piped(b"", &["--book"]);
    assert_eq!((code, out, error), (Some(0), String::new(), String::new()));
}

/// No price passes through a binary fraction.
#[test]
fn numbers_are_read_exactly() {
    let line = r#"{"op":"new","id":1,"side":"buy","type":"limit","price":1234567.890123457,"qty":0.000000001}"#;
    let options = ["--book", "--instrument", "tick=0.000000001,lot=0.000000001"];
    let (code, out, error) = piped(line.as_bytes(), &options);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains(r#"[["1234567.890123457","0.000000001",1]]"#), "{out}");
}

#[test]
fn instruments_that_cannot_be() {
    for (terms, part) in [
        ("tick=0", "not above 0"),
        ("tick=-1", "not above 0"),
        ("tick=1e-2", "not a decimal number"),
        ("tick", "tick=0.01,lot=1"),
        ("step=1", "'step' is not known"),
    ] {
        let (code, _, error) = piped(b"", &["--instrument", terms]);
        assert_eq!(code, Some(2), "{terms}: {error}");
        assert!(error.contains(part), "{terms}: {error}");
    }
    run(&["match", "no-such-file.jsonl"]).refused(&["no-such-file.jsonl", "No such file"]);
    run(&["match", "."]).refused(&["directory"]);
}

/// Who writes a line and waits for its answer gets it; who stops reading is no error.
#[test]
fn each_line_is_answered_at_once() {
    let mut command = tidegate();
    command.arg("match").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    for id in 1..=3 {
        writeln!(stdin, "{}", PLAIN.replace("\"id\":1", &format!("\"id\":{id}")))
            .expect("it reads");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it answers");
        assert_eq!(line, format!("{{\"ev\":\"accepted\",\"id\":{id}}}\n"));
    }
    drop(stdout);
    writeln!(stdin, "{PLAIN}").expect("it still reads");
    drop(stdin);
    assert!(child.wait().expect("it ends").success());
}

/// Ids of ended orders are free again: a long flow needs no more than its live orders do.
#[test]
fn ids_return() {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("flow.jsonl");
    let pair = format!("{PLAIN}\n{{\"op\":\"cancel\",\"id\":1}}\n");
    fs::write(&path, pair.repeat(10_000)).expect("written");
    let said = run(&["match", text(&path)]).ok();
    assert_eq!(said.lines().count(), 20_000);
    assert!(!said.contains("rejected"));
}
