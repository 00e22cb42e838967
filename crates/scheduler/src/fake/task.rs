//! One task of the fake: its output, its state, and what performs its script.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gofer_artefacts::SafePath;
use gofer_backend::Owner;
use gofer_types::{AttemptId, Cause, Timestamp};
use tokio::sync::watch;

use super::Book;
use super::script::{Act, words};
use super::tree::{FakeFile, Tree};
use crate::{LogCursor, LogItem, StreamKind, TaskExit, TaskSpec};

/// How a task ends that misses a file, as in `sysexits.h`.
const NO_INPUT: i32 = 66;
/// The greatest piece of output.
const PIECE: usize = 64 << 10;

/// One piece of output. Its place in the list is its cursor.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) at: Timestamp,
    pub(crate) item: LogItem,
}

/// One task that was started.
#[derive(Debug)]
pub(crate) struct FakeTask {
    pub(crate) id: AttemptId,
    pub(crate) owner: Owner,
    pub(crate) spec: TaskSpec,
    pub(crate) handle: String,
    pub(crate) created: Timestamp,
    log: Mutex<Vec<Written>>,
    files: Mutex<Tree>,
    /// Grows with each piece of output, and carries the end.
    pub(crate) progress: watch::Sender<Progress>,
    /// When it is to be killed, on the monotonic clock; set by the first polite stop.
    pub(crate) kill_at: watch::Sender<Option<Duration>>,
}

/// How far a task has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) written: usize,
    pub(crate) end: Option<TaskExit>,
    /// The backend has forgotten it: whoever still waits is told so.
    pub(crate) vanished: bool,
}

/// What a polite stop does to a task.
#[derive(Debug, Clone, Copy)]
enum Manners {
    Dies,
    Ignores,
    Exits(i32),
}

