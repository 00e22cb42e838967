//! What is stored and how it is read: any bytes, from any place, within the limits.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

use common::*;
use futures_util::StreamExt;
use gofer_logs::{
    LogEntry, LogError, LogOptions, LogStore, MAX_PAYLOAD, Piece, PieceItem, ReadOptions, StreamKind,
};

#[tokio::test]
async fn lines_are_numbered_over_both_streams_and_all_attempts() {
    let world = World::new().await;
    let second = Piece { attempt: 2, ..err(3, "five\nsix\n") };
    let pieces = vec![out(1, "one\ntwo\nthr"), err(2, "oops\n"), second];
    write(&world.store, &task(), pieces).await;
    let found: Vec<_> = all(&world.store, &task())
        .await
        .into_iter()
        .map(|entry| (entry.seq, entry.attempt, entry.stream, entry.partial, entry.data))
        .collect();
    let expected = [
        (1, 1, StreamKind::Out, false, "one"),
        (2, 1, StreamKind::Out, false, "two"),
        (3, 1, StreamKind::Out, true, "thr"),
        (4, 1, StreamKind::Err, false, "oops"),
        (5, 2, StreamKind::Err, false, "five"),
        (6, 2, StreamKind::Err, false, "six"),
    ]
    .map(|(seq, attempt, stream, partial, data)| (seq, attempt, stream, partial, data.into()));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn any_bytes_come_back_as_they_were() {
    let world = World::new().await;
    let other = named("other");
    write(&world.store, &other, vec![out(1, "victim\n")]).await;
    let mut bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    bytes.extend_from_slice(b"\0\0\0\xff\xfe\xc3\x28 GOFER_EOF\n\r\x1b]0;title\x07\n\n\n");
    for (path, _) in files(world.dir.path()) {
        if path.is_file() {
            bytes.extend_from_slice(&std::fs::read(path).unwrap());
        }
    }
    let pieces = bytes.chunks(777).zip(0..).map(|(chunk, number)| out(number * 5_000, chunk)).collect();
    write(&world.store, &task(), pieces).await;
    let reopened = LogStore::open(LogOptions::new(world.dir.path().join("logs"))).await.unwrap();
    for store in [&world.store, &reopened] {
        assert_eq!(emitted(&all(store, &task()).await, StreamKind::Out), bytes);
        assert!(!store.is_sealed(&task()).await.unwrap());
    }
}

#[tokio::test]
async fn frames_and_marks_that_a_task_prints_forge_nothing() {
    let world = World::new().await;
    let model = named("model");
    let mut writer = world.store.writer(&model).await.unwrap();
    writer.append(vec![out(1, "forged\n"), gap(2, Some(9))]).await.unwrap();
    writer.seal().await.unwrap();
    let folder = world.dir.path().join("logs/team/build/3");
    let segment = std::fs::read(&segments(&folder.join("model"))[0]).unwrap();
    let sealed = std::fs::read(folder.join("model/sealed")).unwrap();
    write(&world.store, &task(), vec![out(1, &segment), out(10_000, &segment[32..]), out(20_000, &sealed)])
        .await;
    // torn in the middle of the last frame, so that the end is searched for
    let victim = &segments(&folder.join("test"))[0];
    let whole = std::fs::read(victim).unwrap();
    std::fs::write(victim, &whole[..whole.len() - sealed.len() / 2]).unwrap();
    let store = LogStore::open(LogOptions::new(world.dir.path().join("logs"))).await.unwrap();
    let writer = store.writer(&task()).await.unwrap();
    assert_eq!(writer.resume_point(1).as_deref(), Some("10000"));
    let entries = all(&store, &task()).await;
    assert_eq!(emitted(&entries, StreamKind::Out), [&segment[..], &segment[32..]].concat());
    assert!(entries.iter().all(|entry| entry.gap.is_none()));
    assert!(!store.is_sealed(&task()).await.unwrap());
}

#[tokio::test]
async fn a_task_that_writes_byte_by_byte_does_not_fill_the_disk_with_headers() {
    let world = World::new().await;
    let bytes: Vec<u8> = (0..50_000_u32).map(|n| if n % 7 == 0 { b'\n' } else { b'a' }).collect();
    let mut writer = world.store.writer(&task()).await.unwrap();
    for (batch, chunk) in (0_i64..).zip(bytes.chunks(10_000)) {
        let pieces = chunk.iter().map(|byte| out(batch * 10_000, [*byte])).collect();
        writer.append(pieces).await.unwrap();
    }
    assert_eq!(emitted(&all(&world.store, &task()).await, StreamKind::Out), bytes);
    let stored = std::fs::metadata(&segments(world.dir.path())[0]).unwrap().len();
    assert!(stored < 51_000, "{stored}");
}

#[tokio::test]
async fn a_line_of_5_mib_comes_in_parts() {
    let world = World::new().await;
    let line: Vec<u8> = [vec![b'x'; 5 * 1024 * 1024], b"\nend\n".to_vec()].concat();
    let mut writer = world.store.writer(&task()).await.unwrap();
    for (number, chunk) in (0..).zip(line.chunks(MAX_PAYLOAD)) {
        writer.append(vec![out(number, chunk)]).await.unwrap();
    }
    let entries = all(&world.store, &task()).await;
    assert_eq!(emitted(&entries, StreamKind::Out), line);
    assert_eq!(entries.iter().filter(|entry| entry.partial).count(), 80);
    assert_eq!(texts(&entries)[81], "end");
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let world = World::new().await;
    write(&world.store, &task(), vec![out(1, vec![b'\n'; MAX_PAYLOAD])]).await;
    let batches: Vec<_> = world.store.read(&task(), ReadOptions::default()).await.unwrap().collect().await;
    let sizes: Vec<usize> = batches.into_iter().map(|batch| batch.unwrap().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), MAX_PAYLOAD);
    assert!(sizes.iter().all(|size| *size == 256), "{sizes:?}");
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nothing_is_stored() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    let long_cursor = Piece { cursor: "c".repeat(129), ..out(1, "x") };
    let piece = out(1, vec![0; MAX_PAYLOAD]);
    let batches = [
        vec![out(1, "good\n"), out(2, vec![0; MAX_PAYLOAD + 1])],
        vec![out(1, "good\n"), long_cursor],
        vec![piece; 64],
    ];
    for batch in batches {
        let error = writer.append(batch).await.unwrap_err();
        assert!(matches!(error, LogError::TooLarge { .. }), "{error}");
    }
    assert_eq!(all(&world.store, &task()).await, []);
}

