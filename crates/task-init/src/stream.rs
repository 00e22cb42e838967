//! Handing the output of the task on to the engine, line by line, without ever waiting for only one of the two.
//!
//! A reader that stands still, such as an engine that is being replaced, holds the task up and loses nothing: when our
//! buffer is full, we read no more, and the pipe to the task fills.

use std::fs::File;
use std::io::{Read as _, stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{ChildStderr, ChildStdout};
use std::time::Duration;

use gofer_task_init::End;
use gofer_task_init::wire::{Encoder, last_line};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, write};

use crate::signals::{Signals, Word};

/// The most bytes that wait to be written for each stream.
const FULL: usize = 256 << 10;
/// The most bytes that are read at once.
const MOST: usize = 64 << 10;
/// How often is read when the task has ended.
const MOST_READS: u32 = 256;
/// What a pipe that is ready takes without making us wait.
const ATOMIC: usize = 4096;
/// How long the beginning of a line waits for its rest.
const LINGER: Duration = Duration::from_millis(10);
/// For how many turns the beginning of a line waits while the other stream is busy.
const PATIENT_TURNS: u32 = 16;
/// How long the last output waits for a reader that stands still, and how long when everything was to end at once.
const PATIENCE: Duration = Duration::from_secs(600);
const HASTE: Duration = Duration::from_secs(5);

/// Standard output and standard error.
pub(crate) struct Streams([Stream; 2]);

struct Stream {
    /// Where the task writes; nothing when it is closed.
    from: Option<File>,
    encoder: Encoder,
    /// Lines that the engine has not taken yet.
    out: Vec<u8>,
    is_error: bool,
    /// For how many turns nothing has come.
    idle: u32,
    /// Whether output was dropped, because nobody can take it any more.
    lost: bool,
}

impl Streams {
    pub(crate) fn of(out: Option<ChildStdout>, err: Option<ChildStderr>) -> Self {
        Self([Stream::new(out.map(OwnedFd::from), false), Stream::new(err.map(OwnedFd::from), true)])
    }

    /// Those of a task that was not started.
    pub(crate) fn none() -> Self {
        Self::of(None, None)
    }

    /// Waits until something can be done, and does it.
    pub(crate) fn turn(&mut self, signals: Option<&Signals>) {
        let lingers = self.0.iter().any(|stream| stream.encoder.has_pending());
        let ready = self.wait(signals, lingers.then_some(LINGER));
        for (stream, ready) in self.0.iter_mut().zip(ready) {
            if ready.input {
                stream.idle = 0;
                stream.read();
            } else {
                stream.idle += 1;
                // Its rest does not come, or not while the other stream is busy.
                if !ready.anything || stream.idle > PATIENT_TURNS {
                    stream.hand_over(true);
                }
            }
            if ready.output {
                stream.write();
            }
        }
    }

    /// Which streams can be read and written, after a wait.
    fn wait(&self, signals: Option<&Signals>, limit: Option<Duration>) -> [Ready; 2] {
        let outputs = [stdout().as_fd().try_clone_to_owned(), stderr().as_fd().try_clone_to_owned()];
        let mut files = Vec::new();
        let mut meaning = Vec::new();
        for (index, (stream, output)) in self.0.iter().zip(&outputs).enumerate() {
            if let Some(from) = stream.wanted_input() {
                files.push(PollFd::from_borrowed_fd(from, PollFlags::IN));
                meaning.push((index, true));
            }
            if let (false, Ok(output)) = (stream.out.is_empty(), output) {
                files.push(PollFd::new(output, PollFlags::OUT));
                meaning.push((index, false));
            }
        }
        if let Some(file) = signals.and_then(Signals::file) {
            files.push(PollFd::from_borrowed_fd(file, PollFlags::IN));
        }
        let count = poll(&mut files, limit.map(timespec).as_ref()).unwrap_or(0);
        let mut ready = [Ready { anything: count > 0, ..Ready::default() }; 2];
        for ((index, is_input), file) in meaning.into_iter().zip(&files) {
            let told = !file.revents().is_empty();
            let place = &mut ready[index];
            if is_input { place.input = told } else { place.output = told }
        }
        ready
    }

    /// Hands on what is left, and then the last line: it says that nothing is missing, and is left out if something is.
    pub(crate) fn finish(&mut self, end: &End, mut signals: Option<Signals>) {
        for stream in &mut self.0 {
            stream.drain();
            stream.hand_over(true);
        }
        if self.flush(&mut signals) {
            self.0[1].out.extend(last_line(end));
            self.flush(&mut signals);
        }
    }

    /// Writes everything, as long as somebody takes it; true if nothing was ever lost.
    fn flush(&mut self, signals: &mut Option<Signals>) -> bool {
        let hasty = signals.as_ref().is_some_and(Signals::is_hasty);
        let mut patience = if hasty { HASTE } else { PATIENCE };
        while self.0.iter().any(|stream| !stream.out.is_empty()) {
            let ready = self.wait(signals.as_ref(), Some(patience));
            if !ready[0].anything {
                return false;
            }
            for (stream, ready) in self.0.iter_mut().zip(ready) {
                if ready.output {
                    stream.write();
                }
            }
            if signals.as_mut().is_some_and(|signals| signals.heard(0).contains(&Word::KillAll)) {
                patience = HASTE;
            }
        }
        !self.0.iter().any(|stream| stream.lost)
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Ready {
    input: bool,
    output: bool,
    /// Whether the wait ended because something came, and not because its time was over.
    anything: bool,
}

fn timespec(span: Duration) -> Timespec {
    Timespec { tv_sec: span.as_secs().cast_signed(), tv_nsec: i64::from(span.subsec_nanos()) }
}

impl Stream {
    fn new(from: Option<OwnedFd>, is_error: bool) -> Self {
        // If it cannot be told not to wait, it is read only when there is something.
        if let Some(from) = &from {
            let _ = ioctl_fionbio(from, true);
        }
        Self {
            from: from.map(File::from),
            encoder: Encoder::default(),
            out: Vec::new(),
            is_error,
            idle: 0,
            lost: false,
        }
    }

    fn wanted_input(&self) -> Option<BorrowedFd<'_>> {
        let room = self.out.len() < FULL;
        self.from.as_ref().filter(|_| room).map(AsFd::as_fd)
    }

    /// Reads once; false if there was nothing.
    fn read(&mut self) -> bool {
        let Some(from) = &mut self.from else { return false };
        let mut bytes = vec![0; MOST];
        match from.read(&mut bytes) {
            Ok(0) => self.from = None,
            Ok(count) => {
                self.encoder.push(bytes.get(..count).unwrap_or_default());
                self.hand_over(false);
                return true;
            }
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::AGAIN | Errno::INTR)) => {}
            Err(_) => self.from = None,
        }
        false
    }

    /// Reads all that was written. A pipe holds far less than the limit: more can only come from who outlives the task.
    fn drain(&mut self) {
        for _ in 0..MOST_READS {
            if !self.read() {
                return;
            }
        }
    }

    fn hand_over(&mut self, everything: bool) {
        self.out.extend(self.encoder.lines(everything));
    }

    /// Writes as much as does not make us wait. What nobody can take any more is dropped.
    fn write(&mut self) {
        let part = self.out.get(..self.out.len().min(ATOMIC)).unwrap_or_default();
        let written = if self.is_error { write(stderr(), part) } else { write(stdout(), part) };
        match written {
            Ok(count) => drop(self.out.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => {
                self.lost |= !self.out.is_empty();
                self.out.clear();
            }
        }
    }
}
