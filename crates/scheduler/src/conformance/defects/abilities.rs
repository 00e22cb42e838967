//! The faults of the abilities that not every scheduler has: fetching images, and entering tasks.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, sink, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::AttemptId;

use super::defective::task;
use super::{Defect, Defective};
use crate::fake::images::digest;
use crate::{
    Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, Image, ImageProgress, Images, StreamKind, TaskSpec,
};

#[async_trait]
impl Images for Defective {
    async fn fetch(
        &self,
        spec: &TaskSpec,
        progress: &mut (dyn FnMut(ImageProgress) + Send),
    ) -> Result<Image> {
        match self.sound.fetch(spec, progress).await {
            Err(_) if self.has(Defect::MissingImageIsThere) => {
                Ok(Image { digest: digest(&spec.image).unwrap_or_default(), fetched: false })
            }
            answer => answer,
        }
    }
}

impl Defective {
    fn spoilt_program(&self, mut request: ExecRequest) -> ExecRequest {
        if self.has(Defect::ExecRunsNothing) && request.command.is_empty() {
            request.command.push("something".to_owned());
        }
        if self.has(Defect::ExecDropsEnvironment) {
            request.command = vec!["fake:print=PATH=/bin".to_owned()];
        }
        request
    }

    fn spoilt_session(&self, id: &AttemptId, session: ExecSession) -> ExecSession {
        let ExecSession { mut input, mut output } = session;
        if self.has(Defect::ExecKeepsInputOpen) {
            // what `unfold` owns is not closed with it
            input = Box::pin(sink::unfold(input, |mut input, item: ExecInput| async move {
                input.send(item).await?;
                Ok(input)
            }));
        }
        if self.has(Defect::ExecLosesTheCode) {
            let well = |said| match said {
                Ok(ExecOutput::Exit(_)) => Ok(ExecOutput::Exit(0)),
                said => said,
            };
            output = output.map(well).boxed();
        }
        if self.has(Defect::ExecMixesStreams) {
            let mixed = |said| match said {
                Ok(ExecOutput::Data { bytes, .. }) => Ok(ExecOutput::Data { stream: StreamKind::Out, bytes }),
                said => said,
            };
            output = output.map(mixed).boxed();
        }
        if self.has(Defect::ExecEndsTheTask)
            && let Some(task) = task(&self.backend, id)
        {
            task.ask_to_end(Duration::ZERO);
        }
        if self.has(Defect::ExecOutlivesTheTask) {
            let killed = |said: &Result<ExecOutput>| !matches!(said, Ok(ExecOutput::Exit(137)));
            output =
                output.filter(move |said| std::future::ready(killed(said))).chain(stream::pending()).boxed();
        }
        ExecSession { input, output }
    }
}

#[async_trait]
impl Exec for Defective {
    async fn exec(&self, id: &AttemptId, request: ExecRequest) -> Result<ExecSession> {
        let kind_for = |kind| match kind {
            ErrorKind::Conflict if self.has(Defect::ExecEndedIsUnknown) => ErrorKind::NotFound,
            ErrorKind::NotFound if self.has(Defect::ExecUnknownIsEnded) => ErrorKind::Conflict,
            kind => kind,
        };
        if self.has(Defect::ExecRefusesMissing)
            && request.command.iter().any(|word| word == "fake:no_program")
        {
            return Err(BackendError::new(ErrorKind::InvalidInput, "there is no such program"));
        }
        match Exec::exec(&self.sound, id, self.spoilt_program(request)).await {
            Ok(session) => Ok(self.spoilt_session(id, session)),
            Err(error) => Err(BackendError::new(kind_for(error.kind()), "the program was not started")),
        }
    }
}
