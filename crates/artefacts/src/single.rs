//! One file as it is, in and out of an archive: for files that are kept under their own name. Pure, in pieces of any length.

use crate::error::{HeaderProblem, UnpackProblem};
use crate::header::{BLOCK, Header, Kind, LARGEST, named, padding};
use crate::path::SafePath;

/// The longest name that is read.
const LONGEST: u64 = 64 * 1024;

/// What stands before and behind the bytes of a file to make an archive of them, which unpacks at that path. The directories on
/// the way are in it. `None` for more bytes than a file may have.
#[must_use]
pub fn around(path: &SafePath, size: u64) -> Option<(Vec<u8>, Vec<u8>)> {
    if size > LARGEST {
        return None;
    }
    let text = path.as_str();
    let mut before: Vec<u8> = text
        .match_indices('/')
        .flat_map(|(at, _)| named(Kind::Directory, &text.as_bytes()[..=at], 0))
        .collect();
    before.extend(named(Kind::File { executable: false }, text.as_bytes(), size));
    Some((before, vec![0; padding(size) + 2 * BLOCK]))
}

/// Takes the bytes of one file out of an archive that [`pack`](crate::pack) has made of nothing else.
#[derive(Debug)]
pub struct OneFile {
    path: SafePath,
    /// The long name of the next entry, if it has one.
    name: Vec<u8>,
    /// What came of a header that is not whole yet.
    header: Vec<u8>,
    /// How many bytes are yet to come of the content of the current entry, and how many of its padding.
    content: u64,
    padding: usize,
    inside: Inside,
    found: bool,
    ended: bool,
}

/// What the content of the current entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    File,
    Name,
}

impl OneFile {
    /// At the beginning of an archive of this path.
    #[must_use]
    pub fn new(path: SafePath) -> Self {
        Self {
            path,
            name: Vec::new(),
            header: Vec::new(),
            content: 0,
            padding: 0,
            inside: Inside::Nothing,
            found: false,
            ended: false,
        }
    }

    /// Takes a piece of the archive, and answers what of the file is in it: a part of the piece.
    ///
    /// # Errors
    /// It is none of our archives, or has another file.
    pub fn take<'a>(&mut self, mut piece: &'a [u8]) -> Result<Vec<&'a [u8]>, UnpackProblem> {
        let mut out = Vec::new();
        while !piece.is_empty() && !self.ended {
            if self.content > 0 {
                let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(piece.len());
                let (part, rest) = piece.split_at(most);
                match self.inside {
                    Inside::File => out.push(part),
                    Inside::Name => self.name.extend_from_slice(part),
                    Inside::Nothing => {}
                }
                self.content -= most as u64;
                piece = rest;
            } else if self.padding > 0 {
                let most = self.padding.min(piece.len());
                self.padding -= most;
                piece = &piece[most..];
            } else {
                let most = (BLOCK - self.header.len()).min(piece.len());
                self.header.extend_from_slice(&piece[..most]);
                piece = &piece[most..];
                self.enter()?;
            }
        }
        Ok(out)
    }

    /// Reads a header once it is whole.
    fn enter(&mut self) -> Result<(), UnpackProblem> {
        let Ok(bytes) = <[u8; BLOCK]>::try_from(self.header.as_slice()) else { return Ok(()) };
        self.header.clear();
        let header = Header(bytes);
        if header.is_zero() {
            self.ended = true;
            return Ok(());
        }
        header.check().map_err(UnpackProblem::Header)?;
        let kind = header.kind().map_err(UnpackProblem::Kind)?;
        let (kind, size) = header.content(kind).map_err(UnpackProblem::Header)?;
        self.inside = match kind {
            Kind::Directory => Inside::Nothing,
            Kind::File { .. } => Inside::File,
            Kind::LongName => Inside::Name,
        };
        if kind == Kind::LongName && size > LONGEST {
            return Err(UnpackProblem::Header(HeaderProblem::LongName));
        }
        if self.inside == Inside::File {
            let own = if self.name.is_empty() { header.name() } else { std::mem::take(&mut self.name) };
            let own = own.strip_suffix(b"\0").unwrap_or(&own);
            if own != self.path.as_str().as_bytes() {
                return Err(UnpackProblem::OtherFile);
            }
            self.found = true;
        } else {
            self.name.clear();
        }
        (self.content, self.padding) = (size, padding(size));
        Ok(())
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// The archive is not whole, or the file was not in it: a directory alone is none.
    pub fn end(self) -> Result<(), UnpackProblem> {
        match (self.ended, self.found) {
            (true, true) => Ok(()),
            (true, false) => Err(UnpackProblem::OtherFile),
            (false, _) => Err(UnpackProblem::Truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Limits, check_path, pack, unpack};

    fn archive(path: &str, bytes: &[u8]) -> Vec<u8> {
        let (before, behind) = around(&check_path(path).unwrap(), bytes.len() as u64).unwrap();
        [&before, bytes, &behind].concat()
    }

    fn taken(archive: &[u8], path: &str, step: usize) -> Option<Vec<u8>> {
        let mut file = OneFile::new(check_path(path).unwrap());
        let mut out = Vec::new();
        for piece in archive.chunks(step) {
            file.take(piece).unwrap().into_iter().for_each(|part| out.extend_from_slice(part));
        }
        file.end().is_ok().then_some(out)
    }

    proptest! {
        #[test]
        fn what_is_put_around_a_file_unpacks_to_it_and_is_what_packing_makes(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
            depth in 0_usize..4,
            length in 1_usize..90,
            step in 1_usize..1500,
        ) {
            let path = format!("{}{}", format!("{}/", "d".repeat(length)).repeat(depth), "f".repeat(length));
            let made = archive(&path, &bytes);
            let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            unpack(made.as_slice(), to.path(), &Limits::default()).unwrap();
            prop_assert_eq!(std::fs::read(to.path().join(&path)).unwrap(), bytes.clone());
            let place = from.path().join(&path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, &bytes).unwrap();
            let mut packed = Vec::new();
            pack(from.path(), std::slice::from_ref(&path), &Limits::default(), &mut packed).unwrap();
            prop_assert_eq!(&packed, &made);
            prop_assert_eq!(taken(&packed, &path, step), Some(bytes));
        }
    }

    #[test]
    fn a_part_of_an_archive_is_not_the_file() {
        let made = archive("a/b", b"hello");
        for end in 0..made.len() - BLOCK {
            assert_eq!(taken(&made[..end], "a/b", 100), None, "{end}");
        }
    }

    #[test]
    fn a_directory_is_not_one_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        std::fs::create_dir(folder.path().join("two")).unwrap();
        std::fs::write(folder.path().join("two/a"), "a").unwrap();
        let packed = |path: &str| {
            let mut out = Vec::new();
            pack(folder.path(), &[path.to_owned()], &Limits::default(), &mut out).unwrap();
            out
        };
        assert_eq!(taken(&packed("empty"), "empty", 512), None);
        let error = OneFile::new(check_path("two").unwrap()).take(&packed("two")).unwrap_err();
        assert!(matches!(error, UnpackProblem::OtherFile));
    }
}
