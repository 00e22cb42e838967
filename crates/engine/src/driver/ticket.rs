//! What the hall knows of a pipeline, read where it does not know it yet.

use gofer_records::Counter;
use gofer_types::PipelineRef;

use super::Inner;
use crate::error::Result;

impl Inner {
    /// Sees to it that the hall knows a pipeline, be it that there is none.
    pub(crate) async fn learn_pipeline(&self, id: &PipelineRef) -> Result<()> {
        while let Some(generation) = self.hall.generation_if_unknown(id) {
            let record = self.records.pipeline(id).await?;
            let next_run = self.records.counter(id, Counter::Runs).await?;
            if self.hall.learn_at(id, generation, (record, next_run)) {
                break;
            }
        }
        Ok(())
    }
}
