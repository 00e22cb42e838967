//! The directory of an object store: who holds it, and what wrote it.
//!
//! `LOCK` is locked for as long as the store is open and names the process for the message to the second one. `FORMAT` is written
//! last when the directory is made, and read before anything is touched: where it is missing, nothing may be there that
//! is not ours.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use gofer_backend::{BackendError, ErrorKind, Result};
use rustix::fs::FlockOperation;

use crate::error::understood;

const LOCK: &str = "LOCK";
const MARK: &str = "FORMAT";
const NEW_MARK: &str = "FORMAT.tmp";
const OBJECTS: &str = "objects";
const STAGING: &str = "staging";
const OWNER: &str = "object-store-files";
const FORMAT: u32 = 1;

/// A directory that this process holds until it is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    _lock: File,
}

impl Home {
    /// Creates the directory if it is missing, locks it, and makes sure that this version may use it.
    ///
    /// Errors: `Conflict` when another process holds it (facts `path`, `holder`), when it is somebody else's, or when a newer
    /// gofer wrote it (facts `found`, `supported`). In these cases nothing is changed but the lock file.
    pub(crate) fn claim(path: &Path) -> Result<Self> {
        create_dir(path)?;
        let home = Self { path: path.to_path_buf(), _lock: lock(path)? };
        match fs::read_to_string(path.join(MARK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => home.found()?,
            Err(error) => return Err(understood(error, "the format file could not be read", path)),
            Ok(text) => check_mark(&text).map_err(|error| error.with("path", path.display()))?,
        }
        home.require()?;
        Ok(home)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where objects are.
    pub(crate) fn objects(&self) -> PathBuf {
        self.path.join(OBJECTS)
    }

    /// Where puts are that are under way.
    pub(crate) fn staging(&self) -> PathBuf {
        self.path.join(STAGING)
    }

    /// Makes sure that the directory is there with all its parts: only then a missing file means that nothing was put.
    pub(crate) fn require(&self) -> Result<()> {
        for part in [self.path.join(MARK), self.objects(), self.staging()] {
            let there = part.try_exists();
            if !there
                .map_err(|error| understood(error, "a part of the object store could not be seen", &part))?
            {
                let text = "a part of the object store is gone; put it back, or restore the directory";
                let error = BackendError::new(ErrorKind::Unavailable, text);
                return Err(error.with("path", part.display()));
            }
        }
        Ok(())
    }

    /// Makes the parts of a new directory, its mark last.
    fn found(&self) -> Result<()> {
        self.require_empty()?;
        create_dir(&self.objects())?;
        create_dir(&self.staging())?;
        let temporary = self.path.join(NEW_MARK);
        let write = || {
            let mut file = File::create(&temporary)?;
            writeln!(file, "gofer {OWNER} {FORMAT}")?;
            file.sync_all()?;
            fs::rename(&temporary, self.path.join(MARK))
        };
        write().map_err(|error| understood(error, "the format file could not be written", &self.path))?;
        sync_dir(&self.path)
    }

    /// Refuses a directory that somebody else uses: what looks like a leftover of ours would be swept away.
    fn require_empty(&self) -> Result<()> {
        let failed = |error| understood(error, "the directory could not be read", &self.path);
        for (dir, ours) in [
            (self.path.clone(), &[LOCK, NEW_MARK, OBJECTS, STAGING][..]),
            (self.objects(), &[]),
            (self.staging(), &[]),
        ] {
            let entries = match fs::read_dir(&dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let name = entry.map_err(failed)?.file_name();
                if !ours.iter().any(|known| name == **known) {
                    let text =
                        "the directory is not empty and not one of an object store; configure another path";
                    let error =
                        BackendError::new(ErrorKind::Conflict, text).with("path", self.path.display());
                    return Err(error.with("found", name.to_string_lossy()));
                }
            }
        }
        Ok(())
    }
}

fn check_mark(text: &str) -> Result<()> {
    let mut words = text.split_whitespace();
    let (gofer, owner, format) =
        (words.next(), words.next(), words.next().and_then(|word| word.parse().ok()));
    let (Some("gofer"), Some(owner), Some(format)) = (gofer, owner, format) else {
        return Err(BackendError::new(ErrorKind::Conflict, "the format file is not one of gofer"));
    };
    if owner != OWNER {
        let text = "the directory belongs to something else; configure another path";
        return Err(BackendError::new(ErrorKind::Conflict, text)
            .with("found", owner)
            .with("supported", OWNER));
    }
    let format: u32 = format;
    if format > FORMAT {
        let text = "the objects were written by a newer gofer; use that one, or configure another path";
        let error = BackendError::new(ErrorKind::Conflict, text);
        return Err(error.with("found", format).with("supported", FORMAT));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File> {
    let failed = |error| understood(error, "the lock file could not be used", path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path.join(LOCK)).map_err(failed)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(path, &mut file)),
        Err(error) => return Err(failed(error.into())),
    }
    // the note is only for the message to a second process; a full disk must not keep a server from starting
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn held(path: &Path, file: &mut File) -> BackendError {
    let mut holder = String::new();
    let holder = match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => format!("process {}", holder.trim()),
        _ => "unknown".to_owned(),
    };
    let text = "another server uses this directory; stop it, or configure another path";
    BackendError::new(ErrorKind::Conflict, text).with("path", path.display()).with("holder", holder)
}

/// Makes the names in a directory durable.
fn sync_dir(dir: &Path) -> Result<()> {
    let synced = File::open(dir).and_then(|file| file.sync_all());
    synced.map_err(|error| understood(error, "a directory could not be synced", dir))
}

/// Creates a directory and its missing parents, all names durable. Already there: nothing.
fn create_dir(dir: &Path) -> Result<()> {
    let failed = |error| understood(error, "a directory could not be created", dir);
    if dir.try_exists().map_err(failed)? {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_dir(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    sync_dir(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_refused_with_path_and_holder_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::claim(dir.path()).unwrap();
        let error = Home::claim(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let text = error.to_string();
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(first);
        Home::claim(dir.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_with_both_numbers_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARK), "gofer object-store-files 2\n").unwrap();
        let error = Home::claim(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.facts()[..2], [("found", "2".to_owned()), ("supported", "1".to_owned())]);
        assert!(error.to_string().contains("newer gofer"), "{error}");
        assert!(!dir.path().join(OBJECTS).try_exists().unwrap());
    }

    #[test]
    fn the_directory_of_somebody_else_is_refused() {
        for (name, text) in
            [("FORMAT", "gofer redb 1\n"), ("FORMAT", "hello"), ("photo.jpg", ""), ("staging/x", "")]
        {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            assert_eq!(Home::claim(dir.path()).unwrap_err().kind(), ErrorKind::Conflict, "{name} {text}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn making_the_directory_can_be_interrupted_anywhere() {
        for left in [&[][..], &[OBJECTS][..], &[OBJECTS, STAGING][..]] {
            let dir = tempfile::tempdir().unwrap();
            for part in left {
                fs::create_dir(dir.path().join(part)).unwrap();
            }
            fs::write(dir.path().join(NEW_MARK), "gof").unwrap();
            drop(Home::claim(dir.path()).unwrap());
            drop(Home::claim(dir.path()).unwrap());
        }
    }

    #[test]
    fn a_directory_that_has_lost_a_part_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        drop(Home::claim(dir.path()).unwrap());
        fs::remove_dir(dir.path().join(OBJECTS)).unwrap();
        assert_eq!(Home::claim(dir.path()).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
