//! Every command with what people will give it: an error is one line that says what, where and what to do, the exit
//! code tells, and nothing ever panics.

mod support;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Place, Ran, Server, run, spawn_command, spawn_heard, text, tidegate};
use tempfile::TempDir;

const COMMANDS: [&[&str]; 14] = [
    &[],
    &["run"],
    &["demo"],
    &["stats"],
    &["book"],
    &["match"],
    &["gen"],
    &["feed"],
    &["feed", "serve"],
    &["replay"],
    &["journal"],
    &["journal", "verify"],
    &["journal", "cat"],
    &["journal", "export"],
];

/// A folder with good and bad market data files.
struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { dir: TempDir::new().expect("a temporary folder") };
        for name in ["good.itch", "good.itch.gz", "good.itch.zst"] {
            let path = files.path(name);
            run(&["gen", "--messages", "2000", "--symbols", "3", "-o", text(&path)]).ok();
            let bytes = fs::read(&path).expect("it was written");
            fs::write(files.path(&format!("cut-{name}")), &bytes[..bytes.len() - bytes.len() / 5])
                .expect("written");
        }
        let noise: Vec<u8> =
            (0..5_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        fs::write(files.path("noise.itch"), noise).expect("written");
        fs::write(files.path("empty.itch"), "").expect("written");
        fs::write(files.path("table.csv"), "time,price\n1,2\n").expect("written");
        fs::write(files.path("noise.itch.gz"), "\u{1f}no gzip").expect("written");
        fs::create_dir(files.path("folder.itch")).expect("made");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A usage error: exit code 2, and what is allowed.
#[track_caller]
fn misused(args: &[&str], parts: &[&str]) {
    let ran = run(args);
    assert_eq!(ran.status.code(), Some(2), "{ran:#?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
    }
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        for flag in ["--help", "-h"] {
            let said = run(&[command, &[flag]].concat()).ok();
            assert!(said.contains("Usage: tidegate"), "{command:?} {flag}: {said}");
        }
    }
    let version = run(&["--version"]).ok();
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    // What the examples name is there.
    let said = run(&["--help"]).ok();
    for command in COMMANDS.iter().filter_map(|command| command.first()) {
        assert!(said.contains(&format!("\n  {command} ")), "{command} is not in: {said}");
    }
}

#[test]
fn misuse_says_what_is_allowed() {
    misused(&[], &["Usage: tidegate"]);
    misused(&["trade"], &["trade"]);
    misused(&["stats"], &["<FILE>"]);
    misused(&["stats", "a", "--top", "x"], &["--top", "x"]);
    misused(&["demo", "--seconds", "4"], &["5..=3600"]);
    misused(&["demo", "--speed", "5"], &["--input"]);
    misused(&["gen", "--messages", "5", "--duration", "5", "-o", "x"], &["cannot be used with"]);
    misused(&["feed", "serve", "a", "--to", "nowhere"], &["--to", "ADDR:PORT"]);
    misused(&["feed", "serve", "a", "--to", "127.0.0.1:1", "--speed", "0"], &["1 (as recorded)"]);
    misused(&["book", "a", "--symbol", "S", "--at", "25:00:00"], &["09:30:00"]);
    misused(&["book", "a"], &["--symbol"]);
    misused(&["journal", "cat", "d", "--kind", "x"], &["market_event"]);
    misused(&["journal", "export", "d", "--format", "xml"], &["jsonl", "csv"]);
}