/// What a task sees as its environment, one `NAME=value` on a line.
pub(crate) fn environment(spec: &TaskSpec) -> String {
    let mut env = spec.env.clone();
    env.entry("PATH".to_owned()).or_insert_with(|| "/usr/bin:/bin".to_owned());
    env.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

impl FakeTask {
    pub(crate) fn new(
        id: &AttemptId,
        owner: &Owner,
        spec: &TaskSpec,
        number: u64,
        created: Timestamp,
    ) -> Self {
        Self {
            id: id.clone(),
            owner: owner.clone(),
            spec: spec.clone(),
            handle: format!("fake-{number}"),
            created,
            log: Mutex::default(),
            files: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
            kill_at: watch::Sender::new(None),
        }
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<TaskExit> {
        self.progress.borrow().end.clone()
    }

    /// The cursor behind so many pieces: it names the task, so that no other task takes it.
    pub(crate) fn cursor(&self, pieces: usize) -> LogCursor {
        LogCursor(format!("{pieces}@{}", self.handle))
    }

    /// How many pieces stand before a cursor; nothing if this task never gave it out.
    pub(crate) fn position(&self, cursor: &LogCursor) -> Option<usize> {
        if *cursor == LogCursor::start() {
            return Some(0);
        }
        let (pieces, handle) = cursor.0.split_once('@')?;
        let pieces = pieces.parse().ok()?;
        (handle == self.handle && pieces <= self.log().len()).then_some(pieces)
    }

    pub(crate) fn piece(&self, index: usize) -> Option<Written> {
        self.log().get(index).cloned()
    }

    /// Asks it to end, and to be killed at that time at the latest.
    pub(crate) fn ask_to_end(&self, kill_at: Duration) {
        self.kill_at.send_modify(|at| *at = Some(at.map_or(kill_at, |earlier| earlier.min(kill_at))));
    }

    /// Its work directory.
    pub(crate) fn files(&self) -> MutexGuard<'_, Tree> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Vec<Written>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, at: Timestamp, item: LogItem) {
        if self.end().is_some() {
            return;
        }
        let mut log = self.log();
        log.push(Written { at, item });
        self.progress.send_modify(|progress| progress.written = log.len());
    }

    /// Ends it, if it has not ended before.
    pub(crate) fn finish(&self, at: Timestamp, cause: Cause) {
        self.progress.send_modify(|progress| {
            progress.end.get_or_insert(TaskExit { cause, at: Some(at) });
        });
    }
}

/// Performs scripts.
#[derive(Debug)]
pub(crate) struct Performer {
    task: Arc<FakeTask>,
    book: Arc<Book>,
    manners: Manners,
}

impl Performer {
    pub(crate) fn new(task: Arc<FakeTask>, book: Arc<Book>) -> Self {
        Self { task, book, manners: Manners::Dies }
    }

    /// Does the steps that take no time; what is left over takes some.
    pub(crate) fn begin(&mut self, mut acts: Vec<Act>) -> Option<Vec<Act>> {
        let at_once = acts.iter().position(|act| matches!(act, Act::Run(_) | Act::Gate(_) | Act::Hang));
        let later = acts.split_off(at_once.unwrap_or(acts.len()));
        for act in acts {
            if let Some(cause) = self.at_once(act) {
                self.end(cause);
                return None;
            }
        }
        if later.is_empty() {
            self.end(Cause::ExitCode(0));
            return None;
        }
        Some(later)
    }

    /// Does the steps that take time, and those behind them.
    pub(crate) async fn go_on(mut self, acts: Vec<Act>) {
        for act in acts {
            let cause = match act {
                Act::Run(span) => {
                    let clock = self.book.clock.clone();
                    let until = clock.monotonic() + span;
                    self.unless_stopped(async move { clock.sleep_until(until).await }).await
                }
                Act::Gate(name) => {
                    let mut gate = self.book.gate(&name);
                    self.unless_stopped(async move {
                        // The book holds the sender as long as the task's performer lives.
                        let _ = gate.wait_for(|open| *open).await;
                    })
                    .await
                }
                Act::Hang => self.unless_stopped(std::future::pending()).await,
                act => self.at_once(act),
            };
            if let Some(cause) = cause {
                return self.end(cause);
            }
        }
        self.end(Cause::ExitCode(0));
    }

    /// Awaits the future, unless the task is ended first; then how.
    async fn unless_stopped(&self, future: impl Future<Output = ()>) -> Option<Cause> {
        tokio::select! {
            biased;
            cause = self.stopped() => Some(cause),
            () = future => None,
        }
    }

    /// Returns when the task is ended from outside, and how it ends then.
    async fn stopped(&self) -> Cause {
        let mut asked = self.task.kill_at.subscribe();
        loop {
            let kill_at = *asked.borrow_and_update();
            let clock = &self.book.clock;
            match (kill_at, self.manners) {
                (Some(at), _) if at <= clock.monotonic() => return Cause::Signal(9),
                (Some(_), Manners::Dies) => return Cause::Signal(15),
                (Some(_), Manners::Exits(code)) => return Cause::ExitCode(code),
                (Some(at), Manners::Ignores) => tokio::select! {
                    () = clock.sleep_until(at) => {}
                    _ = asked.changed() => {}
                },
                (None, _) => {
                    // The sender lives in the task, which self holds.
                    let _ = asked.changed().await;
                }
            }
        }
    }

    /// Does a step that takes no time; how the task ends, if it ends by it.
    fn at_once(&mut self, act: Act) -> Option<Cause> {
        match act {
            Act::Write(stream, bytes) => self.write(stream, &bytes),
            Act::Count(stream, to) => {
                let text: String = (1..=to).map(|number| format!("{number}\n")).collect();
                self.write(stream, &Bytes::from(text));
            }
            Act::Line(stream, length) => {
                let mut line = vec![b'x'; length];
                line.push(b'\n');
                self.write(stream, &Bytes::from(line));
            }
            Act::Gap(bytes) => {
                let item = LogItem::Gap { bytes: Some(bytes), cause: "the script says so".to_owned() };
                self.task.write(self.book.clock.now(), item);
            }
            Act::Env => self.write_env(),
            Act::Args => self.write_args(),
            Act::IgnoreTerm => self.manners = Manners::Ignores,
            Act::OnTerm(code) => self.manners = Manners::Exits(code),
            Act::Leave(name) => self.book.leave(&self.task.id, name),
            Act::Witness(name) => self.book.witness(name),
            Act::Show(path) => self.show(&path),
            Act::Put(path, file) => self.task.files().put(path, file),
            act => return self.ending(&act),
        }
        None
    }

    fn ending(&self, act: &Act) -> Option<Cause> {
        match act {
            Act::Exit(code) => Some(Cause::ExitCode(*code)),
            Act::Need(path) if self.task.files().get(path).is_none() => {
                self.write(StreamKind::Err, &Bytes::from(format!("{path} is not there\n")));
                Some(Cause::ExitCode(NO_INPUT))
            }
            Act::Signal(signal) => Some(Cause::Signal(*signal)),
            Act::OutOfMemory => Some(Cause::OutOfMemory),
            Act::Lost(why) => Some(Cause::Lost(why.clone())),
            Act::Vanish => {
                self.book.forget(&self.task.id);
                self.task.progress.send_modify(|progress| progress.vanished = true);
                Some(Cause::Lost("forgotten".to_owned()))
            }
            Act::Memory(size) if self.task.spec.limits.memory.is_some_and(|limit| limit < *size) => {
                Some(Cause::OutOfMemory)
            }
            _ => None,
        }
    }

    fn write(&self, stream: StreamKind, bytes: &Bytes) {
        for begin in (0..bytes.len()).step_by(PIECE) {
            let bytes = bytes.slice(begin..bytes.len().min(begin + PIECE));
            self.task.write(self.book.clock.now(), LogItem::Data { stream, bytes });
        }
    }

    fn show(&self, path: &SafePath) {
        let file = self.task.files().get(path).cloned();
        let word = file.as_ref().map_or("nothing", FakeFile::word);
        self.write(StreamKind::Out, &Bytes::from(format!("{word}\n")));
        if let Some(FakeFile::File { content, .. }) = file {
            self.write(StreamKind::Out, &content);
        }
    }

    fn write_env(&self) {
        self.write(StreamKind::Out, &Bytes::from(environment(&self.task.spec)));
    }

    fn write_args(&self) {
        let others = words(&self.task.spec).filter(|word| !word.starts_with("fake:"));
        let text: String = others.map(|word| format!("[{word}]\n")).collect();
        self.write(StreamKind::Out, &Bytes::from(text));
    }

    fn end(&self, cause: Cause) {
        self.book.clear_left(&self.task.id);
        self.task.finish(self.book.clock.now(), cause);
    }
}
