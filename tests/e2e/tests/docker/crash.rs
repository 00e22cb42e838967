//! The server is killed at random moments while containers run.
//!
//! Promises: the same containers afterwards, each started once; no leftovers; true exit codes; every line once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_proto::v1::{GetTaskRunRequest, ReadLogsRequest, RunState, StartRunRequest};
use gofer_testkit::docker::{Docker, TEST_IMAGE};
use gofer_testkit::{ServerBox, wait_for};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::{Dice, alive, ended, still_the_same};
use gofer_tests_e2e::{connect, register, run_ref};
use libtest_mimic::Failed;

use super::config;

const KILLS: u32 = 30;
/// Ten containers run at once.
const AT_ONCE: u64 = 2;
/// Each task: its last command, and the exit code or the signal that must be told.
const TASKS: [(&str, &str, Option<i32>, &str); 5] = [
    ("good", "exit 0", Some(0), "exit_code"),
    ("seven", "exit 7", Some(7), "exit_code"),
    ("looks_killed", "exit 137", Some(137), "exit_code"),
    ("killed", "kill -9 $$", None, "signal"),
    ("terminated", "kill -15 $$", None, "signal"),
];
const LINES: u32 = 20;

pub(crate) fn thirty_kills(engine: &Docker) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(kill_and_check(engine))
}

fn pipeline() -> String {
    let tasks = TASKS.map(|(id, end, ..)| {
        let script =
            format!("i=1\nwhile [ $i -le {LINES} ]; do echo \"line $i\"; sleep 0.1; i=$((i+1)); done\n{end}");
        format!(
            "task \"{id}\" \"{TEST_IMAGE}\" {{\nallow_failure = true\nscript = <<EOT\n{script}\nEOT\n}}\n"
        )
    });
    format!("id = \"crash\"\n{}", tasks.concat())
}

async fn start(client: &Client) -> u64 {
    let request = StartRunRequest { pipeline: Some(pipeline_ref("crash")), ..StartRunRequest::default() };
    client.start_run(request).await.expect("it starts").run.expect("a run").number
}

async fn is_over(client: &Client, number: u64) -> bool {
    let request = gofer_proto::v1::GetRunRequest { run: Some(run_ref("crash", number)) };
    let run = client.get_run(request).await.expect("the run is there").run.expect("a run");
    !matches!(run.state(), RunState::Queued | RunState::Running)
}

async fn kill_and_check(engine: &Docker) -> Result<(), Failed> {
    let mut dice = Dice::seeded();
    let retention = "[retention]\nlogs_runs = 0";
    let server = ServerBox::builder().config(&config(engine, "network = \"none\"")).config(retention);
    let mut server = server.start();
    register(&connect(server.addr()).await, &pipeline()).await;
    let (mut runs, mut under_way, mut kept) = (BTreeSet::new(), BTreeSet::new(), 0);
    for _ in 0..KILLS {
        let client = connect(server.addr()).await;
        let mut over = BTreeSet::new();
        for number in &under_way {
            if is_over(&client, *number).await {
                over.insert(*number);
            }
        }
        under_way.retain(|number| !over.contains(number));
        while (under_way.len() as u64) < AT_ONCE {
            let number = start(&client).await;
            runs.insert(number);
            under_way.insert(number);
        }
        // sleeps: the moment of the kill is what is random here; nothing is waited for
        tokio::time::sleep(Duration::from_millis(dice.below(900))).await;
        let tasks = under_way.iter().flat_map(|run| TASKS.map(|(task, ..)| (*run, task))).collect();
        let before = alive(&client, "crash", tasks).await;
        tokio::task::block_in_place(|| server.restart());
        still_the_same(&connect(server.addr()).await, "crash", &before).await;
        kept += before.len();
    }
    let client = connect(server.addr()).await;
    for number in &runs {
        let state = tokio::time::timeout(Duration::from_secs(120), ended(&client, "crash", *number)).await;
        assert_eq!(state.expect("no run is stuck"), Some(RunState::Succeeded), "run {number}");
        for (task, _, code, cause) in TASKS {
            check_end(&client, *number, task, (code, cause)).await;
        }
        check_logs(&client, *number).await;
    }
    assert!(kept > 2 * KILLS as usize, "only {kept} containers ran at the moments of the kills");
    no_leftovers(engine, &server).await;
    eprintln!("{KILLS} kills, {} runs of {} containers, {kept} alive at a kill", runs.len(), TASKS.len());
    Ok(())
}

/// One attempt, and the end that the task really had.
async fn check_end(client: &Client, number: u64, task: &str, (code, cause): (Option<i32>, &str)) {
    let request = GetTaskRunRequest { run: Some(run_ref("crash", number)), task: task.to_owned() };
    let answer = client.get_task_run(request).await.expect("the task run is there");
    assert_eq!(answer.attempts.len(), 1, "run {number}, task {task}");
    let told = answer.task.clone().expect("a task run");
    assert_eq!(told.exit_code, code, "run {number}, task {task}: {told:?}");
    let words = format!("{:?}", told.cause).to_lowercase();
    assert!(
        words.contains(&cause.replace('_', "")) || words.contains(cause),
        "run {number}, {task}: {words}"
    );
    // A server that was killed before it heard of the start may have heard of the end alone.
    let digest = &answer.attempts[0].image_digest;
    assert!(digest.is_empty() || digest.starts_with("sha256:"), "{answer:?}");
}

/// Every line is there once and in order.
async fn check_logs(client: &Client, number: u64) {
    let request =
        ReadLogsRequest { run: Some(run_ref("crash", number)), follow: true, ..ReadLogsRequest::default() };
    let mut pages = client.read_logs(request).await.expect("the server reads logs");
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for entry in page.expect("the logs go on").entries {
            assert!(entry.gap.is_none(), "run {number}: {entry:?}");
            let text = String::from_utf8(entry.data).expect("the tasks print text");
            lines.entry(entry.task).or_default().push(text);
        }
    }
    let wanted: Vec<String> = (1..=LINES).map(|line| format!("line {line}")).collect();
    for (task, ..) in TASKS {
        assert_eq!(lines.get(task), Some(&wanted), "run {number}, task {task}");
    }
}

/// Nothing that carries the mark of this server is left at the engine.
async fn no_leftovers(engine: &Docker, server: &ServerBox) {
    let owner = std::fs::read_to_string(server.data_dir().join("owner")).expect("the mark of the server");
    let filter = format!("%7B%22label%22%3A%5B%22gofer.owner%3D{}%22%5D%7D", owner.trim());
    wait_for("an engine without containers of this server", async || {
        match engine.get(&format!("/containers/json?all=1&filters={filter}")) {
            Ok(answer) if answer.text().trim() == "[]" => Ok(()),
            Ok(answer) => Err(answer.text()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
}
