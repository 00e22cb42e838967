//! The clock of a real server. Besides it only the process scheduler and the command line read the machine's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gofer_backend::Clock;
use gofer_types::{BootTime, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
    /// What tells the boot of this machine from others.
    boot: Option<u64>,
}

/// Where Linux tells the number of its boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The first half of the number of this boot.
fn boot() -> Option<u64> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).ok()
}

impl SystemClock {
    /// A clock whose monotonic reading begins now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "this type is what everybody else is told to use, and two of it are not the same"
    )]
    pub fn new() -> Self {
        Self { origin: Instant::now(), boot: boot() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this type is what everybody else is told to use")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    fn since_boot(&self) -> Option<BootTime> {
        let read = clock_gettime(ClockId::Monotonic);
        let since = Duration::new(u64::try_from(read.tv_sec).ok()?, u32::try_from(read.tv_nsec).ok()?);
        Some(BootTime::new(self.boot?, since))
    }

    async fn sleep_until(&self, deadline: Duration) {
        match self.origin.checked_add(deadline) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            // A deadline beyond what the machine can count to never comes.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_of_one_boot_read_one_clock() {
        let (before, behind) = (SystemClock::new().since_boot(), SystemClock::new().since_boot());
        let (before, behind) = (before.expect("Linux tells its boot"), behind.expect("Linux tells its boot"));
        let passed = behind.since(before).expect("it is the same boot");
        assert!(passed < Duration::from_secs(60), "{passed:?}");
        assert_eq!(before.since(behind), Some(Duration::ZERO));
    }
}
