//! The output of one attempt, from the scheduler into the log store.
//!
//! It goes on from the place behind what is stored, so that nothing is doubled or left out. When the store cannot take
//! something, the task is not held up: what is dropped is counted, and a gap says so as soon as there is room.

use std::time::Duration;

use futures_util::StreamExt;
use gofer_backend::{BackendError, ErrorKind};
use gofer_logs::{LogError, LogWriter, Piece, PieceItem, StreamKind};
use gofer_scheduler::{LogChunk, LogCursor, LogItem, LogStream};
use tokio::sync::watch;

use crate::attempt::{Attempt, End, asked, may_retry};
use crate::backoff::Backoff;

/// How many items are stored at once at most.
const BATCH: usize = 32;

/// How often an answer is asked for again that made no sense.
const PATIENCE: u32 = 10;

/// The output on its way.
struct Pump<'a> {
    attempt: &'a Attempt,
    /// Opened for the first piece: a task that prints nothing leaves no log.
    writer: Option<LogWriter>,
    cursor: LogCursor,
    /// Bytes that could not be stored, and why.
    /// How many bytes, unless nobody knows, and why.
    dropped: Option<(Option<u64>, String)>,
}

/// Stores the output until all of it is there; `over` tells when the task has ended.
pub(crate) async fn pump(attempt: &Attempt, over: watch::Receiver<Option<End>>) {
    if !attempt.logging || attempt.collected {
        return;
    }
    let mut pump = Pump { attempt, writer: None, cursor: LogCursor::start(), dropped: None };
    if attempt.resumed && !pump.resume().await {
        return;
    }
    pump.run(over).await;
    pump.finish().await;
}

