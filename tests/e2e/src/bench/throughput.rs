//! Many runs at once, and taking them up again after a crash.

use std::sync::Arc;

use gofer_client::Client;
use gofer_proto::v1::GetStatusRequest;
use gofer_testkit::ServerBox;
use gofer_tests_e2e::{connect, register};
use tokio::sync::Semaphore;

use crate::latency::{start, wait};
use crate::measure::{memory, now};
use crate::scale::scaled;
use crate::table::Row;

const RUNS: usize = 5_000;
const UNFINISHED: usize = 10_000;
const REQUESTS_AT_ONCE: usize = 64;

/// Starts so many runs, 64 at once, and answers their numbers once all are durable.
pub(crate) async fn submit(client: &Client, pipeline: &'static str, runs: usize) -> Vec<u64> {
    let slots = Arc::new(Semaphore::new(REQUESTS_AT_ONCE));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..runs {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let client = client.clone();
        requests.spawn(async move {
            let number = start(&client, pipeline).await;
            drop(slot);
            number
        });
    }
    requests.join_all().await
}

/// One-task runs, submitted as fast as the server takes them.
pub(crate) async fn five_thousand_runs() -> Vec<Row> {
    let server = ServerBox::start();
    let client = connect(server.addr()).await;
    register(&client, "id = \"one\"\ntask \"one\" {\n  command = [\"true\"]\n}\n").await;
    let begin = now();
    let numbers = submit(&client, "one", scaled(RUNS)).await;
    let submitted = now() - begin;
    for number in numbers {
        wait(&client, "one", number).await;
    }
    let done = now() - begin;
    let (_, peak) = memory(server.pid());
    vec![
        Row::at_most("5,000 one-task runs, process, all done", done.as_secs_f64(), "s", 30.0),
        Row::plain("5,000 one-task runs, all acknowledged", submitted.as_secs_f64(), "s"),
        Row::plain("peak memory of the server meanwhile", peak, "MiB"),
    ]
}

/// A server that is killed with many unfinished runs, and started again.
pub(crate) async fn recovery() -> Vec<Row> {
    let mut server =
        ServerBox::builder().config("[limits]\nmax_running_tasks = 4\nmax_queued_runs = 20000\n").start();
    let client = connect(server.addr()).await;
    register(&client, "id = \"long\"\ntask \"long\" {\n  command = [\"sleep\", \"300\"]\n}\n").await;
    let unfinished = scaled(UNFINISHED);
    submit(&client, "long", unfinished).await;
    server.kill9();
    let begin = now();
    server.start_again();
    let ready = now() - begin;
    let client = connect(server.addr()).await;
    let status = client.get_status(GetStatusRequest { check: false }).await.expect("the server answers");
    assert_eq!(status.queued_runs + status.running_runs, unfinished as u64, "every run is there again");
    vec![Row::at_most("recovery with 10,000 unfinished runs", ready.as_secs_f64(), "s", 2.0)]
}
