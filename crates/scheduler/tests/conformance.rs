//! The fake keeps every promise: once with all capabilities, once with none.

mod support;

use std::process::ExitCode;
use std::sync::Arc;

use gofer_scheduler::conformance::{Harness, trials};
use libtest_mimic::Arguments;
use support::FakeHarness;

fn main() -> ExitCode {
    let [able, bare] = [false, true].map(|bare| Arc::new(FakeHarness::new(None, bare)) as Arc<dyn Harness>);
    let all = [trials("able::", &able), trials("bare::", &bare)].into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), all).exit_code()
}
