//! Lists and look-ups over a million runs, as a client of a real server sees them, and what that server needs.

use std::collections::HashMap;

use gofer_client::Client;
use gofer_proto::v1::run_ref::Selector;
use gofer_proto::v1::{
    CreateNamespaceRequest, GetRunRequest, Latest, ListRunsRequest, RegisterPipelineRequest, RunRef,
    SourceFile,
};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::connect;

use crate::asking::{Dice, asked, page, rows, walk};
use crate::measure::{memory, millis, now};
use crate::scale::scaled;
use crate::seed::{History, fill};
use crate::table::Row;

const STARTS: usize = 5;
const TIMES: usize = 500;

/// Half of the runs are of one pipeline of which only the first run failed; the other half are of a hundred pipelines in ten
/// namespaces, of which every tenth run failed.
fn histories() -> Vec<History> {
    let big = scaled(500_000);
    let small = (0..100).map(|n| History::new(&format!("n{}", n % 10), &format!("p{n}"), scaled(5_000), 10));
    std::iter::once(History::new("default", "big", big, big)).chain(small).collect()
}

/// Fills the state of a server, and asks it.
pub(crate) async fn million_runs() -> Vec<Row> {
    let histories = histories();
    let mut server = ServerBox::builder().config("[retention]\nruns = 0\n").start();
    register(&connect(server.addr()).await, &histories).await;
    server.stop();
    let begin = now();
    fill(&server.data_dir(), &histories).await;
    let filled = now() - begin;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let begin = now();
        server.start_again();
        starts.push(now() - begin);
        if starts.len() < STARTS {
            server.stop();
        }
    }
    starts.sort_unstable();
    let (memory_at_start, _) = memory(server.pid());
    let client = connect(server.addr()).await;
    let mut table = vec![
        Row::plain("1,000,000 runs written below the engine", filled.as_secs_f64(), "s"),
        Row::at_most("1,000,000 runs, start of the server, p50", millis(starts[STARTS / 2]), "ms", 100.0),
        Row::at_most("1,000,000 runs, memory of the server after its start", memory_at_start, "MiB", 30.0),
    ];
    table.extend(lists(&client, &histories).await);
    table.extend(look_ups(&client, &histories).await);
    table.extend(filters(&client).await);
    table.push(Row::plain("1,000,000 runs, peak memory of the server", memory(server.pid()).1, "MiB"));
    table
}

async fn register(client: &Client, histories: &[History]) {
    for name in 0..10 {
        let request =
            CreateNamespaceRequest { name: format!("n{name}"), ..CreateNamespaceRequest::default() };
        client.create_namespace(request).await.expect("the namespace is made");
    }
    for history in histories {
        let id = history.pipeline.pipeline.as_str();
        let content = format!("id = \"{id}\"\ntask \"t\" {{\n  command = [\"true\"]\n}}\n");
        let source = Some(SourceFile { name: "pipeline.hcl".to_owned(), content });
        let namespace = history.pipeline.namespace.to_string();
        let request = RegisterPipelineRequest { source, namespace, ..RegisterPipelineRequest::default() };
        client.register_pipeline(request).await.expect("the pipeline is valid");
    }
}

/// What is asked for a list of all, of a namespace, of a pipeline.
fn requests() -> [(&'static str, ListRunsRequest); 4] {
    let of = |namespace: &str, pipeline: &str| ListRunsRequest {
        namespace: namespace.to_owned(),
        pipeline: pipeline.to_owned(),
        ..ListRunsRequest::default()
    };
    [
        ("all runs", of("", "")),
        ("runs of a namespace", of("n3", "")),
        ("runs of the largest pipeline", of("default", "big")),
        ("runs of a small pipeline", of("n3", "p3")),
    ]
}

async fn lists(client: &Client, histories: &[History]) -> Vec<Row> {
    let mut table = Vec::new();
    for (name, request) in requests() {
        let (pages, mut tokens, items) = walk(client, &request).await;
        let all: usize = histories.iter().map(|history| history.runs).sum();
        assert!(name != "all runs" || items == all, "{items} of {all} runs were listed");
        table.extend(rows(&format!("{name}, pages of 1,000 down to the last"), pages));
        tokens.push(String::new());
        let first = asked(scaled(TIMES), async || {
            page(client, &request, (30, "")).await;
        });
        table.extend(rows(&format!("{name}, first page of 30"), first.await));
        let mut dice = Dice::new();
        let deep = asked(scaled(TIMES), async || {
            page(client, &request, (30, &tokens[dice.below(tokens.len())])).await;
        });
        table.extend(rows(&format!("{name}, page of 30 anywhere"), deep.await));
    }
    table
}

async fn get(client: &Client, history: &History, selector: Selector) {
    let (namespace, pipeline) =
        (history.pipeline.namespace.to_string(), history.pipeline.pipeline.to_string());
    let run = Some(RunRef { namespace, pipeline, selector: Some(selector) });
    client.get_run(GetRunRequest { run }).await.expect("the run is there");
}

async fn look_ups(client: &Client, histories: &[History]) -> Vec<Row> {
    let mut dice = Dice::new();
    let times = scaled(TIMES);
    let mut table = Vec::new();
    let any = asked(times, async || {
        let history = &histories[dice.below(2) * (1 + dice.below(histories.len() - 1))];
        let number = 1 + dice.below(history.runs) as u64;
        get(client, history, Selector::Number(number)).await;
    });
    table.extend(rows("1,000,000 runs, any run", any.await));
    for (name, which) in [("latest", Latest::Unspecified), ("latest-failed", Latest::Failed)] {
        let usual = asked(times, async || {
            let history = &histories[1 + dice.below(histories.len() - 1)];
            get(client, history, Selector::Latest(which.into())).await;
        });
        table.extend(rows(&format!("1,000,000 runs, {name}"), usual.await));
    }
    let oldest = asked(scaled(10).min(10), async || {
        get(client, &histories[0], Selector::Latest(Latest::Failed.into())).await;
    });
    table.extend(rows("latest-failed where only the first of 500,000 failed", oldest.await));
    table
}

async fn filters(client: &Client) -> Vec<Row> {
    let mut table = Vec::new();
    for (name, request) in requests() {
        let with = |key: &str, value: &str| ListRunsRequest {
            labels: HashMap::from([(key.to_owned(), value.to_owned())]),
            ..request.clone()
        };
        let usual = with("team", "t7");
        let found = asked(scaled(TIMES), async || {
            page(client, &usual, (30, "")).await;
        });
        table.extend(rows(&format!("{name}, a label of every tenth, page of 30"), found.await));
        // nobody has it: the longest search that there is
        let rare = with("commit", "none");
        let (pages, _, items) = walk(client, &rare).await;
        assert_eq!(items, 0, "nobody has this label");
        let whole = pages.iter().sum::<std::time::Duration>().as_secs_f64();
        table.extend(rows(&format!("{name}, a label of none, each call"), pages));
        table.push(Row::plain(format!("{name}, a label of none, the whole search"), whole, "s"));
    }
    table
}
