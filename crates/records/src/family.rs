//! The families of records. Each is a prefix that no other family starts with.

/// Namespaces, by name.
pub const NAMESPACE: &str = "ns/";
/// Pipelines, by namespace and id.
pub const PIPELINE: &str = "pipeline/";
/// Versions, newest first, in chunks.
pub const VERSION: &str = "version/";
/// Runs, newest first in each pipeline.
pub const RUN: &str = "run/";
/// Task runs, in the order of the pipeline file.
pub const TASK: &str = "task/";
/// Attempts, by task run and number.
pub const ATTEMPT: &str = "attempt/";
/// The event log.
pub const EVENT: &str = "event/";
/// Runs that somebody must look after.
pub const ACTIVE: &str = "active/";
/// All runs, newest first.
pub const RECENT: &str = "recent/";
/// The runs of a namespace, newest first.
pub const RECENT_OF: &str = "recent-of/";
/// The runs that failed, newest first in each pipeline.
pub const FAILED: &str = "failed/";
/// The runs with a label, by the label, newest first.
pub const LABELLED: &str = "label/";
/// Idempotency keys.
pub const IDEMPOTENCY: &str = "idem/";
/// Counters that outlive what they count.
pub const COUNTER: &str = "counter/";
/// Pipelines whose history is being deleted.
pub const DELETING: &str = "deleting/";
/// The runs that tasks of other runs have started, by the attempt.
pub const CHILD: &str = "child/";
/// The state as a whole: its format, the ownership epoch.
pub const META: &str = "meta/";
/// All families.
pub const ALL: [&str; 17] = [
    NAMESPACE,
    PIPELINE,
    VERSION,
    RUN,
    TASK,
    ATTEMPT,
    EVENT,
    ACTIVE,
    RECENT,
    RECENT_OF,
    FAILED,
    LABELLED,
    IDEMPOTENCY,
    COUNTER,
    DELETING,
    CHILD,
    META,
];
