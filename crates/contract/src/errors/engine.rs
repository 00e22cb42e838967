//! The table: every refusal of the engine, with its codes, its hint and the next commands.

use std::time::Duration;

use gofer_engine::EngineError;
use gofer_engine::queue::Refused;
use gofer_types::{Actor, Namespace, PipelineRef, SchedulerName};
use tonic::Code;

use super::problem::Problem;
use super::{backend, codes, given, objects};

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let problem = table(&error);
        if matches!(
            problem.status,
            Code::Internal | Code::Unavailable | Code::DataLoss | Code::ResourceExhausted
        ) {
            tracing::error!(code = problem.code, error = %backend::chain(&error), "a call failed");
        }
        problem
    }
}

/// The refusal of an answer to an approval: what was given with it are its fields.
impl Problem {
    /// What a caller is told whose answer is not accepted.
    #[must_use]
    pub fn of_answer(error: EngineError) -> Self {
        match error {
            EngineError::InvalidVariables(problems) => given::refused(&problems, &given::FIELDS),
            other => other.into(),
        }
    }
}

fn table(error: &EngineError) -> Problem {
    match error {
        EngineError::NamespaceNotFound { .. }
        | EngineError::PipelineNotFound { .. }
        | EngineError::VersionNotFound { .. }
        | EngineError::RunNotFound { .. }
        | EngineError::NoSuchRun { .. }
        | EngineError::TaskNotFound { .. }
        | EngineError::LoggingOff { .. }
        | EngineError::LogsDeleted { .. } => lookup(error),
        EngineError::NamespaceExists { .. }
        | EngineError::NamespaceNotEmpty { .. }
        | EngineError::NamespaceProtected
        | EngineError::PipelineActive { .. }
        | EngineError::VersionMoved { .. } => change(error),
        EngineError::InvalidPageToken | EngineError::InvalidCursor | EngineError::InvalidIdempotencyKey => {
            token(error)
        }
        EngineError::PipelineDisabled { .. }
        | EngineError::InvalidVariables(_)
        | EngineError::VariablesTooLarge { .. }
        | EngineError::UnknownScheduler { .. }
        | EngineError::Unsupported(_)
        | EngineError::InvalidPipeline { .. }
        | EngineError::InvalidStart(_)
        | EngineError::RunNotEnded { .. }
        | EngineError::NotAsking { .. }
        | EngineError::OwnPart { .. }
        | EngineError::NothingToRetry { .. }
        | EngineError::Queue { .. }
        | EngineError::IdempotencyMismatch { .. } => start(error),
        EngineError::TooManyFollowers { limit } => backend::too_many_followers(*limit),
        EngineError::Quarantined { .. }
        | EngineError::Record(_)
        | EngineError::EventsMissing { .. }
        | EngineError::Failed { .. } => broken(error),
        EngineError::Storage(error) => backend::storage(error),
        EngineError::Logs(error) => backend::logs(error),
        EngineError::Objects(error) => objects::refusal(error),
        EngineError::ShuttingDown => backend::shutting_down(),
    }
}

/// What was asked for is not there.
fn lookup(error: &EngineError) -> Problem {
    let problem = |code, message: String| Problem::new(Code::NotFound, code, message);
    match error {
        EngineError::NamespaceNotFound { suggestion, .. } => problem(codes::NO_NAMESPACE, error.to_string())
            .meant(suggestion.as_deref())
            .next("gofer namespace list"),
        EngineError::PipelineNotFound { id, suggestion } => {
            let text = format!("there is no pipeline `{}` in namespace `{}`", id.pipeline, id.namespace);
            problem(codes::NO_PIPELINE, text).meant(suggestion.as_deref()).next(list_pipelines(&id.namespace))
        }
        EngineError::VersionNotFound { id, .. } => {
            problem(codes::NO_VERSION, error.to_string()).next(format!("gofer pipeline versions {id}"))
        }
        EngineError::RunNotFound { id } => {
            problem(codes::NO_RUN, error.to_string()).next(format!("gofer run list {}", id.pipeline))
        }
        EngineError::NoSuchRun { id, .. } => {
            problem(codes::NO_RUN, error.to_string()).next(format!("gofer start {id}"))
        }
        EngineError::TaskNotFound { id, suggestion } => problem(codes::NO_TASK, error.to_string())
            .meant(suggestion.as_deref())
            .next(format!("gofer task list {}", id.run)),
        EngineError::LogsDeleted { run, deleted } => {
            let problem = Problem::new(Code::NotFound, codes::LOGS_DELETED, error.to_string())
                .next(format!("gofer run get {run}"));
            match deleted.actor {
                Actor::System => {
                    problem.hint("`[retention]` in the configuration of the server says how much is kept")
                }
                Actor::User(_) => problem.hint("the run itself is kept; its output cannot be brought back"),
            }
        }
        EngineError::LoggingOff { .. } => {
            Problem::new(Code::FailedPrecondition, codes::LOGGING_OFF, error.to_string())
                .hint("`logging = false` stands in the pipeline file; nothing of it was stored")
        }
        _ => defect(),
    }
}

