//! The wall clock of the running server jumps while tasks run: a day forth and back, to 1970, to 2040, to and fro by seconds.
//!
//! Promise P10: a jump changes the times that people are shown, and never time limits, waits, the order of anything or
//! idempotency keys. In each round, three runs are under way when the clock jumps:
//!
//! - `late` has a time limit of a second and would stay for a minute: it ends when the limit has passed and not before;
//! - `calm` has a limit of a minute and takes a moment: it succeeds;
//! - `again` fails, waits a second, and succeeds: its second attempt begins when the wait has passed and not before.
//!
//! What is measured is measured on the monotonic clock, by this program and by the tasks. What a server tells of a span is a
//! difference of two times of the wall clock: how often a jump shows in it is counted and is no violation; that no end
//! stands before its start is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_client::Client;
use gofer_proto::v1::{
    Event, GetInfoRequest, GetStatusRequest, ListEventsRequest, ListRunsRequest, Page, Run, RunState,
    StartRunRequest,
};
use gofer_testkit::{ServerBox, wait_for};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::{Dice, ended};
use gofer_tests_e2e::witness::say;
use gofer_tests_e2e::{Witness, connect, register};
use rustix::time::{ClockId, clock_gettime};

use crate::findings::Findings;
use crate::scenario::{Floors, Scenario};
use crate::terms::{Terms, now};
use crate::wall::Wall;
use crate::workers::runtime;

/// The scenario.
pub const SCENARIO: Scenario = Scenario {
    name: "clock",
    about: "the wall clock of the server jumps while tasks run",
    unavailable: Wall::unavailable,
    floors,
    run,
};

const JUMPS: &str = "jumps of the wall clock that the server saw";
const LIMITS: &str = "time limits that passed behind a jump, and ended a task then";
const CALM: &str = "tasks within their limit that succeeded";
const WAITS: &str = "waits before a second attempt that were as long as asked for";
const KEYS: &str = "starts that were repeated behind a jump and found their run";
const EVENTS: &str = "events in their order";
const SHOWN: &str = "runs whose times show the jump in their span";

const FULL: u64 = 20;
/// A time limit, and a wait.
const SECOND: Duration = Duration::from_secs(1);
/// How late an end or a start may come on a busy machine.
const SLACK: Duration = Duration::from_secs(4);
const DAY: i64 = 86_400_000_000_000;
const BILLION: i64 = 1_000_000_000;
const YEAR_2040: i64 = 2_208_988_800;
const CONFIG: &str = "[limits]\ntask_timeout_min = \"1s\"\n[retention]\nlogs_runs = 0\n";
const PIPELINES: [&str; 3] = ["late", "calm", "again"];

fn floors(terms: &Terms) -> Floors {
    let jumps = terms.scaled(FULL);
    vec![
        (JUMPS, jumps),
        (LIMITS, jumps.div_ceil(2)),
        (CALM, jumps),
        (WAITS, jumps),
        (KEYS, 3 * jumps),
        (EVENTS, 15 * jumps),
        (SHOWN, 0),
    ]
}

fn run(terms: Terms) -> Findings {
    let wall = Wall::new();
    let server = wall.given_to(ServerBox::builder()).config(CONFIG).start();
    let scene = Scene { witness: Witness::new(server.world().join("witness")), server, wall };
    let mut found = Findings::default();
    runtime().block_on(async {
        let client = connect(scene.server.addr()).await;
        for pipeline in PIPELINES {
            register(&client, &file(pipeline)).await;
        }
        let mut dice = terms.dice(4);
        for round in 0..terms.scaled(FULL) {
            scene.round(&client, (round, shift(round, &mut dice)), &mut found).await;
        }
        scene.keys(&client, terms.scaled(FULL), &mut found).await;
        in_order(&client, &mut found).await;
    });
    crate::trial::finish(scene.server, &mut found);
    found
}

/// Where the clock stands in a round, in nanoseconds before or behind the machine's.
fn shift(round: u64, dice: &mut Dice) -> i64 {
    let machine = clock_gettime(ClockId::Realtime).tv_sec;
    match round % 10 {
        0 => DAY,
        1 => -DAY,
        2 => -machine * BILLION,
        3 => (YEAR_2040 - machine) * BILLION,
        4 => 0,
        5 => BILLION,
        6 => -BILLION,
        7 => 3_600 * BILLION,
        8 => -3_600 * BILLION,
        _ => i64::try_from(dice.below(60 * 86_400)).unwrap_or_default() * BILLION - 30 * DAY,
    }
}

