//! Opening, sealing, deleting, and what is found after a restart.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

use common::*;
use futures_util::{FutureExt, StreamExt};
use gofer_logs::{LogError, LogOptions, LogStore, StreamKind};
use gofer_types::RunNumber;

async fn reopen(world: &World) -> LogStore {
    LogStore::open(LogOptions::new(world.dir.path().join("logs"))).await.unwrap()
}

#[tokio::test]
async fn an_absent_log_is_an_empty_one() {
    let world = World::new().await;
    assert_eq!(all(&world.store, &task()).await, []);
    assert!(!world.store.is_sealed(&task()).await.unwrap());
    assert_eq!(files(world.dir.path()).len(), 1, "asking creates nothing");
}

#[tokio::test]
async fn a_log_has_one_writer_at_a_time() {
    let world = World::new().await;
    let first = world.store.writer(&task()).await.unwrap();
    assert!(matches!(world.store.writer(&task()).await, Err(LogError::Busy { .. })));
    assert!(matches!(world.store.seal(&task()).await, Err(LogError::Busy { .. })));
    drop(first);
    world.store.writer(&task()).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_is_dropped_while_it_appends_leaves_a_valid_log_to_the_next() {
    let world = World::new().await;
    let mut stored = 0;
    for number in 1..50 {
        let mut writer = world.store.writer(&task()).await.unwrap();
        let reached = writer.resume_point(1).map_or(0, |cursor| cursor.parse::<u64>().unwrap());
        let entries = all(&world.store, &task()).await;
        assert_eq!(entries.len() as u64, reached);
        assert!(reached >= stored);
        stored = reached;
        let next = i64::try_from(reached).unwrap() + 1;
        writer.append(vec![out(next, format!("line {number}\n"))]).now_or_never();
    }
}

#[tokio::test]
async fn a_sealed_log_takes_no_more_also_after_a_restart() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![out(1, "a\n")]).await.unwrap();
    writer.seal().await.unwrap();
    for store in [world.store.clone(), reopen(&world).await] {
        assert!(store.is_sealed(&task()).await.unwrap());
        assert!(matches!(store.writer(&task()).await, Err(LogError::Sealed { .. })));
        store.seal(&task()).await.unwrap();
        assert_eq!(texts(&all(&store, &task()).await), ["a"]);
    }
}

#[tokio::test]
async fn the_log_of_a_task_that_never_ran_can_be_sealed() {
    let world = World::new().await;
    let follower = follow(&world.store, &task()).await;
    let ((), entries) = tokio::join!(async { world.store.seal(&task()).await.unwrap() }, drain(follower));
    assert_eq!(entries, []);
    assert!(reopen(&world).await.is_sealed(&task()).await.unwrap());
}

#[tokio::test]
async fn a_log_that_a_crash_left_open_can_be_sealed() {
    let world = World::new().await;
    write(&world.store, &task(), vec![out(1, "a\n"), out(5_000, "torn")]).await;
    let segment = &segments(world.dir.path())[0];
    let bytes = std::fs::read(segment).unwrap();
    std::fs::write(segment, &bytes[..bytes.len() - 1]).unwrap();
    let store = reopen(&world).await;
    store.seal(&task()).await.unwrap();
    assert_eq!(texts(&all(&store, &task()).await), ["a"]);
    assert_eq!(texts(&all(&reopen(&world).await, &task()).await), ["a"]);
}

#[tokio::test]
async fn indexes_that_are_lost_or_damaged_are_made_again() {
    let world = World::with(|options| options.segment_bytes = 1_000).await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..100 {
        writer.append(vec![out(number * 2_000, format!("line {number}\n"))]).await.unwrap();
    }
    drop(writer);
    let before = all(&world.store, &task()).await;
    for (path, _) in files(world.dir.path()) {
        if path.extension().is_some_and(|ext| ext == "index") {
            if path.to_string_lossy().ends_with("2.index") {
                std::fs::remove_file(path).unwrap();
            } else {
                std::fs::write(path, "gofr-lix, but damaged").unwrap();
            }
        }
    }
    let store = reopen(&world).await;
    assert_eq!(all(&store, &task()).await, before);
    let resumed = store.writer(&task()).await.unwrap().resume_point(1);
    assert_eq!(resumed.as_deref(), Some("198000"));
}

#[tokio::test]
async fn damage_in_what_was_on_the_disk_is_an_error_and_never_a_shorter_log() {
    let world = World::with(|options| options.segment_bytes = 1_000).await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..100 {
        writer.append(vec![out(number * 2_000, format!("line {number}\n"))]).await.unwrap();
    }
    writer.seal().await.unwrap();
    let found = segments(world.dir.path());
    let mut bytes = std::fs::read(&found[0]).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&found[0], bytes).unwrap();
    let store = reopen(&world).await;
    let batches: Vec<_> = store.read(&task(), Default::default()).await.unwrap().collect().await;
    let last = batches.last().unwrap();
    assert!(matches!(last, Err(LogError::Corrupt { .. })), "{last:?}");
    let opened = async || reopen(&world).await.is_sealed(&task()).await.unwrap_err();
    std::fs::remove_file(found[0].with_extension("index")).unwrap();
    let error = opened().await;
    assert!(matches!(error, LogError::Corrupt { offset: 400..=500, .. }), "{error:?}");
    std::fs::remove_file(&found[3]).unwrap();
    let error = opened().await;
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn an_index_does_not_hide_that_its_segment_is_shorter_than_it_was() {
    let world = World::with(|options| options.segment_bytes = 100).await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..3 {
        writer.append(vec![out(number, "a line that fills the segment\n")]).await.unwrap();
    }
    drop(writer);
    let first = &segments(world.dir.path())[0];
    let bytes = std::fs::read(first).unwrap();
    std::fs::write(first, &bytes[..bytes.len() - 1]).unwrap();
    let error = reopen(&world).await.is_sealed(&task()).await.unwrap_err();
    assert!(matches!(error, LogError::Corrupt { offset: 32, .. }), "{error:?}");
}

