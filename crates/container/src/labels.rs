//! The labels by which a container is ours, and what else they tell.

use std::collections::HashMap;

use gofer_backend::Owner;
use gofer_scheduler::TaskSpec;
use gofer_types::AttemptId;

/// Whose the container is. No task without our own value is ever touched.
pub const OWNER: &str = "gofer.owner";
/// The attempt that the container stands for.
pub const ATTEMPT: &str = "gofer.attempt";
/// The digest of what was asked for.
pub const DIGEST: &str = "gofer.digest";
/// The image as the author named it; the container itself names it by its digest.
pub const IMAGE: &str = "gofer.image";
/// The digest of the image as the start told it: its registry's, which an engine forgets when the name moves on.
pub const IMAGE_DIGEST: &str = "gofer.image-digest";
/// On volumes and containers that hold our own program. They serve every gofer at the engine.
pub const HELPER: &str = "gofer.helper";

/// The labels of the container of an attempt.
#[must_use]
pub fn of(owner: &Owner, id: &AttemptId, (spec, image_digest): (&TaskSpec, &str)) -> HashMap<String, String> {
    let facts = spec.labels.iter().map(|(name, value)| (format!("gofer.{name}"), value.clone()));
    let ours = [
        (OWNER, owner.0.clone()),
        (ATTEMPT, id.to_string()),
        (DIGEST, spec.digest.clone()),
        (IMAGE, spec.image.clone()),
        (IMAGE_DIGEST, image_digest.to_owned()),
    ];
    // Ours come last: no fact of a pipeline stands against them.
    facts.chain(ours.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// The filter that leaves only what is ours.
#[must_use]
pub fn filter(owner: &Owner) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{OWNER}={owner}")])])
}

/// The labels of what brings our own program.
#[must_use]
pub fn helper() -> HashMap<String, String> {
    HashMap::from([(HELPER.to_owned(), "init".to_owned())])
}

/// The filter that leaves what brings our own program.
#[must_use]
pub fn helpers() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{HELPER}=init")])])
}

/// The attempt that something of ours stands for.
#[must_use]
pub fn attempt(labels: &HashMap<String, String>) -> Option<AttemptId> {
    labels.get(ATTEMPT).and_then(|id| AttemptId::new(id.clone()).ok())
}
