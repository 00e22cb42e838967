//! The one binary: the shim of a task, or a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A task's shim is this same program. It must come first: before threads, before anything reads the arguments.
    if let Some(code) = gofer_cli::shim_main() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(gofer_cli::run(std::env::args_os())),
        // There is nothing to write with yet, and nothing that could be said better than by this code.
        Err(_) => ExitCode::FAILURE,
    }
}
