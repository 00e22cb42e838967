//! Reading: from the bytes of a stranger to entries that can be believed, wherever they go.

use std::io::{self, BufReader, Read};

use gofer_types::ByteSize;

use crate::BUFFER;
use crate::error::{Cleanup, HeaderProblem, UnpackError, UnpackProblem};
use crate::header::{BLOCK, Header, Kind, LARGEST, LONG_NAME, NAME_BYTES, padding, zero};
use crate::limits::Limits;
use crate::path::{PathProblem, SafePath, check, without_slash};
use crate::shown::shown;

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpacked {
    /// Files and directories, directories that were there included.
    pub entries: u64,
    /// The bytes of all files.
    pub bytes: ByteSize,
}

/// Where the entries of an archive go. They come as the dialect has them: in order, each path once, a directory before what it
/// holds, within the limits. A problem ends the reading.
pub trait Sink {
    /// A directory.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn directory(&mut self, path: &SafePath) -> Result<(), UnpackProblem>;

    /// A file. Its content follows, in pieces.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn file(&mut self, path: &SafePath, executable: bool, size: u64) -> Result<(), UnpackProblem>;

    /// A piece of the file in turn.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn content(&mut self, bytes: &[u8]) -> Result<(), UnpackProblem>;

    /// The file in turn has all its bytes.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn end_of_file(&mut self) -> Result<(), UnpackProblem>;

    /// Whether this path has come already; asked only to name what is wrong.
    fn has_had(&self, path: &SafePath) -> bool;
}

/// Reads an archive of [`crate::pack`] into a sink. It is read to its end, and nothing but zeros may follow. Blocks as the
/// archive and the sink do; holds 64 KiB of the archive.
///
/// # Errors
/// Anything but the dialect, more than `limits` allow, what reading tells, and what the sink tells. What the sink has taken
/// before is its own business; the cleanup of the error is empty.
pub fn read(archive: impl Read, limits: &Limits, sink: &mut dyn Sink) -> Result<Unpacked, UnpackError> {
    let mut reading = Reading {
        archive: BufReader::with_capacity(BUFFER, archive),
        sink,
        limits,
        buffer: vec![0; BUFFER],
        unpacked: Unpacked::default(),
        number: 0,
        entry: None,
        last: None,
        parents: Vec::new(),
    };
    match reading.all() {
        Ok(()) => Ok(reading.unpacked),
        Err(problem) => Err(UnpackError {
            number: reading.number,
            entry: reading.entry,
            problem,
            cleanup: Cleanup::default(),
        }),
    }
}

struct Reading<'a, R> {
    archive: BufReader<R>,
    sink: &'a mut dyn Sink,
    limits: &'a Limits,
    buffer: Vec<u8>,
    unpacked: Unpacked,
    /// Which header this is, for errors.
    number: u64,
    /// The name in turn, for errors.
    entry: Option<String>,
    last: Option<SafePath>,
    /// The directories that the next entry may stand in, from the root down.
    parents: Vec<String>,
}

