//! An engine of containers of the suite's own is killed and started again while a server has tasks on it.
//!
//! For each kill a run of four tasks is under way:
//!
//! - `leaves` ends with 7 while the engine is down: that is told in both modes;
//! - `stays` goes on until the engine is back, and ends with 0. An engine that does not keep its containers ends it: `lost`;
//! - `again` is as `stays`, and its `retry` block allows `lost`: a second attempt succeeds;
//! - `never` is as `stays`, and its `retry` block allows `failed` alone: there is no second attempt.
//!
//! The witnesses: the engine's own lists and events (which container stands for which attempt, each created and started
//! once), and the root file system of each container, where tasks count what they said. One hole in the output is allowed to
//! a killed engine: what it had read of a task and not stored yet is gone with it, and nobody can tell (docs/dev/flakes.md).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use gofer_client::Client;
use gofer_proto::v1::{GetTaskRunRequest, GetTaskRunResponse, ReadLogsRequest, StartRunRequest};
use gofer_testkit::docker::{Docker, Engine, TEST_IMAGE, test_image};
use gofer_testkit::{ServerBox, Waiter, wait_for};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::{Dice, ended};
use gofer_tests_e2e::{connect, register, run_ref};
use serde_json::Value;

use crate::findings::Findings;
use crate::scenario::{Floors, Scenario};
use crate::terms::Terms;
use crate::workers::runtime;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "docker",
    about: "an engine of containers is killed and started again, without and with live-restore",
    unavailable: Engine::unavailable,
    floors,
    run,
};

const KILLS: &str = "kills of an engine";
const KEPT: &str = "containers that went on through a kill";
const LOST: &str = "attempts that a killed engine ended, told as lost";
const TRUE_ENDS: &str = "ends while the engine was down, told as they were";
const LINES: &str = "lines of output, each once and in order";
const HOLES: &str = "holes that a killed engine left, at most one in an output";
const CREATED: &str = "containers that were created, each for another attempt";

const KILLS_WITHOUT: u64 = 2;
const KILLS_WITH: u64 = 4;
const LIMIT: Duration = Duration::from_secs(120);
/// How many lines a task has said before the kill.
const SAID: u64 = 5;
const TASKS: [&str; 4] = ["leaves", "stays", "again", "never"];
const PIPELINE: &str = "engine";

fn floors(terms: &Terms) -> Floors {
    let (without, with) = (terms.scaled(KILLS_WITHOUT), terms.scaled(KILLS_WITH));
    let kills = without + with;
    vec![
        (KILLS, kills),
        (TRUE_ENDS, kills),
        (LOST, 3 * without),
        (KEPT, 3 * with),
        (CREATED, 4 * kills + without),
        (LINES, 4 * SAID * kills),
        (HOLES, 0),
    ]
}

fn run(terms: Terms) -> Findings {
    let mut found = Findings::default();
    for (keeps, kills) in [(false, terms.scaled(KILLS_WITHOUT)), (true, terms.scaled(KILLS_WITH))] {
        let builder = if keeps { Engine::builder().live_restore() } else { Engine::builder() };
        let engine = builder.start();
        test_image(engine.docker()).expect("the engine takes the image");
        let mut scene = Scene::new(engine, keeps);
        let mut dice = terms.dice(5 + u64::from(keeps));
        for _ in 0..kills {
            scene.kill(&mut dice, &mut found);
        }
        scene.end(&mut found);
    }
    found
}

fn pipeline() -> String {
    let say = "n=0; say() { n=$((n+1)); echo \"line $n\"; printf x >> /said; }";
    let talk = "talk() { while [ ! -e /gate ]; do say; sleep 0.05; done; }";
    let tasks = TASKS.map(|id| {
        let (retry, end) = match id {
            "leaves" => ("", "exit 7"),
            "again" => ("retry {\nattempts = 2\nbackoff = \"100ms\"\non = [\"lost\"]\n}", "exit 0"),
            "never" => ("retry {\nattempts = 2\nbackoff = \"100ms\"\non = [\"failed\"]\n}", "exit 0"),
            _ => ("", "exit 0"),
        };
        // A second attempt ends soon, by itself.
        let second = "[ \"$GOFER_ATTEMPT\" -lt 2 ] || { say; exit 0; }";
        format!(
            "task \"{id}\" \"{TEST_IMAGE}\" {{\nallow_failure = true\n{retry}\nscript = <<EOT\n{say}\n{talk}\n{second}\ntalk\n{end}\nEOT\n}}\n"
        )
    });
    format!("id = \"{PIPELINE}\"\n{}", tasks.concat())
}

/// A container as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Container {
    id: String,
    pid: u32,
}

