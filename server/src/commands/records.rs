//! `memdeck records`

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use memdeck_catalog::Catalog;
use memdeck_model::{CaptureMode, Record, RecordFilter, RecordPage, RecordQuery, RecordSort};

use super::output::say;
use super::service::Service;
use super::table::Table;
use super::verify::keys::Believed;
use super::{Exit, Failure, Output};
use crate::archives::{self, ReadArchive};
use crate::cli::RecordsArgs;
use crate::config::Config;
use crate::http::{FilterParameters, SortParameters, records_csv};
use crate::node::StartError;
use memdeck_agent::Face;

/// How much of a hash is enough to distinguish two images by eye.
const HASH_CHARS: usize = 16;

pub async fn run(config: &Config, args: &RecordsArgs) -> Result<Exit, Failure> {
    let wanted = Wanted::read(args)?;
    let mut exit = Exit::Done;
    let page = if let Some(file) = &args.archive {
        let read = archived(config, file, &args.key)?;
        if !read.is_intact() {
            exit = Exit::Damaged;
        }
        wanted.of(read.records)
    } else {
        match Service::find(config)? {
            Some(service) if service.face == Face::Dashboard => wanted.of_dashboard(&service).await?,
            Some(service) => wanted.of(of_feed(&service).await?),
            None => wanted.of_state(config)?,
        }
    };
    let mut output = Output::default();
    if args.json {
        output.json(&page)?;
    } else if args.csv {
        let lines = records_csv::head().and_then(|mut lines| {
            lines.extend(records_csv::rows(&page.records)?);
            Ok(lines)
        });
        let lines = lines.map_err(|error| Failure::new(error.to_string()))?;
        output.text(String::from_utf8_lossy(&lines))?;
    } else {
        output.text(table(&page.records).to_string())?;
        if page.count < page.total {
            output.line(format_args!("{} of {} records; --limit 0 shows all", page.count, page.total))?;
        }
    }
    Ok(exit)
}

/// Reads an archive, and says whether it is as it was written.
fn archived(config: &Config, file: &Path, keys: &[PathBuf]) -> Result<ReadArchive, Failure> {
    let believed = Believed::of(config, keys)?;
    let read = archives::read(file, &believed.keys)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
    let path = file.display();
    if read.is_intact() {
        say(format_args!(
            "{path}: {} records as they were archived; signature: {}",
            read.count, read.signature
        ));
    } else {
        say(format_args!("{path} is not as it was written:"));
        for finding in &read.findings {
            say(format_args!("  - {finding}"));
        }
    }
    Ok(read)
}

/// Which records, in which order, and how many of them.
struct Wanted {
    filter: RecordFilter,
    sort: RecordSort,
    /// `None` for all.
    limit: Option<usize>,
    /// The same as a dashboard reads it.
    parameters: Vec<(&'static str, String)>,
}

impl Wanted {
    fn read(args: &RecordsArgs) -> Result<Self, Failure> {
        let usage = |error: crate::http::RestError| Failure::usage(error.detail().to_string());
        let RecordsArgs { search, from, to, state, host, mode, sort, order, .. } = args.clone();
        let given = [
            ("search", &search),
            ("from", &from),
            ("to", &to),
            ("state", &state),
            ("host", &host),
            ("mode", &mode),
            ("sort", &sort),
            ("order", &order),
        ];
        let parameters = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let filter = FilterParameters { search, from, to, state, host, mode }.read().map_err(usage)?;
        filter.check().map_err(|error| Failure::usage(error.to_string()))?;
        let sort = SortParameters { sort, order }.read().map_err(usage)?;
        let limit = (args.limit > 0).then_some(args.limit);
        Ok(Self { filter, sort, limit, parameters })
    }

    /// The most that one call returns.
    fn per_call(&self, have: usize) -> u32 {
        let missing = self.limit.map_or(usize::MAX, |limit| limit.saturating_sub(have));
        u32::try_from(missing).unwrap_or(u32::MAX).min(RecordQuery::DEFAULT_LIMIT)
    }

    async fn of_dashboard(&self, service: &Service) -> Result<RecordPage, Failure> {
        let mut found = Found::default();
        loop {
            let limit = self.per_call(found.records.len());
            let mut query = self.parameters.clone();
            query.extend([("limit", limit.to_string()), ("offset", found.offset.to_string())]);
            let page = service.client.record_page(&query).await.map_err(|error| service.failed(&error))?;
            if found.take(page) || self.per_call(found.records.len()) == 0 {
                return Ok(found.into_page());
            }
        }
    }

