//! The past of a data directory: a server that had work, went down together with its host, and what the suite knows of it.
//!
//! The directory is kept as it was at that moment. Whoever damages it works on a copy.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gofer_client::Client;
use gofer_proto::v1::{ObjectScope, PutObjectHeader, RunState, StartRunRequest};
use gofer_testkit::{ServerBox, wait_for, wait_for_blocking};
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::ended;
use gofer_tests_e2e::{Witness, connect, register};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use crate::folder;
use crate::pipelines::{BAD, CHATTY, GOOD, HOLD, KINDS, Kind};
use crate::terms::now;

/// What the servers of this suite are configured with: all output is kept, and its files are as small as they may be.
pub const CONFIG: &str = "[retention]\nlogs_runs = 0\n[logs]\nsegment_bytes = \"64KiB\"\n";

/// What is younger than this when a server is killed under load may belong to its newest group.
pub const YOUNG: Duration = Duration::from_millis(100);

/// How long redb needs to settle when nothing is committed, and more.
const SETTLED: Duration = Duration::from_millis(1_600);

/// How long a client may take to see that its server is gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many of the runs that are to end are under way at once.
const AT_ONCE: usize = 8;

/// What there is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many runs have ended.
    pub ended: u64,
    /// How many run, and stay.
    pub running: u64,
    /// How many wait for these.
    pub queued: u64,
    /// How many are started right before the end; without any, the server is idle then.
    pub late: u64,
}

/// A run that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Of which pipeline.
    pub kind: &'static Kind,
    /// Its number.
    pub number: u64,
    /// The end that was seen.
    pub ended: Option<RunState>,
    /// Whether the start, and the end, are so young that they may belong to the newest group.
    pub young: (bool, bool),
}

/// An object that was put.
#[derive(Debug, Clone)]
pub struct Put {
    /// Its key, below the pipeline `good`.
    pub key: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A data directory, and what is known of it.
#[derive(Debug)]
pub struct Past {
    /// The directory, as it was.
    pub data: PathBuf,
    /// Every run that was acknowledged.
    pub runs: Vec<Known>,
    /// Every object whose put was acknowledged.
    pub objects: Vec<Put>,
    /// How many starts were under way when the server was killed: each may be there or not.
    pub unknown: u64,
    // The witness and the gate of the tasks lie in its world.
    _server: ServerBox,
}

/// The start and the end of a run, and when each was told.
type Story = (&'static Kind, u64, Duration, Option<(RunState, Duration)>);

impl Past {
    /// A server does all this, and goes down with its host.
    ///
    /// # Panics
    /// If the server does not do it.
    #[must_use]
    pub fn made(plan: Plan) -> Self {
        let runtime = crate::workers::runtime();
        let mut server = ServerBox::builder().config(CONFIG).start();
        let witness = Witness::new(server.world().join("witness"));
        let variables = Variables::new(&server, &witness);
        let (mut stories, objects, mut late) = runtime.block_on(async {
            let client = connect(server.addr()).await;
            for kind in KINDS {
                let parallelism = if kind.id == HOLD.id { plan.running } else { 0 };
                register(&client, &kind.file(parallelism)).await;
            }
            let mut stories = several_ended(&client, &variables, plan.ended).await;
            let objects = put_objects(&client).await;
            stories.extend(several_held(&client, &variables, plan).await);
            wait_for("the held tasks", async || {
                let marks = witness.marks();
                let starts = marks.iter().filter(|mark| mark.word == "start" && mark.task == "stays").count();
                if starts as u64 >= plan.running { Ok(()) } else { Err(starts) }
            })
            .await;
            (stories, objects, several_late(&client, &variables, plan.late).await)
        });
        server.kill9();
        let killed = now();
        stories.extend(runtime.block_on(late.left()));
        host_goes_down(&server);
        let data = server.world().join("past");
        folder::copy(&server.data_dir(), &data).expect("the data directory can be copied");
        server.world().write("gate", "");
        let unknown = plan.ended + plan.running + plan.queued + plan.late - stories.len() as u64;
        let runs = stories.into_iter().map(|story| known(story, killed, plan.late > 0)).collect();
        Self { data, runs, objects, unknown, _server: server }
    }
}

/// What every run is started with.
#[derive(Debug, Clone)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn new(server: &ServerBox, witness: &Witness) -> Self {
        let gate = server.world().join("gate").display().to_string();
        Self(vec![("witness".to_owned(), witness.path().display().to_string()), ("gate".to_owned(), gate)])
    }
}

