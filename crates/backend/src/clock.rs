//! Time, handed in.
//!
//! Wall time is for people; spans and deadlines use the monotonic reading. A simulation hands in a clock of its own.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use gofer_types::{BootTime, Moment, Timestamp};

/// A source of time.
#[async_trait]
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall time now. May jump in either direction.
    fn now(&self) -> Timestamp;

    /// A reading that never goes backwards, from an origin that stays the same while this clock lives.
    fn monotonic(&self) -> Duration;

    /// The reading of the machine's clock since its boot, by which spans are measured that outlive a process. `None` where there is
    /// no such clock, or where its boots cannot be told apart.
    fn since_boot(&self) -> Option<BootTime> {
        None
    }

    /// Now, on both clocks that outlive a process.
    fn moment(&self) -> Moment {
        Moment { wall: self.now(), boot: self.since_boot() }
    }

    /// Returns when [`Clock::monotonic`] has reached `deadline`; at once if it already has.
    ///
    /// Dropping the future ends the waiting and nothing else.
    async fn sleep_until(&self, deadline: Duration);
}