/// An engine, a server, and what the engine has told so far.
struct Scene {
    // Dropped in this order: the server lets go of the engine first.
    server: ServerBox,
    engine: Engine,
    keeps: bool,
    owner: String,
    /// The containers that stood for each attempt, ever.
    of_attempt: BTreeMap<String, BTreeSet<String>>,
}

impl Scene {
    fn new(engine: Engine, keeps: bool) -> Self {
        let config = format!(
            "[scheduler]\ndefault = \"docker\"\n[scheduler.docker]\nsocket = {:?}\nnetwork = \"none\"\n[retention]\nlogs_runs = 0\n",
            engine.docker().url()
        );
        let server = ServerBox::builder().config(&config).start();
        runtime().block_on(async { register(&connect(server.addr()).await, &pipeline()).await });
        let owner = std::fs::read_to_string(server.data_dir().join("owner")).expect("the mark of the server");
        Self { server, engine, keeps, owner: owner.trim().to_owned(), of_attempt: BTreeMap::new() }
    }

    /// One run, and a kill of the engine under it.
    fn kill(&mut self, dice: &mut Dice, found: &mut Findings) {
        let runtime = runtime();
        let (client, number) = runtime.block_on(async {
            let client = connect(self.server.addr()).await;
            let request =
                StartRunRequest { pipeline: Some(pipeline_ref(PIPELINE)), ..StartRunRequest::default() };
            let number = client.start_run(request).await.expect("it starts").run.expect("a run").number;
            (client, number)
        });
        let before = self.talking(number, dice.below(20));
        self.note_containers();
        self.engine.kill9();
        found.count(KILLS, 1);
        open_gate(&before["leaves"]);
        Waiter::new("the end of the task that leaves").limit(LIMIT).until_blocking(|| {
            let alive = PathBuf::from(format!("/proc/{}/root/said", before["leaves"].pid)).try_exists();
            if alive.unwrap_or(false) { Err("it runs") } else { Ok(()) }
        });
        self.engine.start_again();
        self.note_containers();
        if self.keeps {
            self.went_on(&before, found);
        }
        runtime.block_on(async {
            let end = tokio::time::timeout(LIMIT, ended(&client, PIPELINE, number)).await;
            found.must(end.is_ok_and(|end| end.is_some()), || format!("run {number} does not end"));
            for task in TASKS {
                self.judge(&client, (number, task), &before[task], found).await;
            }
        });
        self.note_containers();
    }

