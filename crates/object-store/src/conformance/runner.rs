//! The list of cases, and how they become the tests of a binary.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::expect::{Failure, Outcome};
use super::harness::{Harness, World};
use super::{durability, gets, keys, life, limits, lists, process, puts, races};
use crate::Capabilities;

/// What a backend must have for a case to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// [`Capabilities::durable`].
    Durable,
    /// Not [`Capabilities::shared`].
    Exclusive,
    /// [`Harness::on_disk`].
    Disk,
    /// [`Harness::small`], or a disk that the suite may fill.
    SmallDisk,
}

/// How a case ended.
pub(super) type Ending = Outcome<Option<&'static str>>;

/// One promise.
#[derive(Clone, Copy)]
pub struct Case {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) run: fn(World) -> BoxFuture<'static, Ending>,
}

/// Builds the list of a module: what is needed, the promise, the function that tests it.
macro_rules! list {
    ($($need:ident $name:literal => $case:ident;)+) => {
        pub(super) const CASES: &[$crate::conformance::runner::Case] = &[$(
            $crate::conformance::runner::Case {
                name: $name,
                need: $crate::conformance::runner::Need::$need,
                run: |world| Box::pin(async move { $case(world).await.map(|()| None) }),
            },
        )+];
    };
}

pub(super) use list;

impl Case {
    /// The promise, as a sentence.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why this case makes no sense for a backend; `None` if it does.
    #[must_use]
    pub fn ignored(&self, harness: &dyn Harness) -> Option<&'static str> {
        let Capabilities { durable, shared } = harness.capabilities();
        let missing = |has: bool, reason| (!has).then_some(reason);
        match self.need {
            Need::Nothing | Need::SmallDisk => None,
            Need::Durable => missing(durable, "the object store is not durable"),
            Need::Exclusive => missing(!shared, "several servers may share the object store"),
            Need::Disk => missing(harness.on_disk(), "no other process can open the place"),
        }
    }

    /// Runs it in a place of its own, on the runtime of the caller. `Ok(Some(reason))`: it turned out to make no sense here.
    pub async fn run(&self, harness: Arc<dyn Harness>) -> Outcome<Option<&'static str>> {
        (self.run)(World::new(harness)?).await
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let lists = [
        puts::CASES,
        keys::CASES,
        limits::CASES,
        gets::CASES,
        lists::CASES,
        races::CASES,
        durability::CASES,
        life::CASES,
        process::CASES,
    ];
    lists.concat()
}

/// The main function of a backend's test binary.
pub fn main(harness: impl Harness) -> ExitCode {
    let harness: Arc<dyn Harness> = Arc::new(harness);
    if let Some(code) = process::child(&harness) {
        return code;
    }
    let trials = cases().into_iter().map(|case| trial(case, &harness)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(case: Case, harness: &Arc<dyn Harness>) -> Trial {
    let ignored = case.ignored(&**harness);
    let harness = Arc::clone(harness);
    let run = move || {
        if let Some(reason) = ignored {
            return Ok(Completion::ignored_with(reason));
        }
        let ending = runtime().and_then(|runtime| runtime.block_on(case.run(harness)));
        match ending {
            Ok(None) => Ok(Completion::Completed),
            Ok(Some(reason)) => Ok(Completion::ignored_with(reason)),
            Err(failure) => Err(Failed::from(failure)),
        }
    };
    Trial::ignorable_test(case.name, run).with_ignored_flag(ignored.is_some())
}

/// A runtime as a server has it.
pub(super) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().map_err(Failure::from)
}
