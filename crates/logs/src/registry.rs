//! The logs that are open now, so that the writer and all readers of a log share one state.
//!
//! It owns none of them: a log that nobody uses is forgotten, and found on the disk again. While a folder is being deleted,
//! a log in it that is opened is deleted from the start, so that nobody takes what is half gone for damage.

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
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    logs: HashMap<TaskRef, Weak<Shared>>,
    /// The folders that are being deleted, as often as somebody is about it.
    doomed: Vec<PathBuf>,
}

/// A folder of logs that is being deleted, until this is dropped.
#[derive(Debug)]
pub(crate) struct Doom {
    registry: Arc<Registry>,
    pub(crate) dir: PathBuf,
}

impl Doom {
    pub(crate) fn root(&self) -> &Path {
        self.registry.root()
    }
}

impl Drop for Doom {
    fn drop(&mut self) {
        let doomed = &mut lock(&self.registry.open).doomed;
        if let Some(at) = doomed.iter().position(|dir| *dir == self.dir) {
            doomed.swap_remove(at);
        }
    }
}

impl Registry {
    pub(crate) fn new(root: PathBuf) -> Arc<Self> {
        Arc::new(Self { root, budget: Budget::new(), open: Mutex::default() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The log of a task run, shared with everybody who uses it now.
    pub(crate) fn get(self: &Arc<Self>, task: &TaskRef) -> Arc<Shared> {
        let mut open = lock(&self.open);
        if let Some(shared) = open.logs.get(task).and_then(Weak::upgrade) {
            return shared;
        }
        let dir = disk::task_dir(&self.root, task);
        let doomed = open.doomed.iter().any(|doomed| dir.starts_with(doomed));
        let shared = Arc::new(Shared::new(task.clone(), dir, Arc::clone(&self.budget), Arc::downgrade(self)));
        if doomed {
            shared.mark_deleted();
        } else {
            open.logs.insert(task.clone(), Arc::downgrade(&shared));
        }
        shared
    }

    /// Tells who uses a log in this folder that it is gone. A log of the same name that is opened later is another one.
    pub(crate) fn doom(self: &Arc<Self>, dir: PathBuf) -> Doom {
        let taken: Vec<Arc<Shared>> = {
            let mut open = lock(&self.open);
            open.doomed.push(dir.clone());
            let inside = |task: &TaskRef| disk::task_dir(&self.root, task).starts_with(&dir);
            let taken = open.logs.extract_if(|task, _| inside(task));
            taken.filter_map(|(_, shared)| shared.upgrade()).collect()
        };
        for shared in taken {
            shared.mark_deleted();
        }
        Doom { registry: Arc::clone(self), dir }
    }

    /// Forgets a log that nobody uses.
    pub(crate) fn forget(&self, task: &TaskRef) {
        let mut open = lock(&self.open);
        if open.logs.get(task).is_some_and(|shared| shared.strong_count() == 0) {
            open.logs.remove(task);
        }
    }
}
