//! Files of tasks at the fake: laid into memory, and taken out of it.
//!
//! What is laid is there whole or not at all, and what was laid under an id can be looked at by tests also after the task
//! was removed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_artefacts::Limits;
use gofer_backend::{ErrorKind, Owner, Result};
use gofer_types::{AttemptId, Timestamp};

use super::scheduler::{KIND, error};
use super::script::{Fault, Script};
use super::tree::{FakeFile, Tree};
use super::{FakeBackend, FakeScheduler, Pages};
use crate::{Archive, FileStream, Files, TaskSpec, TaskStatus, TaskSummary, not_laid, not_taken};

/// How much of an archive is given out at once.
const PIECE: usize = 64 << 10;
/// More than headers, padding and a long name take for one entry, besides that name.
const OF_AN_ENTRY: u64 = 4096;

/// What was laid for a task that was not started.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) owner: Owner,
    pub(crate) digest: String,
    created: Timestamp,
    pub(crate) files: Tree,
}

impl Laid {
    pub(crate) fn summary(&self, id: &AttemptId) -> TaskSummary {
        let (digest, created) = (self.digest.clone(), self.created);
        TaskSummary { id: id.clone(), digest, status: TaskStatus::Starting, created }
    }
}

impl FakeBackend {
    /// What the last lay under this id brought, by path; also after the start and the removal. Nothing if there was none.
    #[must_use]
    pub fn laid(&self, id: &AttemptId) -> Option<BTreeMap<String, FakeFile>> {
        let pages = self.book.pages();
        pages.all_laid.iter().rev().find(|(known, _)| known == id).map(|(_, files)| files.all())
    }
}

impl Pages {
    /// Whether a fault of a script happens now.
    fn happens(&mut self, id: &AttemptId, call: &'static str, fault: Option<Fault>) -> Result<()> {
        match fault {
            Some(Fault { kind, once }) if !once || self.fails_now(id, call) => {
                Err(error(kind, call, "the script says so"))
            }
            _ => Ok(()),
        }
    }
}

impl FakeScheduler {
    /// Whether files may be laid under an id; not if it was started.
    fn may_lay(&self, pages: &Pages, id: &AttemptId, spec: &TaskSpec) -> Result<bool> {
        let conflict = |why| Err(error(ErrorKind::Conflict, "lay", why).with("id", id));
        if pages.is_removed(id) {
            return conflict("this id was removed");
        }
        let task = pages.tasks.get(id).map(|task| (&task.owner, &task.spec.digest, false));
        let laid = pages.laid.get(id).map(|laid| (&laid.owner, &laid.digest, true));
        match task.or(laid) {
            Some((owner, digest, _)) if *owner != self.owner || *digest != spec.digest => {
                conflict("this id stands for another task")
            }
            Some((_, _, may)) => Ok(may),
            None if self.backend.capabilities.images && !pages.has_image(&spec.image) => {
                let fault = error(ErrorKind::NotFound, "lay", "its image is not there");
                Err(fault.with("image", &spec.image))
            }
            None => Ok(true),
        }
    }
}

/// The bytes of an archive; of one that is larger than it may be, enough to see that.
async fn collect(mut bytes: FileStream, limits: &Limits) -> Result<Vec<u8>> {
    let of_entry = OF_AN_ENTRY.saturating_add(limits.path_bytes as u64);
    let most = limits.entries.saturating_add(8).saturating_mul(of_entry).saturating_add(limits.bytes.get());
    let mut all = Vec::new();
    while let Some(piece) = bytes.next().await {
        all.extend_from_slice(&piece?);
        if all.len() as u64 > most {
            break;
        }
    }
    Ok(all)
}

/// Nothing here is a host's.
fn host(_: &std::io::Error) -> ErrorKind {
    ErrorKind::Internal
}

#[async_trait]
impl Files for FakeScheduler {
    async fn lay(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        archives: Vec<Archive>,
        limits: &Limits,
    ) -> Result<()> {
        self.present("lay")?;
        let script = Script::of(spec).map_err(|fault| fault.at(KIND, "lay"))?;
        self.validate(spec, &script)?;
        let book = &self.backend.book;
        {
            let mut pages = book.pages();
            pages.happens(id, "lay", script.lay_error)?;
            if !self.may_lay(&pages, id, spec)? {
                return Ok(());
            }
        }
        let mut files = Tree::default();
        for Archive { name, bytes } in archives {
            let bytes = collect(bytes, limits).await?;
            let unpacked = files.unpack(&bytes, limits);
            unpacked.map_err(|fault| not_laid(&name, fault, host).at(KIND, "lay"))?;
        }
        let mut pages = book.pages();
        if self.may_lay(&pages, id, spec)? {
            pages.remember_laid(id, &files);
            let (owner, digest) = (self.owner.clone(), spec.digest.clone());
            pages.laid.insert(id.clone(), Laid { owner, digest, created: book.clock.now(), files });
        }
        Ok(())
    }

    async fn take(&self, id: &AttemptId, paths: &[String], limits: &Limits) -> Result<FileStream> {
        self.present("take")?;
        let conflict = |why| Err(error(ErrorKind::Conflict, "take", why).with("id", id));
        if self.is_only_laid(id) {
            return conflict("the task was not started");
        }
        let task = self.find(id, "take")?;
        let script = Script::of(&task.spec)?;
        self.backend.book.pages().happens(id, "take", script.take_error)?;
        if task.end().is_none() {
            return conflict("the task runs");
        }
        let archive = task.files().pack(paths, limits);
        let archive = Bytes::from(archive.map_err(|fault| not_taken(fault, host).at(KIND, "take"))?);
        let begins: Vec<usize> = (0..archive.len()).step_by(PIECE).collect();
        let piece = move |begin: usize| Ok(archive.slice(begin..archive.len().min(begin + PIECE)));
        Ok(stream::iter(begins).map(piece).boxed())
    }
}