    fn of_state(&self, config: &Config) -> Result<RecordPage, Failure> {
        let failed = |error| Failure::from(StartError::Catalog(error));
        let mut found = Found::default();
        if !config.state_dir.join(Catalog::FILE_NAME).exists() {
            return Ok(found.into_page());
        }
        let catalog = Catalog::open_to_read(&config.state_dir).map_err(failed)?;
        loop {
            let limit = self.per_call(found.records.len());
            let query =
                RecordQuery { filter: self.filter.clone(), sort: self.sort, limit, offset: found.offset };
            let page = catalog.records(&query).map_err(failed)?;
            if found.take(page) || self.per_call(found.records.len()) == 0 {
                return Ok(found.into_page());
            }
        }
    }

    /// Those of a list that has all of them, in any order.
    fn of(&self, mut records: Vec<Record>) -> RecordPage {
        records.retain(|record| self.filter.matches(record));
        records.sort_by(|a, b| self.sort.compare(a, b));
        let total = records.len();
        records.truncate(self.limit.unwrap_or(usize::MAX));
        page(records, total)
    }
}

/// An agent lists all of its records, in the order in which they were stored.
async fn of_feed(service: &Service) -> Result<Vec<Record>, Failure> {
    let (mut records, mut since) = (Vec::new(), 0);
    loop {
        let feed = service.client.records(since).await.map_err(|error| service.failed(&error))?;
        let feed = feed.ok_or_else(|| {
            let url = service.client.url();
            Failure::new(format!("the dump service {url} does not report its records"))
        })?;
        let last = feed.records.iter().map(|numbered| numbered.seq).max();
        records.extend(feed.records.into_iter().map(|numbered| numbered.record));
        match last {
            Some(last) if last > since => since = last,
            _ => return Ok(records),
        }
    }
}

/// What several calls gave.
#[derive(Default)]
struct Found {
    records: Vec<Record>,
    seen: HashSet<memdeck_model::DumpId>,
    offset: u64,
    total: u64,
}

impl Found {
    /// Adds what one call gave, but for what a record that came meanwhile has pushed onto this page; true where that was
    /// the last one.
    fn take(&mut self, page: RecordPage) -> bool {
        self.total = page.total;
        self.offset = self.offset.saturating_add(page.count);
        let is_last = page.count == 0 || self.offset >= page.total;
        for record in page.records {
            if record.dump_id.as_ref().is_none_or(|id| self.seen.insert(id.clone())) {
                self.records.push(record);
            }
        }
        is_last
    }

    fn into_page(self) -> RecordPage {
        let total = usize::try_from(self.total).unwrap_or(usize::MAX);
        page(self.records, total)
    }
}

fn page(records: Vec<Record>, total: usize) -> RecordPage {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let count = number(records.len());
    RecordPage {
        limit: u32::try_from(count).unwrap_or(u32::MAX),
        count,
        offset: 0,
        total: number(total),
        records,
    }
}

fn table(records: &[Record]) -> Table {
    let mut table =
        Table::new(["BEGAN", "VM", "ID", "MODE", "PAUSE", "TOOK", "STORED", "STATE", "SHA-256", "DUMP ID"]);
    for record in records {
        let unknown = || "-".to_owned();
        let state = if record.deleted_at.is_some() {
            "deleted"
        } else if record.ok {
            "complete"
        } else {
            "failed"
        };
        let began = record.timestamp.to_string();
        table.row(&[
            format!("{}Z", began.split('.').next().unwrap_or_default()),
            record.dom.0.clone(),
            if record.vmid.is_empty() { unknown() } else { record.vmid.clone() },
            record.mode.map_or("-", CaptureMode::as_str).to_owned(),
            record.pause_ms.map_or_else(unknown, |pause| pause.to_string()),
            record.duration_sec.map_or_else(unknown, |seconds| format!("{seconds:.2} s")),
            record.gzip_size_bytes.map_or_else(unknown, |size| size.to_string()),
            state.to_owned(),
            record.sha256.as_ref().map_or_else(unknown, |hash| hash.chars().take(HASH_CHARS).collect()),
            record.dump_id.as_ref().map_or_else(unknown, ToString::to_string),
        ]);
    }
    table
}
