//! Requests to checked values: every field is looked at, and everything that is wrong is told at once.
//!
//! Each check notes what is wrong and answers `None`; [`Fields::finish`] answers the values if nothing was. A field
//! keeps the name that it has in the contract.

use std::collections::{BTreeMap, HashMap};

use gofer_engine::Page;
use gofer_proto::v1;
use gofer_types::refs::RunSelector;
use gofer_types::{EventKind, NameError, Namespace, PipelineId, PipelineRef, RunNumber, TaskId, Timestamp, VersionNumber};

use tonic::Status;

use crate::convert;
use crate::errors::{Problem, Violation};

/// How many entries a list or a map of a request may have.
const MANY: usize = 1_000;
/// How many bytes the variables of a run may have in all.
const VARIABLES_BYTES: usize = 256 << 10;
/// How long a page token or a cursor may be, in bytes.
const TOKEN_BYTES: usize = 64 << 10;
/// How long an idempotency key may be.
const KEY_LENGTH: usize = 128;

/// What is wrong with a request so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    violations: Vec<Violation>,
}

impl Fields {
    /// Notes that a field is wrong.
    pub(crate) fn refuse<T>(&mut self, field: &str, description: impl Into<String>) -> Option<T> {
        self.violations.push(Violation { field: field.to_owned(), description: description.into() });
        None
    }

    /// The values, or everything that is wrong.
    pub(crate) fn finish<T>(self, values: Option<T>) -> Result<T, Status> {
        match values {
            Some(values) if self.violations.is_empty() => Ok(values),
            _ => Err(Problem::from(self.violations).into()),
        }
    }

    fn name<T>(&mut self, field: &str, text: &str, parse: impl Fn(String) -> Result<T, NameError>) -> Option<T> {
        match parse(text.to_owned()) {
            Ok(name) => Some(name),
            Err(error) => self.refuse(field, error.to_string()),
        }
    }

    /// A namespace that must be named.
    pub(crate) fn namespace(&mut self, field: &str, text: &str) -> Option<Namespace> {
        self.name(field, text, Namespace::new)
    }

    /// A namespace; empty means the default one.
    pub(crate) fn namespace_or_default(&mut self, field: &str, text: &str) -> Option<Namespace> {
        if text.is_empty() { Some(Namespace::default_name()) } else { self.namespace(field, text) }
    }

    /// A namespace to filter by; empty means all. The outer option is whether it is well-formed.
    pub(crate) fn namespace_filter(&mut self, field: &str, text: &str) -> Option<Option<Namespace>> {
        if text.is_empty() { Some(None) } else { self.namespace(field, text).map(Some) }
    }

    /// A pipeline to filter by; empty means all. The outer option is whether it is well-formed.
    pub(crate) fn pipeline_filter(&mut self, field: &str, text: &str) -> Option<Option<PipelineId>> {
        if text.is_empty() { Some(None) } else { self.name(field, text, PipelineId::new).map(Some) }
    }

    /// A task that must be named.
    pub(crate) fn task(&mut self, field: &str, text: &str) -> Option<TaskId> {
        self.name(field, text, TaskId::new)
    }

    /// Tasks to filter by.
    pub(crate) fn tasks(&mut self, field: &str, names: &[String]) -> Option<Vec<TaskId>> {
        if names.len() > MANY {
            return self.refuse(field, format!("at most {MANY} tasks can be named; these are {}", names.len()));
        }
        let tasks: Vec<_> = (names.iter().enumerate())
            .map(|(index, name)| self.task(&format!("{field}[{index}]"), name))
            .collect();
        tasks.into_iter().collect()
    }

    /// A pipeline that must be named.
    pub(crate) fn pipeline(&mut self, field: &str, reference: Option<&v1::PipelineRef>) -> Option<PipelineRef> {
        let Some(reference) = reference else { return self.refuse(field, "it must be set") };
        let namespace = self.namespace_or_default(&format!("{field}.namespace"), &reference.namespace);
        let pipeline = self.name(&format!("{field}.pipeline"), &reference.pipeline, PipelineId::new);
        Some(PipelineRef { namespace: namespace?, pipeline: pipeline? })
    }

