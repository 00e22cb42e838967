//! Work directories that a scheduler makes for its tasks on this host, one in a folder of its own for each.
//!
//! **Whole.** Archives are unpacked into a fresh directory in the folder, which then takes the place of the work directory.
//! So a task finds what one call laid, or what the next one did, and never half of either.
//!
//! **Before the start.** The work directory changes only under a lock, under which the task is also started; so nothing is
//! exchanged under a task that runs, and also a start that an earlier server left behind finds a whole directory.
//!
//! **Directories of the host.** An absolute work directory belongs to the author, and perhaps to other tasks at the same
//! time. Nothing there can be replaced whole, and what one attempt had laid would be in the way of the next. So files are
//! not laid there, and the refusal says so. They are taken from there: reading harms nobody, and no link below it is
//! followed.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use gofer_artefacts::Limits;
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::HostErrors;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, rename, renameat_with};
use rustix::io::Errno;

use crate::Incoming;
use crate::directory::{self, delete, descend, named_anew};

/// How a directory begins that is not the work directory yet, or not any more.
const ASIDE: &str = "aside-";
/// The kernel takes no longer path, and something stands before it.
const LONGEST: usize = 4000;

/// The work directory of one task.
#[derive(Debug, Clone)]
pub struct Workplace {
    /// The folder that it stands in. Nobody but the scheduler and the task writes there.
    pub folder: PathBuf,
    /// Its name in that folder.
    pub name: &'static str,
    /// The name of the file there whose lock is the right to start the task, or to change what it starts with.
    pub lock: &'static str,
    /// Where the task starts, as its author wrote it: below the work directory, or absolute.
    pub workdir: Option<String>,
}

impl Workplace {
    /// Waits for the lock, which is given back when the file is closed. Blocks for as long as another has it, which is never
    /// longer than a task takes to be started.
    ///
    /// # Errors
    /// What the host says; `NotFound` if the file is not there.
    pub fn lock(&self) -> io::Result<File> {
        // For writing too, without which NFS gives no exclusive lock.
        let file = File::options().read(true).write(true).open(self.folder.join(self.lock))?;
        while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(file)
    }

    /// Where the task starts, below the work directory.
    ///
    /// # Errors
    /// `Unsupported` if that is a directory of the host.
    pub fn own(&self) -> Result<&Path> {
        match self.workdir.as_deref().map(Path::new) {
            None => Ok(Path::new("")),
            Some(way) if way.is_relative() => Ok(way),
            Some(of_host) => {
                let message =
                    "the work directory belongs to the host; files are laid only where a task is alone";
                let fault = BackendError::new(ErrorKind::Unsupported, message);
                Err(fault.with("workdir", of_host.display()))
            }
        }
    }

    /// Unpacks archives and puts what they brought in the place of the work directory; unless the task `is_started` by then,
    /// which is asked under the lock.
    ///
    /// # Errors
    /// As of [`Workplace::own`] and [`directory::lay`]. The work directory is as it was.
    pub fn lay(
        &self,
        archives: Vec<Incoming>,
        limits: &Limits,
        host: HostErrors,
        is_started: impl FnOnce() -> io::Result<bool>,
    ) -> Result<()> {
        let way = self.own()?;
        let failed = |source: io::Error| {
            BackendError::new(host(&source), "the work directory cannot be made").source(source)
        };
        self.sweep();
        let new = self.aside().map_err(failed)?;
        let into = descend(&self.folder, &Path::new(&new).join(way), true).map_err(failed);
        let laid = into.and_then(|into| directory::lay(&into, archives, limits, host));
        let laid = laid.and_then(|()| self.exchange(&new, is_started).map_err(failed));
        self.sweep();
        laid
    }

    fn exchange(&self, new: &str, is_started: impl FnOnce() -> io::Result<bool>) -> io::Result<()> {
        let _lock = self.lock()?;
        if is_started()? {
            return Ok(());
        }
        let work = self.folder.join(self.name);
        let new = self.folder.join(new);
        match rename(&new, &work) {
            // What was laid before lies aside from then on.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => exchanged(&new, &work),
            done => Ok(done?),
        }
    }

    /// Makes a directory that is not the work directory yet. Never one that is there: who knows what it holds.
    fn aside(&self) -> io::Result<String> {
        named_anew(ASIDE, |name| {
            DirBuilder::new().mode(0o700).create(self.folder.join(name)).map(|()| name.to_owned())
        })
    }

    /// Deletes what lies aside. Best effort: it goes with the folder at the latest.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
                let _ = delete(&entry.path()).or_else(|_| fs::remove_file(entry.path()));
            }
        }
    }

    /// Packs what an ended task left.
    ///
    /// # Errors
    /// As of [`directory::take`].
    pub fn take(
        &self,
        paths: &[String],
        limits: &Limits,
        out: &mut dyn io::Write,
        host: HostErrors,
    ) -> Result<()> {
        directory::take(self.open(), paths, limits, (out, host))
    }

    fn open(&self) -> io::Result<OwnedFd> {
        match (self.own(), self.workdir.as_deref()) {
            // As the author wrote it: only what is below it is the task's.
            (Err(_), Some(of_host)) => descend(&fs::canonicalize(of_host)?, Path::new(""), false),
            (way, _) => {
                descend(&self.folder, &Path::new(self.name).join(way.unwrap_or(Path::new(""))), false)
            }
        }
    }
}

