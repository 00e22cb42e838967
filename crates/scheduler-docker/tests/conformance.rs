//! The Docker scheduler keeps every promise, on a real engine.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a suite that cannot be set up has failed, and says why"
)]

#[path = "support/empty_registry.rs"]
mod empty_registry;
#[path = "support/shared.rs"]
mod shared;
mod support;

use std::process::ExitCode;
use std::sync::Arc;

use gofer_scheduler::conformance::{Harness, cases, trials};
use gofer_scheduler_docker::harness::DockerHarness;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match shared::engine() {
        Ok((socket, image)) => on_engine(&arguments, &socket, image),
        Err(reason) => {
            let ignored = cases().into_iter().map(|case| {
                Trial::test(format!("{} ({reason})", case.name), || Ok(())).with_ignored_flag(true)
            });
            libtest_mimic::run(&arguments, ignored.collect()).exit_code()
        }
    }
}

fn on_engine(arguments: &Arguments, socket: &str, image: &str) -> ExitCode {
    let root = tempfile::tempdir().expect("a folder");
    let config = support::config(socket);
    let opened = support::block_on(DockerHarness::new(config, image, root.path().to_owned()));
    let registry = empty_registry::EmptyRegistry::start();
    let harness = opened.unwrap_or_else(|fault| panic!("{}", fault.chain()));
    let harness = Arc::new(harness.with_missing_image(registry.image("missing:1")));
    let all = trials("", &(Arc::clone(&harness) as Arc<dyn Harness>));
    let conclusion = libtest_mimic::run(arguments, all);
    if let Err(fault) = support::block_on(harness.tidy()) {
        eprintln!("something is left at the engine: {}", fault.chain());
    }
    conclusion.exit_code()
}
