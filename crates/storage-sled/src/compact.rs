//! Compaction by copy, as sled gives no room back otherwise.
//!
//! The copy is complete and synced before anything is renamed. Whatever moment an interruption hits, the next open finds either
//! the old data or the copy under their right name.

use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use gofer_backend::{BackendError, Result};
use gofer_storage::embedded::{disk, envelope};

use crate::backend::{DATA, DATA_FILE, Files};
use crate::config::Config;
use crate::error::understood;
use crate::{KIND, claim};

const NEW: &str = "data.new";
const OLD: &str = "data.old";
/// How many rows are copied in one batch.
const ROWS: usize = 500;

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes on disk before.
    pub before: u64,
    /// The bytes on disk after.
    pub after: u64,
}

/// Gives the room of deleted and replaced rows back to the disk, while no server runs. Blocks, and needs room for a copy.
/// Interrupted: the data are as they were.
///
/// Errors: as [`open`](crate::open); `NotFound` when there is no storage; `Internal` with the fact `key` for a damaged row, with
/// nothing changed.
pub fn compact(config: &Config, data_dir: &Path) -> Result<Compacted> {
    let dir = config.directory(data_dir);
    fs::metadata(&dir).map_err(|error| failed(error, "there is no storage", &dir).at(KIND, "compact"))?;
    let home = claim(config, data_dir)?;
    let file = Path::new(DATA).join(DATA_FILE);
    let whole = settle_names(home.path()).and_then(|()| home.require(&file));
    whole.map_err(|error| error.at(KIND, "compact"))?;
    compact_dir(home.path(), config.cache.get()).map_err(|error| error.at(KIND, "compact"))
}

fn compact_dir(dir: &Path, cache: u64) -> Result<Compacted> {
    settle_names(dir)?;
    let before = size(&dir.join(DATA))?;
    copy(&dir.join(DATA), &dir.join(NEW), cache)?;
    disk::sync_dir(dir)?;
    rename(dir, DATA, OLD)?;
    rename(dir, NEW, DATA)?;
    settle_names(dir)?;
    Ok(Compacted { before, after: size(&dir.join(DATA))? })
}

/// Puts the names in order that an interrupted compaction may have left.
pub(crate) fn settle_names(dir: &Path) -> Result<()> {
    let there = |name: &str| {
        let path = dir.join(name);
        path.try_exists().map_err(|error| failed(error, "a directory could not be looked up", &path))
    };
    if !there(DATA)? && there(OLD)? {
        rename(dir, OLD, DATA)?;
    }
    for name in [NEW, OLD] {
        let path = dir.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error, "what a compaction left could not be removed", &path)),
            Ok(()) => disk::sync_dir(dir)?,
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, cache: u64) -> Result<()> {
    let (from, to) = (Files::open(from, cache)?, Files::open(to, cache)?);
    let mut batch = sled::Batch::default();
    let mut waiting = 0;
    for row in from.tree.iter() {
        let (key, raw) = row.map_err(understood)?;
        match key.get(1..) {
            Some([]) | None => drop(envelope::decode_state(&raw)?),
            Some(key) => drop(envelope::decode(key, &Bytes::copy_from_slice(&raw))?),
        }
        batch.insert(key, raw);
        waiting += 1;
        if waiting == ROWS {
            to.tree.apply_batch(std::mem::take(&mut batch)).map_err(understood)?;
            waiting = 0;
        }
    }
    to.tree.apply_batch(batch).map_err(understood)?;
    to.sync()?;
    from.close();
    to.close();
    Ok(())
}

fn rename(dir: &Path, from: &str, to: &str) -> Result<()> {
    let renamed = fs::rename(dir.join(from), dir.join(to));
    renamed.map_err(|error| failed(error, "a directory could not be renamed", &dir.join(from)))?;
    disk::sync_dir(dir)
}

/// The bytes of all files below a directory.
fn size(dir: &Path) -> Result<u64> {
    let wrong = |error| failed(error, "the size could not be read", dir);
    let mut sum = 0;
    for entry in fs::read_dir(dir).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let data = entry.metadata().map_err(wrong)?;
        sum += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(sum)
}

fn failed(error: io::Error, message: &str, path: &Path) -> BackendError {
    disk::io_error(error, message).with("path", path.display())
}
