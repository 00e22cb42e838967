//! How long a start takes on this machine, beside what a bare process takes.
//!
//! `cargo bench -p gofer-scheduler-process`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement for people"
)]

use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gofer_backend::Owner;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_scheduler_process::{ProcessConfig, ProcessScheduler, shim};
use gofer_types::AttemptId;

const ROUNDS: u128 = 500;

fn main() -> ExitCode {
    if let Some(code) = shim::main_if_shim() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

fn show(what: &str, mut spans: Vec<Duration>) {
    spans.sort();
    let at = |percent: usize| spans[(spans.len() - 1) * percent / 100];
    println!("{what:<44} p50 {:>9.3?}  p99 {:>9.3?}", at(50), at(99));
}

async fn measure() {
    let folder = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let config = ProcessConfig { root: folder.path().join("root"), ..ProcessConfig::default() };
    let scheduler =
        Arc::new(ProcessScheduler::open("bench", Owner("bench".to_owned()), config).await.unwrap());
    let spec = TaskSpec { command: vec!["/bin/true".to_owned()], ..TaskSpec::default() };

    let (mut spawned, mut exited) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut child = Command::new("/bin/true").stdin(Stdio::null()).spawn().unwrap();
        spawned.push(begin.elapsed());
        child.wait().unwrap();
        exited.push(begin.elapsed());
    }
    show("bare /bin/true: spawned", spawned);
    show("bare /bin/true: ended", exited);

    let (mut started, mut ended) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let (id, begin) = (AttemptId::from_u128(number), Instant::now());
        scheduler.start(&id, &spec).await.unwrap();
        started.push(begin.elapsed());
        scheduler.wait(&id).await.unwrap();
        ended.push(begin.elapsed());
    }
    show("start(): answered, the task runs", started);
    show("start() and wait(): ended", ended);

    let (begin, mut tasks) = (Instant::now(), tokio::task::JoinSet::new());
    for number in ROUNDS..2 * ROUNDS {
        let (scheduler, spec) = (Arc::clone(&scheduler), spec.clone());
        tasks.spawn(async move {
            let (id, begin) = (AttemptId::from_u128(number), Instant::now());
            scheduler.start(&id, &spec).await.unwrap();
            scheduler.wait(&id).await.unwrap();
            begin.elapsed()
        });
    }
    let spans = tasks.join_all().await;
    let rate = spans.len() as f64 / begin.elapsed().as_secs_f64();
    show("500 at once: ended", spans);
    println!("500 at once: {rate:.0} tasks a second");
}
