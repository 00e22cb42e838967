//! Section 3, objects: a ring, an age, keys, sizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_engine::objects::{ByteRange, ByteStream, Limits, ObjectPath, ObjectsError, Page, PutObject};
use gofer_engine::{Engine, EngineError, EngineOptions};
use gofer_testkit::wait_for;
use gofer_types::ObjectScope;

use crate::support::*;

fn key(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

/// Pieces of a kilobyte, and how many of them were read.
fn pieces(count: usize) -> (ByteStream, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let one = move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from_static(&[7; 1024]))
    };
    (stream::iter(0..count).map(one).boxed(), read)
}

async fn put(engine: &Engine, scope: &ObjectScope, name: &str) -> Vec<String> {
    let put = engine.put_object(&ada(), (scope, &key(name)), pieces(1).0, PutObject::default()).await;
    put.unwrap().evicted.iter().map(ToString::to_string).collect()
}

async fn names(engine: &Engine, scope: &ObjectScope) -> Vec<String> {
    let listing = engine.list_objects(scope, None, Page { after: None, limit: 100 }).await.unwrap();
    listing.objects.iter().map(|meta| meta.path.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn pipeline_objects_are_a_ring_and_the_answer_names_the_one_that_went() {
    assert_eq!(Limits::default().ring, 10, "ten keys by default");
    let world = World::new();
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(register(&engine, pipeline("p", vec![task("t", "", &[])])).await);
    // the ring of this world has two
    for (name, evicted, kept) in [
        ("a", None, vec!["a"]),
        ("b", None, vec!["a", "b"]),
        ("c", Some("a"), vec!["b", "c"]),
        ("d", Some("b"), vec!["c", "d"]),
    ] {
        assert_eq!(put(&engine, &scope, name).await.first().map(String::as_str), evicted, "{name}");
        assert_eq!(names(&engine, &scope).await, kept, "{name}");
        if let Some(gone) = evicted {
            let read = engine.get_object(&scope, &key(gone), ByteRange::WHOLE).await;
            assert!(
                matches!(read, Err(EngineError::Objects(ObjectsError::NotFound { .. }))),
                "it really went"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn run_objects_expire_with_the_age_of_their_run_and_really_go() {
    assert_eq!(EngineOptions::default().objects_of_runs, 20, "the 20th newest run by default");
    let mut world = World::new();
    world.options.objects_of_runs = 2;
    let engine = world.open().await;
    let pipeline = register(&engine, pipeline("p", vec![task("t", "", &[])])).await;
    let mut scopes = Vec::new();
    for _ in 0..4 {
        let run = start(&engine, &pipeline).await;
        end(&engine, &run).await;
        let scope = ObjectScope::Run(run);
        put(&engine, &scope, "a").await;
        scopes.push(scope);
    }
    for (scope, kept) in scopes.iter().zip([false, false, true, true]) {
        wait_for("what is old to go", || async {
            let found = names(&engine, scope).await;
            if found.is_empty() == kept { Err(format!("{scope}: {found:?}")) } else { Ok(()) }
        })
        .await;
    }
    let usage = engine.object_usage(&gofer_types::Namespace::default_name()).await.unwrap();
    assert_eq!(usage.used, 2 * 1024, "and their room is free");
}

#[test]
fn keys_are_paths_of_safe_segments() {
    for (text, sound) in [
        ("a", true),
        ("out/report-1.html", true),
        ("%2e%2e/x", true),
        ("", false),
        ("/etc/passwd", false),
        ("a//b", false),
        ("a/", false),
        ("../x", false),
        ("a/./b", false),
        ("a\\b", false),
        ("a\0b", false),
        ("a\nb", false),
        (&"x".repeat(129), false),
        (&["x"; 13].join("/"), false),
    ] {
        assert_eq!(text.parse::<ObjectPath>().is_ok(), sound, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sizes_are_limited_and_refused_before_they_are_read_whole() {
    assert_eq!(Limits::default().object_bytes, 1 << 30, "a gibibyte by default");
    let mut world = World::new();
    world.object_limits.object_bytes = 64 * 1024;
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(register(&engine, pipeline("p", vec![task("t", "", &[])])).await);
    for (announced, wanted) in [(true, 0), (false, 65)] {
        // without an end: who read it whole would never come back
        let (bytes, read) = pieces(usize::MAX);
        let size = announced.then_some(64 * 1024 + 1);
        let wish = PutObject { expected_size: size, ..PutObject::default() };
        let error = engine.put_object(&ada(), (&scope, &key("big")), bytes, wish).await.unwrap_err();
        assert!(matches!(error, EngineError::Objects(ObjectsError::TooLarge { .. })), "{error:?}");
        assert_eq!(read.load(Ordering::SeqCst), wanted, "announced: {announced}");
    }
    assert!(names(&engine, &scope).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn upload_and_download_stream() {
    let world = World::new();
    let engine = world.open().await;
    let scope = ObjectScope::Pipeline(register(&engine, pipeline("p", vec![task("t", "", &[])])).await);
    let (bytes, _) = pieces(1000);
    engine.put_object(&ada(), (&scope, &key("a")), bytes, PutObject::default()).await.unwrap();
    let mut found = engine.get_object(&scope, &key("a"), ByteRange::WHOLE).await.unwrap();
    let (mut pieces, mut size) = (0, 0);
    while let Some(piece) = found.bytes.try_next().await.unwrap() {
        (pieces, size) = (pieces + 1, size + piece.len());
    }
    assert_eq!(size, 1000 * 1024);
    assert!(pieces > 1, "it does not come as one");
}
