//! `figures DIR`: puts what was measured into `docs/figures.md`, between its two marks, and draws it. `make bench` runs it last.
//!
//! `DIR` holds the JSON that the programs wrote: `tick-to-order.json`, `rings.json`, `backtest.json`; what is not there is left out.
//! Criterion's results are found beside it.

use plotters::prelude::*;
use serde::Deserialize;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PAGE: &str = "docs/figures.md";
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

/// Times in nanoseconds.
#[derive(Debug, Deserialize)]
struct Times {
    p50: u64,
    p99: u64,
    p99_9: u64,
    p99_99: u64,
    #[serde(default)]
    throughput: u64,
}

#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    what: String,
    #[serde(default)]
    rate: u64,
    figures: Times,
    rounds: Vec<u64>,
}

impl Row {
    /// Only the rate counts: what waits as long as there is room says nothing of times.
    fn is_flood(&self) -> bool {
        self.name.ends_with("_flood") || self.name == "ingest"
    }
}

/// The same work, ours and a peer's.
#[derive(Debug, Deserialize)]
struct Beside {
    what: String,
    ours: f64,
    peer: f64,
    unit: String,
    ratio: f64,
}

/// What is wanted: p50, p99, p99.9 in nanoseconds; 0 if nothing is said.
const WANTED: [(&str, [u64; 3]); 7] = [
    ("direct", [100, 300, 0]),
    ("rings", [500, 750, 1_500]),
    ("shared_memory", [600, 1_000, 0]),
    ("round_trip", [450, 650, 0]),
    ("queue_processes", [450, 650, 0]),
    ("grpc_due", [0, 1_000_000, 0]),
    ("whole_path", [0, 0, 5_000_000]),
];

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).map(PathBuf::from).ok_or("figures DIR")?;
    let rows: Vec<Row> = read(&dir.join("tick-to-order.json"))?;
    let rings: Vec<Row> = read(&dir.join("rings.json"))?;
    let beside: Vec<Beside> = read(&dir.join("backtest.json"))?;
    let mut text = machine()?;
    if !rows.is_empty() {
        text += "\n**From event to order, and over gRPC** (`tick-to-order`; median of rounds in turn, nanoseconds)\n\n";
        text += &table(&rows)?;
        text += "\n![Latencies by percentile](latency.svg)\n";
        draw(Path::new("docs/latency.svg"), "Nanoseconds by percentile", &rows)?;
    }
    if !rings.is_empty() {
        text += "\n**Rings beside those of others** (`bench/peers/rings`; 64 bytes there and back between two cores, nanoseconds)\n\n";
        text += &table(&rings)?;
        text += "\n![Rings by percentile](rings.svg)\n";
        draw(Path::new("docs/rings.svg"), "64 bytes there and back, nanoseconds", &rings)?;
    }
    if !beside.is_empty() {
        text += "\n**Backtests beside those of others** (`bench/peers`; the same data and strategy)\n\n";
        text += "| what | ours | peer | unit | ratio |\n|---|---|---|---|---|\n";
        for Beside { what, ours, peer, unit, ratio } in &beside {
            writeln!(text, "| {what} | {ours:.2} | {peer:.2} | {unit} | {ratio:.2} |")?;
        }
    }
    text += &criterion(&dir)?;
    let page = std::fs::read_to_string(PAGE)?;
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has no mark to begin at")?;
    let (_, after) = rest.split_once(END).ok_or("the page has no mark to end at")?;
    std::fs::write(PAGE, [before, BEGIN, &text, END, after].concat())?;
    println!("{PAGE} is written");
    Ok(())
}

/// Rows of a file; none if it is not there.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// What it was measured on, when, and how busy that was.
fn machine() -> Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor that says nothing of itself", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(", ");
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let (linux, date) = (said("uname", &["-r"]), said("date", &["-u", "+%Y-%m-%d"]));
    let (rust, commit) = (said("rustc", &["-V"]), said("git", &["rev-parse", "--short", "HEAD"]));
    let mut text = String::new();
    writeln!(
        text,
        "{date}, commit {commit}: {model}, {cores} cores, Linux {linux}, {rust}, release profile; load of the last 1, 5, 15 minutes {load}."
    )?;
    Ok(text)
}

