//! The script of faults: which operation fails at which call, and how.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gofer_backend::{BackendError, Clock, ErrorKind, Result};
use tokio::sync::watch;

/// What a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`Storage::check`](crate::Storage::check).
    Check,
    /// [`Storage::get`](crate::Storage::get).
    Get,
    /// [`Storage::scan`](crate::Storage::scan).
    Scan,
    /// [`Storage::commit`](crate::Storage::commit), before it has had any effect.
    Commit,
    /// The sync of a commit; only the fake has it. An error makes the storage fail-stop.
    Sync,
    /// The answer of a commit that is on disk.
    Answer,
    /// [`Storage::close`](crate::Storage::close).
    Close,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The operation answers an error of that kind. On [`Operation::Answer`] the effect stays.
    Error(ErrorKind),
    /// The operation waits until the gate is opened, and then goes on.
    Wait(Gate),
    /// The operation takes that much longer, by that clock.
    Delay(Arc<dyn Clock>, Duration),
}

/// A gate that is shut until it is opened, for good.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Inner { open: watch::Sender::new(false), waiting: watch::Sender::new(0) }))
    }
}

impl Gate {
    /// Lets everybody through, from now on.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Returns once somebody has come to the gate.
    pub async fn reached(&self) {
        let mut waiting = self.0.waiting.subscribe();
        // cannot fail: this gate holds the sender
        let _ = waiting.wait_for(|count| *count > 0).await;
    }

    /// Returns once the gate is open.
    pub async fn pass(&self) {
        self.0.waiting.send_modify(|count| *count += 1);
        let mut open = self.0.open.subscribe();
        let _ = open.wait_for(|open| *open).await;
    }
}

/// Faults by operation and number of the call, the first call being 1. Clones share their counters.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    calls: HashMap<Operation, u64>,
    faults: HashMap<(Operation, u64), Fault>,
    from: HashMap<Operation, (u64, Fault)>,
}

impl FaultPlan {
    /// A plan without faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Strikes the n-th call of an operation.
    #[must_use]
    pub fn on(self, operation: Operation, nth: u64, fault: Fault) -> Self {
        self.with(|script| script.faults.insert((operation, nth), fault));
        self
    }

    /// Strikes every call of an operation from the n-th on.
    #[must_use]
    pub fn from(self, operation: Operation, nth: u64, fault: Fault) -> Self {
        self.with(|script| script.from.insert(operation, (nth, fault)));
        self
    }

    /// Strikes the next call of an operation.
    pub fn next(&self, operation: Operation, fault: Fault) {
        self.with(|script| {
            let nth = script.calls.get(&operation).copied().unwrap_or(0) + 1;
            script.faults.insert((operation, nth), fault);
        });
    }

    /// Forgets all faults that have not struck yet.
    pub fn clear(&self) {
        self.with(|script| {
            script.faults.clear();
            script.from.clear();
        });
    }

    /// How often an operation was called.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.with(|script| script.calls.get(&operation).copied().unwrap_or(0))
    }

    /// Counts a call, and waits or fails as the plan says.
    pub async fn strike(&self, operation: Operation) -> Result<()> {
        match self.due(operation) {
            None => Ok(()),
            Some(Fault::Error(kind)) => Err(BackendError::new(kind, "the plan of faults says so")),
            Some(Fault::Wait(gate)) => {
                gate.pass().await;
                Ok(())
            }
            Some(Fault::Delay(clock, span)) => {
                clock.sleep_until(clock.monotonic() + span).await;
                Ok(())
            }
        }
    }

    fn due(&self, operation: Operation) -> Option<Fault> {
        self.with(|script| {
            let calls = script.calls.entry(operation).or_default();
            *calls += 1;
            let once = script.faults.remove(&(operation, *calls));
            let lasting = script.from.get(&operation).filter(|(nth, _)| nth <= calls);
            once.or_else(|| lasting.map(|(_, fault)| fault.clone()))
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
