//! The figures by which the default storage was chosen: one measurement for every storage, run by its own bench binary.
//!
//! Each step is a process of its own, so that memory and first openings are honest. `cargo bench -p gofer-storage-redb` prints
//! a line a figure; `ROWS=100000` makes the history smaller.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench measures and prints"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gofer_storage::{Batch, KeyRange, Storage};

/// Opens the storage of a directory.
pub(crate) type Open = fn(&Path) -> Arc<dyn Storage>;

const VALUE: usize = 270;

/// Runs one step if the arguments name it, or all of them in processes of their own.
pub(crate) fn run(open: Open) {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match &arguments[..] {
        [step, dir] => runtime.block_on(one(step, &PathBuf::from(dir), open)),
        _ => all(),
    }
}

fn all() {
    let base = std::env::current_dir().unwrap().join(format!("figures-{}", std::process::id()));
    for (step, dir) in [
        ("single", "small"),
        ("group", "small"),
        ("batch", "small"),
        ("fill", "large"),
        ("open after a clean end", "large"),
        ("open again", "large"),
        ("work and die", "large"),
        ("open after kill -9", "large"),
        ("open again", "large"),
        ("idle", "large"),
    ] {
        let dir = base.join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        let ended = Command::new(std::env::current_exe().unwrap()).arg(step).arg(&dir).status().unwrap();
        assert!(ended.success() || step == "work and die", "{step}: {ended}");
        println!("{step}: {} MiB on disk", size(&dir) >> 20);
    }
    std::fs::remove_dir_all(&base).unwrap();
}

async fn one(step: &str, dir: &Path, open: Open) {
    let started = Instant::now();
    let storage = open(dir);
    let opened = started.elapsed();
    match step {
        "single" => single(&*storage).await,
        "group" => group(&storage).await,
        "batch" => batches(&*storage).await,
        "fill" => fill(&*storage, 0, rows()).await,
        "work and die" => {
            fill(&*storage, 0, rows() / 5).await;
            die();
        }
        "idle" => idle(opened),
        _ => look(step, &*storage, opened).await,
    }
    let started = Instant::now();
    storage.close().await.unwrap();
    println!("{step}: closed in {:?}", started.elapsed());
}

/// Ends this process as `kill -9` does.
fn die() -> ! {
    let id = std::process::id().to_string();
    Command::new("kill").args(["-9", &id]).status().unwrap();
    std::process::abort()
}

fn rows() -> u64 {
    std::env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000)
}

fn row(number: u64) -> (String, Vec<u8>) {
    // not one byte repeated, and the same in every run
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut value = vec![0; VALUE];
    for byte in &mut value {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = b'a' + u8::try_from(state % 26).unwrap();
    }
    (format!("run/team/pipeline/{number:010}"), value)
}

fn put(numbers: impl Iterator<Item = u64>) -> Batch {
    let mut batch = Batch::default();
    for (key, value) in numbers.map(row) {
        batch.put(key, value);
    }
    batch
}

fn quantiles(what: &str, mut times: Vec<Duration>) {
    let sum: Duration = times.iter().sum();
    times.sort();
    let per_second = times.len() as f64 / sum.as_secs_f64();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{what}: {per_second:.0}/s, p50 {:?}, p99 {:?}", at(0.5), at(0.99));
}

async fn single(storage: &dyn Storage) {
    let mut times = Vec::new();
    for number in 0..5000 {
        let batch = put(number..number + 1);
        let started = Instant::now();
        storage.commit(batch).await.unwrap();
        times.push(started.elapsed());
    }
    quantiles("single durable commits", times);
}

/// 100 tasks, each with one commit under way at any time.
async fn group(storage: &Arc<dyn Storage>) {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..100_u64 {
        let storage = Arc::clone(storage);
        tasks.spawn(async move {
            for turn in 0..300 {
                let number = 100_000 + task * 1000 + turn;
                storage.commit(put(number..number + 1)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    println!("durable commits of 100 tasks: {:.0}/s", 30_000.0 / started.elapsed().as_secs_f64());
}

async fn batches(storage: &dyn Storage) {
    let started = Instant::now();
    for number in 0..500 {
        let first = 300_000 + number * 100;
        storage.commit(put(first..first + 100)).await.unwrap();
    }
    println!("rows in durable batches of 100: {:.0}/s", 50_000.0 / started.elapsed().as_secs_f64());
}

async fn fill(storage: &dyn Storage, from: u64, to: u64) {
    let started = Instant::now();
    for first in (from..to).step_by(100) {
        storage.commit(put(first..first + 100)).await.unwrap();
    }
    let rate = (to - from) as f64 / started.elapsed().as_secs_f64();
    println!("filling {} rows: {rate:.0} rows/s, RSS {} MiB", to - from, rss());
}

async fn look(step: &str, storage: &dyn Storage, opened: Duration) {
    println!("{step}: opened in {opened:?}, RSS {} MiB", rss());
    let (mut state, rows) = (88_172_645_463_325_252_u64, rows());
    let mut times = Vec::new();
    for _ in 0..100_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let key = row(state % rows).0;
        let started = Instant::now();
        assert!(storage.get(key.as_bytes()).await.unwrap().is_some());
        times.push(started.elapsed());
    }
    quantiles("point gets", times);
    println!("RSS after the gets: {} MiB", rss());
    let started = Instant::now();
    assert_eq!(storage.scan(KeyRange::prefix(b"run/").reversed(), 100).await.unwrap().len(), 100);
    println!("a page of 100: {:?}", started.elapsed());
}

/// Opened, and left alone.
fn idle(opened: Duration) {
    println!("idle: opened in {opened:?}, RSS {} MiB", rss());
}

fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    kib >> 10
}

/// The bytes that the files of a directory really take.
fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| {
        let data = entry.metadata().unwrap();
        if data.is_dir() { size(&entry.path()) } else { data.blocks() * 512 }
    };
    entries.map(size).sum()
}
