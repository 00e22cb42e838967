//! Tells when files of a directory were saved. The kernel tells it; nothing polls.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// How long nothing more must happen before a save counts as done: editors write in several steps.
const QUIET: Duration = Duration::from_millis(50);

/// Watches one directory, not those below it.
#[derive(Debug)]
pub struct Watcher {
    events: AsyncFd<OwnedFd>,
}

impl Watcher {
    /// Watches this directory. Must be called within a tokio runtime.
    #[expect(deprecated, reason = "its successor is unsafe; an owned descriptor keeps what that asks for")]
    pub fn new(dir: &Path) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let saved =
            WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        inotify::add_watch(&events, dir, saved | WatchFlags::ONLYDIR)?;
        Ok(Self { events: AsyncFd::new(events)? })
    }

    /// Returns when a file whose name `wanted` accepts was saved, moved or removed, and the directory is quiet again.
    pub async fn saved(&self, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        while !self.next(&wanted).await? {}
        while let Ok(more) = tokio::time::timeout(QUIET, self.next(&wanted)).await {
            more?;
        }
        Ok(())
    }

    /// Waits for events, takes all that are there, and answers whether one of them is wanted.
    async fn next(&self, wanted: &impl Fn(&str) -> bool) -> io::Result<bool> {
        loop {
            let mut ready = self.events.readable().await?;
            match ready.try_io(|fd| drain(fd.get_ref(), wanted)) {
                Ok(found) => return found,
                Err(_would_block) => {}
            }
        }
    }
}

fn drain(events: &OwnedFd, wanted: &impl Fn(&str) -> bool) -> io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(events, &mut buffer);
    let (mut any, mut found) = (false, false);
    loop {
        match reader.next() {
            Ok(event) => {
                any = true;
                found |= event.file_name().and_then(|name| name.to_str().ok()).is_some_and(wanted);
            }
            Err(Errno::WOULDBLOCK) if any => return Ok(found),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn within<T>(work: impl Future<Output = io::Result<T>>) -> T {
        tokio::time::timeout(Duration::from_secs(10), work).await.expect("in time").expect("no error")
    }

    #[tokio::test]
    async fn a_save_is_told_once_and_other_files_are_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let watcher = Watcher::new(dir.path()).expect("a watcher");
        std::fs::write(dir.path().join("other.txt"), "x").expect("a file");
        for step in ["a", "ab", "abc"] {
            std::fs::write(dir.path().join("pipeline.hcl"), step).expect("a file");
        }
        within(watcher.saved(|name| name.ends_with(".hcl"))).await;
        std::fs::write(dir.path().join("other.txt"), "y").expect("a file");
        let again =
            tokio::time::timeout(Duration::from_millis(200), watcher.saved(|name| name.ends_with(".hcl")));
        assert!(again.await.is_err(), "nothing was saved any more");
    }

    #[tokio::test]
    async fn a_file_that_is_moved_into_place_is_a_save() {
        let dir = tempfile::tempdir().expect("a directory");
        let watcher = Watcher::new(dir.path()).expect("a watcher");
        std::fs::write(dir.path().join(".swap"), "x").expect("a file");
        std::fs::rename(dir.path().join(".swap"), dir.path().join("pipeline.hcl")).expect("a move");
        within(watcher.saved(|name| name.ends_with(".hcl"))).await;
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(Watcher::new(file.path()).is_err());
    }
}