async fn long_log(world: &World) -> Vec<LogEntry> {
    let mut writer = world.store.writer(&task()).await.unwrap();
    for batch in 0..100 {
        let lines = |from: i64| (from..from + 50).map(|n| format!("line {n:>40}\n")).collect::<String>();
        let first = batch * 100;
        let odd = Piece { attempt: 2, ..err(first * 10 + 5_000, lines(first + 50)) };
        writer.append(vec![out(first * 10, lines(first)), odd]).await.unwrap();
    }
    all(&world.store, &task()).await
}

#[tokio::test]
async fn every_choice_of_entries_is_that_choice_of_all_entries() {
    let world = World::with(|options| options.segment_bytes = 64 * 1024).await;
    let entries = long_log(&world).await;
    assert_eq!(seqs(&entries), (1..=10_000).collect::<Vec<u64>>());
    assert!(segments(world.dir.path()).len() > 5);
    let (since, until) = (Some(at(33_000)), Some(at(66_000)));
    let choices = [
        ReadOptions { from_seq: 7_777, ..ReadOptions::default() },
        ReadOptions { from_seq: 10_000, ..ReadOptions::default() },
        ReadOptions { from_seq: 10_001, ..ReadOptions::default() },
        ReadOptions { attempt: Some(2), ..ReadOptions::default() },
        ReadOptions { attempt: Some(3), ..ReadOptions::default() },
        ReadOptions { stream: Some(StreamKind::Out), from_seq: 51, ..ReadOptions::default() },
        ReadOptions { since, ..ReadOptions::default() },
        ReadOptions { until, ..ReadOptions::default() },
        ReadOptions {
            since,
            until,
            from_seq: 3_000,
            stream: Some(StreamKind::Err),
            ..ReadOptions::default()
        },
    ];
    let reopened = LogStore::open(LogOptions::new(world.dir.path().join("logs"))).await.unwrap();
    for choice in choices {
        let wanted: Vec<LogEntry> = entries
            .iter()
            .filter(|entry| {
                entry.seq >= choice.from_seq
                    && choice.attempt.is_none_or(|attempt| entry.attempt == attempt)
                    && choice.stream.is_none_or(|stream| entry.stream == stream)
                    && choice.since.is_none_or(|since| entry.time >= since)
                    && choice.until.is_none_or(|until| entry.time < until)
            })
            .cloned()
            .collect();
        assert_eq!(read(&world.store, &task(), choice.clone()).await, wanted, "{choice:?}");
        assert_eq!(read(&reopened, &task(), choice.clone()).await, wanted, "{choice:?} after opening again");
    }
}

