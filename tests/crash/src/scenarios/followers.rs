//! Clients that follow the output of runs, their changes and all events over every loss of the connection.

use std::path::PathBuf;

use futures_util::StreamExt;
use gofer_client::{Client, Followed, Following};
use gofer_proto::v1::{FollowEventsRequest, ReadLogsRequest, RunState, WatchRunRequest};
use gofer_tests_e2e::run_ref;
use sha2::{Digest, Sha256};

use crate::tally::Tally;

/// The file with what a task has printed, written by the task itself.
#[derive(Debug, Clone)]
pub(super) struct Copy(pub(super) PathBuf);

const RESUMED: &str = "streams that went on after a loss";
const LINES: &str = "followed lines, sha256 of the stream as of the task's own copy";
const EVENTS: &str = "followed events without a hole or a double";

/// Follows a stream to its end, and hands out its items.
async fn each<T>(mut stream: Following<T>, what: &str, tally: &Tally, mut take: impl FnMut(T) -> bool) {
    while let Some(told) = stream.next().await {
        match told {
            Ok(Followed::Item(item)) => {
                if take(item) {
                    return;
                }
            }
            Ok(Followed::Interrupted(_)) => {}
            Ok(Followed::Resumed { .. }) => tally.add(RESUMED, 1),
            Err(error) => return tally.violated(format!("{what} broke off: {error}")),
        }
    }
}

/// Follows the output of a run: every byte that its task has printed, once and in order.
pub(super) async fn output(
    client: Client,
    (pipeline, number): (&'static str, u64),
    copy: Copy,
    tally: Tally,
) {
    let request =
        ReadLogsRequest { run: Some(run_ref(pipeline, number)), follow: true, ..ReadLogsRequest::default() };
    let stream = client.follow_logs(request).await.expect("the output can be followed");
    let (mut hash, mut last, mut lines) = (Sha256::new(), 0, 0);
    each(stream, &format!("the output of run {number}"), &tally, |page| {
        for entry in page.entries {
            tally.check(entry.seq == last + 1, || format!("run {number}: entry {} behind {last}", entry.seq));
            tally.check(entry.gap.is_none(), || format!("run {number}: a gap: {:?}", entry.gap));
            last = entry.seq;
            hash.update(&entry.data);
            if !entry.partial {
                hash.update(b"\n");
                lines += 1;
            }
        }
        false
    })
    .await;
    let printed = std::fs::read(&copy.0).unwrap_or_default();
    let same = hash.finalize() == Sha256::digest(&printed);
    tally.check(same, || {
        format!(
            "run {number}: {lines} lines in the stream are not the {} bytes that were printed",
            printed.len()
        )
    });
    tally.add(LINES, lines);
}

/// Follows the changes of a run to its end.
pub(super) async fn watch(client: Client, (pipeline, number): (&'static str, u64), tally: Tally) {
    let request = WatchRunRequest { run: Some(run_ref(pipeline, number)) };
    let stream = client.watch_run(request).await.expect("the run can be watched");
    let (mut state, mut seq) = (RunState::Unspecified, 0);
    each(stream, &format!("the watch of run {number}"), &tally, |update| {
        tally.check(update.seq >= seq, || format!("run {number}: seen up to {seq}, then to {}", update.seq));
        seq = seq.max(update.seq);
        if let Some(run) = update.run {
            tally.check(run.state() >= state, || format!("run {number}: {state:?}, then {:?}", run.state()));
            state = run.state();
        }
        false
    })
    .await;
    tally.check(state == RunState::Succeeded, || format!("run {number} was watched until it was {state:?}"));
}

/// Follows every event until so many runs of the staying pipeline have ended.
pub(super) async fn events(client: Client, (pipeline, runs): (&'static str, usize), tally: Tally) {
    let request = FollowEventsRequest { from_seq: 1, ..FollowEventsRequest::default() };
    let stream = client.follow_events(request).await.expect("events can be followed");
    let (mut next, mut ended) = (1, 0);
    each(stream, "the events", &tally, |page| {
        for event in page.events {
            tally.check(event.seq == next, || format!("event {} and not {next}", event.seq));
            next = event.seq + 1;
            let is_end = event.r#type == "run" && event.state == "succeeded";
            ended += usize::from(is_end && event.pipeline == pipeline);
        }
        ended >= runs
    })
    .await;
    tally.add(EVENTS, usize::try_from(next - 1).unwrap_or(0));
}
