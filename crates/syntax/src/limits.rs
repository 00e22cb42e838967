//! How large a file may be.

/// The bounds that the text of a file is held to, before and while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The size of one file in bytes.
    pub file_bytes: usize,
    /// How many words, texts and signs the file may consist of; it bounds the time and the memory of the parser.
    pub elements: usize,
    /// How deep blocks, lists and maps may be nested; the HCL parser itself allows no more than 64.
    pub depth: usize,
    /// How many problems are told at once.
    pub problems: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { file_bytes: 1 << 20, elements: 200_000, depth: 64, problems: 100 }
    }
}
