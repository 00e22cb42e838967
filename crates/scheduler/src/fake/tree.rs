//! A work directory of the fake, in memory: what an archive brings into it, and what is packed of it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};
use gofer_artefacts::{
    ArchiveWriter, EntryKind, Limits, PackError, PackProblem, SafePath, Sink, UnpackError, UnpackProblem,
    check_path, pack_names, read,
};

/// What stands at a path of a work directory of the fake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FakeFile {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// What it holds.
        content: Bytes,
        /// Whether it may be run.
        executable: bool,
    },
    /// A symbolic link to this target.
    Link(String),
}

impl FakeFile {
    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::File { executable: false, .. } => "file",
            Self::File { executable: true, .. } => "program",
            Self::Link(_) => "link",
        }
    }
}

/// A work directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<SafePath, FakeFile>);

impl Tree {
    pub(crate) fn get(&self, path: &SafePath) -> Option<&FakeFile> {
        self.0.get(path)
    }

    /// Puts something at a path, in place of what is there, and makes the directories on the way.
    pub(crate) fn put(&mut self, path: SafePath, file: FakeFile) {
        for parent in parents(&path) {
            self.0.entry(parent).or_insert(FakeFile::Directory);
        }
        self.0.insert(path, file);
    }

    /// Everything, by its path.
    pub(crate) fn all(&self) -> BTreeMap<String, FakeFile> {
        self.0.iter().map(|(path, file)| (path.to_string(), file.clone())).collect()
    }

    /// Changes everything.
    #[cfg(feature = "conformance")]
    pub(crate) fn each(&mut self, change: impl FnMut(&mut FakeFile)) {
        self.0.values_mut().for_each(change);
    }

    /// Adds what another has and this has not.
    #[cfg(feature = "conformance")]
    pub(crate) fn add(&mut self, other: &Self) {
        for (path, file) in &other.0 {
            self.0.entry(path.clone()).or_insert_with(|| file.clone());
        }
    }

    /// One with nothing but this directory.
    #[cfg(feature = "conformance")]
    pub(crate) fn with_directory(path: &str) -> Self {
        Self(check_path(path).into_iter().map(|path| (path, FakeFile::Directory)).collect())
    }

    /// Adds what an archive holds. On an error, some of it.
    pub(crate) fn unpack(&mut self, archive: &[u8], limits: &Limits) -> Result<(), UnpackError> {
        read(archive, limits, &mut Unpacking { tree: self, had: BTreeSet::new(), open: None }).map(drop)
    }

    /// The archive of these paths.
    pub(crate) fn pack(&self, paths: &[String], limits: &Limits) -> Result<Vec<u8>, PackError> {
        let mut wanted = BTreeSet::new();
        for name in pack_names(paths, limits)? {
            for parent in parents(&name) {
                match self.get(&parent) {
                    Some(FakeFile::Directory) => wanted.insert(parent),
                    Some(FakeFile::Link(_)) => return Err(problem(&parent, link())),
                    Some(FakeFile::File { .. }) | None => return Err(problem(&name, PackProblem::NotThere)),
                };
            }
            if self.get(&name).is_none() {
                return Err(problem(&name, PackProblem::NotThere));
            }
            wanted.extend(self.0.keys().filter(|path| is_within(path, &name)).cloned());
        }
        let mut archive = Vec::new();
        let mut writer = ArchiveWriter::new(&mut archive, limits);
        for path in wanted {
            match self.get(&path) {
                Some(FakeFile::File { content, executable }) => {
                    writer.file(&path, *executable, content.len() as u64, &mut &content[..])?;
                }
                Some(FakeFile::Link(_)) => return Err(problem(&path, link())),
                Some(FakeFile::Directory) | None => writer.directory(&path)?,
            }
        }
        writer.end()?;
        Ok(archive)
    }
}

fn link() -> PackProblem {
    PackProblem::Kind(EntryKind::SymbolicLink)
}

fn problem(path: &SafePath, problem: PackProblem) -> PackError {
    PackError { path: path.to_string(), problem }
}

fn is_within(path: &SafePath, of: &SafePath) -> bool {
    let rest = path.as_str().strip_prefix(of.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The directories that hold a path, from the top.
fn parents(path: &SafePath) -> Vec<SafePath> {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(end, _)| end);
    ends.filter_map(|end| check_path(text.get(..end)?).ok()).collect()
}

/// An archive on its way into a tree.
struct Unpacking<'a> {
    tree: &'a mut Tree,
    had: BTreeSet<SafePath>,
    open: Option<(SafePath, bool, BytesMut)>,
}

impl Sink for Unpacking<'_> {
    fn directory(&mut self, path: &SafePath) -> Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        match self.tree.0.entry(path.clone()).or_insert(FakeFile::Directory) {
            FakeFile::Directory => Ok(()),
            FakeFile::File { .. } | FakeFile::Link(_) => Err(UnpackProblem::Exists),
        }
    }

    fn file(&mut self, path: &SafePath, executable: bool, _: u64) -> Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        if self.tree.get(path).is_some() {
            return Err(UnpackProblem::Exists);
        }
        self.open = Some((path.clone(), executable, BytesMut::new()));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), UnpackProblem> {
        if let Some((_, _, content)) = &mut self.open {
            content.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end_of_file(&mut self) -> Result<(), UnpackProblem> {
        if let Some((path, executable, content)) = self.open.take() {
            self.tree.0.insert(path, FakeFile::File { content: content.freeze(), executable });
        }
        Ok(())
    }

    fn has_had(&self, path: &SafePath) -> bool {
        self.had.contains(path)
    }
}
