//! Objects as files below one directory.
//!
//! # What is on disk
//!
//! ```text
//! LOCK                    held while a server has the directory; says which process
//! FORMAT                  "gofer object-store-files 1"
//! staging/<id>            a put that is under way
//! objects/<s>.d/../<s>.o  an object; a directory for each segment of its key but the last
//! ```
//!
//! An object is one file: its bytes, then a record (key, size, hash, content type, time, version) with a checksum. So bytes and
//! record appear, are replaced and vanish in one step of the file system, and there is no index that could disagree.
//!
//! `<s>` is a segment in `[a-z0-9_%=-]`, at most 206 characters: as it is with `%xx` for all other bytes, or, if that is
//! shorter, `=` and base 32. It reads back to the one segment that it stands for, so no two keys meet in one file, also not where
//! case or Unicode forms do not count, and no text of a user is ever a path. `.d` and `.o` keep the key `a` and the keys below
//! `a/` apart.
//!
//! # Why it survives a kill at any point
//!
//! A put writes bytes and record to `staging`, syncs the file, moves it to its place (`rename`; with
//! [`if_absent`](gofer_object_store::Put::if_absent) `link`, which fails if something is there, whoever made it), syncs
//! the directory, and answers. Before the move nothing is visible and the file is swept away at the next opening; after it the
//! object is there whole. Missing directories are made and synced before the move, by one put at a time; if that is interrupted,
//! the file in `staging` still names the key, and the next opening syncs the directories on its way before it removes it.
//! Readers hold the file open: replaced or deleted, it is there until they let go of it.
//!
//! Directories are removed when they are empty, and read for a list, while no put or delete is in its last step. After a sync
//! of a directory that failed nothing is written any more until the store is opened anew.
//!
//! A list reads the directories of its prefix and the records of its page. It holds the names of one directory at each level in
//! memory: tens of thousands of keys side by side are fine, millions are not.
//!
//! The crate owns everything in its directory but what it did not name, which it leaves alone. It must not interpret objects.

mod backend;
mod config;
mod error;
mod home;
mod list;
mod names;
mod read;
mod record;
mod stage;
mod tree;
#[cfg(test)]
mod tree_tests;

use std::path::Path;
use std::sync::Arc;

use gofer_backend::Result;
use gofer_object_store::ObjectStore;

pub use config::Config;

/// The kind, as configuration and messages name it.
pub const KIND: &str = "files";

/// Opens the object store of an instance, and creates it if it is not there. Blocks; a relative path is one in `data_dir`.
///
/// Its calls must be made on a tokio runtime. Errors: `Conflict` when another server has it open, when the directory is another
/// one's, or when a newer gofer wrote it; `Exhausted` when there is no room to create it; `Internal` when a part of it is gone.
pub fn open(name: &str, config: &Config, data_dir: &Path) -> Result<Arc<dyn ObjectStore>> {
    let store = backend::Files::open(name, &config.directory(data_dir));
    Ok(Arc::new(store.map_err(|error| error.at(KIND, "open"))?))
}
