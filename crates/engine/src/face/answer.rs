//! Answering approvals.

use gofer_hall::Message;
use gofer_types::pipeline::Action;
use gofer_types::{Answer, TaskRef, TaskRunRecord};
use tokio::sync::oneshot;

use crate::Engine;
use crate::api::{AnswerTask, Caller};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// The longest answer, in bytes of its fields: it stands with the task, in an event, and in runs that do not ask again.
const ANSWER: usize = 8 * 1024;

impl Inner {
    async fn answer(&self, ctx: &Caller, id: &TaskRef, wish: AnswerTask) -> Result<TaskRunRecord> {
        let run = self.run(&id.run).await?;
        let version = self.version_of(&run).await?;
        let place = Self::place(&version, id)?;
        let task = version.task(place);
        let Some(Action::Approval(approval)) = task.map(|task| &task.action) else {
            return Err(self.not_asking(id).await?);
        };
        let fields = if wish.approved {
            gofer_pipeline::resolve_values(&approval.fields, &wish.fields)
                .map_err(EngineError::InvalidVariables)?
        } else {
            Default::default()
        };
        let size: usize = fields.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if size > ANSWER {
            return Err(EngineError::VariablesTooLarge { size, limit: ANSWER });
        }
        let answer = Box::new(Answer { actor: ctx.actor.clone(), note: wish.note, fields });
        if let Some(handle) = self.hall.find(&id.run) {
            let (reply, answered) = oneshot::channel();
            let message = Message::Answer { task: place, approved: wish.approved, answer, reply };
            if handle.mailbox.send(message).await.is_ok()
                && let Ok(Some(record)) = answered.await
            {
                return Ok(record);
            }
            self.fate.check()?;
        }
        Err(self.not_asking(id).await?)
    }

    async fn not_asking(&self, id: &TaskRef) -> Result<EngineError> {
        if let Some(reason) = self.hall.why_set_aside(&id.run) {
            return Ok(EngineError::Quarantined { run: id.run.clone(), reason });
        }
        let run = self.run(&id.run).await?;
        let state =
            self.all_tasks(&run).await?.into_iter().find(|task| task.id == *id).map(|task| task.state);
        let state = state.unwrap_or(gofer_types::TaskState::Waiting);
        Ok(EngineError::NotAsking { id: id.clone(), state })
    }
}

impl Engine {
    /// Answers an approval, and answers when that is durable. Refused if the task asks nobody, or was answered already.
    pub async fn answer_task(&self, ctx: &Caller, id: &TaskRef, wish: AnswerTask) -> Result<TaskRunRecord> {
        self.inner.fate.check()?;
        self.inner.answer(ctx, id, wish).await
    }
}