fn known((kind, number, acked, end): Story, killed: Duration, loaded: bool) -> Known {
    let young = |at: Duration| loaded && killed.saturating_sub(at) < YOUNG;
    let ended = end.map(|(state, _)| state);
    Known { kind, number, ended, young: (young(acked), end.is_some_and(|(_, at)| young(at))) }
}

/// Starts a run; `None` if the server went away.
async fn start(client: &Client, kind: &'static Kind, variables: &Variables) -> Option<u64> {
    let request = StartRunRequest {
        pipeline: Some(pipeline_ref(kind.id)),
        variables: variables.0.iter().cloned().collect(),
        ..StartRunRequest::default()
    };
    client.start_run(request).await.ok()?.run.map(|run| run.number)
}

/// A run from its start to its end, as far as the server lives.
async fn story(client: Client, kind: &'static Kind, variables: Variables) -> Option<Story> {
    let number = start(&client, kind, &variables).await?;
    let acked = now();
    let end = ended(&client, kind.id, number).await;
    Some((kind, number, acked, end.map(|state| (state, now()))))
}

async fn several_ended(client: &Client, variables: &Variables, count: u64) -> Vec<Story> {
    let (mut runs, mut stories) = (JoinSet::new(), Vec::new());
    for number in 0..count {
        if runs.len() >= AT_ONCE {
            stories.extend(runs.join_next().await);
        }
        let kind = match number % 10 {
            3 => &CHATTY,
            5 | 8 => &BAD,
            _ => &GOOD,
        };
        runs.spawn(story(client.clone(), kind, variables.clone()));
    }
    stories.extend(runs.join_all().await.into_iter().map(Ok));
    let stories = stories.into_iter().map(|story| story.expect("no check panics").expect("the server lives"));
    stories
        .inspect(|story| assert_eq!(story.3.map(|(state, _)| state), Some(story.0.end), "{story:?}"))
        .collect()
}

async fn several_held(client: &Client, variables: &Variables, plan: Plan) -> Vec<Story> {
    let mut stories = Vec::new();
    for _ in 0..plan.running + plan.queued {
        let number = start(client, &HOLD, variables).await.expect("the server lives");
        stories.push((&HOLD, number, now(), None));
    }
    stories
}

/// Work that a server has when it is killed.
#[derive(Debug, Default)]
struct Late {
    stories: Vec<Story>,
    runs: JoinSet<Option<Story>>,
}

/// Begins it, and returns when half of it has ended. Without any, returns when the server has nothing left to write.
async fn several_late(client: &Client, variables: &Variables, count: u64) -> Late {
    let mut late = Late::default();
    if count == 0 {
        // sleeps: the storage settles when nothing was committed for a second, and tells nobody
        tokio::time::sleep(SETTLED).await;
        return late;
    }
    for _ in 0..count {
        late.runs.spawn(story(client.clone(), &GOOD, variables.clone()));
    }
    while (late.stories.len() as u64) < count.div_ceil(2) {
        late.stories.extend(late.runs.join_next().await.expect("there is more").expect("no check panics"));
    }
    late
}

impl Late {
    /// What was told of the work until the server was killed. A start that is still repeated was never acknowledged.
    async fn left(&mut self) -> Vec<Story> {
        let mut stories = std::mem::take(&mut self.stories);
        while let Ok(Some(told)) = tokio::time::timeout(PATIENCE, self.runs.join_next()).await {
            stories.extend(told.expect("no check panics"));
        }
        stories
    }
}

async fn put_objects(client: &Client) -> Vec<Put> {
    let mut puts = Vec::new();
    for (key, len) in [("small", 10_usize), ("folder/large", 70_000), ("empty", 0)] {
        let bytes: Bytes = (0..len).map(|at| u8::try_from(at % 251).expect("a byte")).collect();
        let scope = ObjectScope { pipeline: GOOD.id.to_owned(), ..ObjectScope::default() };
        let header =
            PutObjectHeader { scope: Some(scope), key: key.to_owned(), ..PutObjectHeader::default() };
        let parts = stream::iter([Ok::<_, std::io::Error>(bytes.clone())]);
        client.put_object(header, parts).await.expect("the object is put");
        puts.push(Put { key: key.to_owned(), bytes });
    }
    puts
}

/// Everything that the server has started ends with its host.
fn host_goes_down(server: &ServerBox) {
    wait_for_blocking("the end of all tasks", || {
        let left = server.world().processes();
        for pid in &left {
            let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw).expect("a process id");
            // One that cannot be killed has ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}
