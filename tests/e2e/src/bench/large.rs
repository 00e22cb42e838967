//! One run of very many tasks: how fast it is planned, what memory it takes, and how fast it ends.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use gofer_engine::EngineOptions;
use gofer_types::PipelineId;

use crate::measure::{memory, millis, now, reset_peak};
use crate::scale::{self, is_quick};
use crate::table::Row;
use crate::world::World;

/// The argument that makes this program register the pipeline and end.
pub(crate) const FLAG: &str = "--register-large";

/// Ten thousand tasks: so many lines of so many tasks, each after the one before it in its line.
fn side() -> usize {
    if is_quick() { 8 } else { 100 }
}

fn pipeline() -> String {
    let mut text = "id = \"large\"\n".to_owned();
    for line in 0..side() {
        for place in 0..side() {
            write!(text, "task \"t{line}-{place}\" {{\n  command = [\"true\"]\n").expect("a string grows");
            if place > 0 {
                let before = place - 1;
                writeln!(text, "  depends_on = {{ t{line}-{before} = \"successful\" }}")
                    .expect("a string grows");
            }
            text.push_str("}\n");
        }
    }
    text
}

/// Leaves a state with the pipeline in this directory. A process of its own does so: what the parser leaves behind in the
/// allocator would otherwise hide what the run takes.
pub(crate) async fn register(dir: &str) {
    let world = World::open(Path::new(dir), EngineOptions::default()).await;
    world.register(&pipeline()).await;
    world.engine.shutdown().await;
}

/// Two runs: the first one since the engine was opened, and one more.
pub(crate) async fn ten_thousand_tasks() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(is_quick().then_some(scale::FLAG)).arg(FLAG).arg(dir.path());
    assert!(command.status().expect("this program can be started").success());

    let world = World::open(dir.path(), EngineOptions::default()).await;
    let mut pipeline = world.register("id = \"small\"\ntask \"t\" {\n  command = [\"true\"]\n}\n").await;
    world.one_run(&pipeline).await;
    pipeline.pipeline = PipelineId::new("large").expect("an id");
    let pid = std::process::id();
    reset_peak();
    let (before, _) = memory(pid);
    let begin = now();
    let run = world.start(&pipeline).await;
    let first = now() - begin;
    world.wait(&run).await;
    let done = now() - begin;
    let (_, peak) = memory(pid);
    let begin = now();
    let run = world.start(&pipeline).await;
    let second = now() - begin;
    world.wait(&run).await;
    let record = world.engine.get_run(&run).await.expect("the run is there");
    assert_eq!(record.tasks as usize, side() * side(), "every task was there");
    assert_eq!(record.state, gofer_types::RunState::Succeeded, "every task ended well");
    world.engine.shutdown().await;
    vec![
        Row::at_most("10,000 tasks, request to durable answer, first", millis(first), "ms", 100.0),
        Row::at_most("10,000 tasks, request to durable answer, second", millis(second), "ms", 100.0),
        Row::at_most("10,000 tasks, growth of memory, start to end", peak - before, "MiB", 95.0),
        Row::plain("10,000 tasks, request to end of the run, first", done.as_secs_f64(), "s"),
    ]
}
