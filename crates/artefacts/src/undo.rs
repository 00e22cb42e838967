//! Removing what an archive that turned out bad has brought.
//!
//! The place may have changed since. So everything is reached by descriptors again, and removed only if it is still the
//! same file or directory that was made.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat, statat, unlinkat};

use crate::error::Cleanup;

/// A directory that was used, or a file that was made. The parent stands before it in the list.
#[derive(Debug)]
pub(crate) struct Node {
    /// The place of its directory in the list; nothing for the root.
    pub(crate) parent: Option<usize>,
    /// Its name in that directory.
    pub(crate) name: Box<str>,
    /// What was made; nothing for a directory that had been there.
    pub(crate) made: Option<Made>,
}

/// What tells a file or directory that was made from others of its name.
#[derive(Debug)]
pub(crate) struct Made {
    /// Device and number; nothing if it was gone before that could be asked.
    identity: Option<(u64, u64)>,
    is_directory: bool,
}

impl Made {
    pub(crate) fn directory(stat: Option<Stat>) -> Self {
        Self { identity: stat.as_ref().map(identity), is_directory: true }
    }

    pub(crate) fn file(stat: Option<Stat>) -> Self {
        Self { identity: stat.as_ref().map(identity), is_directory: false }
    }
}

impl Node {
    /// The names from the root to a node.
    fn names(nodes: &[Self], at: Option<usize>) -> Vec<&str> {
        let up = std::iter::successors(at.and_then(|at| nodes.get(at)), |node| {
            node.parent.and_then(|parent| nodes.get(parent))
        });
        let mut names: Vec<_> = up.map(|node| &*node.name).collect();
        names.reverse();
        names
    }

    /// Whether this is the path of a node.
    pub(crate) fn is_at(nodes: &[Self], at: usize, path: &str) -> bool {
        Self::names(nodes, Some(at)).into_iter().eq(path.split('/'))
    }
}

/// Removes what was made, the last first.
pub(crate) fn undo(root: &OwnedFd, nodes: &[Node]) -> Cleanup {
    let mut cleanup = Cleanup::default();
    // Siblings stand together mostly: the way to their directory is gone once.
    let mut last: Option<(Option<usize>, Option<OwnedFd>)> = None;
    for node in nodes.iter().rev() {
        let Some(made) = &node.made else { continue };
        let directory = match last.take() {
            Some((parent, directory)) if parent == node.parent => directory,
            _ => walk(root, &Node::names(nodes, node.parent)),
        };
        match directory.as_ref().map(|directory| remove(directory, &node.name, made)) {
            Some(true) => cleanup.removed += 1,
            Some(false) | None => cleanup.left += 1,
        }
        last = Some((node.parent, directory));
    }
    cleanup
}

fn walk(root: &OwnedFd, names: &[&str]) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let start = root.try_clone().ok()?;
    names.iter().try_fold(start, |directory, name| openat(directory, *name, flags, Mode::empty()).ok())
}

fn remove(directory: &OwnedFd, name: &str, made: &Made) -> bool {
    let there = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let is_ours = there.is_ok_and(|stat| Some(identity(&stat)) == made.identity);
    let flags = if made.is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    is_ours && unlinkat(directory, name, flags).is_ok()
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}