fn file(id: &str) -> String {
    // The time since the machine was started: no clock of the wall.
    let mark = "read up rest < /proc/uptime; echo \"$GOFER_RUN_ID $GOFER_ATTEMPT $up\" >> \"$pauses\"";
    let (more, script) = match id {
        "late" => ("timeout = \"1s\"", format!("{}\nexec sleep 60", say("start"))),
        "calm" => ("timeout = \"60s\"", format!("{}\nsleep 0.7\necho calm\n{}", say("start"), say("end"))),
        _ => (
            "retry {\nattempts = 2\nbackoff = \"1s\"\non = [\"failed\"]\n}",
            format!("{}\n{mark}\n[ \"$GOFER_ATTEMPT\" -ge 2 ]", say("start")),
        ),
    };
    format!(
        "id = \"{id}\"\nvariable \"witness\" {{\ntype = \"string\"\n}}\nvariable \"pauses\" {{\ntype = \"string\"\n}}\n\
         task \"{id}\" {{\n{more}\nscript = <<EOT\n{script}\nEOT\n}}\n"
    )
}

struct Scene {
    server: ServerBox,
    wall: Wall,
    witness: Witness,
}

impl Scene {
    fn request(&self, pipeline: &str, round: u64) -> StartRunRequest {
        let variables = [
            ("witness".to_owned(), self.witness.path().display().to_string()),
            ("pauses".to_owned(), self.server.world().join("pauses").display().to_string()),
        ];
        StartRunRequest {
            pipeline: Some(pipeline_ref(pipeline)),
            variables: variables.into(),
            idempotency_key: format!("{pipeline}-{round}"),
            ..StartRunRequest::default()
        }
    }

    /// Three runs are under way, the clock jumps, and they end as if it had not.
    async fn round(&self, client: &Client, (round, shift): (u64, i64), found: &mut Findings) {
        let before = client.get_status(GetStatusRequest::default()).await.expect("the server answers");
        let asked = now();
        let number = round + 1;
        for pipeline in PIPELINES {
            let run = client.start_run(self.request(pipeline, round)).await.expect("it starts").run;
            let told = run.map(|run| run.number);
            found.must(told == Some(number), || {
                format!("{pipeline}-{round} became run {told:?}, not {number}")
            });
        }
        wait_for("the tasks of this round", async || {
            let marks = self.witness.marks();
            let starts = marks.iter().filter(|mark| mark.run == number && mark.word == "start").count();
            if starts >= PIPELINES.len() { Ok(()) } else { Err(starts) }
        })
        .await;
        let (started, named) = (now(), format!("round {round}, {shift} ns"));
        self.wall.jump(shift);
        // On a slow machine the limit may have passed before the jump: such a round proves nothing of limits.
        let in_time = now() - asked < SECOND;
        self.is_seen(client, shift, &named, found).await;
        let (late, calm, again) = tokio::join!(
            async { (ended(client, "late", number).await, now()) },
            ended(client, "calm", number),
            ended(client, "again", number)
        );
        let limit = (late.1 - asked >= SECOND, late.1 - started <= SECOND + SLACK);
        found.must(late.0 == Some(RunState::Failed) && limit == (true, true), || {
            format!("{named}: `late` ended with {:?} after {:?}", late.0, late.1 - asked)
        });
        found.count(LIMITS, u64::from(in_time));
        found.must(calm == Some(RunState::Succeeded), || format!("{named}: `calm` ended with {calm:?}"));
        found.count(CALM, 1);
        found.must(again == Some(RunState::Succeeded), || format!("{named}: `again` ended with {again:?}"));
        self.pause(number, &named, found);
        let after = client.get_status(GetStatusRequest::default()).await.expect("the server answers");
        let up =
            |status: &gofer_proto::v1::GetStatusResponse| status.uptime.map_or(0, |uptime| uptime.seconds);
        let (told, real) = (up(&after) - up(&before), (now() - asked).as_secs());
        found.must(told.abs_diff(i64::try_from(real).unwrap_or_default()) <= 2, || {
            format!("{named}: the server says that {told} s went by, and it were {real}")
        });
    }

