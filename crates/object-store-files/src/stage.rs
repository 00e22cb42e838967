//! A put that is under way: a file in `staging` that is removed when it is dropped.
//!
//! It is handed to the blocking work by value and comes back, so that it is removed by whoever has it when the put ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_object_store::{Intake, ObjectKey, ObjectMeta, Put};
use uuid::Uuid;

use crate::error::understood;
use crate::record;

/// A file that nobody sees yet.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    id: String,
    path: PathBuf,
    ours: bool,
}

impl Staged {
    /// Makes an empty one.
    pub(crate) fn create(staging: &Path) -> Result<Self> {
        let id = Uuid::now_v7().simple().to_string();
        let path = staging.join(&id);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| understood(error, "a put could not be begun", &path))?;
        Ok(Self { file, id, path, ours: true })
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| understood(error, "the bytes of a put could not be written", &self.path))
    }

    /// Adds the record, and makes the file durable.
    pub(crate) fn finish(&mut self, meta: &ObjectMeta) -> Result<()> {
        let record = record::encode(meta).map_err(|error| {
            BackendError::new(ErrorKind::Internal, "the record of an object could not be written")
                .source(error)
        })?;
        self.write(&record)?;
        self.sync()
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.map_err(|error| understood(error, "the bytes of a put could not be synced", &self.path))
    }

    /// Its name in `staging`.
    pub(crate) fn name(&self) -> &str {
        &self.id
    }

    /// It has left `staging`, or must stay there.
    pub(crate) fn leave(&mut self) {
        self.ours = false;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.ours {
            // what cannot be removed now is swept away at the next opening
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A staged put with what has come for it.
#[derive(Debug)]
pub(crate) struct Writer {
    staged: Staged,
    intake: Intake,
}

impl Writer {
    pub(crate) fn new(staging: &Path, intake: Intake) -> Result<Self> {
        Ok(Self { staged: Staged::create(staging)?, intake })
    }

    /// Counts a chunk; the error says what is too much.
    pub(crate) fn admit(&mut self, chunk: &Bytes) -> Result<()> {
        self.intake.admit(chunk.len())
    }

    /// Hashes and writes what was counted. Blocks.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.intake.hash(bytes);
        self.staged.write(bytes)
    }

    /// Makes a durable file of it. Blocks.
    pub(crate) fn finish(self, key: &ObjectKey, put: Put) -> Result<(Staged, ObjectMeta)> {
        let Self { mut staged, intake } = self;
        let (size, sha256) = intake.finish()?;
        let meta = ObjectMeta {
            key: key.clone(),
            size,
            sha256,
            content_type: put.content_type,
            created: put.created,
            version: staged.id.clone(),
        };
        staged.finish(&meta)?;
        Ok((staged, meta))
    }
}

/// Hands every leftover in `staging` to `visit` with its key, if it got as far as to have one, and removes it then.
///
/// Only files that are named as [`Staged`] names them are ours.
pub(crate) fn sweep(staging: &Path, mut visit: impl FnMut(&ObjectKey) -> Result<()>) -> Result<()> {
    let failed =
        |error: io::Error| understood(error, "what interrupted puts left could not be removed", staging);
    for entry in fs::read_dir(staging).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let ours =
            entry.file_name().to_str().is_some_and(|name| name.len() == 32 && Uuid::parse_str(name).is_ok());
        if !ours || !entry.file_type().map_err(failed)?.is_file() {
            continue;
        }
        let file = File::open(entry.path()).map_err(failed)?;
        match record::read(&file) {
            Ok(meta) => visit(&meta.key)?,
            Err(record::Unread::Damaged(_)) => {}
            Err(record::Unread::Failed(error)) => return Err(failed(error)),
        }
        fs::remove_file(entry.path()).map_err(failed)?;
    }
    Ok(())
}