#[test]
fn bad_market_data_is_named_with_its_place() {
    let files = Files::new();
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let to = socket.local_addr().expect("an address").to_string();
    let refuse = |name: &str, parts: &[&str]| {
        let path = files.path(name);
        let file = text(&path);
        let demo = files.path(&format!("demo-{name}"));
        for args in [
            vec!["stats", file],
            vec!["stats", file, "--json"],
            vec!["book", file, "--symbol", "TIDE", "--json"],
            vec!["feed", "serve", file, "--to", &to, "--speed", "max", "--linger", "0"],
            vec!["demo", "--seconds", "5", "--input", file, "--dir", text(&demo)],
        ] {
            // What the sender plays up to the damage, and where it plays it to, is said as well.
            let mut ran = run(&args);
            ran.stderr = ran.stderr.lines().filter(|line| !line.starts_with("playing ")).collect();
            let said = ran.refused(parts);
            assert!(said.contains(name), "{args:?}: no file in {said}");
        }
    };
    refuse("missing.itch", &["No such file"]);
    refuse("folder.itch", &["is a directory"]);
    refuse("noise.itch", &["byte"]);
    refuse("table.csv", &["bars under a header with date, open"]);
    refuse("noise.itch.gz", &["byte"]);
    // A cut file: byte and message of the cut, and what was before it is still counted.
    refuse("cut-good.itch", &["message 1", "byte "]);
    refuse("cut-good.itch.gz", &["message 1", "byte "]);
    refuse("cut-good.itch.zst", &["byte "]);
    let cut = run(&["stats", text(&files.path("cut-good.itch")), "--json"]);
    let counted: serde_json::Value = serde_json::from_str(&cut.stdout).expect("JSON all the same");
    assert_eq!(counted["complete"], false);
    let first_lost = counted["messages"].as_u64().expect("a number") + 1;
    cut.refused(&[&format!("message {first_lost} at byte ")]);

    for args in [&["stats"][..], &["stats", "--json"]] {
        let path = files.path("empty.itch");
        run(&[args, &[text(&path)]].concat()).refused(&["empty.itch", "empty"]);
    }
    // Content decides, not the name.
    let renamed = files.path("renamed.bin");
    fs::copy(files.path("good.itch.gz"), &renamed).expect("copied");
    run(&["stats", text(&renamed)]).ok();
}

#[test]
fn text_files_are_read_like_the_others() {
    let dir = TempDir::new().expect("a temporary folder");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let days = "date,open,high,low,close,volume\n2006-01-03,1,2,1,2,5\n2006-01-04,1,2,1,2,5\n";
    let bars = write("TIDE_daily.csv", days);
    let counted = run(&["stats", "--json", text(&bars)]).ok();
    assert!(counted.contains("\"bars\":2") && counted.contains("\"TIDE\""), "{counted}");
    run(&["book", text(&bars), "--symbol", "TIDE"]).refused(&["bars, which make no book"]);
    let recording = concat!(
        "100 {\"e\":\"depthUpdate\",\"E\":1,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,",
        "\"b\":[[\"99.50\",\"1.000\"]],\"a\":[[\"99.60\",\"0.250\"]]}\n"
    );
    let path = write("btcusdt.txt", recording);
    let shown = run(&["book", text(&path), "--symbol", "BTCUSDT", "--json"]).ok();
    assert!(shown.contains("\"bids\":[[\"99.50\",1,0]],\"asks\":[[\"99.60\",0.25,0]]"), "{shown}");
    let cut = write("cut.txt", &recording[..recording.len() - 9]);
    run(&["stats", text(&cut)]).refused(&["line 1: its JSON"]);
}

#[test]
fn points_of_a_book_that_are_not_there() {
    let files = Files::new();
    let path = files.path("good.itch");
    let book = |more: &[&str]| run(&[&["book", text(&path)], more].concat());
    book(&["--symbol", "NOPE"]).refused(&["NOPE", "tidegate stats"]);
    book(&["--symbol", "TIDE", "--at-message", "2001"]).refused(&["2001", "2000 messages"]);
    book(&["--symbol", "TIDE", "--at", "23:59:59"]).refused(&["23:59:59", "beyond the end"]);
    let said = book(&["--symbol", "TIDE", "--at-message", "2000", "--json"]).ok();
    let line: serde_json::Value = serde_json::from_str(&said).expect("one line of JSON");
    assert_eq!((&line["message"], &line["symbol"]), (&2000.into(), &"TIDE".into()));
}

