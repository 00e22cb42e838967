//! What is fetched, when, and what it is told to be.

use gofer_scheduler::{PullPolicy, Scheduler, StartOutcome, TaskSpec};
use gofer_types::Cause;

use crate::bed::{Bed, new_id, script};
use gofer_testkit::docker::Registry;

fn always(spec: &TaskSpec) -> TaskSpec {
    TaskSpec { pull: PullPolicy::Always, ..spec.clone() }
}

pub(crate) async fn an_image_that_is_not_there_is_fetched_and_runs() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish(&bed.docker, "team/app:1");
    let spec = script(&name, "exit 7");
    let fetched = bed.fetch(&spec).await.unwrap();
    assert!(fetched.fetched);
    assert_eq!(fetched.digest, digest);
    let id = new_id();
    let started = bed.scheduler.start(&id, &spec).await.unwrap();
    assert_eq!(started.image.as_deref(), Some(digest.as_str()));
    assert_eq!(bed.result(&id).await.0.cause, Cause::ExitCode(7));
}

pub(crate) async fn an_image_that_is_there_needs_no_registry() {
    let (mut registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish(&bed.docker, "app:1");
    let spec = script(&name, "true");
    bed.fetch(&spec).await.unwrap();
    registry.stop();
    let again = bed.fetch(&spec).await.unwrap();
    assert_eq!((again.fetched, again.digest), (false, digest));
}

pub(crate) async fn always_asks_the_registry_and_takes_what_is_new() {
    let (mut registry, bed) = (Registry::start(), Bed::new().await);
    let (name, old) = registry.publish(&bed.docker, "app:1");
    let spec = script(&name, "true");
    bed.fetch(&spec).await.unwrap();
    let (_, new) = registry.publish(&bed.docker, "app:2");
    registry.move_tag("app", ("2", "1"));
    assert_eq!(bed.fetch(&spec).await.unwrap().digest, old);
    let fetched = bed.fetch(&always(&spec)).await.unwrap();
    assert_eq!((fetched.fetched, fetched.digest), (true, new));
    registry.stop();
    assert!(bed.fetch(&always(&spec)).await.is_err());
}

pub(crate) async fn always_transfers_nothing_that_is_there() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish(&bed.docker, "app:1");
    let spec = always(&script(&name, "true"));
    assert!(bed.fetch(&spec).await.unwrap().fetched);
    let again = bed.fetch(&spec).await.unwrap();
    assert_eq!((again.fetched, again.digest), (false, digest));
}

pub(crate) async fn an_image_named_by_its_digest_is_that_one() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (_, digest) = registry.publish(&bed.docker, "app:1");
    registry.publish(&bed.docker, "app:2");
    let spec = script(&format!("{}@{digest}", registry.name("app")), "exit 3");
    let fetched = bed.fetch(&spec).await.unwrap();
    assert_eq!((fetched.fetched, fetched.digest.as_str()), (true, digest.as_str()));
    assert_eq!(bed.run(&spec).await.0.cause, Cause::ExitCode(3));
}

pub(crate) async fn the_digest_of_a_start_stays_over_a_restart_and_a_moved_tag() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish(&bed.docker, "app:1");
    let (id, spec) = (new_id(), script(&name, "sleep 600"));
    bed.fetch(&spec).await.unwrap();
    let first = bed.scheduler.start(&id, &spec).await.unwrap();
    let second = bed.scheduler.start(&id, &spec).await.unwrap();
    assert_eq!((first.outcome, second.outcome), (StartOutcome::Created, StartOutcome::Adopted));
    registry.publish(&bed.docker, "app:2");
    registry.move_tag("app", ("2", "1"));
    assert_ne!(bed.fetch(&always(&spec)).await.unwrap().digest, digest);
    let third = bed.again(|_| {}).await.start(&id, &spec).await.unwrap();
    for image in [first.image, second.image, third.image] {
        assert_eq!(image.as_deref(), Some(digest.as_str()));
    }
}

pub(crate) async fn the_digest_of_a_start_stays_when_its_image_is_gone() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish(&bed.docker, "app:1");
    let (id, spec) = (new_id(), script(&name, "true"));
    bed.fetch(&spec).await.unwrap();
    bed.scheduler.start(&id, &spec).await.unwrap();
    bed.scheduler.wait(&id).await.unwrap();
    // With force the engine gives up the name, though a container uses the image.
    let forgotten = bed.docker.delete(&format!("/images/{name}?force=1")).unwrap();
    assert_eq!(forgotten.status, 200, "{}", forgotten.text());
    let again = bed.scheduler.start(&id, &spec).await.unwrap();
    assert_eq!((again.outcome, again.image), (StartOutcome::Adopted, Some(digest)));
}

pub(crate) async fn two_fetches_of_one_image_at_once_both_succeed() {
    let (registry, bed) = (Registry::start(), Bed::new().await);
    let (name, digest) = registry.publish_bytes(&bed.docker, "app:1", 4 << 20);
    let spec = script(&name, "true");
    let (one, two) = tokio::join!(bed.fetch(&spec), bed.fetch(&spec));
    assert_eq!((one.unwrap().digest, two.unwrap().digest), (digest.clone(), digest));
}
