//! The Docker scheduler keeps every promise, on a real engine.

mod support;

use std::process::ExitCode;
use std::sync::Arc;

use gofer_scheduler::conformance::{Harness, cases, trials};
use gofer_scheduler_docker::harness::DockerHarness;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match support::engine() {
        Ok(socket) => on_engine(&arguments, &socket),
        Err(reason) => {
            let ignored = cases().into_iter().map(|case| {
                Trial::test(format!("{} ({reason})", case.name), || Ok(())).with_ignored_flag(true)
            });
            libtest_mimic::run(&arguments, ignored.collect()).exit_code()
        }
    }
}

fn on_engine(arguments: &Arguments, socket: &str) -> ExitCode {
    let root = tempfile::tempdir().expect("a folder");
    let config = support::config(socket);
    let opened = support::block_on(DockerHarness::new(config, support::IMAGE, root.path().to_owned()));
    let harness = Arc::new(opened.unwrap_or_else(|fault| panic!("{}", fault.chain())));
    let all = trials("", &(Arc::clone(&harness) as Arc<dyn Harness>));
    let conclusion = libtest_mimic::run(arguments, all);
    if let Err(fault) = support::block_on(harness.tidy()) {
        eprintln!("something is left at the engine: {}", fault.chain());
    }
    conclusion.exit_code()
}