#[test]
fn places_that_cannot_be_written() {
    let files = Files::new();
    let nowhere = files.path("no/such/folder/x.itch");
    run(&["gen", "--messages", "1000", "-o", text(&nowhere)]).refused(&["x.itch", "directory"]);
    let folder = files.path("folder.itch");
    run(&["gen", "--messages", "1000", "-o", text(&folder)]).refused(&["is a directory"]);
    let left: Vec<_> = fs::read_dir(files.dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| name.to_string_lossy().ends_with(".part"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    run(&["gen", "--symbols", "0", "-o", text(&nowhere)]).refused(&["1 to 10000"]);
    run(&["gen", "--start", "9", "-o", text(&nowhere)]).refused(&["09:30:00"]);
    let file = files.path("good.itch");
    run(&["demo", "--seconds", "5", "--dir", text(&file)]).refused(&["cannot create", "good.itch"]);
    let place = Place::new("");
    Server::start(&place).stop("TERM").ok();
    let journal = place.journal();
    let export = ["journal", "export", text(&journal), "--format", "csv", "-o", text(&nowhere)];
    run(&export).refused(&["cannot write", "x.itch"]);
}

#[test]
fn a_session_goes_where_its_name_leads() {
    let files = Files::new();
    let good = fs::read(files.path("good.itch")).expect("it was written");
    let gen_to =
        |path: &Path| run(&["gen", "--messages", "2000", "--symbols", "3", "-o", text(path)]);
    // Links stay links, whether what they lead to is there or not.
    fs::create_dir(files.path("store")).expect("made");
    fs::write(files.path("store/old"), "old").expect("written");
    for target in ["store/old", "store/new"] {
        let link = files.path("link.itch");
        let second = files.path("store/second");
        symlink("store/second", &link).expect("linked");
        symlink(files.path(target), &second).expect("linked");
        gen_to(&link).ok();
        assert!(link.is_symlink() && second.is_symlink(), "a link was replaced");
        assert_eq!(fs::read(files.path(target)).expect("written"), good);
        fs::remove_file(&link).expect("removed");
        fs::remove_file(&second).expect("removed");
    }
    assert_eq!(fs::read_dir(files.path("store")).expect("a folder").count(), 2);
    // A pipe is written into, and is still there.
    let pipe = files.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts");
    assert!(made.success());
    let reading = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read(pipe))
    };
    gen_to(&pipe).ok();
    // Looked at before it is waited for: a pipe that was replaced would never end.
    assert!(fs::symlink_metadata(&pipe).expect("it is there").file_type().is_fifo());
    assert_eq!(reading.join().expect("it ends").expect("readable"), good);
    assert!(!files.path("pipe.part").exists());
    // So is a device, and what it says is told.
    let full = Path::new("/dev/full");
    gen_to(full).refused(&["/dev/full", "No space left"]);
    assert!(fs::metadata(full).expect("it is there").file_type().is_char_device());
}

