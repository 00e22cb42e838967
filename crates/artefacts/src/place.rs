//! The place where an archive goes to: a directory of which nothing is believed but its own descriptor.
//!
//! Whoever shares it may lay links in it beforehand and swap directories for links at any moment. So each directory is
//! held by a descriptor that was opened from the one above by a single name and without following links; a name never has
//! a `/`, and is never `..`. A swap can then move what is written, but not let it leave.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat, statat};
use rustix::io::Errno;

use crate::error::{Cleanup, UnpackProblem};
use crate::path::SafePath;
use crate::read::Sink;
use crate::undo::{Made, Node};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where an archive goes to, and what of it has arrived.
pub(crate) struct Place {
    root: OwnedFd,
    /// The directories from the root down to where the next entry goes.
    levels: Vec<Level>,
    /// Every directory that was used and every file that was made, in that order.
    nodes: Vec<Node>,
    /// The file in turn, and whether it is to be executable.
    open: Option<(File, bool)>,
}

struct Level {
    directory: OwnedFd,
    name: String,
    node: usize,
}

impl Place {
    /// Opens the directory as it is: the path to it is the caller's.
    pub(crate) fn open(into: &Path) -> rustix::io::Result<Self> {
        let root = openat(CWD, into, DIRECTORY, Mode::empty())?;
        Ok(Self { root, levels: Vec::new(), nodes: Vec::new(), open: None })
    }

    /// Goes up to the directory of an entry, which is the last one or holds it.
    fn go_to_parent(&mut self, path: &SafePath) {
        let wanted = path.split().0.into_iter().flat_map(|parent| parent.split('/'));
        let depth = wanted.zip(&self.levels).take_while(|(segment, level)| *segment == level.name).count();
        self.levels.truncate(depth);
    }

    /// Makes a directory, or takes the one that is there, and goes into it.
    fn make_directory(&mut self, name: &str) -> Result<(), UnpackProblem> {
        let parent = self.here();
        let is_new = match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(UnpackProblem::Write(error.into())),
        };
        let opened = openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|error| in_the_way(parent, name, error));
        let node = self.nodes.len();
        let made =
            is_new.then(|| Made::directory(opened.as_ref().ok().and_then(|opened| fstat(opened).ok())));
        self.nodes.push(Node { parent: self.levels.last().map(|level| level.node), name: name.into(), made });
        let directory = opened?;
        self.levels.push(Level { directory, name: name.to_owned(), node });
        if is_new { set_mode(self.here(), true) } else { Ok(()) }
    }

    /// Makes a file that was not there. Its mode is set when it is complete.
    fn make_file(&mut self, name: &str) -> Result<File, UnpackProblem> {
        let parent = self.here();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| in_the_way(parent, name, error))?;
        let made = Some(Made::file(fstat(&file).ok()));
        self.nodes.push(Node { parent: self.levels.last().map(|level| level.node), name: name.into(), made });
        Ok(file.into())
    }

    /// Removes what was made, the last first. What others put in place of it stays.
    pub(crate) fn undo(self) -> Cleanup {
        crate::undo::undo(&self.root, &self.nodes)
    }

    fn here(&self) -> &OwnedFd {
        self.levels.last().map_or(&self.root, |level| &level.directory)
    }
}

impl Sink for Place {
    fn directory(&mut self, path: &SafePath) -> Result<(), UnpackProblem> {
        self.go_to_parent(path);
        self.make_directory(path.split().1)
    }

    fn file(&mut self, path: &SafePath, executable: bool, _: u64) -> Result<(), UnpackProblem> {
        self.go_to_parent(path);
        self.open = Some((self.make_file(path.split().1)?, executable));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), UnpackProblem> {
        let Some((file, _)) = &mut self.open else { return Ok(()) };
        file.write_all(bytes).map_err(UnpackProblem::Write)
    }

    fn end_of_file(&mut self) -> Result<(), UnpackProblem> {
        self.open.take().map_or(Ok(()), |(file, executable)| set_mode(&file, executable))
    }

    /// Takes as long as there are entries.
    fn has_had(&self, path: &SafePath) -> bool {
        (0..self.nodes.len()).any(|node| Node::is_at(&self.nodes, node, path.as_str()))
    }
}

/// 0755 or 0644, whatever the process would mask.
fn set_mode(of: &impl AsFd, executable: bool) -> Result<(), UnpackProblem> {
    let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
    fchmod(of, mode).map_err(|error| UnpackProblem::Write(error.into()))
}

/// Why something could not be made or entered: by what stands there, if anything does.
fn in_the_way(parent: &OwnedFd, name: &str, error: Errno) -> UnpackProblem {
    if !matches!(error, Errno::EXIST | Errno::LOOP | Errno::NOTDIR) {
        return UnpackProblem::Write(error.into());
    }
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => UnpackProblem::LinkInTheWay,
        _ => UnpackProblem::Exists,
    }
}
