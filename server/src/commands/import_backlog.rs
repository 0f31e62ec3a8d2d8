//! `memdeck import-backlog`

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use memdeck_influx::{BacklogLine, Influx, PointSink as _};
use serde::Serialize;

use super::output::say;
use super::{Exit, Failure, Output};
use crate::cli::ImportBacklogArgs;
use crate::config::Config;
use crate::node;
use memdeck_operations::blocking;

/// Lines in one write.
const BATCH: usize = 1000;

/// A longer line is none of a dump record.
const LONGEST_LINE: u64 = 64 * 1024;

#[derive(Debug, Default, Serialize)]
struct Report {
    /// Lines that InfluxDB has acknowledged.
    written: u64,
    /// Lines that were not written.
    failed: Vec<FailedLine>,
}

#[derive(Debug, Serialize)]
struct FailedLine {
    /// From 1.
    line: u64,
    error: String,
}

pub async fn run(config: &Config, args: &ImportBacklogArgs) -> Result<Exit, Failure> {
    let Some(influx) = node::influx(config.influx.as_ref())? else {
        return Err(Failure::usage("INFLUX_URL is not set: a backlog is written to InfluxDB"));
    };
    let path = args.file.display().to_string();
    let unreadable = |error: std::io::Error| Failure::new(format!("{path} cannot be read: {error}"));
    let mut reader = BufReader::new(File::open(&args.file).map_err(unreadable)?);
    let mut report = Report::default();
    let mut at = 0;
    loop {
        let (returned, lines) = blocking(move || {
            let lines = read_lines(&mut reader);
            (reader, lines)
        })
        .await;
        reader = returned;
        let lines = lines.map_err(unreadable)?;
        if lines.is_empty() {
            break;
        }
        let (numbers, lines) = understood(lines, &mut at, &mut report);
        if let Err(error) = write(&influx, &numbers, &lines, &mut report).await {
            say(format_args!(
                "{path}: {} lines were written before line {at}; the file is as it was, and the same command goes on",
                report.written
            ));
            return Err(error);
        }
    }
    let store = influx.describe();
    let mut output = Output::default();
    if args.json {
        output.json(&report)?;
    } else {
        for failed in &report.failed {
            output.line(format_args!("{path}:{}: {}", failed.line, failed.error))?;
        }
        let (written, failed) = (report.written, report.failed.len());
        output.line(format_args!("{written} lines written to {store}, {failed} not written"))?;
    }
    Ok(if report.failed.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Up to a batch of lines, as bytes; none at the end of the file.
fn read_lines(reader: &mut BufReader<File>) -> std::io::Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    while lines.len() < BATCH {
        let mut line = Vec::new();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let is_cut = line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n");
        if is_cut {
            reader.skip_until(b'\n')?;
        }
        lines.push(line);
    }
    Ok(lines)
}

/// The lines that can be written, with their numbers; the others go to the report.
fn understood(lines: Vec<Vec<u8>>, at: &mut u64, report: &mut Report) -> (Vec<u64>, Vec<BacklogLine>) {
    let (mut numbers, mut read) = (Vec::new(), Vec::new());
    for bytes in lines {
        *at += 1;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned());
        match text.and_then(|text| BacklogLine::read(&text).map_err(|error| error.to_string())) {
            Ok(Some(line)) => {
                numbers.push(*at);
                read.push(line);
            }
            Ok(None) => {}
            Err(error) => report.failed.push(FailedLine { line: *at, error }),
        }
    }
    (numbers, read)
}

async fn write(
    influx: &Influx,
    numbers: &[u64],
    lines: &[BacklogLine],
    report: &mut Report,
) -> Result<(), Failure> {
    let outcome = influx.replay(lines).await.map_err(|error| Failure::new(super::with_causes(&error)))?;
    report.written += outcome.written as u64;
    for rejection in outcome.rejected {
        if let Some(line) = numbers.get(rejection.index) {
            report.failed.push(FailedLine { line: *line, error: rejection.error.to_string() });
        }
    }
    report.failed.sort_by_key(|failed| failed.line);
    Ok(())
}
