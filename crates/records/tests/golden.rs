//! Every format that was ever written is read for ever: one golden file per family and format.
//!
//! `GOFER_UPDATE_GOLDEN=1` writes files for a *new* format. A change of an existing file is a change of a stored format: it needs a
//! new number and a decoder for the old one.

#![expect(clippy::unwrap_used, reason = "tests: a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use gofer_records::codec::{ActiveRecord, IdempotencyRecord, Stored, decode, encode};
use gofer_types::pipeline::{
    Action, Approval, Axis, Checkout, NotifierUse, Output, PluginUse, QueuePolicy, ReferenceRoot,
    RegistryAuth, Resources, Retry, Store, StoreRef, SubPipeline, Template, TemplatePart, Text, Value,
    Variable, VariableType,
};
use gofer_types::record::CancelRequest;
use gofer_types::{
    Actor, Answer, AttemptId, AttemptRecord, BootTime, ByteSize, Cause, Condition, Deletion, Event,
    EventKind, FanOut, ImageState, LabelKey, Namespace, NamespaceRecord, ObjectScope, Pipeline, PipelineId,
    PipelineRecord, PipelineRef, RetryOf, RunNumber, RunRecord, RunState, SchedulerName, Span, Task, TaskId,
    TaskRunRecord, TaskState, Timestamp, VariableName, VersionNumber, VersionRecord,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000 + 7)
}

fn due() -> BootTime {
    BootTime::new(0x0123_4567_89ab_cdef, Duration::from_secs(86_400))
}

fn pipeline_ref() -> PipelineRef {
    PipelineRef { namespace: Namespace::new("team").unwrap(), pipeline: PipelineId::new("build").unwrap() }
}

fn task_id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn user() -> Actor {
    Actor::User("ada".to_owned())
}

/// A task that uses every part of the language.
fn full_task() -> Task {
    let reference = TemplatePart::Reference { root: ReferenceRoot::Var, name: "rev".to_owned() };
    let template = Text::Template(Template { parts: vec![TemplatePart::Literal("v".to_owned()), reference] });
    let secret = Text::Store(StoreRef { store: Store::Secret, key: "k".to_owned() });
    let shell = vec!["sh".to_owned(), "-c".to_owned()];
    Task {
        image: "alpine:3".to_owned(),
        description: "all of it".to_owned(),
        entrypoint: Some(vec!["/bin/x".into()]),
        workdir: Some("/src".to_owned()),
        user: Some("1000".to_owned()),
        env_vars: BTreeMap::from([("A".to_owned(), template), ("B".to_owned(), secret.clone())]),
        depends_on: BTreeMap::from([(task_id("first"), Condition::Any)]),
        timeout: Some(Span::from_secs(60)),
        retry: Some(Retry {
            attempts: 3,
            backoff: Span::from_secs(1),
            factor: 2.0,
            max_backoff: Span::from_secs(9),
            on: vec!["failed".to_owned()],
            exit_codes: vec![75],
        }),
        resources: Resources { cpu: Some(0.5), memory: Some(ByteSize::from_mib(64)) },
        registry_auth: Some(RegistryAuth { user: "me".into(), pass: secret.clone() }),
        always_pull: true,
        logging: Some(true),
        allow_failure: true,
        cleanup: true,
        inject_token: true,
        scheduler: SchedulerName::new("docker").ok(),
        matrix: BTreeMap::from([("os".to_owned(), Axis::Values(vec!["a".to_owned()]))]),
        checkout: Some(Checkout {
            url: "https://git.example".into(),
            reference: "main".into(),
            sparse: vec!["src".to_owned()],
            depth: Some(1),
            auth: Some(secret),
        }),
        inputs: vec!["dist".to_owned()],
        outputs: BTreeMap::from([("dist".to_owned(), Output::Archive(vec!["target".to_owned()]))]),
        ..Task::new(task_id("second"), Action::Script { shell, script: "make".into() })
    }
}

fn config() -> Pipeline {
    let settings = BTreeMap::from([
        ("every".to_owned(), Value::String("1h".into())),
        ("list".to_owned(), Value::List(vec![Value::Null, Value::Bool(true), Value::Number(1.5)])),
        ("map".to_owned(), Value::Map(BTreeMap::new())),
    ]);
    let variables = BTreeMap::from([(VariableName::new("rev").unwrap(), "next".to_owned())]);
    let plugin = PluginUse { kind: "interval".to_owned(), label: "hourly".to_owned(), settings, variables };
    let variable = Variable {
        kind: VariableType::Number,
        default: Some("1".to_owned()),
        allowed: vec!["1".to_owned(), "2".to_owned()],
        description: "what".to_owned(),
        sensitive: false,
    };
    Pipeline {
        id: PipelineId::new("build").unwrap(),
        name: "Build".to_owned(),
        description: "text".to_owned(),
        namespace: Namespace::new("team").ok(),
        labels: BTreeMap::from([(LabelKey::new("team").unwrap(), "core".to_owned())]),
        parallelism: 2,
        queue: QueuePolicy::Refuse,
        timeout: Some(Span::from_secs(7200)),
        logging: true,
        exec: true,
        variables: BTreeMap::from([(VariableName::new("rev").unwrap(), variable)]),
        triggers: vec![plugin.clone()],
        notifiers: vec![NotifierUse { plugin, on: vec!["failed".to_owned()] }],
        tasks: vec![Task::new(task_id("first"), Action::Command(vec!["true".into()])), full_task()],
    }
}

