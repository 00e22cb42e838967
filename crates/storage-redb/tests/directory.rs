//! What the directory of a storage promises: idle means silent, compaction keeps the rows, foreign things are refused.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gofer_backend::ErrorKind;
use gofer_storage::{Batch, KeyRange, Storage};
use gofer_storage_redb::{Compacted, Config, compact, open};
use gofer_types::Span;

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

async fn fill(storage: &dyn Storage, rows: u32) {
    for part in 0..rows / 100 {
        let mut batch = Batch::default();
        for row in 0..100 {
            batch.put(format!("row/{:06}", part * 100 + row), vec![7; 500]);
        }
        storage.commit(batch).await.unwrap();
    }
}

#[tokio::test]
async fn reading_writes_nothing() {
    let data = tempfile::tempdir().unwrap();
    // settled with every commit, so that no write is still to come
    let config = Config { settle_after: Span::default(), ..Config::default() };
    let storage = open("test", &config, data.path()).unwrap();
    fill(&*storage, 1000).await;
    let before = files(&data.path().join("redb"));
    for _ in 0..20 {
        storage.get(b"row/000001").await.unwrap().unwrap();
        storage.scan(KeyRange::prefix(b"row/"), 5000).await.unwrap();
        let _watch = storage.watch(b"row/");
    }
    assert!(files(&data.path().join("redb")) == before, "a file has changed");
}

#[tokio::test]
async fn compaction_gives_room_back_and_keeps_every_row() {
    let data = tempfile::tempdir().unwrap();
    let storage = open("test", &Config::default(), data.path()).unwrap();
    fill(&*storage, 10_000).await;
    for part in 0..99 {
        let mut batch = Batch::default();
        for row in 0..100 {
            batch.delete(format!("row/{:06}", part * 100 + row));
        }
        storage.commit(batch).await.unwrap();
    }
    let rows = storage.scan(KeyRange::prefix(b""), 1000).await.unwrap();
    assert_eq!(compact(&Config::default(), data.path()).unwrap_err().kind(), ErrorKind::Conflict);
    storage.close().await.unwrap();
    let Compacted { before, after } = compact(&Config::default(), data.path()).unwrap();
    assert!(after * 2 < before, "{before} bytes became {after}");
    let storage = open("test", &Config::default(), data.path()).unwrap();
    assert_eq!(storage.scan(KeyRange::prefix(b""), 1000).await.unwrap(), rows);
}

#[test]
fn there_is_nothing_to_compact_where_no_storage_is() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(compact(&Config::default(), data.path()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!data.path().join("redb").try_exists().unwrap(), "and none is created");
}

#[tokio::test]
async fn a_directory_of_a_newer_format_is_refused_and_left_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("redb");
    let storage = open("test", &Config::default(), data.path()).unwrap();
    fill(&*storage, 100).await;
    storage.close().await.unwrap();
    drop(storage);
    std::fs::write(dir.join("FORMAT"), "gofer redb 2\n").unwrap();
    let before = files(&dir);
    let error = open("test", &Config::default(), data.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    assert!(text.contains("found 2, supported 1") && text.contains("newer gofer"), "{text}");
    assert_eq!(files(&dir), before);
}

#[test]
fn a_file_that_is_not_of_redb_is_an_error_and_never_a_panic() {
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("redb")).unwrap();
    for garbage in [vec![0; 10], vec![0xff; 100_000], b"hello".repeat(5000)] {
        std::fs::write(data.path().join("redb/data.redb"), &garbage).unwrap();
        let error = open("test", &Config::default(), data.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{}", error.chain());
    }
}
