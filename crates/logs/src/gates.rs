//! Blocking work, off the async threads and never too much at once.
//!
//! A simulation has one thread and no other: there the work is done in place, at the same points of waiting.
//!
//! Writers, readers and upkeep each have a gate of their own, so that ten thousand readers on a slow disk do not hold up
//! a task that prints.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::error::LogError;

const WRITERS: u32 = 8;
const READERS: u32 = 8;
const UPKEEP: u32 = 2;

/// The gates of one store.
#[derive(Debug, Clone)]
pub(crate) struct Gates {
    pub(crate) writers: Gate,
    pub(crate) readers: Gate,
    pub(crate) upkeep: Gate,
}

impl Gates {
    pub(crate) fn new(threads: Threads) -> Self {
        let gate = |width| Gate { passes: Arc::new(Semaphore::new(width as usize)), width, threads };
        Self { writers: gate(WRITERS), readers: gate(READERS), upkeep: gate(UPKEEP) }
    }

    /// Waits until no work is under way.
    pub(crate) async fn idle(&self) {
        for gate in [&self.writers, &self.readers, &self.upkeep] {
            gate.idle().await;
        }
    }
}

/// Where blocking work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// On threads for that.
    Blocking,
    /// Where it is asked for.
    #[cfg(feature = "fake")]
    None,
}

/// Lets so many pieces of blocking work run at once; the others wait in order.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    passes: Arc<Semaphore>,
    width: u32,
    threads: Threads,
}

impl Gate {
    /// Waits until no work is under way.
    async fn idle(&self) {
        drop(self.passes.acquire_many(self.width).await);
    }

    /// Runs blocking work. Dropped while waiting, the work does not begin; dropped later, it goes on to its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let pass = Arc::clone(&self.passes).acquire_owned().await.map_err(|_| LogError::Stopped)?;
        let job = move || {
            let _pass = pass;
            work()
        };
        match self.threads {
            Threads::Blocking => tokio::task::spawn_blocking(job).await.unwrap_or(Err(LogError::Stopped)),
            #[cfg(feature = "fake")]
            Threads::None => {
                tokio::task::yield_now().await;
                job()
            }
        }
    }
}

/// Locks what is never left half changed, so that a panic elsewhere does not matter.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
