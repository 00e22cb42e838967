//! Archives as the suite makes and reads them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_artefacts::{ArchiveWriter, Limits, SafePath, Sink, UnpackProblem, check_path, read};
use gofer_backend::{BackendError, Result as Answer};

use crate::{Archive, FileStream};

/// In which pieces archives come: no part of one ends where a piece does.
const PIECE: usize = 1_000;

/// What stands at a path: nothing but a directory, or the content of a file and whether it may be run.
pub(crate) type Entry = Option<(Vec<u8>, bool)>;
/// What an archive holds.
pub(crate) type Entries = BTreeMap<String, Entry>;

/// A file that may not be run.
pub(crate) fn file(content: &str) -> Entry {
    Some((content.as_bytes().to_vec(), false))
}

/// A file that may be run.
pub(crate) fn program(content: &str) -> Entry {
    Some((content.as_bytes().to_vec(), true))
}

/// Entries by their paths; directories on the way are added.
pub(crate) fn entries(all: &[(&str, Entry)]) -> Entries {
    let mut entries = Entries::new();
    for (path, entry) in all {
        for (end, _) in path.match_indices('/') {
            entries.entry(path[..end].to_owned()).or_insert(None);
        }
        entries.insert((*path).to_owned(), entry.clone());
    }
    entries
}

/// The bytes of an archive with these entries.
pub(crate) fn bytes(entries: &Entries) -> Result<Vec<u8>, String> {
    let mut paths = BTreeMap::new();
    for (path, entry) in entries {
        paths.insert(check_path(path).map_err(|problem| format!("{path} {problem}"))?, entry);
    }
    let (mut bytes, limits) = (Vec::new(), Limits::default());
    let mut writer = ArchiveWriter::new(&mut bytes, &limits);
    for (path, entry) in &paths {
        let written = match entry {
            Some((content, executable)) => {
                writer.file(path, *executable, content.len() as u64, &mut &content[..]).map(drop)
            }
            None => writer.directory(path),
        };
        written.map_err(|error| error.to_string())?;
    }
    writer.end().map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// An archive of that name with these bytes, and then perhaps an error.
pub(crate) fn named(name: &str, bytes: &[u8], error: Option<BackendError>) -> Archive {
    let pieces: Vec<Answer<Bytes>> =
        bytes.chunks(PIECE).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Archive { name: name.to_owned(), bytes: stream::iter(pieces.into_iter().chain(error.map(Err))).boxed() }
}

/// The bytes of an archive whose only entry is a symbolic link.
pub(crate) fn link(path: &str, target: &str) -> Result<Vec<u8>, String> {
    let mut bytes = bytes(&entries(&[(path, file(""))]))?;
    let header = bytes.get_mut(..512).ok_or("an archive without a header")?;
    header[156] = b'2';
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(bytes)
}

/// All bytes of a stream.
pub(crate) async fn collect(stream: FileStream) -> Answer<Vec<u8>> {
    Ok(stream.try_collect::<Vec<Bytes>>().await?.concat())
}

/// What an archive holds that was taken.
pub(crate) fn held(archive: &[u8]) -> Result<Entries, String> {
    let mut reading = Reading::default();
    read(archive, &Limits::default(), &mut reading).map_err(|error| error.to_string())?;
    Ok(reading.entries)
}

#[derive(Default)]
struct Reading {
    entries: Entries,
    had: BTreeSet<SafePath>,
    open: Option<(String, Vec<u8>, bool)>,
}

impl Sink for Reading {
    fn directory(&mut self, path: &SafePath) -> Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        self.entries.insert(path.to_string(), None);
        Ok(())
    }

    fn file(&mut self, path: &SafePath, executable: bool, _: u64) -> Result<(), UnpackProblem> {
        self.had.insert(path.clone());
        self.open = Some((path.to_string(), Vec::new(), executable));
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), UnpackProblem> {
        if let Some((_, content, _)) = &mut self.open {
            content.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end_of_file(&mut self) -> Result<(), UnpackProblem> {
        if let Some((path, content, executable)) = self.open.take() {
            self.entries.insert(path, Some((content, executable)));
        }
        Ok(())
    }

    fn has_had(&self, path: &SafePath) -> bool {
        self.had.contains(path)
    }
}
