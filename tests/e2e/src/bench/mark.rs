//! The task that says when it began: this very program, started again by the server.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::measure::now;

/// The argument that makes this program the task.
pub(crate) const FLAG: &str = "--mark";

/// Reads the clock first of all, and appends the reading to a file.
pub(crate) fn write(path: &str) {
    let reading = now().as_nanos();
    let mut file = OpenOptions::new().append(true).open(path).expect("the file for marks is there");
    writeln!(file, "{reading}").expect("a mark can be written");
}

/// All marks so far.
pub(crate) fn read(path: &Path) -> Vec<Duration> {
    let text = std::fs::read_to_string(path).expect("the file for marks is there");
    text.lines().map(|line| Duration::from_nanos(line.parse().expect("a mark is a number"))).collect()
}