/// Something stands against a change.
fn change(error: &EngineError) -> Problem {
    let text = error.to_string();
    match error {
        EngineError::NamespaceExists { name } => {
            Problem::new(Code::AlreadyExists, codes::NAMESPACE_EXISTS, text)
                .next(format!("gofer namespace get {name}"))
        }
        EngineError::NamespaceNotEmpty { name } => {
            Problem::new(Code::FailedPrecondition, codes::NAMESPACE_NOT_EMPTY, text)
                .hint("delete its pipelines first")
                .next(list_pipelines(name))
        }
        EngineError::NamespaceProtected => {
            Problem::new(Code::FailedPrecondition, codes::NAMESPACE_PROTECTED, text)
                .hint("it is the namespace that is meant where none is named")
        }
        EngineError::PipelineActive { id, .. } => {
            Problem::new(Code::FailedPrecondition, codes::PIPELINE_ACTIVE, text)
                .hint("wait for them, or cancel them")
                .next(format!("gofer run list {id} --active"))
        }
        EngineError::VersionMoved { .. } => Problem::new(Code::Aborted, codes::VERSION_MOVED, text)
            .hint("somebody registered another version in between; look at it before you register yours"),
        _ => defect(),
    }
}

/// A token that we did not hand out, or cannot accept.
fn token(error: &EngineError) -> Problem {
    let (code, field, hint) = match error {
        EngineError::InvalidPageToken => {
            (codes::PAGE_TOKEN, "page.token", "a token belongs to the list and the filter that it came with")
        }
        EngineError::InvalidCursor => (codes::CURSOR, "cursor", "read from the beginning, without a cursor"),
        _ => (codes::IDEMPOTENCY_KEY, "idempotency_key", "a UUID is a good key"),
    };
    let text = error.to_string();
    Problem::new(Code::InvalidArgument, code, text.clone()).hint(hint).violation(field, text)
}

/// A version or a run that cannot be accepted.
fn start(error: &EngineError) -> Problem {
    let text = error.to_string();
    match error {
        EngineError::PipelineDisabled { id } => {
            Problem::new(Code::FailedPrecondition, codes::PIPELINE_DISABLED, text)
                .next(format!("gofer pipeline enable {id}"))
        }
        EngineError::InvalidVariables(problems) => given::refused(problems, &given::VARIABLES),
        EngineError::VariablesTooLarge { .. } => given::too_large(text),
        EngineError::UnknownScheduler { known, .. } => {
            Problem::new(Code::InvalidArgument, codes::UNKNOWN_SCHEDULER, text)
                .hint(schedulers(known))
                .next("gofer status")
        }
        EngineError::Unsupported(parts) => {
            let first =
                parts.first().map(|part| format!("; the first: {}", part.message)).unwrap_or_default();
            Problem::new(Code::InvalidArgument, codes::UNSUPPORTED, format!("{text}{first}"))
                .hint("leave these parts out, or upgrade the server")
        }
        EngineError::InvalidPipeline { .. } => {
            Problem::new(Code::InvalidArgument, codes::INVALID_PIPELINE, text)
                .hint("a pipeline that a task starts must be registered before, and be another one")
                .next("gofer pipeline list")
        }
        EngineError::InvalidStart(problems) => given::start(problems),
        EngineError::NotAsking { id, .. } => Problem::new(Code::FailedPrecondition, codes::NOT_ASKING, text)
            .hint("only a task with an `approval` can be answered, once, while it waits")
            .next(format!("gofer run explain {}", id.run)),
        EngineError::OwnPart { .. } => Problem::new(Code::FailedPrecondition, codes::OWN_PART, text)
            .hint("pipelines may start each other, but none itself, directly or not"),
        EngineError::RunNotEnded { run } => {
            Problem::new(Code::FailedPrecondition, codes::RUN_NOT_ENDED, text)
                .hint("wait for its end, or cancel it")
                .next(format!("gofer wait {run}"))
        }
        EngineError::NothingToRetry { run } => {
            Problem::new(Code::FailedPrecondition, codes::NOTHING_TO_RETRY, text)
                .hint("without `--from-failed` and `--from` all of it is executed again")
                .next(format!("gofer retry {run}"))
        }
        EngineError::Queue { id, refused } => waiting(id, refused, text),
        EngineError::IdempotencyMismatch { run } => {
            Problem::new(Code::AlreadyExists, codes::IDEMPOTENCY_MISMATCH, text)
                .hint("use another key for another start")
                .next(format!("gofer run get {run}"))
        }
        _ => defect(),
    }
}