    /// The containers of this run, once each has said enough.
    fn talking(&self, number: u64, more: u64) -> BTreeMap<&'static str, Container> {
        let run = &number.to_string();
        Waiter::new("containers that have said enough").limit(LIMIT).until_blocking(|| {
            let mut there = BTreeMap::new();
            for container in self.list() {
                let labels = &container["Labels"];
                let task = TASKS.into_iter().find(|task| labels["gofer.task"] == **task);
                if let Some(task) = task
                    && labels["gofer.run"] == *run
                {
                    let id = container["Id"].as_str().unwrap_or_default().to_owned();
                    let pid = self.pid(&id);
                    if said(pid) >= SAID + more {
                        there.insert(task, Container { id, pid });
                    }
                }
            }
            if there.len() == TASKS.len() { Ok(there) } else { Err(format!("{there:?}")) }
        })
    }

    /// Everything of this server that the engine has.
    fn list(&self) -> Vec<Value> {
        let filter = format!("%7B%22label%22%3A%5B%22gofer.owner%3D{}%22%5D%7D", self.owner);
        let answer = self.engine.docker().get(&format!("/containers/json?all=1&filters={filter}"));
        let answer = answer.expect("the engine answers");
        serde_json::from_str(&answer.text()).expect("a list of containers")
    }

    fn pid(&self, id: &str) -> u32 {
        let answer = self.engine.docker().get(&format!("/containers/{id}/json")).expect("the engine answers");
        let told: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        told["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default()
    }

    /// Takes down which containers there are, and which were created in this life of the engine.
    fn note_containers(&mut self) {
        for container in self.list() {
            let (id, labels) = (&container["Id"], &container["Labels"]);
            self.note(id.as_str(), labels["gofer.attempt"].as_str());
        }
        for event in created(self.engine.docker()) {
            let actor = &event["Actor"];
            if actor["Attributes"]["gofer.owner"] == self.owner.as_str() {
                self.note(actor["ID"].as_str(), actor["Attributes"]["gofer.attempt"].as_str());
            }
        }
    }

    fn note(&mut self, id: Option<&str>, attempt: Option<&str>) {
        if let (Some(id), Some(attempt)) = (id, attempt) {
            self.of_attempt.entry(attempt.to_owned()).or_default().insert(id.to_owned());
        }
    }

    /// What ran goes on: the same containers and processes. Then their gates are opened.
    fn went_on(&self, before: &BTreeMap<&'static str, Container>, found: &mut Findings) {
        for (task, container) in before.iter().filter(|(task, _)| **task != "leaves") {
            let pid = self.pid(&container.id);
            found.must(pid == container.pid, || {
                format!("`{task}` was process {} and is {pid}", container.pid)
            });
            found.count(KEPT, 1);
            let (soon, had) = (|| said(container.pid), said(container.pid));
            Waiter::new("a task that goes on")
                .limit(LIMIT)
                .until_blocking(|| if soon() > had { Ok(()) } else { Err(had) });
            open_gate(container);
        }
    }

    /// The end of a task, its attempts, and its output.
    async fn judge(
        &self,
        client: &Client,
        (number, task): (u64, &str),
        before: &Container,
        found: &mut Findings,
    ) {
        let request = GetTaskRunRequest { run: Some(run_ref(PIPELINE, number)), task: task.to_owned() };
        let told = client.get_task_run(request).await.expect("the task run is there");
        let first = told.attempts.first().and_then(|attempt| attempt.exit.clone()).unwrap_or_default();
        let attempts = told.attempts.len();
        let named = format!("run {number}, `{task}`, live-restore {}", self.keeps);
        let lost = !self.keeps && task != "leaves";
        let wanted = match task {
            "leaves" => ("exit_code", Some(7), 1),
            "again" if lost => ("lost", None, 2),
            _ if lost => ("lost", None, 1),
            _ => ("exit_code", Some(0), 1),
        };
        found.must((first.kind.as_str(), first.exit_code, attempts) == wanted, || {
            format!("{named}: {attempts} attempts, the first ended with {first:?}, not {wanted:?}")
        });
        found.count(if lost { LOST } else { TRUE_ENDS }, u64::from(lost || task == "leaves"));
        let same = told.attempts.first().is_some_and(|attempt| before.id.starts_with(&attempt.handle));
        found.must(same, || {
            format!("{named}: it was container {} and is told as {:?}", before.id, told.attempts)
        });
        output(client, (number, task), &told, &named, found).await;
    }

    /// Nothing is left at the engine, and each attempt had one container.
    fn end(mut self, found: &mut Findings) {
        runtime().block_on(wait_for("an engine without containers of this server", async || {
            let left = self.list();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        }));
        self.note_containers();
        for (attempt, containers) in &self.of_attempt {
            found.count(CREATED, containers.len() as u64);
            found.must(containers.len() == 1, || {
                format!("attempt {attempt} had the containers {containers:?}")
            });
        }
        crate::trial::finish(self.server, found);
    }
}

/// The containers that were created in this life of the engine, as its events tell.
fn created(docker: &Docker) -> Vec<Value> {
    let until = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
    let filter = "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%5D%7D";
    let answer =
        docker.get(&format!("/events?since=0&until={until}&filters={filter}")).expect("the engine answers");
    answer.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// How many lines a task says it has said, in its own root file system.
fn said(pid: u32) -> u64 {
    std::fs::metadata(format!("/proc/{pid}/root/said")).map_or(0, |file| file.len())
}

fn open_gate(container: &Container) {
    // One that has ended has no file system any more; who needs the gate waits for what follows it.
    let _ = std::fs::write(format!("/proc/{}/root/gate", container.pid), "");
}

/// Every line of the first attempt once and in order, with at most one hole or gap.
async fn output(
    client: &Client,
    (number, task): (u64, &str),
    told: &GetTaskRunResponse,
    named: &str,
    found: &mut Findings,
) {
    let tasks = vec![task.to_owned()];
    let run = Some(run_ref(PIPELINE, number));
    let request = ReadLogsRequest { run, tasks, attempt: 1, follow: true, ..ReadLogsRequest::default() };
    let mut pages = client.read_logs(request).await.expect("the server reads logs");
    let (mut last, mut holes, mut gaps) = (0, 0, 0);
    while let Some(page) = pages.next().await {
        for entry in page.expect("the logs go on").entries {
            if entry.gap.is_some() {
                gaps += 1;
                continue;
            }
            let text = String::from_utf8_lossy(&entry.data).into_owned();
            let line = text.strip_prefix("line ").and_then(|line| line.parse::<u64>().ok());
            found.must(line.is_some_and(|line| line > last), || {
                format!("{named}: {text:?} behind line {last}")
            });
            holes += u64::from(line.is_some_and(|line| line > last + 1));
            last = line.unwrap_or(last);
            found.count(LINES, 1);
        }
    }
    found.count(HOLES, holes);
    found.must(holes <= 1 && last >= SAID, || {
        format!("{named}: {holes} holes, {gaps} gaps, up to line {last}; {:?}", told.task)
    });
}
