//! Files of tasks whose work directory is in a container: to and from the tar of an engine.
//!
//! Engines write more than our dialect has: owners, times, PAX headers, links. What they unpack they unpack over whatever is
//! there. So an archive is translated on the way, entry by entry, and before a file is laid the engine is asked what stands
//! in its place. Of the engine's tar nothing is held in memory but the header in turn, and the engine is believed that its
//! headers are no longer than names are.
//!
//! An engine keeps a container locked while it is given an archive or gives one. So both ways lead through a file of this
//! host ([`Spool`]): nobody's slow stream holds a container, and what is no archive, or more than allowed, never gets there. Such a file is made with a [`crate::Slot`], so there are
//! [`crate::AT_ONCE`] of them at the most in each scheduler, each as large as all that one task is given, or leaves.
//!
//! All calls block.

mod give;
mod receive;
mod spool;

use std::io::{self, Read};

use gofer_artefacts::{EntryKind, Limits, SafePath, check};

pub use give::{Owner, give};
pub use receive::receive;
pub(crate) use spool::spool;
pub use spool::{Spool, host};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A directory.
    Directory,
    /// A file.
    File,
    /// Something else, such as a link.
    Other(EntryKind),
}

impl Standing {
    /// What a mode means that an engine tells: the one of Go, whose high bits are the kind.
    #[must_use]
    pub fn of_mode(mode: u32) -> Self {
        const DIRECTORY: u32 = 1 << 31;
        const KINDS: [(u32, EntryKind); 5] = [
            (1 << 27, EntryKind::SymbolicLink),
            (1 << 26, EntryKind::Device),
            (1 << 25, EntryKind::Fifo),
            (1 << 24, EntryKind::Socket),
            (1 << 19, EntryKind::Other(0)),
        ];
        if mode & DIRECTORY != 0 {
            return Self::Directory;
        }
        let kind = KINDS.iter().find(|(bit, _)| mode & bit != 0);
        kind.map_or(Self::File, |(_, kind)| Self::Other(*kind))
    }
}

/// The work directory of a container that does not run. Paths are below it.
pub trait Container {
    /// What stands at a path whose parents are directories. A link is not followed.
    ///
    /// # Errors
    /// What the engine says.
    fn standing(&mut self, path: &SafePath) -> io::Result<Standing>;

    /// The engine's own archive of what stands at a path. Its first entry has the last segment as its name.
    ///
    /// # Errors
    /// What the engine says.
    fn archive(&mut self, path: &SafePath) -> io::Result<Box<dyn Read>>;
}

/// The directories that hold a path, from the top.
fn parents(path: &SafePath) -> Vec<SafePath> {
    let text = path.as_str();
    let limits = Limits { path_bytes: usize::MAX, depth: Limits::DEEPEST, ..Limits::default() };
    let ends = text.match_indices('/').map(|(end, _)| end);
    ends.filter_map(|end| check(text.get(..end)?.as_bytes(), &limits).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_number_or_root() {
        let of = |user: u64, group: u64| Owner { user, group };
        for (text, wanted) in [
            ("", of(0, 0)),
            ("1000", of(1000, 0)),
            ("1000:50", of(1000, 50)),
            ("1000:staff", of(1000, 0)),
            ("nobody", of(0, 0)),
            ("nobody:50", of(0, 0)),
        ] {
            assert_eq!(Owner::of(text), wanted, "{text}");
        }
    }

    #[test]
    fn the_kind_of_a_file_is_read_from_its_mode() {
        for (mode, wanted) in [
            (0o644, Standing::File),
            (1 << 23 | 0o4755, Standing::File),
            (1 << 31 | 1 << 20 | 0o1777, Standing::Directory),
            (1 << 27 | 0o777, Standing::Other(EntryKind::SymbolicLink)),
            (1 << 26 | 1 << 21 | 0o600, Standing::Other(EntryKind::Device)),
            (1 << 25 | 0o600, Standing::Other(EntryKind::Fifo)),
        ] {
            assert_eq!(Standing::of_mode(mode), wanted, "{mode:o}");
        }
    }
}

#[cfg(test)]
mod fake {
    //! A container whose engine writes as engines do.

    use std::collections::BTreeMap;

    use super::*;

    /// What stands at each path, and what the archive of each path is.
    #[derive(Default)]
    pub(super) struct FakeContainer {
        pub(super) standing: BTreeMap<String, Standing>,
        pub(super) archives: BTreeMap<String, Vec<u8>>,
        pub(super) asked: Vec<String>,
    }

    impl FakeContainer {
        pub(super) fn with(standing: &[(&str, Standing)]) -> Self {
            let standing = standing.iter().map(|(path, what)| ((*path).to_owned(), *what)).collect();
            Self { standing, ..Self::default() }
        }
    }

    impl Container for FakeContainer {
        fn standing(&mut self, path: &SafePath) -> io::Result<Standing> {
            self.asked.push(path.to_string());
            Ok(self.standing.get(path.as_str()).copied().unwrap_or(Standing::Nothing))
        }

        fn archive(&mut self, path: &SafePath) -> io::Result<Box<dyn Read>> {
            let archive = self.archives.get(path.as_str()).ok_or(io::ErrorKind::NotFound)?;
            Ok(Box::new(io::Cursor::new(archive.clone())))
        }
    }
}
