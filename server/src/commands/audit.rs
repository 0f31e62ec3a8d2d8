//! `memdeck audit`: on the catalog of the state directory, beside whoever uses it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use memdeck_catalog::Catalog;
use memdeck_model::audit::{AuditEntry, AuditFilter, AuditLine, AuditQuery, AuditReport};

use super::output::say;
use super::partial_file::PartialFile;
use super::table::Table;
use super::{Exit, Failure, Output};
use crate::catalog_care;
use crate::cli::{AuditCommand, AuditExportArgs, AuditFilterArgs, AuditListArgs};
use crate::config::Config;
use crate::http::AuditParameters;
use crate::http::audit_rows::Form;
use crate::node::StartError;

pub fn run(config: &Config, command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Verify(args) => verify(config, args.json),
        AuditCommand::List(args) => list(config, args),
        AuditCommand::Export(args) => export(config, args),
    }
}

fn verify(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let catalog = open(config)?;
    let witnesses = catalog_care::witnesses(&config.dumps.dir);
    let report = catalog.verify_audit(witnesses).map_err(StartError::from)?;
    let mut output = Output::default();
    if as_json {
        output.json(&report)?;
    } else {
        tell(&report, &mut output)?;
    }
    Ok(if report.intact { Exit::Done } else { Exit::Damaged })
}

fn tell(report: &AuditReport, output: &mut Output) -> Result<(), Failure> {
    output.line(report)?;
    for finding in &report.findings {
        output.line(format_args!("  - {finding}"))?;
    }
    if report.more {
        output.line("  - and more")?;
    }
    if let Some(head) = &report.head {
        output.line(format_args!("  newest  row {}, {}", head.seq, head.hash))?;
    }
    Ok(())
}

fn list(config: &Config, args: &AuditListArgs) -> Result<Exit, Failure> {
    let filter = read(&args.filter)?;
    let catalog = open(config)?;
    let limit = (args.limit > 0).then_some(args.limit);
    let mut output = Output::default();
    let mut table = Table::new(["ROW", "TIME", "WHO", "FROM", "WHAT", "ON", "RESULT", "DETAILS"]);
    each_page(&catalog, &filter, limit, |entries| {
        for entry in entries {
            if args.json {
                output.json(entry)?;
            } else {
                let line = AuditLine::from(entry);
                let time = line.at.to_string();
                let second = time.split('.').next().unwrap_or_default();
                let result = line.result.label().to_owned();
                let (row, time) = (line.seq.to_string(), format!("{second}Z"));
                let AuditLine { actor, address, action, object, details, .. } = line;
                table.row(&[row, time, actor, address, action, object, result, details]);
            }
        }
        Ok(())
    })?;
    if !args.json {
        output.text(table.to_string())?;
    }
    Ok(Exit::Done)
}

fn export(config: &Config, args: &AuditExportArgs) -> Result<Exit, Failure> {
    let filter = read(&args.filter)?;
    let catalog = open(config)?;
    if args.output == Path::new("-") {
        return match write(&catalog, &filter, args.format, &mut io::stdout().lock()) {
            Err(Written::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::ReaderGone),
            written => written.map(|_| Exit::Done).map_err(|error| error.on(Path::new("standard output"))),
        };
    }
    if args.output.symlink_metadata().is_ok() {
        return Err(Written::Output(io::ErrorKind::AlreadyExists.into()).on(&args.output));
    }
    let partial = PartialFile::create(&args.output)?;
    let file = partial.file.try_clone().map_err(|error| Written::Output(error).on(&args.output))?;
    let mut out = BufWriter::<File>::new(file);
    let written = write(&catalog, &filter, args.format, &mut out)
        .and_then(|count| out.flush().map(|()| count).map_err(Written::Output));
    let count = written.map_err(|error| error.on(&args.output))?;
    partial.keep(&args.output)?;
    say(format_args!("wrote {count} entries to {}", args.output.display()));
    Ok(Exit::Done)
}

/// Why nothing more was written.
enum Written {
    Output(io::Error),
    Input(Failure),
}

impl Written {
    fn on(self, path: &Path) -> Failure {
        match self {
            Self::Output(error) => Failure::new(format!("cannot write {}: {error}", path.display())),
            Self::Input(failure) => failure,
        }
    }
}

fn write(catalog: &Catalog, filter: &AuditFilter, form: Form, out: &mut impl Write) -> Result<u64, Written> {
    let unwritable = |error: csv::Error| Written::Input(Failure::new(error.to_string()));
    out.write_all(&form.head().map_err(unwritable)?).map_err(Written::Output)?;
    let mut before = None;
    let mut count = 0;
    loop {
        let query = AuditQuery { filter: filter.clone(), before, limit: AuditQuery::MAX_LIMIT };
        let page =
            catalog.audit_page(&query).map_err(|error| Written::Input(StartError::from(error).into()))?;
        out.write_all(&form.rows(&page.entries).map_err(unwritable)?).map_err(Written::Output)?;
        count += u64::try_from(page.entries.len()).unwrap_or(u64::MAX);
        before = page.next;
        if before.is_none() {
            return Ok(count);
        }
    }
}

fn each_page(
    catalog: &Catalog,
    filter: &AuditFilter,
    limit: Option<usize>,
    mut show: impl FnMut(&[AuditEntry]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (mut before, mut left) = (None, limit.unwrap_or(usize::MAX));
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(AuditQuery::MAX_LIMIT);
        let page = catalog.audit_page(&AuditQuery { filter: filter.clone(), before, limit });
        let page = page.map_err(StartError::from)?;
        show(&page.entries)?;
        left -= page.entries.len().min(left);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(())
}

fn open(config: &Config) -> Result<Catalog, Failure> {
    Ok(Catalog::open_to_read(&config.state_dir).map_err(StartError::from)?)
}

fn read(args: &AuditFilterArgs) -> Result<AuditFilter, Failure> {
    let AuditFilterArgs { from, to, actor, action, guest, dump, result } = args.clone();
    let given = AuditParameters { from, to, actor, action, guest, dump_id: dump, result };
    given.read().map_err(|error| Failure::usage(error.detail().to_string()))
}
