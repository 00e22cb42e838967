//! Whether an engine that has done very many runs needs more memory than one that has done some.

use std::sync::Arc;

use gofer_engine::EngineOptions;
use gofer_types::PipelineRef;
use tokio::sync::Semaphore;

use crate::measure::memory;
use crate::scale::scaled;
use crate::table::Row;
use crate::world::World;

const AT_ONCE: usize = 64;

/// Runs of one task, 64 at once, with the usual retention: at the end of each part everybody is waited for.
pub(crate) async fn hundred_thousand_runs() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let world = World::open(dir.path(), EngineOptions::default()).await;
    let pipeline = world.register("id = \"small\"\ntask \"t\" {\n  command = [\"true\"]\n}\n").await;
    let mut after = Vec::new();
    for part in [10_000, 40_000, 50_000] {
        runs(&world, &pipeline, scaled(part)).await;
        after.push(memory(std::process::id()).0);
    }
    world.engine.shutdown().await;
    let [ten, fifty, hundred] = after[..] else { unreachable!("three parts were measured") };
    vec![
        Row::plain("memory of the engine after 10,000 runs", ten, "MiB"),
        Row::plain("memory of the engine after 50,000 runs", fifty, "MiB"),
        Row::plain("memory of the engine after 100,000 runs", hundred, "MiB"),
        // one mebibyte is a hundred bytes for each run
        Row::at_most(
            "growth of memory per 10,000 runs, 50,000 to 100,000",
            (hundred - fifty) / 5.0,
            "MiB",
            1.0,
        ),
    ]
}

async fn runs(world: &World, pipeline: &PipelineRef, number: usize) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..number {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let (world, pipeline) = (world.clone(), pipeline.clone());
        while runs.try_join_next().is_some() {}
        runs.spawn(async move {
            world.one_run(&pipeline).await;
            drop(slot);
        });
    }
    runs.join_all().await;
}
