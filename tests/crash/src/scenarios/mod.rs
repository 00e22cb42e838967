//! One module for each scenario, and what they share.

mod deeds;
mod disk_full;
mod followers;
mod kills;
mod pauses;
mod sync_errors;
mod syscalls;
mod terms;
mod two_servers;
mod upgrade;

use std::collections::BTreeMap;

use gofer_client::Client;
use gofer_proto::v1::{ListRunsRequest, Page};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::Witness;

use crate::load::Order;
use crate::scenario::Scenario;
use crate::task::{Shape, WITNESS};

pub(crate) const ALL: &[Scenario] = &[
    syscalls::SCENARIO,
    kills::SCENARIO,
    pauses::SCENARIO,
    upgrade::SCENARIO,
    disk_full::SCENARIO,
    terms::SCENARIO,
    two_servers::SCENARIO,
    sync_errors::SCENARIO,
    sync_errors::SLOW,
];

/// What every server of the suite is configured with: the output of every run is looked at, not that of the newest alone.
const KEEP_ALL: &str = "[retention]\nlogs_runs = 0";

/// Work that blocks: starts, kills and waits for processes.
fn off<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// A witness in the world of a server, and the order for runs that write to it.
fn order(server: &ServerBox, shape: &Shape, in_flight: usize) -> (Witness, Order) {
    let witness = Witness::new(server.world().join("witness"));
    let path = witness.path().display().to_string();
    let variables = BTreeMap::from([(WITNESS.to_owned(), path)]);
    (witness, Order { address: server.addr(), pipeline: shape.id, variables, in_flight })
}

/// The tasks of all runs that have not ended.
async fn under_way(client: &Client, shape: &Shape) -> Vec<(u64, &'static str)> {
    let request = ListRunsRequest {
        pipeline: shape.id.to_owned(),
        active: true,
        page: Some(Page { size: 100, token: String::new() }),
        ..ListRunsRequest::default()
    };
    let runs = client.list_runs(request).await.expect("the server lists runs").runs;
    runs.iter().flat_map(|run| shape.tasks.iter().map(|task| (run.number, *task))).collect()
}
