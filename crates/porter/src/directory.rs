//! Files of tasks whose work directory is one of this host.
//!
//! Everything is reached from a folder that belongs to the scheduler, by descriptors, one name at a time and without
//! following links: the task that worked there may have put anything in place of anything, its own work directory
//! included.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use gofer_artefacts::{Limits, PackError, PackProblem, pack, pack_names, unpack};
use gofer_backend::Result;
use gofer_scheduler::{HostErrors, not_laid, not_taken};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, mkdirat, openat, renameat_with};
use rustix::io::Errno;

use crate::Incoming;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Numbers the names that this process has made.
static NUMBER: AtomicU64 = AtomicU64::new(0);
/// How many names are tried: more than one process can have left, unless it crashed that often.
const NAMES: usize = 4096;

pub(crate) fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}{}-{number}", std::process::id())
}

/// Makes something under a name that nothing has. A process of the same number may have died and left some.
pub(crate) fn named_anew<T>(prefix: &str, mut make: impl FnMut(&str) -> io::Result<T>) -> io::Result<T> {
    for _ in 0..NAMES {
        match make(&name(prefix, NUMBER.fetch_add(1, Ordering::Relaxed))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::Error::other("too many names are taken"))
}

/// Opens a directory below a folder, by its plain segments; missing ones are made where that is wanted.
///
/// # Errors
/// What the host says; `NotFound` also where a link, a file or a segment such as `..` is in the way.
pub fn descend(folder: &Path, way: &Path, make: bool) -> io::Result<OwnedFd> {
    let mut directory = openat(CWD, folder, DIRECTORY, Mode::empty())?;
    for component in way.components() {
        let name = match component {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        if make {
            match mkdirat(&directory, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        directory = match openat(&directory, name, DIRECTORY, Mode::empty()) {
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(io::ErrorKind::NotFound.into()),
            other => other?,
        };
    }
    Ok(directory)
}

/// The path by which an open directory is reached, wherever it was moved. It holds as long as the descriptor does.
fn through(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// Unpacks archives, in their order, into a directory. Each has the limits for itself.
///
/// # Errors
/// As [`not_laid`] says; what the archive in question had brought is removed again.
pub fn lay(directory: &OwnedFd, archives: Vec<Incoming>, limits: &Limits, host: HostErrors) -> Result<()> {
    for mut archive in archives {
        let unpacked = unpack(&mut archive, &through(directory), limits);
        unpacked.map_err(|error| not_laid(&archive.name, error, host))?;
    }
    Ok(())
}

/// Packs these paths of a directory that could be opened, or not.
///
/// # Errors
/// As [`not_taken`] says. A directory that is not there has no path.
pub fn take(
    directory: io::Result<OwnedFd>,
    paths: &[String],
    limits: &Limits,
    (out, host): (&mut dyn io::Write, HostErrors),
) -> Result<()> {
    let names = pack_names(paths, limits).map_err(|error| not_taken(error, host))?;
    let directory = directory.map_err(|error| {
        let path = names.first().map_or_else(String::new, ToString::to_string);
        let problem = match error.kind() {
            io::ErrorKind::NotFound => PackProblem::NotThere,
            _ => PackProblem::Read(error),
        };
        not_taken(PackError { path, problem }, host)
    })?;
    pack(&through(&directory), paths, limits, out).map(drop).map_err(|error| not_taken(error, host))
}

/// Renames, unless the new name is taken. False if it is.
///
/// # Errors
/// What the host says.
pub fn rename_once(from: &Path, to: &Path) -> io::Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Deletes a folder with all that a task left there, also what it made read-only.
///
/// # Errors
/// What the host says.
pub fn delete(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        answer => answer,
    }
}

/// Gives ourselves the right to delete what a task has made read-only. Follows no link.
fn open_up(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&folder, flags, Mode::empty())?;
        // A handle of this kind takes no fchmod, but its path in /proc cannot be exchanged behind our back.
        let through = through(&handle);
        fs::set_permissions(&through, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        for entry in fs::read_dir(&through)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(folder.join(entry.file_name()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use gofer_backend::ErrorKind;

    use super::*;

    fn host(_: &io::Error) -> ErrorKind {
        ErrorKind::Internal
    }

    #[test]
    fn a_way_leads_through_no_link_and_never_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        symlink("/etc", root.join("out")).unwrap();
        symlink("a", root.join("in")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        for way in ["out", "in", "in/b", "file", "file/x", "..", "a/../a", "/etc", "gone"] {
            let error = descend(&root, Path::new(way), false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{way}");
        }
        for way in ["out", "in/b", "file", ".."] {
            assert!(descend(&root, Path::new(way), true).is_err(), "{way}");
        }
        assert!(!Path::new("/etc/b").try_exists().unwrap());
        descend(&root, Path::new("./a/b"), false).unwrap();
        descend(&root, Path::new("new/deep"), true).unwrap();
        assert!(root.join("new/deep").is_dir());
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let gone = || descend(folder.path(), Path::new("gone"), false);
        let take = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            take(gone(), &paths, &Limits::default(), (&mut Vec::new(), host)).unwrap_err().to_string()
        };
        assert!(take(&["b", "a"]).contains("a is not there"));
        assert!(take(&["../b"]).contains("has `..`"));
    }
}
