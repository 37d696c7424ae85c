//! `tidegate feed`: plays market data files over the network.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, Write};
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tidegate_engine::runtime::unix_now;
use tidegate_feed_handler::binary_file;
use tidegate_feed_handler::mold_udp64::SessionName;
use tidegate_feed_handler::server::{FeedServer, ServerConfig, ServerOutcome, ServerStats, Speed};
use tidegate_feed_handler::source::{Format, Source};

/// How often the progress is shown.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// Play market data files over the network
#[derive(Args, Debug)]
pub struct FeedArgs {
    #[command(subcommand)]
    command: FeedCommand,
}

#[derive(Subcommand, Debug)]
enum FeedCommand {
    /// Play an ITCH file as a live MoldUDP64 feed, and answer requests for lost messages
    ///
    /// The file (BinaryFILE, plain, .gz or .zst) goes out in packets of at most 1400 bytes to one or two lines, unicast
    /// or multicast, with heartbeats each second and end-of-session packets at the end. Requests are answered from the
    /// last packets sent (--history). Ctrl-C ends the session in order.
    #[command(after_help = "Examples:\n  \
        tidegate feed serve session.itch --to 127.0.0.1:26400 --request-listen 127.0.0.1:26401\n  \
        tidegate feed serve session.itch.gz --to 239.1.1.1:26400 --to-b 239.1.1.2:26400 --speed 10\n  \
        tidegate feed serve session.itch --to 127.0.0.1:26400 --speed max --drop-a 100   # try out recovery")]
    Serve(Box<ServeArgs>),
}

#[derive(Args, Debug)]
struct ServeArgs {
    /// The file to play
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where line A goes: a host's address, or a multicast group
    #[arg(long, value_parser = parse_to, value_name = "ADDR:PORT")]
    to: SocketAddr,
    /// Where line B goes, which carries the same
    #[arg(long, value_parser = parse_to, value_name = "ADDR:PORT")]
    to_b: Option<SocketAddr>,
    /// The local address whose interface multicast groups are reached over; without it, the system chooses
    #[arg(long, default_value = "0.0.0.0", value_name = "ADDR")]
    interface: Ipv4Addr,
    /// Where requests for lost messages are taken; without it, at a port that the system chooses and that is printed
    #[arg(long, value_name = "ADDR:PORT")]
    request_listen: Option<SocketAddr>,
    /// 1 plays as recorded, 10 ten times as fast, max as fast as it goes
    #[arg(long, default_value = "1", value_parser = parse_speed, value_name = "N|max")]
    speed: Speed,
    /// Messages a second at most, whatever the speed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// The session's name, 1 to 10 characters [default: the start in Unix seconds, since receivers ignore a session
    /// that they have seen to its end]
    #[arg(long, value_parser = parse_session, value_name = "NAME")]
    session: Option<SessionName>,
    /// Lose every Nth packet of line A on purpose
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    drop_a: Option<u64>,
    /// Lose every Nth packet of line B on purpose
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "to_b")]
    drop_b: Option<u64>,
    /// MiB of sent packets that are kept to answer requests
    #[arg(long, default_value_t = 256, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    history: u32,
    /// Seconds that end-of-session packets are repeated and requests answered after the last message
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    linger: u64,
}

/// Where a line goes: nothing can be sent to port 0.
fn parse_to(text: &str) -> Result<SocketAddr, String> {
    let to: SocketAddr = text.parse().map_err(|error: AddrParseError| error.to_string())?;
    match to.port() {
        0 => Err("the port must be one from 1 to 65535".to_string()),
        _ => Ok(to),
    }
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::FlatOut);
    }
    match text.parse() {
        Ok(times) if times > 0 => Ok(Speed::Times(times)),
        _ => Err("it must be a whole number from 1 (as recorded) up, or max".to_string()),
    }
}

/// A session of its own for each start: receivers ignore one that they have seen to its end.
fn session_of_now() -> anyhow::Result<SessionName> {
    let seconds = format!("{:010}", unix_now().0 / 1_000_000_000);
    SessionName::new(&seconds).context("the clock stands beyond ten digits of seconds")
}

