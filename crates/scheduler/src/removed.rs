//! The ids that were removed, so that none of them is started again: for backends that cannot ask anybody else.
//!
//! An engine never starts an id again after removing it; this is the second line of defence, and bounded: at least the last
//! [`KEPT`] removed ids are remembered, over restarts too. The file is a line per id; when it is full it becomes the old one,
//! and the old one goes.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gofer_types::AttemptId;

/// How many ids are remembered at the least; at the most twice as many.
pub const KEPT: usize = 20_000;

/// The removed ids.
#[derive(Debug)]
pub struct Removed {
    path: PathBuf,
    file: File,
    young: HashSet<AttemptId>,
    old: HashSet<AttemptId>,
}

impl Removed {
    /// Opens the memory in a folder, which must exist.
    ///
    /// Errors: what the host says against reading or writing there.
    pub fn open(root: &Path) -> io::Result<Self> {
        let path = root.join(".removed");
        let (young, old) = (read(&path)?, read(&old_path(&path))?);
        Ok(Self { file: append_to(&path)?, path, young, old })
    }

    /// Whether an id was removed, as far as that is remembered.
    #[must_use]
    pub fn contains(&self, id: &AttemptId) -> bool {
        self.young.contains(id) || self.old.contains(id)
    }

    /// Remembers an id. If it cannot be written it is remembered all the same, until a restart.
    pub fn add(&mut self, id: &AttemptId) -> io::Result<()> {
        self.young.insert(id.clone());
        if self.young.len() > KEPT {
            fs::rename(&self.path, old_path(&self.path))?;
            self.file = append_to(&self.path)?;
            self.old = std::mem::replace(&mut self.young, HashSet::from([id.clone()]));
        }
        // The line end in front ends a line that was cut off when the disk was full.
        self.file.write_all(format!("\n{id}\n").as_bytes())
    }
}

fn old_path(path: &Path) -> PathBuf {
    path.with_extension("old")
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Lines that are no ids, such as one that was cut off by a crash, are passed over.
fn read(path: &Path) -> io::Result<HashSet<AttemptId>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| AttemptId::new(line).ok()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_so_many_are_remembered_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut removed = Removed::open(folder.path()).unwrap();
        let ids: Vec<AttemptId> = (0..3 * KEPT as u128).map(AttemptId::from_u128).collect();
        for id in &ids {
            removed.add(id).unwrap();
        }
        let removed = Removed::open(folder.path()).unwrap();
        assert!(ids[2 * KEPT..].iter().all(|id| removed.contains(id)));
        assert!(!removed.contains(&ids[0]));
        assert!(removed.young.len() + removed.old.len() <= 2 * KEPT + 1);
    }
}
