//! The logs that are open now, so that the writer and all readers of a log share one state.
//!
//! It owns none of them: a log that nobody uses is forgotten, and found on the disk again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use gofer_types::TaskRef;

use crate::disk;
use crate::gates::lock;
use crate::recent::Budget;
use crate::shared::Shared;

/// The open logs of one store.
#[derive(Debug)]
pub(crate) struct Registry {
    root: PathBuf,
    budget: Arc<Budget>,
    open: Mutex<HashMap<TaskRef, Weak<Shared>>>,
}

impl Registry {
    pub(crate) fn new(root: PathBuf) -> Arc<Self> {
        Arc::new(Self { root, budget: Budget::new(), open: Mutex::new(HashMap::new()) })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The log of a task run, shared with everybody who uses it now.
    pub(crate) fn get(self: &Arc<Self>, task: &TaskRef) -> Arc<Shared> {
        let mut open = lock(&self.open);
        if let Some(shared) = open.get(task).and_then(Weak::upgrade) {
            return shared;
        }
        let dir = disk::task_dir(&self.root, task);
        let shared = Arc::new(Shared::new(task.clone(), dir, Arc::clone(&self.budget), Arc::downgrade(self)));
        open.insert(task.clone(), Arc::downgrade(&shared));
        shared
    }

    /// Takes out the logs that are `doomed`; a log of the same name that is opened from now on is another one.
    pub(crate) fn take(&self, doomed: impl Fn(&TaskRef) -> bool) -> Vec<Arc<Shared>> {
        let mut open = lock(&self.open);
        open.extract_if(|task, _| doomed(task)).filter_map(|(_, shared)| shared.upgrade()).collect()
    }

    /// Forgets a log that nobody uses.
    pub(crate) fn forget(&self, task: &TaskRef) {
        let mut open = lock(&self.open);
        if open.get(task).is_some_and(|shared| shared.strong_count() == 0) {
            open.remove(task);
        }
    }
}
