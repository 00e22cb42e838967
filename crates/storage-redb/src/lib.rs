//! Storage on redb: one file, one writer, crash-safe by design.
//!
//! The crate is an [`Engine`](gofer_storage::embedded::Engine) on redb; preconditions, revisions, group commit and watches come
//! from [`gofer_storage::embedded`]. A group is one write transaction with immediate durability. Readers use read transactions
//! and never wait for a commit.
//!
//! # What is safe, and how fast it opens
//!
//! A group is one sync (redb's one-phase commit): its pages, its commit slot and the byte that makes the slot the current one
//! are written in any order, and the answer comes after the sync. A power cut during that sync may leave any part of them. What
//! was acknowledged is whole either way: the slot before it and its pages are not written over until the new group is
//! synced. The next opening tells a torn group by the checksums of its slot and its pages, and goes back to the one before.
//! The checksums are xxh3 of 128 bits: good against tearing, not against somebody who writes the file. A disk that loses or
//! damages what it said was synced can make the newest acknowledged group look torn; it is then dropped in silence, where
//! two phases would report the damage.
//!
//! So opening after a crash under load walks the tree: it verifies every page and finds the free ones, 0.6 s for a million rows.
//! When no commit has come for [`Config::settle_after`], one more commit in two phases records the free pages (redb's quick
//! repair), and redb does the same when it is closed. Opening after a crash when idle, or after a clean stop, need not walk then; a
//! file of up to [`Config::verify_up_to`] is verified all the same (ADR 0027).
//!
//! It owns the files `data.redb`, `LOCK` and `FORMAT` of its directory and nothing else. It must not interpret rows.

mod backend;
mod config;
mod error;
mod file;

use std::path::Path;
use std::sync::Arc;

use gofer_backend::Result;
use gofer_storage::Storage;
use gofer_storage::embedded::{Embedded, Home, Options, disk};

use backend::{Redb, Tuning};
pub use config::Config;

/// The kind, as configuration and messages name it.
pub const KIND: &str = "redb";

/// Opens the storage of an instance, and creates it if it is not there. Blocks; a relative path is one in `data_dir`.
///
/// Errors: `Conflict` when another server has it open, or when another kind or a newer gofer wrote it; `Exhausted` when
/// there is no room to create it; `Internal` for a damaged file.
pub fn open(name: &str, config: &Config, data_dir: &Path) -> Result<Arc<dyn Storage>> {
    config.validate()?;
    let mut home = claim(config, data_dir)?;
    let file = Path::new(backend::FILE);
    home.require(file).map_err(|error| error.at(KIND, "open"))?;
    let opened = Redb::open(home.path(), tuning(config));
    let engine = opened.map_err(|error| error.with("path", home.path().display()).at(KIND, "open"))?;
    home.settle(file).map_err(|error| error.at(KIND, "open"))?;
    Ok(Arc::new(Embedded::start(engine, home, Options { kind: KIND, name: name.to_owned() })?))
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes on disk before.
    pub before: u64,
    /// The bytes on disk after.
    pub after: u64,
}

/// Gives the room of deleted rows back to the disk, while no server runs. Blocks. Interrupted: the data are as they were.
///
/// Errors: as [`open`]; `NotFound` when there is no storage.
pub fn compact(config: &Config, data_dir: &Path) -> Result<Compacted> {
    config.validate()?;
    let dir = config.directory(data_dir);
    backend::require_file(&dir).map_err(|error| error.at(KIND, "compact"))?;
    let home = claim(config, data_dir)?;
    let (before, after) =
        backend::compact(home.path(), tuning(config)).map_err(|error| error.at(KIND, "compact"))?;
    Ok(Compacted { before, after })
}

fn claim(config: &Config, data_dir: &Path) -> Result<Home> {
    let home = Home::claim(KIND, &config.directory(data_dir)).map_err(|error| error.at(KIND, "open"))?;
    disk::sync_dir(home.path())?;
    Ok(home)
}

fn tuning(config: &Config) -> Tuning {
    let cache = usize::try_from(config.cache.get()).unwrap_or(usize::MAX);
    Tuning {
        cache,
        reserve: config.reserve.get(),
        settle_after: config.settle_after.get(),
        verify_up_to: config.verify_up_to.get(),
    }
}
