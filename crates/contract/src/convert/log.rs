//! The output of tasks.

use gofer_engine::LogPage;
use gofer_logs::{LogEntry, StreamKind};
use gofer_proto::v1;

use super::timestamp;

/// A piece of the combined output.
#[must_use]
pub fn log_page(page: LogPage) -> v1::ReadLogsResponse {
    v1::ReadLogsResponse { entries: page.entries.into_iter().map(entry).collect(), cursor: page.cursor }
}

fn entry(entry: LogEntry) -> v1::LogEntry {
    let stream = match entry.stream {
        StreamKind::Out => v1::LogStream::Out,
        StreamKind::Err => v1::LogStream::Err,
    };
    v1::LogEntry {
        task: entry.task.into(),
        attempt: entry.attempt,
        seq: entry.seq,
        time: Some(timestamp(entry.time)),
        stream: stream.into(),
        data: entry.data.into(),
        partial: entry.partial,
        gap: entry.gap.map(|gap| v1::LogGap { bytes: gap.bytes, cause: gap.cause }),
    }
}
