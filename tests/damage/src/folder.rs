//! Whole folders: copied as they are, and what files are in them.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// Where it is, below the folder.
    pub path: PathBuf,
    /// How long it is.
    pub len: u64,
}

/// Copies a folder with everything in it. A socket becomes one at which nobody listens, as after the end of its host.
///
/// # Errors
/// If something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_socket() {
            let mode = Mode::from_raw_mode(entry.metadata()?.permissions().mode());
            rustix::fs::mknodat(CWD, &target, FileType::Socket, mode, 0)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Every plain file of a folder, in order.
///
/// # Errors
/// If the folder cannot be read.
pub fn files(root: &Path) -> io::Result<Vec<Item>> {
    let (mut folders, mut items) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path().strip_prefix(root).map_err(io::Error::other)?.to_path_buf();
                items.push(Item { path, len: entry.metadata()?.len() });
            }
        }
    }
    items.sort();
    Ok(items)
}