    /// The server has the new time: a jump that it did not see would prove nothing.
    async fn is_seen(&self, client: &Client, shift: i64, named: &str, found: &mut Findings) {
        let info = client.get_info(GetInfoRequest {}).await.expect("the server answers");
        let machine = clock_gettime(ClockId::Realtime).tv_sec;
        // No time before 1970 can be told.
        let wanted = (machine + shift / BILLION).max(0);
        let told = info.now.map(|now| now.seconds);
        found.must(told.is_some_and(|told| told.abs_diff(wanted) <= 3), || {
            format!("{named}: the server tells {told:?}, and its clock shows {wanted}")
        });
        found.count(JUMPS, 1);
    }

    /// How long the wait before the second attempt was, by the clock of the tasks.
    fn pause(&self, number: u64, named: &str, found: &mut Findings) {
        let text = self.server.world().read("pauses");
        let mut at: BTreeMap<u64, f64> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let [run, attempt, up] = words[..]
                && run.parse() == Ok(number)
            {
                at.insert(attempt.parse().unwrap_or_default(), up.parse().unwrap_or_default());
            }
        }
        let pause = at.get(&2).zip(at.get(&1)).map(|(second, first)| second - first);
        // The clock of the tasks has hundredths of a second.
        let (least, most) = (SECOND.as_secs_f64() - 0.02, (SECOND + SLACK).as_secs_f64());
        found.must(pause.is_some_and(|pause| (least..=most).contains(&pause)), || {
            format!("{named}: the second attempt came {pause:?} s behind the first")
        });
        found.count(WAITS, 1);
    }

    /// Every start that is repeated now finds the run that it was.
    async fn keys(&self, client: &Client, rounds: u64, found: &mut Findings) {
        for round in 0..rounds {
            for pipeline in PIPELINES {
                let answer =
                    client.start_run(self.request(pipeline, round)).await.expect("the server answers");
                let told = answer.run.map(|run| run.number);
                found.must(answer.existing && told == Some(round + 1), || {
                    format!("{pipeline}-{round} was run {} and is now {told:?}", round + 1)
                });
                found.count(KEYS, 1);
            }
        }
    }
}

/// Events are numbered without a hole, those of a run and of a task go forward, and lists are in the order of numbers.
async fn in_order(client: &Client, found: &mut Findings) {
    let request =
        |token| ListEventsRequest { page: Some(Page { size: 1000, token }), ..ListEventsRequest::default() };
    let (mut last, mut token) = (0, String::new());
    let mut ranks: BTreeMap<(String, u64, String), u32> = BTreeMap::new();
    loop {
        let answer = client.list_events(request(token)).await.expect("events are listed");
        for event in &answer.events {
            found.must(event.seq == last + 1, || format!("event {} comes behind event {last}", event.seq));
            last = event.seq;
            let Some(rank) = rank(event) else { continue };
            let before = ranks.insert((event.pipeline.clone(), event.run, event.task.clone()), rank);
            let again = event.pipeline == "again";
            found.must(again || before.is_none_or(|before| before <= rank), || {
                format!("out of order: {event:?}")
            });
            found.count(EVENTS, 1);
        }
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    for pipeline in PIPELINES {
        let page = Some(Page { size: 1000, token: String::new() });
        let request = ListRunsRequest { pipeline: pipeline.to_owned(), page, ..ListRunsRequest::default() };
        let runs = client.list_runs(request).await.expect("runs are listed").runs;
        let numbers: Vec<u64> = runs.iter().map(|run| run.number).collect();
        found.must(numbers.is_sorted_by(|one, next| one > next), || format!("{pipeline} lists {numbers:?}"));
        runs.iter().for_each(|run| times(run, found));
    }
}

/// How far a run or a task is with this event.
fn rank(event: &Event) -> Option<u32> {
    match event.state.as_str() {
        "queued" | "waiting" | "pending" => Some(0),
        "running" => Some(1),
        "" | "fetching" | "fetched" => None,
        _ => Some(2),
    }
}

/// The times of a run stand in their order.
fn times(run: &Run, found: &mut Findings) {
    let at = [run.created, run.started, run.ended].map(|at| at.map(|at| (at.seconds, at.nanos)));
    found.must(at.is_sorted() && at[0].is_some(), || {
        format!("{}/{}: created, started and ended at {at:?}", run.pipeline, run.number)
    });
    let span = at[2].zip(at[1]).map_or(0, |(end, start)| end.0 - start.0);
    found.count(SHOWN, u64::from(!(0..=10).contains(&span)));
}
