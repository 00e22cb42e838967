//! What tests share that kill a server at random moments: the moments, what runs at one, and what became of it.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use gofer_client::Client;
use gofer_proto::v1::{GetTaskRunRequest, RunState, TaskState, WatchRunRequest};

use crate::run_ref;

/// The tasks of a pipeline that run, as run and task, each with the name that its scheduler has for it.
pub type Alive = BTreeMap<(u64, &'static str), String>;

/// A small generator of our own: a failing seed is printed and replays the same moments.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// With the seed of `GOFER_TEST_SEED`, or another one each time.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "whoever reads of a failure wants to repeat it")]
    pub fn seeded() -> Self {
        let given = std::env::var("GOFER_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) | 1 << 40);
        eprintln!("seed {seed}: repeat with GOFER_TEST_SEED={seed}");
        Self(seed)
    }

    /// With this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// The next number, less than the limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Which of these tasks run now. All are asked for at once: what is told is soon out of date.
///
/// # Panics
/// If the server does not know one of them.
pub async fn alive(client: &Client, pipeline: &str, tasks: Vec<(u64, &'static str)>) -> Alive {
    let asked = tasks.into_iter().map(async |(number, task)| {
        let request = GetTaskRunRequest { run: Some(run_ref(pipeline, number)), task: task.to_owned() };
        let answer = client.get_task_run(request).await.expect("the task run is there");
        // Without a name from the scheduler there is nothing to compare; who calls sets a floor to how many there are.
        let handle = answer.attempts.last().map(|attempt| attempt.handle.clone());
        let runs = answer.task.is_some_and(|task| task.state() == TaskState::Running);
        handle.filter(|handle| runs && !handle.is_empty()).map(|handle| ((number, task), handle))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// What ran before a crash is the same thing and no second attempt after it.
///
/// # Panics
/// If it is not.
pub async fn still_the_same(client: &Client, pipeline: &str, before: &Alive) {
    let checks = before.iter().map(async |((number, task), handle)| {
        let request = GetTaskRunRequest { run: Some(run_ref(pipeline, *number)), task: (*task).to_owned() };
        let answer = client.get_task_run(request).await.expect("the task run is still there");
        let handles: Vec<_> = answer.attempts.iter().map(|attempt| attempt.handle.as_str()).collect();
        assert_eq!(handles, [handle.as_str()], "run {number}, task {task}");
    });
    join_all(checks).await;
}

/// Watches a run to its end; `None` if the server went away.
pub async fn ended(client: &Client, pipeline: &str, number: u64) -> Option<RunState> {
    let request = WatchRunRequest { run: Some(run_ref(pipeline, number)) };
    let mut updates = client.watch_run_once(request).await.ok()?;
    while let Some(update) = updates.next().await {
        match update.ok()?.run.map(|run| run.state()) {
            None | Some(RunState::Queued | RunState::Running) => {}
            end => return end,
        }
    }
    None
}