impl<R: Read> Reading<'_, R> {
    fn all(&mut self) -> Result<(), UnpackProblem> {
        while let Some(header) = self.header()? {
            header.check().map_err(UnpackProblem::Header)?;
            let name = header.name();
            self.entry = Some(shown(&name));
            let (kind, size) = content(&header)?;
            if kind == Kind::LongName {
                self.long(&name, size)?;
            } else {
                self.one(&name, kind, size)?;
            }
        }
        self.end()
    }

    /// The next header; nothing at the end.
    fn header(&mut self) -> Result<Option<Header>, UnpackProblem> {
        self.number += 1;
        self.entry = None;
        let mut header = Header([0; BLOCK]);
        self.archive.read_exact(&mut header.0).map_err(reading)?;
        Ok(if header.is_zero() { None } else { Some(header) })
    }

    /// A long name, and the entry that has to follow it.
    fn long(&mut self, name: &[u8], size: u64) -> Result<(), UnpackProblem> {
        const MISUSED: UnpackProblem = UnpackProblem::Header(HeaderProblem::LongName);
        // The NUL behind it, and the `/` of a directory.
        let most = self.limits.path_bytes.saturating_add(2);
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if name != LONG_NAME || length <= NAME_BYTES + 1 {
            return Err(MISUSED);
        }
        if length > most {
            return Err(UnpackProblem::Path(PathProblem::TooLong { limit: self.limits.path_bytes }));
        }
        let mut long = vec![0; length];
        self.archive.read_exact(&mut long).map_err(reading)?;
        self.padding(size)?;
        if long.pop() != Some(0) {
            return Err(MISUSED);
        }
        let header = self.header()?.ok_or(MISUSED)?;
        self.entry = Some(shown(&long));
        header.check().map_err(UnpackProblem::Header)?;
        let (kind, size) = content(&header)?;
        // What a reader that knows no long names would take it for has to be the same, cut off.
        if kind == Kind::LongName || Some(header.name().as_slice()) != long.get(..NAME_BYTES) {
            return Err(MISUSED);
        }
        self.one(&long, kind, size)
    }

    fn one(&mut self, name: &[u8], kind: Kind, size: u64) -> Result<(), UnpackProblem> {
        let name = if kind == Kind::Directory { without_slash(name) } else { name };
        let path = check(name, self.limits).map_err(UnpackProblem::Path)?;
        self.find_parent(&path)?;
        self.count(size)?;
        if let Kind::File { executable } = kind {
            self.sink.file(&path, executable, size)?;
            self.copy(size)?;
            self.sink.end_of_file()?;
            self.padding(size)?;
        } else {
            self.sink.directory(&path)?;
            self.parents.push(path.split().1.to_owned());
        }
        self.last = Some(path);
        Ok(())
    }

    /// Goes up to the directory of an entry, if it is that entry's turn.
    fn find_parent(&mut self, path: &SafePath) -> Result<(), UnpackProblem> {
        if self.last.as_ref().is_some_and(|last| last >= path) {
            let twice = self.sink.has_had(path);
            return Err(if twice { UnpackProblem::Duplicate } else { UnpackProblem::OutOfOrder });
        }
        let mut depth = 0;
        for segment in path.split().0.into_iter().flat_map(|parent| parent.split('/')) {
            if self.parents.get(depth).is_none_or(|parent| parent != segment) {
                return Err(UnpackProblem::NoParent);
            }
            depth += 1;
        }
        self.parents.truncate(depth);
        Ok(())
    }

    /// Refuses by what is claimed, before anything is read or made.
    fn count(&mut self, size: u64) -> Result<(), UnpackProblem> {
        let limit = self.limits.entries;
        if self.unpacked.entries >= limit {
            return Err(UnpackProblem::TooManyEntries { limit });
        }
        let bytes = self.unpacked.bytes.get().saturating_add(size);
        for (bytes, limit) in [(bytes, self.limits.bytes), (size, ByteSize::from_bytes(LARGEST))] {
            if bytes > limit.get() {
                return Err(UnpackProblem::TooManyBytes { limit });
            }
        }
        self.unpacked = Unpacked { entries: self.unpacked.entries + 1, bytes: ByteSize::from_bytes(bytes) };
        Ok(())
    }

    fn copy(&mut self, size: u64) -> Result<(), UnpackProblem> {
        let mut left = size;
        while left > 0 {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let part = self.buffer.get_mut(..room).unwrap_or_default();
            self.archive.read_exact(part).map_err(reading)?;
            self.sink.content(part)?;
            left -= room as u64;
        }
        Ok(())
    }

    fn padding(&mut self, size: u64) -> Result<(), UnpackProblem> {
        let mut block = [0; BLOCK];
        let behind = block.get_mut(..padding(size)).unwrap_or_default();
        self.archive.read_exact(behind).map_err(reading)?;
        zero(behind).map_err(UnpackProblem::Header)
    }

    /// Behind the first block of zeros: a second one, and perhaps more to fill what tapes are written in.
    fn end(&mut self) -> Result<(), UnpackProblem> {
        let mut block = [0; BLOCK];
        self.archive.read_exact(&mut block).map_err(reading)?;
        let mut rest = (&mut self.archive).take(BUFFER as u64 + 1);
        let mut length = 0;
        while zero(&block).is_ok() {
            match rest.read(&mut block) {
                Ok(0) if length <= BUFFER => return Ok(()),
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackProblem::Read(error)),
            }
        }
        Err(UnpackProblem::Trailing)
    }
}

/// What a header says, by its letter and its numbers.
fn content(header: &Header) -> Result<(Kind, u64), UnpackProblem> {
    let kind = header.kind().map_err(UnpackProblem::Kind)?;
    header.content(kind).map_err(UnpackProblem::Header)
}

fn reading(error: io::Error) -> UnpackProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => UnpackProblem::Truncated,
        _ => UnpackProblem::Read(error),
    }
}
