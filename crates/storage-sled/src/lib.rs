//! Storage on sled 0.34.7, with the rules that make it safe.
//!
//! As it comes, sled's `flush` is no barrier: a power cut loses what it acknowledged. Here every group is one batch in one key
//! space, then `flush`, then a sync of the data file through a second descriptor, and only then the answer. Segments are 8 MiB
//! from creation and values at most 64 KiB, so that no value becomes a file of its own (those are never synced). Nothing is
//! flushed in the background. Readers do not see a group before it is on disk.
//!
//! Preconditions, revisions, group commit and watches come from [`gofer_storage::embedded`]. The crate owns `data/`, `LOCK` and
//! `FORMAT` of its directory, and during a compaction `data.new` and `data.old`. sled's files never shrink but by [`compact`].

mod backend;
mod compact;
mod config;
mod error;
mod undo;

use std::path::Path;
use std::sync::Arc;

use gofer_backend::Result;
use gofer_storage::Storage;
use gofer_storage::embedded::{Embedded, Home, Options};

use backend::{Sled, Tuning};
pub use compact::{Compacted, compact};
pub use config::Config;

/// The kind, as configuration and messages name it.
pub const KIND: &str = "sled";

/// Opens the storage of an instance, and creates it if it is not there. Blocks; a relative path is one in `data_dir`.
///
/// The first opening after a long session reads what that session wrote, which takes seconds for a gigabyte.
///
/// Errors: `Conflict` when another server has it open, or when another kind or a newer gofer wrote it; `Exhausted` when
/// there is no room to create it; `Internal` for damaged files, which are left as they are.
pub fn open(name: &str, config: &Config, data_dir: &Path) -> Result<Arc<dyn Storage>> {
    config.validate()?;
    let mut home = claim(config, data_dir)?;
    let file = Path::new(backend::DATA).join(backend::DATA_FILE);
    compact::settle_names(home.path())
        .and_then(|()| home.require(&file))
        .map_err(|error| error.at(KIND, "open"))?;
    let opened = Sled::open(home.path(), tuning(config));
    let engine = opened.map_err(|error| error.with("path", home.path().display()).at(KIND, "open"))?;
    home.settle(&file).map_err(|error| error.at(KIND, "open"))?;
    Ok(Arc::new(Embedded::start(engine, home, Options { kind: KIND, name: name.to_owned() })?))
}

fn claim(config: &Config, data_dir: &Path) -> Result<Home> {
    Home::claim(KIND, &config.directory(data_dir)).map_err(|error| error.at(KIND, "open"))
}

fn tuning(config: &Config) -> Tuning {
    Tuning { cache: config.cache.get(), reserve: config.reserve.get() }
}
