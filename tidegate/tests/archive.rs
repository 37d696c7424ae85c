//! `tidegate journal head`, `archive`, `restore` and `prune` from outside, against a folder, against a store that speaks S3 and
//! does wrong, and against a real server where one is installed.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Ran, spawn_command, text, tidegate};
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, Writer};
use tidegate_model::{EventRecord, SeqNo};

const KEY: &str = "AKIATEST";
const SECRET: &str = "a-secret-that-nobody-prints";

/// A journal with an event log, of a few segments each.
fn journal() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let inputs = (".", [KIND_MARKET_EVENT, KIND_COMMAND], 40);
    // Events of input 0: their log is not ahead of the journal.
    let events = ("events", [KIND_EVENT; 2], size_of::<EventRecord>());
    for (name, kinds, len) in [inputs, events] {
        let config = Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() };
        let (mut writer, _) = Writer::open(&dir.path().join(name), config).expect("a journal");
        for seq in 1..=9_000u64 {
            let kind = kinds[(seq % 2) as usize];
            let byte = if name == "." { seq as u8 } else { 0 };
            writer.append(kind, SeqNo(seq), &vec![byte; len]).expect("room");
        }
        writer.close().expect("closed");
    }
    dir
}

fn segments(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut segments = BTreeMap::new();
    for name in [".", "events"] {
        for entry in std::fs::read_dir(dir.join(name)).expect("it is there") {
            let path = entry.expect("it is listed").path();
            if path.extension().is_some_and(|extension| extension == "tgj") {
                let bytes = std::fs::read(&path).expect("it is read");
                segments.insert(path.strip_prefix(dir).expect("below it").to_path_buf(), bytes);
            }
        }
    }
    segments
}

/// `tidegate journal` with arguments, and keys for S3 at `port`.
fn run(port: u16, args: &[&str]) -> Ran {
    run_as(port, KEY, args)
}

fn run_as(port: u16, key: &str, args: &[&str]) -> Ran {
    let mut command = tidegate();
    command.arg("journal").args(args);
    command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"));
    command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", SECRET);
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_REGION"] {
        command.env_remove(name);
    }
    let ran = spawn_command(&mut command).wait();
    assert!(!format!("{ran:?}").contains(SECRET), "a secret was printed");
    assert!(!format!("{ran:?}").contains("X-Amz-Signature"), "a signature was printed");
    ran
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wrong {
    #[default]
    Nothing,
    /// The next so many uploads are answered with the server's own fault.
    Uploads(u32),
    /// Objects end in the middle.
    ShortReads,
    /// A byte of each object is another one.
    FlippedReads,
    /// The server hangs up.
    HangsUp,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    wrong: Wrong,
}

/// A store that speaks as much of S3 as we use.
struct Stub {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Stub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One request a connection; a client that went away is none of the test's business.
                let _ = answer(stream, &mut shared.lock().expect("no panic"));
            }
        });
        Self { port, state }
    }

    fn set(&self, wrong: Wrong) {
        self.state.lock().expect("no panic").wrong = wrong;
    }
}

fn answer(stream: TcpStream, state: &mut State) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut len) = (String::new(), 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => len = value.trim().parse().unwrap_or(0),
            None if header.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = path.strip_prefix("/bucket/").unwrap_or("").to_string();
    let xml =
        |code: &str| format!("<Error><Code>{code}</Code><Message>said {code}</Message></Error>");
    let (status, mut reply) = match method {
        _ if state.wrong == Wrong::HangsUp => return Ok(()),
        _ if !query.contains(&format!("X-Amz-Credential={KEY}%2F")) => {
            ("403 Forbidden", xml("InvalidAccessKeyId").into_bytes())
        }
        "PUT" => match state.wrong {
            Wrong::Uploads(left) if left > 0 => {
                state.wrong = Wrong::Uploads(left - 1);
                ("500 Internal Server Error", xml("InternalError").into_bytes())
            }
            _ => {
                state.objects.insert(name, body);
                ("200 OK", Vec::new())
            }
        },
        "GET" if name.is_empty() => {
            let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
            let prefix = prefix.unwrap_or("").replace("%2F", "/");
            let keys = state.objects.keys().filter(|key| key.starts_with(&prefix));
            let list: String =
                keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
            let open = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
            (
                "200 OK",
                format!("{open}<IsTruncated>false</IsTruncated>{list}</ListBucketResult>")
                    .into_bytes(),
            )
        }
        "GET" => match state.objects.get(&name) {
            Some(bytes) => ("200 OK", bytes.clone()),
            None => ("404 Not Found", xml("NoSuchKey").into_bytes()),
        },
        "DELETE" => {
            state.objects.remove(&name);
            ("204 No Content", Vec::new())
        }
        _ => ("400 Bad Request", Vec::new()),
    };
    let promised = reply.len();
    if method == "GET" && !path.ends_with("/bucket/") && status == "200 OK" {
        match state.wrong {
            Wrong::ShortReads => reply.truncate(promised / 2),
            Wrong::FlippedReads if path.ends_with(".zst") => reply[promised / 2] ^= 1,
            _ => {}
        }
    }
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&reply)
}

