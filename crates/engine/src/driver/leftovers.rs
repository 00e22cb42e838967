//! Things at a scheduler that no record names: what is left of starts that nobody waited for.
//!
//! One look after the start of the engine, and one whenever an attempt ended without certainty, again after each grace until
//! nothing is left to be looked at; no input, repeatable.
//! Every intent is recorded before anything is started, so that what is neither in hand nor young belongs to nobody.

use std::sync::Arc;
use std::time::Duration;

use gofer_scheduler::{Scheduler, TaskSummary};

use super::Inner;

/// Looks for leftovers for as long as the engine lives.
pub(crate) async fn reap(inner: Arc<Inner>) {
    let grace = inner.options.leftover_grace.get();
    while inner.pause(grace).await {
        let look = async {
            if sweep_all(&inner, grace).await {
                inner.attempts.uncertain.notified().await;
            }
        };
        tokio::select! {
            biased;
            () = inner.fate.stop().cancelled() => return,
            () = look => {}
        }
    }
}

async fn sweep_all(inner: &Inner, grace: Duration) -> bool {
    let mut all = true;
    for scheduler in inner.schedulers.named.values() {
        all &= sweep(inner, &**scheduler, grace).await;
    }
    all
}

/// False if there is, or may be, something to be looked at later.
async fn sweep(inner: &Inner, scheduler: &dyn Scheduler, grace: Duration) -> bool {
    if inner.hall.count_set_aside() > 0 {
        tracing::warn!("leftovers are not removed while runs are set aside: they may be theirs");
        return true;
    }
    let list = match scheduler.list().await {
        Ok(list) => list,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "cannot look for leftovers");
            return false;
        }
    };
    // whoever was taken over from and does not know it yet would remove what its successor has started
    let owner = inner.records.epoch().await;
    if !matches!(owner, Ok(Some(epoch)) if epoch == inner.epoch) {
        return owner.is_ok();
    }
    let now = inner.clock.now();
    let (old, young): (Vec<TaskSummary>, Vec<TaskSummary>) = list
        .into_iter()
        .filter(|item| !inner.hall.is_in_hand(&item.id))
        .partition(|item| item.created.plus(grace) <= now);
    let mut all_gone = true;
    for item in old {
        let until = inner.clock.monotonic().saturating_add(grace);
        all_gone &= tokio::select! {
            biased;
            gone = put_away(scheduler, &item) => gone,
            // the others have their turn; this one again later
            () = inner.clock.sleep_until(until) => false,
        };
    }
    all_gone && young.is_empty()
}

/// False if it is to be tried again.
async fn put_away(scheduler: &dyn Scheduler, item: &TaskSummary) -> bool {
    tracing::warn!(attempt = %item.id, "removing what no record names");
    // Whether this was of use shows in the removal.
    let stopped = scheduler.stop(&item.id, Duration::ZERO).await;
    let Err(error) = scheduler.remove(&item.id).await else { return true };
    let stopped = stopped.err().map(|error| error.chain());
    tracing::warn!(attempt = %item.id, error = %error.chain(), stopped, "cannot remove a leftover");
    false
}
