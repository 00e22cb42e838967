//! The runs that the server has, against what clients were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gofer_client::Client;
use gofer_proto::v1::{GetTaskRunRequest, ListRunsRequest, Page, RunState};
use gofer_tests_e2e::crash::ended;
use gofer_tests_e2e::{Mark, run_ref};

use super::{AT_ONCE, explained};
use crate::load::{Acks, Order};
use crate::tally::Tally;

/// A run that has not ended by then, once all faults are over, is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// How many keys are asked for once more.
const ASKED_AGAIN: usize = 50;

/// The numbers of all runs of a pipeline. No key has two of them, also where the answer to it was lost.
///
/// # Panics
/// If the server does not list them.
pub async fn every(client: &Client, pipeline: &str, tally: &Tally) -> BTreeSet<u64> {
    let (mut numbers, mut keys) = (BTreeSet::new(), BTreeSet::new());
    let mut token = String::new();
    loop {
        let page = Some(Page { size: 1000, token });
        let request = ListRunsRequest { pipeline: pipeline.to_owned(), page, ..ListRunsRequest::default() };
        let answer = client.list_runs(request).await.expect("the server lists runs");
        for run in answer.runs {
            numbers.insert(run.number);
            let key = run.idempotency_key;
            tally
                .check(keys.insert(key.clone()), || format!("key {key} has two runs, one is {}", run.number));
        }
        token = answer.next_page_token;
        if token.is_empty() {
            return numbers;
        }
    }
}

/// Every acknowledged run is there, and each under a number of its own.
pub fn acknowledged(acks: &Acks, all: &BTreeSet<u64>, tally: &Tally) {
    let numbers: BTreeSet<u64> = acks.values().copied().collect();
    tally.check(numbers.len() == acks.len(), || "two keys were answered the same run".to_owned());
    let lost: Vec<&u64> = numbers.difference(all).collect();
    tally.check(lost.is_empty(), || format!("acknowledged and lost: {lost:?}"));
    tally.add("acknowledged runs", acks.len());
}

/// Who asks once more with the same key is answered the same run.
pub async fn same_by_key(client: &Client, order: &Order, acks: &Acks, tally: &Tally) {
    for (key, number) in acks.iter().rev().take(ASKED_AGAIN) {
        let answer = client.start_run(order.request(key)).await;
        let same = answer.as_ref().is_ok_and(|answer| {
            answer.existing && answer.run.as_ref().is_some_and(|run| run.number == *number)
        });
        tally.check(same, || format!("key {key} was run {number}, and is now {answer:?}"));
    }
}

/// How each run ended; `None` for one that is stuck.
pub async fn ends(client: &Client, pipeline: &str, all: &BTreeSet<u64>) -> BTreeMap<u64, Option<RunState>> {
    let waits = all.iter().map(|number| async {
        let end = tokio::time::timeout(STUCK, ended(client, pipeline, *number)).await;
        (*number, end.ok().flatten())
    });
    stream::iter(waits).buffer_unordered(AT_ONCE).collect().await
}

/// Every one of these runs succeeds.
pub async fn succeed(client: &Client, pipeline: &str, all: &BTreeSet<u64>, tally: &Tally) {
    for (number, state) in ends(client, pipeline, all).await {
        if state != Some(RunState::Succeeded) {
            let words = explained::words(client, (pipeline, number)).await;
            tally.violated(format!("run {number} is {state:?}: {words}"));
        }
    }
}

/// Each task had one attempt, and the process that the server names is the one that wrote to the witness.
pub async fn same_process(client: &Client, (pipeline, number): (&str, u64), marks: &[Mark], tally: &Tally) {
    for mark in marks.iter().filter(|mark| mark.run == number && mark.word == "start") {
        let request = GetTaskRunRequest { run: Some(run_ref(pipeline, number)), task: mark.task.clone() };
        let answer = client.get_task_run(request).await;
        let attempts = answer.map(|answer| answer.attempts).unwrap_or_default();
        let handles: Vec<&str> = attempts.iter().map(|attempt| attempt.handle.as_str()).collect();
        // a task that ended before its server could see it run has no name there
        let same = matches!(handles[..], [handle] if handle.is_empty() || handle == mark.pid.to_string());
        tally.check(same, || format!("run {number}, task {}: {handles:?}, and not {}", mark.task, mark.pid));
    }
}