    /// A run that must be named, by its number or by its place.
    pub(crate) fn run(&mut self, field: &str, reference: Option<&v1::RunRef>) -> Option<(PipelineRef, RunSelector)> {
        let Some(reference) = reference else { return self.refuse(field, "it must be set") };
        let namespace = self.namespace_or_default(&format!("{field}.namespace"), &reference.namespace);
        let pipeline = self.name(&format!("{field}.pipeline"), &reference.pipeline, PipelineId::new);
        let selector = self.selector(field, reference.selector.as_ref());
        Some((PipelineRef { namespace: namespace?, pipeline: pipeline? }, selector?))
    }

    fn selector(&mut self, field: &str, selector: Option<&v1::run_ref::Selector>) -> Option<RunSelector> {
        match selector {
            None => self.refuse(&format!("{field}.number"), "a number from 1, or `latest`, must be set"),
            Some(v1::run_ref::Selector::Number(0)) => {
                self.refuse(&format!("{field}.number"), "runs are numbered from 1")
            }
            Some(v1::run_ref::Selector::Number(number)) => Some(RunSelector::Number(RunNumber(*number))),
            Some(v1::run_ref::Selector::Latest(place)) => match v1::Latest::try_from(*place) {
                Ok(v1::Latest::Unspecified) => Some(RunSelector::Latest),
                Ok(v1::Latest::Failed) => Some(RunSelector::LatestFailed),
                Err(_) => self.refuse(&format!("{field}.latest"), format!("{place} is not a known value")),
            },
        }
    }

    /// A version; 0 means the newest.
    pub(crate) fn version(number: u64) -> Option<VersionNumber> {
        (number > 0).then_some(VersionNumber(number))
    }

    /// A part of a list.
    pub(crate) fn page(&mut self, page: Option<v1::Page>) -> Option<Page> {
        let page = page.unwrap_or_default();
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let token = self.token("page.token", page.token)?;
        Some(Page { size, token })
    }

    /// Something that we handed out; empty means none.
    pub(crate) fn token(&mut self, field: &str, token: String) -> Option<Option<String>> {
        if token.len() > TOKEN_BYTES {
            return self.refuse(field, "it is longer than any that was handed out");
        }
        Some((!token.is_empty()).then_some(token))
    }

    /// A text for people of so many characters.
    pub(crate) fn text(&mut self, field: &str, text: String, max: usize) -> Option<String> {
        let length = text.chars().count();
        if length > max {
            return self.refuse(field, format!("at most {max} characters are accepted; these are {length}"));
        }
        match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            Some(c) => self.refuse(field, format!("the control character {c:?} is not accepted")),
            None => Some(text),
        }
    }

    /// A point in time that may be absent. The outer option is whether it is well-formed.
    pub(crate) fn time(&mut self, field: &str, time: Option<prost_types::Timestamp>) -> Option<Option<Timestamp>> {
        let Some(time) = time else { return Some(None) };
        match convert::from_timestamp(&time) {
            Some(time) => Some(Some(time)),
            None => self.refuse(field, "it is not a point in time that can be counted in microseconds"),
        }
    }

    /// The variables of a run. Which ones the pipeline accepts is for the engine to say.
    pub(crate) fn variables(&mut self, given: HashMap<String, String>) -> Option<BTreeMap<String, String>> {
        let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
        if given.len() > MANY {
            return self.refuse("variables", format!("at most {MANY} are accepted; these are {}", given.len()));
        }
        if bytes > VARIABLES_BYTES {
            return self.refuse("variables", format!("at most {VARIABLES_BYTES} bytes are accepted; these are {bytes}"));
        }
        Some(given.into_iter().collect())
    }

    /// An idempotency key; empty means none. The outer option is whether it is well-formed.
    pub(crate) fn key(&mut self, field: &str, key: String) -> Option<Option<String>> {
        if key.len() > KEY_LENGTH || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.refuse(field, format!("it has 1 to {KEY_LENGTH} visible ASCII characters"));
        }
        Some((!key.is_empty()).then_some(key))
    }

    /// The types of events to filter by.
    pub(crate) fn event_types(&mut self, field: &str, types: Vec<String>) -> Option<Vec<String>> {
        let unknown = types.iter().position(|word| !EventKind::WORDS.contains(&word.as_str()));
        match unknown {
            None if types.len() <= MANY => Some(types),
            None => self.refuse(field, format!("at most {MANY} types can be named")),
            Some(index) => {
                let known = EventKind::WORDS.join(", ");
                self.refuse(&format!("{field}[{index}]"), format!("{:?} is not one of {known}", types[index]))
            }
        }
    }
}
