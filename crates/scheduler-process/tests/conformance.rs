//! The process scheduler keeps every promise.

mod support;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = gofer_scheduler_process::shim::main_if_shim() {
        return code;
    }
    gofer_scheduler::conformance::main(support::ProcessHarness::new())
}
