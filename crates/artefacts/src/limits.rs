//! How large an artefact may be. The same numbers hold for packing and unpacking, so that what is packed can be unpacked.

use gofer_types::ByteSize;

/// Bounds of one artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many files and directories, those on the way to a declared path included.
    pub entries: u64,
    /// How many bytes all files have together. One file has fewer than 8 GiB, whatever this says.
    pub bytes: ByteSize,
    /// How many bytes a path has.
    pub path_bytes: usize,
    /// How many segments a path has; never more than [`Limits::DEEPEST`], because each level holds a descriptor.
    pub depth: usize,
}

impl Limits {
    /// More levels than this are refused, whatever [`Limits::depth`] says.
    pub const DEEPEST: usize = 256;
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, bytes: ByteSize::from_mib(1024), path_bytes: 1024, depth: 64 }
    }
}
