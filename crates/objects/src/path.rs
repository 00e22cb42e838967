//! Keys of users, and the keys of the store that they make together with a scope.

use std::fmt;
use std::str::FromStr;

use gofer_backend::{BackendError, ErrorKind};
use gofer_object_store::{KeyPrefix, ObjectKey};
use gofer_types::{Namespace, ObjectScope as Scope, PipelineRef, RunNumber};

use crate::error::ObjectsError;

/// The longest key of a user, in bytes, with its slashes.
pub const MAX_PATH: usize = 768;

/// The most segments of a key of a user.
pub const MAX_PATH_SEGMENTS: usize = 12;

/// The segment below which a pipeline has its own objects.
const PIPELINE: &str = "p";

/// The segment below which a pipeline has the objects of its runs.
const RUN: &str = "r";

/// Where the objects of a scope are in the store.
pub(crate) trait Layout {
    /// The key of one of its objects at the store.
    fn key(&self, path: &ObjectPath) -> gofer_backend::Result<ObjectKey>;

    /// What all its keys begin with; with a path, only those below it.
    fn prefix(&self, below: Option<&ObjectPath>) -> gofer_backend::Result<KeyPrefix>;

    /// The user's part of a key that the store gave for this scope.
    fn path(&self, key: &ObjectKey) -> gofer_backend::Result<ObjectPath>;
}

impl Layout for Scope {
    fn key(&self, path: &ObjectPath) -> gofer_backend::Result<ObjectKey> {
        ObjectKey::from_segments(segments(self).iter().map(String::as_str).chain(path.segments()))
    }

    fn prefix(&self, below: Option<&ObjectPath>) -> gofer_backend::Result<KeyPrefix> {
        let mut segments = segments(self);
        segments.extend(below.into_iter().flat_map(ObjectPath::segments).map(str::to_owned));
        KeyPrefix::from_segments(segments)
    }

    fn path(&self, key: &ObjectKey) -> gofer_backend::Result<ObjectPath> {
        let own = format!("{}/", segments(self).join("/"));
        let foreign = || BackendError::new(ErrorKind::Internal, "the store named a key of another scope");
        let rest = key.as_str().strip_prefix(&own).ok_or_else(|| foreign().with("key", key))?;
        rest.parse().map_err(|error: ObjectsError| foreign().with("key", key).source(error))
    }
}

fn segments(scope: &Scope) -> Vec<String> {
    let PipelineRef { namespace, pipeline } = scope.pipeline();
    let mut segments = vec![namespace.to_string(), pipeline.to_string()];
    match scope {
        Scope::Pipeline(_) => segments.push(PIPELINE.to_owned()),
        Scope::Run(run) => segments.extend([RUN.to_owned(), format!("{:020}", run.run.0)]),
    }
    segments
}

/// What the keys of everything of a namespace begin with.
pub(crate) fn of_namespace(namespace: &Namespace) -> gofer_backend::Result<KeyPrefix> {
    KeyPrefix::from_segments([namespace.as_str()])
}

/// What the keys of everything of a pipeline and its runs begin with.
pub(crate) fn of_pipeline(pipeline: &PipelineRef) -> gofer_backend::Result<KeyPrefix> {
    KeyPrefix::from_segments([pipeline.namespace.as_str(), pipeline.pipeline.as_str()])
}

/// What the keys of everything of the runs of a pipeline begin with.
pub(crate) fn of_runs(pipeline: &PipelineRef) -> gofer_backend::Result<KeyPrefix> {
    KeyPrefix::from_segments([pipeline.namespace.as_str(), pipeline.pipeline.as_str(), RUN])
}

/// A key behind all those of the runs up to a number, as far as there are keys: the last there is room for.
pub(crate) fn behind_run(pipeline: &PipelineRef, run: RunNumber) -> gofer_backend::Result<ObjectKey> {
    let mut segments = segments(&Scope::Run(pipeline.run(run)));
    segments.push("\u{10fffd}".repeat(32));
    ObjectKey::from_segments(segments)
}

/// The run that a key below [`of_runs`] belongs to.
pub(crate) fn run_of(key: &ObjectKey) -> Option<RunNumber> {
    key.segments().nth(3)?.parse().ok().map(RunNumber)
}

/// The key of an object as users name it: 1 to 12 segments with `/` between them, at most 768 bytes.
///
/// The rules of a segment are those of [`ObjectKey`]: printable, no slashes of either kind, neither `.` nor `..`, at most 128
/// bytes. Nothing is trimmed, folded or resolved. Ordered by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectPath(ObjectKey);

impl ObjectPath {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.segments()
    }
}

impl FromStr for ObjectPath {
    type Err = ObjectsError;

    fn from_str(text: &str) -> Result<Self, ObjectsError> {
        let refused = |reason: String| {
            let path = text.chars().take(64).collect();
            Err(ObjectsError::InvalidPath { path, reason })
        };
        match text.parse::<ObjectKey>() {
            Err(error) => refused(error.message().to_owned()),
            Ok(key) if key.segments().count() > MAX_PATH_SEGMENTS => {
                refused(format!("a key has at most {MAX_PATH_SEGMENTS} segments"))
            }
            Ok(key) if key.as_str().len() > MAX_PATH => {
                refused(format!("a key has at most {MAX_PATH} bytes"))
            }
            Ok(key) => Ok(Self(key)),
        }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
