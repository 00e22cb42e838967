//! Reading clocks and processes.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The machine's monotonic clock, which processes of one machine share.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// The value below which this share of the samples lies.
pub(crate) fn percentile(samples: &mut [Duration], share: f64) -> Duration {
    assert!(!samples.is_empty(), "nothing was measured");
    samples.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few thousand samples"
    )]
    let index = ((samples.len() - 1) as f64 * share).round() as usize;
    samples[index]
}

/// Milliseconds with a fraction.
pub(crate) fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Resident memory of a process now, and its peak, in MiB.
pub(crate) fn memory(pid: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells memory");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
        kib / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Lets the peak of this process begin anew.
pub(crate) fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("the kernel forgets the peak");
}

/// Processor time that a process has used, in ticks of 10 ms.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(')').expect("the name ends with a bracket");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let tick = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    tick(11) + tick(12)
}

/// Bytes that a process has caused to be written to disk.
pub(crate) fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("the process runs");
    let line = io.lines().find(|line| line.starts_with("write_bytes:")).expect("the kernel tells writes");
    line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default()
}