/// Whether a work directory can be called so: a path without `..`.
#[must_use]
pub fn is_fit(workdir: &str) -> bool {
    let leaves = Path::new(workdir).components().any(|component| component == Component::ParentDir);
    !(workdir.is_empty() || workdir.contains('\0') || workdir.len() > LONGEST || leaves)
}

/// Lets two names change places in one step, so that there is a work directory at any time.
fn exchanged(one: &Path, other: &Path) -> io::Result<()> {
    match renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the file system cannot exchange two directories in one step",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use gofer_artefacts::pack;
    use gofer_scheduler::Archive;
    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn host(_: &io::Error) -> ErrorKind {
        ErrorKind::Internal
    }

    fn place(workdir: Option<&str>) -> (TempDir, Workplace) {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("attempt");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("record"), "").unwrap();
        let workdir = workdir.map(str::to_owned);
        (folder, Workplace { folder: inside, name: "work", lock: "record", workdir })
    }

    /// An archive of one file with this content.
    fn archive(name: &str, content: &str) -> Incoming {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), content).unwrap();
        let mut bytes = Vec::new();
        pack(folder.path(), &[name.to_owned()], &Limits::default(), &mut bytes).unwrap();
        let bytes = stream::iter([Ok(Bytes::from(bytes))]).boxed();
        Incoming::new(Archive { name: "of-test".to_owned(), bytes }, &CancellationToken::new())
    }

    fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
        std::thread::Builder::new().name("test".to_owned()).spawn(work).unwrap()
    }

    fn lay(place: &Workplace, archives: Vec<Incoming>, is_started: bool) -> Result<()> {
        let (place, limits) = (place.clone(), Limits::default());
        // Streams are read on a thread that may block.
        let laid = in_thread(move || place.lay(archives, &limits, host, || Ok(is_started)));
        laid.join().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_is_laid_takes_the_place_whole_or_leaves_it() {
        let (_folder, place) = place(Some("deep/down"));
        let at = place.folder.join("work/deep/down");
        lay(&place, vec![archive("a", "1")], false).unwrap();
        lay(&place, vec![archive("b", "2")], false).unwrap();
        assert_eq!(names(&at), ["b"]);
        assert!(lay(&place, vec![archive("c", "3"), archive("c", "4")], false).is_err());
        lay(&place, vec![archive("d", "5")], true).unwrap();
        assert_eq!(
            (names(&at), names(&place.folder)),
            (vec!["b".into()], vec!["record".into(), "work".into()])
        );
    }

    #[tokio::test]
    async fn what_a_crash_left_aside_is_not_mixed_in() {
        let (_folder, place) = place(None);
        for number in 0..20 {
            let left = place.folder.join(directory::name(ASIDE, number));
            fs::create_dir(&left).unwrap();
            fs::write(left.join("old"), "").unwrap();
        }
        // Not swept, as what another call has just made.
        let new = place.aside().unwrap();
        assert!(names(&place.folder.join(&new)).is_empty());
        lay(&place, vec![archive("a", "1")], false).unwrap();
        assert_eq!((names(&place.folder.join("work")), names(&place.folder).len()), (vec!["a".into()], 2));
    }

    #[tokio::test]
    async fn whatever_is_in_the_place_of_the_work_directory_gives_way() {
        let (_folder, place) = place(None);
        let work = place.folder.join("work");
        fs::write(&work, "a file").unwrap();
        lay(&place, vec![archive("a", "1")], false).unwrap();
        fs::remove_dir_all(&work).unwrap();
        symlink("/etc", &work).unwrap();
        lay(&place, vec![archive("b", "2")], false).unwrap();
        assert_eq!((names(&work), names(&place.folder).len()), (vec!["b".into()], 2));
    }

    #[tokio::test]
    async fn nothing_changes_while_a_task_is_being_started() {
        let (_folder, place) = place(None);
        lay(&place, vec![archive("a", "1")], false).unwrap();
        let lock = place.lock().unwrap();
        let (asked, asking) = mpsc::channel();
        let (of_thread, archives) = (place.clone(), vec![archive("b", "2")]);
        let laying = in_thread(move || {
            of_thread.lay(archives, &Limits::default(), host, || {
                asked.send(()).unwrap();
                Ok(true)
            })
        });
        // sleeps: that nothing happens can only be seen by letting time pass
        assert!(asking.recv_timeout(Duration::from_millis(50)).is_err());
        assert_eq!(names(&place.folder.join("work")), ["a"]);
        drop(lock);
        laying.join().unwrap().unwrap();
        asking.try_recv().unwrap();
        assert_eq!(names(&place.folder.join("work")), ["a"]);
    }

    #[tokio::test]
    async fn nothing_is_laid_in_a_directory_of_the_host() {
        let host = tempfile::tempdir().unwrap();
        fs::write(host.path().join("own"), "x").unwrap();
        let (_folder, place) = place(host.path().to_str());
        let error = lay(&place, vec![archive("a", "1")], false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(host.path().to_str().unwrap()), "{error}");
        assert_eq!(names(host.path()), ["own"]);
    }

    #[test]
    fn what_is_taken_is_below_the_work_directory_or_the_host_s() {
        let take =
            |place: &Workplace| place.take(&["own".to_owned()], &Limits::default(), &mut Vec::new(), host);
        let of_host = tempfile::tempdir().unwrap();
        fs::write(of_host.path().join("own"), "x").unwrap();
        let (_folder, mut place) = place(of_host.path().to_str());
        take(&place).unwrap();
        place.workdir = None;
        symlink(of_host.path(), place.folder.join("work")).unwrap();
        let error = take(&place).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "own is not there"));
    }
}
