//! `memdeck doctor`

use std::sync::Arc;

use memdeck_catalog::holder_of;
use memdeck_machine::Depth;
use memdeck_model::telemetry::CheckState;
use memdeck_operations::blocking;

use super::table::printable;
use super::{Exit, Failure, Output, own_service};
use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::doctor::{self, Check, OwnService, Report};
use crate::node;

pub async fn run(config: &Config, args: &DoctorArgs) -> Result<Exit, Failure> {
    let hypervisor = node::hypervisor(&config.libvirt, &config.dumps);
    let repaired = if args.repair {
        let (config, hypervisor) = (config.clone(), Arc::clone(&hypervisor));
        blocking(move || doctor::repair(&config, hypervisor.as_ref())).await?
    } else {
        Vec::new()
    };
    let depth = if args.deep { Depth::Whole } else { Depth::Sampled };
    let service = holder_of(&config.state_dir).map(|holder| {
        let client = own_service::client(config, &holder).transpose();
        OwnService { client: client.map_err(|failure| failure.message().to_owned()), holder }
    });
    let report = Report { repaired, ..doctor::examine(config, &hypervisor, service, depth).await };
    let mut output = Output::default();
    if args.json {
        output.json(&report)?;
    } else {
        print(&report, &mut output)?;
    }
    Ok(if report.healthy { Exit::Done } else { Exit::Failed })
}

fn print(report: &Report, output: &mut Output) -> Result<(), Failure> {
    for done in &report.repaired {
        output.line(format_args!("repaired  {}", printable(done)))?;
    }
    for Check { name, state, finding, remedy } in &report.checks {
        let state = match state {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Failed => "FAILED",
            CheckState::Off => "-",
        };
        output.line(format_args!("{state:<8}  {name:<18} {}", printable(finding)))?;
        if let Some(remedy) = remedy {
            output.line(format_args!("{:<8}  {:<18} {}", "", "", printable(remedy)))?;
        }
    }
    let failed = report.checks.iter().filter(|check| check.state == CheckState::Failed).count();
    let warned = report.checks.iter().filter(|check| check.state == CheckState::Warning).count();
    output.line(format_args!("{failed} checks failed, {warned} warn."))
}
