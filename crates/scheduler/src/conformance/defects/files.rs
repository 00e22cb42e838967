//! The faults of laying and taking files.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_artefacts::Limits;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::{AttemptId, ByteSize, Cause};

use super::defective::task;
use super::{Defect, Defective};
use crate::fake::tree::{FakeFile, Tree};
use crate::{Archive, FileStream, Files, Scheduler, TaskSpec, TaskStatus};

/// More than any case asks for.
const NO_LIMITS: Limits =
    Limits { entries: 1_000, bytes: ByteSize::from_mib(64), path_bytes: 1_024, depth: 64 };

fn stream_of(archive: &[u8]) -> FileStream {
    stream::iter([Ok(Bytes::copy_from_slice(archive))]).boxed()
}

/// The tree with each program as a file that cannot be run.
fn plain(tree: &Tree) -> Tree {
    let mut plain = tree.clone();
    plain.each(|file| {
        if let FakeFile::File { executable, .. } = file {
            *executable = false;
        }
    });
    plain
}

impl Defective {
    /// Changes what lies ready for a task.
    fn spoil_laid(&self, id: &AttemptId, spoil: impl FnOnce(&mut Tree)) {
        if let Some(laid) = self.backend.book.pages().laid.get_mut(id) {
            spoil(&mut laid.files);
        }
    }

    fn laid(&self, id: &AttemptId) -> Option<Tree> {
        self.backend.book.pages().laid.get(id).map(|laid| laid.files.clone())
    }

    /// What a fault makes of an answer that is an error.
    fn spoilt_refusal(&self, error: BackendError) -> Result<()> {
        let invalid = error.kind() == ErrorKind::InvalidInput;
        match self.defect {
            Defect::TakesAnyBytes | Defect::LaysLinks if invalid => Ok(()),
            Defect::CollidesUnnamed if invalid => Err(BackendError::new(error.kind(), "something is there")),
            Defect::BlamesTheArchive => Err(BackendError::new(ErrorKind::InvalidInput, "no archive")),
            _ => Err(error),
        }
    }

    /// Lays into the work directory of a task that was started.
    async fn lay_late(&self, id: &AttemptId, spec: &TaskSpec, archives: Vec<Archive>) -> Result<()> {
        let shadow = AttemptId::from_u128(7);
        self.sound.lay(&shadow, spec, archives, &NO_LIMITS).await?;
        let late = self.backend.book.pages().laid.remove(&shadow);
        if let (Some(task), Some(late)) = (task(&self.backend, id), late) {
            *task.files() = late.files;
        }
        Ok(())
    }

    /// Takes from a task past the sound scheduler.
    fn packed(&self, id: &AttemptId, paths: &[String], spoil: impl FnOnce(&mut Tree)) -> Result<FileStream> {
        let tree = task(&self.backend, id).map(|task| task.files().clone());
        let mut tree = tree.or_else(|| self.laid(id)).unwrap_or_default();
        spoil(&mut tree);
        match tree.pack(paths, &NO_LIMITS) {
            Ok(archive) => Ok(stream_of(&archive)),
            Err(error) => Err(BackendError::new(ErrorKind::InvalidInput, error.to_string())),
        }
    }
}

#[async_trait]
impl Files for Defective {
    async fn lay(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        mut archives: Vec<Archive>,
        limits: &Limits,
    ) -> Result<()> {
        let before = self.laid(id);
        let known = self.sound.inspect(id).await;
        let mut spec = spec.clone();
        match self.defect {
            Defect::LaysNothing => archives.clear(),
            Defect::LaysFirstOnly => archives.truncate(1),
            Defect::LaysOncePerServer if before.is_some() && self.first_time(id) => return Ok(()),
            Defect::LaysUnderRemoved => drop(self.backend.book.pages().removed.remove(id)),
            Defect::LaysForAnyDigest if known.is_ok() => "one".clone_into(&mut spec.digest),
            Defect::LaysAfterStart if matches!(known, Ok(TaskStatus::Running { .. })) => {
                return self.lay_late(id, &spec, archives).await;
            }
            _ => {}
        }
        let limits = if self.has(Defect::LaysWithoutLimits) { &NO_LIMITS } else { limits };
        if let Err(error) = self.sound.lay(id, &spec, archives, limits).await {
            return self.spoilt_refusal(error);
        }
        match (self.defect, before) {
            (Defect::LaysPlainFiles, _) => self.spoil_laid(id, |tree| *tree = plain(tree)),
            (Defect::LaysOnTop, Some(before)) => self.spoil_laid(id, |tree| tree.add(&before)),
            _ => {}
        }
        Ok(())
    }

    async fn take(&self, id: &AttemptId, paths: &[String], limits: &Limits) -> Result<FileStream> {
        let status = self.sound.inspect(id).await;
        match self.defect {
            Defect::TakesPlainFiles => return self.packed(id, paths, |tree| *tree = plain(tree)),
            Defect::TakesWithoutLimits | Defect::TakesFromRunning => {
                return self.packed(id, paths, |_| {});
            }
            Defect::TakesFromSuccessOnly => {
                if let Ok(TaskStatus::Ended(exit)) = status
                    && exit.cause != Cause::ExitCode(0)
                {
                    return Err(BackendError::new(ErrorKind::Conflict, "the task failed"));
                }
            }
            _ => {}
        }
        let answer = self.sound.take(id, paths, limits).await;
        let empty = || self.packed(id, &["in".to_owned()], |tree| *tree = Tree::with_directory("in"));
        match (self.defect, answer) {
            (Defect::TakesNothingOfRemoved, Err(error)) if error.kind() == ErrorKind::NotFound => empty(),
            (Defect::TakesWhatIsThere | Defect::FollowsLinks, Err(error))
                if error.kind() == ErrorKind::InvalidInput =>
            {
                empty()
            }
            (Defect::TakesTheBeginning, Ok(stream)) => Ok(stream.take(1).boxed()),
            (Defect::TakesWithTime, Ok(stream)) => {
                let number = self.backend.book.next_number();
                Ok(stream.chain(stream::iter([Ok(Bytes::from(number.to_string()))])).boxed())
            }
            (_, answer) => answer,
        }
    }
}