impl Pump<'_> {
    /// Finds the place behind what is stored. False if the log is complete already.
    async fn resume(&mut self) -> bool {
        if !self.open().await {
            return false;
        }
        let point = self.writer.as_ref().and_then(|writer| writer.resume_point(self.attempt.number));
        self.cursor = point.map(LogCursor).unwrap_or_default();
        true
    }

    /// Opens the log, however long it takes. False if nothing can follow in it.
    async fn open(&mut self) -> bool {
        let mut backoff = Backoff::new();
        while self.writer.is_none() {
            match self.attempt.context.logs.writer(&self.attempt.task).await {
                Ok(writer) => self.writer = Some(writer),
                Err(LogError::Sealed { .. } | LogError::Deleted { .. } | LogError::Stopped) => return false,
                Err(error) => {
                    tracing::warn!(task = %self.attempt.task, %error, "cannot open a log yet");
                    if !self.attempt.context.pause(backoff.next(None)).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    async fn run(&mut self, mut over: watch::Receiver<Option<End>>) {
        let attempt = self.attempt;
        let (mut backoff, mut patience) = (Backoff::new(), Patience::default());
        loop {
            let before = self.cursor.clone();
            let asked_for = attempt.scheduler.logs(&attempt.id, self.cursor.clone());
            let problem = match self.in_time(over.clone(), asked_for).await.and_then(|stream| stream) {
                Ok(stream) => match self.drain(stream, &over).await {
                    Ok(()) => return,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            match problem.kind() {
                ErrorKind::NotFound => return self.gone(&problem, &mut over).await,
                ErrorKind::InvalidInput => return self.note_gap(None, problem.chain()).await,
                _ => {}
            }
            if self.cursor != before {
                (backoff, patience) = (Backoff::new(), Patience::default());
            }
            if !patience.is_left(attempt, &problem, over.borrow().is_some()) {
                tracing::warn!(task = %attempt.task, error = %problem.chain(), "output is given up");
                return self.note_gap(None, problem.chain()).await;
            }
            if !attempt.context.pause(backoff.next(asked(&problem))).await {
                return;
            }
        }
    }

    /// The thing is gone: there may have been more, if it had printed before or if nobody saw its end.
    async fn gone(&mut self, problem: &BackendError, over: &mut watch::Receiver<Option<End>>) {
        let had_printed = self.cursor != LogCursor::start();
        if had_printed || matches!(over.wait_for(Option::is_some).await.as_deref(), Ok(Some(End::Lost))) {
            self.note_gap(None, problem.chain()).await;
        }
    }

    /// Stores what comes, until the stream ends or fails.
    async fn drain(
        &mut self,
        stream: LogStream,
        over: &watch::Receiver<Option<End>>,
    ) -> Result<(), BackendError> {
        let mut chunks = stream.ready_chunks(BATCH);
        while let Some(ready) = self.in_time(over.clone(), chunks.next()).await? {
            let mut pieces = Vec::with_capacity(ready.len());
            let mut problem = None;
            for item in ready {
                match item {
                    Ok(chunk) => {
                        self.cursor = chunk.cursor.clone();
                        pieces.push(self.piece(chunk));
                    }
                    Err(error) => {
                        problem = Some(error);
                        break;
                    }
                }
            }
            self.store(pieces).await;
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Waits for something; once the task is over only for so long, since nothing more is written.
    async fn in_time<T>(
        &self,
        mut over: watch::Receiver<Option<End>>,
        something: impl Future<Output = T>,
    ) -> Result<T, BackendError> {
        let context = &self.attempt.context;
        let limit = context.limits.collect_timeout;
        let silence = async {
            if over.wait_for(Option::is_some).await.is_err() {
                // whoever tells of the end has gone with the engine
                std::future::pending::<()>().await;
            }
            context.clock.sleep_until(context.clock.monotonic().saturating_add(limit)).await;
        };
        tokio::select! {
            biased;
            something = something => Ok(something),
            () = silence => {
                let error = BackendError::new(ErrorKind::TimedOut, "the scheduler tells no more output and no end of it");
                Err(error.with("seconds", limit.as_secs()))
            }
        }
    }

    fn piece(&self, chunk: LogChunk) -> Piece {
        let item = match chunk.item {
            LogItem::Data { stream, bytes } => PieceItem::Data { stream: kind(stream), bytes },
            LogItem::Gap { bytes, cause } => PieceItem::Gap { bytes, cause },
        };
        Piece { attempt: self.attempt.number, at: chunk.at, cursor: chunk.cursor.0, item }
    }

    async fn store(&mut self, mut pieces: Vec<Piece>) {
        if pieces.is_empty() {
            return;
        }
        let lengths = pieces.iter().map(|piece| match &piece.item {
            PieceItem::Data { bytes, .. } => Some(bytes.len() as u64),
            PieceItem::Gap { bytes, .. } => *bytes,
        });
        let size: Option<u64> = lengths.sum();
        if let Some((bytes, cause)) = &self.dropped {
            let gap = PieceItem::Gap { bytes: *bytes, cause: cause.clone() };
            let (at, number) = (pieces[0].at, self.attempt.number);
            pieces.insert(0, Piece { attempt: number, at, cursor: String::new(), item: gap });
        }
        match self.append(pieces).await {
            Ok(()) => self.dropped = None,
            Err(cause) => {
                let before = self.dropped.as_ref().map_or(Some(0), |(bytes, _)| *bytes);
                let sum = before.zip(size).map(|(before, size)| before.saturating_add(size));
                self.dropped = Some((sum, cause));
            }
        }
    }

    async fn append(&mut self, pieces: Vec<Piece>) -> Result<(), String> {
        if self.writer.is_none() {
            match self.attempt.context.logs.writer(&self.attempt.task).await {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => return Err(error.to_string()),
            }
        }
        let Some(writer) = &mut self.writer else { return Err("there is no log".to_owned()) };
        writer.append(pieces).await.map_err(|error| {
            tracing::warn!(task = %self.attempt.task, %error, "output was dropped");
            error.to_string()
        })
    }

    /// Says that output is missing here.
    async fn note_gap(&mut self, bytes: Option<u64>, cause: String) {
        let at = self.attempt.context.clock.now();
        let piece = Piece {
            attempt: self.attempt.number,
            at,
            cursor: self.cursor.0.clone(),
            item: PieceItem::Gap { bytes, cause },
        };
        self.store(vec![piece]).await;
    }

    /// Stores the last gap, and brings all to the disk: what printed it is removed then. Seals the log if nothing can follow.
    async fn finish(mut self) {
        self.store_dropped().await;
        if self.dropped.is_some() {
            // the engine stops before that could be told: whoever comes next fetches it again
            return;
        }
        let Some(mut writer) = self.writer.take() else { return };
        let last = self.attempt.last;
        if !last || writer.owes() {
            self.bring_to_disk(&mut writer).await;
        }
        if !last {
            return;
        }
        if let Err(error) = writer.seal().await {
            tracing::warn!(task = %self.attempt.task, %error, "cannot seal a log yet");
            self.attempt.context.seal(&self.attempt.task).await;
        }
    }

    /// Another attempt may follow in the same log, or there is something that a writer after this one would not know. A disk that
    /// cannot is waited for as long as output is.
    async fn bring_to_disk(&self, writer: &mut LogWriter) {
        let context = &self.attempt.context;
        let until = context.clock.monotonic().saturating_add(context.limits.collect_timeout);
        let mut backoff = Backoff::new();
        while let Err(error) = writer.sync().await {
            tracing::warn!(task = %self.attempt.task, %error, "cannot bring output to the disk yet");
            let is_deleted = matches!(error, LogError::Deleted { .. });
            if is_deleted || context.clock.monotonic() >= until || !context.pause(backoff.next(None)).await {
                return;
            }
        }
    }

    /// Says what is missing at the end. Waits for room as long as there is none.
    async fn store_dropped(&mut self) {
        let mut backoff = Backoff::new();
        while let Some((bytes, cause)) = self.dropped.take() {
            let item = PieceItem::Gap { bytes, cause: cause.clone() };
            let at = self.attempt.context.clock.now();
            let piece = Piece { attempt: self.attempt.number, at, cursor: self.cursor.0.clone(), item };
            if self.append(vec![piece]).await.is_err() {
                self.dropped = Some((bytes, cause));
                if !self.attempt.context.pause(backoff.next(None)).await {
                    return;
                }
            }
        }
    }
}

/// For how long output is asked for in vain.
#[derive(Default)]
struct Patience {
    /// Answers in a row that made no sense.
    nonsense: u32,
    /// Since when the task is over and its scheduler away.
    away: Option<Duration>,
}

impl Patience {
    /// Takes note of a problem. While the task runs, a scheduler that is away is waited for: somebody waits for the end, too.
    fn is_left(&mut self, attempt: &Attempt, problem: &BackendError, over: bool) -> bool {
        self.nonsense = if may_retry(problem) { 0 } else { self.nonsense + 1 };
        if !over {
            return self.nonsense < PATIENCE;
        }
        let now = attempt.context.clock.monotonic();
        let since = *self.away.get_or_insert_with(|| {
            tracing::warn!(task = %attempt.task, error = %problem.chain(), "the task is over; its output is waited for");
            now
        });
        let waited = now.saturating_sub(since);
        self.nonsense < PATIENCE && waited < attempt.context.limits.collect_timeout
    }
}

fn kind(stream: gofer_scheduler::StreamKind) -> StreamKind {
    match stream {
        gofer_scheduler::StreamKind::Out => StreamKind::Out,
        gofer_scheduler::StreamKind::Err => StreamKind::Err,
    }
}
