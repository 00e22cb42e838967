//! Entering running containers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Sink, StreamExt, stream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::{Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, StreamKind, TerminalSize};
use gofer_types::AttemptId;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::backend::DockerScheduler;
use crate::error::{error, translate};
use crate::seen::Stage;
use crate::shared::Shared;

/// The longest piece that is handed on.
const LONGEST: usize = 64 << 10;

#[async_trait]
impl Exec for DockerScheduler {
    async fn exec(&self, id: &AttemptId, request: ExecRequest) -> Result<ExecSession> {
        if request.command.is_empty() {
            return Err(error(ErrorKind::InvalidInput, "exec", "there is no command to run"));
        }
        let shared = self.shared();
        let seen = shared.seen(id, "exec").await?;
        if seen.stage != Stage::Runs {
            return Err(error(ErrorKind::Conflict, "exec", "the task does not run").with("id", id));
        }
        let (terminal, with_input) = (request.terminal, request.stdin);
        let options = options(request);
        let create =
            |docker: bollard::Docker| async move { docker.create_exec(&seen.container, options).await };
        let exec = shared.client.call("exec", create).await?.id;
        let (name, tty) = (exec.clone(), terminal.is_some());
        let begin = StartExecOptions { detach: false, tty, output_capacity: None };
        let start = |docker: bollard::Docker| async move { docker.start_exec(&name, Some(begin)).await };
        let StartExecResults::Attached { output, input } = shared.client.call("exec", start).await? else {
            return Err(error(ErrorKind::Internal, "exec", "the engine did not attach us"));
        };
        if let Some(size) = terminal {
            resize(shared, &exec, size).await?;
        }
        let writer = with_input.then_some(input);
        Ok(ExecSession {
            input: Box::pin(Entrance::new(Way { shared: Arc::clone(shared), exec: exec.clone(), writer })),
            output: said(Arc::clone(shared), exec, output).boxed(),
        })
    }
}

fn options(request: ExecRequest) -> CreateExecOptions<String> {
    let env = request.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    CreateExecOptions {
        attach_stdin: Some(request.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(request.terminal.is_some()),
        env: Some(env),
        cmd: Some(request.command),
        user: request.user,
        working_dir: request.workdir,
        privileged: Some(false),
        ..CreateExecOptions::default()
    }
}

async fn resize(shared: &Shared, exec: &str, size: TerminalSize) -> Result<()> {
    let name = exec.to_owned();
    let options = ResizeExecOptions { height: size.rows, width: size.columns };
    let resize = |docker: bollard::Docker| async move { docker.resize_exec(&name, options).await };
    shared.client.call("exec", resize).await
}

type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// What sending needs.
struct Way {
    shared: Arc<Shared>,
    exec: String,
    writer: Option<Writer>,
}

/// Where input goes in: one piece at a time. Closing it ends the input of the program.
struct Entrance {
    /// What goes on, and gives the way back; nothing between two pieces.
    busy: Option<BoxFuture<'static, (Way, Result<()>)>>,
    way: Option<Way>,
    closed: bool,
}

impl Entrance {
    fn new(way: Way) -> Self {
        Self { busy: None, way: Some(way), closed: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(busy) = &mut self.busy else { return Poll::Ready(Ok(())) };
        let (way, done) = std::task::ready!(busy.poll_unpin(cx));
        self.busy = None;
        self.way = Some(way);
        Poll::Ready(done)
    }
}

impl Sink<ExecInput> for Entrance {
    type Error = BackendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, input: ExecInput) -> Result<()> {
        let Some(way) = self.way.take() else {
            return Err(error(ErrorKind::Internal, "exec", "input was sent before the one before it"));
        };
        self.busy = Some(send(way, input).boxed());
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        std::task::ready!(self.poll(cx))?;
        if !std::mem::replace(&mut self.closed, true)
            && let Some(way) = self.way.take()
        {
            self.busy = Some(close(way).boxed());
        }
        self.poll(cx)
    }
}

async fn send(mut way: Way, input: ExecInput) -> (Way, Result<()>) {
    let sent = match (input, &mut way.writer) {
        (ExecInput::Resize(size), _) => resize(&way.shared, &way.exec, size).await,
        (ExecInput::Data(bytes), Some(writer)) => {
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            written.await.map_err(gone)
        }
        (ExecInput::Data(_), None) => Err(error(ErrorKind::InvalidInput, "exec", "no input was asked for")),
    };
    (way, sent)
}

async fn close(mut way: Way) -> (Way, Result<()>) {
    let closed = match way.writer.take() {
        Some(mut writer) => writer.shutdown().await.map_err(gone),
        None => Ok(()),
    };
    (way, closed)
}

fn gone(source: std::io::Error) -> BackendError {
    error(ErrorKind::Unavailable, "exec", "the input does not arrive any more").source(source)
}

type Pieces =
    Pin<Box<dyn futures_util::Stream<Item = std::result::Result<LogOutput, bollard::errors::Error>> + Send>>;

/// What the program says, and its exit code at last.
fn said(
    shared: Arc<Shared>,
    exec: String,
    pieces: Pieces,
) -> impl futures_util::Stream<Item = Result<ExecOutput>> + Send {
    let output = pieces.flat_map(|piece| stream::iter(heard(piece)));
    let code = stream::once(async move { exit_code(&shared, exec).await });
    output.chain(code)
}

fn heard(piece: std::result::Result<LogOutput, bollard::errors::Error>) -> Vec<Result<ExecOutput>> {
    match piece {
        Ok(output) => {
            let stream = match output {
                LogOutput::StdErr { .. } => StreamKind::Err,
                _ => StreamKind::Out,
            };
            let mut rest: Bytes = output.into_bytes();
            let mut parts = Vec::new();
            while !rest.is_empty() {
                let bytes = rest.split_to(rest.len().min(LONGEST));
                parts.push(Ok(ExecOutput::Data { stream, bytes }));
            }
            parts
        }
        Err(vendor) => vec![Err(translate("exec", vendor))],
    }
}

async fn exit_code(shared: &Shared, exec: String) -> Result<ExecOutput> {
    let ask = |docker: bollard::Docker| async move { docker.inspect_exec(&exec).await };
    let answer = shared.client.call("exec", ask).await?;
    let code = answer.exit_code.and_then(|code| i32::try_from(code).ok());
    code.map(ExecOutput::Exit).ok_or_else(|| {
        error(ErrorKind::Unavailable, "exec", "the connection to the program broke off while it ran")
    })
}
