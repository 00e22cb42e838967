//! Much work of one kind, done by a worker for each processor. A panic of one piece is a finding, and the rest goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, scope};

use crate::findings::Findings;

/// Does the job on each piece; `name` says which piece something was wrong with.
pub fn each<T: Sync>(
    pieces: &[T],
    name: impl Fn(&T) -> String + Sync,
    job: impl Fn(&T) -> Findings + Sync,
) -> Findings {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Findings::default()));
    let work = || {
        while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = guarded(|| job(piece));
            all.lock().expect("no holder panics").add_from(&name(piece), found);
        }
    };
    scope(|scope| {
        for number in 0..processors() {
            let thread = Builder::new().name(format!("worker-{number}"));
            thread.spawn_scoped(scope, work).expect("a thread can be started");
        }
    });
    all.into_inner().expect("no holder panics")
}

/// Does a job; a panic becomes something that is wrong.
pub fn guarded(job: impl FnOnce() -> Findings) -> Findings {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no text");
        let mut findings = Findings::default();
        findings.wrong(format!("the check broke off: {text}"));
        findings
    })
}

/// A runtime for one piece of work.
#[must_use]
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built")
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}
