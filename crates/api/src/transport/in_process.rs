//! The same server without a socket: for commands that bring their own engine.
//!
//! A dialled connection is a pair of bounded pipes in memory; above it everything is as over the network, so that the
//! same client code talks to both.

use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use gofer_engine::Engine;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::conn::Conn;
use super::{ServeError, run};
use crate::limits::ServeOptions;

/// How many bytes a pipe holds in each direction.
const PIPE: usize = 256 << 10;
/// How many connections may wait to be taken.
const WAITING: usize = 16;

/// Where to connect to a server in this process. A clone reaches the same server.
#[derive(Debug, Clone)]
pub struct InProcess {
    door: mpsc::Sender<DuplexStream>,
    end: CancellationToken,
    server: Arc<tokio::sync::Mutex<JoinSet<Result<(), ServeError>>>>,
}

impl InProcess {
    /// A new connection.
    ///
    /// # Errors
    /// If the server has ended.
    pub async fn dial(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        self.door.send(theirs).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(ours)
    }

    /// What a client needs to connect, as often as it wants: `Client::in_process(server.dialer(), options)`.
    pub fn dialer(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, io::Result<DuplexStream>> + Clone + Send + Sync + 'static + use<>
    {
        let server = self.clone();
        move || {
            let server = server.clone();
            async move { server.dial().await }.boxed()
        }
    }

    /// Ends the server once its open calls have ended, within the limit for that.
    ///
    /// # Errors
    /// If the server had ended before by itself, with the reason.
    pub async fn end(&self) -> Result<(), ServeError> {
        self.end.cancel();
        let mut server = self.server.lock().await;
        match server.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Ok(()),
        }
    }
}

/// Serves the API within this process, on a task of its own that ends with the last handle or with [`InProcess::end`].
#[must_use]
pub fn serve_in_process(engine: Engine, options: ServeOptions) -> InProcess {
    let (door, connections) = mpsc::channel::<DuplexStream>(WAITING);
    let (end, cut) = (CancellationToken::new(), CancellationToken::new());
    let incoming = {
        let cut = cut.clone();
        ReceiverStream::new(connections).map(move |pipe| Ok(Conn::new(pipe, &cut, None)))
    };
    let mut server = JoinSet::new();
    let options = ServeOptions { reflection: false, ..options };
    server.spawn(run(incoming, engine, options, end.clone().cancelled_owned(), cut));
    InProcess { door, end, server: Arc::new(tokio::sync::Mutex::new(server)) }
}
