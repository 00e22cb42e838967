//! A directory for one test, which goes away with everything that still runs in it.
//!
//! A failed test keeps its world and prints where it is; `GOFER_KEEP_WORLDS=1` keeps all of them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{disk, sweep};

/// The variable that keeps worlds of tests that passed.
pub const KEEP: &str = "GOFER_KEEP_WORLDS";

/// A temporary directory that outlives a failure.
///
/// When it is dropped, processes whose command line or working directory lies in it are killed first: tasks outlive a
/// server, and must not outlive the test. What is mounted in it is unmounted.
#[derive(Debug)]
pub struct World {
    dir: Option<TempDir>,
    path: PathBuf,
}

impl World {
    /// An empty directory whose path appears nowhere else.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::beneath(&std::env::temp_dir())
    }

    /// The same in a directory of the caller's choice, such as one in memory.
    ///
    /// # Panics
    /// If the directory cannot be made.
    #[must_use]
    pub fn beneath(above: &Path) -> Self {
        let dir =
            tempfile::Builder::new().prefix("gofer-test-").tempdir_in(above).expect("a temporary directory");
        let path = dir.path().canonicalize().expect("the path of a directory that was just made");
        Self { dir: Some(dir), path }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in this world; nothing is made.
    #[must_use]
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path.join(path)
    }

    /// Writes a file, with the directories above it.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        if let Some(above) = path.parent() {
            std::fs::create_dir_all(above).expect("a directory in the world");
        }
        std::fs::write(&path, content).expect("a file in the world");
        path
    }

    /// The text of a file.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The processes that run now and whose command line or working directory lies in this world.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        sweep::found_in(&self.path)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let killed = sweep::processes_in(&self.path);
        disk::unmount_below(&self.path);
        let keep = std::thread::panicking() || std::env::var_os(KEEP).is_some();
        if keep && let Some(dir) = self.dir.take() {
            eprintln!("the world of this test is kept: {} ({killed} processes ended)", dir.keep().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_goes_away_with_its_files() {
        let world = World::new();
        let file = world.write("a/b.txt", "text");
        assert_eq!(world.read("a/b.txt"), "text");
        drop(world);
        assert!(!file.try_exists().unwrap());
    }

    #[test]
    fn the_world_of_a_failed_test_is_kept() {
        let path = std::thread::scope(|scope| {
            let failing = scope.spawn(|| {
                let world = World::new();
                let path = world.write("evidence", "");
                std::panic::resume_unwind(Box::new(path));
            });
            *failing.join().unwrap_err().downcast::<PathBuf>().unwrap()
        });
        assert!(path.try_exists().unwrap());
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
