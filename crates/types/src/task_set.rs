//! A set of the tasks of one run, by their place: small enough to stand in the run's own record, however many there are.

use serde::{Deserialize, Serialize};

/// Some of the tasks of a run, by their place in its graph. Ten thousand tasks take 1,250 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskSet(Vec<u8>);

impl TaskSet {
    /// Adds a task. Adding it twice changes nothing.
    pub fn insert(&mut self, place: u32) {
        let byte = (place / 8) as usize;
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= 1 << (place % 8);
    }

    /// Whether a task is in it.
    #[must_use]
    pub fn contains(&self, place: u32) -> bool {
        self.0.get((place / 8) as usize).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    /// How many tasks are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether no task is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }
}

impl FromIterator<u32> for TaskSet {
    fn from_iter<I: IntoIterator<Item = u32>>(places: I) -> Self {
        let mut set = Self::default();
        places.into_iter().for_each(|place| set.insert(place));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_nothing_else() {
        let set: TaskSet = [0, 7, 8, 9_999, 7].into_iter().collect();
        assert_eq!(set.len(), 4);
        let held: Vec<u32> = (0..20_000).filter(|place| set.contains(*place)).collect();
        assert_eq!(held, [0, 7, 8, 9_999]);
    }

    #[test]
    fn a_new_one_is_empty() {
        assert!(TaskSet::default().is_empty());
        assert!(!TaskSet::default().contains(u32::MAX));
    }
}
