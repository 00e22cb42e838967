//! Why an artefact was not packed or not unpacked. Every error names the path or the entry.

use std::fmt;
use std::io;

use gofer_types::ByteSize;

use crate::path::PathProblem;

/// Why an artefact was not packed. What was written is no archive: throw it away.
#[derive(Debug, thiserror::Error)]
#[error("{path} {problem}")]
pub struct PackError {
    /// The path, relative to the work directory, fit to be shown.
    pub path: String,
    /// What is wrong with it.
    pub problem: PackProblem,
}

/// What is wrong with a path that was to be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackProblem {
    /// It was declared, and nothing is there.
    #[error("is not there")]
    NotThere,
    /// No path was declared at all.
    #[error("has no paths to pack")]
    NoPaths,
    /// It cannot be called so.
    #[error("{0}")]
    Path(PathProblem),
    /// It is neither a file nor a directory.
    #[error("is {0}; only files and directories are packed")]
    Kind(EntryKind),
    /// It went away, became another kind of thing or lost bytes while it was read.
    #[error("changed while it was packed")]
    Changed,
    /// It should have come earlier, or has come already.
    #[error("is out of order")]
    OutOfOrder,
    /// There are too many files and directories.
    #[error("is one too many: an artefact has at most {limit} files and directories")]
    TooManyEntries {
        /// How many there may be.
        limit: u64,
    },
    /// The files have too many bytes.
    #[error("does not fit: an artefact has at most {limit}")]
    TooManyBytes {
        /// How many there may be.
        limit: ByteSize,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The archive cannot be written; the path is the one in turn.
    #[error("cannot be written to the archive: {0}")]
    Write(io::Error),
}

/// Why an archive was not unpacked, and what became of what had been.
#[derive(Debug)]
pub struct UnpackError {
    /// Which header of the archive it was, from 1; 0 before the first.
    pub number: u64,
    /// The name of the entry as the archive has it, fit to be shown; nothing where none could be read.
    pub entry: Option<String>,
    /// What is wrong with it.
    pub problem: UnpackProblem,
    /// What became of the entries before it.
    pub cleanup: Cleanup,
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "entry {} (`{entry}`) of the archive ", self.number)?,
            None => write!(f, "the archive, at its header {}, ", self.number)?,
        }
        write!(f, "{}; {}", self.problem, self.cleanup)
    }
}

impl std::error::Error for UnpackError {}

/// What became of the files and directories that a failed call had made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleanup {
    /// How many were removed again.
    pub removed: u64,
    /// How many were not: something else stands in their place, or a directory holds what others put there.
    pub left: u64,
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.removed, self.left) {
            (0, 0) => write!(f, "nothing was unpacked"),
            (removed, 0) => write!(f, "all that was unpacked before ({removed}) is removed again"),
            (removed, left) => {
                write!(f, "of what was unpacked before, {removed} are removed again and {left} could not be")
            }
        }
    }
}

/// What is wrong with an archive or the place for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackProblem {
    /// The name could lead elsewhere, or is too long or too deep.
    #[error("{0}")]
    Path(PathProblem),
    /// It is neither a file nor a directory.
    #[error("is {0}; only files and directories are unpacked")]
    Kind(EntryKind),
    /// The header is not what it should be.
    #[error("is damaged or of another dialect: {0}")]
    Header(HeaderProblem),
    /// The same path was there before.
    #[error("is there twice")]
    Duplicate,
    /// It is there although only the file that was declared should be.
    #[error("is a directory; write a list to pack it")]
    OtherFile,
    /// It should have come earlier.
    #[error("is out of order")]
    OutOfOrder,
    /// Its directory did not come before it.
    #[error("stands in a directory that the archive has not")]
    NoParent,
    /// Something of that name is in the work directory. An artefact never overwrites.
    #[error("is already in the work directory")]
    Exists,
    /// A symbolic link is in the work directory where the entry or its directory should be. It was not followed.
    #[error("meets a symbolic link in the work directory, which is not followed")]
    LinkInTheWay,
    /// There are too many files and directories.
    #[error("is one too many: an artefact has at most {limit} files and directories")]
    TooManyEntries {
        /// How many there may be.
        limit: u64,
    },
    /// The files have, or claim, too many bytes.
    #[error("does not fit: an artefact has at most {limit}")]
    TooManyBytes {
        /// How many there may be.
        limit: ByteSize,
    },
    /// The archive ends early, or an entry claims more than follows.
    #[error("ends early")]
    Truncated,
    /// Something follows the end of the archive.
    #[error("is followed by something else")]
    Trailing,
    /// The archive cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The work directory cannot be written.
    #[error("cannot be written to the work directory: {0}")]
    Write(io::Error),
    /// The work directory itself cannot be opened.
    #[error("has no work directory to go to: {0}")]
    Target(io::Error),
}

/// What a header has that none of ours has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// The bytes do not add up.
    #[error("its checksum is wrong")]
    Checksum,
    /// It is neither POSIX ustar nor GNU.
    #[error("its format is not ustar or GNU")]
    Format,
    /// A number is not octal digits.
    #[error("a number is not octal")]
    Number,
    /// A field or the space behind the content has bytes where there should be none.
    #[error("it has bytes where there should be none")]
    Leftover,
    /// A directory has content.
    #[error("a directory has content")]
    Content,
    /// A long name is not needed, not followed by its entry, or not the one of that entry.
    #[error("a long name stands where it should not")]
    LongName,
}

/// A kind of thing that artefacts do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryKind {
    /// A symbolic link.
    #[error("a symbolic link")]
    SymbolicLink,
    /// A hard link to another entry.
    #[error("a hard link")]
    HardLink,
    /// A character or block device.
    #[error("a device")]
    Device,
    /// A named pipe.
    #[error("a named pipe")]
    Fifo,
    /// A socket.
    #[error("a socket")]
    Socket,
    /// A file with holes that are not in the archive.
    #[error("a sparse file")]
    Sparse,
    /// A header of PAX, which could contradict the one that follows it.
    #[error("a PAX header")]
    Pax,
    /// The long target of a link.
    #[error("the long target of a link")]
    LongLink,
    /// A kind with this letter in tar; 0 for what a file system has and tar has not.
    #[error("of an unknown kind ({0:#04x})")]
    Other(u8),
}
