//! The output of one task: where its last entries begin, and all of it until it is complete.

use std::pin::Pin;

use futures_util::{StreamExt, stream};
use gofer_logs::{LogEntry, LogError, LogStore, LogStream, ReadOptions};
use gofer_types::TaskRef;
use tokio_util::sync::CancellationToken;

/// Some entries of one task.
type Batch = Result<Vec<LogEntry>, LogError>;

/// One task's output, followed until it is complete.
struct Source {
    store: LogStore,
    task: TaskRef,
    options: ReadOptions,
    complete: Pin<Box<dyn Future<Output = ()> + Send>>,
    stop: CancellationToken,
    stream: LogStream,
    /// Whether what is stored now is all there will be.
    last: bool,
}

impl Source {
    /// The next batch; an empty one says that the reader has caught up.
    async fn next(mut self) -> Option<(Batch, Self)> {
        let batch = self.batch().await?;
        if let Ok(Some(newest)) = batch.as_ref().map(|batch| batch.last()) {
            self.options.from_seq = newest.seq + 1;
        }
        Some((batch, self))
    }

    async fn batch(&mut self) -> Option<Batch> {
        if self.last {
            return self.stream.next().await;
        }
        tokio::select! {
            biased;
            batch = self.stream.next() => return batch,
            () = &mut self.complete => {}
            () = self.stop.cancelled() => return None,
        }
        // complete: what is stored behind the last entry is the rest
        self.last = true;
        let options = ReadOptions { follow: false, ..self.options.clone() };
        match self.store.read(&self.task, options).await {
            Ok(stream) => self.stream = stream,
            Err(error) => {
                self.stream = stream::empty().boxed();
                return Some(Err(error));
            }
        }
        self.stream.next().await
    }
}

/// The output of a task: what is stored, then what comes, until `complete` says that nothing more will; then what was stored in
/// between is told, and the stream ends. It also ends, with whatever is missing, when `stop` is cancelled. An empty batch says
/// that the reader has caught up.
pub async fn follow(
    store: &LogStore,
    task: &TaskRef,
    options: ReadOptions,
    complete: impl Future<Output = ()> + Send + 'static,
    stop: CancellationToken,
) -> Result<LogStream, LogError> {
    let options = ReadOptions { follow: true, ..options };
    let stream = store.read(task, options.clone()).await?;
    let (store, task) = (store.clone(), task.clone());
    let source = Source { store, task, options, complete: Box::pin(complete), stop, stream, last: false };
    Ok(stream::unfold(source, Source::next).boxed())
}

/// The number of the first of the last `tail` entries that are wanted; with 0, the number of the next entry. Where the options
/// begin does not matter.
///
/// The wanted ones are counted, not kept: in a part of the log that grows until it holds enough of them.
pub async fn tail_seq(
    store: &LogStore,
    task: &TaskRef,
    tail: u32,
    options: &ReadOptions,
) -> Result<u64, LogError> {
    let mut back = tail;
    loop {
        let from_seq = store.tail_seq(task, back).await?;
        if tail == 0 || !is_filtered(options) {
            return Ok(from_seq);
        }
        let options = ReadOptions { follow: false, from_seq, ..options.clone() };
        let wanted = nth_wanted(store, task, options.clone(), u64::MAX).await?.0;
        if wanted >= u64::from(tail) {
            let first = nth_wanted(store, task, options, wanted - u64::from(tail)).await?.1;
            return Ok(first.unwrap_or(from_seq));
        }
        if from_seq <= 1 || back == u32::MAX {
            return Ok(from_seq);
        }
        back = back.saturating_mul(4);
    }
}

/// Whether entries may be left out for what they are.
fn is_filtered(options: &ReadOptions) -> bool {
    options.attempt.is_some()
        || options.stream.is_some()
        || options.since.is_some()
        || options.until.is_some()
}

/// How many wanted entries come before the one with this index, and its number if it is there.
async fn nth_wanted(
    store: &LogStore,
    task: &TaskRef,
    options: ReadOptions,
    index: u64,
) -> Result<(u64, Option<u64>), LogError> {
    let mut stream = store.read(task, options).await?;
    let mut before = 0;
    while let Some(batch) = stream.next().await {
        for entry in batch? {
            if before == index {
                return Ok((before, Some(entry.seq)));
            }
            before += 1;
        }
    }
    Ok((before, None))
}
