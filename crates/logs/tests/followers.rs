//! Followers, and several logs as one.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

use common::*;
use futures_util::{FutureExt, StreamExt, stream};
use gofer_logs::{LogEntry, LogError, LogStore, LogStream, ReadOptions, StreamKind};
use gofer_types::TaskId;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_follower_waits_for_a_log_that_is_not_there_yet() {
    let world = World::new().await;
    let mut follower = follow(&world.store, &task()).await;
    assert_eq!(follower.next().await.unwrap().unwrap(), [], "all that is stored is given");
    let mut writer = world.store.writer(&task()).await.unwrap();
    let (first, appended) = tokio::join!(follower.next(), writer.append(vec![out(1, "a\n")]));
    appended.unwrap();
    assert_eq!(texts(&first.unwrap().unwrap()), ["a"]);
    assert_eq!(follower.next().await.unwrap().unwrap(), []);
    assert!(follower.next().now_or_never().is_none(), "it waits");
    let (last, sealed) = tokio::join!(follower.next(), writer.seal());
    sealed.unwrap();
    assert!(last.is_none());
}

#[tokio::test]
async fn a_follower_goes_on_over_segments_and_a_restart_of_the_writer() {
    let world = World::with(|options| options.segment_bytes = 500).await;
    let follower = follow(&world.store, &task()).await;
    let write = async {
        for round in 0..10_i64 {
            let mut writer = world.store.writer(&task()).await.unwrap();
            for number in 0..20 {
                let number = round * 20 + number;
                writer.append(vec![out(number, format!("line {number}\n"))]).await.unwrap();
            }
        }
        world.store.seal(&task()).await.unwrap();
    };
    let (entries, ()) = tokio::join!(drain(follower), write);
    assert_eq!(seqs(&entries), (1..=200).collect::<Vec<u64>>());
    assert_eq!(entries, all(&world.store, &task()).await);
}

