//! The fake with one deliberate fault.
//!
//! Each fault is put on from outside, over the sound [`FakeScheduler`], so that the fake itself stays readable.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Owner, Result};
use gofer_types::{AttemptId, ByteSize, Cause};

use super::Defect;
use crate::fake::script::{Act, Script};
use crate::fake::task::FakeTask;
use crate::fake::{FakeBackend, FakeScheduler};
use crate::{
    Capabilities, Exec, Files, Images, LogChunk, LogCursor, LogItem, LogStream, Scheduler, StartOutcome,
    Started, StreamKind, TaskExit, TaskSpec, TaskStatus, TaskSummary,
};

/// A [`FakeScheduler`] with one fault.
#[derive(Debug)]
pub struct Defective {
    pub(super) sound: FakeScheduler,
    pub(super) backend: FakeBackend,
    pub(super) defect: Defect,
    /// What this connection has started, waited for, stopped and read.
    started: Mutex<HashSet<AttemptId>>,
    seen: Mutex<HashSet<AttemptId>>,
    shadows: AtomicU64,
}

impl Drop for Defective {
    fn drop(&mut self) {
        if self.defect == Defect::DropKills {
            let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            for task in started.iter().filter_map(|id| task(&self.backend, id)) {
                task.ask_to_end(Duration::ZERO);
            }
        }
    }
}

pub(super) fn task(backend: &FakeBackend, id: &AttemptId) -> Option<Arc<FakeTask>> {
    backend.book.pages().tasks.get(id).cloned()
}

/// Ends the task when it is dropped.
struct Killer(Option<Arc<FakeTask>>);

impl Drop for Killer {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.ask_to_end(Duration::ZERO);
        }
    }
}

