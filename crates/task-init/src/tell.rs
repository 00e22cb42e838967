//! Writes the record to standard error.
//!
//! Nobody else writes there any more, so a record that fits is written in one piece. A reader that is gone or stands still
//! must not keep the container for ever: an engine that is being replaced is waited for, and then the record is given up.

use std::io::stderr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, write as write_to};

/// How long a reader may stand still.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a write is begun: more often than a record has bytes.
const MOST: usize = 1024;

/// Writes all of it, or as much as can be written.
pub(crate) fn write(mut bytes: &[u8]) {
    for _ in 0..MOST {
        if bytes.is_empty() || !is_ready() {
            return;
        }
        match write_to(stderr(), bytes) {
            Ok(0) => return,
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

/// Waits until something can be written, or an error is certain.
fn is_ready() -> bool {
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let stderr = stderr();
    let mut files = [PollFd::new(&stderr, PollFlags::OUT)];
    loop {
        match poll(&mut files, Some(&patience)) {
            // Interrupted, which no signal does while all are blocked; a debugger may.
            Err(Errno::INTR) => {}
            answer => return answer.is_ok_and(|ready| ready > 0),
        }
    }
}
