//! A hundred thousand runs that wait in one line, asked about and cancelled through the API.

use std::sync::Arc;
use std::time::Duration;

use gofer_client::Client;
use gofer_proto::v1::{CancelRunRequest, ExplainRunRequest, GetStatusRequest, ListRunsRequest};
use gofer_testkit::{ServerBox, wait_for};
use gofer_tests_e2e::{connect, register, run_ref};
use tokio::sync::Semaphore;

use crate::asking::{Dice, asked, page, rows, walk};
use crate::latency::start;
use crate::measure::{memory, millis, now, percentile};
use crate::scale::scaled;
use crate::table::Row;
use crate::throughput::submit;

const AT_ONCE: usize = 64;
const TIMES: usize = 300;
const WAITING: usize = 100_000;

/// One run that hangs, and all others behind it.
pub(crate) async fn hundred_thousand_runs() -> Vec<Row> {
    let waiting = scaled(WAITING);
    let server = ServerBox::builder().config("[limits]\nmax_queued_runs = 200000\n").start();
    let client = connect(server.addr()).await;
    let text = "id = \"line\"\nparallelism = 1\ntask \"t\" {\n  command = [\"sleep\", \"3600\"]\n}\n";
    register(&client, text).await;
    let (idle, _) = memory(server.pid());
    start(&client, "line").await;
    let begin = now();
    submit(&client, "line", waiting).await;
    let submitted = now() - begin;
    let status = client.get_status(GetStatusRequest { check: false }).await.expect("the server answers");
    assert_eq!(status.queued_runs, waiting as u64, "every run waits");
    let (full, _) = memory(server.pid());
    let mut table = vec![
        Row::plain("100,000 queued runs, all acknowledged", submitted.as_secs_f64(), "s"),
        Row::plain("100,000 queued runs, memory of the server before", idle, "MiB"),
        Row::plain("100,000 queued runs, memory of the server", full, "MiB"),
    ];
    table.extend(lists(&client).await);
    table.extend(explanations(&client, waiting as u64).await);
    table.extend(cancels(&client, waiting as u64).await);
    table.push(Row::plain("100,000 queued runs, peak memory of the server", memory(server.pid()).1, "MiB"));
    table
}

async fn lists(client: &Client) -> Vec<Row> {
    let mut table = Vec::new();
    let every = ListRunsRequest::default();
    let active = ListRunsRequest { active: true, ..every.clone() };
    let of = ListRunsRequest { pipeline: "line".to_owned(), ..active.clone() };
    for (name, request) in [("all runs", every), ("active runs", active), ("active runs of a pipeline", of)] {
        let (pages, mut tokens, _) = walk(client, &request).await;
        tokens.push(String::new());
        table.extend(rows(&format!("100,000 queued, {name}, pages of 1,000 to the last"), pages));
        let mut dice = Dice::new();
        let any = asked(scaled(TIMES), async || {
            page(client, &request, (30, &tokens[dice.below(tokens.len())])).await;
        });
        table.extend(rows(&format!("100,000 queued, {name}, page of 30 anywhere"), any.await));
    }
    table
}

async fn explanations(client: &Client, waiting: u64) -> Vec<Row> {
    let mut table = Vec::new();
    for (name, number) in [("first", 2), ("middle one", waiting / 2), ("last", waiting + 1)] {
        let spans = asked(scaled(TIMES), async || {
            let request =
                ExplainRunRequest { run: Some(run_ref("line", number)), ..ExplainRunRequest::default() };
            let told = client.explain_run(request).await.expect("the run is explained");
            let place = told.about.expect("it says what it is about").place;
            // those that are submitted at once stand in the order in which they arrive, which need not be that of their numbers
            assert!(place.abs_diff(number - 1) < AT_ONCE as u64, "run {number} knows its place: {place}");
        });
        table.extend(rows(&format!("100,000 queued, explain the {name}"), spans.await));
    }
    table
}

async fn cancel(client: &Client, number: u64) {
    let request = CancelRunRequest { run: Some(run_ref("line", number)), ..CancelRunRequest::default() };
    client.cancel_run(request).await.expect("the run is cancelled");
}

/// Some from the middle one by one, then all, the oldest first.
async fn cancels(client: &Client, waiting: u64) -> Vec<Row> {
    let times = scaled(TIMES) as u64;
    let first = waiting / 2;
    let mut next = first;
    let one = asked(scaled(TIMES), async || {
        cancel(client, next).await;
        next += 1;
    });
    let mut table = rows("100,000 queued, cancel one from the middle", one.await);
    let begin = now();
    let rest = (1..=waiting + 1).filter(|number| !(first..first + times).contains(number));
    let mut spans = cancel_all(client, rest.collect()).await;
    let acknowledged = now() - begin;
    wait_for("the end of every run", async || {
        let status = client.get_status(GetStatusRequest { check: false }).await.expect("the server answers");
        let left = status.queued_runs + status.running_runs;
        if left == 0 { Ok(()) } else { Err(format!("{left} runs are left")) }
    })
    .await;
    let (half, most) = (percentile(&mut spans, 0.5), percentile(&mut spans, 0.99));
    table.extend([
        Row::plain("100,000 queued, cancel all, each of 64 at once, p50", millis(half), "ms"),
        Row::plain("100,000 queued, cancel all, each of 64 at once, p99", millis(most), "ms"),
        Row::plain("100,000 queued, cancel all, all acknowledged", acknowledged.as_secs_f64(), "s"),
        Row::plain("100,000 queued, cancel all, all ended", (now() - begin).as_secs_f64(), "s"),
    ]);
    table
}

async fn cancel_all(client: &Client, numbers: Vec<u64>) -> Vec<Duration> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut requests = tokio::task::JoinSet::new();
    for number in numbers {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let client = client.clone();
        requests.spawn(async move {
            let begin = now();
            cancel(&client, number).await;
            drop(slot);
            now() - begin
        });
    }
    requests.join_all().await
}
