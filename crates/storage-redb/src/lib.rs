//! Storage on redb: one file, one writer, crash-safe by design.
//!
//! The crate is an [`Engine`](gofer_storage::embedded::Engine) on redb; preconditions, revisions, group commit and watches come
//! from [`gofer_storage::embedded`]. A group is one write transaction with immediate durability. Readers use read transactions
//! and never wait for a commit.
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
    let home = claim(config, data_dir)?;
    let opened = Redb::open(home.path(), tuning(config));
    let engine = opened.map_err(|error| error.with("path", home.path().display()).at(KIND, "open"))?;
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
    Tuning { cache, reserve: config.reserve.get(), fast_recovery: config.fast_recovery }
}
