//! Requests to checked values: every field is looked at, and everything that is wrong is told at once.
//!
//! Each check notes what is wrong and answers `None`; [`Fields::finish`] answers the values if nothing was. A field
//! keeps the name that it has in the contract.

use std::collections::{BTreeMap, HashMap};

use gofer_contract::{Problem, Violation, convert};
use gofer_engine::objects::ObjectPath;
use gofer_engine::{EngineError, Page};
use gofer_proto::v1;
use gofer_types::refs::RunSelector;
use gofer_types::{
    EventKind, LabelKey, NameError, Namespace, PipelineId, PipelineRef, RunNumber, TaskId, Timestamp,
    VersionNumber,
};

use tonic::Status;

/// How many entries a list or a map of a request may have.
const MANY: usize = 1_000;
/// How many bytes the variables of a run may have in all.
const VARIABLES_BYTES: usize = 256 << 10;
/// How long a page token or a cursor may be, in bytes.
const TOKEN_BYTES: usize = 64 << 10;

/// What is wrong with a request so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    violations: Vec<Violation>,
    /// Why a field is refused that has a code of its own, where it alone is wrong.
    own: Option<EngineError>,
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
            _ => Err(self.problem().into()),
        }
    }

    fn problem(self) -> Problem {
        match (self.own, self.violations.len()) {
            (Some(error), 1) => Problem { violations: self.violations, ..Problem::from(error) },
            _ => Problem::from(self.violations),
        }
    }

    /// The key of an object.
    pub(crate) fn object_key(&mut self, field: &str, text: &str) -> Option<ObjectPath> {
        match text.parse::<ObjectPath>() {
            Ok(path) => Some(path),
            Err(error) => {
                let refused = self.refuse(field, error.to_string());
                self.own = Some(error.into());
                refused
            }
        }
    }

    fn name<T>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl Fn(String) -> Result<T, NameError>,
    ) -> Option<T> {
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
            return self
                .refuse(field, format!("at most {MANY} tasks can be named; these are {}", names.len()));
        }
        let tasks: Vec<_> = (names.iter().enumerate())
            .map(|(index, name)| self.task(&format!("{field}[{index}]"), name))
            .collect();
        tasks.into_iter().collect()
    }

    /// A pipeline that must be named.
    pub(crate) fn pipeline(
        &mut self,
        field: &str,
        reference: Option<&v1::PipelineRef>,
    ) -> Option<PipelineRef> {
        let Some(reference) = reference else { return self.refuse(field, "it must be set") };
        let namespace = self.namespace_or_default(&format!("{field}.namespace"), &reference.namespace);
        let pipeline = self.name(&format!("{field}.pipeline"), &reference.pipeline, PipelineId::new);
        Some(PipelineRef { namespace: namespace?, pipeline: pipeline? })
    }

    /// A run that must be named, by its number or by its place.
    pub(crate) fn run(
        &mut self,
        field: &str,
        reference: Option<&v1::RunRef>,
    ) -> Option<(PipelineRef, RunSelector)> {
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
    pub(crate) fn time(
        &mut self,
        field: &str,
        time: Option<prost_types::Timestamp>,
    ) -> Option<Option<Timestamp>> {
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
            return self
                .refuse("variables", format!("at most {MANY} are accepted; these are {}", given.len()));
        }
        if bytes > VARIABLES_BYTES {
            return self.refuse(
                "variables",
                format!("at most {VARIABLES_BYTES} bytes are accepted; these are {bytes}"),
            );
        }
        Some(given.into_iter().collect())
    }

    /// Labels by their keys.
    pub(crate) fn labels(
        &mut self,
        field: &str,
        given: HashMap<String, String>,
    ) -> Option<BTreeMap<LabelKey, String>> {
        self.named(field, given, LabelKey::new)
    }

    /// Images by their tasks.
    pub(crate) fn images(
        &mut self,
        field: &str,
        given: HashMap<String, String>,
    ) -> Option<BTreeMap<TaskId, String>> {
        self.named(field, given, TaskId::new)
    }

    fn named<K: Ord>(
        &mut self,
        field: &str,
        given: HashMap<String, String>,
        parse: impl Fn(String) -> Result<K, NameError>,
    ) -> Option<BTreeMap<K, String>> {
        if given.len() > MANY {
            return self.refuse(field, format!("at most {MANY} are accepted; these are {}", given.len()));
        }
        let mut given: Vec<(String, String)> = given.into_iter().collect();
        given.sort_unstable();
        let entries: Vec<Option<(K, String)>> = given
            .into_iter()
            .map(|(name, value)| Some((self.name(&format!("{field}.{name}"), &name, &parse)?, value)))
            .collect();
        entries.into_iter().collect()
    }

    /// A priority.
    pub(crate) fn priority(&mut self, field: &str, priority: i32) -> Option<i8> {
        match i8::try_from(priority) {
            Ok(priority) => Some(priority),
            Err(_) => self.refuse(field, format!("a priority is from -10 to 10, not {priority}")),
        }
    }

    /// An idempotency key; empty means none. The outer option is whether it is well-formed.
    pub(crate) fn key(&mut self, field: &str, key: String) -> Option<Option<String>> {
        if !key.is_empty() && !gofer_types::is_idempotency_key(&key) {
            self.own = Some(EngineError::InvalidIdempotencyKey);
            return self
                .refuse(field, format!("it has 1 to {} visible ASCII characters", gofer_types::LONGEST_KEY));
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

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn pipeline(namespace: &str, id: &str) -> v1::PipelineRef {
        v1::PipelineRef { namespace: namespace.to_owned(), pipeline: id.to_owned() }
    }

    fn run(selector: Option<v1::run_ref::Selector>) -> v1::RunRef {
        v1::RunRef { namespace: String::new(), pipeline: "build".to_owned(), selector }
    }

    /// Which fields are refused, in order.
    fn refused<T>(check: impl FnOnce(&mut Fields) -> Option<T>) -> Vec<String> {
        let mut fields = Fields::default();
        let value = check(&mut fields);
        let Err(status) = fields.finish(value) else { return Vec::new() };
        let request = status.get_details_bad_request().unwrap();
        request.field_violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let all = refused(|fields| {
            let wrong = pipeline("no/such", "a b");
            let pipeline = fields.pipeline("pipeline", Some(&wrong));
            let text = fields.text("reason", "x".repeat(501), 500);
            pipeline.zip(text)
        });
        assert_eq!(all, ["pipeline.namespace", "pipeline.pipeline", "reason"]);
    }

    #[test]
    fn an_empty_namespace_is_the_default_one_only_where_that_makes_sense() {
        let mut fields = Fields::default();
        let found = fields.pipeline("pipeline", Some(&pipeline("", "build"))).unwrap();
        assert_eq!(found.namespace, Namespace::default_name());
        assert_eq!(fields.namespace_filter("namespace", ""), Some(None));
        assert_eq!(refused(|fields| fields.namespace("name", "")), ["name"]);
    }

    #[test]
    fn what_must_be_set_is_missed() {
        assert_eq!(refused(|fields| fields.pipeline("pipeline", None)), ["pipeline"]);
        assert_eq!(refused(|fields| fields.run("run", None)), ["run"]);
        assert_eq!(refused(|fields| fields.run("run", Some(&run(None)))), ["run.number"]);
    }

    #[test]
    fn a_run_is_meant_by_number_or_by_place() {
        use v1::run_ref::Selector::{Latest, Number};
        let mut fields = Fields::default();
        let mut selected =
            |selector| fields.run("run", Some(&run(Some(selector)))).map(|(_, selector)| selector);
        assert_eq!(selected(Number(7)), Some(RunSelector::Number(RunNumber(7))));
        assert_eq!(selected(Latest(0)), Some(RunSelector::Latest));
        assert_eq!(selected(Latest(1)), Some(RunSelector::LatestFailed));
        assert_eq!(refused(|fields| fields.run("run", Some(&run(Some(Number(0)))))), ["run.number"]);
        assert_eq!(refused(|fields| fields.run("run", Some(&run(Some(Latest(7)))))), ["run.latest"]);
    }

    #[test]
    fn texts_are_limited_and_cannot_steer_a_terminal() {
        assert!(refused(|fields| fields.text("reason", "ä".repeat(500), 500)).is_empty());
        assert!(refused(|fields| fields.text("reason", "two\nlines\tand a tab".to_owned(), 500)).is_empty());
        assert_eq!(refused(|fields| fields.text("reason", "\u{1b}[2J".to_owned(), 500)), ["reason"]);
        assert_eq!(refused(|fields| fields.text("reason", "\0".to_owned(), 500)), ["reason"]);
    }

    #[test]
    fn keys_are_accepted_up_to_their_limit() {
        assert!(refused(|fields| fields.key("key", String::new())).is_empty());
        assert!(refused(|fields| fields.key("key", "k".repeat(128))).is_empty());
        assert_eq!(refused(|fields| fields.key("key", "k".repeat(129))), ["key"]);
        assert_eq!(refused(|fields| fields.key("key", "a b".to_owned())), ["key"]);
    }

    #[test]
    fn lists_and_maps_are_accepted_up_to_their_limit() {
        let names = |count: usize| vec!["a".to_owned(); count];
        assert!(refused(|fields| fields.tasks("tasks", &names(1_000))).is_empty());
        assert_eq!(refused(|fields| fields.tasks("tasks", &names(1_001))), ["tasks"]);
        let variables =
            |count: usize| (0..count).map(|n| (format!("v{n}"), String::new())).collect::<HashMap<_, _>>();
        assert!(refused(|fields| fields.variables(variables(1_000))).is_empty());
        assert_eq!(refused(|fields| fields.variables(variables(1_001))), ["variables"]);
        let large = HashMap::from([("v".to_owned(), "x".repeat(256 << 10))]);
        assert_eq!(refused(|fields| fields.variables(large)), ["variables"]);
    }

    #[test]
    fn an_unknown_type_of_event_is_named_with_the_known_ones() {
        let types = vec!["run".to_owned(), "taks".to_owned()];
        assert_eq!(refused(|fields| fields.event_types("filter.types", types)), ["filter.types[1]"]);
    }

    #[test]
    fn a_time_that_cannot_be_counted_is_refused() {
        let time = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
        assert_eq!(refused(|fields| fields.time("since", Some(time))), ["since"]);
        assert!(refused(|fields| fields.time("since", None)).is_empty());
    }
}
