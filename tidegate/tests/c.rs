//! Strategies in C over shared memory with a real server: what the header promises, from the side of a C compiler.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use support::market::SYMBOL;
use support::pair::{PATIENCE, open, quoted};
use support::{ADMIN, Place, Server, spawn_command, spawn_heard, text};
use tempfile::TempDir;

const CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../edge/shm/c");

/// The folder with both libraries, built as this test is.
fn libraries() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().expect("it lies in a folder");
    let target = profile.parent().expect("the profile's folder lies in the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "-p", "tidegate-c"]);
    cargo.env("CARGO_TARGET_DIR", target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo starts").success(), "{cargo:?}");
    profile.to_path_buf()
}

/// The program made of `examples/NAME.c` by the compiler that Rust links with.
fn compiled(name: &str, into: &Path, is_shared: bool) -> PathBuf {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let (libraries, program) = (libraries(), into.join(name));
    let mut command = Command::new(compiler);
    command.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I", CRATE, "-o"]);
    command.arg(&program).arg(format!("{CRATE}/examples/{name}.c"));
    if is_shared {
        let libraries = text(&libraries);
        command.args([
            &format!("-L{libraries}"),
            "-ltidegate_shm",
            &format!("-Wl,-rpath,{libraries}"),
        ]);
    } else {
        command.arg(libraries.join("libtidegate_shm.a")).args(["-lpthread", "-ldl", "-lm"]);
    }
    let made = command.output().expect("the compiler starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_in_c_quotes_and_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a folder");
    let program = compiled("quote", folder.path(), true);
    let place = Place::new(&Place::account(1));
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let door = place.journal().join("door.sock");
    let strategy = |seconds: &str| {
        let mut command = Command::new(&program);
        command.arg(&door).args([SYMBOL, "1", seconds]).env("TIDEGATE_TOKEN", ADMIN);
        command
    };
    let (running, heard) = spawn_heard(&mut strategy("600"));
    let line = heard.recv_timeout(PATIENCE).expect("it says something");
    assert!(line.starts_with("quoting 100 at "), "{line}");
    assert_eq!(open(&client, 1).await.len(), 1);
    running.kill();
    let patience = Instant::now() + PATIENCE;
    while !open(&client, 1).await.is_empty() {
        assert!(Instant::now() < patience, "{:?}", open(&client, 1).await);
    }
    let said = spawn_command(&mut strategy("2")).wait().ok();
    assert!(said.contains("quoting 100 at ") && said.contains(" 0 refused"), "{said}");
    let stranger = strategy("2").env("TIDEGATE_TOKEN", "not-theirs").output().expect("it starts");
    let told = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(told.contains("attach: ") && told.contains("unknown token"), "{told}");
    assert!(server.stop("TERM").is_ok());
}

#[test]
fn whatever_c_calls_wrongly_is_told_and_harms_nobody() {
    let folder = TempDir::new().expect("a folder");
    let program = compiled("misuse", folder.path(), false);
    let place = Place::new(&Place::account(1));
    let server = Server::start(&place);
    let mut command = Command::new(program);
    command.arg(place.journal().join("door.sock")).env("TIDEGATE_TOKEN", ADMIN);
    let said = spawn_command(&mut command).wait().ok();
    assert_eq!(said, "0 faults\n");
    assert!(server.stop("TERM").is_ok());
}
