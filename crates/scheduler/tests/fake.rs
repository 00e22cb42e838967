//! What the fake promises to the tests of everything above it, beyond the suite.

#![expect(dead_code, reason = "the harness is shared with the suite, and only its clock is used here")]
#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_artefacts::Limits;
use gofer_backend::{ErrorKind, Owner};
use gofer_scheduler::fake::{FakeBackend, FakeFile, FakeScheduler};
use gofer_scheduler::{
    Archive, Files, Image, Images, LogCursor, LogItem, Scheduler, StartOutcome, TaskSpec, TaskStatus,
};
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

fn archive(name: &str, bytes: &Bytes) -> Archive {
    Archive { name: name.to_owned(), bytes: stream::iter([Ok(bytes.clone())]).boxed() }
}

/// What a task with this script leaves at these paths.
async fn left(fake: &FakeScheduler, id: &AttemptId, script: &str, paths: &[&str]) -> Bytes {
    fake.start(id, &spec(script)).await.unwrap();
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let parts = fake.take(id, &paths, &Limits::default()).await.unwrap();
    Bytes::from(parts.try_collect::<Vec<_>>().await.unwrap().concat())
}

async fn said(fake: &FakeScheduler, id: &AttemptId) -> String {
    let chunks: Vec<_> = fake.logs(id, LogCursor::start()).await.unwrap().collect().await;
    let text = chunks.into_iter().map(|chunk| match chunk.unwrap().item {
        LogItem::Data { bytes, .. } => String::from_utf8_lossy(&bytes).into_owned(),
        LogItem::Gap { .. } => String::new(),
    });
    text.collect()
}

#[tokio::test]
async fn what_one_task_leaves_another_is_given() {
    let (backend, fake) = connect();
    let bytes = left(&fake, &id(), "program=bin/app:text,file=dist/a:b", &["bin", "dist/a"]).await;
    let second = AttemptId::from_u128(2);
    let spec = spec("need=bin/app,show=bin/app,print=,show=dist,show=x");
    fake.lay(&second, &spec, vec![archive("app", &bytes)], &Limits::default()).await.unwrap();
    assert_eq!(fake.inspect(&second).await.unwrap(), TaskStatus::Starting);
    fake.start(&second, &spec).await.unwrap();
    assert_eq!(said(&fake, &second).await, "program\ntext\ndirectory\nnothing\n");
    fake.remove(&second).await.unwrap();
    let laid = backend.laid(&second).unwrap();
    let app = FakeFile::File { content: Bytes::from_static(b"text"), executable: true };
    assert_eq!(laid["bin/app"], app);
    assert_eq!(laid.keys().collect::<Vec<_>>(), ["bin", "bin/app", "dist", "dist/a"]);
}

#[tokio::test]
async fn a_task_that_needs_what_nobody_laid_ends_and_says_so() {
    let (_, fake) = connect();
    fake.start(&id(), &spec("need=dist/a,print=never")).await.unwrap();
    assert_eq!(fake.wait(&id()).await.unwrap().cause, Cause::ExitCode(66));
    assert_eq!(said(&fake, &id()).await, "dist/a is not there\n");
}

#[tokio::test]
async fn scripted_faults_of_files_have_no_effect() {
    let (backend, fake) = connect();
    let spec = spec("file=a:b,lay_error_once=unavailable,take_error_once=exhausted");
    let lay = async || fake.lay(&AttemptId::from_u128(1), &spec, Vec::new(), &Limits::default()).await;
    assert_eq!(lay().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(backend.laid(&id()), None);
    lay().await.unwrap();
    fake.start(&id(), &spec).await.unwrap();
    let id = id();
    let take = async || fake.take(&id, &["a".to_owned()], &Limits::default()).await.map(drop);
    assert_eq!(take().await.unwrap_err().kind(), ErrorKind::Exhausted);
    take().await.unwrap();
}
