//! The headers of tar, as far as artefacts have them. Pure: bytes in, words out.
//!
//! What is read is what readers of tar agree about. Where they differ (numbers of base 256, names in two places, fields of
//! old formats), an archive could be one thing to who checks it and another to who unpacks it, so that is refused.

use std::ops::Range;

use crate::error::{EntryKind, HeaderProblem};

/// Everything in tar is a multiple of this.
pub(crate) const BLOCK: usize = 512;
/// The name of an entry that holds the name of the next.
pub(crate) const LONG_NAME: &[u8] = b"././@LongLink";
/// How many bytes of a name fit into a header.
pub(crate) const NAME_BYTES: usize = NAME.end;
/// What eleven octal digits can say.
pub(crate) const LARGEST: u64 = 0o777_7777_7777;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const PREFIX: Range<usize> = 345..500;
/// In GNU's format times and sparse maps stand here, which only special backups have.
const GNU_EXTRAS: Range<usize> = 345..BLOCK;
const POSIX_EXTRAS: Range<usize> = 500..BLOCK;

const POSIX: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";

/// What follows a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File { executable: bool },
    Directory,
    LongName,
}

/// One header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header(pub(crate) [u8; BLOCK]);

impl Header {
    /// A header of GNU's format. A name that does not fit is cut; the long name has to stand before it.
    pub(crate) fn new(kind: Kind, name: &[u8], size: u64) -> Self {
        let (letter, mode) = match kind {
            Kind::File { executable: false } => (b'0', 0o644),
            Kind::File { executable: true } => (b'0', 0o755),
            Kind::Directory => (b'5', 0o755),
            Kind::LongName => (b'L', 0o644),
        };
        let mut header = Self([0; BLOCK]);
        for (to, from) in header.0[NAME].iter_mut().zip(name) {
            *to = *from;
        }
        for (field, number) in [(MODE, mode), (UID, 0), (GID, 0), (SIZE, size), (MTIME, 0)] {
            header.put(field, number);
        }
        header.0[TYPE] = letter;
        header.0[MAGIC].copy_from_slice(GNU);
        let sum = header.sum();
        header.put(CHECKSUM, sum);
        header
    }

    /// As octal digits, with a NUL behind them.
    fn put(&mut self, field: Range<usize>, number: u64) {
        let digits = field.start..field.end - 1;
        for (place, byte) in self.0[digits].iter_mut().rev().enumerate() {
            *byte = b'0' + (number >> (3 * place) & 7) as u8;
        }
    }

    /// Whether it is the mark of the end.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Whether the bytes add up and the format is known; nothing else may be read before.
    pub(crate) fn check(&self) -> Result<(), HeaderProblem> {
        if self.number(CHECKSUM) != Ok(self.sum()) {
            return Err(HeaderProblem::Checksum);
        }
        if [POSIX, GNU].contains(&&self.0[MAGIC]) { Ok(()) } else { Err(HeaderProblem::Format) }
    }

    /// The name in the header. A NUL in it is kept for the check of paths to see.
    pub(crate) fn name(&self) -> Vec<u8> {
        let prefix = if &self.0[MAGIC] == POSIX { trimmed(&self.0[PREFIX]) } else { &[] };
        let name = trimmed(&self.0[NAME]);
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// What kind of entry it is, as far as the letter tells.
    pub(crate) fn kind(&self) -> Result<Kind, EntryKind> {
        match self.0[TYPE] {
            b'0' => Ok(Kind::File { executable: false }),
            b'5' => Ok(Kind::Directory),
            b'L' => Ok(Kind::LongName),
            b'1' => Err(EntryKind::HardLink),
            b'2' => Err(EntryKind::SymbolicLink),
            b'3' | b'4' => Err(EntryKind::Device),
            b'6' => Err(EntryKind::Fifo),
            b'S' => Err(EntryKind::Sparse),
            b'x' | b'g' | b'X' => Err(EntryKind::Pax),
            b'K' => Err(EntryKind::LongLink),
            other => Err(EntryKind::Other(other)),
        }
    }

    /// The kind with the executable bit of the owner, and the size. All other bits of the mode are dropped.
    pub(crate) fn content(&self, kind: Kind) -> Result<(Kind, u64), HeaderProblem> {
        let is_posix = &self.0[MAGIC] == POSIX;
        zero(&self.0[LINK])?;
        zero(&self.0[if is_posix { POSIX_EXTRAS } else { GNU_EXTRAS }])?;
        let (mode, size) = (self.number(MODE)?, self.number(SIZE)?);
        match kind {
            Kind::File { .. } => Ok((Kind::File { executable: mode & 0o100 != 0 }, size)),
            Kind::Directory if size > 0 => Err(HeaderProblem::Content),
            Kind::Directory | Kind::LongName => Ok((kind, size)),
        }
    }

    fn sum(&self) -> u64 {
        let spaces = u64::from(b' ') * CHECKSUM.len() as u64;
        let all: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = self.0[CHECKSUM].iter().map(|byte| u64::from(*byte)).sum();
        all - own + spaces
    }

    /// Octal digits from the first byte on, then nothing but NUL and spaces.
    fn number(&self, field: Range<usize>) -> Result<u64, HeaderProblem> {
        let field = &self.0[field];
        let length = field.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let (digits, rest) = field.split_at(length);
        if digits.is_empty() || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
            return Err(HeaderProblem::Number);
        }
        Ok(digits.iter().fold(0, |number, digit| number << 3 | u64::from(digit - b'0')))
    }
}

/// A header, with the long name before it where its name needs one.
pub(crate) fn named(kind: Kind, name: &[u8], size: u64) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(BLOCK);
    if name.len() > NAME_BYTES {
        let length = name.len() as u64 + 1;
        blocks.extend(Header::new(Kind::LongName, LONG_NAME, length).0);
        blocks.extend(name);
        blocks.resize(blocks.len() + 1 + padding(length), 0);
    }
    blocks.extend(Header::new(kind, name, size).0);
    blocks
}

/// How many bytes stand behind so much content, up to the next block.
pub(crate) fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// Refuses bytes other than 0.
pub(crate) fn zero(bytes: &[u8]) -> Result<(), HeaderProblem> {
    if bytes.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(HeaderProblem::Leftover) }
}

fn trimmed(field: &[u8]) -> &[u8] {
    let length = field.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &field[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        let header = Header::new(Kind::File { executable: true }, b"a/b", 1234);
        assert_eq!(header.check(), Ok(()));
        assert_eq!(header.name(), b"a/b");
        assert_eq!(header.content(header.kind().unwrap()), Ok((Kind::File { executable: true }, 1234)));
        let header = Header::new(Kind::Directory, b"a/", 0);
        assert_eq!(header.content(header.kind().unwrap()), Ok((Kind::Directory, 0)));
        let largest = Header::new(Kind::File { executable: false }, b"a", LARGEST);
        assert_eq!(largest.number(SIZE), Ok(LARGEST));
    }

    #[test]
    fn any_changed_byte_is_seen() {
        let header = Header::new(Kind::File { executable: false }, b"a", 7);
        for place in 0..BLOCK {
            let mut other = header;
            other.0[place] ^= 1;
            assert!(other.check().is_err(), "byte {place}");
        }
    }

    #[test]
    fn content_is_padded_to_blocks() {
        for (size, behind) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (LARGEST, 1)] {
            assert_eq!(padding(size), behind, "{size}");
        }
    }
}
