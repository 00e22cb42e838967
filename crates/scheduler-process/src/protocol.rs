//! What the shim and the scheduler say to each other over a socket.
//!
//! A message is: what it is (u8), length of the rest (u32, little endian), the rest as JSON. The first connection of a shim
//! is a socket pair that it gets as standard input, and on which it is told what to run; the others come in at its socket
//! file. Both ends are of the same build or of neighbouring ones: fields are only ever added.

use std::collections::BTreeMap;
use std::io::{self, Read};

use gofer_backend::ErrorKind;
use gofer_types::{Cause, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The greatest message to a shim: an environment has at most 6 MiB, and JSON may need six characters for one.
pub(crate) const MAX_LAUNCH: usize = 64 << 20;
/// The greatest message from a shim.
pub(crate) const MAX_REPLY: usize = 64 << 10;
/// What stands before the rest of a message.
pub(crate) const HEADER: usize = 5;

/// What a shim is to run. It is never written to the disk: the environment may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The argument vector; the first word is the program.
    pub(crate) argv: Vec<String>,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Where it starts; a relative one is below the work directory.
    pub(crate) workdir: Option<String>,
    /// The limit on memory, in bytes.
    pub(crate) memory: Option<u64>,
    /// The limit on open files.
    pub(crate) open_files: Option<u64>,
    /// The limit on processes of the user.
    pub(crate) processes: Option<u64>,
    /// How much output is kept, in bytes.
    pub(crate) max_log: u64,
}

/// How a task ended, as it is kept on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitRecord {
    /// How.
    pub(crate) cause: Cause,
    /// When.
    pub(crate) at: Timestamp,
    /// The process id that it had; 0 if it never ran.
    pub(crate) pid: u32,
    /// Bytes of output that could neither be written nor be told as a gap in the log.
    pub(crate) unwritten: u64,
}

/// What a shim says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromShim {
    /// The task runs, with this process id and so many bytes of log. The first message on each connection.
    Running { pid: u32, log: u64 },
    /// The task cannot be started: what is the case, and what the host said.
    Refused { kind: ErrorKind, message: String, cause: Option<String> },
    /// This shim could not claim the task, as `Refused` says why. Whether another shim has it, it does not know.
    Unclaimed { kind: ErrorKind, message: String, cause: Option<String> },
    /// Another shim has the task.
    Taken,
    /// The log has so many bytes.
    Log(u64),
    /// The task has ended.
    Ended(ExitRecord),
}

/// What a shim is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToShim {
    /// Run this. Only on the first connection, and only first.
    Launch(Launch),
    /// End the task, and kill it when so many milliseconds have passed.
    Stop(u64),
}

fn message<T: Serialize>(tag: u8, body: &T) -> Vec<u8> {
    let mut message = vec![tag, 0, 0, 0, 0];
    // Numbers, texts and maps with texts for keys can always be written as JSON, and a vector takes every byte.
    if serde_json::to_writer(&mut message, body).is_err() {
        message.truncate(HEADER);
    }
    let length = u32::try_from(message.len() - HEADER).unwrap_or(u32::MAX);
    message[1..HEADER].copy_from_slice(&length.to_le_bytes());
    message
}

fn body<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// What a header says: what the message is, and how long its rest is. Longer than `max` is refused.
pub(crate) fn header(bytes: [u8; HEADER], max: usize) -> io::Result<(u8, usize)> {
    let [tag, length @ ..] = bytes;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    Ok((tag, length))
}

fn unknown(tag: u8) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("there is no message {tag}"))
}

/// Why a task was not started.
fn why_not(tag: u8, kind: ErrorKind, text: &str, cause: Option<&String>) -> Vec<u8> {
    let number = ErrorKind::ALL.iter().position(|known| *known == kind).unwrap_or(0);
    message(tag, &(number, text, cause))
}

