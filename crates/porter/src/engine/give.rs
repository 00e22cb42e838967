//! From our archives to one that an engine unpacks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};

use gofer_artefacts::{EntryKind, Limits, SafePath, Sink, UnpackProblem, read};
use gofer_backend::{BackendError, Result};
use gofer_scheduler::{HostErrors, not_laid};
use tar::{EntryType, Header};

use super::{Container, Standing, parents};
use crate::Incoming;

const BLOCK: usize = 512;
/// How many bytes of a name fit into a header.
const NAME: usize = 100;

/// Whose the files in a container are: the numbers of a user and of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// The user.
    pub user: u64,
    /// The group.
    pub group: u64,
}

impl Owner {
    /// The user of a task, if it is a number, and the group, as an engine reads both; else root, for the names of users are
    /// known to the image alone.
    #[must_use]
    pub fn of(user: &str) -> Self {
        let (user, group) = user.split_once(':').unwrap_or((user, ""));
        match user.parse() {
            Ok(user) => Self { user, group: group.parse().unwrap_or(0) },
            Err(_) => Self::default(),
        }
    }
}

/// Writes one tar for an engine into an empty file, with what the archives bring, in their order; each has the limits for
/// itself. The container is asked what is in the way; directories that it has are left as they are.
///
/// # Errors
/// As [`not_laid`] says. What was written is no archive then.
pub fn give(
    container: &mut dyn Container,
    archives: Vec<Incoming>,
    (limits, owner): (&Limits, Owner),
    (out, host): (&File, HostErrors),
) -> Result<()> {
    let (out, known, had) = (BufWriter::new(out), BTreeMap::new(), BTreeSet::new());
    let mut giving = Giving { container, out, owner, known, had, size: 0 };
    for mut archive in archives {
        giving.had.clear();
        let read = read(&mut archive, limits, &mut giving);
        read.map_err(|error| not_laid(&archive.name, error, host))?;
    }
    let end = giving.out.write_all(&[0; 2 * BLOCK]).and_then(|()| giving.out.flush());
    end.map_err(|source| BackendError::new(host(&source), "the files cannot be laid").source(source))
}

/// A path that an archive brought or that the container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    File,
    /// A directory of the container: what it holds has to be asked for.
    Theirs,
    /// A directory that an archive made: the container has nothing below it.
    Ours,
}

struct Giving<'a> {
    container: &'a mut dyn Container,
    out: BufWriter<&'a File>,
    owner: Owner,
    known: BTreeMap<SafePath, Known>,
    /// Of the archive in turn.
    had: BTreeSet<SafePath>,
    /// How large the file in turn is.
    size: u64,
}

impl Giving<'_> {
    /// What is at a path before this entry.
    fn standing(&mut self, path: &SafePath) -> std::result::Result<Option<Known>, UnpackProblem> {
        if let Some(known) = self.known.get(path) {
            return Ok(Some(*known));
        }
        let parent = parents(path).pop();
        if parent.is_some_and(|parent| self.known.get(&parent) == Some(&Known::Ours)) {
            return Ok(None);
        }
        match self.container.standing(path).map_err(UnpackProblem::Write)? {
            Standing::Nothing => Ok(None),
            Standing::Directory => Ok(Some(Known::Theirs)),
            Standing::Other(EntryKind::SymbolicLink) => Err(UnpackProblem::LinkInTheWay),
            Standing::File | Standing::Other(_) => Err(UnpackProblem::Exists),
        }
    }

    fn header(&mut self, path: &SafePath, kind: EntryType, (mode, size): (u32, u64)) -> io::Result<()> {
        let slash = if kind == EntryType::Directory { "/" } else { "" };
        let name = format!("{path}{slash}").into_bytes();
        if name.len() > NAME {
            let length = name.len() as u64 + 1;
            self.sealed(b"././@LongLink", EntryType::GNULongName, (0o644, length))?;
            self.out.write_all(&name)?;
            self.out.write_all(&[0])?;
            self.padding(length)?;
        }
        self.sealed(name.get(..NAME).unwrap_or(&name), kind, (mode, size))
    }

    fn sealed(&mut self, name: &[u8], kind: EntryType, (mode, size): (u32, u64)) -> io::Result<()> {
        let mut header = Header::new_gnu();
        for (to, from) in header.as_gnu_mut().into_iter().flat_map(|header| &mut header.name).zip(name) {
            *to = *from;
        }
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(self.owner.user);
        header.set_gid(self.owner.group);
        header.set_mtime(0);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn padding(&mut self, size: u64) -> io::Result<()> {
        let length = usize::try_from(size.wrapping_neg() % BLOCK as u64).unwrap_or(0);
        self.out.write_all([0; BLOCK].get(..length).unwrap_or_default())
    }
}

