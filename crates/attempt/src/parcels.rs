//! What an attempt is given by other tasks before it starts, and what it leaves for others behind its end.
//!
//! Both go through the objects of its run. The same bytes are fetched and kept as often as it takes: a restart in between finds
//! nothing half done that would count.

use std::fmt::Debug;
use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use gofer_artefacts::{Limits, OneFile, around, check_output};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::{Archive, FileStream, Files, TaskExit, TaskSpec};
use gofer_types::pipeline::{Artefact, Output};
use gofer_types::{Cause, RunRef};

use crate::attempt::{Attempt, Wish, asked, may_retry, shortened};
use crate::backoff::Backoff;

/// What has the objects of runs.
#[async_trait]
pub trait Shelf: Debug + Send + Sync + 'static {
    /// An object of a run, with its size. One that the run took over from the run that it repeats is found there.
    async fn fetch(&self, run: &RunRef, key: &str) -> Result<(u64, FileStream)>;

    /// Keeps bytes as an object of a run, in place of what an earlier attempt left. With an error of the stream nothing is kept,
    /// and it is the answer.
    async fn keep(&self, run: &RunRef, key: &str, bytes: FileStream) -> Result<()>;
}

/// The artefacts of one attempt.
#[derive(Debug, Clone)]
pub struct Parcels {
    /// What it is given.
    pub inputs: Vec<Artefact>,
    /// What it leaves, if it succeeds.
    pub outputs: Vec<Artefact>,
    /// Where they are in between.
    pub shelf: Arc<dyn Shelf>,
    /// How large each may be.
    pub limits: Limits,
}

impl Parcels {
    /// Brings the inputs to the scheduler, which is about to start the attempt.
    pub(crate) async fn deliver(&self, attempt: &Attempt, spec: &TaskSpec) -> Result<()> {
        if self.inputs.is_empty() {
            return Ok(());
        }
        let files = files(attempt)?;
        let mut archives = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let found = self.shelf.fetch(&attempt.task.run, &input.key).await;
            let (size, bytes) = found.map_err(|error| about(input, "cannot be fetched", error))?;
            let bytes = as_archive(&input.output, size, bytes)
                .ok_or_else(|| invalid(format!("the artefact `{}` is too large", input.name)))?;
            archives.push(Archive { name: input.name.clone(), bytes });
        }
        files.lay(&attempt.id, spec, archives, &self.limits).await
    }

    /// Keeps the outputs of an attempt that has ended.
    async fn keep(&self, attempt: &Attempt, output: &Artefact) -> Result<()> {
        let taken = files(attempt)?.take(&attempt.id, output.output.paths(), &self.limits).await;
        let taken = taken.map_err(|error| about(output, "cannot be taken", error))?;
        let bytes = match &output.output {
            Output::Archive(_) => taken,
            Output::File(path) => one_file(path, taken),
        };
        let kept = self.shelf.keep(&attempt.task.run, &output.key, bytes).await;
        kept.map_err(|error| about(output, "cannot be kept", error))
    }
}

impl Attempt {
    /// The end of the attempt once what it was to leave is kept. If it cannot be kept, or not before the attempt is to end, that is
    /// its end: nothing succeeds that has not left what it promised.
    pub(crate) async fn with_outputs(&self, exit: TaskExit) -> TaskExit {
        let Some(parcels) = self.parcels.as_ref().filter(|_| exit.cause == Cause::ExitCode(0)) else {
            return exit;
        };
        for output in &parcels.outputs {
            let mut backoff = Backoff::new();
            loop {
                let mut wish = self.wish.clone();
                let kept = tokio::select! {
                    biased;
                    Ok(_) = wish.wait_for(|wish| *wish != Wish::None) => {
                        let why = format!("it was to end before its artefact `{}` was kept", output.name);
                        return TaskExit { cause: Cause::CannotKeep(why), at: exit.at };
                    }
                    kept = parcels.keep(self, output) => kept,
                };
                match kept {
                    Ok(()) => break,
                    Err(error) if may_retry(&error) => {
                        tracing::debug!(task = %self.task, error = %error.chain(), "an output is not kept yet");
                        self.wait_or_wish(backoff.next(asked(&error))).await;
                    }
                    Err(error) => {
                        let cause = Cause::CannotKeep(shortened(error.chain()));
                        return TaskExit { cause, at: exit.at };
                    }
                }
            }
        }
        exit
    }
}

fn files(attempt: &Attempt) -> Result<&dyn Files> {
    let missing = || invalid("its scheduler cannot give files to tasks or take them".to_owned());
    attempt.scheduler.files().ok_or_else(missing)
}

fn invalid(text: String) -> BackendError {
    BackendError::new(ErrorKind::InvalidInput, text)
}

/// The same error, saying which artefact it is about. One that is not there does not come any more.
fn about(parcel: &Artefact, what: &str, error: BackendError) -> BackendError {
    let kind = if error.kind() == ErrorKind::NotFound { ErrorKind::InvalidInput } else { error.kind() };
    let advice = error.advice();
    let text = format!("the artefact `{}` {what}", parcel.name);
    BackendError::new(kind, text).retry(advice).source(error)
}

/// What was kept, as an archive.
fn as_archive(output: &Output, size: u64, bytes: FileStream) -> Option<FileStream> {
    let Output::File(path) = output else { return Some(bytes) };
    let (before, behind) = around(&check_output(path).ok()?, size)?;
    let piece = |bytes: Vec<u8>| stream::once(ready(Ok(Bytes::from(bytes))));
    Some(piece(before).chain(bytes).chain(piece(behind)).boxed())
}

/// The bytes of the one file in an archive.
fn one_file(path: &str, archive: FileStream) -> FileStream {
    let safe = match check_output(path) {
        Ok(safe) => safe,
        Err(problem) => return stream::once(ready(Err(invalid(format!("{path} {problem}"))))).boxed(),
    };
    let path = path.to_owned();
    let pieces = move |state: Option<(FileStream, OneFile)>| {
        let path = path.clone();
        async move {
            let (mut archive, mut file) = state?;
            loop {
                let next = match archive.next().await {
                    Some(Ok(bytes)) => match file.take(&bytes) {
                        Ok(parts) if parts.is_empty() => continue,
                        Ok(parts) => return Some((Ok(Bytes::from(parts.concat())), Some((archive, file)))),
                        Err(problem) => Err(invalid(format!("{path} {problem}"))),
                    },
                    Some(Err(error)) => Err(error),
                    None => match file.end() {
                        Ok(()) => return None,
                        Err(problem) => return Some((Err(invalid(format!("{path} {problem}"))), None)),
                    },
                };
                return Some((next, None));
            }
        }
    };
    stream::unfold(Some((archive, OneFile::new(safe))), pieces).boxed()
}
