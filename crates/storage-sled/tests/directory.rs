//! What the directory of a storage promises: idle means silent, compaction keeps the rows, foreign things are refused.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gofer_backend::ErrorKind;
use gofer_storage::{Batch, KeyRange, MAX_VALUE, Storage};
use gofer_storage_sled::{Compacted, Config, compact, open};

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
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
    let storage = open("test", &Config::default(), data.path()).unwrap();
    fill(&*storage, 1000).await;
    let before = files(&data.path().join("sled"));
    for _ in 0..20 {
        storage.get(b"row/000001").await.unwrap().unwrap();
        storage.scan(KeyRange::prefix(b"row/"), 5000).await.unwrap();
        let _watch = storage.watch(b"row/");
    }
    assert!(files(&data.path().join("sled")) == before, "a file has changed");
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
    assert!(!data.path().join("sled").try_exists().unwrap(), "and none is created");
}

#[tokio::test]
async fn a_directory_of_a_newer_format_is_refused_and_left_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("sled");
    let storage = open("test", &Config::default(), data.path()).unwrap();
    fill(&*storage, 100).await;
    storage.close().await.unwrap();
    drop(storage);
    std::fs::write(dir.join("FORMAT"), "gofer sled 2\n").unwrap();
    let before = files(&dir);
    let error = open("test", &Config::default(), data.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    assert!(text.contains("found 2, supported 1") && text.contains("newer gofer"), "{text}");
    assert_eq!(files(&dir), before);
}

#[tokio::test]
async fn values_at_the_limit_never_become_files_of_their_own() {
    let data = tempfile::tempdir().unwrap();
    let storage = open("test", &Config::default(), data.path()).unwrap();
    for round in 0..4 {
        for row in 0..60 {
            let mut batch = Batch::default();
            batch.put(format!("row/{row}"), vec![round; MAX_VALUE]);
            storage.commit(batch).await.unwrap();
        }
    }
    let blobs = files(&data.path().join("sled/data/blobs"));
    assert!(blobs.is_empty(), "{:?}", blobs.keys());
}

#[tokio::test]
async fn an_interrupted_compaction_leaves_the_rows_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let dir = data.path().join("sled");
    let storage = open("test", &Config::default(), data.path()).unwrap();
    fill(&*storage, 100).await;
    storage.close().await.unwrap();
    drop(storage);
    // before the renames, between them, and after them
    let interruptions: [&dyn Fn(); 3] = [
        &|| std::fs::create_dir(dir.join("data.new")).unwrap(),
        &|| {
            std::fs::rename(dir.join("data"), dir.join("data.old")).unwrap();
            std::fs::create_dir(dir.join("data.new")).unwrap();
        },
        &|| std::fs::create_dir(dir.join("data.old")).unwrap(),
    ];
    for interrupt in interruptions {
        interrupt();
        let storage = open("test", &Config::default(), data.path()).unwrap();
        assert_eq!(storage.scan(KeyRange::prefix(b""), 1000).await.unwrap().len(), 100);
        storage.close().await.unwrap();
        for left in ["data.new", "data.old"] {
            assert!(!dir.join(left).try_exists().unwrap(), "{left} is left");
        }
    }
}
