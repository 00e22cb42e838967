//! What all lists share: sizes, tokens, and the word that may have been meant.

use gofer_records::{PageRequest, Slice};

use crate::api::{Listing, Page};

/// The size of a page that names none.
const USUAL: usize = 30;

/// The greatest size of a page.
const GREATEST: usize = 1000;

impl Page {
    /// The number of items that are wanted.
    pub(crate) fn wanted(&self) -> usize {
        if self.size == 0 { USUAL } else { self.size.min(GREATEST) }
    }

    /// The same for the records.
    pub(crate) fn request(self) -> PageRequest {
        PageRequest { size: self.wanted(), token: self.token.filter(|token| !token.is_empty()) }
    }
}

impl<T> From<Slice<T>> for Listing<T> {
    fn from(slice: Slice<T>) -> Self {
        Self { items: slice.items, next: slice.next }
    }
}

/// The name nearest to a word, if one is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let allowed = (word.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::osa_distance(word, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name.to_owned())
}
