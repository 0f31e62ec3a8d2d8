//! `memdeck verify --chain`: every manifest of a directory against the others, and against the end that this host keeps.

use std::path::Path;

use memdeck_image::{ImageStore, StoredDump, signature_of_stored};
use memdeck_signing::{ChainFinding, ChainReport, ChainedDump, HostChain, KnownKeys, check_links};
use serde::Serialize;

use super::keys::Believed;
use crate::commands::{Exit, Failure, Output, with_causes};
use crate::config::Config;
use crate::ownership;

/// The report as JSON.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a ChainReport,
    /// Why the end of this host's chain is not known.
    end_problem: Option<&'a str>,
    /// Why no key is believed.
    key_problem: Option<&'a str>,
}

pub fn check(config: &Config, dir: &Path, believed: &Believed, as_json: bool) -> Result<Exit, Failure> {
    if !dir.is_dir() {
        return Err(Failure::new(format!("{} is no directory", dir.display())));
    }
    let store = ImageStore::open(dir).map_err(|error| Failure::new(with_causes(&error)))?;
    let stored = store.manifests().map_err(|error| Failure::new(with_causes(&error)))?;
    let dumps: Vec<ChainedDump> =
        stored.dumps.into_iter().map(|dump| chained(dump, &believed.keys)).collect();
    let (end, end_problem) = match end(config) {
        Ok(end) => (end, None),
        Err(why) => (None, Some(why)),
    };
    // Only of its own directory does a state directory know which dumps there must be.
    let end = end.filter(|end| dumps.iter().any(|dump| is_of(dump, end)) || is_own(config, store.dir()));
    let mut report = check_links(&dumps, end.as_ref(), &believed.keys);
    let unusable = stored.unusable.into_iter();
    report.findings.extend(unusable.map(|(path, reason)| ChainFinding::Unusable { path, reason }));
    report.whole = report.findings.is_empty();
    let mut output = Output::default();
    if as_json {
        let (end_problem, key_problem) = (end_problem.as_deref(), believed.problem.as_deref());
        output.json(&Told { report: &report, end_problem, key_problem })?;
    } else {
        output.text(told(store.dir(), &report, end_problem.as_deref(), believed.problem.as_deref()))?;
    }
    Ok(if report.whole { Exit::Done } else { Exit::Damaged })
}

fn chained(dump: StoredDump, keys: &KnownKeys) -> ChainedDump {
    let signature = signature_of_stored(&dump, keys);
    ChainedDump {
        manifest: dump.manifest_path(),
        sha256: dump.manifest_sha256,
        place: dump.manifest.host_chain,
        signature,
    }
}

/// How far the chain of this host is.
fn end(config: &Config) -> Result<Option<HostChain>, String> {
    ownership::check_directory(&config.state_dir).map_err(|error| with_causes(&error))?;
    HostChain::read(&config.state_dir).map_err(|error| with_causes(&error))
}

fn is_of(dump: &ChainedDump, end: &HostChain) -> bool {
    dump.place.as_ref().is_some_and(|place| place.id == end.id)
}

fn is_own(config: &Config, dir: &Path) -> bool {
    let own = config.dumps.dir.canonicalize();
    own.is_ok_and(|own| dir.canonicalize().is_ok_and(|dir| dir == own))
}

fn told(dir: &Path, report: &ChainReport, end_problem: Option<&str>, key_problem: Option<&str>) -> String {
    let verdict = match (report.whole, report.chains.is_empty()) {
        (true, true) => "there is no chain",
        (true, false) => "whole",
        (false, _) => "broken",
    };
    let mut lines = vec![format!("{}: {verdict}", dir.display())];
    lines.extend(report.findings.iter().map(|finding| format!("  - {finding}")));
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<11}  {value}"));
    for chain in &report.chains {
        let end = if chain.end_is_known { "" } else { "; newer ones would not be missed" };
        line(
            "chain",
            format!(
                "{}, {} manifests, numbers {} to {}{end}",
                chain.id, chain.dumps, chain.first, chain.last
            ),
        );
        line("newest", format!("number {}, manifest SHA-256 {}", chain.last, chain.newest_sha256));
    }
    line(
        "manifests",
        format!("{}, {} of them signed by a key that is believed", report.dumps, report.signed),
    );
    if report.unchained > 0 {
        line("no place", format!("{} manifests are in no chain", report.unchained));
    }
    if let Some(why) = end_problem {
        line("end", format!("whether newer dumps are missing was not checked ({why})"));
    }
    if let Some(why) = key_problem {
        line("keys", format!("no key is believed, so signatures were not checked ({why})"));
    }
    lines.push(String::new());
    lines.join("\n")
}