impl Defective {
    /// Connects to a backend with this fault.
    #[must_use]
    pub fn connect(backend: &FakeBackend, owner: &Owner, defect: Defect) -> Self {
        Self {
            sound: backend.connect(owner),
            backend: backend.clone(),
            defect,
            started: Mutex::default(),
            seen: Mutex::default(),
            shadows: AtomicU64::new(0),
        }
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn is_ours(&self, id: &AttemptId) -> bool {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Whether this connection is asked about the id for the first time.
    pub(super) fn first_time(&self, id: &AttemptId) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }

    /// Does the steps of a task under an id that nobody knows.
    async fn shadow(&self, id: &AttemptId, spec: &TaskSpec) -> Result<()> {
        let number = self.shadows.fetch_add(1, Ordering::Relaxed);
        let tail = &id.as_str()[id.as_str().len().saturating_sub(24)..];
        let shadow = AttemptId::new(format!("shadow{number}-{tail}"))
            .map_err(|error| BackendError::new(ErrorKind::Internal, error.to_string()))?;
        self.sound.start(&shadow, spec).await.map(drop)
    }

    /// What the fault makes of a task that is to be started.
    fn spoilt(&self, spec: &TaskSpec) -> TaskSpec {
        let mut spec = spec.clone();
        match self.defect {
            Defect::AcceptsNoCommand if spec.command.is_empty() => spec.command.push("something".to_owned()),
            Defect::IgnoresUnsupported => {
                spec.limits = crate::TaskLimits::default();
                spec.user = None;
            }
            Defect::AcceptsMalformed => {
                spec.env.clear();
                spec.command.retain(|word| !word.contains('\0'));
            }
            Defect::LeaksEnvironment => drop(spec.env.insert("SERVER".to_owned(), "leaked".to_owned())),
            Defect::ReplacesPath => drop(spec.env.insert("PATH".to_owned(), "/bin".to_owned())),
            Defect::SplitsArguments => {
                spec.command =
                    spec.command.iter().flat_map(|word| word.split(' ')).map(str::to_owned).collect();
            }
            Defect::DropsEntryPoint => spec.entrypoint = None,
            Defect::MissingProgramRan if spec.command.iter().any(|word| word == "fake:no_program") => {
                spec.command = vec!["fake:exit=127".to_owned()];
            }
            Defect::IgnoresMemoryLimit => spec.limits.memory = None,
            Defect::LowersMemoryLimit => {
                spec.limits.memory = spec.limits.memory.map(|_| ByteSize::from_mib(1));
            }
            _ => {}
        }
        spec
    }

    /// The faults that do something before the sound start is asked.
    async fn before_start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Option<Started>> {
        let known = self.sound.inspect(id).await;
        match self.defect {
            Defect::StartsAgain if known.is_ok() => self.shadow(id, spec).await?,
            Defect::RacyStart if known.is_err() => {
                tokio::task::yield_now().await;
                let started = self.sound.start(id, spec).await?;
                return Ok(Some(Started { outcome: StartOutcome::Created, ..started }));
            }
            Defect::RunsEndedAgain if matches!(known, Ok(TaskStatus::Ended(_))) => {
                self.shadow(id, spec).await?;
            }
            Defect::StartsBeforeItKnows if known.is_err() => {
                self.shadow(id, spec).await?;
                tokio::task::yield_now().await;
                let empty = TaskSpec { command: vec!["nothing".to_owned()], ..spec.clone() };
                return self.sound.start(id, &empty).await.map(Some);
            }
            Defect::ForgetsRemoved => drop(self.backend.book.pages().removed.remove(id)),
            _ => {}
        }
        Ok(None)
    }

    fn spoilt_exit(&self, id: &AttemptId, exit: TaskExit) -> TaskExit {
        let cause = match (self.defect, exit.cause) {
            (Defect::CutsExitCodes, Cause::ExitCode(code)) => Cause::ExitCode(code & 0x7f),
            (Defect::SignalAsCode, Cause::Signal(signal)) => Cause::ExitCode(128 + signal),
            (Defect::OutOfMemoryAsSignal, Cause::OutOfMemory) => Cause::Signal(9),
            (Defect::LosesEndsOnRestart, _) if !self.is_ours(id) => Cause::Lost("unknown".to_owned()),
            (Defect::GuessesEndsWhileAway, _) if !self.is_ours(id) => Cause::ExitCode(0),
            (_, cause) => cause,
        };
        TaskExit { cause, ..exit }
    }

    /// Brings the descendants of a task back to life.
    fn revive(&self, id: &AttemptId) {
        let script = task(&self.backend, id).and_then(|task| Script::of(&task.spec).ok()).unwrap_or_default();
        for act in script.acts {
            if let Act::Leave(name) = act {
                self.backend.book.leave(id, name);
            }
        }
    }

    fn spoilt_item(defect: Defect, chunk: LogChunk) -> LogChunk {
        let item = match (defect, chunk.item) {
            (Defect::MixesStreams, LogItem::Data { bytes, .. }) => {
                LogItem::Data { stream: StreamKind::Out, bytes }
            }
            (Defect::CutsLongLines, LogItem::Data { stream, bytes }) => {
                LogItem::Data { stream, bytes: bytes.slice(..bytes.len().min(8192)) }
            }
            (Defect::ReplacesBadText, LogItem::Data { stream, bytes }) => {
                LogItem::Data { stream, bytes: Bytes::from(String::from_utf8_lossy(&bytes).into_owned()) }
            }
            (_, item) => item,
        };
        let cursor = match chunk.cursor.0.split_once('@') {
            Some((pieces, handle)) if defect == Defect::CursorsLagBehind => {
                let before = pieces.parse::<usize>().unwrap_or(1) - 1;
                LogCursor(format!("{before}@{handle}"))
            }
            _ => chunk.cursor,
        };
        LogChunk { cursor, item, ..chunk }
    }

    fn spoilt_stream(&self, stream: LogStream) -> LogStream {
        let holds = |chunk: &Result<LogChunk>, test: &dyn Fn(&[u8]) -> bool| matches!(chunk, Ok(LogChunk { item: LogItem::Data { bytes, .. }, .. }) if test(bytes));
        match self.defect {
            Defect::EndsAtSentinel => {
                let said = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"GOFER_EOF");
                stream.take_while(move |chunk| std::future::ready(!holds(chunk, &said))).boxed()
            }
            Defect::WaitsForLineEnds => {
                let cut = |bytes: &[u8]| !bytes.ends_with(b"\n");
                stream.filter(move |chunk| std::future::ready(!holds(chunk, &cut))).boxed()
            }
            Defect::LosesSilently => stream
                .enumerate()
                .filter(|(index, _)| std::future::ready(index % 7 != 6))
                .map(|(_, chunk)| chunk)
                .boxed(),
            Defect::NeverEndsLogs => stream.chain(stream::pending()).boxed(),
            _ => stream,
        }
    }

    async fn list_all(&self) -> Result<Vec<TaskSummary>> {
        let owners: HashSet<Owner> =
            self.backend.book.pages().tasks.values().map(|task| task.owner.clone()).collect();
        let mut all = Vec::new();
        for owner in owners {
            all.append(&mut self.backend.connect(&owner).list().await?);
        }
        Ok(all)
    }
}

#[async_trait]
impl Scheduler for Defective {
    fn info(&self) -> BackendInfo {
        self.sound.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.sound.capabilities()
    }

