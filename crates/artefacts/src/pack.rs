//! Packing: from a work directory, whose task may still be at work in it, to the bytes of an archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::error::{EntryKind, PackError, PackProblem};
use crate::header::Kind;
use crate::limits::Limits;
use crate::path::{PathProblem, SafePath, check};
use crate::wanted::{Wanted, pack_names};
use crate::write::{ArchiveWriter, Packed, problem};

/// Packs these paths of a directory, directories with all that they hold. The paths are relative to `root`, which is
/// opened as it is; below it nothing is reached by way of a link.
///
/// The same files make the same bytes: entries are sorted, without times and owners, with mode 0755 (directories, and files
/// that their owner may execute) or 0644. Hard links become files of their own. A file that grows while it is read is
/// packed up to the size that it had; one that shrinks is an error. Blocks; holds 64 KiB of a file, and the names of the
/// directories on the way.
///
/// # Errors
/// A path that is refused, not there, no file or directory, or changing; more than `limits` allow; and what reading or
/// writing tells. The path is named. What was written until then is no archive.
pub fn pack(root: &Path, paths: &[String], limits: &Limits, out: impl Write) -> Result<Packed, PackError> {
    let names = pack_names(paths, limits)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, root, flags, Mode::empty());
    let whole = || "the work directory".to_owned();
    let root =
        opened.map_err(|error| PackError { path: whole(), problem: PackProblem::Read(error.into()) })?;
    let mut packing = Packing { out: ArchiveWriter::new(out, limits), limits, listed: 0 };
    packing.directory(&root, "", &Wanted::of(&names))?;
    packing.out.end()
}

struct Packing<'a, W: Write> {
    out: ArchiveWriter<'a, W>,
    limits: &'a Limits,
    /// How many names were read from directories: bounded before they are sorted.
    listed: u64,
}

impl<W: Write> Packing<'_, W> {
    /// What is wanted of a directory, without the directory itself.
    fn directory(&mut self, directory: &OwnedFd, path: &str, wanted: &Wanted) -> Result<(), PackError> {
        let mut names: BTreeSet<String> = wanted.children.keys().cloned().collect();
        if wanted.whole {
            self.list(directory, path, &mut names)?;
        }
        for name in names {
            let path = below(path, &name);
            let declared = wanted.children.contains_key(&name);
            self.entry(directory, &name, &path, wanted.child(&name)).map_err(|mut error| {
                if !declared && matches!(error.problem, PackProblem::NotThere) {
                    error.problem = PackProblem::Changed;
                }
                error
            })?;
        }
        Ok(())
    }

    fn list(
        &mut self,
        directory: &OwnedFd,
        path: &str,
        names: &mut BTreeSet<String>,
    ) -> Result<(), PackError> {
        let failed = |error: Errno| problem(path, PackProblem::Read(error.into()));
        for entry in Dir::read_from(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let Ok(text) = std::str::from_utf8(name) else {
                let path = below(path, &String::from_utf8_lossy(name));
                return Err(problem(&path, PackProblem::Path(PathProblem::NotUtf8)));
            };
            self.listed += 1;
            if self.listed > self.limits.entries {
                let limit = self.limits.entries;
                return Err(problem(&below(path, text), PackProblem::TooManyEntries { limit }));
            }
            names.insert(text.to_owned());
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: &OwnedFd,
        name: &str,
        path: &str,
        wanted: &Wanted,
    ) -> Result<(), PackError> {
        let checked = check(path.as_bytes(), self.limits);
        let checked = checked.map_err(|error| problem(path, PackProblem::Path(error)))?;
        // Looked at before it is opened: to open a device can do something, and a pipe can wait.
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Err(problem(&wanted.first_below(path), PackProblem::NotThere)),
            other => other.map_err(|error| problem(path, PackProblem::Read(error.into())))?,
        };
        match kind(&stat) {
            Ok(Kind::Directory) => {
                let opened = open(directory, name, OFlags::DIRECTORY);
                let directory = opened.map_err(|error| problem(path, error))?;
                self.out.directory(&checked)?;
                self.directory(&directory, path, wanted)
            }
            Ok(_) if !wanted.children.is_empty() => {
                Err(problem(&wanted.first_below(path), PackProblem::NotThere))
            }
            Ok(_) => self.file(directory, name, &checked),
            Err(kind) => Err(problem(path, PackProblem::Kind(kind))),
        }
    }

    fn file(&mut self, directory: &OwnedFd, name: &str, path: &SafePath) -> Result<(), PackError> {
        let failed = |error| problem(path.as_str(), error);
        let file = open(directory, name, OFlags::NONBLOCK | OFlags::NOCTTY).map_err(failed)?;
        let stat = fstat(&file).map_err(|error| failed(PackProblem::Read(error.into())))?;
        let (Ok(Kind::File { executable }), Ok(size)) = (kind(&stat), u64::try_from(stat.st_size)) else {
            return Err(failed(PackProblem::Changed));
        };
        self.out.file(path, executable, size, &mut File::from(file)).map(drop)
    }
}

/// Opens something that was just seen. If it is another kind of thing by now, it changed.
fn open(directory: &OwnedFd, name: &str, flags: OFlags) -> Result<OwnedFd, PackProblem> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO => PackProblem::Changed,
        other => PackProblem::Read(other.into()),
    })
}

fn kind(stat: &Stat) -> Result<Kind, EntryKind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Kind::File { executable: stat.st_mode & 0o100 != 0 }),
        FileType::Directory => Ok(Kind::Directory),
        FileType::Symlink => Err(EntryKind::SymbolicLink),
        FileType::Fifo => Err(EntryKind::Fifo),
        FileType::Socket => Err(EntryKind::Socket),
        FileType::CharacterDevice | FileType::BlockDevice => Err(EntryKind::Device),
        FileType::Unknown => Err(EntryKind::Other(0)),
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_a_link_after_it_was_seen_is_not_opened() {
        let folder = tempfile::TempDir::new().unwrap();
        for (name, target) in [("file", "/etc/passwd"), ("folder", "/etc"), ("nothing", "gone")] {
            std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        }
        let directory = openat(CWD, folder.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        for name in ["file", "folder", "nothing", "gone"] {
            for flags in [OFlags::DIRECTORY, OFlags::NONBLOCK] {
                let opened = open(&directory, name, flags);
                assert!(matches!(opened, Err(PackProblem::Changed)), "{name} {flags:?}");
            }
        }
    }
}
