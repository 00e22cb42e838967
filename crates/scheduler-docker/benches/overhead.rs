//! What a task costs over the bare interface of the engine: create, start, wait, remove; both in one run, taking turns.
//!
//! `GOFER_TEST_DOCKER=unix:///var/run/docker.sock cargo bench -p gofer-scheduler-docker`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people"
)]

use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, StartContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use gofer_backend::Owner;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_scheduler_docker::{DockerConfig, DockerScheduler};
use gofer_testkit::docker::{engine_for_tests, test_image};
use gofer_types::{AttemptId, Cause};

const ROUNDS: u32 = 100;

fn main() {
    let (socket, image) = match engine_for_tests().and_then(|engine| {
        let image = test_image(&engine)?;
        Ok((engine.url(), image))
    }) {
        Ok(found) => found,
        Err(reason) => return println!("nothing is measured: {reason}"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(&socket, image));
}

async fn measure(socket: &str, image: &str) {
    let root = tempfile::tempdir().unwrap();
    let config = DockerConfig {
        socket: socket.to_owned(),
        network: "none".to_owned(),
        root: root.path().to_owned(),
        ..DockerConfig::default()
    };
    let owner = Owner(format!("bench-{}", uuid::Uuid::new_v4().simple()));
    let scheduler = DockerScheduler::open("bench", owner, config).await.unwrap();
    let docker = Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION)
        .unwrap()
        .negotiate_version()
        .await
        .unwrap();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + 5 {
        let (one, other) = if round % 2 == 0 {
            let one = timed(through_bare(&docker, image)).await;
            (one, timed(through_gofer(&scheduler, image)).await)
        } else {
            let other = timed(through_gofer(&scheduler, image)).await;
            (timed(through_bare(&docker, image)).await, other)
        };
        // The first rounds bring our program to the engine and warm both up.
        if round >= 5 {
            bare.push(one);
            ours.push(other);
        }
    }
    let (bare, ours) = (show("the bare engine", bare), show("through the scheduler", ours));
    println!("overhead at p50: {:+.1} %", (ours.as_secs_f64() / bare.as_secs_f64() - 1.0) * 100.0);
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begin = Instant::now();
    work.await;
    begin.elapsed()
}

fn show(what: &str, mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    let at = |percent: usize| spans[(spans.len() - 1) * percent / 100];
    println!("{what:<24} p50 {:>9.2?}  p90 {:>9.2?}  of {}", at(50), at(90), spans.len());
    at(50)
}

async fn through_bare(docker: &Docker, image: &str) {
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["/bin/true".to_owned()]),
        host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    let next = WaitContainerOptionsBuilder::default().condition("not-running").build();
    docker.start_container(&id, None::<StartContainerOptions>).await.unwrap();
    let mut ended = Box::pin(docker.wait_container(&id, Some(next)));
    ended.next().await.unwrap().unwrap();
    docker.remove_container(&id, None::<RemoveContainerOptions>).await.unwrap();
}

async fn through_gofer(scheduler: &DockerScheduler, image: &str) {
    let id = AttemptId::from_u128(uuid::Uuid::now_v7().as_u128());
    let spec =
        TaskSpec { image: image.to_owned(), command: vec!["/bin/true".to_owned()], ..TaskSpec::default() };
    scheduler.start(&id, &spec).await.unwrap();
    assert_eq!(scheduler.wait(&id).await.unwrap().cause, Cause::ExitCode(0));
    scheduler.remove(&id).await.unwrap();
}