impl Sink for Giving<'_> {
    fn directory(&mut self, path: &SafePath) -> std::result::Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        let known = match self.standing(path)? {
            Some(Known::File) => return Err(UnpackProblem::Exists),
            Some(directory) => directory,
            None => {
                let written = self.header(path, EntryType::Directory, (0o755, 0));
                written.map_err(UnpackProblem::Write)?;
                Known::Ours
            }
        };
        self.known.insert(path.clone(), known);
        Ok(())
    }

    fn file(
        &mut self,
        path: &SafePath,
        executable: bool,
        size: u64,
    ) -> std::result::Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        if self.standing(path)?.is_some() {
            return Err(UnpackProblem::Exists);
        }
        self.known.insert(path.clone(), Known::File);
        self.size = size;
        let mode = if executable { 0o755 } else { 0o644 };
        self.header(path, EntryType::Regular, (mode, size)).map_err(UnpackProblem::Write)
    }

    fn content(&mut self, bytes: &[u8]) -> std::result::Result<(), UnpackProblem> {
        self.out.write_all(bytes).map_err(UnpackProblem::Write)
    }

    fn end_of_file(&mut self) -> std::result::Result<(), UnpackProblem> {
        self.padding(self.size).map_err(UnpackProblem::Write)
    }

    fn has_had(&self, path: &SafePath) -> bool {
        self.had.contains(path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use gofer_artefacts::{ArchiveWriter, check_path};
    use gofer_backend::ErrorKind;
    use gofer_scheduler::Archive;
    use tokio_util::sync::CancellationToken;

    use super::super::fake::FakeContainer;
    use super::super::spool;
    use super::*;

    /// An archive of these paths; those that end with a `/` are directories, the others hold their own path.
    fn archive(name: &str, paths: &[&str]) -> Archive {
        let (mut bytes, limits) = (Vec::new(), Limits::default());
        let mut writer = ArchiveWriter::new(&mut bytes, &limits);
        for path in paths {
            match path.strip_suffix('/') {
                Some(path) => writer.directory(&check_path(path).unwrap()).unwrap(),
                None => {
                    let size = path.len() as u64;
                    let checked = check_path(path).unwrap();
                    writer.file(&checked, path.contains("bin"), size, &mut path.as_bytes()).unwrap();
                }
            }
        }
        writer.end().unwrap();
        Archive { name: name.to_owned(), bytes: stream::iter([Ok(Bytes::from(bytes))]).boxed() }
    }

    /// The entries that an engine is given: name, mode, owner, content.
    type Given = Vec<(String, u32, u64, String)>;

    async fn given(container: FakeContainer, archives: Vec<Archive>) -> Result<(Given, Vec<String>)> {
        let cancel = CancellationToken::new();
        let archives: Vec<_> = archives.into_iter().map(|archive| Incoming::new(archive, &cancel)).collect();
        let give = move || {
            let mut container = container;
            let folder = tempfile::tempdir().unwrap();
            let file = spool(folder.path()).unwrap();
            let how = (&Limits::default(), Owner { user: 1000, group: 5 });
            give(&mut container, archives, how, (&file, |_| ErrorKind::Internal))?;
            let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
            file.read_exact_at(&mut bytes, 0).unwrap();
            let mut archive = tar::Archive::new(bytes.as_slice());
            let entries = archive.entries().unwrap().map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                let header = entry.header();
                let (mode, user) = (header.mode().unwrap(), header.uid().unwrap());
                assert_eq!(header.gid().unwrap(), 5);
                (String::from_utf8(entry.path_bytes().into_owned()).unwrap(), mode, user, content)
            });
            Ok((entries.collect(), container.asked))
        };
        tokio::task::spawn_blocking(give).await.unwrap()
    }

    #[tokio::test]
    async fn an_engine_is_given_what_is_new_and_asked_only_where_something_may_be() {
        let long = format!("new/{}", "a".repeat(150));
        let first = archive("first", &["new/", &long, "new/bin", "tmp/", "tmp/a", "tmp/b/", "tmp/b/c"]);
        let second = archive("second", &["new/", "new/other", "tmp/"]);
        let container = FakeContainer::with(&[("tmp", Standing::Directory)]);
        let (given, asked) = given(container, vec![first, second]).await.unwrap();
        let names: Vec<_> = given.iter().map(|(name, mode, user, _)| (name.as_str(), *mode, *user)).collect();
        let wanted = [
            ("new/", 0o755, 1000),
            (&long, 0o644, 1000),
            ("new/bin", 0o755, 1000),
            ("tmp/a", 0o644, 1000),
            ("tmp/b/", 0o755, 1000),
            ("tmp/b/c", 0o644, 1000),
            ("new/other", 0o644, 1000),
        ];
        assert_eq!(names, wanted);
        assert!(given.iter().all(|(name, _, _, content)| name.ends_with('/') || content == name));
        assert_eq!(asked, ["new", "tmp", "tmp/a", "tmp/b"]);
    }

    #[tokio::test]
    async fn whatever_is_in_the_way_is_refused_with_the_archive() {
        use Standing::{Directory, File, Other};
        let link = Other(EntryKind::SymbolicLink);
        for (standing, paths) in [
            (&[("a", File)][..], &["a"][..]),
            (&[("a", Directory)], &["a"]),
            (&[("a", File)], &["a/"]),
            (&[("a", link)], &["a/", "a/b"]),
            (&[("a", link)], &["a"]),
            (&[("a", Directory), ("a/b", Other(EntryKind::Fifo))], &["a/", "a/b"]),
        ] {
            let archives = vec![archive("good", &["good"]), archive("bad", paths)];
            let error = given(FakeContainer::with(standing), archives).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{standing:?}");
            assert!(error.to_string().contains("archive bad"), "{error}");
        }
        for second in [&["a/", "a/b"][..], &["a"]] {
            let archives = vec![archive("good", &["a/", "a/b"]), archive("bad", second)];
            let error = given(FakeContainer::default(), archives).await.unwrap_err();
            assert!(error.to_string().contains("archive bad"), "{error}");
        }
    }
}
