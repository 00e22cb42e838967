//! A disk for logs that does what real ones do to their owners, when it is told to: it is full, it forgets what was not
//! synced, and it takes nothing more from a process that has died.
//!
//! The files are real ones below a folder of the caller's; nothing is ever synced, the disk only remembers what would be.
//! [`crate::LogStore::open_fake`] opens a store on it that starts no thread, so that the same calls give the same answers.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, RealDisk, SegmentFile};
use crate::gates::lock;

/// A connection of one process to such a disk. Clones are the same connection.
#[derive(Debug, Clone, Default)]
pub struct FakeLogDisk {
    platter: Arc<Platter>,
    dead: Arc<AtomicBool>,
}

/// What outlives the processes.
#[derive(Debug, Default)]
struct Platter {
    full: AtomicBool,
    unsynced: Mutex<Unsynced>,
}

#[derive(Debug, Default)]
struct Unsynced {
    /// How much of each segment is safe.
    segments: BTreeMap<PathBuf, u64>,
    /// Small files that were replaced and may not be there after a power cut.
    replaced: Vec<PathBuf>,
}

impl FakeLogDisk {
    /// A disk without any file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same disk for the next process.
    #[must_use]
    pub fn reconnect(&self) -> Self {
        Self { platter: Arc::clone(&self.platter), dead: Arc::default() }
    }

    /// Takes nothing more through this connection: its process has died.
    pub fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Lets nothing more be written, or lets it again.
    pub fn set_full(&self, full: bool) {
        self.platter.full.store(full, Ordering::Release);
    }

    /// Cuts the power: of what was not synced, a part of each file is there afterwards. `chance` answers a number from 0 to
    /// the one that it is given.
    ///
    /// # Errors
    /// If a file cannot be cut.
    pub fn cut_power(&self, mut chance: impl FnMut(u64) -> u64) -> io::Result<()> {
        let Unsynced { segments, replaced } = std::mem::take(&mut *lock(&self.platter.unsynced));
        for (path, safe) in segments {
            let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
            let lost = file.metadata()?.len().saturating_sub(safe);
            file.set_len(safe + chance(lost))?;
        }
        for path in replaced {
            if chance(1) == 0 {
                crate::disk::remove(&path)?;
            }
        }
        Ok(())
    }

    fn ensure_alive(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(io::Error::other("the process has died"));
        }
        Ok(())
    }

    /// Errors: `StorageFull` while it is.
    fn ensure_room(&self) -> io::Result<()> {
        self.ensure_alive()?;
        if self.platter.full.load(Ordering::Acquire) {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl Disk for FakeLogDisk {
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn SegmentFile>> {
        self.ensure_alive()?;
        let file = RealDisk.open(path, new)?;
        let there = std::fs::metadata(path)?.len();
        let mut unsynced = lock(&self.platter.unsynced);
        if new {
            unsynced.segments.insert(path.to_owned(), 0);
        } else {
            unsynced.segments.entry(path.to_owned()).or_insert(there);
        }
        drop(unsynced);
        Ok(Box::new(FakeSegment { file, path: path.to_owned(), disk: self.clone() }))
    }

    fn replace(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        self.ensure_room()?;
        RealDisk.replace(path, bytes, false)?;
        if !durable {
            lock(&self.platter.unsynced).replaced.push(path.to_owned());
        }
        Ok(())
    }

    fn sync_dirs(&self, _root: &Path, _dir: &Path) -> io::Result<()> {
        self.ensure_alive()
    }
}

/// A segment on such a disk.
#[derive(Debug)]
struct FakeSegment {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    disk: FakeLogDisk,
}

impl SegmentFile for FakeSegment {
    /// On a full disk the first half is written, as a real one does.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.ensure_alive()?;
        let room = self.disk.ensure_room();
        let fits = if room.is_ok() { bytes.len() } else { bytes.len() / 2 };
        self.file.write_at(&bytes[..fits], offset)?;
        room
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.ensure_alive()?;
        if let Some(safe) = lock(&self.disk.platter.unsynced).segments.get_mut(&self.path) {
            *safe = (*safe).min(len);
        }
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.ensure_alive()?;
        let len = std::fs::metadata(&self.path)?.len();
        lock(&self.disk.platter.unsynced).segments.insert(self.path.clone(), len);
        Ok(())
    }
}
