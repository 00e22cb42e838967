//! Pipelines that start each other: none may wait for itself.

use std::collections::BTreeSet;

use gofer_types::pipeline::{Action, SubPipeline};
use gofer_types::{Pipeline, PipelineRef, VersionNumber};

use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How many pipelines are looked at.
const LOOK: usize = 1_000;

type Target = (PipelineRef, Option<VersionNumber>);

fn targets<'a>(own: &'a PipelineRef, config: &'a Pipeline) -> impl Iterator<Item = (String, Target)> + 'a {
    config.tasks.iter().filter_map(move |task| match &task.action {
        Action::Pipeline(SubPipeline { id, namespace, version, .. }) => {
            let namespace = namespace.clone().unwrap_or_else(|| own.namespace.clone());
            Some((task.id.to_string(), (PipelineRef { namespace, pipeline: id.clone() }, *version)))
        }
        _ => None,
    })
}

impl Inner {
    /// Refuses a configuration that starts a pipeline that is not there, or its own pipeline, directly or not.
    pub(super) async fn check_parts(&self, own: &PipelineRef, config: &Pipeline) -> Result<()> {
        let refused = |reason: String| EngineError::InvalidPipeline { reason };
        let mut seen: BTreeSet<Target> = BTreeSet::new();
        let mut open: Vec<(String, Target)> = targets(own, config).collect();
        for (task, (pipeline, _)) in &open {
            if pipeline != own && self.records.pipeline(pipeline).await?.is_none() {
                return Err(refused(format!(
                    "task `{task}` starts pipeline `{pipeline}`, which is not there"
                )));
            }
        }
        while let Some((task, target)) = open.pop() {
            if target.0 == *own {
                return Err(refused(format!(
                    "task `{task}` would start its own pipeline, and wait for itself"
                )));
            }
            if !seen.insert(target.clone()) || seen.len() > LOOK {
                continue;
            }
            let Some(record) = self.records.pipeline(&target.0).await? else { continue };
            let version = self.versions.get(&target.0, target.1.unwrap_or(record.latest)).await?;
            let Some(version) = version else { continue };
            let further = targets(&target.0, &version.record.config);
            open.extend(further.map(|(_, target)| (task.clone(), target)).collect::<Vec<_>>());
        }
        Ok(())
    }
}