/// A run that would have to wait.
fn waiting(id: &PipelineRef, refused: &Refused, text: String) -> Problem {
    match refused {
        Refused::PipelineBusy { runs, .. } => {
            let names: Vec<String> = runs.iter().map(ToString::to_string).collect();
            Problem::new(Code::FailedPrecondition, codes::PIPELINE_BUSY, text)
                .hint(format!("its `queue` is `refuse`, and there is {}", names.join(", ")))
                .next(format!("gofer run list {id} --active"))
        }
        Refused::ServerFull { .. } | Refused::NamespaceFull { .. } => {
            Problem::new(Code::ResourceExhausted, codes::TOO_MANY_QUEUED, text)
                .hint("wait until some have run, or cancel some")
                .next("gofer run list --active")
                .retry_after(Duration::from_secs(10))
        }
    }
}

/// Something of the server is broken.
fn broken(error: &EngineError) -> Problem {
    let text = error.to_string();
    match error {
        EngineError::Quarantined { .. } => Problem::new(Code::DataLoss, codes::QUARANTINED, text)
            .hint("its records cannot be used; the other runs go on")
            .next("gofer event list --type quarantined"),
        EngineError::Failed { .. } => Problem::new(Code::Unavailable, codes::STOPPED, text)
            .hint("the server has to be started again by its operator"),
        _ => Problem::new(Code::DataLoss, codes::DAMAGED, text).hint("the log of the server says which one"),
    }
}

fn schedulers(known: &[SchedulerName]) -> String {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    format!("this server has {}", names.join(", "))
}

fn list_pipelines(namespace: &Namespace) -> String {
    if *namespace == Namespace::default_name() {
        "gofer pipeline list".to_owned()
    } else {
        format!("gofer pipeline list --namespace {namespace}")
    }
}

/// A defect of our own: told without details, which are in the log.
fn defect() -> Problem {
    Problem::new(Code::Internal, codes::DEFECT, "the server failed")
}

#[cfg(test)]
mod tests {
    use gofer_backend::{BackendError, ErrorKind, RetryAdvice};
    use gofer_engine::FieldProblem;
    use gofer_engine::objects::{ObjectPath, ObjectsError};
    use gofer_logs::LogError;
    use gofer_pipeline::{Feature, Unsupported, VariableProblem};
    use gofer_records::RecordError;
    use gofer_types::pipeline::VariableType;
    use gofer_types::refs::RunSelector;
    use gofer_types::{
        Actor, Deletion, ObjectScope, PipelineId, PipelineRef, RunNumber, RunRef, TaskId, TaskState,
        Timestamp, VariableName, VersionNumber,
    };

    use super::*;

    fn pipeline() -> PipelineRef {
        PipelineRef {
            namespace: Namespace::new("prod").unwrap(),
            pipeline: PipelineId::new("build").unwrap(),
        }
    }

    fn run() -> RunRef {
        pipeline().run(RunNumber(7))
    }

    fn task() -> TaskId {
        TaskId::new("test").unwrap()
    }

    fn lookups() -> Vec<EngineError> {
        let name = Namespace::new("prod").unwrap();
        let suggestion = Some("near".to_owned());
        let (id, version, latest) = (pipeline(), VersionNumber(9), VersionNumber(4));
        vec![
            EngineError::NamespaceNotFound { name: name.clone(), suggestion: suggestion.clone() },
            EngineError::PipelineNotFound { id: pipeline(), suggestion: None },
            EngineError::PipelineNotFound { id: pipeline(), suggestion: suggestion.clone() },
            EngineError::VersionNotFound { id: id.clone(), version, latest },
            EngineError::RunNotFound { id: run() },
            EngineError::NoSuchRun { id, selector: RunSelector::LatestFailed },
            EngineError::TaskNotFound { id: run().task(task()), suggestion },
            EngineError::LoggingOff { id: run().task(task()) },
            EngineError::LogsDeleted {
                run: run(),
                deleted: Deletion { actor: Actor::System, at: Timestamp::default() },
            },
            EngineError::LogsDeleted {
                run: run(),
                deleted: Deletion { actor: Actor::User("ana".to_owned()), at: Timestamp::default() },
            },
            EngineError::NamespaceExists { name: name.clone() },
            EngineError::NamespaceNotEmpty { name },
            EngineError::NamespaceProtected,
            EngineError::PipelineActive { id: pipeline(), active: 2 },
            EngineError::VersionMoved { expected: 4, actual: 5 },
        ]
    }

