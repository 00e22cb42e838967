//! Turns: who changes what a scope has does so alone.
//!
//! Everybody who is about to put holds the desk of the scope from the beginning, and has a turn for the last step. A desk is closed in a
//! turn, and forgotten in the same: who comes later gets another one, who held it before finds it closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_types::ObjectScope as Scope;
use tokio::sync::OwnedMutexGuard;

/// How many desks are kept while nobody uses them.
const KEPT: usize = 1024;

/// What is known of a scope.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Those who came before that may put nothing any more.
    pub(crate) closed: bool,
    /// How many objects a run has, if somebody has counted them and nothing was lost track of since.
    pub(crate) count: Option<usize>,
}

/// The right to change a scope.
pub(crate) type Turn = OwnedMutexGuard<Known>;

/// The place where the turns of one scope are taken.
pub(crate) type Desk = Arc<tokio::sync::Mutex<Known>>;

/// The desks of all scopes that are in use.
#[derive(Default)]
pub(crate) struct Desks(Mutex<HashMap<Scope, Desk>>);

impl Desks {
    /// The desk of a scope.
    pub(crate) fn get(&self, scope: &Scope) -> Desk {
        let mut desks = self.lock();
        if desks.len() >= KEPT && !desks.contains_key(scope) {
            desks.retain(|_, desk| Arc::strong_count(desk) > 1);
        }
        Arc::clone(desks.entry(scope.clone()).or_default())
    }

    /// A turn for who needs no desk before it.
    pub(crate) async fn turn(&self, scope: &Scope) -> Turn {
        loop {
            let turn = self.get(scope).lock_owned().await;
            if !turn.closed {
                return turn;
            }
        }
    }

    /// Ends the puts that are on their way to some scopes. One that is in its last step is waited for.
    pub(crate) async fn close(&self, which: impl Fn(&Scope) -> bool) {
        let scopes: Vec<Scope> = self.lock().keys().filter(|scope| which(scope)).cloned().collect();
        for scope in scopes {
            let mut turn = self.turn(&scope).await;
            turn.closed = true;
            self.lock().remove(&scope);
            drop(turn);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Scope, Desk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
