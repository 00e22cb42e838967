//! What all lists share: sizes, tokens, and the word that may have been meant.

use gofer_records::{PageRequest, Slice};
use gofer_types::RunRef;

use crate::api::{Listing, Page};
use crate::error::Result;

pub(crate) use gofer_versions::nearest;

/// The size of a page that names none.
const USUAL: usize = 30;

/// The greatest size of a page.
const GREATEST: usize = 1000;

impl Page {
    /// The number of items that are wanted.
    pub(crate) fn wanted(&self) -> usize {
        if self.size == 0 { USUAL } else { self.size.min(GREATEST) }
    }

    /// The part of what a run has, by its place in it, and the token of the next part.
    pub(crate) fn part<T>(&self, run: &RunRef, all: Vec<T>) -> Result<(Vec<T>, Option<String>)> {
        let from = match self.token.as_deref().filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => gofer_records::untoken_place(run, token)? as usize,
        };
        let end = from + self.wanted();
        let next = u32::try_from(end).ok().filter(|next| (*next as usize) < all.len());
        let items = all.into_iter().skip(from).take(self.wanted()).collect();
        Ok((items, next.map(|next| gofer_records::token_place(run, next))))
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