fn read_why_not(bytes: &[u8]) -> io::Result<(ErrorKind, String, Option<String>)> {
    let (number, message, cause): (usize, String, Option<String>) = body(bytes)?;
    Ok((ErrorKind::ALL.get(number).copied().unwrap_or(ErrorKind::Internal), message, cause))
}

impl FromShim {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Running { pid, log } => message(b'R', &(pid, log)),
            Self::Refused { kind, message: text, cause } => why_not(b'F', *kind, text, cause.as_ref()),
            Self::Unclaimed { kind, message: text, cause } => why_not(b'U', *kind, text, cause.as_ref()),
            Self::Taken => message(b'T', &()),
            Self::Log(length) => message(b'L', length),
            Self::Ended(exit) => message(b'E', exit),
        }
    }

    pub(crate) fn decode(tag: u8, bytes: &[u8]) -> io::Result<Self> {
        Ok(match tag {
            b'R' => {
                let (pid, log) = body(bytes)?;
                Self::Running { pid, log }
            }
            b'F' => {
                let (kind, message, cause) = read_why_not(bytes)?;
                Self::Refused { kind, message, cause }
            }
            b'U' => {
                let (kind, message, cause) = read_why_not(bytes)?;
                Self::Unclaimed { kind, message, cause }
            }
            b'T' => Self::Taken,
            b'L' => Self::Log(body(bytes)?),
            b'E' => Self::Ended(body(bytes)?),
            tag => return Err(unknown(tag)),
        })
    }
}

impl ToShim {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Launch(launch) => message(b'G', launch),
            Self::Stop(grace) => message(b'S', grace),
        }
    }

    pub(crate) fn decode(tag: u8, bytes: &[u8]) -> io::Result<Self> {
        match tag {
            b'G' => Ok(Self::Launch(body(bytes)?)),
            b'S' => Ok(Self::Stop(body(bytes)?)),
            tag => Err(unknown(tag)),
        }
    }

    /// Reads one message, however long it takes to come.
    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; HEADER];
        from.read_exact(&mut head)?;
        let (tag, length) = header(head, MAX_LAUNCH)?;
        let mut rest = vec![0; length];
        from.read_exact(&mut rest)?;
        Self::decode(tag, &rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_a_shim_reads_back() {
        let exit =
            ExitRecord { cause: Cause::ExitCode(3), at: Timestamp::from_micros(5), pid: 7, unwritten: 0 };
        let refused = ErrorKind::ALL.map(|kind| FromShim::Refused {
            kind,
            message: "why".to_owned(),
            cause: Some("because".to_owned()),
        });
        let others = [
            FromShim::Running { pid: 7, log: 9 },
            FromShim::Unclaimed { kind: ErrorKind::Exhausted, message: "why".to_owned(), cause: None },
            FromShim::Taken,
            FromShim::Log(u64::MAX),
            FromShim::Ended(exit),
        ];
        for message in others.into_iter().chain(refused) {
            let bytes = message.encode();
            let (tag, length) = header(bytes[..HEADER].try_into().unwrap(), MAX_REPLY).unwrap();
            assert_eq!(length, bytes.len() - HEADER);
            assert_eq!(FromShim::decode(tag, &bytes[HEADER..]).unwrap(), message);
        }
    }

    #[test]
    fn every_message_to_a_shim_reads_back() {
        let launch = Launch {
            argv: vec!["sh".to_owned()],
            env: [("A".to_owned(), "b".to_owned())].into(),
            workdir: None,
            memory: Some(5),
            open_files: None,
            processes: None,
            max_log: 9,
        };
        for message in [ToShim::Launch(launch), ToShim::Stop(u64::MAX)] {
            assert_eq!(ToShim::read(&mut message.encode().as_slice()).unwrap(), message);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_is_read() {
        let head = [b'S', 0xff, 0xff, 0xff, 0xff];
        assert!(ToShim::read(&mut head.as_slice()).is_err());
    }
}
