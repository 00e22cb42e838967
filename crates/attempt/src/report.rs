//! What is told of an attempt, and what is answered.

use std::fmt;

use async_trait::async_trait;
use gofer_scheduler::TaskExit;
use gofer_types::{AttemptId, ImageState, Moment, TaskRef};
use tokio::sync::oneshot;

/// Something that happened to an attempt. Each names the place of the task and the number of the attempt.
#[derive(Debug)]
pub enum Report {
    /// The scheduler said that it runs.
    Started {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// When it said so.
        at: Moment,
        /// What the scheduler calls it.
        handle: String,
        /// The digest of the image that it runs, where that is known.
        image: Option<String>,
    },
    /// Its image is being fetched, or was.
    Image {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// What is told of it.
        news: ImageNews,
    },
    /// It is certain that it cannot be started.
    Refused {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// Why.
        reason: String,
        /// Told once this is durable.
        recorded: oneshot::Sender<Sequel>,
    },
    /// It ended.
    Ended {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// How.
        exit: TaskExit,
        /// Whether it was asked to end and none of the asking came through.
        unreached: bool,
        /// Told once the end is recorded: until then the scheduler must keep it.
        recorded: oneshot::Sender<Sequel>,
    },
    /// It was to be stopped, and it never ran.
    NeverRan {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// Told once this is durable.
        recorded: oneshot::Sender<Sequel>,
    },
    /// All its output is stored, and the log goes on with another attempt.
    Collected {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// Told once this is durable: a thing that is gone then leaves no doubt about its output.
        recorded: oneshot::Sender<Sequel>,
    },
    /// Its output is stored and its thing is gone.
    PutAway {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
    },
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequel {
    /// Nothing: its task is over, and its log is complete.
    Over,
    /// Another attempt, which writes into the same log.
    Again,
}

/// What is told of an image that is being fetched, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNews {
    /// For which task run.
    pub task: TaskRef,
    /// For which attempt of it.
    pub attempt: AttemptId,
    /// The image, as the author named it.
    pub image: String,
    /// The bytes that are there.
    pub done: u64,
    /// The bytes of all parts whose size is known so far.
    pub total: u64,
    /// How far it is.
    pub state: ImageState,
}

/// Who is told.
#[async_trait]
pub trait Reporter: fmt::Debug + Send + Sync + 'static {
    /// Takes a report, in the order of the calls. Waits while too many wait already; what is reported when nobody listens any
    /// more is lost, since all work ends then.
    async fn report(&self, report: Report);
}
