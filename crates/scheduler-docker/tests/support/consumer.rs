//! Whoever uses a scheduler and loses the connection now and then: waits again, and reads on from its last place.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed, and says why")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use gofer_scheduler::{LogCursor, LogItem, Scheduler};
use gofer_scheduler_docker::DockerScheduler;
use gofer_testkit::Waiter;
use gofer_types::{AttemptId, Cause};

/// How long anything may take here.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// How it ended, however often the wait breaks off.
pub(crate) async fn end_of(scheduler: &DockerScheduler, id: &AttemptId) -> Cause {
    let wait = || async { scheduler.wait(id).await.map_err(|fault| fault.chain()) };
    Waiter::new(format!("the end of {id}")).limit(LIMIT).until(wait).await.cause
}

/// All that it wrote to standard output, however often the stream breaks off, and how often it did.
pub(crate) async fn output_of(scheduler: &DockerScheduler, id: &AttemptId) -> (String, usize) {
    let read = Arc::new(Mutex::new((LogCursor::start(), Vec::new())));
    let breaks = Mutex::new(0);
    let drain = || {
        let read = Arc::clone(&read);
        let breaks = &breaks;
        async move {
            let drained = drain(scheduler, id, &read).await;
            drained.inspect_err(|_| *breaks.lock().expect("no thread panicked") += 1)
        }
    };
    Waiter::new(format!("the output of {id}")).limit(LIMIT).until(drain).await;
    let bytes = read.lock().expect("no thread panicked").1.clone();
    (String::from_utf8_lossy(&bytes).into_owned(), breaks.into_inner().expect("no thread panicked"))
}

async fn drain(
    scheduler: &DockerScheduler,
    id: &AttemptId,
    read: &Mutex<(LogCursor, Vec<u8>)>,
) -> Result<(), String> {
    let from = read.lock().expect("no thread panicked").0.clone();
    let mut stream = scheduler.logs(id, from).await.map_err(|fault| fault.chain())?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|fault| fault.chain())?;
        let mut read = read.lock().expect("no thread panicked");
        read.0 = chunk.cursor;
        match chunk.item {
            LogItem::Data { bytes, .. } => read.1.extend_from_slice(&bytes),
            LogItem::Gap { cause, .. } => read.1.extend_from_slice(format!("<gap: {cause}>").as_bytes()),
        }
    }
    Ok(())
}

/// A cause in two words; lost counts only with the reason that operators look for.
pub(crate) fn told(cause: &Cause) -> String {
    match cause {
        Cause::ExitCode(code) => format!("code {code}"),
        Cause::Signal(signal) => format!("signal {signal}"),
        Cause::Lost(why) if why.contains("daemon_restart") => "lost".to_owned(),
        other => format!("{other:?}"),
    }
}