fn parse_session(text: &str) -> Result<SessionName, String> {
    SessionName::new(text).ok_or_else(|| "it must have 1 to 10 printable characters".to_string())
}

/// Runs the command.
pub fn run(args: FeedArgs) -> anyhow::Result<()> {
    match args.command {
        FeedCommand::Serve(args) => serve(&args),
    }
}

/// Any port of an address that can reach `to`.
fn request_listen_for(to: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match (to.ip().is_loopback(), to.is_ipv4()) {
        (true, true) => Ipv4Addr::LOCALHOST.into(),
        (true, false) => Ipv6Addr::LOCALHOST.into(),
        (false, true) => Ipv4Addr::UNSPECIFIED.into(),
        (false, false) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let shown = args.file.display();
    let reading = || format!("reading {shown}");
    if Source::open(&args.file).with_context(reading)?.format() != Format::Itch {
        bail!(
            "{shown} is not an ITCH file; only Nasdaq ITCH 5.0 in BinaryFILE framing can be served"
        );
    }
    // Before anything is sent: a session without a message would end at receivers what they wait for.
    let mut file = binary_file::open(&args.file).with_context(reading)?;
    if file.next_frame().with_context(reading)?.is_none() {
        bail!("{shown} is empty: a market data file has a message at least");
    }
    let mut file = binary_file::open(&args.file).with_context(reading)?;
    let session = args.session.map_or_else(session_of_now, Ok)?;
    let server = FeedServer::bind(ServerConfig {
        to_b: args.to_b,
        interface: args.interface,
        request_listen: args.request_listen.unwrap_or_else(|| request_listen_for(args.to)),
        session,
        speed: args.speed,
        messages_per_sec_max: args.rate,
        drop_a: args.drop_a,
        drop_b: args.drop_b,
        history_bytes: args.history as usize * 1024 * 1024,
        linger: Duration::from_secs(args.linger),
        ..ServerConfig::new(args.to)
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second Ctrl-C does not wait for the session to end.
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .context("cannot listen to Ctrl-C")?;
    }
    let line_b = args.to_b.map(|to| format!(" and {to}")).unwrap_or_default();
    writeln!(
        io::stderr(),
        "playing {shown} to {}{line_b} as session {}; requests to {}",
        args.to,
        session,
        server.request_addr()?
    )?;
    let stats = ServerStats::default();
    let begin = Instant::now();
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}");
    bar.set_style(style.context("the progress template is valid")?);
    let outcome = thread::scope(|scope| {
        let serving = scope.spawn(|| server.run(&mut file, &stop, &stats));
        while !serving.is_finished() {
            bar.set_message(progress(&stats));
            bar.tick();
            thread::park_timeout(REPORT_EVERY);
        }
        serving.join()
    });
    bar.finish_and_clear();
    let outcome = match outcome {
        Ok(outcome) => outcome.with_context(reading)?,
        Err(_) => bail!("the server's thread panicked; please report this with the file"),
    };
    let (verb, messages) = match outcome {
        ServerOutcome::EndOfFile { messages } => ("played", messages),
        ServerOutcome::Stopped { messages } => ("stopped after", messages),
    };
    writeln!(
        io::stdout(),
        "{verb} {messages} messages in {:.1} s: {} packets, {} requests, {} messages repeated, {} packets lost on purpose",
        begin.elapsed().as_secs_f64(),
        of(&stats.packets),
        of(&stats.requests),
        of(&stats.repeated),
        of(&stats.dropped),
    )?;
    Ok(())
}

fn of(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}

fn progress(stats: &ServerStats) -> String {
    let secs = of(&stats.session_time_ns) / 1_000_000_000;
    format!(
        "{:02}:{:02}:{:02}  {} messages, {} packets, {} requests, {} messages repeated",
        secs / 3_600,
        secs / 60 % 60,
        secs % 60,
        of(&stats.messages),
        of(&stats.packets),
        of(&stats.requests),
        of(&stats.repeated),
    )
}