/// What tasks can be beside what a scheduler runs.
fn config_of_today() -> Pipeline {
    let mut config = config();
    let fields = config.variables.clone();
    let secret = Variable { sensitive: true, ..fields.values().next().unwrap().clone() };
    config.variables.insert(VariableName::new("key").unwrap(), secret);
    let late = Task {
        matrix: BTreeMap::from([("os".to_owned(), Axis::Object("list".to_owned()))]),
        outputs: BTreeMap::from([("list".to_owned(), Output::File("list.json".to_owned()))]),
        ..Task::new(task_id("late"), Action::Image)
    };
    config.tasks.push(late);
    let approval = Approval { message: "Go?".into(), expires: Some(Span::from_secs(60)), fields };
    let child = SubPipeline {
        id: PipelineId::new("deploy").unwrap(),
        namespace: Namespace::new("other").ok(),
        version: Some(VersionNumber(2)),
        variables: BTreeMap::from([(VariableName::new("rev").unwrap(), "main".into())]),
    };
    config.tasks.push(Task::new(task_id("ask"), Action::Approval(approval)));
    config.tasks.push(Task::new(task_id("deploy"), Action::Pipeline(child)));
    config
}

fn run() -> RunRecord {
    RunRecord {
        id: pipeline_ref().run(RunNumber(12)),
        version: VersionNumber(3),
        state: RunState::TimedOut,
        cause: Cause::RunDeadline(Duration::from_secs(7200)),
        actor: user(),
        trigger: "manual".to_owned(),
        variables: BTreeMap::from([(VariableName::new("rev").unwrap(), "main".to_owned())]),
        idempotency_key: Some("k1".to_owned()),
        created: at(1),
        started: Some(at(2)),
        ended: Some(at(3)),
        deadline: Some(at(4)),
        cancel: Some(CancelRequest { actor: Actor::System, reason: "no".to_owned(), at: at(3), force: true }),
        tasks: 2,
        labels: BTreeMap::from([(LabelKey::new("team").unwrap(), "core".to_owned())]),
        priority: -3,
        images: BTreeMap::from([(task_id("second"), "alpine:4".to_owned())]),
        chosen: Some([0, 1].into_iter().collect()),
        retry: Some(RetryOf {
            run: RunNumber(11),
            reused: [0].into_iter().collect(),
            answers: BTreeMap::new(),
        }),
        logs_deleted: Some(Deletion { actor: Actor::System, at: at(8) }),
        parent: Some(pipeline_ref().run(RunNumber(10)).task(task_id("first"))),
        sensitive: [VariableName::new("rev").unwrap()].into_iter().collect(),
        due: Some(due()),
    }
}

fn task_run() -> TaskRunRecord {
    TaskRunRecord {
        id: run().id.task(task_id("second")),
        state: TaskState::Failed,
        cause: Cause::ExitCode(3),
        attempts: vec![AttemptId::from_u128(7)],
        changed: at(3),
        started: Some(at(2)),
        ended: Some(at(3)),
        exit_code: Some(3),
        fan_out: Some(fan_out()),
        due: Some(due()),
    }
}

fn attempt() -> AttemptRecord {
    AttemptRecord {
        id: AttemptId::from_u128(7),
        task: task_run().id,
        number: 1,
        scheduler: SchedulerName::new("process").unwrap(),
        digest: "abc".to_owned(),
        created: at(1),
        started: Some(at(2)),
        ended: Some(at(3)),
        deadline: Some(at(9)),
        exit: Some(Cause::Signal(9)),
        handle: Some("pid 4".to_owned()),
        removed: true,
        image: Some("sha256:abc".to_owned()),
        collected: true,
        due: Some(due()),
    }
}

