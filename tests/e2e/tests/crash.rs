//! The server is killed at random moments while runs are in flight.
//!
//! Promises: no run is stuck, none is doubled, no acknowledged run is lost, running tasks keep their process id, and no
//! log line is lost without a gap record.
#![expect(clippy::expect_used, reason = "a test that cannot go on fails, and says why")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_proto::v1::{GetRunRequest, ListRunsRequest, Page, ReadLogsRequest, RunState, StartRunRequest};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::{Dice, alive, ended, still_the_same};
use gofer_tests_e2e::witness::say;
use gofer_tests_e2e::{Mark, Witness, connect, register, run_ref};
use tokio::sync::{Mutex, Semaphore};

const KILLS: u32 = 50;
const IN_FLIGHT: usize = 20;
const LINES: u32 = 12;
const TASKS: [&str; 3] = ["first", "left", "right"];

fn pipeline() -> String {
    let script = format!(
        "{}\ni=1\nwhile [ $i -le {LINES} ]; do echo \"line $i\"; sleep 0.03; i=$((i+1)); done\n{}",
        say("start"),
        say("end")
    );
    let task =
        |id: &str, parents: &str| format!("task \"{id}\" {{\n{parents}\nscript = <<EOT\n{script}\nEOT\n}}\n");
    let after = "depends_on = { first = \"successful\" }";
    format!(
        "id = \"crash\"\nvariable \"witness\" {{\ntype = \"string\"\n}}\n{}{}{}",
        task("first", ""),
        task("left", after),
        task("right", after)
    )
}

/// The runs that the server said it has, by number.
type Acknowledged = Arc<Mutex<BTreeSet<u64>>>;

/// Starts runs for as long as it is told to, at most [`IN_FLIGHT`] at once, through every crash.
async fn keep_starting(
    address: std::net::SocketAddr,
    witness: String,
    acks: Acknowledged,
    go: Arc<AtomicBool>,
) {
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut runs = tokio::task::JoinSet::new();
    let mut key = 0_u32;
    while go.load(Ordering::SeqCst) {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        key += 1;
        let (witness, acks, go) = (witness.clone(), Arc::clone(&acks), Arc::clone(&go));
        let key = format!("crash-{key}");
        runs.spawn(async move {
            if let Some(number) = start(address, &key, &witness, &go).await {
                acks.lock().await.insert(number);
                await_end(address, number, &go).await;
            }
            drop(slot);
        });
    }
    runs.join_all().await;
}

/// Starts one run; repeats under the same key until the server says that it has it, or the test is over.
async fn start(address: std::net::SocketAddr, key: &str, witness: &str, go: &AtomicBool) -> Option<u64> {
    while go.load(Ordering::SeqCst) {
        let client = Client::connect(gofer_client::ClientOptions {
            address: address.to_string(),
            ..gofer_client::ClientOptions::default()
        });
        let Ok(client) = client.await else {
            tokio::task::yield_now().await;
            continue;
        };
        let request = StartRunRequest {
            pipeline: Some(pipeline_ref("crash")),
            variables: [("witness".to_owned(), witness.to_owned())].into(),
            idempotency_key: key.to_owned(),
            ..StartRunRequest::default()
        };
        if let Ok(answer) = client.start_run(request).await {
            return answer.run.map(|run| run.number);
        }
    }
    None
}

/// Waits for the end of a run; gives up only when the test is over, since the final check waits again.
async fn await_end(address: std::net::SocketAddr, number: u64, go: &AtomicBool) {
    while go.load(Ordering::SeqCst) {
        let options = gofer_client::ClientOptions {
            address: address.to_string(),
            ..gofer_client::ClientOptions::default()
        };
        let Ok(client) = Client::connect(options).await else {
            tokio::task::yield_now().await;
            continue;
        };
        if ended(&client, "crash", number).await.is_some() {
            return;
        }
    }
}