#[tokio::test]
async fn a_follower_from_a_number_that_is_not_there_yet_gets_it_when_it_comes() {
    let world = World::new().await;
    write(&world.store, &task(), vec![out(1, "a\nb\n")]).await;
    let follower = world.store.read(&task(), ReadOptions { from_seq: 4, ..following() }).await.unwrap();
    write(&world.store, &task(), vec![out(2, "c\nd\ne\n")]).await;
    world.store.seal(&task()).await.unwrap();
    assert_eq!(texts(&drain(follower).await), ["d", "e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_followers_all_get_everything_and_some_that_never_read_hold_up_nobody() {
    let world = World::new().await;
    let mut stalled = Vec::new();
    let mut readers = JoinSet::new();
    for _ in 0..1_000 {
        stalled.push(follow(&world.store, &task()).await);
        let follower = follow(&world.store, &task()).await;
        readers.spawn(async move { emitted(&drain(follower).await, StreamKind::Out) });
    }
    let mut expected = Vec::new();
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..50 {
        let bytes = format!("{number} {}\n", "x".repeat(100)).repeat(5);
        expected.extend_from_slice(bytes.as_bytes());
        writer.append(vec![out(number, bytes)]).await.unwrap();
    }
    writer.seal().await.unwrap();
    while let Some(found) = readers.join_next().await {
        assert!(found.unwrap() == expected);
    }
    for follower in stalled.into_iter().take(3) {
        assert_eq!(emitted(&drain(follower).await, StreamKind::Out), expected, "it is only late");
    }
}

#[tokio::test]
async fn there_is_a_limit_of_followers_and_one_who_leaves_makes_room() {
    let world = World::with(|options| options.max_followers = 2).await;
    let first = follow(&world.store, &task()).await;
    let _second = follow(&world.store, &named("other")).await;
    let Err(error) = world.store.read(&task(), following()).await else { panic!("a third follower") };
    assert!(matches!(error, LogError::TooManyFollowers { limit: 2 }), "{error}");
    assert_eq!(all(&world.store, &task()).await, [], "reading without following is not limited");
    drop(first);
    let third = world.store.read(&task(), following()).await;
    assert!(third.is_ok());
}

fn source(name: &str, stream: LogStream) -> (TaskId, LogStream) {
    (TaskId::new(name).unwrap(), stream)
}

async fn stored(store: &LogStore, name: &str) -> (TaskId, LogStream) {
    source(name, store.read(&named(name), ReadOptions::default()).await.unwrap())
}

#[tokio::test]
async fn stored_logs_are_merged_in_the_order_of_time() {
    let world = World::new().await;
    for (name, step) in [("a", 3_i64), ("b", 5), ("c", 7)] {
        let mut writer = world.store.writer(&named(name)).await.unwrap();
        for number in 0..700 {
            let time = number * step * 2_000;
            writer.append(vec![out(time, format!("{name} {time}\n"))]).await.unwrap();
        }
    }
    let mut sources = Vec::new();
    for name in ["c", "a", "b", "absent"] {
        sources.push(stored(&world.store, name).await);
    }
    let merged = drain(LogStore::merge(sources)).await;
    assert_eq!(merged.len(), 2_100);
    assert!(merged.is_sorted_by_key(|entry| entry.time));
    for name in ["a", "b", "c"] {
        let of_one =
            merged.iter().filter(|entry| entry.task.as_str() == name).cloned().collect::<Vec<LogEntry>>();
        assert_eq!(of_one, all(&world.store, &named(name)).await);
    }
}

#[tokio::test]
async fn a_task_that_prints_nothing_does_not_hold_back_the_others() {
    let world = World::new().await;
    let silent = source("silent", follow(&world.store, &named("silent")).await);
    let old = source("old", follow(&world.store, &named("old")).await);
    let live = source("live", follow(&world.store, &named("live")).await);
    write(&world.store, &named("old"), vec![out(5, "o5\n"), out(9_000, "o9000\n")]).await;
    let mut writer = world.store.writer(&named("live")).await.unwrap();
    writer.append(vec![out(7, "l7\n")]).await.unwrap();
    let mut merged = LogStore::merge(vec![silent, old, live]);
    let mut found = Vec::new();
    while found.len() < 3 {
        found.extend(texts(&merged.next().await.unwrap().unwrap()));
    }
    assert_eq!(found, ["o5", "l7", "o9000"]);
    for number in 10..20 {
        let (batch, appended) = tokio::join!(merged.next(), writer.append(vec![out(number, "more\n")]));
        appended.unwrap();
        assert_eq!(texts(&batch.unwrap().unwrap()), ["more"]);
    }
    drop(writer);
    for name in ["silent", "old", "live"] {
        world.store.seal(&named(name)).await.unwrap();
    }
    assert!(merged.next().await.is_none());
}

#[tokio::test]
async fn a_source_that_may_still_have_something_stored_is_waited_for() {
    let world = World::new().await;
    write(&world.store, &named("a"), vec![out(5, "a5\n")]).await;
    let (open, gate) = tokio::sync::oneshot::channel::<()>();
    write(&world.store, &named("b"), vec![out(1, "b1\n")]).await;
    let late = world.store.read(&named("b"), ReadOptions::default()).await.unwrap();
    let late = stream::once(async move { gate.await.unwrap() })
        .flat_map_unordered(None, move |()| stream::empty())
        .chain(late);
    let mut merged = LogStore::merge(vec![stored(&world.store, "a").await, source("b", late.boxed())]);
    assert!(merged.next().now_or_never().is_none());
    open.send(()).unwrap();
    assert_eq!(texts(&drain(merged).await), ["b1", "a5"]);
}

#[tokio::test]
async fn a_source_that_fails_is_named_and_the_others_go_on() {
    let world = World::new().await;
    write(&world.store, &named("good"), vec![out(5, "g\n")]).await;
    let bad = source("bad", stream::iter([Err(LogError::Stopped)]).boxed());
    let batches: Vec<_> = LogStore::merge(vec![stored(&world.store, "good").await, bad]).collect().await;
    let error = batches.iter().find_map(|batch| batch.as_ref().err()).unwrap();
    assert_eq!(error.to_string(), "cannot read the log of task bad");
    let good: Vec<LogEntry> = batches.into_iter().flatten().flatten().collect();
    assert_eq!(texts(&good), ["g"]);
}
