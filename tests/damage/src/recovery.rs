//! A server with ten thousand unfinished runs is killed and started again; then one record of one of them is damaged.
//!
//! The record is damaged while the server is down, through the storage itself: its bytes are no record any more. Exactly
//! that run must be set aside, and the others must go on, which their tasks say in a file.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gofer_client::Client;
use gofer_proto::v1::{
    EventFilter, GetRunRequest, GetStatusRequest, ListEventsRequest, ListRunsRequest, Page, StartRunRequest,
};
use gofer_records::keys;
use gofer_storage::Batch;
use gofer_testkit::{ServerBox, Waiter};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::{Witness, connect, register, run_ref};
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::findings::Findings;
use crate::scenario::{Floors, Scenario, always};
use crate::terms::{Terms, now};
use crate::workers::runtime;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "recovery",
    about: "a server with 10,000 unfinished runs is killed and started again, then with a damaged record among them",
    unavailable: always,
    floors,
    run,
};

const UNFINISHED: &str = "unfinished runs, all there after each of the starts";
const BEST: &str = "milliseconds from a start to serving, best of three";
const ASIDE: &str = "runs that were set aside, for one damaged record";
const WENT_ON: &str = "other runs that went on to an end behind it";

const FULL: u64 = 10_000;
/// How many runs are to go on behind the damage.
const GO_ON: u64 = 200;
const STARTS: usize = 3;
/// The time to serving that is promised.
const TARGET: Duration = Duration::from_secs(2);
const REQUESTS_AT_ONCE: usize = 64;
const LIMIT: Duration = Duration::from_secs(60);
const PIPELINE: &str = "waits";
const CONFIG: &str = "[limits]\nmax_running_tasks = 4\nmax_queued_runs = 20000\n";

fn floors(terms: &Terms) -> Floors {
    vec![(UNFINISHED, terms.scaled(FULL)), (BEST, 1), (ASIDE, 1), (WENT_ON, terms.scaled(GO_ON))]
}

fn run(terms: Terms) -> Findings {
    let unfinished = terms.scaled(FULL).max(20);
    let mut found = Findings::default();
    let mut server = ServerBox::builder().config(CONFIG).start();
    let witness = Witness::new(server.world().join("witness"));
    let runs = runtime().block_on(submit(&server, &witness, unfinished));
    found.must(runs.len() as u64 == unfinished, || format!("{} runs were acknowledged", runs.len()));
    let best = (0..STARTS).map(|_| restart(&mut server, unfinished, &mut found)).min().unwrap_or_default();
    found.count(UNFINISHED, unfinished);
    found.count(BEST, u64::try_from(best.as_millis()).unwrap_or(u64::MAX));
    found.must(best <= TARGET, || format!("the best start took {best:?}, more than {TARGET:?}"));
    server.kill9();
    // Among those that wait, so that its tasks cannot have said anything.
    let damaged = unfinished / 2 + terms.dice(3).below(unfinished / 4);
    runtime().block_on(damage(&server, damaged));
    server.start_again();
    runtime().block_on(judge(&server, (&runs, damaged), &mut found));
    go_on(&server, &witness, (damaged, terms.scaled(GO_ON)), &mut found);
    crate::trial::finish(server, &mut found);
    found
}

fn pipeline() -> String {
    let say = gofer_tests_e2e::witness::say;
    let script = format!("{}\nuntil [ -e \"$gate\" ]; do sleep 0.1; done\n{}", say("start"), say("end"));
    let variable = |name: &str| format!("variable \"{name}\" {{\ntype = \"string\"\n}}\n");
    format!(
        "id = \"{PIPELINE}\"\n{}{}task \"t\" {{\nscript = <<EOT\n{script}\nEOT\n}}\n",
        variable("witness"),
        variable("gate")
    )
}

/// Starts so many runs; their numbers.
async fn submit(server: &ServerBox, witness: &Witness, count: u64) -> BTreeSet<u64> {
    let client = connect(server.addr()).await;
    register(&client, &pipeline()).await;
    let gate = server.world().join("gate").display().to_string();
    let variables = [("witness".to_owned(), witness.path().display().to_string()), ("gate".to_owned(), gate)];
    let request = StartRunRequest {
        pipeline: Some(pipeline_ref(PIPELINE)),
        variables: variables.into(),
        ..StartRunRequest::default()
    };
    let slots = Arc::new(Semaphore::new(REQUESTS_AT_ONCE));
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let (client, request) = (client.clone(), request.clone());
        requests.spawn(async move {
            let answer = client.start_run(request).await.expect("it starts");
            drop(slot);
            answer.run.expect("a run").number
        });
    }
    requests.join_all().await.into_iter().collect()
}