#[tokio::test]
async fn a_sealed_log_that_has_lost_a_segment_is_damaged() {
    for lost in [0, 2, 4] {
        let world = World::with(|options| options.segment_bytes = 100).await;
        let mut writer = world.store.writer(&task()).await.unwrap();
        for number in 0..5 {
            writer.append(vec![out(number, "a line that fills the segment\n")]).await.unwrap();
        }
        writer.seal().await.unwrap();
        let found = segments(world.dir.path());
        assert_eq!(found.len(), 5);
        std::fs::remove_file(&found[lost]).unwrap();
        let error = reopen(&world).await.is_sealed(&task()).await.unwrap_err();
        assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_segment_that_was_not_born_when_the_server_died_is_begun_again() {
    let world = World::with(|options| options.segment_bytes = 100).await;
    let line = "a line that fills the segment\n";
    write(&world.store, &task(), vec![out(1, line)]).await;
    let unborn = segments(world.dir.path())[0].with_file_name("00000002.log");
    for header in [&b""[..], b"gofr-log", b"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"] {
        std::fs::write(&unborn, header).unwrap();
        let store = reopen(&world).await;
        assert_eq!(all(&store, &task()).await.len(), 1);
        let writer = store.writer(&task()).await.unwrap();
        assert_eq!(writer.resume_point(1).as_deref(), Some("1"));
    }
    let store = reopen(&world).await;
    write(&store, &task(), vec![out(2, line), out(5_000, line), out(10_000, line)]).await;
    assert_eq!(
        emitted(&all(&reopen(&world).await, &task()).await, StreamKind::Out),
        line.repeat(4).as_bytes()
    );
}

#[tokio::test]
async fn deleting_a_run_removes_its_logs_and_no_others() {
    let world = World::new().await;
    let kept = pipeline("build").run(RunNumber(4)).task(task().task);
    let sibling = pipeline("other").run(RunNumber(3)).task(task().task);
    for log in [&task(), &named("second"), &kept, &sibling] {
        write(&world.store, log, vec![out(1, "a\n")]).await;
    }
    world.store.delete_run(&run()).await.unwrap();
    world.store.delete_run(&run()).await.unwrap();
    assert_eq!(all(&world.store, &task()).await, []);
    assert_eq!(all(&world.store, &named("second")).await, []);
    world.store.delete_pipeline(&pipeline("other")).await.unwrap();
    assert_eq!(all(&world.store, &sibling).await, []);
    assert_eq!(texts(&all(&world.store, &kept).await), ["a"]);
    assert_eq!(segments(world.dir.path()).len(), 1);
}

#[tokio::test]
async fn readers_and_writers_of_a_deleted_log_are_told() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![out(1, "a\n")]).await.unwrap();
    let mut caught_up = follow(&world.store, &task()).await;
    assert_eq!(caught_up.next().await.unwrap().unwrap().len(), 1);
    assert_eq!(caught_up.next().await.unwrap().unwrap(), []);
    let mut behind = follow(&world.store, &task()).await;
    let run = run();
    let (woken, deleted) = tokio::join!(caught_up.next(), world.store.delete_run(&run));
    deleted.unwrap();
    for (stream, first) in [(&mut caught_up, woken), (&mut behind, None)] {
        let first = if first.is_some() { first } else { stream.next().await };
        let error = first.unwrap().unwrap_err();
        assert!(matches!(error, LogError::Deleted { .. }), "{error}");
        assert!(stream.next().await.is_none());
    }
    let error = writer.append(vec![out(2, "b\n")]).await.unwrap_err();
    assert!(matches!(error, LogError::Deleted { .. }), "{error}");
    let mut new = world.store.writer(&task()).await.unwrap();
    drop((writer, caught_up, behind));
    let error = world.store.writer(&task()).await.unwrap_err();
    assert!(
        matches!(error, LogError::Busy { .. }),
        "the end of the old one does not concern the new one: {error}"
    );
    new.append(vec![out(1, "of a new pipeline\n")]).await.unwrap();
    assert_eq!(texts(&all(&world.store, &task()).await), ["of a new pipeline"]);
}

#[tokio::test]
async fn what_was_being_deleted_when_the_server_died_is_removed_at_the_next_start() {
    let world = World::new().await;
    write(&world.store, &task(), vec![out(1, "a\n")]).await;
    let root = world.dir.path().join("logs");
    std::fs::create_dir_all(root.join(".trash/0")).unwrap();
    std::fs::rename(root.join("team/build"), root.join(".trash/0/log")).unwrap();
    reopen(&world).await;
    assert_eq!(segments(world.dir.path()).len(), 0);
}