/// Every command that reads a journal.
fn readers(journal: &Path) -> Vec<Ran> {
    let dir = text(journal);
    vec![
        run(&["journal", "verify", dir]),
        run(&["journal", "cat", dir]),
        run(&["journal", "export", dir, "--format", "jsonl"]),
        run(&["replay", dir]),
    ]
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copied(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

#[test]
fn journals_that_are_not_there_or_damaged() {
    let place = Place::new(&Place::account(1));
    Server::start(&place).stop("TERM").ok();
    let elsewhere = place.dir.path().join("elsewhere");
    for ran in readers(&elsewhere) {
        ran.refused(&["elsewhere", "No such file"]);
    }
    for ran in readers(&place.config()) {
        ran.refused(&["tidegate.toml", "Not a directory"]);
    }
    fs::create_dir(&elsewhere).expect("made");
    for ran in readers(&elsewhere) {
        ran.refused(&["elsewhere", "holds no journal"]);
    }
    // What is not there is not called damaged, and nothing is written of it or in place of an older file.
    let older = place.dir.path().join("older.csv");
    fs::write(&older, "older").expect("written");
    for missing in [elsewhere.clone(), elsewhere.join("missing"), place.config()] {
        let missing = text(&missing);
        let said = run(&["journal", "verify", missing]).refused(&["there is no journal"]);
        assert!(!said.contains("whole"), "{said}");
        let export = ["journal", "export", missing, "--format", "csv"];
        let ran = run(&export);
        assert_eq!(ran.stdout, "");
        ran.refused(&[missing]);
        run(&[&export[..], &["-o", text(&older)]].concat()).refused(&[missing]);
        assert_eq!(fs::read_to_string(&older).expect("readable"), "older");
    }

    let segment = "00000000000000000001.tgj";
    let good = fs::read(place.journal().join(segment)).expect("a segment");
    let kept = place.dir.path().join("kept");
    copied(&place.journal(), &kept);
    // Header, first record, in the middle, the seal: whichever byte it is, the file is named, and a record's place.
    let offsets = [0, 9, 40, 70, 128, 130, 150, good.len() / 2, good.len() - 20, good.len() - 1];
    for offset in offsets {
        let mut bad = good.clone();
        bad[offset] ^= 0x5a;
        fs::write(place.journal().join(segment), &bad).expect("written");
        for ran in readers(&place.journal()) {
            ran.refused(&[segment, "restore the file from a copy"]);
        }
        let config = place.config();
        let started = run(&["run", "--config", text(&config)]);
        started.refused(&[segment, "restore the file from a copy"]);
    }
    // Cut at any length.
    for len in [0, 50, 128, 200, good.len() - 30, good.len() - 1] {
        fs::write(place.journal().join(segment), &good[..len]).expect("written");
        run(&["journal", "verify", text(&place.journal())]).refused(&[segment]);
    }
    fs::write(place.journal().join(segment), &good).expect("written");

    // The event log is derived: a damaged one can be removed, and the error says so.
    let events = place.events().join(segment);
    let mut bad = fs::read(&events).expect("a segment");
    bad[200] ^= 1;
    fs::write(&events, bad).expect("written");
    run(&["journal", "verify", text(&place.journal())]).refused(&[segment, "byte", "rebuilt"]);
    let config = place.config();
    run(&["run", "--config", text(&config)]).refused(&[segment, "byte", "remove", "rebuilt"]);
    fs::remove_dir_all(place.events()).expect("removed");
    Server::start(&place).stop("TERM").ok();

    // An event log without its journal would hide new events behind old positions.
    fs::remove_file(place.journal().join(segment)).expect("removed");
    for entry in fs::read_dir(place.journal()).expect("a folder").flatten() {
        if entry.path().extension().is_some_and(|end| end == "tgj") {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
    run(&["run", "--config", text(&config)]).refused(&["event log", "remove", "rebuilt"]);
}

#[test]
fn a_journal_that_lost_its_end_is_not_whole() {
    let place = Place::new(&Place::account(1));
    Server::start(&place).stop("TERM").ok();
    let segments = || {
        let entries = fs::read_dir(place.journal()).expect("a folder").flatten();
        let paths = entries.map(|entry| entry.path());
        // An older copy of a journal has the watermark of then.
        let is_ours = |path: &PathBuf| {
            path.extension().is_some_and(|end| end == "tgj") || path.ends_with("SYNCED")
        };
        paths.filter(is_ours).collect::<Vec<_>>()
    };
    let kept: Vec<_> =
        segments().into_iter().map(|path| (fs::read(&path).expect("readable"), path)).collect();
    place.configure(&[Place::account(1), Place::account(2)].concat());
    Server::start(&place).stop("TERM").ok();
    let journal = place.journal();
    run(&["journal", "verify", text(&journal)]).ok();
    for path in segments() {
        fs::remove_file(path).expect("removed");
    }
    for (bytes, path) in &kept {
        fs::write(path, bytes).expect("written");
    }
    let parts = ["the event log goes to input", "the journal lost its end", "restore", "accept"];
    let verify = run(&["journal", "verify", text(&journal)]);
    assert_eq!(verify.stdout, "");
    verify.refused(&parts);
    let verify = run(&["journal", "verify", text(&journal), "--json"]);
    let said: serde_json::Value = serde_json::from_str(&verify.stdout).expect("JSON");
    assert_eq!(said["ok"], false);
    verify.refused(&parts);
    let config = place.config();
    let started = run(&["run", "--config", text(&config)]).refused(&parts);
    assert!(started.find("restore") < started.find("remove"), "{started}");
    // Who accepts the loss can go on.
    fs::remove_dir_all(place.events()).expect("removed");
    Server::start(&place).stop("TERM").ok();
    run(&["journal", "verify", text(&journal)]).ok();
}

#[test]
fn wrong_configurations_name_file_line_and_what_is_allowed() {
    let place = Place::new("");
    let path = place.config();
    for (config, parts) in [
        ("[engine]\nspeed = 3\n", &["line 2", "speed", "orders_max"][..]),
        ("[motor]\n", &["line 1", "motor", "engine"]),
        ("[engine]\nwait = \"sleep\"\n", &["line 2", "`spin`, `yield`, `park`"]),
        ("[engine]\norders_max = 5\n", &["line 2", "1024 to 4194304"]),
        ("\n\n[engine]\norders_max = 5000\n", &["line 4", "power of two"]),
        ("[engine]\norders_max = \"many\"\n", &["line 2", "many"]),
        ("[engine\n", &["line 1"]),
        ("[edge]\nlisten = \"here\"\n", &["line 2", "'here'", "127.0.0.1:7800"]),
        ("[feed]\nline_a = \"239.1.1.1\"\n", &["line 2", "with a port"]),
        ("[[edge.tokens]]\ntoken = \"short\"\n", &["line 2", "at least 16"]),
        ("[[accounts]]\nid = 131072\ncash = \"1\"\n", &["line 2", "0 to 131071"]),
        ("[[accounts]]\nid = 1\ncash = \"much\"\n", &["line 3", "'much'", "12.34"]),
        ("[[accounts]]\nid = 1\ncash = \"-1\"\n", &["line 3", "-1", "0 or more"]),
        (
            "[[accounts]]\nid = 1\ncash = \"1\"\n[[accounts]]\ncash = \"1\"\nid = 1\n",
            &["line 6", "account 1", "already", "at line 2"],
        ),
        ("[[instruments]]\nsymbol = \"A\"\ntick = \"0.00015\"\n", &["line 3", "0.00015", "0.0001"]),
        ("[[instruments]]\nsymbol = \"A A\"\n", &["line 2", "printable ASCII without spaces"]),
        ("[[instruments]]\nsymbol = \"A\"\nlot = \"0\"\n", &["line 3", "above 0"]),
        ("[[instruments]]\nsymbol = \"A\"\nprice_unit = \"-1\"\n", &["line 3", "above 0"]),
        (
            "[[instruments]]\nlot = \"0.000001\"\nsymbol = \"A\"\nmultiplier = \"0.000000001\"\n",
            &["line 3", "tick_size x lot_size x multiplier", "1e-18"],
        ),
        (
            "[[instruments]]\nsymbol = \"A\"\ntaker_fee_bp = \"0.00005\"\n",
            &["line 3", "0.00005", "a multiple of 0.0001 basis points"],
        ),
        (
            "[[instruments]]\nsymbol = \"A\"\nmaker_fee_bp = \"-10000.0001\"\n",
            &["line 3", "-10000 to 10000"],
        ),
        (
            "[[instruments]]\nsymbol = \"A\"\n[[instruments]]\nsymbol = \"A\"\n",
            &["line 4", "instrument A", "already", "at line 2"],
        ),
        ("[edge]\nlisten = \"0.0.0.0:0\"\n", &["0.0.0.0:0", "tokens", "loopback"]),
        ("[threads.cores]\nengine = [4095]\n", &["engine", "core 4095", "may use cores"]),
    ] {
        // In a folder of its own: some are only seen once the journal is open.
        let journal = place.journal();
        let config = if config.contains("[journal]") || config.contains("[edge]") {
            config.to_string()
        } else {
            format!("{config}[edge]\nlisten = \"127.0.0.1:0\"\n")
        };
        fs::write(&path, format!("{config}[journal]\ndir = \"{}\"\n", text(&journal)))
            .expect("written");
        let ran = run(&["run", "--config", text(&path)]);
        assert_eq!(ran.status.code(), Some(1), "{config}: {ran:#?}");
        for part in parts {
            assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
        }
        if parts[0].starts_with("line") {
            assert!(ran.stderr.contains("tidegate.toml"), "no file in: {}", ran.stderr);
            assert!(!journal.exists(), "something was written for {config}");
        }
    }
    for (limit, value, allowed) in [
        ("max_order_notional", "\"-0.5\"", "0 or more"),
        ("credit", "\"-1\"", "0 or more"),
        ("max_order_qty", "-1", "0 to 9223372036854775807"),
        ("max_position", "-1", "0 to 9223372036854775807"),
        ("price_collar_bp", "-1", "0 to 4294967295"),
        ("max_open_orders", "4294967296", "0 to 4294967295"),
        ("messages_per_sec", "-1", "0 to 4294967295"),
        ("message_burst", "-1", "0 to 4294967295"),
    ] {
        let account = Place::account(1);
        let is_at = |line: &&str| line.starts_with(limit);
        let line = account.lines().find(is_at).expect("the account has every limit");
        fs::write(&path, account.replace(line, &format!("{limit} = {value}"))).expect("written");
        let at = account.lines().position(|other| other == line).expect("found before") + 1;
        let ran = run(&["run", "--config", text(&path)]);
        assert_eq!(ran.status.code(), Some(1), "{limit}: {ran:#?}");
        for part in ["tidegate.toml", &format!("line {at}"), allowed] {
            assert!(ran.stderr.contains(part), "'{part}' is not in: {}", ran.stderr);
        }
    }
    let missing = place.dir.path().join("missing.toml");
    run(&["run", "--config", text(&missing)]).refused(&["missing.toml", "No such file"]);
    run(&["run", "--config", text(place.dir.path())]).refused(&["Is a directory"]);
    run(&["run", "--config", "/dev/zero"]).refused(&["/dev/zero", "longer than 1 MiB"]);
    fs::write(&path, [0xff]).expect("written");
    run(&["run", "--config", text(&path)]).refused(&["tidegate.toml", "UTF-8"]);
    // What --print-config prints is itself a configuration.
    let printed = run(&["run", "--print-config"]).ok();
    assert!(printed.contains("[engine]") && printed.contains("listen = "), "{printed}");
}

#[test]
fn a_port_or_journal_in_use_is_named() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let addr = taken.local_addr().expect("an address").to_string();
    let place = Place::new("");
    let config = fs::read_to_string(place.config()).expect("a configuration");
    let listen = format!("listen = \"{addr}\"");
    fs::write(place.config(), config.replace("listen = \"127.0.0.1:0\"", &listen))
        .expect("written");
    let path = place.config();
    let said = run(&["run", "--config", text(&path)]).refused(&[&addr, "in use"]);
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    // What had started ended in order.
    let verified = run(&["journal", "verify", text(&place.journal())]).ok();
    assert_eq!(verified.matches("closed in order").count(), 2, "{verified}");

    place.configure("");
    let server = Server::start(&place);
    run(&["run", "--config", text(&path)]).refused(&["is in use", "process", "stop it first"]);
    // Readers do not mind the writer.
    run(&["journal", "verify", text(&place.journal())]).ok();
    run(&["replay", text(&place.journal())]).ok();
    server.stop("TERM").ok();

    let line = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let line = line.local_addr().expect("an address").to_string();
    let _held = std::net::UdpSocket::bind(&line);
    let feed = format!("line_a = \"{line}\"");
    let config = fs::read_to_string(place.config()).expect("a configuration");
    fs::write(place.config(), config.replace("line_a = \"127.0.0.1:0\"", &feed)).expect("written");
    run(&["run", "--config", text(&path)]).refused(&["cannot listen at", &line, "in use"]);
}

#[test]
fn a_journal_keeps_the_sizes_that_it_began_with() {
    let place = Place::new("");
    Server::start(&place).stop("TERM").ok();
    let config = fs::read_to_string(place.config()).expect("a configuration");
    let path = place.config();
    for (key, asked) in [("orders_max", 131_072), ("book_orders_max", 70_000)] {
        let changed = config.replace(&format!("\n{key} = 65536"), &format!("\n{key} = {asked}"));
        assert_ne!(changed, config);
        fs::write(&path, changed).expect("written");
        let asked = format!("asks for {asked}");
        let kept = format!("engine.{key} = 65536");
        let advice = format!("set {key} = 65536");
        run(&["run", "--config", text(&path)]).refused(&[&kept, &asked, &advice, "journal.dir"]);
    }
    fs::write(&path, config).expect("written");
    Server::start(&place).stop("TERM").ok();
}

/// Runs a command whose reader takes `lines` lines and goes.
fn half_read(args: &[&str], lines: usize) {
    let mut command = tidegate();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut out = child.stdout.take().expect("piped");
    let mut seen = 0;
    let mut byte = [0];
    while seen < lines && out.read(&mut byte).expect("readable") == 1 {
        seen += usize::from(byte[0] == b'\n');
    }
    drop(out);
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!said.contains("panicked"), "{args:?} after {lines} lines: {said}");
    assert!(ended.status.success(), "{args:?} after {lines} lines: {:?} {said}", ended.status);
}

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let files = Files::new();
    let place = Place::new(&Place::account(1));
    Server::start(&place).stop("TERM").ok();
    let (file, journal) = (files.path("good.itch"), place.journal());
    let (file, journal) = (text(&file), text(&journal));
    let new = files.path("new.itch");
    for lines in [0, 1] {
        half_read(&["--help"], lines);
        half_read(&["run", "--print-config"], lines);
        half_read(&["stats", file], lines);
        half_read(&["stats", file, "--json"], lines);
        half_read(&["book", file, "--symbol", "TIDE", "--json"], lines);
        half_read(&["gen", "--messages", "1000", "-o", text(&new)], lines);
        half_read(&["replay", journal], lines);
        half_read(&["journal", "verify", journal], lines);
        half_read(&["journal", "cat", journal], lines);
        half_read(&["journal", "export", journal, "--format", "csv"], lines);
    }
    // A server that cannot say that it is up ends in order.
    let config = place.config();
    half_read(&["run", "--config", text(&config)], 0);
    let verified = run(&["journal", "verify", journal]).ok();
    assert_eq!(verified.matches("closed in order").count(), 2, "{verified}");

    // With nobody at standard error either.
    let mut command = tidegate();
    command.args(["stats", "/no/such/file"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_session_is_served_to_its_end() {
    let files = Files::new();
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let to = socket.local_addr().expect("an address").to_string();
    let path = files.path("good.itch.gz");
    let mut command = tidegate();
    command.args(["feed", "serve", text(&path), "--to", &to, "--speed", "max", "--linger", "0"]);
    let said = spawn_command(&mut command).wait().ok();
    assert!(said.starts_with("played 2000 messages"), "{said}");
}

#[test]
fn what_cannot_be_served_is_refused() {
    let files = Files::new();
    for option in ["--to", "--to-b"] {
        let serve = ["feed", "serve", "a", "--to", "127.0.0.1:1", option, "127.0.0.1:0"];
        let serve =
            if option == "--to" { [&serve[..3], &serve[5..]].concat() } else { serve.into() };
        misused(&serve, &[option, "1 to 65535"]);
    }
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    let to = socket.local_addr().expect("an address").to_string();
    let serve = |name: &str| {
        let path = files.path(name);
        let more = ["--to", &to, "--speed", "max", "--linger", "0"];
        let mut ran = run(&[&["feed", "serve", text(&path)], &more[..]].concat());
        ran.stderr = ran.stderr.lines().filter(|line| !line.starts_with("playing ")).collect();
        ran
    };
    // Neither a byte nor a message: only the mark of the end.
    fs::write(files.path("end.itch"), [0, 0]).expect("written");
    for name in ["empty.itch", "end.itch"] {
        serve(name).refused(&[name, "is empty", "a message at least"]);
    }
    // The longest message that a packet takes, and one byte more, behind a good one.
    let good = fs::read(files.path("good.itch")).expect("it was written");
    let first = 2 + usize::from(u16::from_be_bytes([good[0], good[1]]));
    for len in [1_378u16, 1_379, u16::MAX] {
        let message = vec![b'S'; usize::from(len)];
        let bytes = [&good[..first], &len.to_be_bytes(), &message].concat();
        fs::write(files.path("long.itch"), bytes).expect("written");
        let ran = serve("long.itch");
        if len == 1_378 {
            assert!(ran.ok().starts_with("played 2 messages"));
        } else {
            ran.refused(&["long.itch", "message 2 at byte ", &len.to_string(), "1378 bytes"]);
        }
    }
}

#[test]
fn a_server_says_when_a_session_is_over_and_takes_the_next() {
    let files = Files::new();
    let place = Place::new("");
    let config = place.config();
    let mut command = tidegate();
    command.args(["run", "--config", text(&config)]);
    let (server, heard) = spawn_heard(&mut command);
    let line = |begin: &str| loop {
        let line = heard.recv_timeout(Duration::from_secs(60)).expect("the server says it");
        if line.starts_with(begin) {
            break line;
        }
    };
    let feed = line("feed      MoldUDP64 at ");
    let to = feed.split_whitespace().last().expect("an address");
    let path = files.path("good.itch");
    for session in ["MONDAY", "TUESDAY"] {
        let serve = ["feed", "serve", text(&path), "--to", to, "--session", session];
        run(&[&serve[..], &["--speed", "max", "--rate", "20000", "--linger", "0"]].concat()).ok();
        let said = line("feed:");
        let expected =
            format!("feed: session {session} over after 2000 messages; waiting for the next");
        assert_eq!(said, expected);
    }
    server.signal("TERM");
    let said = server.wait().ok();
    assert_eq!(said.matches("waiting for the next").count(), 2, "{said}");
    assert!(said.contains("feed      Stopped: "), "{said}");
}
