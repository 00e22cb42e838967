//! The server is stopped for longer than its limits, and goes on: nothing starts twice, nothing is stuck, and what ended in
//! its time while the server slept has ended in its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use gofer_client::Client;
use gofer_proto::v1::{GetTaskRunRequest, RunState, TaskState};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::crash::Dice;
use gofer_tests_e2e::{Mark, Witness, connect, register, run_ref};
use tokio::task::JoinSet;

use super::{off, order};
use crate::judge::{Case, explained, marks, runs};
use crate::load::{Acks, Order};
use crate::scenario::{Plan, Scenario};
use crate::tally::Tally;
use crate::task::{Shape, WITNESS, head, task};
use crate::time;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "pauses",
    promise: "a server that slept longer than its limits starts nothing twice and ends nothing too early",
    needs: &[],
    run,
};

const EPISODES: usize = 30;
/// Lengths of pauses in milliseconds: the shortest, and how much may be added.
const LENGTHS: [(u64, u64); 3] = [(100, 500), (600, 900), (2200, 800)];
/// Tasks that take a third of a second, with two seconds of time.
const GOOD: Shape = Shape { id: "intime", tasks: &["first", "second"], lines: 3, width: 0, pause: "0.1" };
const CONFIG: &str = "[retention]\nlogs_runs = 0\n[limits]\ntask_timeout_min = \"1s\"\ntask_timeout_default = \"2s\"\n\
                      stop_grace = \"2s\"";
/// A task that never ends, with one second of time.
const OVER: &str = "overdue";
const OVER_TASK: &str = "only";
const OVER_LIMIT: f64 = 1.0;
/// How much later than its process a task may write that it began.
const LATE_START: f64 = 0.3;
/// How much later than its limit it may be asked to stop, in time in which the server does not sleep.
const LATE_STOP: f64 = 3.0;

const PAUSES: &str = "pauses";
const LONG: &str = "of these longer than every limit of a task";
const TIMED: &str = "time limits that were measured by the task itself";

/// When the server slept, in seconds since the epoch.
type Sleeps = Vec<(f64, f64)>;

fn overdue() -> String {
    let say = |word: &str| {
        format!(
            "echo \"{word} $GOFER_RUN_ID $GOFER_TASK_ID $GOFER_ATTEMPT $$ $(date +%s.%N)\" >> \"$witness\""
        )
    };
    let script = format!("trap '{}; exit 3' TERM\n{}\nsleep 600 &\nwait", say("stop"), say("start"));
    head(OVER, &[WITNESS]) + &task(OVER_TASK, "timeout = \"1s\"", &script)
}

fn run(plan: Plan, tally: Tally) -> LocalBoxFuture<'static, ()> {
    async move {
        let episodes = plan.times(EPISODES);
        tally.floor(PAUSES, episodes);
        tally.floor(LONG, episodes / 3);
        tally.floor(TIMED, episodes);
        let mut dice = plan.dice();
        let mut server = off(|| ServerBox::builder().config(CONFIG).start());
        let (witness, good) = order(&server, &GOOD, 1);
        let late = Witness::new(server.world().join("overdue-witness"));
        let variables = BTreeMap::from([(WITNESS.to_owned(), late.path().display().to_string())]);
        let over = Order { pipeline: OVER, variables, ..good.clone() };
        let client = connect(server.addr()).await;
        register(&client, &GOOD.file()).await;
        register(&client, &overdue()).await;
        let (mut acks, mut late_acks, mut sleeps) = (Acks::new(), Acks::new(), Sleeps::new());
        for episode in 0..episodes {
            let before = format!("before-{episode}");
            start(&client, &good, before, &mut acks, &tally).await;
            start(&client, &over, format!("over-{episode}"), &mut late_acks, &tally).await;
            sleeps.push(sleep(&mut server, &mut dice, (episode, &good, &mut acks), &tally).await);
        }
        let all = runs::every(&client, OVER, &tally).await;
        runs::acknowledged(&late_acks, &all, &tally);
        timed_out(&client, &all, (&late, &sleeps), &tally).await;
        Case { shape: GOOD, order: good, acks, witness: &witness, tally: &tally }.close(&mut server).await;
    }
    .boxed_local()
}

