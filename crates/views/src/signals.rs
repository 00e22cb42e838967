//! The signals that ask a command to stop: who listens for which. What one means is decided by who listens, not here.

use futures_util::future::select_all;
use gofer_output::error::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask to stop, from now on. One that comes while nobody asks is kept. Must be made within a tokio runtime.
pub struct Stops(Vec<Signal>);

impl Stops {
    /// Ctrl-C only: all others may end what merely follows.
    pub fn of_follower() -> Result<Self, Failure> {
        Self::listen(&[SignalKind::interrupt()])
    }

    /// Ctrl-C, SIGTERM and the end of the terminal: what owns a run must end it first.
    pub fn of_owner() -> Result<Self, Failure> {
        let all = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Self::listen(if hang_up_is_ignored() { &all[..2] } else { &all })
    }

    fn listen(kinds: &[SignalKind]) -> Result<Self, Failure> {
        let signals: Result<_, _> = kinds.iter().map(|kind| signal(*kind)).collect();
        signals.map(Self).map_err(|cause| Failure::internal("cannot listen for signals").because(&cause))
    }

    /// Resolves with the next of them.
    pub async fn next(&mut self) {
        select_all(self.0.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
    }
}

/// Whether this process was started to outlive its terminal, as `nohup` does it. Listening would undo that.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