#[test]
fn a_journal_goes_to_a_folder_and_comes_back_and_its_head_proves_it() {
    let (dir, away, back) = (journal(), TempDir::new().expect("one"), TempDir::new().expect("one"));
    let store = format!("file://{}", away.path().display());
    let dir_text = text(dir.path());
    let dry = run(1, &["archive", dir_text, "--to", &store, "--dry-run"]).ok();
    assert!(dry.contains("would be archived"), "{dry}");
    assert_eq!(std::fs::read_dir(away.path()).expect("it is there").count(), 0);
    let archived = run(1, &["archive", dir_text, "--to", &store]).ok();
    assert!(archived.starts_with("inputs: ") && archived.contains("\nevents: "), "{archived}");
    let again = run(1, &["archive", dir_text, "--to", &store]).ok();
    assert!(again.contains("inputs: 0 segments archived"), "{again}");

    let target = back.path().join("journal");
    run(1, &["restore", text(&target), "--from", &store]).ok();
    assert!(segments(&target) == segments(dir.path()));
    let heads = run(1, &["head", dir_text]).ok();
    assert_eq!(heads.lines().count(), 2, "the journal's and its event log's: {heads}");
    let file = away.path().join("heads");
    std::fs::write(&file, &heads).expect("written");
    let verified = run(1, &["verify", text(&target), "--head", text(&file)]).ok();
    assert_eq!(verified.matches("leads through the head at record 8999").count(), 2, "{verified}");
    let json = run(1, &["head", dir_text, "--at", "77", "--json"]).ok();
    assert!(json.contains("\"seq\":77"), "{json}");
    // A head of another journal, a head that is none, a head that does not fit.
    let strange = format!("instance={:032x} ", 7);
    let one = heads.lines().next().expect("one");
    let (before, after) = one.split_once("instance=").expect("it names its journal");
    let other = format!("{before}{strange}{}", after.split_once(' ').expect("and more").1);
    run(1, &["verify", dir_text, "--head", &other]).refused(&["8999", "does not hold"]);
    run(1, &["verify", dir_text, "--head", "/no/such/file"]).refused(&["/no/such/file", "neither"]);
    let seq = heads.replacen("seq=8999", "seq=8998", 1);
    run(1, &["verify", dir_text, "--head", &seq]).refused(&[
        "does not lead through",
        "8998",
        "changed",
    ]);
    run(1, &["head", dir_text, "--at", "9000"]).refused(&["no final head at record 9000", "8999"]);

    // Market events go from the archive, and from here what it has: nothing without a snapshot.
    let prune = ["prune", dir_text, "--archive", &store, "--market-days", "0", "--local-days", "0"];
    // A snapshot that cannot be read is none, whatever its name says.
    let snapshots = dir.path().join("snapshots");
    std::fs::create_dir_all(&snapshots).expect("made");
    std::fs::write(snapshots.join("00000000000000008000.tgs"), "no snapshot").expect("written");
    let pruned = run(1, &prune);
    assert!(pruned.stderr.contains("00000000000000008000.tgs"), "{pruned:?}");
    let pruned = pruned.ok();
    assert!(pruned.contains("a restart needs it: no snapshot is behind it"), "{pruned}");
    assert!(pruned.contains("market events of"), "{pruned}");
    assert!(segments(&target) == segments(dir.path()));
    let left = back.path().join("left");
    let restored = run(1, &["restore", text(&left), "--from", &store]).ok();
    assert!(restored.contains("without their market events"), "{restored}");
    let commands = run(1, &["cat", text(&left), "--kind", "command"]).ok();
    assert!(commands == run(1, &["cat", dir_text, "--kind", "command"]).ok());
    run(1, &["verify", text(&left), "--head", &heads]).ok();
}

