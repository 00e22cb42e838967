//! How long one run takes on an idle server.

use std::time::Duration;

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_proto::v1::{StartRunRequest, WatchRunRequest};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::{connect, register, run_ref};

use crate::mark;
use crate::measure::{millis, now, percentile};
use crate::scale::{is_quick, scaled};
use crate::table::Row;

const ROUNDS: usize = 300;

fn warm_up() -> usize {
    if is_quick() { 1 } else { 20 }
}

/// From the start request to the first instruction of the task's own program.
pub(crate) async fn first_instruction() -> Vec<Row> {
    let server = ServerBox::start();
    let marks = server.world().join("marks");
    std::fs::write(&marks, "").expect("the file for marks can be made");
    let program = std::env::current_exe().expect("the path of this program");
    let client = connect(server.addr()).await;
    register(
        &client,
        &format!(
            "id = \"mark\"\ntask \"mark\" {{\n  command = [{:?}, \"{}\", {:?}]\n}}\n",
            program.display().to_string(),
            mark::FLAG,
            marks.display().to_string()
        ),
    )
    .await;
    let mut starts = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..scaled(ROUNDS) {
        starts.push(now());
        let number = start(&client, "mark").await;
        answers.push(now() - starts[starts.len() - 1]);
        wait(&client, "mark", number).await;
    }
    let mut spans: Vec<Duration> = mark::read(&marks)
        .into_iter()
        .zip(&starts)
        .skip(warm_up())
        .map(|(mark, start)| mark - *start)
        .collect();
    let mut answers = answers.split_off(warm_up());
    vec![
        Row::at_most(
            "start request to first instruction, process, p50",
            millis(percentile(&mut spans, 0.5)),
            "ms",
            5.0,
        ),
        Row::at_most(
            "start request to first instruction, process, p99",
            millis(percentile(&mut spans, 0.99)),
            "ms",
            15.0,
        ),
        Row::plain("start request to durable answer, p50", millis(percentile(&mut answers, 0.5)), "ms"),
        Row::plain("bare spawn of the same program, p50", millis(bare_spawn(&marks)), "ms"),
    ]
}

/// The floor: the same program started without any server.
fn bare_spawn(marks: &std::path::Path) -> Duration {
    let program = std::env::current_exe().expect("the path of this program");
    std::fs::write(marks, "").expect("the file for marks can be emptied");
    let mut starts = Vec::new();
    for _ in 0..scaled(ROUNDS) {
        starts.push(now());
        let status = std::process::Command::new(&program).arg(mark::FLAG).arg(marks).status();
        assert!(status.expect("this program can be started").success());
    }
    let mut spans: Vec<Duration> =
        mark::read(marks).into_iter().zip(&starts).map(|(mark, start)| mark - *start).collect();
    percentile(&mut spans, 0.5)
}

/// Three tasks that do nothing, one after the other.
pub(crate) async fn three_in_sequence() -> Vec<Row> {
    let server = ServerBox::start();
    let client = connect(server.addr()).await;
    register(&client, THREE).await;
    let mut spans = Vec::new();
    for _ in 0..scaled(ROUNDS) {
        let begin = now();
        let number = start(&client, "three").await;
        wait(&client, "three", number).await;
        spans.push(now() - begin);
    }
    let mut spans = spans.split_off(warm_up());
    vec![
        Row::at_most(
            "three no-op tasks in sequence, process, p50",
            millis(percentile(&mut spans, 0.5)),
            "ms",
            12.0,
        ),
        Row::plain("three no-op tasks in sequence, process, p99", millis(percentile(&mut spans, 0.99)), "ms"),
    ]
}

/// Three tasks that do nothing, one after the other.
pub(crate) const THREE: &str = r#"
id = "three"
task "one" { command = ["true"] }
task "two" {
  command    = ["true"]
  depends_on = { one = "successful" }
}
task "three" {
  command    = ["true"]
  depends_on = { two = "successful" }
}
"#;

/// Starts a run and answers its number.
pub(crate) async fn start(client: &Client, pipeline: &str) -> u64 {
    let request = StartRunRequest { pipeline: Some(pipeline_ref(pipeline)), ..StartRunRequest::default() };
    client.start_run(request).await.expect("the run starts").run.expect("the answer holds the run").number
}

/// Waits for the end of a run.
pub(crate) async fn wait(client: &Client, pipeline: &str, number: u64) {
    let request = WatchRunRequest { run: Some(run_ref(pipeline, number)) };
    let mut updates = client.watch_run_once(request).await.expect("the run is watched");
    while let Some(update) = updates.next().await {
        update.expect("the watch goes on");
    }
}