    async fn check(&self) -> Result<()> {
        if self.has(Defect::CheckStartsSomething) {
            self.shadow(&AttemptId::from_u128(0), &TaskSpec::default()).await?;
        }
        self.sound.check().await
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        if let Some(started) = self.before_start(id, spec).await? {
            return Ok(started);
        }
        let adopted = Started {
            outcome: StartOutcome::Adopted,
            handle: "same".to_owned(),
            image: None,
            notes: Vec::new(),
        };
        let mut started = match self.sound.start(id, &self.spoilt(spec)).await {
            Err(error) if error.kind() == ErrorKind::Conflict && self.has(Defect::IgnoresDigest) => adopted,
            answer => answer?,
        };
        if self.has(Defect::NewHandleAfterRestart)
            && !self.is_ours(id)
            && started.outcome == StartOutcome::Adopted
        {
            started.handle.push_str("-again");
        }
        if self.has(Defect::AdoptsWithoutDigest) && started.outcome == StartOutcome::Adopted {
            started.image = None;
        }
        self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Ok(started)
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        match self.sound.inspect(id).await {
            Ok(TaskStatus::Running { .. }) if self.has(Defect::AlwaysStarting) => Ok(TaskStatus::Starting),
            Ok(TaskStatus::Ended(exit)) => Ok(TaskStatus::Ended(self.spoilt_exit(id, exit))),
            Err(_) if self.has(Defect::UnknownIsLost) => {
                Ok(TaskStatus::Ended(TaskExit { cause: Cause::Lost("not there".to_owned()), at: None }))
            }
            answer => answer,
        }
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        if self.has(Defect::WaitsOnce) && !self.first_time(id) {
            return Err(BackendError::new(ErrorKind::NotFound, "nothing to wait for"));
        }
        if self.has(Defect::GuessesTheEnd) {
            return Ok(TaskExit { cause: Cause::ExitCode(0), at: None });
        }
        let _killer = Killer(if self.has(Defect::DroppedWaitKills) { task(&self.backend, id) } else { None });
        let exit = self.sound.wait(id).await?;
        if self.has(Defect::EndLeavesDescendants) {
            self.revive(id);
        }
        Ok(self.spoilt_exit(id, exit))
    }

    async fn logs(&self, id: &AttemptId, from: LogCursor) -> Result<LogStream> {
        if self.has(Defect::ReadsOnce) && !self.first_time(id) {
            return Ok(stream::empty().boxed());
        }
        if self.has(Defect::LogsAfterTheEnd) {
            self.sound.wait(id).await?;
        }
        let skipped = usize::from(self.has(Defect::LogsFromRestart) && !self.is_ours(id));
        let stream = match self.sound.logs(id, from).await {
            Err(error) if error.kind() == ErrorKind::InvalidInput && self.has(Defect::AcceptsAnyCursor) => {
                self.sound.logs(id, LogCursor::start()).await?
            }
            answer => answer?,
        };
        if self.has(Defect::LosesTheTail) {
            let mut chunks: Vec<_> = stream.collect().await;
            chunks.pop();
            return Ok(stream::iter(chunks).boxed());
        }
        let defect = self.defect;
        let spoilt = move |chunk: Result<LogChunk>| chunk.map(|chunk| Self::spoilt_item(defect, chunk));
        Ok(self.spoilt_stream(stream).skip(skipped).map(spoilt).boxed())
    }

    async fn stop(&self, id: &AttemptId, grace: Duration) -> Result<()> {
        let ended = matches!(self.sound.inspect(id).await?, TaskStatus::Ended(_));
        let clock = self.backend.book.clock.clone();
        let grace = match self.defect {
            Defect::StopDoesNothing => return Ok(()),
            Defect::StopAfterEndFails if ended => {
                return Err(BackendError::new(ErrorKind::Conflict, "it has ended already"));
            }
            Defect::StopsOwnSessionOnly if !self.is_ours(id) => return Ok(()),
            Defect::FirstStopCounts if !self.first_time(id) => return self.sound.wait(id).await.map(drop),
            Defect::KillsAtOnce => Duration::ZERO,
            Defect::NeverKills if !grace.is_zero() => Duration::from_secs(3600),
            Defect::ZeroGraceAsks if grace.is_zero() => Duration::from_secs(1),
            Defect::DroppedStopForgets if !grace.is_zero() => {
                let patient = self.sound.stop(id, Duration::from_secs(3600));
                tokio::select! {
                    stopped = patient => return stopped,
                    () = clock.sleep_until(clock.monotonic() + grace) => Duration::ZERO,
                }
            }
            _ => grace,
        };
        self.sound.stop(id, grace).await?;
        if self.has(Defect::StopLeavesDescendants) {
            self.revive(id);
        }
        Ok(())
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        match self.defect {
            Defect::RemovesRunning => self.backend.book.pages().remove(id),
            Defect::SecondRemovalFails => drop(self.sound.inspect(id).await?),
            Defect::ForgetsNeverStarted if self.sound.inspect(id).await.is_err() => return Ok(()),
            _ => {}
        }
        self.sound.remove(id).await
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        let mut list =
            if self.has(Defect::SeesStrangers) { self.list_all().await? } else { self.sound.list().await? };
        match self.defect {
            Defect::ListsRunningOnly => {
                list.retain(|summary| !matches!(summary.status, TaskStatus::Ended(_)));
            }
            Defect::ListsStartedOnly => list.retain(|summary| summary.status != TaskStatus::Starting),
            Defect::ListsOwnSessionOnly => list.retain(|summary| self.is_ours(&summary.id)),
            _ => {}
        }
        Ok(list)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Scheduler::exec(&self.sound).map(|_| self as &dyn Exec)
    }

    fn files(&self) -> Option<&dyn Files> {
        self.sound.files().map(|_| self as &dyn Files)
    }

    fn images(&self) -> Option<&dyn Images> {
        self.sound.images().map(|_| self as &dyn Images)
    }
}