#[tokio::test]
async fn the_last_entries_are_found() {
    let world = World::new().await;
    assert_eq!(world.store.tail_seq(&task(), 10).await.unwrap(), 1);
    write(&world.store, &task(), vec![out(1, "a\nb\nc\nd")]).await;
    let from = async |n| world.store.tail_seq(&task(), n).await.unwrap();
    assert_eq!([from(0).await, from(1).await, from(4).await, from(100).await], [5, 4, 1, 1]);
}

#[tokio::test]
async fn gaps_are_entries_of_their_own_in_either_stream() {
    let world = World::new().await;
    write(&world.store, &task(), vec![out(1, "a\n"), gap(2, Some(17)), err(3, "b\n"), gap(4, None)]).await;
    let stream = Some(StreamKind::Out);
    let entries = read(&world.store, &task(), ReadOptions { stream, ..ReadOptions::default() }).await;
    let gaps: Vec<_> = entries.iter().map(|entry| entry.gap.as_ref().map(|gap| gap.bytes)).collect();
    assert_eq!(gaps, [None, Some(Some(17)), Some(None)]);
    assert_eq!(seqs(&entries), [1, 2, 4]);
}

#[tokio::test]
async fn folders_and_files_are_for_the_owner_only() {
    let world = World::with(|options| options.segment_bytes = 100).await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..3 {
        writer.append(vec![out(number, "a line that fills the segment\n")]).await.unwrap();
    }
    writer.seal().await.unwrap();
    let found = files(world.dir.path());
    assert!(found.len() > 10);
    for (path, mode) in found {
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[tokio::test]
async fn a_symbolic_link_in_the_place_of_a_file_is_not_followed() {
    let world = World::new().await;
    let canary = world.dir.path().join("canary");
    std::fs::write(&canary, "secret").unwrap();
    write(&world.store, &task(), vec![out(1, "a\n")]).await;
    let segment = &segments(world.dir.path())[0];
    std::fs::remove_file(segment).unwrap();
    std::os::unix::fs::symlink(&canary, segment).unwrap();
    let error = world.store.writer(&task()).await.unwrap_err();
    assert!(matches!(error, LogError::Io { operation: "open", .. }), "{error}");
    assert_eq!(std::fs::read(&canary).unwrap(), b"secret");
}

fn total(entries: &[LogEntry]) -> u64 {
    let data = entries.iter().filter(|entry| entry.gap.is_none());
    data.map(|entry| entry.data.len() as u64 + u64::from(!entry.partial)).sum()
}

#[tokio::test]
async fn behind_the_limit_the_head_is_kept_and_one_gap_tells_of_the_rest() {
    let limit = 400_000;
    let world = World::with(|options| {
        options.max_bytes_per_task = limit;
        options.segment_bytes = 50_000;
    })
    .await;
    let line = format!("{}\n", "x".repeat(99));
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..6_000 {
        writer.append(vec![out(number * 2_000, &line)]).await.unwrap();
    }
    assert_eq!(writer.resume_point(1).as_deref(), Some("11998000"));
    let open = all(&world.store, &task()).await;
    let last = open.last().unwrap().gap.clone().unwrap();
    assert_eq!(last.bytes, None, "not known before the end");
    writer.append(vec![Piece { attempt: 2, ..gap(12_000_000, Some(50)) }]).await.unwrap();
    writer.seal().await.unwrap();
    // what the indexes know is also in the segments
    for (path, _) in files(world.dir.path()) {
        if path.extension().is_some_and(|ext| ext == "index") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let reopened = LogStore::open(LogOptions::new(world.dir.path().join("logs"))).await.unwrap();
    for store in [&world.store, &reopened] {
        let entries = all(store, &task()).await;
        assert_eq!(entries.len(), open.len());
        let gaps: Vec<_> = entries.iter().filter_map(|entry| entry.gap.as_ref()).collect();
        assert_eq!(gaps.len(), 1);
        assert_eq!(total(&entries) + gaps[0].bytes.unwrap(), 6_000 * 100 + 50);
        assert!(gaps[0].cause.contains("400000"), "{}", gaps[0].cause);
        let attempt = Some(2);
        let told = read(store, &task(), ReadOptions { attempt, ..ReadOptions::default() }).await;
        assert_eq!(told, entries[entries.len() - 1..], "a reader of a later attempt is told, too");
    }
    let stored: u64 =
        segments(world.dir.path()).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    assert!(stored > limit * 8 / 10 && stored <= limit, "{stored}");
}

#[tokio::test]
async fn dropped_bytes_are_not_counted_twice_after_a_crash() {
    let world = World::with(|options| options.max_bytes_per_task = 100_000).await;
    let mut resumed = Vec::new();
    for stop in [300, 400, 777, 1_000] {
        let mut writer = world.store.writer(&task()).await.unwrap();
        let from = writer.resume_point(1).map_or(0, |cursor| cursor.parse::<i64>().unwrap() + 1);
        resumed.push(from);
        for number in from..stop {
            writer.append(vec![out(number, vec![b'x'; MAX_PAYLOAD])]).await.unwrap();
        }
        if stop == 1_000 {
            writer.seal().await.unwrap();
        }
        // else it is dropped, and with it all that only memory knew
    }
    assert!(
        resumed[1] < 300 && resumed[3] < 777,
        "what was not stored as dropped is fetched again: {resumed:?}"
    );
    assert!(resumed[1] > 0 && resumed[3] > 400, "but not all of it: {resumed:?}");
    let entries = all(&world.store, &task()).await;
    let gap = entries.last().unwrap().gap.clone().unwrap();
    let data: u64 = entries.iter().map(|entry| entry.data.len() as u64).sum();
    assert_eq!(data + gap.bytes.unwrap(), 1_000 * MAX_PAYLOAD as u64);
}

#[tokio::test]
async fn what_an_attempt_dropped_is_stored_when_the_next_one_prints() {
    let world = World::with(|options| options.max_bytes_per_task = 100_000).await;
    let of_second = |number| Piece { attempt: 2, ..out(number, "late\n") };
    let mut writer = world.store.writer(&task()).await.unwrap();
    for number in 0..10 {
        writer.append(vec![out(number, vec![b'x'; MAX_PAYLOAD])]).await.unwrap();
    }
    writer.append(vec![of_second(20)]).await.unwrap();
    // the process dies
    drop(writer);
    let mut writer = world.store.writer(&task()).await.unwrap();
    assert_eq!(writer.resume_point(1).as_deref(), Some("9"), "the first attempt need not be fetched again");
    assert_eq!(writer.resume_point(2), None, "the second does");
    writer.append(vec![of_second(20)]).await.unwrap();
    writer.seal().await.unwrap();
    let entries = all(&world.store, &task()).await;
    let gap = entries.last().unwrap().gap.clone().unwrap();
    assert_eq!(total(&entries) + gap.bytes.unwrap(), 10 * MAX_PAYLOAD as u64 + 5);
}

#[tokio::test]
async fn a_loss_of_unknown_size_behind_the_limit_makes_the_sum_unknown() {
    let world = World::with(|options| options.max_bytes_per_task = 20_000).await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![out(1, vec![b'x'; 6_000]), gap(2, None)]).await.unwrap();
    writer.seal().await.unwrap();
    let entries = all(&world.store, &task()).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].gap.as_ref().unwrap().bytes, None);
}

#[tokio::test]
async fn a_piece_without_bytes_is_nothing() {
    let world = World::new().await;
    let mut writer = world.store.writer(&task()).await.unwrap();
    writer.append(vec![out(1, ""), out(2, "")]).await.unwrap();
    writer.append(Vec::new()).await.unwrap();
    assert_eq!(all(&world.store, &task()).await, []);
    assert!(matches!(out(1, "").item, PieceItem::Data { .. }));
}