    fn given() -> Vec<EngineError> {
        let variable = VariableName::new("branch").unwrap();
        let unknown = VariableProblem::Unknown { name: "brnach".to_owned(), meant: Some(variable.clone()) };
        let name = variable.clone();
        let number = VariableProblem::WrongType { name: variable.clone(), kind: VariableType::Number };
        let allowed = vec!["main".to_owned(), "next".to_owned()];
        let other = VariableProblem::NotAllowed { name: variable.clone(), allowed };
        let missing = VariableProblem::Missing { name: variable, description: String::new() };
        let described = VariableProblem::Missing { name, description: "what is built".to_owned() };
        let field = |field: &str, rule: &str, hint: &str| FieldProblem {
            field: field.to_owned(),
            rule: rule.to_owned(),
            hint: hint.to_owned(),
        };
        let priority = field("priority", "a priority is from -10 to 10, not 11", "0 is usual");
        let labels = field("labels", "a run has at most 64 labels; these are 70", "leave some out");
        vec![
            EngineError::InvalidVariables(vec![unknown.clone()]),
            EngineError::InvalidVariables(vec![unknown, missing]),
            EngineError::InvalidVariables(vec![described]),
            EngineError::InvalidVariables(vec![number]),
            EngineError::InvalidVariables(vec![other]),
            EngineError::VariablesTooLarge { size: 70_000, limit: 65_536 },
            EngineError::InvalidStart(vec![priority.clone()]),
            EngineError::InvalidStart(vec![priority, labels]),
        ]
    }

    fn starts() -> Vec<EngineError> {
        let scheduler = |name| SchedulerName::new(name).unwrap();
        let part = Unsupported {
            feature: Feature::Checkout,
            path: "task.test.checkout".to_owned(),
            message: "task `test` needs what this build cannot do yet".to_owned(),
        };
        vec![
            EngineError::PipelineDisabled { id: pipeline() },
            EngineError::UnknownScheduler {
                task: task(),
                name: scheduler("clutser"),
                known: vec![scheduler("cluster"), scheduler("local")],
            },
            EngineError::Unsupported(vec![part]),
            EngineError::InvalidPipeline { reason: "tasks depend on each other in a cycle".to_owned() },
            EngineError::Queue { id: pipeline(), refused: Refused::ServerFull { limit: 1000 } },
            EngineError::Queue {
                id: pipeline(),
                refused: Refused::NamespaceFull { namespace: Namespace::default_name(), limit: 10 },
            },
            EngineError::Queue {
                id: pipeline(),
                refused: Refused::PipelineBusy { parallelism: 1, runs: vec![run()] },
            },
            EngineError::RunNotEnded { run: run() },
            EngineError::NotAsking { id: run().task(task()), state: TaskState::Succeeded },
            EngineError::OwnPart { pipeline: pipeline(), run: run() },
            EngineError::NothingToRetry { run: run() },
            EngineError::InvalidPageToken,
            EngineError::InvalidCursor,
            EngineError::InvalidIdempotencyKey,
            EngineError::IdempotencyMismatch { run: run() },
            EngineError::TooManyFollowers { limit: 20_000 },
        ]
    }

    fn broken() -> Vec<EngineError> {
        let damaged = RecordError::Damaged { key: "run/1".to_owned(), reason: "cut off".to_owned() };
        let disk = |kind: std::io::ErrorKind| LogError::Io {
            operation: "write",
            path: "/data/logs".into(),
            source: kind.into(),
        };
        vec![
            EngineError::Quarantined { run: run(), reason: "format 9 is not known".to_owned() },
            EngineError::Record(damaged),
            EngineError::EventsMissing { from: 7 },
            EngineError::Logs(disk(std::io::ErrorKind::StorageFull)),
            EngineError::Logs(disk(std::io::ErrorKind::PermissionDenied)),
            EngineError::Logs(LogError::Corrupt { path: "/data/logs".into(), offset: 3, problem: "a hole" }),
            EngineError::Logs(LogError::TooManyFollowers { limit: 20_000 }),
            EngineError::Logs(LogError::Deleted { task: run().task(task()) }),
            EngineError::Logs(LogError::Stopped),
            EngineError::ShuttingDown,
            EngineError::Failed { reason: "another server owns the state".to_owned() },
        ]
    }

