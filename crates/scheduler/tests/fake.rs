//! What the fake promises to the tests of everything above it, beyond the suite.

#![expect(dead_code, reason = "the harness is shared with the suite, and only its clock is used here")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use gofer_backend::{ErrorKind, Owner};
use gofer_scheduler::fake::{FakeBackend, FakeScheduler};
use gofer_scheduler::{Image, Images, LogCursor, LogItem, Scheduler, StartOutcome, TaskSpec, TaskStatus};
use gofer_types::{AttemptId, Cause};
use support::HostClock;

fn connect() -> (FakeBackend, FakeScheduler) {
    let backend = FakeBackend::new(Arc::new(HostClock::start()));
    let scheduler = backend.connect(&Owner("ours".to_owned()));
    (backend, scheduler)
}

fn spec(script: &str) -> TaskSpec {
    TaskSpec { command: vec![format!("fake:{script}")], ..TaskSpec::default() }
}

fn id() -> AttemptId {
    AttemptId::from_u128(1)
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_virtual_time_takes_no_time() {
    let (_, fake) = connect();
    fake.start(&id(), &spec("run=1h,exit=3")).await.unwrap();
    let exit = fake.wait(&id()).await.unwrap();
    assert_eq!(exit.cause, Cause::ExitCode(3));
    assert!(exit.at.unwrap().as_micros() >= 3_600_000_000, "{:?}", exit.at);
}

#[tokio::test(start_paused = true)]
async fn a_grace_passes_in_virtual_time() {
    let (_, fake) = connect();
    fake.start(&id(), &spec("ignore_term,hang")).await.unwrap();
    fake.stop(&id(), Duration::from_secs(300)).await.unwrap();
    assert_eq!(fake.wait(&id()).await.unwrap().cause, Cause::Signal(9));
}

#[tokio::test]
async fn a_task_without_waiting_has_ended_when_its_start_is_answered() {
    let (_, fake) = connect();
    fake.start(&id(), &spec("print=hello,exit=1")).await.unwrap();
    assert!(matches!(fake.inspect(&id()).await.unwrap(), TaskStatus::Ended(_)));
}

#[tokio::test]
async fn an_ambiguous_start_takes_effect_once() {
    let (backend, fake) = connect();
    let spec = spec("ambiguous_start,witness=ran");
    assert_eq!(fake.start(&id(), &spec).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(fake.start(&id(), &spec).await.unwrap().outcome, StartOutcome::Adopted);
    assert_eq!(backend.witnesses("ran"), 1);
}

#[tokio::test]
async fn a_scripted_start_error_has_no_effect() {
    let (backend, fake) = connect();
    let spec = spec("start_error_once=unavailable,witness=ran");
    assert_eq!(fake.start(&id(), &spec).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(fake.inspect(&id()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fake.start(&id(), &spec).await.unwrap().outcome, StartOutcome::Created);
    assert_eq!(backend.witnesses("ran"), 1);
}

#[tokio::test]
async fn a_vanished_task_is_not_found_also_by_who_waits() {
    let (backend, fake) = connect();
    fake.start(&id(), &spec("gate=go,vanish")).await.unwrap();
    let id = id();
    let (answer, ()) = tokio::join!(fake.wait(&id), async { backend.open_gate("go") });
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fake.inspect(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_scripted_gap_and_loss_are_told() {
    let (_, fake) = connect();
    fake.start(&id(), &spec("gap=100,lost=the engine went away")).await.unwrap();
    let cause = fake.wait(&id()).await.unwrap().cause;
    assert_eq!(cause, Cause::Lost("the engine went away".to_owned()));
    let items: Vec<_> = fake.logs(&id(), LogCursor::start()).await.unwrap().collect().await;
    assert!(matches!(items[0].as_ref().unwrap().item, LogItem::Gap { bytes: Some(100), .. }));
}

fn imaged(image: &str, script: &str) -> TaskSpec {
    TaskSpec { image: image.to_owned(), ..spec(script) }
}

async fn fetch(fake: &FakeScheduler, spec: &TaskSpec) -> (gofer_backend::Result<Image>, Vec<u64>) {
    let mut seen = Vec::new();
    let answer = fake.fetch(spec, &mut |progress| seen.push(progress.done)).await;
    (answer, seen)
}

#[tokio::test]
async fn a_scripted_image_is_there_once_it_was_fetched() {
    let (backend, fake) = connect();
    let spec = imaged("fake:1.2", "witness=ran");
    assert_eq!(fake.start(&id(), &spec).await.unwrap_err().kind(), ErrorKind::NotFound);
    let (image, seen) = fetch(&fake, &spec).await;
    let image = image.unwrap();
    assert!(image.fetched && seen.is_sorted() && seen.len() == 11, "{seen:?}");
    assert_eq!(fake.start(&id(), &spec).await.unwrap().image, Some(image.digest.clone()));
    let (again, seen) = fetch(&fake, &spec).await;
    assert_eq!((again.unwrap(), seen), (Image { fetched: false, ..image }, Vec::new()));
    assert_eq!((backend.fetches("fake:1.2"), backend.witnesses("ran")), (1, 1));
}

#[tokio::test]
async fn a_scripted_registry_is_unreachable_as_often_as_the_image_says() {
    let (backend, fake) = connect();
    let spec = imaged("fake:unreachable-2", "");
    for _ in 0..2 {
        assert_eq!(fetch(&fake, &spec).await.0.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert!(fetch(&fake, &spec).await.0.unwrap().fetched);
    assert_eq!(backend.fetches("fake:unreachable-2"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_image_takes_its_virtual_time() {
    let (_, fake) = connect();
    let (image, seen) = fetch(&fake, &imaged("fake:slow", "")).await;
    assert_eq!((image.unwrap().fetched, seen.len()), (true, 101));
}

#[tokio::test]
async fn a_scripted_image_vanishes_between_fetch_and_start() {
    let (_, fake) = connect();
    let spec = imaged("fake:vanishing-1", "");
    fetch(&fake, &spec).await.0.unwrap();
    assert_eq!(fake.start(&id(), &spec).await.unwrap_err().kind(), ErrorKind::NotFound);
    fetch(&fake, &spec).await.0.unwrap();
    assert_eq!(fake.start(&id(), &spec).await.unwrap().outcome, StartOutcome::Created);
}
