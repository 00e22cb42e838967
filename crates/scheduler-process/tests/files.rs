//! What only a scheduler of processes owes to whom it gives files: where they lie on this host, and who may not interfere.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

#[expect(dead_code, reason = "the folder that tasks and tests share is not used here")]
mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_artefacts::{Limits, pack, unpack};
use gofer_backend::ErrorKind;
use gofer_scheduler::{Archive, FileStream, Files, Scheduler, TaskSpec, TaskStatus};
use gofer_scheduler_process::ProcessScheduler;
use gofer_types::{AttemptId, Cause};
use libtest_mimic::{Arguments, Trial};
use support::Rooms;

macro_rules! tests {
    ($($test:ident,)*) => {
        vec![$(Trial::test(stringify!($test), || {
            runtime().block_on(Box::pin($test(Rooms::new())) as BoxFuture<'_, ()>);
            Ok(())
        }),)*]
    };
}

fn main() -> ExitCode {
    if let Some(code) = gofer_scheduler_process::shim::main_if_shim() {
        return code;
    }
    let trials = tests![
        files_are_laid_and_taken_where_the_task_works,
        a_directory_of_the_host_is_not_touched_and_can_be_taken_from,
        a_work_directory_that_became_a_link_is_not_followed,
        a_shim_starts_nothing_while_files_are_exchanged,
        a_dropped_lay_hinders_no_other,
        nothing_is_left_aside,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn sh(script: &str, workdir: Option<&str>) -> TaskSpec {
    let command = ["sh", "-euc", script].map(str::to_owned).into();
    let workdir = workdir.map(str::to_owned);
    TaskSpec { command, workdir, digest: "one".to_owned(), ..TaskSpec::default() }
}

fn id() -> AttemptId {
    AttemptId::from_u128(1)
}

fn folder(rooms: &Rooms) -> PathBuf {
    rooms.config().root.join(id().as_str())
}

fn named(bytes: FileStream) -> Vec<Archive> {
    vec![Archive { name: "dist".to_owned(), bytes }]
}

/// An archive of one file.
fn archive(name: &str, content: &str) -> Vec<Archive> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let mut bytes = Vec::new();
    pack(folder.path(), &[name.to_owned()], &Limits::default(), &mut bytes).unwrap();
    named(stream::iter([Ok(Bytes::from(bytes))]).boxed())
}

async fn lay(scheduler: &ProcessScheduler, spec: &TaskSpec, archives: Vec<Archive>) {
    let (id, limits) = (id(), Limits::default());
    let laid = scheduler.lay(&id, spec, archives, &limits);
    tokio::time::timeout(Duration::from_secs(60), laid).await.unwrap().unwrap();
}

/// What was taken, in a directory.
async fn take(scheduler: &ProcessScheduler, path: &str) -> Result<tempfile::TempDir, ErrorKind> {
    let parts = scheduler.take(&id(), &[path.to_owned()], &Limits::default()).await.map_err(|e| e.kind())?;
    let bytes = parts.try_collect::<Vec<_>>().await.map_err(|error| error.kind())?.concat();
    let folder = tempfile::tempdir().unwrap();
    unpack(bytes.as_slice(), folder.path(), &Limits::default()).unwrap();
    Ok(folder)
}

async fn run(scheduler: &ProcessScheduler, spec: &TaskSpec) {
    scheduler.start(&id(), spec).await.unwrap();
    assert_eq!(scheduler.wait(&id()).await.unwrap().cause, Cause::ExitCode(0));
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

async fn files_are_laid_and_taken_where_the_task_works(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    let spec = sh("cp a b", Some("src/deep"));
    lay(&scheduler, &spec, archive("a", "alpha")).await;
    run(&scheduler, &spec).await;
    assert_eq!(text(folder(&rooms).join("work/src/deep/b")), "alpha");
    assert_eq!(text(take(&scheduler, "b").await.unwrap().path().join("b")), "alpha");
    assert_eq!(take(&scheduler, "src").await.unwrap_err(), ErrorKind::InvalidInput);
    let scheduler = rooms.open("ours").await;
    take(&scheduler, "b").await.unwrap();
}

async fn a_directory_of_the_host_is_not_touched_and_can_be_taken_from(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("own"), "mine").unwrap();
    let spec = sh("cp own left", host.path().to_str());
    let refused = scheduler.lay(&id(), &spec, archive("a", "alpha"), &Limits::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains(host.path().to_str().unwrap()), "{refused}");
    assert_eq!(scheduler.inspect(&id()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    run(&scheduler, &spec).await;
    assert_eq!(text(take(&scheduler, "left").await.unwrap().path().join("left")), "mine");
}

async fn a_work_directory_that_became_a_link_is_not_followed(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    run(&scheduler, &sh("cd ..; mv work away; ln -s /etc work", None)).await;
    assert_eq!(take(&scheduler, "passwd").await.unwrap_err(), ErrorKind::InvalidInput);
}

async fn a_shim_starts_nothing_while_files_are_exchanged(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    let spec = sh("cat a", None);
    lay(&scheduler, &spec, archive("a", "alpha")).await;
    // as a server that lays, and that another has just outlived
    let record = File::open(folder(&rooms).join("spec")).unwrap();
    record.lock().unwrap();
    let id = id();
    let mut start = std::pin::pin!(scheduler.start(&id, &spec));
    // sleeps: that nothing happens can only be seen by letting time pass
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut start).await.is_err());
    assert!(!folder(&rooms).join("sock").try_exists().unwrap());
    record.unlock().unwrap();
    start.await.unwrap();
    assert_eq!(scheduler.wait(&id).await.unwrap().cause, Cause::ExitCode(0));
}

async fn a_dropped_lay_hinders_no_other(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    let spec = sh("cat b; [ ! -e a ]", None);
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let silent = stream::once(async move {
        asked.send(()).unwrap();
        std::future::pending().await
    });
    let (id, limits) = (id(), Limits::default());
    let dropped = scheduler.lay(&id, &spec, named(silent.boxed()), &limits);
    tokio::select! {
        _ = dropped => unreachable!("its archive never comes"),
        asked = is_asked => asked.unwrap(),
    }
    lay(&scheduler, &spec, archive("b", "beta")).await;
    assert_eq!(scheduler.inspect(&id).await.unwrap(), TaskStatus::Starting);
    run(&scheduler, &spec).await;
}

async fn nothing_is_left_aside(rooms: Rooms) {
    let scheduler = rooms.open("ours").await;
    let spec = sh("true", None);
    lay(&scheduler, &spec, archive("a", "alpha")).await;
    let twice = archive("a", "1").into_iter().chain(archive("a", "2")).collect();
    scheduler.lay(&id(), &spec, twice, &Limits::default()).await.unwrap_err();
    lay(&scheduler, &spec, archive("b", "beta")).await;
    let mut names: Vec<_> =
        std::fs::read_dir(folder(&rooms)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["spec", "work"]);
    scheduler.remove(&id()).await.unwrap();
    assert!(!folder(&rooms).try_exists().unwrap());
}
