//! Things at a scheduler that no record names: what is left of starts that nobody waited for.
//!
//! One look after the start of the engine, and one whenever an attempt ended without certainty; no input, repeatable.
//! Every intent is recorded before anything is started, so that what is neither in hand nor young belongs to nobody.

use std::sync::Arc;
use std::time::Duration;

use gofer_scheduler::{Scheduler, TaskSummary};

use super::Inner;

/// Looks for leftovers for as long as the engine lives.
pub(crate) async fn reap(inner: Arc<Inner>) {
    let grace = inner.options.leftover_grace.get();
    while inner.pause(grace).await {
        for scheduler in inner.schedulers.named.values() {
            sweep(&inner, &**scheduler, grace).await;
        }
        tokio::select! {
            biased;
            () = inner.fate.stop().cancelled() => return,
            () = inner.uncertain.notified() => {}
        }
    }
}

async fn sweep(inner: &Inner, scheduler: &dyn Scheduler, grace: Duration) {
    if inner.hall.count_set_aside() > 0 {
        tracing::warn!("leftovers are not removed while runs are set aside: they may be theirs");
        return;
    }
    let list = match scheduler.list().await {
        Ok(list) => list,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "cannot look for leftovers");
            return;
        }
    };
    let now = inner.clock.now();
    let is_left = |item: &TaskSummary| item.created.plus(grace) <= now && !inner.hall.is_in_hand(&item.id);
    for item in list.into_iter().filter(is_left) {
        tracing::warn!(attempt = %item.id, "removing what no record names");
        let stopped = scheduler.stop(&item.id, Duration::ZERO).await;
        let removed = scheduler.remove(&item.id).await;
        if let Err(error) = stopped.and(removed) {
            tracing::warn!(attempt = %item.id, error = %error.chain(), "cannot remove a leftover");
        }
    }
}
