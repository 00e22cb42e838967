//! Streams: how they follow, how a slow reader slows nobody, how they end.

use std::time::Duration;

use futures_util::StreamExt;
use gofer_api::serve_in_process;
use gofer_client::{Client, Followed, v1};

use super::world::{World, client_options, options, register, run};

#[tokio::test]
async fn events_are_followed_from_now_on() {
    let world = World::new().await;
    world.pipeline("before", "exit=0").await;
    let filter = Some(v1::EventFilter { types: vec!["version_registered".to_owned()], ..Default::default() });
    let mut events =
        world.client.follow_events(v1::FollowEventsRequest { filter, from_seq: 0 }).await.unwrap();
    world.pipeline("after", "exit=0").await;
    let told = loop {
        match events.next().await.unwrap().unwrap() {
            Followed::Item(answer) if answer.events.is_empty() => {}
            Followed::Item(answer) => break answer.events,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told.iter().map(|event| event.pipeline.as_str()).collect::<Vec<_>>(), ["after"]);
}

#[tokio::test]
async fn a_reader_that_never_reads_slows_nobody() {
    let world = World::new().await;
    world.pipeline("loud", "line=4000000").await;
    world.start("loud").await;
    world.ended("loud", 1).await;
    let read = v1::ReadLogsRequest { run: Some(run("loud", 1)), follow: true, ..Default::default() };
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(world.client.read_logs(read.clone()).await.unwrap());
    }
    world.pipeline("other", "print=hi").await;
    world.start("other").await;
    assert_eq!(world.ended("other", 1).await.state(), v1::RunState::Succeeded);
    let pages: Vec<_> = stalled.pop().unwrap().map(Result::unwrap).collect().await;
    let bytes: usize = pages.iter().flat_map(|page| &page.entries).map(|entry| entry.data.len()).sum();
    assert_eq!(bytes, 4_000_000, "and who reads late still gets everything");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_drains_and_goes_on_at_the_next_one() {
    let world = World::new().await;
    world.pipeline("slow", "print=one,gate=go,print=two").await;
    world.start("slow").await;
    let next = serve_in_process(world.engine.clone(), options());
    let (now, later) = (world.server.dialer(), next.dialer());
    let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let moved = ended.clone();
    let dial = move || if moved.load(std::sync::atomic::Ordering::SeqCst) { later() } else { now() };
    let client = Client::in_process(dial, client_options()).await.unwrap();
    let read = v1::ReadLogsRequest { run: Some(run("slow", 1)), follow: true, ..Default::default() };
    let mut following = client.follow_logs(read).await.unwrap();
    let mut lines = Vec::new();
    let mut interrupted = 0;
    while let Some(told) = following.next().await {
        match told.unwrap() {
            Followed::Item(page) => lines.extend(page.entries.into_iter().map(|entry| entry.data)),
            Followed::Interrupted(error) => {
                assert_eq!(error.code(), Some("E0907"), "{error:?}");
                interrupted += 1;
            }
            Followed::Resumed { .. } => world.scheduler.open_gate("go"),
        }
        if lines.len() == 1 && interrupted == 0 {
            ended.store(true, std::sync::atomic::Ordering::SeqCst);
            tokio::time::timeout(Duration::from_secs(5), world.server.end()).await.unwrap().unwrap();
        }
    }
    assert_eq!(lines, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(interrupted, 1);
}

#[tokio::test]
async fn a_watcher_sees_how_far_an_image_is_and_what_ran() {
    let world = World::new().await;
    let text = "id = \"p\"\ntask \"work\" \"fake:gate-go\" {\n  command = [\"fake:exit=0\"]\n}\n";
    world.client.register_pipeline(register(text)).await.unwrap();
    world.start("p").await;
    let watch = v1::WatchRunRequest { run: Some(run("p", 1)) };
    let mut updates = world.client.watch_run(watch).await.unwrap();
    let (mut waits, mut images) = (Vec::new(), Vec::new());
    while let Some(told) = updates.next().await {
        let Followed::Item(update) = told.unwrap() else { continue };
        waits.extend(update.tasks.iter().filter_map(|task| Some(task.cause.as_ref()?.kind.clone())));
        images.extend(update.images);
        if waits.iter().any(|kind| kind == "fetching_image") {
            world.scheduler.open_gate("go");
        }
    }
    let last = images.last().unwrap();
    assert_eq!((last.task.as_str(), last.image.as_str(), last.done), ("work", "fake:gate-go", last.total));
    let task = v1::GetTaskRunRequest { run: Some(run("p", 1)), task: "work".to_owned() };
    let attempts = world.client.get_task_run(task).await.unwrap().attempts;
    assert!(attempts[0].image_digest.starts_with("sha256:"));
    assert_eq!((&attempts[0].image_digest, &attempts[0].id), (&last.digest, &last.attempt));
}
