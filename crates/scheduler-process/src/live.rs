//! The connection to a shim, and what is known of a running task by it.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustix::fs::{Mode, OFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::attempts::{CLAIM, SpecRecord};
use crate::protocol::{ExitRecord, FromShim, HEADER, MAX_REPLY, ToShim, header};

/// How many stops may wait to be sent.
const STOPS: usize = 16;

/// A connection to a shim.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    inbox: BytesMut,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, inbox: BytesMut::new() }
    }

    /// Connects to the shim of the attempt with this folder. The path of a socket is short, so it goes by a handle.
    pub(crate) async fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(folder, flags, Mode::empty())?;
        let path = format!("/proc/self/fd/{}/{CLAIM}", handle.as_raw_fd());
        Ok(Self::new(UnixStream::connect(path).await?))
    }

    pub(crate) async fn tell(&mut self, message: &ToShim) -> io::Result<()> {
        self.stream.write_all(&message.encode()).await
    }

    /// The next message. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> io::Result<FromShim> {
        loop {
            if let Some(head) = self.inbox.first_chunk::<HEADER>() {
                let (tag, length) = header(*head, MAX_REPLY)?;
                if let Some(body) = self.inbox.get(HEADER..HEADER + length) {
                    let message = FromShim::decode(tag, body);
                    self.inbox.advance(HEADER + length);
                    return message;
                }
            }
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// How far a running task has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// How many bytes of its log are whole.
    pub(crate) log: u64,
    pub(crate) end: Option<End>,
}

/// Why nothing more will be heard of a task.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// It has ended.
    Exit(ExitRecord),
    /// The scheduler was closed, or cannot reach the shim. The task may run on.
    Unknown(&'static str),
}

/// A task that a shim was heard of. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) record: Arc<SpecRecord>,
    pub(crate) pid: u32,
    pub(crate) progress: watch::Receiver<Progress>,
    /// The grace of each stop, in milliseconds.
    pub(crate) stops: mpsc::Sender<u64>,
}

/// The other ends, for whoever follows the shim.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) connection: Connection,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) stops: mpsc::Receiver<u64>,
}

/// What is known of a task and what follows it, after its shim has said that it runs.
pub(crate) fn pair(record: SpecRecord, pid: u32, log: u64, connection: Connection) -> (Live, Follower) {
    let (progress, seen) = watch::channel(Progress { log, end: None });
    let (stops, asked) = mpsc::channel(STOPS);
    let live = Live { record: Arc::new(record), pid, progress: seen, stops };
    (live, Follower { connection, progress, stops: asked })
}

impl Live {
    /// Waits until nothing more will be heard of the task.
    pub(crate) async fn end(mut self) -> End {
        let closed = End::Unknown("the scheduler was closed");
        match self.progress.wait_for(|progress| progress.end.is_some()).await {
            Ok(progress) => progress.end.clone().unwrap_or(closed),
            Err(_) => closed,
        }
    }
}

impl Follower {
    /// Hears and tells until the task has ended, or until the connection breaks.
    pub(crate) async fn follow(&mut self, asked: &mut Option<u64>) -> io::Result<ExitRecord> {
        if let Some(grace) = *asked {
            self.connection.tell(&ToShim::Stop(grace)).await?;
        }
        loop {
            tokio::select! {
                message = self.connection.next() => match message? {
                    FromShim::Log(log) | FromShim::Running { log, .. } => {
                        self.progress.send_modify(|progress| progress.log = progress.log.max(log));
                    }
                    FromShim::Ended(exit) => return Ok(exit),
                    FromShim::Refused { .. } | FromShim::Unclaimed { .. } | FromShim::Taken => {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                },
                Some(grace) = self.stops.recv() => {
                    *asked = Some(asked.map_or(grace, |earlier| earlier.min(grace)));
                    self.connection.tell(&ToShim::Stop(grace)).await?;
                }
            }
        }
    }
}
