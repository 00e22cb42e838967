//! The files of objects: moving them to their places, finding and removing them.
//!
//! Every directory below `objects` that is seen under the shared lock is durable: directories are made under the exclusive lock
//! alone, each synced before it is let go, and so are removed the empty ones. What a put or delete does to a directory it
//! also syncs under the shared lock, through a handle that it took before: a directory that was removed meanwhile fails the
//! move instead of swallowing it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_object_store::{ObjectKey, ObjectMeta};
use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::error::understood;
use crate::home::Home;
use crate::stage::{self, Staged};
use crate::{names, record};

/// The objects of a directory that this process holds.
#[derive(Debug)]
pub(crate) struct Tree {
    home: Home,
    lock: RwLock<()>,
    /// Whether a directory could not be synced, ever: what is in it is not known any more.
    broken: AtomicBool,
    #[cfg(test)]
    pub(crate) script: crate::tree_tests::Script,
}

/// Where an object is.
#[derive(Debug)]
pub(crate) struct Place {
    dirs: Vec<String>,
    file: String,
}

impl Place {
    pub(crate) fn of(key: &ObjectKey) -> Self {
        let mut segments = key.segments();
        let file = segments.next_back().map(|last| format!("{}.o", names::encode(last)));
        Self { dirs: segments.map(dir_name).collect(), file: file.unwrap_or_default() }
    }

    fn dir(&self, objects: &Path) -> PathBuf {
        self.dirs.iter().fold(objects.to_path_buf(), |path, dir| path.join(dir))
    }

    /// The directories from the first that may be missing down to the one that the object is in.
    fn way(&self, objects: &Path) -> impl DoubleEndedIterator<Item = PathBuf> {
        let mut path = objects.to_path_buf();
        let step = move |dir: &String| {
            path.push(dir);
            path.clone()
        };
        self.dirs.iter().map(step).collect::<Vec<_>>().into_iter()
    }
}

/// The name of the directory of a segment.
pub(crate) fn dir_name(segment: &str) -> String {
    format!("{}.d", names::encode(segment))
}

/// An object, as its file tells.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is there and whole.
    Object(ObjectMeta, File),
    /// It is there and not what was put.
    Damaged(BackendError),
    /// No file is there.
    Nothing,
}

