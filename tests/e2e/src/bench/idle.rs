//! What a server costs that does nothing.

use std::time::Duration;

use gofer_testkit::{Binary, ServerBox};

use crate::measure::{cpu_ticks, memory, millis, now, percentile, written};
use crate::scale::{is_quick, scaled};
use crate::table::Row;

const STARTS: usize = 20;
/// The storage settles its file some time after the last commit, here that of the start; idle begins after that.
const SETTLED: Duration = Duration::from_secs(5);

/// How long nothing happens.
fn long() -> Duration {
    Duration::from_secs(if is_quick() { 1 } else { 60 })
}

/// From the start of the process to the line that says that it is ready.
pub(crate) fn startup() -> Vec<Row> {
    let mut server = ServerBox::start();
    let mut spans = Vec::new();
    for _ in 0..scaled(STARTS) {
        server.stop();
        let begin = now();
        server.start_again();
        spans.push(now() - begin);
    }
    let size = std::fs::metadata(Binary::find().path()).expect("the binary is there").len();
    #[expect(clippy::cast_precision_loss, reason = "a size in mebibytes")]
    let size = size as f64 / f64::from(1 << 20);
    vec![
        Row::at_most("start of the server, p50", millis(percentile(&mut spans, 0.5)), "ms", 100.0),
        Row::at_most("size of the binary", size, "MiB", 40.0),
    ]
}

/// Memory, processor time and writes of a server that has nothing to do.
pub(crate) fn idle() -> Vec<Row> {
    let server = ServerBox::start();
    let pid = server.pid();
    std::thread::park_timeout(SETTLED.min(long()));
    let (ticks, bytes) = (cpu_ticks(pid), written(pid));
    // What is measured is that nothing happens for this long.
    std::thread::park_timeout(long());
    let (memory, _) = memory(pid);
    #[expect(clippy::cast_precision_loss, reason = "a handful of ticks")]
    let busy = (cpu_ticks(pid) - ticks) as f64;
    #[expect(clippy::cast_precision_loss, reason = "a few bytes")]
    let written = (written(pid) - bytes) as f64;
    vec![
        Row::at_most("memory of an idle server", memory, "MiB", 30.0),
        Row::at_most("processor time of an idle server", busy / long().as_secs_f64(), "%", 0.2),
        Row::at_most("bytes written in 60 s by an idle server, once settled", written, "bytes", 0.0),
    ]
}
