//! The suite that every scheduler must pass: one named case per promise.
//!
//! A backend supplies a [`Harness`] and nothing else; the list of cases is this module's. Its `tests/conformance.rs` is
//! `fn main() -> ExitCode { conformance::main(MyHarness::new()) }` with `harness = false`. A case that needs a capability
//! which the backend does not claim is ignored, and says which.
//!
//! The cases of one process share one backend and run at the same time: a case looks only at the ids that it made.

mod archives;
#[cfg(feature = "fake")]
pub(crate) mod defects;
mod end;
mod exec;
mod harness;
mod images;
mod laying;
mod list;
mod logs;
pub mod shell;
mod start;
mod stop;
mod taking;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::Capabilities;
pub use harness::{Harness, Step};
use world::World;

/// How a case ended: the text says which promise is broken, and how.
pub(crate) type Done = Result<(), String>;

/// One promise.
#[derive(Clone, Copy)]
pub struct Case {
    /// The promise, as a sentence.
    pub name: &'static str,
    /// The capability that the case needs and these do not have.
    pub lacks: fn(&Capabilities) -> Option<&'static str>,
    run: fn(World) -> BoxFuture<'static, Done>,
}

/// Names each case after its function: `case!(sentence)` or `case!(sentence, needs capability)`.
macro_rules! case {
    ($run:ident) => {
        $crate::conformance::Case {
            name: stringify!($run),
            lacks: |_| None,
            run: |world| Box::pin($run(world)),
        }
    };
    ($run:ident, needs $capability:ident) => {
        $crate::conformance::Case {
            name: stringify!($run),
            lacks: |can| if can.$capability { None } else { Some(stringify!($capability)) },
            run: |world| Box::pin($run(world)),
        }
    };
    ($run:ident, lacks $lacks:expr) => {
        $crate::conformance::Case {
            name: stringify!($run),
            lacks: $lacks,
            run: |world| Box::pin($run(world)),
        }
    };
}
pub(crate) use case;

impl Case {
    /// Runs the case on a runtime of its own. The error says which promise is broken, and how.
    pub fn run(&self, harness: Arc<dyn Harness>) -> Result<(), String> {
        let run = self.run;
        runtime()?.block_on(async move {
            let world = World::open(harness).await;
            let tidy = world.broom();
            let done = run(world).await;
            tidy.sweep().await;
            done
        })
    }
}

/// Every case.
#[must_use]
pub fn cases() -> Vec<Case> {
    let common = [start::CASES, images::CASES, end::CASES, list::CASES, logs::CASES, stop::CASES];
    [common.concat(), [exec::CASES, laying::CASES, taking::CASES].concat()].concat()
}

/// The cases as trials, each name behind `prefix`: for one binary that runs the suite on more than one harness.
#[must_use]
pub fn trials(prefix: &str, harness: &Arc<dyn Harness>) -> Vec<Trial> {
    let connect = harness.clone();
    let can = match runtime() {
        Ok(runtime) => runtime.block_on(async move { connect.connect().await.capabilities() }),
        Err(error) => return vec![Trial::test("a_runtime_starts", move || Err(Failed::from(error)))],
    };
    let trial = |case: Case| {
        let harness = harness.clone();
        let lacks = (case.lacks)(&can);
        let note = lacks.map_or_else(String::new, |capability| format!(" (lacks {capability})"));
        Trial::test(format!("{prefix}{}{note}", case.name), move || case.run(harness).map_err(Failed::from))
            .with_ignored_flag(lacks.is_some())
    };
    cases().into_iter().map(trial).collect()
}

/// Runs the suite as the main function of a test binary.
#[must_use]
pub fn main(harness: impl Harness) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials("", &(Arc::new(harness) as Arc<dyn Harness>)))
        .exit_code()
}

/// How the suite ended, in cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Promises that were kept.
    pub kept: u64,
    /// Promises that were broken.
    pub broken: u64,
    /// Promises that the backend does not make.
    pub ignored: u64,
}

/// Runs the cases whose names contain `filter` from within a program: each is named on standard output, with how it ended.
/// It blocks, and must not be called on a thread of a runtime.
#[must_use]
pub fn check(harness: &Arc<dyn Harness>, filter: Option<String>) -> Outcome {
    let arguments = Arguments { filter, ..Arguments::default() };
    let end = libtest_mimic::run(&arguments, trials("", harness));
    Outcome { kept: end.num_passed, broken: end.num_failed, ignored: end.num_ignored }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))
}
