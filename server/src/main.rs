//! The `memdeck` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    memdeck::commands::run(&memdeck::cli::Invocation::from_command_line())
}
