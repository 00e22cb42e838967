//! How the engine and its backends stand.

use std::time::Duration;

use gofer_backend::BackendError;
use gofer_types::Span;

use crate::Engine;
use crate::api::{BackendStatus, EngineStatus};
use crate::driver::Inner;
use crate::error::Result;

/// How long a backend may take to say how it is.
const CHECK: Duration = Duration::from_secs(5);

impl Inner {
    /// Asks a backend how it is, for a while.
    async fn ask(
        &self,
        mut status: BackendStatus,
        question: impl Future<Output = std::result::Result<(), BackendError>>,
    ) -> BackendStatus {
        let deadline = self.clock.monotonic().saturating_add(CHECK);
        let answer = tokio::select! {
            answer = question => answer.map_err(|error| error.chain()),
            () = self.clock.sleep_until(deadline) => Err(format!("it did not answer within {}", Span::from(CHECK))),
        };
        status.healthy = Some(answer.is_ok());
        status.problem = answer.err().unwrap_or_default();
        status
    }

    async fn backends(&self, check: bool) -> Vec<BackendStatus> {
        let mut backends = Vec::new();
        let storage = storage_status(self);
        backends.push(if check { self.ask(storage, self.storage.check()).await } else { storage });
        for (name, scheduler) in &self.schedulers.named {
            let status = BackendStatus {
                family: "scheduler",
                info: scheduler.info(),
                default: *name == self.schedulers.default,
                capabilities: words(scheduler.capabilities()),
                healthy: None,
                problem: String::new(),
            };
            backends.push(if check { self.ask(status, scheduler.check()).await } else { status });
        }
        let objects = objects_status(self);
        backends.push(if check { self.ask(objects, self.objects.store().check()).await } else { objects });
        backends
    }
}

fn objects_status(inner: &Inner) -> BackendStatus {
    let store = inner.objects.store();
    let can = store.capabilities();
    BackendStatus {
        family: "objects",
        info: store.info(),
        default: true,
        capabilities: chosen(&[(can.durable, "durable"), (can.shared, "shared")]),
        healthy: None,
        problem: String::new(),
    }
}

fn storage_status(inner: &Inner) -> BackendStatus {
    let can = inner.storage.capabilities();
    BackendStatus {
        family: "storage",
        info: inner.storage.info(),
        default: true,
        capabilities: chosen(&[(can.durable, "durable"), (can.shared, "shared")]),
        healthy: None,
        problem: String::new(),
    }
}

fn words(can: gofer_scheduler::Capabilities) -> Vec<&'static str> {
    chosen(&[
        (can.images, "images"),
        (can.cpu_limit, "cpu_limit"),
        (can.memory_limit, "memory_limit"),
        (can.out_of_memory, "out_of_memory"),
        (can.user, "user"),
        (can.sandbox, "sandbox"),
        (can.survives_restart, "survives_restart"),
        (can.files, "files"),
    ])
}

fn chosen(words: &[(bool, &'static str)]) -> Vec<&'static str> {
    words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect()
}

impl Engine {
    /// How the engine stands; with `check`, its backends are asked how they are.
    pub async fn status(&self, check: bool) -> Result<EngineStatus> {
        self.inner.fate.check()?;
        let inner = &self.inner;
        let counts = inner.hall.counts();
        Ok(EngineStatus {
            epoch: inner.epoch,
            uptime: Span::from(inner.clock.monotonic().saturating_sub(inner.since)),
            backends: inner.backends(check).await,
            queued_runs: counts.queued_runs as u64,
            running_runs: counts.running_runs as u64,
            running_tasks: counts.running_tasks as u64,
            max_running_tasks: inner.options.queue.server.running_tasks as u64,
            quarantined_runs: inner.hall.count_set_aside() as u64,
            last_event: inner.events.last(),
        })
    }
}
