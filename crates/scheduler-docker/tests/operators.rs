//! Operators use the engine too: what they do to the containers of tasks is told as it was.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed, and says why"
)]

#[path = "support/consumer.rs"]
mod consumer;
#[path = "support/shared.rs"]
mod shared;
mod support;

use std::process::ExitCode;

use consumer::{end_of, output_of, told};
use futures_util::StreamExt;
use gofer_backend::{ErrorKind, Owner};
use gofer_scheduler::{LogCursor, LogItem, Scheduler, TaskSpec, TaskStatus};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::{Docker, TEST_IMAGE};
use gofer_testkit::{Waiter, World};
use gofer_types::AttemptId;
use libtest_mimic::{Arguments, Trial};

/// What an operator does to a task that runs.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Remove,
    Pause,
    Kill,
    /// While gofer is down.
    KillUnwatched,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = [
        ("a_container_that_an_operator_removes_is_not_found_by_who_waits", Deed::Remove),
        ("a_container_that_an_operator_pauses_runs_and_ends_truly", Deed::Pause),
        ("a_container_that_an_operator_kills_was_ended_by_that_signal", Deed::Kill),
        (
            "a_container_that_an_operator_kills_while_gofer_is_down_was_ended_by_that_signal",
            Deed::KillUnwatched,
        ),
    ];
    let engine = shared::engine();
    let trials = cases.into_iter().map(|(name, deed)| match &engine {
        Err(reason) => Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true),
        Ok((url, _)) => {
            let url = url.clone();
            Trial::test(name, move || {
                support::block_on(done(&url, deed));
                Ok(())
            })
        }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

async fn done(url: &str, deed: Deed) {
    let world = World::new();
    let docker = Docker::at(url.trim_start_matches("unix://"));
    let owner = Owner(format!("operators-{}", uuid::Uuid::new_v4().simple()));
    let config = DockerConfig { root: world.join("root"), ..support::config(url) };
    let open = || async { DockerScheduler::open("test", owner.clone(), config.clone()).await.unwrap() };
    let mut scheduler = open().await;
    let id = AttemptId::from_u128(uuid::Uuid::new_v4().as_u128());
    let command = ["sh", "-c", "echo here; sleep 2; echo there; exec sleep 600"].map(str::to_owned).into();
    let spec = TaskSpec { image: TEST_IMAGE.to_owned(), command, ..TaskSpec::default() };
    scheduler.start(&id, &spec).await.unwrap();
    let does = |what: &str| {
        let answer = docker.post(&format!("/containers/{id}/{what}"), "").unwrap();
        assert!(answer.status < 300, "{what}: {}", answer.text());
    };
    match deed {
        Deed::Remove => {
            let (gone, _) = tokio::join!(scheduler.wait(&id), async {
                docker.delete(&format!("/containers/{id}?force=1")).unwrap()
            });
            assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
        }
        Deed::Pause => {
            does("pause");
            assert!(matches!(scheduler.inspect(&id).await.unwrap(), TaskStatus::Running { .. }));
            does("unpause");
            does("kill?signal=USR1");
            assert_eq!(told(&end_of(&scheduler, &id).await), "signal 10");
        }
        Deed::Kill => {
            // By now the events are followed: their first look at the containers has been answered.
            said(&scheduler, &id, "there").await;
            let (end, ()) = tokio::join!(end_of(&scheduler, &id), async { does("kill") });
            assert_eq!(told(&end), "signal 9");
            let (output, _) = output_of(&scheduler, &id).await;
            assert!(output.starts_with("here\nthere\n<gap: "), "{output}");
        }
        Deed::KillUnwatched => {
            said(&scheduler, &id, "there").await;
            drop(scheduler);
            does("kill");
            let ended = || docker.get(&format!("/containers/{id}/json")).unwrap().text();
            Waiter::new("the end").until_blocking(|| {
                if ended().contains(r#""Running":false"#) { Ok(()) } else { Err(ended()) }
            });
            scheduler = open().await;
            assert_eq!(told(&end_of(&scheduler, &id).await), "signal 9");
        }
    }
    scheduler.remove(&id).await.unwrap();
}

/// Waits until the task has written this line.
async fn said(scheduler: &DockerScheduler, id: &AttemptId, line: &str) {
    let mut stream = scheduler.logs(id, LogCursor::start()).await.unwrap();
    while let Some(chunk) = stream.next().await {
        if let LogItem::Data { bytes, .. } = chunk.unwrap().item
            && String::from_utf8_lossy(&bytes).contains(line)
        {
            return;
        }
    }
    panic!("{line} was not said");
}
