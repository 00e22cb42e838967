//! Two directories next to each other: the one that may be written, and the one that must not be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What stands at a path: the kind, the mode, and the content or the target.
pub(crate) type Snapshot = BTreeMap<PathBuf, (&'static str, u32, Vec<u8>)>;

pub(crate) struct World {
    folder: TempDir,
}

impl World {
    /// With a canary in `outside`, whose first line nobody else knows.
    pub(crate) fn new() -> Self {
        let world = Self { folder: TempDir::new().unwrap() };
        for folder in [world.work(), world.target(), world.outside()] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(world.outside().join("canary"), CANARY).unwrap();
        world
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The directory of the task that leaves artefacts.
    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// The directory of the task that takes them.
    pub(crate) fn target(&self) -> PathBuf {
        self.path().join("into")
    }

    /// What belongs to another.
    pub(crate) fn outside(&self) -> PathBuf {
        self.path().join("outside")
    }
}

pub(crate) const CANARY: &[u8] = b"the canary that is in no archive";

/// Everything below a directory, without following links.
pub(crate) fn snapshot(root: &Path) -> Snapshot {
    let mut all = Snapshot::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let (kind, content) = if meta.is_dir() {
                folders.push(path.clone());
                ("directory", Vec::new())
            } else if meta.is_symlink() {
                ("link", fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if meta.file_type().is_fifo() {
                ("fifo", Vec::new())
            } else {
                ("file", fs::read(&path).unwrap())
            };
            all.insert(path.strip_prefix(root).unwrap().to_owned(), (kind, meta.mode() & 0o7777, content));
        }
    }
    all
}

pub(crate) fn texts(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}
