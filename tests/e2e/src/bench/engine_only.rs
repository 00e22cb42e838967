//! The engine alone: real storage on a real disk, and a scheduler whose tasks end at once.

use std::sync::Arc;
use std::time::Duration;

use gofer_engine::EngineOptions;
use tokio::sync::Semaphore;

use crate::latency::THREE;
use crate::measure::{millis, now, percentile};
use crate::scale::scaled;
use crate::table::Row;
use crate::world::World;

const AT_ONCE: usize = 64;

/// Three tasks in sequence: one run after the other, then many at once.
pub(crate) async fn three_in_sequence() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let world = World::open(dir.path(), EngineOptions::default()).await;
    let pipeline = world.register(THREE).await;
    let mut spans: Vec<Duration> = Vec::new();
    for _ in 0..scaled(500) {
        spans.push(world.one_run(&pipeline).await);
    }
    let many = scaled(5_000);
    let begin = now();
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..many {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is open");
        let (world, pipeline) = (world.clone(), pipeline.clone());
        runs.spawn(async move {
            world.one_run(&pipeline).await;
            drop(slot);
        });
    }
    runs.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand runs")]
    let rate = many as f64 / (now() - begin).as_secs_f64();
    world.engine.shutdown().await;
    vec![
        Row::at_most(
            "three tasks in sequence, engine only, p50",
            millis(percentile(&mut spans, 0.5)),
            "ms",
            3.0,
        ),
        Row::plain("three tasks in sequence, engine only, p99", millis(percentile(&mut spans, 0.99)), "ms"),
        Row::at_least("three tasks in sequence, engine only, 64 at once", rate, "runs/s", 1_000.0),
    ]
}