/// One event of every kind, so that no kind can change its place unseen.
fn events() -> Vec<EventKind> {
    let (pipeline, run, task) = (pipeline_ref(), run().id, task_run().id);
    let namespace = pipeline.namespace.clone();
    let parent =
        Cause::ParentState { task: task_id("first"), state: TaskState::Lost, wanted: Condition::Successful };
    vec![
        EventKind::ServerStarted { epoch: 2, version: "0.1.0".to_owned() },
        EventKind::NamespaceCreated { namespace: namespace.clone() },
        EventKind::NamespaceDeleted { namespace },
        EventKind::VersionRegistered { pipeline: pipeline.clone(), version: VersionNumber(3) },
        EventKind::PipelineEnabled { pipeline: pipeline.clone(), enabled: false },
        EventKind::PipelineDeleted { pipeline },
        EventKind::Run {
            run: run.clone(),
            version: VersionNumber(3),
            state: RunState::Errored,
            cause: Cause::Tasks(vec![task_id("second")]),
        },
        EventKind::CancelRequested { run: run.clone(), reason: "no".to_owned() },
        EventKind::Task {
            task: task.clone(),
            state: TaskState::Skipped,
            cause: parent,
            attempt: None,
            exit_code: Some(1),
        },
        EventKind::Quarantined { run: run.clone(), reason: "damaged".to_owned() },
        EventKind::Image {
            task,
            attempt: AttemptId::from_u128(7),
            image: "alpine:3".to_owned(),
            done: 1,
            total: 300,
            state: ImageState::Fetched { digest: "sha256:abc".to_owned() },
        },
        EventKind::LogsDeleted { run: run.clone() },
        EventKind::RunDeleted { run: run.clone() },
        EventKind::ObjectPut {
            scope: ObjectScope::Run(self::run().id),
            key: "out/a.tar".to_owned(),
            size: 300,
            evicted: vec!["b".to_owned()],
        },
        EventKind::ObjectDeleted { scope: ObjectScope::Pipeline(pipeline_ref()), key: "a".to_owned() },
    ]
}

fn check<T: Stored + PartialEq + std::fmt::Debug>(record: &T) {
    check_as(record, T::FAMILY);
}

fn check_as<T: Stored + PartialEq + std::fmt::Debug>(record: &T, name: &str) {
    let name = format!("{}.v{}.bin", name.replace(' ', "-"), T::FORMAT);
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name);
    let bytes = encode(record).unwrap();
    if std::env::var_os("GOFER_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert_eq!(decode::<T>(b"golden", &golden).unwrap(), *record, "{}", path.display());
    assert_eq!(golden, bytes, "what is written now differs from {}", path.display());
}

#[test]
fn namespaces_read_as_they_were_written() {
    let name = Namespace::new("team").unwrap();
    check(&NamespaceRecord { name, description: "text".to_owned(), created: at(1) });
}

#[test]
fn pipelines_read_as_they_were_written() {
    check(&PipelineRecord {
        id: pipeline_ref(),
        created: at(1),
        updated: at(2),
        latest: VersionNumber(3),
        enabled: true,
        next_run: 13,
    });
}

fn version(config: Pipeline) -> VersionRecord {
    let (pipeline, version) = (pipeline_ref(), VersionNumber(3));
    VersionRecord { pipeline, version, created: at(1), actor: user(), digest: "abc".to_owned(), config }
}

#[test]
fn versions_read_as_they_were_written() {
    check(&version(config_of_today()));
}

#[test]
fn versions_of_the_first_format_are_read() {
    let golden = read_golden("version.v1.bin");
    assert_eq!(decode::<VersionRecord>(b"golden", &golden).unwrap(), version(config()));
}

#[test]
fn runs_read_as_they_were_written() {
    check(&run());
}

#[test]
fn runs_of_the_first_format_are_read() {
    let golden = include_bytes!("golden/run.v1.bin");
    let read = decode::<RunRecord>(b"golden", golden).unwrap();
    let nothing = RunRecord { labels: BTreeMap::new(), images: BTreeMap::new(), chosen: None, ..run() };
    let nothing = RunRecord { sensitive: BTreeSet::new(), due: None, ..nothing };
    assert_eq!(read, RunRecord { priority: 0, retry: None, logs_deleted: None, parent: None, ..nothing });
    assert!(decode::<RunRecord>(b"golden", &golden[..golden.len() - 1]).is_err());
    assert!(decode::<RunRecord>(b"golden", &[golden, &b"x"[..]].concat()).is_err());
}

#[test]
fn runs_and_task_runs_of_the_second_format_are_read() {
    let read = |name: &str| read_golden(&format!("{name}.v2.bin"));
    assert_eq!(decode::<RunRecord>(b"golden", &read("run")).unwrap(), RunRecord { due: None, ..run() });
    let of_then = TaskRunRecord { due: None, ..task_run() };
    assert_eq!(decode::<TaskRunRecord>(b"golden", &read("task-run")).unwrap(), of_then);
    for (number, cause) in causes().into_iter().enumerate() {
        let golden = read(&format!("cause-{number:02}"));
        assert_eq!(decode::<TaskRunRecord>(b"golden", &golden).unwrap().cause, cause);
    }
}

