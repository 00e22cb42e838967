//! The process scheduler keeps every promise.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::process::ExitCode;

use gofer_scheduler_process::ProcessConfig;
use gofer_scheduler_process::harness::ProcessHarness;

fn main() -> ExitCode {
    if let Some(code) = gofer_scheduler_process::shim::main_if_shim() {
        return code;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = ProcessConfig { root: folder.path().join("root"), ..ProcessConfig::default() };
    gofer_scheduler::conformance::main(ProcessHarness::new(config).unwrap())
}
