//! `tidegate demo`, as a newcomer runs it.

mod support;

use std::time::{Duration, Instant};
use support::{Random, run, spawn_command, spawn_heard, text, tidegate};
use tempfile::TempDir;

/// The value behind `name` in a line of the summary.
fn figure<'t>(said: &'t str, name: &str) -> &'t str {
    let line = said.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no line begins with '{name}': {said}"));
    line[name.len()..].split_whitespace().next().expect("a value")
}

#[test]
fn the_demo_trades_and_its_replay_agrees() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path().join("demo");
    let mut command = tidegate();
    command.args(["demo", "--seconds", "6", "--dir", text(&dir)]);
    let said = spawn_command(&mut command).wait().ok();
    let live = figure(&said, "state hash live");
    assert_eq!(live, figure(&said, "state hash replayed"), "{said}");
    assert_eq!(live.len(), 16, "{said}");
    for strategy in ["market-maker", "momentum"] {
        let row = said.lines().find(|line| line.starts_with(strategy)).expect("a row");
        let fills: u64 = row.split_whitespace().nth(3).and_then(|n| n.parse().ok()).expect("fills");
        assert!(fills > 0, "{said}");
    }

    let journal = dir.join("journal");
    let verified = run(&["journal", "verify", text(&journal)]).ok();
    assert_eq!(verified.matches("closed in order").count(), 2, "{verified}");
    let replayed = run(&["replay", text(&journal)]).ok();
    assert!(replayed.contains(live), "{replayed}");

    // The same folder again would mix two runs.
    run(&["demo", "--seconds", "5", "--dir", text(&dir)]).refused(&["holds a journal", "--dir"]);
}

/// Processes that were given `argument`, where the system tells: number and command line.
fn processes_with(argument: &str) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            Some((entry.file_name().into_string().ok()?, line))
        })
        .filter(|(_, line)| line.split(' ').any(|part| part == argument))
        .collect()
}

#[test]
fn a_demo_that_is_killed_leaves_a_whole_journal_and_no_processes() {
    let mut random = Random::from_environment("--test demo");
    let folder = TempDir::new().expect("a temporary folder");
    for round in 0..3 {
        let dir = folder.path().join(format!("demo-{round}"));
        let mut command = tidegate();
        command.args(["demo", "--seconds", "60", "--dir", text(&dir)]);
        let (demo, heard) = spawn_heard(&mut command);
        let addr = loop {
            let line = heard.recv_timeout(Duration::from_secs(60)).expect("the demo starts");
            if line.starts_with("gRPC") {
                break line.split_whitespace().nth(1).expect("a URL").to_string();
            }
        };
        std::thread::sleep(Duration::from_millis(random.below(2_500)));
        // The strategies share its standard error: what they say last is not looked at here.
        demo.kill();
        let journal = dir.join("journal");
        run(&["journal", "verify", text(&journal)]).ok();
        run(&["replay", text(&journal)]).ok();
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let gateway = dir.join("gateway.toml");
            let left = [processes_with(&addr), processes_with(text(&gateway))].concat();
            if left.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "they live on: {left:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn is_served(url: &str) -> bool {
    ureq::get(url).call().is_ok()
}

#[test]
fn without_a_time_it_runs_until_ctrl_c_and_people_come_in() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path().join("demo");
    let mut command = tidegate();
    command.args(["demo", "--dir", text(&dir)]);
    let (demo, heard) = spawn_heard(&mut command);
    let mut url = String::new();
    let password = loop {
        let line = heard.recv_timeout(Duration::from_secs(60)).expect("the demo starts");
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["open", at, ..] => url = at.into(),
            ["log-in", "demo@example.org", "password", password] => break password.to_string(),
            _ => {}
        }
    };
    let login = format!(r#"{{"email":"demo@example.org","password":"{password}"}}"#);
    let call = |method: &str, path: &str, token: &str, body: &str| {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{url}{path}"))
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {token}"))
            .body(body.to_string())
            .expect("a request");
        let mut answer = ureq::Agent::new_with_defaults().run(request).expect("a good answer");
        let text = answer.body_mut().read_to_string().expect("text");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["data"].take()
    };
    let pair = call("POST", "/api/v1/auth/login", "", &login);
    let token = pair["access_token"].as_str().expect("a token");
    let accounts = call("GET", "/api/v1/accounts", token, "");
    assert_eq!(accounts[0]["balances"][0]["cash"], "100000.00", "{accounts:#}");
    // Killed, its gateway comes back where it was, and knows its people.
    let gateway = dir.join("gateway.toml");
    let [(pid, _)] = &processes_with(text(&gateway))[..] else { panic!("one gateway runs") };
    let killed = std::process::Command::new("kill").args(["-9", pid]).status().expect("kill");
    assert!(killed.success());
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_gone = || processes_with(text(&gateway)).iter().all(|(one, _)| one != pid);
    while !is_gone() || !is_served(&format!("{url}/api/v1/quotes/TIDE")) {
        assert!(Instant::now() < deadline, "it does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(call("GET", "/api/v1/accounts", token, ""), accounts);
    // The market moves, and the demo lives, until it is told to end.
    std::thread::sleep(Duration::from_secs(2));
    demo.signal("INT");
    let said = demo.wait().ok();
    assert_eq!(figure(&said, "state hash live"), figure(&said, "state hash replayed"), "{said}");
}
