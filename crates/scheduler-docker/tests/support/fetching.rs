//! Fetching by way of a bed.

use gofer_backend::{BackendError, Result};
use gofer_scheduler::{Image, Scheduler, TaskSpec};

use crate::bed::Bed;

impl Bed {
    /// Fetches the image of a task.
    pub(crate) async fn fetch(&self, spec: &TaskSpec) -> Result<Image> {
        self.scheduler.images().expect("images").fetch(spec, &mut |_| {}).await
    }

    /// Why the image of a task cannot be fetched.
    pub(crate) async fn refused(&self, spec: &TaskSpec) -> BackendError {
        let answer = self.fetch(spec).await;
        answer.map_or_else(|fault| fault, |image| panic!("{} was fetched: {image:?}", spec.image))
    }
}