#[test]
fn task_runs_of_the_first_format_are_read() {
    let golden = include_bytes!("golden/task-run.v1.bin");
    assert_eq!(
        decode::<TaskRunRecord>(b"golden", golden).unwrap(),
        TaskRunRecord { fan_out: None, due: None, ..task_run() }
    );
    for (number, cause) in causes().into_iter().enumerate().take(11) {
        let golden = read_golden(&format!("cause-{number:02}.v1.bin"));
        assert_eq!(decode::<TaskRunRecord>(b"golden", &golden).unwrap().cause, cause);
    }
}

#[test]
fn events_of_the_first_format_are_read() {
    for kind in events().into_iter().take(11) {
        let golden = read_golden(&format!("event-{}.v1.bin", kind.as_str()));
        assert_eq!(decode::<Event>(b"golden", &golden).unwrap().kind, kind);
    }
}

#[test]
fn task_runs_read_as_they_were_written() {
    check(&task_run());
}

#[test]
fn attempts_read_as_they_were_written() {
    check(&attempt());
}

#[test]
fn attempts_of_the_first_format_are_read() {
    let golden = include_bytes!("golden/attempt.v1.bin");
    let read = decode::<AttemptRecord>(b"golden", golden).unwrap();
    assert_eq!(read, AttemptRecord { image: None, collected: false, due: None, ..attempt() });
    assert!(decode::<AttemptRecord>(b"golden", &golden[..golden.len() - 1]).is_err());
    assert!(decode::<AttemptRecord>(b"golden", &[golden, &b"x"[..]].concat()).is_err());
}

#[test]
fn attempts_of_the_second_format_are_read() {
    let golden = include_bytes!("golden/attempt.v2.bin");
    let read = decode::<AttemptRecord>(b"golden", golden).unwrap();
    assert_eq!(read, AttemptRecord { collected: false, due: None, ..attempt() });
}

#[test]
fn attempts_of_the_third_format_are_read() {
    let read = decode::<AttemptRecord>(b"golden", &read_golden("attempt.v3.bin")).unwrap();
    assert_eq!(read, AttemptRecord { due: None, ..attempt() });
}

#[test]
fn events_of_every_kind_read_as_they_were_written() {
    for kind in events() {
        let name = format!("event-{}", kind.as_str());
        check_as(&Event { seq: 42, at: at(5), actor: Actor::System, kind }, &name);
    }
}

#[test]
fn index_entries_read_as_they_were_written() {
    check(&ActiveRecord { created: at(1), set_aside: true });
    check(&IdempotencyRecord { run: RunNumber(12), fingerprint: "f".to_owned() });
    check(&7_u64);
}

fn answer() -> Answer {
    let fields = BTreeMap::from([(VariableName::new("rev").unwrap(), "main".to_owned())]);
    Answer { actor: user(), note: "go".to_owned(), fields }
}

fn read_golden(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)).unwrap()
}

/// The causes that no other golden file has. New ones are added behind the others.
fn causes() -> Vec<Cause> {
    vec![
        Cause::Completed,
        Cause::WaitingForParents(vec![task_id("first")]),
        Cause::WaitingForSlot("l".to_owned()),
        Cause::WaitingForScheduler,
        Cause::OutOfMemory,
        Cause::CannotStart("c".to_owned()),
        Cause::Lost("w".to_owned()),
        Cause::Cancelled("n".to_owned()),
        Cause::Deadline(Duration::from_millis(1)),
        Cause::Quarantined("q".to_owned()),
        Cause::FetchingImage("alpine:3".to_owned()),
        Cause::UnderWay,
        Cause::NotChosen,
        Cause::Reused { run: RunNumber(11), answer: None },
        Cause::WaitingForRetry {
            attempt: 2,
            of: 3,
            wait: Duration::from_secs(10),
            after: Box::new(Cause::ExitCode(75)),
        },
        Cause::WaitingForApproval,
        Cause::Approved(Box::new(answer())),
        Cause::Rejected(Box::new(answer())),
        Cause::ChildRun { run: run().id, state: RunState::Failed },
        Cause::FannedOut { tasks: 2, values: fan_out().values },
        Cause::NothingListed,
        Cause::CannotKeep("full".to_owned()),
    ]
}

fn fan_out() -> FanOut {
    let values = BTreeMap::from([("os".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    FanOut { first: 2, values }
}

#[test]
fn causes_of_every_kind_read_back() {
    for (number, cause) in causes().into_iter().enumerate() {
        check_as(&TaskRunRecord { cause, ..task_run() }, &format!("cause-{number:02}"));
    }
}
