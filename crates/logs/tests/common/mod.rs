//! What the tests of the log store share.
#![expect(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use bytes::Bytes;
use futures_util::StreamExt;
use gofer_logs::{
    LogEntry, LogError, LogOptions, LogStore, LogStream, Piece, PieceItem, ReadOptions, StreamKind,
};
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, RunRef, TaskId, TaskRef, Timestamp};
use tempfile::TempDir;

/// A store in a folder that goes away.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: LogStore,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut LogOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = LogOptions::new(dir.path().join("logs"));
        change(&mut options);
        Self { store: LogStore::open(options).await.unwrap(), dir }
    }
}

pub(crate) fn pipeline(name: &str) -> PipelineRef {
    PipelineRef { namespace: Namespace::new("team").unwrap(), pipeline: PipelineId::new(name).unwrap() }
}

pub(crate) fn run() -> RunRef {
    pipeline("build").run(RunNumber(3))
}

pub(crate) fn task() -> TaskRef {
    named("test")
}

pub(crate) fn named(name: &str) -> TaskRef {
    run().task(TaskId::new(name).unwrap())
}

pub(crate) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Output of attempt 1 on standard output; the time and the cursor are the number.
pub(crate) fn out(number: i64, bytes: impl AsRef<[u8]>) -> Piece {
    let item = PieceItem::Data { stream: StreamKind::Out, bytes: Bytes::copy_from_slice(bytes.as_ref()) };
    Piece { attempt: 1, at: at(number), cursor: number.to_string(), item }
}

pub(crate) fn err(number: i64, bytes: impl AsRef<[u8]>) -> Piece {
    let item = PieceItem::Data { stream: StreamKind::Err, bytes: Bytes::copy_from_slice(bytes.as_ref()) };
    Piece { item, ..out(number, "") }
}

pub(crate) fn gap(number: i64, bytes: Option<u64>) -> Piece {
    Piece { item: PieceItem::Gap { bytes, cause: "lost".to_owned() }, ..out(number, "") }
}

pub(crate) async fn write(store: &LogStore, task: &TaskRef, pieces: Vec<Piece>) {
    store.writer(task).await.unwrap().append(pieces).await.unwrap();
}

pub(crate) async fn drain(stream: LogStream) -> Vec<LogEntry> {
    let batches: Vec<Result<Vec<LogEntry>, LogError>> = stream.collect().await;
    batches.into_iter().flat_map(Result::unwrap).collect()
}

pub(crate) async fn read(store: &LogStore, task: &TaskRef, options: ReadOptions) -> Vec<LogEntry> {
    drain(store.read(task, options).await.unwrap()).await
}

pub(crate) async fn all(store: &LogStore, task: &TaskRef) -> Vec<LogEntry> {
    read(store, task, ReadOptions::default()).await
}

pub(crate) async fn follow(store: &LogStore, task: &TaskRef) -> LogStream {
    store.read(task, following()).await.unwrap()
}

pub(crate) fn following() -> ReadOptions {
    ReadOptions { follow: true, ..ReadOptions::default() }
}

/// The output of one stream, as it was emitted.
pub(crate) fn emitted(entries: &[LogEntry], stream: StreamKind) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries.iter().filter(|entry| entry.gap.is_none() && entry.stream == stream) {
        bytes.extend_from_slice(&entry.data);
        if !entry.partial {
            bytes.push(b'\n');
        }
    }
    bytes
}

pub(crate) fn texts(entries: &[LogEntry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.data).into_owned()).collect()
}

pub(crate) fn seqs(entries: &[LogEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

/// The files of a folder and below it, with their permission bits.
pub(crate) fn files(dir: &std::path::Path) -> Vec<(std::path::PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777;
        found.push((path.clone(), mode));
        if path.is_dir() {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}

/// The segments of a log, in order.
pub(crate) fn segments(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let is_segment = |path: &std::path::PathBuf| path.extension().is_some_and(|ext| ext == "log");
    files(dir).into_iter().map(|(path, _)| path).filter(is_segment).collect()
}
