//! From what an engine packs to our archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use gofer_artefacts::{
    ArchiveWriter, EntryKind, Limits, PackError, PackProblem, SafePath, check, pack_names,
};
use gofer_backend::Result;
use gofer_scheduler::{HostErrors, not_taken};
use tar::EntryType;

use super::{Container, Standing, parents};

/// Writes our archive of these paths of a container into an empty file: as [`gofer_artefacts::pack`] would of a directory of this host. What
/// stands on the way is asked first, so that nothing is reached by way of a link.
///
/// # Errors
/// As [`not_taken`] says. What was written is no archive then.
pub fn receive(
    container: &mut dyn Container,
    paths: &[String],
    limits: &Limits,
    (out, host): (&File, HostErrors),
) -> Result<()> {
    let received = pack_names(paths, limits).and_then(|names| {
        look(container, &names)?;
        let writer = ArchiveWriter::new(out, limits);
        let (made, files) = (BTreeSet::new(), BTreeMap::new());
        Receiving { container, limits, out, writer, made, files }.all(&names)
    });
    received.map_err(|error| not_taken(error, host))
}

/// Whether all names are there, each behind directories alone.
fn look(container: &mut dyn Container, names: &[SafePath]) -> std::result::Result<(), PackError> {
    let mut seen = BTreeMap::new();
    for name in names {
        let mut way = parents(name);
        way.push(name.clone());
        for path in way {
            let standing = match seen.get(&path) {
                Some(standing) => *standing,
                None => {
                    container.standing(&path).map_err(|error| problem(&path, PackProblem::Read(error)))?
                }
            };
            seen.insert(path.clone(), standing);
            match standing {
                Standing::Directory => {}
                Standing::File if path == *name => {}
                Standing::File | Standing::Nothing => return Err(problem(name, PackProblem::NotThere)),
                Standing::Other(kind) => return Err(problem(&path, PackProblem::Kind(kind))),
            }
        }
    }
    Ok(())
}

fn problem(path: &SafePath, problem: PackProblem) -> PackError {
    PackError { path: path.to_string(), problem }
}

/// Where a file that was written stands in the archive.
#[derive(Debug, Clone, Copy)]
struct Written {
    place: u64,
    size: u64,
    executable: bool,
}

struct Receiving<'a> {
    container: &'a mut dyn Container,
    limits: &'a Limits,
    out: &'a File,
    writer: ArchiveWriter<'a, &'a File>,
    /// The directories on the way that stand in the archive.
    made: BTreeSet<SafePath>,
    /// The files of the name in turn, as another name of the same file points to one of them.
    files: BTreeMap<SafePath, Written>,
}

