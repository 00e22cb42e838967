//! What an event is about.

use gofer_types::{EventKind, Namespace, PipelineRef};

/// The namespace and the pipeline that an event is about.
#[must_use]
pub fn about(kind: &EventKind) -> (Option<&Namespace>, Option<&PipelineRef>) {
    let pipeline = match kind {
        EventKind::VersionRegistered { pipeline, .. }
        | EventKind::PipelineEnabled { pipeline, .. }
        | EventKind::PipelineDeleted { pipeline } => Some(pipeline),
        EventKind::ObjectPut { scope, .. } | EventKind::ObjectDeleted { scope, .. } => Some(scope.pipeline()),
        other => other.run().map(|run| &run.pipeline),
    };
    let namespace = match kind {
        EventKind::NamespaceCreated { namespace } | EventKind::NamespaceDeleted { namespace } => {
            Some(namespace)
        }
        _ => pipeline.map(|pipeline| &pipeline.namespace),
    };
    (namespace, pipeline)
}
