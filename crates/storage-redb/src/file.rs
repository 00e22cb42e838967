//! The file under redb.
//!
//! It knows what redb's errors do not tell: whether it was a sync that failed. After that nothing may be trusted; after a write
//! that found no room, everything but that write may. Locking is left to the lock of the directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file, with a memory for failed syncs.
#[derive(Debug)]
pub(crate) struct DataFile {
    file: File,
    syncs: Arc<Syncs>,
    #[cfg(test)]
    pub(crate) script: Arc<tests::Script>,
}

/// Whether a sync has failed, ever.
#[derive(Debug, Default)]
pub(crate) struct Syncs(AtomicBool);

impl Syncs {
    pub(crate) fn failed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl DataFile {
    #[cfg(not(test))]
    pub(crate) fn new(file: File, syncs: Arc<Syncs>) -> Self {
        Self { file, syncs }
    }

    #[cfg(test)]
    pub(crate) fn new(file: File, syncs: Arc<Syncs>, script: Arc<tests::Script>) -> Self {
        Self { file, syncs, script }
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        self.script.sync()?;
        self.file.sync_data()
    }

    fn write_all(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.script.write()?;
        self.file.write_all_at(data, offset)
    }
}

impl redb::StorageBackend for DataFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.sync();
        if synced.is_err() {
            self.syncs.0.store(true, Ordering::Release);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_all(offset, data)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Errors to come: one for each of the next writes or syncs.
    #[derive(Debug, Default)]
    pub(crate) struct Script {
        pub(crate) writes: Mutex<Countdown>,
        pub(crate) syncs: Mutex<Countdown>,
    }

    /// After so many calls that go well, so many fail with that error number.
    #[derive(Debug, Default, Clone, Copy)]
    pub(crate) struct Countdown {
        pub(crate) well: u32,
        pub(crate) fail: u32,
        pub(crate) errno: i32,
    }

    impl Countdown {
        fn strike(&mut self) -> io::Result<()> {
            if self.well > 0 {
                self.well -= 1;
                return Ok(());
            }
            if self.fail > 0 {
                self.fail -= 1;
                return Err(io::Error::from_raw_os_error(self.errno));
            }
            Ok(())
        }
    }

    impl Script {
        pub(super) fn write(&self) -> io::Result<()> {
            self.writes.lock().unwrap().strike()
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            self.syncs.lock().unwrap().strike()
        }
    }
}
