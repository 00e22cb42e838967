//! What all stages share while one file is read: the source, the limits, and the problems found so far.

use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, Severity};
use crate::limits::ReadLimits;
use crate::source::Source;
use crate::suggest;
use crate::tree::Bytes;

/// One file while it is read.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The file.
    pub source: &'a Source,
    /// What its text is held to.
    pub limits: ReadLimits,
    /// Whether everything that the file holds is in its tree.
    pub read_whole: bool,
    problems: Vec<Diagnostic>,
    /// Takes what is said when no more problems are kept.
    beyond: Diagnostic,
    omitted: usize,
    comparisons: usize,
}

impl<'a> Reading<'a> {
    /// A file of which nothing was read yet.
    #[must_use]
    pub fn new(source: &'a Source, limits: ReadLimits) -> Self {
        Self {
            source,
            limits,
            read_whole: true,
            problems: Vec::new(),
            beyond: Diagnostic::error(codes::LIMIT, source.name(), ""),
            omitted: 0,
            comparisons: suggest::BUDGET,
        }
    }

    /// Whether further problems are only counted.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.problems.len() >= self.limits.problems
    }

    /// Whether the file cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.omitted > 0 || self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Notes an error at a place, or about the whole file where the place is empty; what is said about it further is
    /// added to what this returns.
    pub fn error(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> &mut Diagnostic {
        if self.is_full() {
            self.omitted += 1;
            self.beyond.help.clear();
            self.beyond.related.clear();
            return &mut self.beyond;
        }
        let mut problem = Diagnostic::error(code, self.source.name(), message);
        problem.span = (!at.is_empty()).then(|| self.source.locate(at));
        self.push(problem)
    }

    pub(crate) fn push(&mut self, problem: Diagnostic) -> &mut Diagnostic {
        self.problems.push(problem);
        self.problems.last_mut().unwrap_or(&mut self.beyond)
    }

    /// The candidate nearest to a word, if one is near enough to be a slip of the pen. All comparisons of one file have
    /// one budget.
    pub fn nearest<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        if self.is_full() { None } else { suggest::nearest(word, candidates, &mut self.comparisons) }
    }

    /// The problems in the order of the file, and how many more there are than could be told.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Diagnostic>, usize) {
        self.problems.sort_by_key(|problem| problem.span.map_or(0, |span| span.start));
        (self.problems, self.omitted)
    }
}
