//! Where the parts of a pipeline stand, for those who find something to say about them later.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::source::{Source, SourceSpan};

/// The places of the parts of a pipeline, by path: `timeout`, `task.test`, `task.test.retry`,
/// `task.test.env_vars.TOKEN`, `variable.rev`, `trigger.cron.nightly.expression`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    ranges: BTreeMap<String, Range<usize>>,
}

impl Spans {
    /// Notes where a part stands; the first place counts.
    pub fn insert(&mut self, path: String, range: Range<usize>) {
        self.ranges.entry(path).or_insert(range);
    }

    /// The bytes that a part stands at; where the file does not name the part, those of the nearest part around it.
    #[must_use]
    pub fn range(&self, path: &str) -> Option<Range<usize>> {
        let mut path = path;
        loop {
            if let Some(range) = self.ranges.get(path) {
                return Some(range.clone());
            }
            path = &path[..path.rfind('.')?];
        }
    }

    /// The same as a place in the file that was parsed.
    #[must_use]
    pub fn find(&self, path: &str, source: &Source) -> Option<SourceSpan> {
        self.range(path).map(|range| source.locate(&range))
    }
}
