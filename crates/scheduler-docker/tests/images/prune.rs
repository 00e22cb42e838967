//! Old images go, if gofer fetched them, nobody uses them, and the operator wants it.

use gofer_scheduler::{PullPolicy, Scheduler, TaskSpec};
use gofer_scheduler_docker::DockerScheduler;
use gofer_testkit::wait_for;
use gofer_types::Span;
use serde_json::Value;

use crate::bed::{Bed, new_id, script};
use gofer_testkit::docker::{Registry, forget_image};

/// A scheduler that finds everything old; it looks when it is opened.
async fn pruning(bed: &Bed) -> DockerScheduler {
    bed.again(|config| config.prune_images_after = Some(Span::from_millis(1))).await
}

fn is_there(bed: &Bed, name: &str) -> bool {
    bed.look(&format!("/images/{name}/json")) != Value::Null
}

/// Waits until an image that is to go has gone: then it was looked at all that were there before it.
async fn gone(bed: &Bed, name: &str) {
    wait_for(
        "the end of an old image",
        async || if is_there(bed, name) { Err(name.to_owned()) } else { Ok(()) },
    )
    .await;
}

pub(crate) async fn a_fetched_image_that_nobody_uses_is_removed() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, _) = registry.publish(&bed.docker, "app:1");
    bed.fetch(&script(&name, "true")).await.unwrap();
    let _pruning = pruning(&bed).await;
    gone(&bed, &name).await;
}

pub(crate) async fn an_image_that_gofer_did_not_fetch_stays() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let other = registry.name("other:1");
    bed.make_image(&other, &[]);
    let spec = script(&other, "true");
    assert!(!bed.fetch(&spec).await.unwrap().fetched);
    bed.run(&spec).await;
    let (name, _) = registry.publish(&bed.docker, "app:1");
    bed.fetch(&script(&name, "true")).await.unwrap();
    let _pruning = pruning(&bed).await;
    gone(&bed, &name).await;
    assert!(is_there(&bed, &other));
    forget_image_and_tasks(bed, &other);
}

pub(crate) async fn an_image_that_was_there_before_always_stays() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (theirs, _) = registry.publish(&bed.docker, "theirs:1");
    let pulled = bed.docker.post(&format!("/images/create?fromImage={theirs}"), "").unwrap();
    assert_eq!(pulled.status, 200, "{}", pulled.text());
    let spec = TaskSpec { pull: PullPolicy::Always, ..script(&theirs, "true") };
    assert!(!bed.fetch(&spec).await.unwrap().fetched);
    let (name, _) = registry.publish(&bed.docker, "app:1");
    bed.fetch(&script(&name, "true")).await.unwrap();
    let _pruning = pruning(&bed).await;
    gone(&bed, &name).await;
    assert!(is_there(&bed, &theirs));
    forget_image_and_tasks(bed, &theirs);
}

pub(crate) async fn an_image_that_a_container_uses_stays() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (used, _) = registry.publish(&bed.docker, "used:1");
    let (name, _) = registry.publish(&bed.docker, "app:1");
    for name in [&used, &name] {
        bed.fetch(&script(name, "true")).await.unwrap();
    }
    bed.scheduler.start(&new_id(), &script(&used, "true")).await.unwrap();
    let _pruning = pruning(&bed).await;
    gone(&bed, &name).await;
    assert!(is_there(&bed, &used));
    forget_image_and_tasks(bed, &used);
}

fn forget_image_and_tasks(bed: Bed, name: &str) {
    let docker = bed.docker.clone();
    drop(bed);
    forget_image(&docker, name);
}
