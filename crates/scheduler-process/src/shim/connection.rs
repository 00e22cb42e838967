//! One connected scheduler. Nothing that it does, or does not do, may hold up the shim.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;

use crate::protocol::{FromShim, HEADER, ToShim, header};

/// The greatest request. There is only one, and it is a number.
const MAX_REQUEST: usize = 256;

#[derive(Debug)]
pub(crate) struct Connection {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// The log has grown since it was last told.
    stale: bool,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), outbox: Vec::new(), stale: false })
    }

    pub(crate) fn interest(&self) -> PollFlags {
        if self.outbox.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Says something as soon as the other side takes it.
    pub(crate) fn say(&mut self, message: &FromShim) -> io::Result<()> {
        self.outbox.extend_from_slice(&message.encode());
        self.flush()
    }

    /// Says how long the log is; a side that is slow gets the newest length only.
    pub(crate) fn tell_log(&mut self, length: u64) -> io::Result<()> {
        if self.outbox.is_empty() {
            self.say(&FromShim::Log(length))
        } else {
            self.stale = true;
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.outbox.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and writes what can be read and written. An error means that this connection is over.
    pub(crate) fn work(&mut self, log: u64) -> io::Result<Vec<ToShim>> {
        self.flush()?;
        if self.stale && self.outbox.is_empty() {
            self.stale = false;
            self.say(&FromShim::Log(log))?;
        }
        let mut bytes = [0; 512];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.inbox.extend_from_slice(&bytes[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        let mut requests = Vec::new();
        while let Some(head) = self.inbox.first_chunk::<HEADER>() {
            let (tag, length) = header(*head, MAX_REQUEST)?;
            let Some(body) = self.inbox.get(HEADER..HEADER + length) else { break };
            requests.push(ToShim::decode(tag, body)?);
            self.inbox.drain(..HEADER + length);
        }
        Ok(requests)
    }

    /// Ends the connection, also where another copy of its file descriptor lives.
    pub(crate) fn close(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