    fn storage() -> Vec<EngineError> {
        let error =
            |kind| BackendError::new(kind, "a secret detail").at("redb", "commit").with("path", "/data");
        let advised =
            error(ErrorKind::Exhausted).retry(RetryAdvice::Later { after: Some(Duration::from_secs(9)) });
        let all = ErrorKind::ALL.into_iter().map(error).chain([advised]);
        all.map(EngineError::Storage).collect()
    }

    fn objects() -> Vec<EngineError> {
        let scope = ObjectScope::Run(run());
        let path: ObjectPath = "out/a.tar".parse().unwrap();
        let error = |kind| BackendError::new(kind, "a secret detail").with("path", "/data");
        let refusals = vec![
            ObjectsError::NotFound { scope: scope.clone(), path: path.clone() },
            ObjectsError::NotFound { scope: ObjectScope::Pipeline(pipeline()), path: path.clone() },
            ObjectsError::Exists { scope: scope.clone(), path },
            ObjectsError::TooLarge { limit: 1 << 30 },
            ObjectsError::QuotaExceeded { limit: 10 << 30, used: 9 << 30 },
            ObjectsError::InvalidPath {
                path: "../a".to_owned(),
                reason: "a segment of a key is a step in a path, not a name".to_owned(),
            },
            ObjectsError::TooManyObjects { scope: scope.clone(), limit: 1000 },
            ObjectsError::Invalid(BackendError::new(
                ErrorKind::InvalidInput,
                "the object is not as long as announced",
            )),
            ObjectsError::Stalled { after: Duration::from_secs(60) },
            ObjectsError::Gone { scope },
            ObjectsError::Store(error(ErrorKind::Exhausted)),
            ObjectsError::Store(error(ErrorKind::Unavailable)),
            ObjectsError::Store(error(ErrorKind::NotFound)),
        ];
        refusals.into_iter().map(EngineError::Objects).collect()
    }

    fn shown(error: &EngineError) -> String {
        told(&format!("{error:?}").chars().take(60).collect::<String>(), &table(error))
    }

    fn told(head: &str, problem: &Problem) -> String {
        let mut lines = vec![head.to_owned()];
        lines.push(format!("  {:?} {}: {}", problem.status, problem.code, problem.message));
        lines.extend(problem.hint.iter().map(|hint| format!("  hint: {hint}")));
        lines.extend(problem.next.iter().map(|next| format!("  next: {next}")));
        lines.extend(
            problem.violations.iter().map(|one| format!("  field {}: {}", one.field, one.description)),
        );
        lines.extend(problem.retry_after.iter().map(|delay| format!("  retry after {delay:?}")));
        lines.join("\n")
    }

    fn all() -> Vec<EngineError> {
        [lookups(), given(), starts(), broken(), storage(), objects()].into_iter().flatten().collect()
    }

    #[test]
    fn every_refusal_has_its_place_in_the_table() {
        let mut shown: Vec<String> = all().iter().map(shown).collect();
        let answers = given().into_iter().filter(|error| matches!(error, EngineError::InvalidVariables(_)));
        shown.extend(answers.map(|error| told("the answer to an approval", &Problem::of_answer(error))));
        insta::assert_snapshot!("table", shown.join("\n"));
    }

    #[test]
    fn what_a_backend_says_about_us_is_never_said_about_the_caller() {
        for error in all() {
            let problem = table(&error);
            let about_the_caller = [Code::Unauthenticated, Code::PermissionDenied];
            assert!(!about_the_caller.contains(&problem.status), "{error:?}");
        }
    }

    #[test]
    fn a_backend_error_never_becomes_the_callers_not_found_or_conflict() {
        for error in storage() {
            let status = table(&error).status;
            assert!(
                !matches!(status, Code::NotFound | Code::AlreadyExists | Code::InvalidArgument),
                "{error:?}"
            );
        }
    }

    #[test]
    fn the_details_of_backends_are_for_the_log_only() {
        for error in storage().into_iter().chain(broken()).chain(objects()) {
            let problem = table(&error);
            let told = format!("{problem:?}");
            assert!(!told.contains("secret") && !told.contains("/data"), "{told}");
        }
    }

    #[test]
    fn every_code_has_a_page_with_its_title() {
        for (code, title) in codes::CODES {
            let path = format!("{}/../../docs/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
            let page = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(page.starts_with(&format!("# {code}: {title}\n")), "{path}");
        }
    }
}
