//! A task of 256 combinations: how long after its parent the last of them has started.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use futures_util::StreamExt;
use gofer_engine::{EngineOptions, Page};
use gofer_types::{PipelineRef, RunRef, TaskState};

use crate::measure::{millis, percentile};
use crate::scale::{is_quick, scaled};
use crate::table::Row;
use crate::world::World;

fn width() -> usize {
    if is_quick() { 8 } else { 256 }
}

/// The values, each as this is written.
fn values(write: impl Fn(usize) -> String, between: &str) -> String {
    (0..width()).map(write).collect::<Vec<_>>().join(between)
}

/// A list that is written in the pipeline file.
fn early() -> String {
    let list = values(|n| format!("\"{n}\""), ", ");
    fan("early", "command = [\"true\"]", &format!("[{list}]"))
}

/// A list that the parent leaves.
fn late() -> String {
    // the lines of a list, as the scheduler's language writes them
    let list = values(|n| n.to_string(), "\\n");
    fan(
        "late",
        &format!("command = [\"fake:file=out:{list}\"]\n  outputs = {{ list = \"out\" }}"),
        "\"run{{ list }}\"",
    )
}

fn fan(id: &str, parent: &str, axis: &str) -> String {
    let mut text = format!("id = \"{id}\"\ntask \"list\" {{\n  {parent}\n}}\n");
    // the tasks linger until all of them have started
    write!(
        text,
        "task \"build\" {{\n  matrix = {{ n = {axis} }}\n  command = [\"fake:gate={id}-${{run.id}}\"]\n  \
         depends_on = {{ list = \"successful\" }}\n}}\n"
    )
    .expect("a string grows");
    text
}

/// A matrix that is known before the run, and one that is read in it.
pub(crate) async fn two_hundred_and_fifty_six() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut options = EngineOptions::default();
    options.queue.server.running_tasks = 1_000;
    let world = World::open(dir.path(), options).await;
    let early = rounds(&world, &early()).await;
    let late = rounds(&world, &late()).await;
    world.engine.shutdown().await;
    vec![
        Row::plain("256 tasks of a matrix, end of parent to last start, p50", early, "ms"),
        Row::plain("256 tasks of a late matrix, end of parent to last start, p50", late, "ms"),
    ]
}

async fn rounds(world: &World, text: &str) -> f64 {
    let pipeline = world.register(text).await;
    let mut spans = Vec::new();
    for _ in 0..scaled(50) {
        spans.push(one(world, &pipeline).await);
    }
    millis(percentile(&mut spans, 0.5))
}

async fn one(world: &World, pipeline: &PipelineRef) -> Duration {
    let run = world.start(pipeline).await;
    let mut updates = world.engine.watch_run(&run).await.expect("the run is watched");
    let mut running = BTreeSet::new();
    while running.len() < width() {
        let update = updates.next().await.expect("the run has not ended").expect("the watch goes on");
        let tasks = update.tasks.into_iter().filter(|task| task.state == TaskState::Running);
        running.extend(tasks.map(|task| task.id.task).filter(|task| task.as_str() != "list"));
    }
    let span = last_start(world, &run).await;
    world.backend.open_gate(&format!("{}-{}", pipeline.pipeline, run.run));
    drop(updates);
    world.wait(&run).await;
    span
}

/// As the records tell it: from the end of the parent to the last start.
async fn last_start(world: &World, run: &RunRef) -> Duration {
    let page = Page { size: 1_000, token: None };
    let tasks = world.engine.list_task_runs(run, page).await.expect("the tasks are listed").items;
    let parent = tasks.iter().find(|task| task.id.task.as_str() == "list").and_then(|task| task.ended);
    let last =
        tasks.iter().filter(|task| task.state == TaskState::Running).filter_map(|task| task.started).max();
    last.expect("some have started").since(parent.expect("the parent has ended"))
}