fn table(rows: &[Row]) -> Result<String> {
    let mut text = String::from(
        "| what | a second | p50 (rounds) | p99 | p99.9 | p99.99 | wanted (p50, p99, p99.9) | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Times { p50, p99, p99_9, p99_99, throughput } = row.figures;
        let rate = match (row.rate, throughput) {
            (0, 0) => String::new(),
            (0, taken) => format!("{taken} taken"),
            (rate, _) => rate.to_string(),
        };
        if row.is_flood() {
            writeln!(text, "| {} | {rate} | | | | | | |", row.what)?;
            continue;
        }
        let (least, most) = (row.rounds.iter().min(), row.rounds.iter().max());
        let rounds = match (least, most) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => String::new(),
        };
        let wanted = WANTED.iter().find(|(name, _)| *name == row.name);
        let (wanted, reached) = match wanted {
            None => (String::new(), ""),
            Some((_, wanted)) => {
                let is_reached = wanted
                    .iter()
                    .zip([p50, p99, p99_9])
                    .all(|(most, is)| *most == 0 || is <= *most);
                let wanted = wanted.map(|ns| if ns == 0 { "-".into() } else { ns.to_string() });
                (wanted.join(", "), if is_reached { "reached" } else { "not reached" })
            }
        };
        writeln!(
            text,
            "| {} | {rate} | {p50} ({rounds}) | {p99} | {p99_9} | {p99_99} | {wanted} | {reached} |",
            row.what
        )?;
    }
    Ok(text)
}

/// One line a row, over its percentiles.
fn draw(path: &Path, title: &str, rows: &[Row]) -> Result<()> {
    const MARKS: [&str; 4] = ["p50", "p99", "p99.9", "p99.99"];
    let rows: Vec<&Row> = rows.iter().filter(|row| !row.is_flood()).collect();
    let points = |row: &Row| {
        let Times { p50, p99, p99_9, p99_99, .. } = row.figures;
        [p50, p99, p99_9, p99_99]
    };
    let most = rows.iter().flat_map(|row| points(row)).max().unwrap_or(1_000) * 4;
    let root = SVGBackend::new(path, (900, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..3.0f64, (100.0..most as f64).log_scale())?;
    chart
        .configure_mesh()
        .x_labels(4)
        .x_label_formatter(&|x| MARKS[(x.round() as usize).min(3)].to_owned())
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for (at, row) in rows.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        let line = points(row).into_iter().enumerate().map(|(x, y)| (x as f64, y as f64));
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(&row.what)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    Ok(())
}

/// Criterion's results: a look at each `new/estimates.json`.
fn criterion(dir: &Path) -> Result<String> {
    let mut found = Vec::new();
    let Some(target) = dir.parent() else { return Ok(String::new()) };
    visit(&target.join("criterion"), &mut found);
    found.sort();
    let mut text = String::new();
    for path in found {
        let folder = path.parent().ok_or("a file is in a folder")?;
        let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        let about: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("benchmark.json"))?)?;
        let median = estimates["median"]["point_estimate"].as_f64().unwrap_or_default();
        let name = about["full_id"].as_str().unwrap_or_default();
        let rate = match about["throughput"]["Elements"].as_f64() {
            Some(count) => format!("{:.2} million a second", count / median * 1e3),
            None => String::new(),
        };
        if text.is_empty() {
            text += "\n**Stages** (`cargo bench`; criterion's medians)\n\n| bench | one iteration, ns | |\n|---|---|---|\n";
        }
        writeln!(text, "| `{name}` | {median:.1} | {rate} |")?;
    }
    Ok(text)
}

fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, found);
        } else if path.ends_with("new/estimates.json") {
            found.push(path);
        }
    }
}
