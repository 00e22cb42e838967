//! The directory of an embedded storage: who holds it, and what wrote it.
//!
//! `LOCK` is locked for as long as the storage is open and names the process for the message to the second one. `FORMAT`
//! says which engine wrote the directory and in which format; it is read before the engine touches anything, and written when
//! the engine has made its files. Where it says that it has (`settled`), they must be there: an engine that finds none begins
//! anew, and everything that was ever acknowledged would be gone in silence. An older gofer wrote the file before the engine had
//! made anything, without that word.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use gofer_backend::{BackendError, ErrorKind, Result};
use rustix::fs::FlockOperation;

use super::disk::{create_dir, io_error, sync_dir};
use super::envelope::{FORMAT, check_format};

const LOCK: &str = "LOCK";
const MARK: &str = "FORMAT";
/// The word behind the format once the engine has made its files.
const SETTLED: &str = "settled";

/// A directory that this process holds until it is dropped.
#[derive(Debug)]
pub struct Home {
    kind: &'static str,
    path: PathBuf,
    /// Whether the files of the engine were there once.
    settled: bool,
    _lock: File,
}

impl Home {
    /// Creates the directory if it is missing, locks it, and makes sure that this engine in this version may use it.
    ///
    /// Errors: `Conflict` when another process holds it (facts `path`, `holder`), when another engine wrote it, or when a newer
    /// gofer did (facts `found`, `supported`). In these cases nothing is changed.
    pub fn claim(kind: &'static str, path: &Path) -> Result<Self> {
        create_dir(path)?;
        let lock = lock(path)?;
        let mut home = Self { kind, path: path.to_path_buf(), settled: false, _lock: lock };
        home.settled = home.check_mark().map_err(|error| error.with("path", path.display()))?;
        Ok(home)
    }

    /// Refuses if the engine has had this file and it is gone or empty. To be asked before the engine opens it.
    pub fn require(&self, file: &Path) -> Result<()> {
        if !self.settled {
            return Ok(());
        }
        let path = self.path.join(file);
        let text = "a file of the storage is gone or empty; put it back, or restore a backup";
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > 0 => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error(error, "a file of the storage could not be seen").with("path", path.display()))
            }
            _ => Err(BackendError::new(ErrorKind::Internal, text).with("path", path.display())),
        }
    }

    /// Says for ever that the files of this engine are there, once this one is and holds something durably.
    pub fn settle(&mut self, file: &Path) -> Result<()> {
        let made = std::fs::metadata(self.path.join(file)).is_ok_and(|found| found.len() > 0);
        if !self.settled && made {
            self.write_mark().map_err(|error| error.with("path", self.path.display()))?;
            self.settled = true;
        }
        Ok(())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a mark that says that the engine has made its files. A mark must be ours.
    fn check_mark(&self) -> Result<bool> {
        let text = match std::fs::read_to_string(self.path.join(MARK)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            read => read.map_err(|error| io_error(error, "the format file could not be read"))?,
        };
        let mut words = text.split_whitespace();
        let (owner, engine, format) =
            (words.next(), words.next(), words.next().and_then(|word| word.parse().ok()));
        let (Some("gofer"), Some(engine), Some(format)) = (owner, engine, format) else {
            return Err(BackendError::new(ErrorKind::Conflict, "the format file is not one of gofer"));
        };
        if engine != self.kind {
            let text = "the directory belongs to another storage kind; configure that kind, or another path";
            return Err(BackendError::new(ErrorKind::Conflict, text)
                .with("found", engine)
                .with("supported", self.kind));
        }
        check_format(format).map(|()| words.next() == Some(SETTLED))
    }

    fn write_mark(&self) -> Result<()> {
        let (temporary, kind) = (self.path.join("FORMAT.tmp"), self.kind);
        let write = || {
            let mut file = File::create(&temporary)?;
            writeln!(file, "gofer {kind} {FORMAT} {SETTLED}")?;
            file.sync_all()?;
            std::fs::rename(&temporary, self.path.join(MARK))
        };
        write().map_err(|error| io_error(error, "the format file could not be written"))?;
        sync_dir(&self.path)
    }
}

fn lock(path: &Path) -> Result<File> {
    let failed = |error| io_error(error, "the lock file could not be used").with("path", path.display());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_is_refused_with_path_and_holder_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::claim("redb", dir.path()).unwrap();
        let error = Home::claim("redb", dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let text = error.to_string();
        assert!(text.contains(&dir.path().display().to_string()), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(first);
        Home::claim("redb", dir.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_with_both_numbers_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARK), "gofer redb 2\n").unwrap();
        let error = Home::claim("redb", dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.facts()[..2], [("found", "2".to_owned()), ("supported", "1".to_owned())]);
        assert_eq!(std::fs::read_to_string(dir.path().join(MARK)).unwrap(), "gofer redb 2\n");
    }

    #[test]
    fn the_directory_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data"), "x").unwrap();
        Home::claim("sled", dir.path()).unwrap().settle(Path::new("data")).unwrap();
        assert_eq!(Home::claim("redb", dir.path()).unwrap_err().kind(), ErrorKind::Conflict);
        drop(Home::claim("sled", dir.path()).unwrap());
    }

    #[test]
    fn a_file_that_was_there_may_not_be_gone_and_one_that_never_was_may() {
        let dir = tempfile::tempdir().unwrap();
        let file = Path::new("data");
        let mut home = Home::claim("redb", dir.path()).unwrap();
        home.require(file).unwrap();
        std::fs::write(dir.path().join(file), "x").unwrap();
        home.settle(file).unwrap();
        drop(home);
        let require = || Home::claim("redb", dir.path()).unwrap().require(file);
        require().unwrap();
        std::fs::write(dir.path().join(file), "").unwrap();
        assert_eq!(require().unwrap_err().kind(), ErrorKind::Internal);
        std::fs::remove_file(dir.path().join(file)).unwrap();
        assert_eq!(require().unwrap_err().kind(), ErrorKind::Internal);
    }

    #[test]
    fn what_an_older_gofer_left_before_its_engine_had_made_anything_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARK), "gofer redb 1\n").unwrap();
        let file = Path::new("data");
        let mut home = Home::claim("redb", dir.path()).unwrap();
        home.require(file).unwrap();
        home.settle(file).unwrap();
        assert_eq!(
            std::fs::read_to_string(dir.path().join(MARK)).unwrap(),
            "gofer redb 1\n",
            "nothing is there yet"
        );
        std::fs::write(dir.path().join(file), "x").unwrap();
        home.settle(file).unwrap();
        drop(home);
        std::fs::remove_file(dir.path().join(file)).unwrap();
        assert!(Home::claim("redb", dir.path()).unwrap().require(file).is_err());
    }

    #[test]
    fn a_garbled_format_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MARK), "hello").unwrap();
        assert_eq!(Home::claim("redb", dir.path()).unwrap_err().kind(), ErrorKind::Conflict);
    }
}
