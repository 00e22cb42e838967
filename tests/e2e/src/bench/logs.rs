//! How much output of one task the server takes in, and what memory that costs.

use futures_util::StreamExt;
use gofer_proto::v1::ReadLogsRequest;
use gofer_testkit::ServerBox;
use gofer_tests_e2e::{connect, register, run_ref};

use crate::latency::{start, wait};
use crate::measure::{memory, now};
use crate::scale::is_quick;
use crate::table::Row;

const LINE: &str = "2026-01-01T00:00:00Z INFO a line of ordinary length, as programs print them all day long";

/// One task that prints as fast as it can.
pub(crate) async fn intake() -> Vec<Row> {
    let mib: u64 = if is_quick() { 1 } else { 1024 };
    let server = ServerBox::builder()
        .config("[logs]\nmax_bytes_per_task = \"4GiB\"\n[scheduler.process]\nmax_log = \"4GiB\"\n")
        .start();
    let client = connect(server.addr()).await;
    let script = format!("yes '{LINE}' | head -c {}", mib << 20);
    register(&client, &format!("id = \"flood\"\ntask \"flood\" {{\n  script = {script:?}\n}}\n")).await;
    let (idle, _) = memory(server.pid());
    let begin = now();
    let number = start(&client, "flood").await;
    wait(&client, "flood", number).await;
    // A follower that wants only the end returns once everything is stored.
    let request = ReadLogsRequest {
        run: Some(run_ref("flood", number)),
        tail: Some(1),
        follow: true,
        ..ReadLogsRequest::default()
    };
    let mut pages = client.read_logs(request).await.expect("the log is read");
    while let Some(page) = pages.next().await {
        page.expect("the log goes on");
    }
    let span = (now() - begin).as_secs_f64();
    let (_, peak) = memory(server.pid());
    #[expect(clippy::cast_precision_loss, reason = "a number of mebibytes")]
    let rate = mib as f64 * 1.048_576 / span;
    vec![
        Row::at_least("log intake from one task", rate, "MB/s", 200.0),
        Row::at_most("peak memory of the server meanwhile", peak, "MiB", 64.0),
        Row::plain("memory of the server before", idle, "MiB"),
    ]
}
