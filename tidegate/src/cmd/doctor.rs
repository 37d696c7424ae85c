//! `tidegate doctor`

use crate::config::Config;
use crate::doctor::{Level, Patient, text};
use crate::machine::Machine;
use anyhow::Result;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks this machine for the server: cores, memory, clock, host, disk; then measures what only shows when it is tried.
///
/// Each finding says what is, what it should be, what it costs not to be, and the command that changes it. Nothing is changed. The exit
/// code is 0 unless something would stop the server.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// What the server is to run with (TOML); its defaults without.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Leave out what takes a second.
    #[arg(long)]
    quick: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    findings: &'a [crate::doctor::Finding],
    advice: usize,
    stops: usize,
}

/// Runs the command.
pub fn run(args: &DoctorArgs) -> Result<ExitCode> {
    let config = match &args.config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let machine = Machine::here();
    let patient = Patient::of_process(&machine, &config)?;
    let mut findings = patient.look();
    findings.extend(patient.measure(args.quick));
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (advice, stops) = (count(Level::Advice), count(Level::Stop));
    let mut out = io::stdout().lock();
    if args.json {
        let told = Told { findings: &findings, advice, stops };
        writeln!(out, "{}", serde_json::to_string_pretty(&told)?)?;
    } else {
        write!(out, "{}", text(&findings))?;
    }
    Ok(if stops > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
