//! Entering tasks of the fake: the program tells by its own command what it does, in the language of
//! [`script`](super::script), but for what only a task can do.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, SinkExt, StreamExt, sink, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::AttemptId;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::script::{Act, Script};
use super::task::{FakeTask, environment};
use super::{Book, FakeScheduler, scheduler};
use crate::{Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, StreamKind, TaskSpec};

/// How many pieces may be on their way, in each direction.
const ON_THEIR_WAY: usize = 16;

/// A program inside a task.
struct Program {
    book: Arc<Book>,
    task: Arc<FakeTask>,
    spec: TaskSpec,
    input: mpsc::Receiver<ExecInput>,
    output: mpsc::Sender<Result<ExecOutput>>,
}

impl Program {
    /// Does the steps until they or the task end, and tells the code.
    async fn run(mut self, acts: Vec<Act>) {
        let task = Arc::clone(&self.task);
        let code = tokio::select! {
            biased;
            code = self.perform(acts) => code,
            // killed with its task
            _ = FakeScheduler::ended(&task, "exec") => 137,
        };
        self.say(ExecOutput::Exit(code)).await;
    }

    async fn perform(&mut self, acts: Vec<Act>) -> i32 {
        for act in acts {
            match act {
                Act::Write(stream, bytes) => self.write(stream, bytes).await,
                Act::Env => {
                    let text = environment(&self.spec);
                    self.write(StreamKind::Out, Bytes::from(text)).await;
                }
                Act::Cat => self.cat().await,
                Act::Run(span) => {
                    let clock = &self.book.clock;
                    clock.sleep_until(clock.monotonic() + span).await;
                }
                Act::Gate(name) => {
                    // the book holds the sender
                    let _ = self.book.gate(&name).wait_for(|open| *open).await;
                }
                Act::Hang => std::future::pending().await,
                Act::Witness(name) => self.book.witness(name),
                Act::Exit(code) => return code,
                Act::Signal(signal) => return 128 + signal,
                _ => return 126,
            }
        }
        0
    }

    async fn cat(&mut self) {
        while let Some(input) = self.input.recv().await {
            if let ExecInput::Data(bytes) = input {
                self.write(StreamKind::Out, bytes).await;
            }
        }
    }

    async fn write(&mut self, stream: StreamKind, bytes: Bytes) {
        self.say(ExecOutput::Data { stream, bytes }).await;
    }

    /// Nobody may listen any more: the program is left to itself then.
    async fn say(&mut self, output: ExecOutput) {
        let _ = self.output.send(Ok(output)).await;
    }
}

fn error(kind: ErrorKind, message: &str) -> BackendError {
    scheduler::error(kind, "exec", message)
}

/// The input of a program; without one, what is sent is refused.
fn sink_of(
    input: Option<mpsc::Sender<ExecInput>>,
) -> Pin<Box<dyn Sink<ExecInput, Error = BackendError> + Send>> {
    match input {
        Some(sender) => Box::pin(
            PollSender::new(sender).sink_map_err(|_| error(ErrorKind::Conflict, "the program has ended")),
        ),
        None => Box::pin(sink::unfold((), |(), _| async {
            Err(error(ErrorKind::InvalidInput, "the program has no input"))
        })),
    }
}

#[async_trait]
impl Exec for FakeScheduler {
    async fn exec(&self, id: &AttemptId, request: ExecRequest) -> Result<ExecSession> {
        if request.command.is_empty() {
            return Err(error(ErrorKind::InvalidInput, "there is nothing to be run"));
        }
        let task = self.find(id, "exec")?;
        if task.end().is_some() {
            return Err(error(ErrorKind::Conflict, "the task does not run").with("id", id));
        }
        let mut env = task.spec.env.clone();
        env.extend(request.env);
        let spec = TaskSpec { command: request.command, env, ..TaskSpec::default() };
        let mut script = Script::of(&spec).map_err(|error| error.at(scheduler::KIND, "exec"))?;
        if script.no_program {
            script.acts = vec![Act::Exit(127)];
        }
        let (output, mut said) = mpsc::channel(ON_THEIR_WAY);
        let (sender, input) = mpsc::channel(ON_THEIR_WAY);
        let said = stream::poll_fn(move |cx| said.poll_recv(cx));
        let book = Arc::clone(&self.backend.book);
        self.backend.spawn(Program { book, task, spec, input, output }.run(script.acts));
        let input = request.stdin.then_some(sender);
        Ok(ExecSession { input: sink_of(input), output: said.boxed() })
    }
}
