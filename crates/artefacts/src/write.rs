//! Writing: the bytes of an archive, entry by entry, wherever the entries come from.

use std::io::{self, BufWriter, Read, Write};

use gofer_types::ByteSize;

use crate::BUFFER;
use crate::error::{PackError, PackProblem};
use crate::header::{BLOCK, Kind, LARGEST, named, padding};
use crate::limits::Limits;
use crate::path::{SafePath, check};
use crate::shown::shown;

/// What an archive holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packed {
    /// Files and directories, those on the way to a declared path included.
    pub entries: u64,
    /// The bytes of all files.
    pub bytes: ByteSize,
}

/// Writes an archive of the dialect. The caller brings the entries in the order of their paths, and each directory before
/// what it holds. Blocks as `out` and the content of files do; holds 64 KiB of a file.
#[derive(Debug)]
pub struct ArchiveWriter<'a, W: Write> {
    out: BufWriter<W>,
    limits: &'a Limits,
    buffer: Vec<u8>,
    packed: Packed,
    /// How many bytes of the archive there are.
    length: u64,
    last: Option<SafePath>,
}

impl<'a, W: Write> ArchiveWriter<'a, W> {
    /// An archive without entries, until now.
    pub fn new(out: W, limits: &'a Limits) -> Self {
        let out = BufWriter::with_capacity(BUFFER, out);
        Self { out, limits, buffer: vec![0; BUFFER], packed: Packed::default(), length: 0, last: None }
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// It is out of order, is beyond the limits or cannot be written.
    pub fn directory(&mut self, path: &SafePath) -> Result<(), PackError> {
        self.header(Kind::Directory, path, 0).map_err(|error| problem(path.as_str(), error))
    }

    /// Adds a file with as many bytes of the content as its size says: not one more if it grew, and none invented if it
    /// shrank. Answers where in the archive its content begins.
    ///
    /// # Errors
    /// It is out of order, is beyond the limits, shrank, or cannot be read or written.
    pub fn file(
        &mut self,
        path: &SafePath,
        executable: bool,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<u64, PackError> {
        let mut add = || {
            let total = self.packed.bytes.get().saturating_add(size);
            for (bytes, limit) in [(total, self.limits.bytes), (size, ByteSize::from_bytes(LARGEST))] {
                if bytes > limit.get() {
                    return Err(PackProblem::TooManyBytes { limit });
                }
            }
            self.packed.bytes = ByteSize::from_bytes(total);
            self.header(Kind::File { executable }, path, size)?;
            let place = self.length;
            self.content(content, size)?;
            Ok(place)
        };
        add().map_err(|error| problem(path.as_str(), error))
    }

    /// Hands on what is held of the archive.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> Result<(), PackError> {
        self.out.flush().map_err(|error| problem("the archive", PackProblem::Write(error)))
    }

    /// Ends the archive. Without it, what was written is none.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(mut self) -> Result<Packed, PackError> {
        let end = self.out.write_all(&[0; 2 * BLOCK]).and_then(|()| self.out.flush());
        end.map_err(|error| problem("the end", PackProblem::Write(error)))?;
        Ok(self.packed)
    }

    fn content(&mut self, content: &mut dyn Read, size: u64) -> Result<(), PackProblem> {
        let mut left = size;
        while left > 0 {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let part = self.buffer.get_mut(..room).unwrap_or_default();
            match content.read(part) {
                Ok(0) => return Err(PackProblem::Changed),
                Ok(length) => {
                    let read = part.get(..length).unwrap_or_default();
                    self.out.write_all(read).map_err(PackProblem::Write)?;
                    self.length += length as u64;
                    left -= length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PackProblem::Read(error)),
            }
        }
        self.zeros(padding(size))
    }

    fn header(&mut self, kind: Kind, path: &SafePath, size: u64) -> Result<(), PackProblem> {
        if self.last.as_ref().is_some_and(|last| last >= path) {
            return Err(PackProblem::OutOfOrder);
        }
        check(path.as_str().as_bytes(), self.limits).map_err(PackProblem::Path)?;
        self.last = Some(path.clone());
        self.packed.entries += 1;
        let limit = self.limits.entries;
        if self.packed.entries > limit {
            return Err(PackProblem::TooManyEntries { limit });
        }
        let slash = if kind == Kind::Directory { "/" } else { "" };
        let name = format!("{path}{slash}").into_bytes();
        self.write(&named(kind, &name, size))
    }

    fn zeros(&mut self, length: usize) -> Result<(), PackProblem> {
        const ZEROS: [u8; BLOCK] = [0; BLOCK];
        self.write(ZEROS.get(..length).unwrap_or(&ZEROS))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PackProblem> {
        self.length += bytes.len() as u64;
        self.out.write_all(bytes).map_err(PackProblem::Write)
    }
}

pub(crate) fn problem(path: &str, problem: PackProblem) -> PackError {
    PackError { path: shown(path.as_bytes()), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::check_path;

    #[test]
    fn the_place_of_a_content_is_told() {
        let (mut archive, limits) = (Vec::new(), Limits::default());
        let long = format!("{}/{}", "a".repeat(90), "b".repeat(90));
        let mut writer = ArchiveWriter::new(&mut archive, &limits);
        writer.directory(&check_path(&"a".repeat(90)).unwrap()).unwrap();
        let first =
            writer.file(&check_path(&long).unwrap(), false, 700, &mut [b'x'; 700].as_slice()).unwrap();
        let second = writer.file(&check_path("c").unwrap(), true, 3, &mut &b"yyy"[..]).unwrap();
        writer.end().unwrap();
        let at = |place: u64, length: usize| &archive[place as usize..][..length];
        assert_eq!((at(first, 700), at(second, 3)), (&[b'x'; 700][..], &b"yyy"[..]));
    }

    #[test]
    fn an_entry_out_of_order_is_refused_by_name() {
        let limits = Limits::default();
        let mut writer = ArchiveWriter::new(Vec::new(), &limits);
        let [a, b] = ["a/b", "a"].map(|path| check_path(path).unwrap());
        writer.file(&a, false, 1, &mut &b"x"[..]).unwrap();
        for path in [a, b] {
            let error = writer.directory(&path).unwrap_err();
            assert!(matches!(error.problem, PackProblem::OutOfOrder) && error.path == path.as_str());
        }
    }
}
