//! From the pipes of the task into its log file.
//!
//! The task is never held up for longer than the disk is: what cannot be written is counted, and told as a gap as soon as
//! something can be written again.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use gofer_scheduler::StreamKind;
use rustix::io::Errno;

use crate::frame;
use crate::host;

const TOO_LONG: &str = "the output is longer than the scheduler keeps";
const NOT_WRITTEN: &str = "the log could not be written";

/// The log file.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    /// The bytes of the file that are whole frames.
    length: u64,
    /// How much more output is kept.
    room: u64,
    /// Output that is neither in the file nor told there.
    lost: u64,
    why: &'static str,
    /// A part of a frame is in the file and cannot be taken back: nothing can follow it.
    broken: bool,
    frame: Vec<u8>,
}

impl Log {
    /// Writes to this file, which is empty and open for appending.
    pub(crate) fn new(file: File, max: u64) -> Self {
        Self { file, length: 0, room: max, lost: 0, why: "", broken: false, frame: Vec::new() }
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    fn append(&mut self, stream: StreamKind, bytes: &[u8]) {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, cut) = bytes.split_at(room);
        self.room -= room as u64;
        if !kept.is_empty() && (self.write_gap().is_err() || self.write_output(stream, kept).is_err()) {
            self.lose(kept.len(), NOT_WRITTEN);
        }
        if !cut.is_empty() {
            self.lose(cut.len(), TOO_LONG);
        }
    }

    fn lose(&mut self, bytes: usize, why: &'static str) {
        self.lost += bytes as u64;
        self.why = why;
    }

    fn write_output(&mut self, stream: StreamKind, bytes: &[u8]) -> io::Result<()> {
        self.frame.clear();
        frame::output(&mut self.frame, host::now(), stream, bytes);
        self.write_frame()
    }

    /// Tells what was lost up to here, if anything was.
    fn write_gap(&mut self) -> io::Result<()> {
        if self.lost == 0 {
            return Ok(());
        }
        self.frame.clear();
        frame::gap(&mut self.frame, host::now(), self.lost, self.why);
        self.write_frame()?;
        self.lost = 0;
        Ok(())
    }

    fn write_frame(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("a torn frame stands at the end of the log"));
        }
        if let Err(error) = self.file.write_all(&self.frame) {
            self.broken = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += self.frame.len() as u64;
        Ok(())
    }

    /// Tells at the end what is missing. What could not even be told is the answer.
    pub(crate) fn finish(&mut self) -> u64 {
        let _ = self.write_gap();
        self.lost
    }
}

/// Where a stream of the task stands after reading from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// There is more to be read.
    More,
    /// There is nothing now.
    Idle,
    /// There will be nothing any more.
    Closed,
}

/// One stream of the task.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) pipe: OwnedFd,
    stream: StreamKind,
    buffer: Box<[u8]>,
    filled: usize,
}

impl Source {
    pub(crate) fn new(pipe: OwnedFd, stream: StreamKind) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self { pipe, stream, buffer: vec![0; frame::MAX].into_boxed_slice(), filled: 0 })
    }

    /// Moves what is there to the log, up to about a mebibyte, so that the other stream gets its turn.
    pub(crate) fn pump(&mut self, log: &mut Log) -> Flow {
        let mut flow = Flow::More;
        for _ in 0..16 {
            match rustix::io::read(&self.pipe, &mut self.buffer[self.filled..]) {
                Ok(0) => flow = Flow::Closed,
                Ok(count) => {
                    self.filled += count;
                    if self.filled == self.buffer.len() {
                        self.write_lines(log);
                    }
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => flow = Flow::Idle,
                Err(_) => flow = Flow::Closed,
            }
            break;
        }
        self.write(log, self.filled);
        flow
    }

    /// Writes the whole lines of a full buffer; all of it if it holds no line end.
    fn write_lines(&mut self, log: &mut Log) {
        let end = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(self.filled, |at| at + 1);
        self.write(log, end);
    }

    fn write(&mut self, log: &mut Log, end: usize) {
        if end > 0 {
            log.append(self.stream, &self.buffer[..end]);
            self.buffer.copy_within(end..self.filled, 0);
            self.filled -= end;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gofer_scheduler::LogItem;

    use super::*;
    use crate::frame::Found;

    fn items(file: Vec<u8>) -> Vec<LogItem> {
        let mut rest = Bytes::from(file);
        let mut items = Vec::new();
        while let Found::Frame { item, size, .. } = frame::read(&rest) {
            items.push(item);
            rest = rest.slice(size..);
        }
        assert!(rest.is_empty());
        items
    }

    fn data(text: &'static str) -> LogItem {
        LogItem::Data { stream: StreamKind::Out, bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn what_is_beyond_the_limit_is_one_gap_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::new(File::create(&path).unwrap(), 5);
        for text in ["abc", "def", "ghi"] {
            log.append(StreamKind::Out, text.as_bytes());
        }
        assert_eq!(log.finish(), 0);
        let gap = LogItem::Gap { bytes: Some(4), cause: TOO_LONG.to_owned() };
        assert_eq!(items(std::fs::read(&path).unwrap()), [data("abc"), data("de"), gap]);
    }

    #[test]
    fn what_can_never_be_written_is_counted() {
        let full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut log = Log::new(full, 1000);
        log.append(StreamKind::Out, b"abc");
        log.append(StreamKind::Err, b"defg");
        assert_eq!(log.finish(), 7);
    }

    #[test]
    fn output_goes_on_behind_a_gap_when_the_disk_has_room_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut log = Log::new(full, 1000);
        log.append(StreamKind::Out, b"lost");
        log.file = File::create(&path).unwrap();
        log.broken = false;
        log.append(StreamKind::Out, b"kept");
        assert_eq!(log.finish(), 0);
        let gap = LogItem::Gap { bytes: Some(4), cause: NOT_WRITTEN.to_owned() };
        assert_eq!(items(std::fs::read(&path).unwrap()), [gap, data("kept")]);
    }

    #[test]
    fn a_full_buffer_is_cut_at_a_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Log::new(File::create(&path).unwrap(), 1 << 20);
        let (reader, mut writer) = io::pipe().unwrap();
        let mut source = Source::new(reader.into(), StreamKind::Out).unwrap();
        let text = [vec![b'a'; frame::MAX - 6], b"\nbcdef".to_vec()].concat();
        // The pipe holds exactly one buffer.
        writer.write_all(&text[..frame::MAX]).unwrap();
        drop(writer);
        assert_eq!(source.pump(&mut log), Flow::Closed);
        assert_eq!(log.finish(), 0);
        let items = items(std::fs::read(&path).unwrap());
        assert!(
            matches!(&items[0], LogItem::Data { bytes, .. } if bytes.len() == frame::MAX - 5),
            "{}",
            items.len()
        );
    }
}
