//! Objects as callers of the engine see them.

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use gofer_backend::ErrorKind;
use gofer_engine::objects::{ByteRange, ByteStream, ObjectPath, ObjectsError, PutObject};
use gofer_engine::{Engine, EngineError, EventFilter, EventRange, Page};
use gofer_object_store::fake::Operation;
use gofer_testkit::wait_for;
use gofer_types::{Actor, EventKind, Namespace, ObjectScope, PipelineRef, RunNumber, RunRef, TaskState};

use crate::support::*;

fn key(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

fn bytes(text: &'static str) -> ByteStream {
    stream::iter([Ok(Bytes::from(text))]).boxed()
}

async fn put(engine: &Engine, scope: &ObjectScope, name: &str) -> Result<Vec<ObjectPath>, EngineError> {
    let put = engine.put_object(&ada(), (scope, &key(name)), bytes("hello"), PutObject::default()).await;
    put.map(|put| put.evicted)
}

async fn names(engine: &Engine, scope: &ObjectScope) -> Vec<String> {
    let page = gofer_engine::objects::Page { after: None, limit: 100 };
    let listing = engine.list_objects(scope, None, page).await.unwrap();
    listing.objects.iter().map(|meta| meta.path.to_string()).collect()
}

async fn until_empty(engine: &Engine, scope: &ObjectScope) {
    wait_for("the objects to be gone", || async {
        match names(engine, scope).await {
            names if names.is_empty() => Ok(()),
            names => Err(format!("{names:?}")),
        }
    })
    .await;
}

async fn used(engine: &Engine) -> u64 {
    engine.object_usage(&Namespace::default_name()).await.unwrap().used
}

async fn one(engine: &Engine) -> PipelineRef {
    register(engine, pipeline("p", vec![task("t", "print=x", &[])])).await
}

async fn ended(engine: &Engine, pipeline: &PipelineRef) -> RunRef {
    let run = start(engine, pipeline).await;
    end(engine, &run).await;
    run
}

#[tokio::test(start_paused = true)]
async fn an_object_is_put_read_and_deleted_and_its_events_say_by_whom() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let run = ended(&engine, &pipeline).await;
    let scopes = [ObjectScope::Pipeline(pipeline), ObjectScope::Run(run.clone())];
    for scope in &scopes {
        put(&engine, scope, "a/b").await.unwrap();
        let content = engine.get_object(scope, &key("a/b"), ByteRange::WHOLE).await.unwrap();
        let read: Vec<Bytes> = content.bytes.try_collect().await.unwrap();
        assert_eq!(read.concat(), b"hello");
        assert_eq!(engine.head_object(scope, &key("a/b")).await.unwrap(), content.meta);
        assert_eq!(names(&engine, scope).await, ["a/b"]);
        let again = put(&engine, scope, "a/b").await;
        assert!(matches!(again, Err(EngineError::Objects(ObjectsError::Exists { .. }))), "{again:?}");
    }
    assert_eq!(used(&engine).await, 10);
    for there in [true, false] {
        assert_eq!(engine.delete_object(&ada(), &scopes[1], &key("a/b")).await.unwrap(), there);
    }
    let types = ["object_put", "object_deleted"].map(str::to_owned).to_vec();
    let filter = EventFilter { types, ..EventFilter::default() };
    let events = async |filter: &EventFilter| {
        engine.list_events(filter.clone(), EventRange::default(), Page::default()).await.unwrap().items
    };
    let told = events(&filter).await;
    assert!(told.iter().all(|event| event.actor == Actor::User("ada".to_owned())));
    let of = |scope: &ObjectScope| EventKind::ObjectPut {
        scope: scope.clone(),
        key: "a/b".to_owned(),
        size: 5,
        evicted: Vec::new(),
    };
    let deleted = EventKind::ObjectDeleted { scope: scopes[1].clone(), key: "a/b".to_owned() };
    let kinds: Vec<_> = told.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [of(&scopes[0]), of(&scopes[1]), deleted]);
    let of_run =
        EventFilter { pipeline: Some(run.pipeline.pipeline.clone()), run: Some(run.run), ..filter.clone() };
    assert_eq!(events(&of_run).await.len(), 2);
    let of_pipeline = EventFilter { pipeline: Some(run.pipeline.pipeline), ..filter };
    assert_eq!(events(&of_pipeline).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_object_that_goes_for_another_is_named_in_the_answer_and_in_the_event() {
    let world = World::new();
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(one(&engine).await);
    for name in ["a", "b"] {
        assert_eq!(put(&engine, &scope, name).await.unwrap(), []);
    }
    assert_eq!(put(&engine, &scope, "c").await.unwrap(), [key("a")]);
    assert_eq!(names(&engine, &scope).await, ["b", "c"]);
    let range = EventRange { newest_first: true, ..EventRange::default() };
    let newest = engine.list_events(EventFilter::default(), range, Page { size: 1, token: None }).await;
    let EventKind::ObjectPut { evicted, .. } = &newest.unwrap().items[0].kind else { panic!() };
    assert_eq!(*evicted, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_has_no_objects() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let nowhere = ObjectScope::Pipeline(pipeline_ref("q"));
    let never = ObjectScope::Run(pipeline.run(RunNumber(7)));
    let page = || gofer_engine::objects::Page { after: None, limit: 1 };
    for scope in [&nowhere, &never] {
        let missing = |error: EngineError| match error {
            EngineError::PipelineNotFound { .. } => assert_eq!(scope, &nowhere),
            EngineError::RunNotFound { .. } => assert_eq!(scope, &never),
            other => panic!("{other:?}"),
        };
        missing(put(&engine, scope, "a").await.unwrap_err());
        missing(engine.get_object(scope, &key("a"), ByteRange::WHOLE).await.unwrap_err());
        missing(engine.head_object(scope, &key("a")).await.unwrap_err());
        missing(engine.list_objects(scope, None, page()).await.unwrap_err());
        missing(engine.delete_object(&ada(), scope, &key("a")).await.unwrap_err());
    }
    let there = ObjectScope::Pipeline(pipeline);
    let error = engine.head_object(&there, &key("a")).await.unwrap_err();
    assert!(matches!(error, EngineError::Objects(ObjectsError::NotFound { .. })), "{error:?}");
    assert!(engine.object_usage(&Namespace::new("none").unwrap()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_objects_of_old_runs_go_and_those_of_runs_under_way_stay() {
    let mut world = World::new();
    world.options.objects_of_runs = 2;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "hang", &[])])).await;
    let slow = start(&engine, &pipeline).await;
    until(&engine, &slow, "t", TaskState::Running).await;
    let slow_scope = ObjectScope::Run(slow.clone());
    put(&engine, &slow_scope, "a").await.unwrap();
    let mut quick = Vec::new();
    for _ in 0..4 {
        let run = start(&engine, &pipeline).await;
        put(&engine, &ObjectScope::Run(run.clone()), "a").await.unwrap();
        engine.cancel_run(&ada(), &run, String::new(), true).await.unwrap();
        end(&engine, &run).await;
        quick.push(ObjectScope::Run(run));
    }
    for old in &quick[..2] {
        until_empty(&engine, old).await;
        let put = put(&engine, old, "late").await;
        assert!(matches!(put, Err(EngineError::Objects(ObjectsError::Gone { .. }))), "{put:?}");
    }
    for kept in [&quick[2], &quick[3], &slow_scope] {
        assert_eq!(names(&engine, kept).await, ["a"], "{kept}");
    }
    put(&engine, &slow_scope, "b").await.unwrap();
    engine.cancel_run(&ada(), &slow, String::new(), true).await.unwrap();
    end(&engine, &slow).await;
    until_empty(&engine, &slow_scope).await;
    assert_eq!(used(&engine).await, 10);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_life_did_not_expire_is_expired_by_a_later_one() {
    let mut world = World::new();
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        let scope = ObjectScope::Run(ended(&engine, &pipeline).await);
        put(&engine, &scope, "a").await.unwrap();
        runs.push(scope);
    }
    world.crash(engine).await;
    world.options.objects_of_runs = 1;
    let engine = world.open().await;
    for old in &runs[..2] {
        until_empty(&engine, old).await;
    }
    assert_eq!(names(&engine, &runs[2]).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_deleted_takes_its_objects_with_it() {
    let mut world = World::new();
    world.options.retention.runs.runs = 1;
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let first = start(&engine, &pipeline).await;
    put(&engine, &ObjectScope::Run(first.clone()), "a").await.unwrap();
    end(&engine, &first).await;
    ended(&engine, &pipeline).await;
    wait_for("the run to be deleted", || async {
        match engine.get_run(&first).await {
            Err(EngineError::RunNotFound { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(used(&engine).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pipeline_takes_its_objects_with_it_also_after_a_failure() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let run = ended(&engine, &pipeline).await;
    for scope in [ObjectScope::Pipeline(pipeline.clone()), ObjectScope::Run(run)] {
        put(&engine, &scope, "a").await.unwrap();
    }
    world.objects.fail_next(Operation::Delete, ErrorKind::Unavailable);
    let failed = engine.delete_pipeline(&ada(), &pipeline).await;
    assert!(matches!(failed, Err(EngineError::Objects(ObjectsError::Store(_)))), "{failed:?}");
    world.crash(engine).await;
    let engine = world.open().await;
    wait_for("the objects to be gone", || async {
        match used(&engine).await {
            0 => Ok(()),
            left => Err(left),
        }
    })
    .await;
    one(&engine).await;
    assert_eq!(names(&engine, &ObjectScope::Pipeline(pipeline)).await, [""; 0]);
}

/// An upload that hangs behind its first byte, until it is fed or let go of.
fn hanging() -> (tokio::sync::mpsc::Sender<gofer_backend::Result<Bytes>>, ByteStream) {
    let (feed, chunks) = tokio::sync::mpsc::channel(2);
    feed.try_send(Ok(Bytes::from("x"))).unwrap();
    let next = |mut chunks: tokio::sync::mpsc::Receiver<_>| async move {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    };
    (feed, stream::unfold(chunks, next).boxed())
}

async fn until_read(feed: &tokio::sync::mpsc::Sender<gofer_backend::Result<Bytes>>) {
    while feed.capacity() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_on_its_way_ends_with_its_pipeline() {
    let world = World::new();
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let scope = ObjectScope::Pipeline(pipeline.clone());
    let (feed, bytes) = hanging();
    let (caller, name) = (ada(), key("a"));
    let upload = engine.put_object(&caller, (&scope, &name), bytes, PutObject::default());
    let deletion = async {
        until_read(&feed).await;
        engine.delete_pipeline(&ada(), &pipeline).await.unwrap();
        one(&engine).await;
        drop(feed);
    };
    let (put, ()) = tokio::join!(upload, deletion);
    assert!(matches!(put, Err(EngineError::Objects(ObjectsError::Gone { .. }))), "{put:?}");
    assert_eq!(names(&engine, &scope).await, [""; 0]);
    assert_eq!(used(&engine).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_run_expires_before_its_end_is_refused() {
    let mut world = World::new();
    world.options.objects_of_runs = 1;
    let engine = world.open().await;
    let pipeline = one(&engine).await;
    let scope = ObjectScope::Run(ended(&engine, &pipeline).await);
    let (feed, bytes) = hanging();
    let (caller, name) = (ada(), key("a"));
    let upload = engine.put_object(&caller, (&scope, &name), bytes, PutObject::default());
    let expiry = async {
        until_read(&feed).await;
        ended(&engine, &pipeline).await;
        wait_for("the run to keep no objects", || async {
            match put(&engine, &scope, "b").await {
                Err(EngineError::Objects(ObjectsError::Gone { .. })) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        drop(feed);
    };
    let (put, ()) = tokio::join!(upload, expiry);
    assert!(matches!(put, Err(EngineError::Objects(ObjectsError::Gone { .. }))), "{put:?}");
    until_empty(&engine, &scope).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_ends_the_uploads() {
    let world = World::new();
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(one(&engine).await);
    let (feed, bytes) = hanging();
    let (caller, name) = (ada(), key("a"));
    let upload = engine.put_object(&caller, (&scope, &name), bytes, PutObject::default());
    let stop = async {
        until_read(&feed).await;
        engine.shutdown().await;
    };
    let (put, ()) = tokio::join!(upload, stop);
    assert!(matches!(put, Err(EngineError::ShuttingDown)), "{put:?}");
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(names(&engine, &scope).await, [""; 0]);
    assert_eq!(used(&engine).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_caller_goes_away_goes_on_to_its_end() {
    let world = World::new();
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(one(&engine).await);
    let (feed, bytes) = hanging();
    let (caller, name) = (ada(), key("a"));
    let mut upload = engine.put_object(&caller, (&scope, &name), bytes, PutObject::default()).boxed();
    assert!(upload.as_mut().now_or_never().is_none());
    until_read(&feed).await;
    drop(upload);
    drop(feed);
    wait_for("the object", || async {
        match names(&engine, &scope).await {
            names if names == ["a"] => Ok(()),
            names => Err(format!("{names:?}")),
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_object_store_is_one_of_the_backends() {
    let world = World::new();
    let engine = world.open().await;
    world.objects.fail_next(Operation::Check, ErrorKind::Exhausted);
    let status = engine.status(true).await.unwrap();
    let told = status.backends.iter().find(|backend| backend.family == "objects").unwrap();
    assert_eq!((told.info.kind, told.healthy, told.default), ("fake", Some(false), true));
    assert!(told.problem.contains("script of faults"), "{}", told.problem);
}
