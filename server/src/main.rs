//! The `memdeck` program.

use std::io::Write as _;

fn main() {
    let code = memdeck::commands::run(&memdeck::cli::Invocation::from_command_line());
    let _ = std::io::stdout().flush();
    // A call into libvirt that hangs has a thread that cannot be ended. An ordinary exit would take libvirt's memory
    // from under it and could end in SIGABRT instead of our code; nothing of ours waits for an exit handler.
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(code.into()) }
}
