//! What the stages of the language share while one file is read: the file itself, the limits of the language, the places
//! of its parts, and the variables that it defines.

use std::collections::BTreeSet;

use gofer_syntax::tree::{Bytes, Item};
use gofer_syntax::{Code, Diagnostic, Reading, Source, Spans};
use gofer_types::Pipeline;

use crate::Parsed;
use crate::aliases;
use crate::decode::BLOCKS;
use crate::limits::Limits;

pub(crate) struct Context<'a> {
    pub(crate) source: &'a Source,
    pub(crate) limits: &'a Limits,
    pub(crate) spans: Spans,
    /// The variables that the pipeline defines, even those whose definition is wrong.
    pub(crate) variables: BTreeSet<String>,
    /// Those whose values are shown to nobody.
    pub(crate) sensitive: BTreeSet<String>,
    reading: Reading<'a>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(source: &'a Source, limits: &'a Limits) -> Self {
        let reading = Reading::new(source, limits.into());
        Self {
            source,
            limits,
            spans: Spans::default(),
            variables: BTreeSet::new(),
            sensitive: BTreeSet::new(),
            reading,
        }
    }

    /// The tree of the file.
    pub(crate) fn read(&mut self) -> Option<Vec<Item>> {
        gofer_syntax::read(&mut self.reading, &BLOCKS)
    }

    /// Whether everything that the file holds is in its tree.
    pub(crate) const fn read_whole(&self) -> bool {
        self.reading.read_whole
    }

    /// Whether further problems are only counted.
    pub(crate) const fn is_full(&self) -> bool {
        self.reading.is_full()
    }

    /// Notes an error; see [`Reading::error`].
    pub(crate) fn error(&mut self, code: Code, at: &Bytes, message: impl Into<String>) -> &mut Diagnostic {
        self.reading.error(code, at, message)
    }

    /// "did you mean", where one of the candidates is near.
    pub(crate) fn did_you_mean<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str> + Clone,
    ) -> Option<String> {
        self.nearest(word, candidates).map(|meant| format!("did you mean `{meant}`?"))
    }

    /// The candidate that stands for a word of another system, or else the nearest one.
    pub(crate) fn nearest<'c>(
        &mut self,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str> + Clone,
    ) -> Option<&'c str> {
        if self.is_full() {
            return None;
        }
        aliases::meant(word, candidates.clone()).or_else(|| self.reading.nearest(word, candidates))
    }

    pub(crate) fn finish(self, pipeline: Option<Pipeline>) -> Parsed {
        let pipeline = if self.reading.has_errors() { None } else { pipeline };
        let (problems, omitted) = self.reading.finish();
        Parsed { pipeline, problems, omitted, spans: self.spans }
    }
}