impl Receiving<'_> {
    fn all(mut self, names: &[SafePath]) -> std::result::Result<(), PackError> {
        let mut whole: Option<&SafePath> = None;
        for name in names {
            // Names are sorted: what holds this one came before, with all that it holds.
            if whole.is_some_and(|whole| is_below(name, whole)) {
                continue;
            }
            whole = Some(name);
            for parent in parents(name) {
                if self.made.insert(parent.clone()) {
                    self.writer.directory(&parent)?;
                }
            }
            self.one(name)?;
        }
        self.writer.end().map(drop)
    }

    /// A name with all that it holds.
    fn one(&mut self, name: &SafePath) -> std::result::Result<(), PackError> {
        let failed = |error| problem(name, PackProblem::Read(error));
        self.files.clear();
        let mut archive = tar::Archive::new(self.container.archive(name).map_err(failed)?);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = self.path_of(name, &entry.path_bytes())?;
            self.entry(name, &path, &mut entry)?;
        }
        Ok(())
    }

    /// The path of something that the engine calls after the last segment of the name that was asked for.
    fn path_of(&self, name: &SafePath, told: &[u8]) -> std::result::Result<SafePath, PackError> {
        let told = told.strip_suffix(b"/").unwrap_or(told);
        let last = name.segments().last().unwrap_or_default().as_bytes();
        let path = match told.strip_prefix(last) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                [name.as_str().as_bytes(), rest].concat()
            }
            _ => return Err(problem(name, PackProblem::Changed)),
        };
        check(&path, self.limits)
            .map_err(|fault| PackError { path: shown(&path), problem: PackProblem::Path(fault) })
    }

    fn entry(
        &mut self,
        name: &SafePath,
        path: &SafePath,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> std::result::Result<(), PackError> {
        match entry.header().entry_type() {
            EntryType::Directory => self.writer.directory(path),
            EntryType::Regular | EntryType::Continuous => {
                let mode = entry.header().mode().map_err(|error| problem(path, PackProblem::Read(error)))?;
                let (executable, size) = (mode & 0o100 != 0, entry.size());
                let place = self.writer.file(path, executable, size, entry)?;
                self.files.insert(path.clone(), Written { place, size, executable });
                Ok(())
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = self.path_of(name, &target)?;
                self.again(path, &target)
            }
            other => Err(problem(path, PackProblem::Kind(kind(other)))),
        }
    }

    /// Another name of a file that was written becomes a file of its own, as in a directory of this host.
    fn again(&mut self, path: &SafePath, target: &SafePath) -> std::result::Result<(), PackError> {
        let Some(Written { place, size, executable }) = self.files.get(target).copied() else {
            return Err(problem(path, PackProblem::Kind(EntryKind::HardLink)));
        };
        self.writer.flush()?;
        let mut content = Part { file: self.out, place, left: size };
        let place = self.writer.file(path, executable, size, &mut content)?;
        self.files.insert(path.clone(), Written { place, size, executable });
        Ok(())
    }
}

/// A part of a file, which another writes at its end meanwhile.
struct Part<'a> {
    file: &'a File,
    place: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.place)?;
        self.place += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

fn kind(kind: EntryType) -> EntryKind {
    match kind {
        EntryType::Symlink => EntryKind::SymbolicLink,
        EntryType::Char | EntryType::Block => EntryKind::Device,
        EntryType::Fifo => EntryKind::Fifo,
        EntryType::GNUSparse => EntryKind::Sparse,
        other => EntryKind::Other(other.as_byte()),
    }
}

/// A name that may be no text, for an error: as `gofer-artefacts` would, it neither moves a cursor nor fills a log.
fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

