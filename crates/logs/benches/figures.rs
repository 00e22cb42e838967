//! Figures of the log store: intake from one task and its memory, reading back, and how fast followers are woken.
//!
//! Run with `cargo bench -p gofer-logs`. The number of MiB of output is the first argument that is a number.
#![expect(clippy::unwrap_used, reason = "a bench that fails says so by ending")]
#![expect(clippy::print_stdout, reason = "its figures are its product")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use gofer_logs::{LogOptions, LogStore, Piece, PieceItem, ReadOptions, StreamKind};
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, TaskId, TaskRef, Timestamp};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const MIB: u64 = 1024 * 1024;
const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;

fn main() {
    let total = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(4096_u64) * MIB;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions { max_bytes_per_task: 2 * total, ..LogOptions::new(dir.path()) };
    let store = runtime.block_on(LogStore::open(options)).unwrap();
    let before = memory();
    runtime.block_on(intake(&store, "quiet", total, 0));
    println!("memory: {} MiB before, {} MiB at most", before.0 / 1024, memory().1 / 1024);
    runtime.block_on(read_back(&store, "quiet"));
    runtime.block_on(open_late(&store, "quiet"));
    runtime.block_on(intake(&store, "followed", total / 8, 1));
    for followers in [1, 1_000, 10_000] {
        runtime.block_on(wakes(&store, followers));
    }
    println!("memory: {} MiB at most, over all", memory().1 / 1024);
}

fn task(name: &str) -> TaskRef {
    let namespace = Namespace::new("bench").unwrap();
    let pipeline = PipelineRef { namespace, pipeline: PipelineId::new("figures").unwrap() };
    pipeline.run(RunNumber(1)).task(TaskId::new(name).unwrap())
}

fn piece(number: u64, bytes: Bytes) -> Piece {
    let at = Timestamp::from_micros(i64::try_from(number).unwrap() * 2_000);
    let item = PieceItem::Data { stream: StreamKind::Out, bytes };
    Piece { attempt: 1, at, cursor: number.to_string(), item }
}

/// Resident memory now and at most, in KiB.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse().ok()).unwrap_or(0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn report(what: &str, bytes: u64, took: Duration) {
    let mib = bytes as f64 / MIB as f64;
    println!("{what}: {mib:.0} MiB in {took:.2?}: {:.0} MB/s", bytes as f64 / 1e6 / took.as_secs_f64());
}

async fn intake(store: &LogStore, name: &str, total: u64, followers: usize) {
    let task = task(name);
    let line = [&[b'x'; 79][..], b"\n"].concat();
    let output = Bytes::from(line.repeat(PIECE / 80));
    let mut readers = JoinSet::new();
    for _ in 0..followers {
        let mut stream = store.read(&task, follow()).await.unwrap();
        readers.spawn(async move {
            let mut seen = 0;
            while let Some(batch) = stream.next().await {
                seen += batch.unwrap().len() as u64;
            }
            seen
        });
    }
    let started = Instant::now();
    let mut writer = store.writer(&task).await.unwrap();
    let mut given = 0;
    while given < total {
        let number = given / PIECE as u64;
        let batch = (0..PIECES as u64).map(|nth| piece(number + nth, output.clone())).collect();
        writer.append(batch).await.unwrap();
        given += (output.len() * PIECES) as u64;
    }
    report(&format!("intake, {followers} followers"), given, started.elapsed());
    writer.seal().await.unwrap();
    report("  and sealed, on the disk", given, started.elapsed());
    while let Some(seen) = readers.join_next().await {
        assert_eq!(seen.unwrap(), given / 80);
        report("  and read by a follower", given, started.elapsed());
    }
}

fn follow() -> ReadOptions {
    ReadOptions { follow: true, ..ReadOptions::default() }
}

async fn read_back(store: &LogStore, name: &str) {
    let started = Instant::now();
    let mut stream = store.read(&task(name), ReadOptions::default()).await.unwrap();
    let (mut entries, mut bytes) = (0, 0);
    while let Some(batch) = stream.next().await {
        for entry in batch.unwrap() {
            entries += 1;
            bytes += entry.data.len() as u64 + 1;
        }
    }
    report(&format!("read back, {entries} lines"), bytes, started.elapsed());
}

async fn open_late(store: &LogStore, name: &str) {
    let started = Instant::now();
    let options = ReadOptions { from_seq: 900_000, ..ReadOptions::default() };
    let mut stream = store.read(&task(name), options).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first.first().unwrap().seq, 900_000);
    println!("opened at line 900,000: {:.2?}", started.elapsed());
}

/// Appends a line when all followers wait, many times; how long until the first and the last has it.
async fn wakes(store: &LogStore, followers: usize) {
    const ROUNDS: usize = 50;
    let task = task(&format!("wakes-{followers}"));
    let mut writer = store.writer(&task).await.unwrap();
    let ready = Arc::new(Barrier::new(followers + 1));
    let mut readers = JoinSet::new();
    for _ in 0..followers {
        let mut stream = store.read(&task, follow()).await.unwrap();
        let ready = Arc::clone(&ready);
        readers.spawn(async move {
            let mut seen = Vec::with_capacity(ROUNDS);
            while let Some(batch) = stream.next().await {
                if batch.unwrap().is_empty() {
                    ready.wait().await;
                } else {
                    seen.push(Instant::now());
                }
            }
            seen
        });
    }
    let mut sent = Vec::new();
    let mut appends = Vec::new();
    for round in 0..ROUNDS as u64 {
        ready.wait().await;
        sent.push(Instant::now());
        writer.append(vec![piece(round, Bytes::from_static(b"a line\n"))]).await.unwrap();
        appends.push(sent[sent.len() - 1].elapsed());
    }
    ready.wait().await;
    writer.seal().await.unwrap();
    let mut delays = Vec::new();
    while let Some(seen) = readers.join_next().await {
        let seen = seen.unwrap();
        assert_eq!(seen.len(), ROUNDS);
        delays.extend(seen.into_iter().zip(&sent).map(|(seen, sent)| seen - *sent));
    }
    delays.sort_unstable();
    appends.sort_unstable();
    let at = |of: &[Duration], percent: usize| of[(of.len() - 1) * percent / 100];
    println!(
        "{followers} followers, append to line in hand: p50 {:.2?}, p99 {:.2?}, worst {:.2?}; append itself p50 {:.2?}",
        at(&delays, 50),
        at(&delays, 99),
        at(&delays, 100),
        at(&appends, 50)
    );
}