impl Tree {
    /// Takes a directory, and removes what interrupted puts left in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let tree = Self {
            home: Home::claim(path)?,
            lock: RwLock::new(()),
            broken: AtomicBool::new(false),
            #[cfg(test)]
            script: crate::tree_tests::Script::default(),
        };
        stage::sweep(&tree.home.staging(), |key| tree.settle(key))?;
        Ok(tree)
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Makes the directories durable that an interrupted put may have made, or removes them.
    fn settle(&self, key: &ObjectKey) -> Result<()> {
        let objects = self.home.objects();
        for dir in std::iter::once(objects.clone()).chain(Place::of(key).way(&objects)) {
            match open_dir(&dir)? {
                Some(open) => self.sync(&open, &dir)?,
                None => break,
            }
        }
        self.prune(&Place::of(key), &self.alone());
        Ok(())
    }

    pub(crate) fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.lock.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to write after a sync that failed.
    pub(crate) fn require_trust(&self) -> Result<()> {
        if self.broken.load(Ordering::Acquire) {
            let text = "a sync failed earlier; restart the server when the disk is well";
            return Err(
                BackendError::new(ErrorKind::Unavailable, text).with("path", self.home.path().display())
            );
        }
        Ok(())
    }

    fn sync(&self, dir: &File, path: &Path) -> Result<()> {
        #[cfg(test)]
        let synced = self.script.sync().and_then(|()| dir.sync_all());
        #[cfg(not(test))]
        let synced = dir.sync_all();
        synced.map_err(|error| {
            self.broken.store(true, Ordering::Release);
            let text = "a directory could not be synced";
            BackendError::new(ErrorKind::Unavailable, text).with("path", path.display()).source(error)
        })
    }

    /// Moves a finished put to the place of its key.
    pub(crate) fn publish(&self, mut staged: Staged, key: &ObjectKey, if_absent: bool) -> Result<()> {
        let place = Place::of(key);
        {
            let _shared = self.shared();
            if self.place(&mut staged, &place, if_absent, key)? {
                return Ok(());
            }
        }
        let alone = self.alone();
        let moved = self.create_dirs(&place).and_then(|()| self.place(&mut staged, &place, if_absent, key));
        match moved {
            Ok(true) => return Ok(()),
            // it names the directories that are not durable, for the next opening
            Err(_) if self.broken.load(Ordering::Acquire) => staged.leave(),
            _ => self.prune(&place, &alone),
        }
        moved.and_then(|_| self.home.require())?;
        Err(BackendError::new(ErrorKind::Internal, "a directory vanished that was just made"))
    }

    /// Makes the missing directories of a place. The caller is alone.
    pub(crate) fn create_dirs(&self, place: &Place) -> Result<()> {
        self.require_trust()?;
        let mut parent = self.home.objects();
        for dir in place.way(&self.home.objects()) {
            // before there is something to sync: from here on only the sync itself can fail
            let open = open_dir(&parent)?.ok_or_else(|| gone(&parent))?;
            match fs::create_dir(&dir) {
                Ok(()) => self.sync(&open, &parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(understood(error, "a directory could not be made", &dir)),
            }
            parent = dir;
        }
        Ok(())
    }

    /// Moves the file, if the directory is there: `false` if it is not.
    fn place(&self, staged: &mut Staged, place: &Place, if_absent: bool, key: &ObjectKey) -> Result<bool> {
        self.require_trust()?;
        let path = place.dir(&self.home.objects());
        let Some(dir) = open_dir(&path)? else { return Ok(false) };
        let staging = self.home.staging();
        let from = open_dir(&staging)?.ok_or_else(|| gone(&staging))?;
        let moved = if if_absent {
            rustix::fs::linkat(&from, staged.name(), &dir, &place.file, AtFlags::empty())
        } else {
            rustix::fs::renameat(&from, staged.name(), &dir, &place.file)
        };
        match moved {
            Ok(()) if if_absent => {}
            Ok(()) => staged.leave(),
            Err(Errno::NOENT) => return Ok(false),
            Err(Errno::EXIST) => {
                // whoever hears that it exists may rely on it
                self.sync(&dir, &path)?;
                return Err(exists(key));
            }
            Err(error) => {
                return Err(understood(error.into(), "an object could not be moved to its place", &path));
            }
        }
        self.sync(&dir, &path)?;
        Ok(true)
    }

    /// Removes an object, if it is there, and the directories that are empty then.
    pub(crate) fn remove(&self, key: &ObjectKey) -> Result<()> {
        let place = Place::of(key);
        let path = place.dir(&self.home.objects());
        let shared = self.shared();
        self.require_trust()?;
        let Some(dir) = open_dir(&path)? else { return self.home.require() };
        match rustix::fs::unlinkat(&dir, &place.file, AtFlags::empty()) {
            // also where somebody else has just removed it and is not done
            Ok(()) | Err(Errno::NOENT) => self.sync(&dir, &path)?,
            Err(error) => return Err(understood(error.into(), "an object could not be removed", &path)),
        }
        let empty = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
        drop(shared);
        if empty {
            self.prune(&place, &self.alone());
        }
        Ok(())
    }

    /// Removes directories that are empty, from below. One that cannot be removed now is only in the way of nobody.
    fn prune(&self, place: &Place, _alone: &RwLockWriteGuard<'_, ()>) {
        for dir in place.way(&self.home.objects()).rev() {
            match fs::remove_dir(dir) {
                Err(error) if !is_absent(&error) => break,
                _ => {}
            }
        }
    }

    /// The object of a key.
    pub(crate) fn find(&self, key: &ObjectKey) -> Result<Found> {
        let place = Place::of(key);
        let path = place.dir(&self.home.objects()).join(&place.file);
        let file = match File::open(&path) {
            Err(error) if is_absent(&error) => {
                self.home.require()?;
                return Ok(Found::Nothing);
            }
            file => file.map_err(|error| understood(error, "an object could not be opened", &path))?,
        };
        let damaged = |why| {
            let error = BackendError::new(ErrorKind::Internal, format!("the object is damaged: {why}"));
            Ok(Found::Damaged(error.with("key", key).with("path", path.display())))
        };
        match record::read(&file) {
            Ok(meta) if meta.key == *key => Ok(Found::Object(meta, file)),
            Ok(_) => damaged("its file is that of another key"),
            Err(record::Unread::Damaged(why)) => damaged(why),
            Err(record::Unread::Failed(error)) => {
                Err(understood(error, "an object could not be read", &path))
            }
        }
    }

    /// Whether something is under a key, damaged or not.
    pub(crate) fn require_absent(&self, key: &ObjectKey) -> Result<()> {
        match self.find(key)? {
            Found::Nothing => Ok(()),
            Found::Object(..) | Found::Damaged(_) => {
                let place = Place::of(key);
                let path = place.dir(&self.home.objects());
                if let Some(dir) = open_dir(&path)? {
                    self.sync(&dir, &path)?;
                }
                Err(exists(key))
            }
        }
    }
}

/// A handle of a directory, if it is there.
pub(crate) fn open_dir(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Err(error) if is_absent(&error) => Ok(None),
        dir => dir.map(Some).map_err(|error| understood(error, "a directory could not be opened", path)),
    }
}

pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn exists(key: &ObjectKey) -> BackendError {
    BackendError::new(ErrorKind::AlreadyExists, "an object is under this key").with("key", key)
}

fn gone(path: &Path) -> BackendError {
    let text = "a directory of the object store is gone";
    BackendError::new(ErrorKind::Unavailable, text).with("path", path.display())
}