/// The tasks of all runs that have not ended.
async fn under_way(client: &Client) -> Vec<(u64, &'static str)> {
    let request = ListRunsRequest {
        pipeline: "crash".to_owned(),
        active: true,
        page: Some(Page { size: 100, token: String::new() }),
        ..ListRunsRequest::default()
    };
    let runs = client.list_runs(request).await.expect("the server lists runs").runs;
    runs.iter().flat_map(|run| TASKS.map(|task| (run.number, task))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_leave_no_run_stuck_doubled_or_lost_and_no_line_missing() {
    let mut dice = Dice::seeded();
    // the output of every run is looked at, not that of the newest alone
    let mut server = ServerBox::builder().config("[retention]\nlogs_runs = 0").start();
    let witness = Witness::new(server.world().join("witness"));
    register(&connect(server.addr()).await, &pipeline()).await;

    let (acks, go) = (Acknowledged::default(), Arc::new(AtomicBool::new(true)));
    let path = witness.path().display().to_string();
    let mut load = tokio::task::JoinSet::new();
    load.spawn(keep_starting(server.addr(), path, Arc::clone(&acks), Arc::clone(&go)));
    let mut kept = 0;
    for _ in 0..KILLS {
        let client = connect(server.addr()).await;
        // sleeps: the moment of the kill is what is random here; nothing is waited for
        tokio::time::sleep(Duration::from_millis(dice.below(500))).await;
        let before = alive(&client, "crash", under_way(&client).await).await;
        tokio::task::block_in_place(|| server.restart());
        still_the_same(&connect(server.addr()).await, "crash", &before).await;
        kept += before.len();
    }
    assert!(kept > KILLS as usize, "only {kept} tasks were running at the moments of the kills");
    go.store(false, Ordering::SeqCst);
    load.join_all().await;

    let client = connect(server.addr()).await;
    let acks = acks.lock().await.clone();
    assert!(acks.len() >= IN_FLIGHT, "only {} runs were acknowledged", acks.len());
    let all = every_run(&client).await;
    assert!(acks.is_subset(&all), "lost: {:?}", acks.difference(&all));
    for number in &all {
        let state = tokio::time::timeout(Duration::from_secs(60), ended(&client, "crash", *number)).await;
        assert_eq!(state.expect("no run is stuck"), Some(RunState::Succeeded), "run {number}");
    }
    check_witness(&witness.marks(), &all);
    for number in &all {
        check_logs(&client, *number).await;
    }
    eprintln!("{KILLS} kills, {} runs, {kept} tasks alive at a kill", all.len());
}

async fn every_run(client: &Client) -> BTreeSet<u64> {
    let mut numbers = BTreeSet::new();
    let mut token = String::new();
    loop {
        let page = Some(Page { size: 1000, token });
        let request = ListRunsRequest { pipeline: "crash".to_owned(), page, ..ListRunsRequest::default() };
        let answer = client.list_runs(request).await.expect("the server lists runs");
        numbers.extend(answer.runs.iter().map(|run| run.number));
        token = answer.next_page_token;
        if token.is_empty() {
            return numbers;
        }
    }
}

/// Each task of each run began once and ended once, in its first attempt; no other task ran.
fn check_witness(marks: &[Mark], runs: &BTreeSet<u64>) {
    let mut seen: BTreeMap<(String, u64, String), u32> = BTreeMap::new();
    for mark in marks {
        assert_eq!(mark.attempt, 1, "{mark:?}");
        *seen.entry((mark.word.clone(), mark.run, mark.task.clone())).or_default() += 1;
    }
    for number in runs {
        for (word, task) in ["start", "end"].into_iter().flat_map(|word| TASKS.map(|task| (word, task))) {
            let count = seen.remove(&(word.to_owned(), *number, task.to_owned()));
            assert_eq!(count, Some(1), "{word} of run {number}, task {task}");
        }
    }
    assert!(seen.is_empty(), "nobody asked for these: {seen:?}");
}

/// Every line is there once and in order, or a gap says what is not.
async fn check_logs(client: &Client, number: u64) {
    let request =
        ReadLogsRequest { run: Some(run_ref("crash", number)), follow: true, ..ReadLogsRequest::default() };
    let mut pages = client.read_logs(request).await.expect("the server reads logs");
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut gaps = 0;
    while let Some(page) = pages.next().await {
        for entry in page.expect("the logs go on").entries {
            gaps += u32::from(entry.gap.is_some());
            let text = String::from_utf8(entry.data).expect("the tasks print text");
            lines.entry(entry.task).or_default().push(text);
        }
    }
    assert_eq!(gaps, 0, "run {number}: nothing went wrong with the logs, so no gap may be told");
    let wanted: Vec<String> = (1..=LINES).map(|line| format!("line {line}")).collect();
    for task in TASKS {
        assert_eq!(lines.get(task), Some(&wanted), "run {number}, task {task}");
    }
}

#[tokio::test]
async fn a_run_that_was_acknowledged_right_before_the_kill_is_there_afterwards() {
    let mut server = ServerBox::start();
    let witness = Witness::new(server.world().join("witness"));
    let client = connect(server.addr()).await;
    register(&client, &pipeline()).await;
    let variables = [("witness".to_owned(), witness.path().display().to_string())];
    let request = StartRunRequest {
        pipeline: Some(pipeline_ref("crash")),
        variables: variables.into(),
        ..StartRunRequest::default()
    };
    let number = client.start_run(request).await.expect("it starts").run.expect("a run").number;
    server.kill9();
    server.start_again();
    let client = connect(server.addr()).await;
    let request = GetRunRequest { run: Some(run_ref("crash", number)) };
    assert!(client.get_run(request).await.is_ok());
    assert_eq!(ended(&client, "crash", number).await, Some(RunState::Succeeded));
}
