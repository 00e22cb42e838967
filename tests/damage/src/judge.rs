//! Asks a server of everything that the suite knows of its past, and judges the answers.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gofer_client::{Client, ClientError};
use gofer_proto::v1::get_object_response::Part;
use gofer_proto::v1::{
    GetObjectRequest, GetRunRequest, GetStatusRequest, ListRunsRequest, ObjectScope, Page, Run, RunState,
};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::crash::ended;
use gofer_tests_e2e::{connect, run_ref};

use crate::findings::Findings;
use crate::output::{Due, compare};
use crate::past::{Known, Past};
use crate::pipelines::{GOOD, KINDS};

/// A run that was told as it is.
pub const RIGHT: &str = "runs that were told as they are";
/// A run of which something is damaged, by name.
pub const NAMED: &str = "runs of which damage was told by name";

/// The run was set aside; a record or an output is damaged.
const NAMES: [&str; 2] = ["E0510", "E0910"];

/// How many questions are asked at once.
const AT_ONCE: usize = 16;

/// How long a run may take to its end, and how long all questions may.
const LIMIT: Duration = Duration::from_secs(60);

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// What is told now.
    None,
    /// Every run is waited for to its end.
    ToTheEnd,
}

/// Asks of every run, output and object.
///
/// # Panics
/// If the server does not answer.
pub fn everything(server: &ServerBox, past: &Past, patience: Patience) -> Findings {
    let asked = async {
        let client = connect(server.addr()).await;
        let mut found = Findings::default();
        let runs = past.runs.iter().map(|known| run(&client, known, patience));
        for one in stream::iter(runs).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
            found.add(one);
        }
        listed(&client, past, &mut found).await;
        objects(&client, past, &mut found).await;
        found
    };
    let in_time = async { tokio::time::timeout(LIMIT, asked).await };
    crate::workers::runtime().block_on(in_time).unwrap_or_else(|_| {
        let mut found = Findings::default();
        found.wrong(format!("the questions were not answered within {LIMIT:?}"));
        found
    })
}

/// How many runs the server says it has set aside.
///
/// # Panics
/// If it does not answer.
pub async fn set_aside(client: &Client) -> u64 {
    let status = client.get_status(GetStatusRequest { check: false }).await.expect("the server answers");
    status.quarantined_runs
}

/// Whether an error says that something is damaged, and not that something is not there or went wrong.
#[must_use]
pub fn names_damage(error: &ClientError) -> bool {
    error.code().is_some_and(|code| NAMES.contains(&code))
}

fn spelled(error: &ClientError) -> String {
    format!("{}: {}", error.code().unwrap_or("no code"), error.message())
}

/// One run: what it is, how it ends, what it printed.
async fn run(client: &Client, known: &Known, patience: Patience) -> Findings {
    let name = format!("{}/{}", known.kind.id, known.number);
    let mut found = Findings::default();
    let told = told(client, known, patience).await;
    let state = match told {
        Ok(run) => state(&run, known, &name, &mut found),
        Err(error) if names_damage(&error) => {
            found.count(NAMED, 1);
            return found;
        }
        Err(error) if error.code() == Some("E0303") && known.young.0 => return found,
        Err(error) => {
            found.wrong(format!("{name} is not told: {}", spelled(&error)));
            return found;
        }
    };
    match compare(client, (known.kind, known.number), due(known, state, patience), &mut found).await {
        Ok(()) => found.count(RIGHT, 1),
        Err(error) if names_damage(&error) => found.count(NAMED, 1),
        Err(error) => found.wrong(format!("the output of {name} is not told: {}", spelled(&error))),
    }
    found
}

async fn told(client: &Client, known: &Known, patience: Patience) -> Result<Run, ClientError> {
    let request = || GetRunRequest { run: Some(run_ref(known.kind.id, known.number)) };
    let first = client.get_run(request()).await?;
    let over = first.run.as_ref().is_some_and(|run| is_over(run.state()));
    let answer = if over || patience == Patience::None {
        first
    } else {
        // Whether it has ended, or why not, is what is asked for behind it.
        let _ = tokio::time::timeout(LIMIT / 2, ended(client, known.kind.id, known.number)).await;
        client.get_run(request()).await?
    };
    Ok(answer.run.unwrap_or_default())
}

fn is_over(state: RunState) -> bool {
    !matches!(state, RunState::Unspecified | RunState::Queued | RunState::Running)
}

/// The state that is told, which must be one that the run can be in.
fn state(run: &Run, known: &Known, name: &str, found: &mut Findings) -> RunState {
    let state = run.state();
    found.must((run.pipeline.as_str(), run.number) == (known.kind.id, known.number), || {
        format!("{name} is told as {}/{}", run.pipeline, run.number)
    });
    let fits = match known.ended {
        Some(end) if !known.young.1 => state == end,
        _ => !is_over(state) || state == known.kind.end || state == RunState::Errored,
    };
    found.must(fits && state != RunState::Unspecified, || {
        format!("{name} ended with {:?} and is told as {state:?}", known.ended)
    });
    state
}

fn due(known: &Known, state: RunState, patience: Patience) -> Due {
    match (known.ended, state) {
        (Some(_), state) if is_over(state) && !known.young.1 => Due::All,
        (_, state) if state == known.kind.end && patience == Patience::ToTheEnd => Due::Followed,
        _ => Due::Beginning,
    }
}

/// The lists hold runs that there are, each once, and no others.
async fn listed(client: &Client, past: &Past, found: &mut Findings) {
    for kind in KINDS {
        let numbers: BTreeSet<u64> =
            past.runs.iter().filter(|run| run.kind.id == kind.id).map(|run| run.number).collect();
        let (mut seen, mut token, mut foreign) = (BTreeSet::new(), String::new(), 0);
        loop {
            let page = Some(Page { size: 1000, token });
            let request =
                ListRunsRequest { pipeline: kind.id.to_owned(), page, ..ListRunsRequest::default() };
            let answer = match client.list_runs(request).await {
                Ok(answer) => answer,
                Err(error) if names_damage(&error) => break,
                Err(error) => return found.wrong(format!("{} is not listed: {}", kind.id, spelled(&error))),
            };
            for run in &answer.runs {
                found.must(run.pipeline == kind.id, || format!("{} lists {}", kind.id, run.pipeline));
                found.must(seen.insert(run.number), || format!("{}/{} is listed twice", kind.id, run.number));
                foreign += u64::from(!numbers.contains(&run.number));
            }
            token = answer.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        found.must(foreign <= past.unknown, || {
            format!("{foreign} runs of {} are there that nobody started", kind.id)
        });
    }
}

/// An object has the bytes that were put, or is damaged by name.
async fn objects(client: &Client, past: &Past, found: &mut Findings) {
    for put in &past.objects {
        let scope = ObjectScope { pipeline: GOOD.id.to_owned(), ..ObjectScope::default() };
        let request =
            GetObjectRequest { scope: Some(scope), key: put.key.clone(), ..GetObjectRequest::default() };
        match read(client, request).await {
            Ok(bytes) => found.must(bytes == put.bytes, || format!("the object {} has other bytes", put.key)),
            Err(error) if names_damage(&error) => {}
            Err(error) => found.wrong(format!("the object {} is not told: {}", put.key, spelled(&error))),
        }
    }
}

async fn read(client: &Client, request: GetObjectRequest) -> Result<Vec<u8>, ClientError> {
    let mut parts = client.get_object_once(request).await?;
    let mut bytes = Vec::new();
    while let Some(part) = parts.next().await {
        if let Some(Part::Chunk(chunk)) = part?.part {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes)
}
