//! What readers see while a group is on its way to the disk: the rows that it replaces.
//!
//! sled shows a batch before it is synced. Somebody could act on a row that a power cut takes back. So the old rows of the one
//! group under way are kept aside, and laid over every read until the sync has returned.

use std::collections::BTreeMap;
use std::ops::Bound;

use gofer_backend::Result;
use sled::IVec;

use crate::error::understood;

/// The old rows of the group under way; `None` where there was none.
#[derive(Debug, Default)]
pub(crate) struct Undo(BTreeMap<IVec, Option<IVec>>);

/// Where a read begins or ends, in sled's keys.
pub(crate) type Bounds = (Bound<IVec>, Bound<IVec>);

type Pair = (IVec, IVec);

impl Undo {
    pub(crate) fn remember(&mut self, key: IVec, old: Option<IVec>) {
        self.0.insert(key, old);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The old row of a key that the group touches.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<IVec>> {
        self.0.get(key)
    }

    /// The rows of a range as they were before the group.
    pub(crate) fn range(
        &self,
        tree: &sled::Db,
        bounds: &Bounds,
        reverse: bool,
    ) -> impl Iterator<Item = Result<Pair>> {
        let now = tree.range::<IVec, _>(bounds.clone()).map(|row| row.map_err(understood));
        let old = self.0.range::<IVec, _>(bounds.clone()).map(|(key, row)| (key.clone(), row.clone()));
        let (now, old): (Now<'_>, Old<'_>) =
            if reverse { (Box::new(now.rev()), Box::new(old.rev())) } else { (Box::new(now), Box::new(old)) };
        Merge { now: now.peekable(), old: old.peekable(), reverse }
    }
}

type Now<'a> = Box<dyn Iterator<Item = Result<Pair>> + 'a>;
type Old<'a> = Box<dyn Iterator<Item = (IVec, Option<IVec>)> + 'a>;

struct Merge<'a> {
    now: std::iter::Peekable<Now<'a>>,
    old: std::iter::Peekable<Old<'a>>,
    reverse: bool,
}

impl Iterator for Merge<'_> {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Result<Pair>> {
        loop {
            let Some((old, _)) = self.old.peek() else { return self.now.next() };
            if let Some(Ok((now, _))) = self.now.peek() {
                let order = if self.reverse { old.cmp(now) } else { now.cmp(old) };
                if order.is_lt() {
                    return self.now.next();
                }
                if order.is_eq() {
                    self.now.next();
                }
            } else if self.now.peek().is_some() {
                return self.now.next();
            }
            if let Some((key, Some(row))) = self.old.next() {
                return Some(Ok((key, row)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(undo: &Undo, tree: &sled::Db, reverse: bool) -> Vec<String> {
        let bounds = (Bound::Included(IVec::from("b")), Bound::Excluded(IVec::from("y")));
        let text = |bytes: &IVec| String::from_utf8_lossy(bytes).into_owned();
        let rows = undo.range(tree, &bounds, reverse).map(Result::unwrap);
        rows.map(|(key, row)| format!("{}={}", text(&key), text(&row))).collect()
    }

    #[test]
    fn a_range_is_read_as_it_was_before_the_group() {
        let dir = tempfile::tempdir().unwrap();
        let tree = sled::Config::new().path(dir.path()).open().unwrap();
        let mut undo = Undo::default();
        // a and z are outside; c was replaced, d was created, e was deleted, x was deleted, m is untouched
        for (key, now) in [("a", "1"), ("c", "new"), ("d", "new"), ("m", "old"), ("z", "1")] {
            tree.insert(key, now).unwrap();
        }
        for (key, old) in
            [("a", Some("0")), ("c", Some("old")), ("d", None), ("e", Some("old")), ("x", Some("old"))]
        {
            undo.remember(IVec::from(key), old.map(IVec::from));
        }
        let wanted = ["c=old", "e=old", "m=old", "x=old"];
        assert_eq!(keys(&undo, &tree, false), wanted);
        assert_eq!(keys(&undo, &tree, true), wanted.iter().rev().copied().collect::<Vec<_>>());
        undo.clear();
        assert_eq!(keys(&undo, &tree, false), ["c=new", "d=new", "m=old"]);
    }
}
