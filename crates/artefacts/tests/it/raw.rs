//! Archives byte by byte. Nothing here is shared with the crate, so that a wrong idea of tar is not shared either.

/// The end of every archive.
pub(crate) const END: &[u8] = &[0; 1024];
pub(crate) const LONG_LINK: &[u8] = b"././@LongLink";

/// One header that can be bent before it is sealed.
#[derive(Clone)]
pub(crate) struct Raw([u8; 512]);

impl Raw {
    /// A sound GNU header.
    pub(crate) fn new(name: &[u8], letter: u8, size: u64) -> Self {
        Self([0; 512])
            .with(0, &name[..name.len().min(100)])
            .with(100, b"0000644\0")
            .with(108, b"0000000\0")
            .with(116, b"0000000\0")
            .with(124, format!("{size:011o}\0").as_bytes())
            .with(136, b"00000000000\0")
            .with(156, &[letter])
            .with(257, b"ustar  \0")
    }

    /// The same in the format of POSIX, with the first part of the name.
    pub(crate) fn posix(prefix: &[u8], name: &[u8], letter: u8, size: u64) -> Self {
        Self::new(name, letter, size).with(257, b"ustar\x0000").with(345, prefix)
    }

    pub(crate) fn with(mut self, place: usize, bytes: &[u8]) -> Self {
        self.0[place..place + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn link(self, target: &str) -> Self {
        self.with(157, target.as_bytes())
    }

    /// With the right checksum.
    pub(crate) fn seal(self) -> Vec<u8> {
        let blank = self.with(148, b"        ");
        let sum: u32 = blank.0.iter().map(|byte| u32::from(*byte)).sum();
        blank.with(148, format!("{sum:06o}\0 ").as_bytes()).unsealed()
    }

    pub(crate) fn unsealed(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// Content up to the end of its block.
pub(crate) fn padded(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.resize(content.len().next_multiple_of(512), 0);
    bytes
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: &[u8]) -> Vec<u8> {
    [Raw::new(name.as_ref(), b'0', content.len() as u64).seal(), padded(content)].concat()
}

pub(crate) fn dir(name: impl AsRef<[u8]>) -> Vec<u8> {
    Raw::new(name.as_ref(), b'5', 0).seal()
}

/// A link, device, or anything else that has no content.
pub(crate) fn odd(name: &str, letter: u8, target: &str) -> Vec<u8> {
    Raw::new(name.as_bytes(), letter, 0).link(target).seal()
}

/// The entry that holds a long name; the content as given, so with its NUL.
pub(crate) fn long(content: &[u8]) -> Vec<u8> {
    [Raw::new(LONG_LINK, b'L', content.len() as u64).seal(), padded(content)].concat()
}

/// A file behind its long name.
pub(crate) fn long_file(name: &[u8]) -> Vec<u8> {
    [long(&[name, b"\0"].concat()), file(name, b"x")].concat()
}

/// Records of PAX, and the header before them.
pub(crate) fn pax(letter: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut content = String::new();
    for (key, value) in records {
        let bare = key.len() + value.len() + 3;
        let length =
            (1..4).map(|digits| bare + digits).find(|all| all.to_string().len() + bare == *all).unwrap();
        content.push_str(&format!("{length} {key}={value}\n"));
    }
    let header = Raw::posix(b"", b"PaxHeaders/a", letter, content.len() as u64).seal();
    [header, padded(content.as_bytes())].concat()
}

/// These entries, and the end.
pub(crate) fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat().as_slice(), END].concat()
}
