//! What all stages share while one file is read: the source, the limits, and the problems found so far.

use std::collections::BTreeSet;

use gofer_types::Pipeline;

use crate::Parsed;
use crate::codes::Code;
use crate::diagnostic::{Diagnostic, Severity};
use crate::limits::Limits;
use crate::source::Source;
use crate::spans::Spans;
use crate::suggest;
use crate::tree::Bytes;

pub(crate) struct Context<'a> {
    pub(crate) source: &'a Source,
    pub(crate) limits: &'a Limits,
    pub(crate) spans: Spans,
    /// The variables that the pipeline defines, even those whose definition is wrong.
    pub(crate) variables: BTreeSet<String>,
    /// Whether everything that the file holds is in its tree.
    pub(crate) read_whole: bool,
    problems: Vec<Diagnostic>,
    /// Takes what is said when no more problems are kept.
    beyond: Diagnostic,
    omitted: usize,
    comparisons: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(source: &'a Source, limits: &'a Limits) -> Self {
        Self {
            source,
            limits,
            spans: Spans::default(),
            variables: BTreeSet::new(),
            read_whole: true,
            problems: Vec::new(),
            beyond: Diagnostic::error(crate::codes::LIMIT, source.name(), ""),
            omitted: 0,
            comparisons: suggest::BUDGET,
        }
    }

    /// Whether further problems are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= self.limits.problems
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.omitted > 0 || self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Notes an error at a place, or about the whole file where the place is empty; what is said about it further is added to what this returns.
    pub(crate) fn error(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> &mut Diagnostic {
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

    /// "did you mean", where one of the candidates is near.
    pub(crate) fn did_you_mean<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str> + Clone,
    ) -> Option<String> {
        self.nearest(word, candidates).map(|meant| format!("did you mean `{meant}`?"))
    }

    pub(crate) fn nearest<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str> + Clone,
    ) -> Option<&'c str> {
        if self.is_full() {
            return None;
        }
        suggest::known_or_nearest(word, candidates, &mut self.comparisons)
    }

    pub(crate) fn finish(mut self, pipeline: Option<Pipeline>) -> Parsed {
        let pipeline = if self.has_errors() { None } else { pipeline };
        self.problems.sort_by_key(|problem| problem.span.map_or(0, |span| span.start));
        Parsed { pipeline, problems: self.problems, omitted: self.omitted, spans: self.spans }
    }
}