fn is_below(path: &SafePath, of: &SafePath) -> bool {
    path.as_str().strip_prefix(of.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use gofer_artefacts::unpack;
    use gofer_backend::ErrorKind;
    use gofer_types::ByteSize;
    use tar::{Builder, Header};
    use tempfile::TempDir;

    use super::super::fake::FakeContainer;
    use super::super::spool;
    use super::*;

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o4751);
        header.set_size(size);
        header.set_uid(1000);
        header.set_mtime(1_700_000_000);
        header
    }

    /// What an engine sends: entries with their kind, and their content or where they point to.
    fn engine(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        for (name, kind, text) in entries {
            archive.append_pax_extensions([("mtime", b"1700000000.5".as_slice())]).unwrap();
            match kind {
                Link | Symlink => {
                    archive.append_link(&mut header(*kind, 0), name, text).unwrap();
                }
                _ => {
                    archive
                        .append_data(&mut header(*kind, text.len() as u64), name, text.as_bytes())
                        .unwrap();
                }
            }
        }
        archive.into_inner().unwrap()
    }

    fn taken(container: &mut FakeContainer, paths: &[&str], limits: Limits) -> Result<TempDir> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = spool(folder.path()).unwrap();
        receive(container, &paths, &limits, (&file, |_| ErrorKind::Internal))?;
        let mut archive = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut archive, 0).unwrap();
        unpack(archive.as_slice(), folder.path(), &limits).unwrap();
        Ok(folder)
    }

    use EntryType::{Char, Directory, Fifo, Link, Regular, Symlink};

    fn dist(entries: &[(&str, EntryType, &str)]) -> FakeContainer {
        let mut container =
            FakeContainer::with(&[("out", Standing::Directory), ("out/dist", Standing::Directory)]);
        container.archives.insert("out/dist".to_owned(), engine(entries));
        container
    }

    #[test]
    fn what_an_engine_packs_arrives_in_our_dialect() {
        let long = format!("dist/{}/{}", "a".repeat(120), "b".repeat(120));
        let mut container = dist(&[
            ("dist/", Directory, ""),
            (&long[..125], Directory, ""),
            (&long, Regular, "long"),
            ("dist/b", Regular, "beta"),
        ]);
        let folder = taken(&mut container, &["out/dist"], Limits::default()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("out").join(&long)).unwrap(), "long");
        let b = folder.path().join("out/dist/b");
        assert_eq!(fs::metadata(&b).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(fs::read_to_string(b).unwrap(), "beta");
    }

    #[test]
    fn another_name_of_a_file_is_a_file_of_its_own() {
        let mut container = dist(&[
            ("dist/", Directory, ""),
            ("dist/a", Regular, "alpha"),
            ("dist/b", Link, "dist/a"),
            ("dist/c", Link, "dist/b"),
        ]);
        let folder = taken(&mut container, &["out/dist"], Limits::default()).unwrap();
        for name in ["a", "b", "c"] {
            let path = folder.path().join("out/dist").join(name);
            assert_eq!(fs::read_to_string(path).unwrap(), "alpha", "{name}");
        }
        let mut foreign = dist(&[("dist/", Directory, ""), ("dist/b", Link, "dist/gone")]);
        let error = taken(&mut foreign, &["out/dist"], Limits::default()).unwrap_err();
        assert_eq!(error.message(), "out/dist/b is a hard link; only files and directories are packed");
    }

    #[test]
    fn every_other_kind_is_refused_by_name() {
        for (kind, word) in [(Symlink, "a symbolic link"), (Fifo, "a named pipe"), (Char, "a device")] {
            let mut container = dist(&[("dist/", Directory, ""), ("dist/x", kind, "a")]);
            let error = taken(&mut container, &["out/dist"], Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().starts_with(&format!("out/dist/x is {word}")), "{error}");
        }
    }

    #[test]
    fn what_is_on_the_way_is_asked_for_first() {
        let standing = [
            ("a", Standing::Directory),
            ("a/file", Standing::File),
            ("link", Standing::Other(EntryKind::SymbolicLink)),
        ];
        for (paths, refusal) in [
            (["a/file/b"], "a/file/b is not there"),
            (["a/gone"], "a/gone is not there"),
            (["link/b"], "link is a symbolic link; only files and directories are packed"),
            (["link"], "link is a symbolic link; only files and directories are packed"),
        ] {
            let mut container = FakeContainer::with(&standing);
            let error = taken(&mut container, &paths, Limits::default()).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, refusal));
        }
    }

    #[test]
    fn a_name_within_another_comes_once() {
        let mut container =
            dist(&[("dist/", Directory, ""), ("dist/a", Regular, "alpha"), ("dist/b", Regular, "beta")]);
        container.standing.insert("out/dist/a".to_owned(), Standing::File);
        taken(&mut container, &["out/dist/a", "out/dist"], Limits::default()).unwrap();
    }

    #[test]
    fn limits_hold_while_it_is_read() {
        let entries = [("dist/", Directory, ""), ("dist/a", Regular, "alpha")];
        let few = Limits { entries: 2, ..Limits::default() };
        let small = Limits { bytes: ByteSize::from_bytes(4), ..Limits::default() };
        let shallow = Limits { depth: 2, ..Limits::default() };
        for limits in [few, small, shallow] {
            let error = taken(&mut dist(&entries), &["out/dist"], limits).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("out/dist/a"), "{error}");
        }
    }

    #[test]
    fn an_engine_that_answers_something_else_is_not_believed() {
        for entries in [
            &[("other/", Directory, "")][..],
            &[("dist/", Directory, ""), ("dist/b", Regular, ""), ("dist/a", Regular, "")],
            &[("dist/", Directory, ""), ("distant", Regular, "")],
        ] {
            let error = taken(&mut dist(entries), &["out/dist"], Limits::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }
}