#[test]
fn an_s3_store_takes_and_gives_back_and_what_it_does_wrong_is_said() {
    let (stub, dir, back) = (Stub::start(), journal(), TempDir::new().expect("one"));
    let (dir_text, store) = (text(dir.path()), "s3://bucket/a/b");
    let archive = || run(stub.port, &["archive", dir_text, "--to", store]);
    // The first upload fails twice, and goes through when it is sent again.
    stub.set(Wrong::Uploads(2));
    archive().ok();
    let first = stub.state.lock().expect("no panic").objects.clone();
    assert!(
        first.keys().all(|name| name.starts_with("a/b/inputs/") || name.starts_with("a/b/events/"))
    );
    stub.state.lock().expect("no panic").objects.clear();
    // An upload that never goes through is named.
    stub.set(Wrong::Uploads(4));
    archive().refused(&[
        "cannot store",
        "00000000000000000001-",
        "audit.zst",
        store,
        "InternalError",
        "HTTP 500",
    ]);
    // What is read back is not what was sent: no manifest says that it is safe.
    stub.set(Wrong::FlippedReads);
    archive().refused(&["audit.zst", "not those that were stored"]);
    stub.set(Wrong::ShortReads);
    archive().refused(&["cannot read", "audit.zst", store, "ended"]);
    stub.set(Wrong::HangsUp);
    archive().refused(&["cannot list", store]);
    let manifests =
        |state: &State| state.objects.keys().filter(|name| name.ends_with(".json")).count();
    assert_eq!(manifests(&stub.state.lock().expect("no panic")), 0);
    stub.set(Wrong::Nothing);
    run_as(stub.port, "WRONGKEY", &["archive", dir_text, "--to", store]).refused(&[
        "cannot list",
        store,
        "InvalidAccessKeyId",
        "HTTP 403",
    ]);
    archive().ok();
    assert_eq!(stub.state.lock().expect("no panic").objects, first);

    let target = back.path().join("journal");
    let restore = || run(stub.port, &["restore", text(&target), "--from", store]);
    stub.set(Wrong::ShortReads);
    restore().refused(&["cannot read", ".json", "ended"]);
    stub.set(Wrong::FlippedReads);
    restore().refused(&["00000000000000000001-", "audit.zst", "not those that were stored"]);
    stub.set(Wrong::Nothing);
    restore().ok();
    assert!(segments(&target) == segments(dir.path()));
}

#[test]
fn what_is_no_store_or_has_no_keys_is_refused() {
    let dir = journal();
    let dir = text(dir.path());
    run(1, &["archive", dir, "--to", "ftp://x"]).refused(&["ftp://x", "s3://BUCKET/PREFIX"]);
    run(1, &["archive", dir, "--to", "file://x"]).refused(&["file://x", "file:///PATH"]);
    run(1, &["archive", dir, "--to", "s3://b/../x"]).refused(&["is no store"]);
    let mut command = tidegate();
    command.args(["journal", "archive", dir, "--to", "s3://bucket"]);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env_remove(name);
    }
    spawn_command(&mut command).wait().refused(&["no keys for S3", "AWS_ACCESS_KEY_ID"]);
    let empty = TempDir::new().expect("one");
    let store = format!("file://{}", empty.path().display());
    let target = text(empty.path()).to_string() + "/j";
    run(1, &["restore", &target, "--from", &store]).refused(&["holds no archive"]);
}

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `moto_server`, which stands in for S3 and is not ours, where it is installed: `pip install 'moto[server]'`.
#[test]
fn a_real_server_takes_and_gives_back() {
    let program = std::env::var("TIDEGATE_TEST_MOTO").unwrap_or_else(|_| "moto_server".into());
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port").port();
    let started = Command::new(&program)
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = started else {
        println!("skipped: {program} is not installed (pip install 'moto[server]')");
        return;
    };
    let _server = Server(child);
    let until = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < until, "{program} does not listen: {error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    write!(
        stream,
        "PUT /bucket HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    stream.read_to_string(&mut String::new()).expect("answered");
    let (dir, back) = (journal(), TempDir::new().expect("one"));
    let dir_text = text(dir.path());
    run(port, &["archive", dir_text, "--to", "s3://none/x"])
        .refused(&["NoSuchBucket", "s3://none/x"]);
    run(port, &["archive", dir_text, "--to", "s3://bucket/x"]).ok();
    let target = back.path().join("journal");
    run(port, &["restore", text(&target), "--from", "s3://bucket/x"]).ok();
    assert!(segments(&target) == segments(dir.path()));
    run(port, &["prune", dir_text, "--archive", "s3://bucket/x", "--market-days", "0"]).ok();
    let left = back.path().join("left");
    let restored = run(port, &["restore", text(&left), "--from", "s3://bucket/x"]).ok();
    assert!(restored.contains("without their market events"), "{restored}");
}
