//! A scheduler without processes: each task tells by its own command what happens to it.
//!
//! For tests of everything above the scheduler, for benches and for demos. [`script`] documents the language, also that of
//! the names of images. The
//! [`FakeBackend`] is what outlives a server; each [`FakeScheduler`] is one connection to it, and connecting again is a
//! restart. Time is the clock that is handed in, so that virtual time works; it starts no thread. Tasks whose script takes
//! no time have ended when their start is answered.
//!
//! With the feature `conformance`, `Defective` is the same scheduler with one deliberate fault, to prove the suite.

mod exec;
mod files;
pub(crate) mod images;
mod scheduler;
pub mod script;
pub(crate) mod task;
pub(crate) mod tree;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_backend::{Clock, Owner};
use gofer_types::{AttemptId, Cause};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[cfg(feature = "conformance")]
pub use crate::conformance::defects::{Defect, Defective};
use crate::{Capabilities, RegistryAuth};
pub use scheduler::FakeScheduler;
use task::FakeTask;
pub use tree::FakeFile;
use tree::Tree;

/// How many removed ids are remembered.
const REMOVED: usize = 10_000;
/// How many work directories are remembered as they were laid.
const LAID: usize = 1_000;

/// What outlives a server: the tasks, and what a test can see and touch of them. A handle; clones are the same backend.
#[derive(Debug, Clone)]
pub struct FakeBackend {
    pub(crate) book: Arc<Book>,
    running: Arc<Mutex<JoinSet<()>>>,
    capabilities: Capabilities,
}

/// The state of a backend.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) clock: Arc<dyn Clock>,
    numbers: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(crate) tasks: HashMap<AttemptId, Arc<FakeTask>>,
    pub(crate) removed: HashSet<AttemptId>,
    removed_order: VecDeque<AttemptId>,
    /// What was laid for tasks that were not started.
    pub(crate) laid: HashMap<AttemptId, files::Laid>,
    /// What was laid last, for tests; the newest at the end.
    all_laid: VecDeque<(AttemptId, Tree)>,
    /// The ids whose one scripted error of a call has been answered.
    failed_once: HashSet<(AttemptId, &'static str)>,
    gates: BTreeMap<String, watch::Sender<bool>>,
    witnesses: BTreeMap<String, usize>,
    left: BTreeMap<String, AttemptId>,
    /// What became of each image that was asked for.
    pub(crate) images: BTreeMap<String, images::Known>,
    /// Whether the backend answers neither checks nor fetches.
    pub(crate) away: bool,
}

impl FakeBackend {
    /// A backend that can do everything a scheduler may be able to.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let capabilities = Capabilities {
            images: true,
            cpu_limit: true,
            memory_limit: true,
            out_of_memory: true,
            user: true,
            sandbox: true,
            survives_restart: true,
            exec: true,
            files: true,
        };
        let book = Book { clock, numbers: AtomicU64::new(0), pages: Mutex::default() };
        Self { book: Arc::new(book), running: Arc::default(), capabilities }
    }

    /// The same backend with other capabilities: it refuses what it then cannot do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Connects a server. What an earlier connection of the same owner started is found.
    #[must_use]
    pub fn connect(&self, owner: &Owner) -> FakeScheduler {
        FakeScheduler::new(self.clone(), owner.clone())
    }

    /// Lets the backend be away, or back: meanwhile it answers neither checks nor fetches of images.
    pub fn set_away(&self, away: bool) {
        self.book.pages().away = away;
    }

    /// Ends every task that runs as lost, as an engine does that starts anew and keeps none of them. Answers how many.
    pub fn lose_running(&self, why: &str) -> usize {
        let tasks: Vec<Arc<FakeTask>> = self.book.pages().tasks.values().cloned().collect();
        let running: Vec<Arc<FakeTask>> = tasks.into_iter().filter(|task| task.end().is_none()).collect();
        for task in &running {
            self.book.clear_left(&task.id);
            task.finish(self.book.clock.now(), Cause::Lost(why.to_owned()));
        }
        running.len()
    }

    /// Lets every task that lingers at this gate go on, now and later.
    pub fn open_gate(&self, name: &str) {
        self.book.gate_sender(name).send_replace(true);
    }

    /// How often tasks have left this mark.
    #[must_use]
    pub fn witnesses(&self, name: &str) -> usize {
        self.book.pages().witnesses.get(name).copied().unwrap_or(0)
    }

    /// Whether the descendant that was left under this name lives.
    #[must_use]
    pub fn is_alive(&self, name: &str) -> bool {
        self.book.pages().left.contains_key(name)
    }

    /// How often the registry was asked for an image, whatever it answered.
    #[must_use]
    pub fn fetches(&self, image: &str) -> u32 {
        self.book.pages().images.get(image).map_or(0, |known| known.asked)
    }

    /// Who the last fetch of an image said to be.
    #[must_use]
    pub fn fetched_as(&self, image: &str) -> Option<RegistryAuth> {
        self.book.pages().images.get(image)?.auth.clone()
    }

    /// How many tasks are known, running or ended, of all owners.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.book.pages().tasks.len()
    }

    /// Performs in the background what takes time. Must be called within a runtime.
    pub(crate) fn spawn(&self, performance: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(performance);
    }
}

impl Book {
    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn gate_sender(&self, name: &str) -> watch::Sender<bool> {
        self.pages().gates.entry(name.to_owned()).or_insert_with(|| watch::Sender::new(false)).clone()
    }

    pub(crate) fn gate(&self, name: &str) -> watch::Receiver<bool> {
        self.gate_sender(name).subscribe()
    }

    pub(crate) fn witness(&self, name: String) {
        *self.pages().witnesses.entry(name).or_default() += 1;
    }

    pub(crate) fn leave(&self, id: &AttemptId, name: String) {
        self.pages().left.insert(name, id.clone());
    }

    /// Ends the descendants of a task.
    pub(crate) fn clear_left(&self, id: &AttemptId) {
        self.pages().left.retain(|_, owner| owner != id);
    }

    /// Forgets a task without a trace.
    pub(crate) fn forget(&self, id: &AttemptId) {
        self.pages().tasks.remove(id);
    }
}

impl Pages {
    /// Forgets a task and remembers that its id is used up.
    pub(crate) fn remove(&mut self, id: &AttemptId) {
        self.tasks.remove(id);
        self.laid.remove(id);
        self.failed_once.retain(|(known, _)| known != id);
        if !self.removed.insert(id.clone()) {
            return;
        }
        self.removed_order.push_back(id.clone());
        if self.removed_order.len() > REMOVED
            && let Some(oldest) = self.removed_order.pop_front()
        {
            self.removed.remove(&oldest);
        }
    }

    pub(crate) fn is_removed(&self, id: &AttemptId) -> bool {
        self.removed.contains(id)
    }

    /// Whether this is the first time that this call asks about the id.
    pub(crate) fn fails_now(&mut self, id: &AttemptId, call: &'static str) -> bool {
        self.failed_once.insert((id.clone(), call))
    }

    fn remember_laid(&mut self, id: &AttemptId, files: &Tree) {
        self.all_laid.push_back((id.clone(), files.clone()));
        if self.all_laid.len() > LAID {
            self.all_laid.pop_front();
        }
    }
}
