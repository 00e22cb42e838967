//! Images: fetched before a task starts, told while they come, and never in the way of what runs already.

use gofer_backend::ErrorKind;
use gofer_engine::{Engine, EngineError, EventFilter, EventRange, ImageNews, Page, StartRun};
use gofer_pipeline::{Feature, Supported};
use gofer_scheduler::Capabilities;
use gofer_storage::fake::{Fault, FaultPlan, Operation};
use gofer_types::pipeline::{Action, RegistryAuth};
use gofer_types::{
    AttemptRecord, Cause, EventKind, ImageState, Pipeline, RunRef, RunState, Span, Task, TaskState,
};

use crate::support::*;

fn imaged(image: &str, script: &str) -> Task {
    Task { image: image.to_owned(), ..task("t", script, &[]) }
}

async fn run_of(engine: &Engine, task: Task) -> RunRef {
    let pipeline = register(engine, pipeline("p", vec![task])).await;
    start(engine, &pipeline).await
}

async fn attempt_of(engine: &Engine, run: &RunRef) -> AttemptRecord {
    let (_, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert_eq!(attempts.len(), 1);
    attempts[0].clone()
}

/// What the event log tells of images, with the time in milliseconds since the first of it.
async fn told(engine: &Engine) -> Vec<(u128, u64, u64, ImageState)> {
    let filter = EventFilter { types: vec!["image".to_owned()], ..EventFilter::default() };
    let all = Page { size: 1000, token: None };
    let events = engine.list_events(filter, EventRange::default(), all).await.unwrap().items;
    let first = events.first().map(|event| event.at).unwrap_or_default();
    let mut told = Vec::new();
    for event in events {
        let EventKind::Image { done, total, state, .. } = event.kind else { panic!("{event:?}") };
        told.push((event.at.since(first).as_millis(), done, total, state));
    }
    told
}

/// Waits until the image of the task is told to be on its way.
async fn until_fetching(engine: &Engine, run: &RunRef, image: &str) {
    use futures_util::StreamExt;
    let wanted = Cause::FetchingImage(image.to_owned());
    let mut updates = engine.watch_run(run).await.unwrap();
    while let Some(update) = updates.next().await {
        if update.unwrap().tasks.iter().any(|task| task.cause == wanted && task.state == TaskState::Pending) {
            return;
        }
    }
    panic!("{image} never was on its way");
}

fn is_refused(cause: &Cause, why: &str) -> bool {
    matches!(cause, Cause::CannotStart(text) if text.contains(why))
}

#[tokio::test(start_paused = true)]
async fn the_digest_of_the_image_is_recorded_with_the_attempt() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:1.2", "print=x")).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let digest = attempt_of(&engine, &run).await.image.unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
    let told = told(&engine).await;
    assert_eq!(told.last().unwrap().3, ImageState::Fetched { digest });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_an_image_that_is_there() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("alpine:3", "print=x")).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert!(attempt_of(&engine, &run).await.image.is_some());
    assert!(told(&engine).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_progress_of_a_fetch_is_told_in_few_events_in_their_order() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:slow", "witness=ran")).await;
    let updates = watch(&engine, &run).await.unwrap();
    let told = told(&engine).await;
    assert!((10..=20).contains(&told.len()), "{told:?}");
    assert!(told.is_sorted_by_key(|(_, done, ..)| *done), "{told:?}");
    let (last, progress) = told.split_last().unwrap();
    assert!(progress.iter().all(|(.., state)| *state == ImageState::Fetching));
    assert!(progress.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 1000), "a second apart: {told:?}");
    assert!(matches!(last.3, ImageState::Fetched { .. }) && last.1 == last.2);
    let news: Vec<ImageNews> = updates.into_iter().flat_map(|update| update.images).collect();
    assert!(!news.is_empty() && news.iter().all(|news| news.image == "fake:slow"));
    assert!(matches!(news.last().unwrap().state, ImageState::Fetched { .. }), "who watches sees it too");
    assert_eq!(world.backend.witnesses("ran"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_image_comes_is_pending_and_says_why() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:gate-here", "gate=go")).await;
    until_fetching(&engine, &run, "fake:gate-here").await;
    assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Pending);
    assert_eq!(world.backend.tasks(), 0);
    world.backend.open_gate("here");
    until(&engine, &run, "t", TaskState::Running).await;
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_during_a_fetch_ends_the_task_at_once_and_nothing_was_started() {
    for force in [false, true] {
        let world = World::new();
        let engine = world.open().await;
        let run = run_of(&engine, imaged("fake:gate-never", "witness=ran")).await;
        until_fetching(&engine, &run, "fake:gate-never").await;
        engine.cancel_run(&ada(), &run, "enough".to_owned(), force).await.unwrap();
        let record = end(&engine, &run).await;
        let took = record.ended.unwrap().since(record.cancel.unwrap().at);
        assert!(took.as_millis() < 100, "{took:?}");
        let task = state_of(&engine, &run, "t").await;
        assert_eq!((task.state, task.cause), (TaskState::Cancelled, Cause::Cancelled("enough".to_owned())));
        assert!(task.started.is_none());
        assert_eq!((world.backend.tasks(), world.backend.witnesses("ran")), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_between_two_tries_ends_the_task_at_once() {
    let mut world = World::new();
    world.options.image_retries = 1000;
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:unreachable", "witness=ran")).await;
    until_fetching(&engine, &run, "fake:unreachable").await;
    // sleeps: so that the pauses between the tries have grown
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    engine.cancel_run(&ada(), &run, "enough".to_owned(), false).await.unwrap();
    let record = end(&engine, &run).await;
    let took = record.ended.unwrap().since(record.cancel.unwrap().at);
    assert!(took.as_millis() < 100, "{took:?}");
    assert_eq!(world.backend.witnesses("ran"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_errors_the_task_with_the_reason() {
    let reasons = [
        ("fake:missing", "there is no such image", 1),
        ("fake:denied", "the registry refuses the credentials", 1),
        ("fake:late", "takes too long", 1),
        ("fake:full", "there is no room for the image", 4),
        ("fake:unreachable", "the registry cannot be reached", 4),
    ];
    for (image, why, asked) in reasons {
        let world = World::new();
        let engine = world.open().await;
        let run = run_of(&engine, imaged(image, "witness=ran")).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Errored, "{image}");
        let task = state_of(&engine, &run, "t").await;
        assert!(task.state == TaskState::Errored && is_refused(&task.cause, why), "{task:?}");
        assert_eq!((world.backend.fetches(image), world.backend.witnesses("ran")), (asked, 0), "{image}");
        world.empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_comes_back_in_time_fails_nothing() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:unreachable-3", "witness=ran")).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!((world.backend.fetches("fake:unreachable-3"), world.backend.witnesses("ran")), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_is_away_for_long_is_waited_for() {
    let world = World::new();
    let engine = world.open().await;
    world.backend.set_away(true);
    let run = run_of(&engine, imaged("fake:any", "witness=ran")).await;
    until_fetching(&engine, &run, "fake:any").await;
    // sleeps: virtual time, far beyond all tries that a registry has
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let (task, _) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
    assert_eq!(task.state, TaskState::Pending, "{:?}", task.cause);
    world.backend.set_away(false);
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(world.backend.witnesses("ran"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_vanishes_before_the_start_is_fetched_again_a_few_times() {
    let world = World::new();
    let engine = world.open().await;
    let run = run_of(&engine, imaged("fake:vanishing-2", "witness=ran")).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!((world.backend.fetches("fake:vanishing-2"), world.backend.witnesses("ran")), (3, 1));
    let run = run_of(&engine, imaged("fake:vanishing", "witness=never")).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    assert!(is_refused(&state_of(&engine, &run, "t").await.cause, "its image is not there"));
    assert_eq!((world.backend.fetches("fake:vanishing"), world.backend.witnesses("never")), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_with_the_time_limit_of_its_task() {
    let world = World::new();
    let engine = world.open().await;
    let run =
        run_of(&engine, Task { timeout: Some(Span::from_secs(60)), ..imaged("fake:gate-never", "") }).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let task = state_of(&engine, &run, "t").await;
    assert_eq!(task.cause, Cause::Deadline(std::time::Duration::from_secs(60)));
    assert!(task.started.is_none());
}

/// The crash is right before the record that the task runs: it is found by its mark.
#[tokio::test(start_paused = true)]
async fn what_runs_is_taken_up_after_a_crash_without_its_registry() {
    let config = pipeline("p", vec![Task { always_pull: true, ..imaged("alpine:3", "witness=ran,gate=go") }]);
    for nth in 2..10 {
        let mut world = World::new();
        world.options.supported = Supported::default().with(Feature::AlwaysPull);
        let Ok(engine) = world.open_with(fault_at(Operation::Commit, nth)).await else { continue };
        assert!(to_the_end(&engine, &config).await.is_err(), "{nth}");
        world.crash(engine).await;
        if world.backend.witnesses("ran") == 0 {
            continue;
        }
        assert_eq!(world.backend.fetches("alpine:3"), 1);
        let engine = world.open().await;
        let run = going(&engine, &config).await.unwrap();
        until(&engine, &run, "t", TaskState::Running).await;
        gofer_testkit::wait_for("the image that runs", || async {
            attempt_of(&engine, &run).await.image.ok_or("it is not known yet")
        })
        .await;
        world.backend.open_gate("go");
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
        assert_eq!((world.backend.fetches("alpine:3"), world.backend.witnesses("ran")), (1, 1));
        return;
    }
    panic!("no crash was behind the start");
}

fn fault_at(operation: Operation, nth: u64) -> FaultPlan {
    FaultPlan::none().on(operation, nth, Fault::Error(ErrorKind::Unavailable))
}

/// Registers and starts, as far as it comes.
async fn going(engine: &Engine, config: &Pipeline) -> Result<RunRef, EngineError> {
    let pipeline = pipeline_ref("p");
    let wish =
        gofer_engine::Registration { pipeline: pipeline.clone(), config: config.clone(), expected: None };
    engine.register_pipeline(&ada(), wish).await?;
    let start = StartRun { idempotency_key: Some("once".to_owned()), ..crate::support::wish(&pipeline) };
    Ok(engine.start_run(&ada(), start).await?.run.id)
}

async fn to_the_end(engine: &Engine, config: &Pipeline) -> Result<RunRef, EngineError> {
    let run = going(engine, config).await?;
    watch(engine, &run).await?;
    Ok(run)
}

/// A crash at every commit, before it and behind it: the image comes, and the task is started once.
#[tokio::test(start_paused = true)]
async fn a_crash_during_a_fetch_changes_nothing_but_time() {
    let config = pipeline("p", vec![imaged("fake:slow", "witness=ran,print=x,run=1s")]);
    let plan = FaultPlan::none();
    let world = World::new();
    let engine = world.open_with(plan.clone()).await.unwrap();
    to_the_end(&engine, &config).await.unwrap();
    engine.shutdown().await;
    let commits = plan.calls(Operation::Commit);
    assert!(commits > 15, "{commits}");
    for operation in [Operation::Commit, Operation::Answer] {
        for nth in 1..=commits {
            let world = World::new();
            match world.open_with(fault_at(operation, nth)).await {
                Ok(engine) => {
                    let _ = to_the_end(&engine, &config).await;
                    world.crash(engine).await;
                }
                Err(_) => world.disk.cut_power(0),
            }
            let engine = world.open().await;
            let run = to_the_end(&engine, &config).await.unwrap();
            assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Succeeded, "{operation:?} {nth}");
            assert_eq!(world.backend.witnesses("ran"), 1, "{operation:?} {nth}");
            assert_eq!(output(&engine, &run, true).await, ["t: x"], "{operation:?} {nth}");
            attempt_of(&engine, &run).await;
            world.empty().await;
            engine.shutdown().await;
        }
    }
}

/// A password that nobody may find anywhere.
const CANARY: &str = "canary-d41d8cd9";

fn signed_in(mut task: Task, user: &str, pass: &str) -> Task {
    task.registry_auth = Some(RegistryAuth { user: user.into(), pass: pass.into() });
    task
}

#[tokio::test(start_paused = true)]
async fn a_password_reaches_the_registry_and_nothing_else() {
    let mut world = World::new();
    world.options.supported = Supported::default().with(Feature::AlwaysPull).with(Feature::RegistryAuth);
    for image in ["fake:private", "fake:denied"] {
        let engine = world.open().await;
        let run = run_of(&engine, signed_in(imaged(image, "env,args"), "me", CANARY)).await;
        end(&engine, &run).await;
        let auth = world.backend.fetched_as(image).unwrap();
        assert_eq!((auth.user.as_str(), auth.password.expose()), ("me", CANARY));
        let all = Page { size: 1000, token: None };
        let events = engine.list_events(EventFilter::default(), EventRange::default(), all).await.unwrap();
        let (task, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
        let seen =
            format!("{:?} {task:?} {attempts:?} {:?}", events.items, output(&engine, &run, true).await);
        assert!(!seen.contains(CANARY), "{seen}");
        world.crash(engine).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_without_a_command_runs_what_it_runs() {
    let world = World::new();
    let engine = world.open().await;
    let task = Task { image: "fake:1.2".to_owned(), ..Task::new(task_id("t"), Action::Image) };
    let run = run_of(&engine, task).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

/// An image that nobody would run is refused, and not ignored.
#[tokio::test(start_paused = true)]
async fn another_image_for_a_task_whose_scheduler_runs_none_is_refused() {
    let mut world = World::new();
    let wish_of = |id: &gofer_types::PipelineRef| StartRun {
        images: [(task_id("t"), "other:2".to_owned())].into(),
        ..wish(id)
    };
    let engine = world.open().await;
    let id = register(&engine, pipeline("p", vec![imaged("alpine:3", "exit=0")])).await;
    engine.start_run(&ada(), wish_of(&id)).await.unwrap();
    world.crash(engine).await;
    world.backend = world.backend.with_capabilities(Capabilities::default());
    let engine = world.open().await;
    let refused = engine.start_run(&ada(), wish_of(&id)).await;
    let Err(EngineError::InvalidStart(problems)) = refused else { panic!("{refused:?}") };
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].field, "images.t");
    assert!(problems[0].rule.contains("scheduler `fake`") && problems[0].rule.contains("no images"));
}