/// Kills the server and starts it again; how long it took until it served.
fn restart(server: &mut ServerBox, unfinished: u64, found: &mut Findings) -> Duration {
    server.kill9();
    let begin = now();
    server.start_again();
    let took = now() - begin;
    let status = runtime().block_on(async {
        let client = connect(server.addr()).await;
        client.get_status(GetStatusRequest { check: false }).await.expect("the server answers")
    });
    let there = status.queued_runs + status.running_runs;
    found.must((there, status.quarantined_runs) == (unfinished, 0), || {
        format!("{there} of {unfinished} runs are there, {} are set aside", status.quarantined_runs)
    });
    took
}

/// What stands under the key of this run is no record any more.
async fn damage(server: &ServerBox, number: u64) {
    let config = gofer_storage_redb::Config::default();
    let storage = gofer_storage_redb::open("redb", &config, &server.data_dir()).expect("the storage opens");
    let pipeline = PipelineRef {
        namespace: Namespace::default_name(),
        pipeline: PipelineId::new(PIPELINE).expect("an id"),
    };
    let key = keys::run(&pipeline.run(RunNumber(number)));
    let row = storage.get(&key).await.expect("the storage answers").expect("the record is there");
    let mut batch = Batch::default();
    batch.put(key, row.value.slice(..row.value.len() / 2));
    storage.commit(batch).await.expect("the record is replaced");
    storage.close().await.expect("the storage closes");
}

/// Exactly that run is set aside, and says so; all others are there.
async fn judge(server: &ServerBox, (runs, damaged): (&BTreeSet<u64>, u64), found: &mut Findings) {
    let client = connect(server.addr()).await;
    let aside = crate::judge::set_aside(&client).await;
    found.count(ASIDE, aside);
    found.must(aside == 1, || format!("{aside} runs are set aside"));
    let asked = client.get_run(GetRunRequest { run: Some(run_ref(PIPELINE, damaged)) }).await;
    found.must(asked.as_ref().is_err_and(|error| error.code() == Some("E0510")), || {
        format!("run {damaged} is told as {asked:?}")
    });
    let events = events_of_damage(&client).await;
    found.must(events == 1, || format!("{events} events tell of runs that were set aside"));
    let mut others = runs.clone();
    others.remove(&damaged);
    let there = unfinished(&client).await;
    found.must(there == others, || {
        let missing: Vec<_> = others.symmetric_difference(&there).take(9).collect();
        format!("these runs are missing or too many: {missing:?}")
    });
}

/// How many events tell of runs that were set aside. They are rare: a page may be empty and not the last.
async fn events_of_damage(client: &Client) -> usize {
    let (mut events, mut token) = (0, String::new());
    loop {
        let filter = Some(EventFilter { types: vec!["quarantined".to_owned()], ..EventFilter::default() });
        let page = Some(Page { size: 1000, token });
        let request = ListEventsRequest { filter, page, ..ListEventsRequest::default() };
        let answer = client.list_events(request).await.expect("events are listed");
        events += answer.events.len();
        token = answer.next_page_token;
        if token.is_empty() {
            return events;
        }
    }
}

async fn unfinished(client: &Client) -> BTreeSet<u64> {
    let (mut numbers, mut token) = (BTreeSet::new(), String::new());
    loop {
        let page = Some(Page { size: 1000, token });
        let active = true;
        let request =
            ListRunsRequest { pipeline: PIPELINE.to_owned(), active, page, ..ListRunsRequest::default() };
        let answer = client.list_runs(request).await.expect("the server lists runs");
        numbers.extend(answer.runs.iter().map(|run| run.number));
        token = answer.next_page_token;
        if token.is_empty() {
            return numbers;
        }
    }
}

/// The tasks may go on now: so many runs come to an end, each of them once, and the damaged one does nothing.
fn go_on(server: &ServerBox, witness: &Witness, (damaged, least): (u64, u64), found: &mut Findings) {
    server.world().write("gate", "");
    let ends = || witness.marks().into_iter().filter(|mark| mark.word == "end").count() as u64;
    let went_on = Waiter::new("the other runs to go on").limit(LIMIT).until_blocking(|| match ends() {
        enough if enough >= least => Ok(enough),
        few => Err(few),
    });
    found.count(WENT_ON, went_on);
    let mut started = BTreeSet::new();
    for mark in witness.marks().into_iter().filter(|mark| mark.word == "start") {
        found.must(mark.run != damaged, || format!("run {damaged} was set aside and ran"));
        found.must(started.insert(mark.run), || format!("run {} started twice", mark.run));
    }
}