async fn start(client: &Client, order: &Order, key: String, acks: &mut Acks, tally: &Tally) {
    match client.start_run(order.request(&key)).await {
        Ok(answer) => drop(acks.insert(key, answer.run.map_or(0, |run| run.number))),
        Err(error) => tally.violated(format!("{key} was refused: {error}")),
    }
}

/// Stops the server at a random moment, for a random time; a run is asked for meanwhile, and answered afterwards.
async fn sleep(
    server: &mut ServerBox,
    dice: &mut Dice,
    (episode, order, acks): (usize, &Order, &mut Acks),
    tally: &Tally,
) -> (f64, f64) {
    let client = connect(server.addr()).await;
    time::pass(Duration::from_millis(dice.below(400))).await;
    let (least, more) = LENGTHS[episode % LENGTHS.len()];
    server.process().pause();
    let begin = time::wall();
    let mut asking = JoinSet::new();
    let (key, request) = (format!("during-{episode}"), order.request(&format!("during-{episode}")));
    asking.spawn(async move { client.start_run(request).await });
    time::pass(Duration::from_millis(least + dice.below(more))).await;
    tally.check(asking.try_join_next().is_none(), || "a stopped server has answered".to_owned());
    server.process().resume();
    let end = time::wall();
    match asking.join_next().await {
        Some(Ok(Ok(answer))) => drop(acks.insert(key, answer.run.map_or(0, |run| run.number))),
        other => tally.violated(format!("what was asked for during a pause: {other:?}")),
    }
    tally.add(PAUSES, 1);
    tally.add(LONG, usize::from(end - begin > 2.0));
    (begin, end)
}

/// Each overdue run is told as timed out, had one start, and was asked to stop after its limit and soon after.
async fn timed_out(
    client: &Client,
    all: &BTreeSet<u64>,
    (witness, sleeps): (&Witness, &Sleeps),
    tally: &Tally,
) {
    for (number, state) in runs::ends(client, OVER, all).await {
        tally.check(state == Some(RunState::Failed), || format!("overdue run {number} is {state:?}"));
        let request = GetTaskRunRequest { run: Some(run_ref(OVER, number)), task: OVER_TASK.to_owned() };
        let answer = client.get_task_run(request).await.ok().and_then(|answer| answer.task);
        let state = answer.map_or(TaskState::Unspecified, |task| task.state());
        tally
            .check(state == TaskState::TimedOut, || format!("the task of overdue run {number} is {state:?}"));
        explained::fits(client, (OVER, number), tally).await;
    }
    let marks: Vec<Mark> = witness.marks();
    marks::never_twice(&marks, tally);
    let text = std::fs::read_to_string(witness.path()).unwrap_or_default();
    let times: Vec<f64> = text.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    for number in all {
        let time_of = |word: &str| {
            let place = marks.iter().position(|mark| mark.run == *number && mark.word == word);
            place.and_then(|place| times.get(place).copied())
        };
        match (time_of("start"), time_of("stop")) {
            (Some(start), Some(stop)) => measured(*number, (start, stop), sleeps, tally),
            other => tally.violated(format!("overdue run {number} has told {other:?}")),
        }
    }
}

fn measured(number: u64, (start, stop): (f64, f64), sleeps: &Sleeps, tally: &Tally) {
    let (ran, due) = (stop - start, start + OVER_LIMIT);
    tally.check(ran >= OVER_LIMIT - LATE_START, || {
        format!("overdue run {number} was stopped after {ran:.3} s")
    });
    let slept: f64 = sleeps.iter().map(|(from, to)| (to.min(stop) - from.max(due)).max(0.0)).sum();
    let awake = stop - due - slept;
    tally.check(awake <= LATE_STOP, || {
        format!("overdue run {number} was stopped after {awake:.1} s in which the server did not sleep")
    });
    tally.add(TIMED, 1);
}
