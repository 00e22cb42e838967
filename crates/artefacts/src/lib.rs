//! Artefacts: files that a task leaves for the tasks behind it, packed from one work directory and unpacked into another.
//!
//! Both directories belong to tasks, and so does the archive between them; none is trusted. A task may lay links, pipes
//! and devices where its outputs should be, change its files while they are read, and prepare the place where the outputs
//! of another will come to lie. So there is one narrow dialect of tar, and nothing else is read:
//!
//! - regular files and directories, and the long name of GNU where a name has more than 100 bytes;
//! - every directory stands before what it holds, and entries ascend by the segments of their paths, so that what comes
//!   twice is seen without a list;
//! - no times, no owners, and of the mode the executable bit only: the same files make the same bytes.
//!
//! There is no compression. Directories are walked by descriptors, one segment at a time, and links are never followed,
//! whoever swaps what meanwhile. All I/O is synchronous: callers move it to a thread that may block. Where archives are kept,
//! and what an artefact is called, is the business of others.

mod error;
mod header;
mod limits;
mod pack;
mod path;
mod place;
mod read;
mod shown;
mod single;
mod undo;
mod unpack;
mod wanted;
mod write;

pub use error::{Cleanup, EntryKind, HeaderProblem, PackError, PackProblem, UnpackError, UnpackProblem};
pub use limits::Limits;
pub use pack::pack;
pub use path::{PathProblem, SafePath, check, check_output, check_path};
pub use read::{Sink, Unpacked, read};
pub use single::{OneFile, around};
pub use unpack::unpack;
pub use wanted::pack_names;
pub use write::{ArchiveWriter, Packed};

/// How many bytes are held of a file or an archive at once.
const BUFFER: usize = 64 * 1024;
