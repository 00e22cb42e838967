//! What is known of each attempt besides what the engine answers: what its events told, what we asked for, how it ended.
//!
//! The book wakes whoever waits. It holds a page for each container of ours that is there, and no other.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gofer_container::Sight;
use gofer_scheduler::TaskExit;
use gofer_types::AttemptId;
use tokio::sync::watch;

/// See the module.
#[derive(Debug)]
pub(crate) struct Book {
    pages: Mutex<HashMap<AttemptId, Page>>,
}

#[derive(Debug)]
struct Page {
    changed: watch::Sender<()>,
    died_in_sight: bool,
    ended_out_of_sight: bool,
    /// Whether we asked it politely to end; once is enough.
    asked: bool,
    /// Whether we killed it.
    killed: bool,
    exit: Option<TaskExit>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            changed: watch::Sender::new(()),
            died_in_sight: false,
            ended_out_of_sight: false,
            asked: false,
            killed: false,
            exit: None,
        }
    }
}

impl Book {
    pub(crate) fn new() -> Self {
        Self { pages: Mutex::default() }
    }

    fn pages(&self) -> MutexGuard<'_, HashMap<AttemptId, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page<T>(&self, id: &AttemptId, work: impl FnOnce(&mut Page) -> T) -> T {
        work(self.pages().entry(id.clone()).or_default())
    }

    /// Tells of every change after this call. An error means that the page is gone: look again.
    pub(crate) fn watch(&self, id: &AttemptId) -> watch::Receiver<()> {
        self.page(id, |page| page.changed.subscribe())
    }

    /// The engine told of something about this attempt.
    pub(crate) fn told(&self, id: &AttemptId, died: bool) {
        self.page(id, |page| {
            // What had ended before is told of once more by an engine that comes back.
            page.died_in_sight |= died && !page.ended_out_of_sight;
            page.changed.send_replace(());
        });
    }

    /// The events are followed from here on. Some had ended before, some run; of what is neither, and nobody waits for,
    /// nothing need be known.
    pub(crate) fn linked(&self, ended: &HashSet<AttemptId>, running: &HashSet<AttemptId>) {
        for id in ended {
            self.page(id, |page| page.ended_out_of_sight = !page.died_in_sight);
        }
        let is_there = |id: &AttemptId| ended.contains(id) || running.contains(id);
        self.pages().retain(|id, page| is_there(id) || page.changed.receiver_count() > 0);
        for page in self.pages().values() {
            page.changed.send_replace(());
        }
    }

    /// What the engine's events have kept back so far: an end of these, or the end of something that is waited for and does
    /// not run.
    pub(crate) fn not_heard_of(
        &self,
        ended: &HashSet<AttemptId>,
        running: &HashSet<AttemptId>,
    ) -> HashSet<AttemptId> {
        let pages = self.pages();
        let heard = |page: &Page| page.died_in_sight || page.ended_out_of_sight || page.exit.is_some();
        let waited_for = |(id, page): &(&AttemptId, &Page)| {
            page.changed.receiver_count() > 0 && !running.contains(*id) && !heard(page)
        };
        let of_ended = ended.iter().filter(|id| !pages.get(*id).is_some_and(heard));
        of_ended.chain(pages.iter().filter(waited_for).map(|(id, _)| id)).cloned().collect()
    }

    /// We ask it politely to end; false if we have already.
    pub(crate) fn ask(&self, id: &AttemptId) -> bool {
        self.page(id, |page| !std::mem::replace(&mut page.asked, true))
    }

    /// The request did not arrive.
    pub(crate) fn not_asked(&self, id: &AttemptId) {
        self.page(id, |page| page.asked = false);
    }

    /// We kill it.
    pub(crate) fn kill(&self, id: &AttemptId) {
        self.page(id, |page| page.killed = true);
    }

    pub(crate) fn sight(&self, id: &AttemptId) -> Sight {
        self.page(id, |page| match page {
            Page { asked: true, .. } | Page { killed: true, .. } => Sight::Ours,
            Page { died_in_sight: true, .. } => Sight::Seen,
            Page { ended_out_of_sight: true, .. } => Sight::Unseen,
            _ => Sight::NotYet,
        })
    }

    pub(crate) fn exit(&self, id: &AttemptId) -> Option<TaskExit> {
        self.pages().get(id).and_then(|page| page.exit.clone())
    }

    pub(crate) fn keep_exit(&self, id: &AttemptId, exit: &TaskExit) {
        self.page(id, |page| page.exit = Some(exit.clone()));
    }

    /// Nothing of it is there any more.
    pub(crate) fn forget(&self, id: &AttemptId) {
        self.pages().remove(id);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pages().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> AttemptId {
        AttemptId::from_u128(7)
    }

    #[test]
    fn an_end_is_in_sight_only_if_its_event_came() {
        let book = Book::new();
        assert_eq!(book.sight(&id()), Sight::NotYet);
        book.told(&id(), false);
        assert_eq!(book.sight(&id()), Sight::NotYet);
        book.told(&id(), true);
        book.linked(&HashSet::from([id()]), &HashSet::new());
        assert_eq!(book.sight(&id()), Sight::Seen, "it was seen before the break");
    }

    #[test]
    fn what_had_ended_when_the_events_began_is_out_of_sight() {
        let book = Book::new();
        let changed = book.watch(&id());
        book.linked(&HashSet::from([id()]), &HashSet::new());
        assert_eq!(book.sight(&id()), Sight::Unseen);
        book.told(&id(), true);
        assert_eq!(book.sight(&id()), Sight::Unseen, "it cannot die twice");
        assert!(changed.has_changed().unwrap(), "whoever waits looks again");
    }

    #[test]
    fn what_went_while_nobody_looked_is_forgotten_unless_somebody_waits() {
        let book = Book::new();
        let (gone, waited) = (AttemptId::from_u128(8), AttemptId::from_u128(9));
        book.told(&gone, true);
        let _waiting = book.watch(&waited);
        book.linked(&HashSet::new(), &HashSet::from([id()]));
        assert_eq!(book.len(), 1);
    }

    #[test]
    fn the_book_is_behind_while_an_end_was_not_heard_of() {
        let (book, none, one) = (Book::new(), HashSet::new(), HashSet::from([id()]));
        assert!(book.not_heard_of(&none, &none).is_empty() && book.not_heard_of(&none, &one).is_empty());
        assert!(!book.not_heard_of(&one, &none).is_empty(), "it has ended and nobody told");
        let waiting = book.watch(&id());
        assert!(!book.not_heard_of(&none, &none).is_empty(), "it is waited for and gone");
        assert!(book.not_heard_of(&none, &one).is_empty(), "it is waited for and runs");
        drop(waiting);
        book.told(&id(), true);
        assert!(book.not_heard_of(&one, &none).is_empty());
    }

    #[test]
    fn what_we_asked_for_is_ours_and_asked_for_once() {
        let book = Book::new();
        assert!(book.ask(&id()));
        assert!(!book.ask(&id()));
        assert_eq!(book.sight(&id()), Sight::Ours);
        book.forget(&id());
        assert_eq!(book.len(), 0);
    }
}
