//! The one stream of events by which the engine tells what happens to our containers.
//!
//! When it breaks it is followed anew, from a moment of the engine's own clock on; what had ended before that moment is
//! marked, and everybody who waits looks again. So no end is missed, and none that nobody saw is taken for one in sight.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use gofer_backend::{ErrorKind, Result};

use crate::error::{error, translate};
use crate::labels;
use crate::shared::Shared;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Follows the events until the scheduler goes.
pub(crate) async fn follow(shared: Arc<Shared>) {
    let closing = shared.closing.clone();
    tokio::select! {
        biased;
        () = closing.cancelled() => {}
        () = keep_following(&shared) => {}
    }
}

async fn keep_following(shared: &Shared) {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut linked = false;
        let fault = match follow_once(shared, &mut linked).await {
            Ok(()) => error(ErrorKind::Unavailable, "events", "the engine ended its events"),
            Err(fault) => fault,
        };
        tracing::debug!(scheduler = shared.name, error = fault.chain(), "the engine's events are not followed");
        pause = if linked { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        // sleeps: a back-off; nobody tells that an engine is there again
        tokio::time::sleep(pause).await;
    }
}

async fn follow_once(shared: &Shared, linked: &mut bool) -> Result<()> {
    let docker = shared.client.connect("events").await?;
    let since = engine_time(shared).await?;
    let mut filters = labels::filter(&shared.owner);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    let options = EventsOptions { since: Some(since), until: None, filters: Some(filters) };
    let mut events = std::pin::pin!(docker.events(Some(options)));
    let list = shared.containers("events").await?;
    let there = list.into_iter().filter_map(|container| {
        let state = container.state.map(|state| state.to_string());
        let ended = matches!(state.as_deref(), Some("exited" | "dead"));
        Some((labels::attempt(&container.labels.unwrap_or_default())?, ended))
    });
    shared.book.linked(&there.collect());
    *linked = true;
    while let Some(event) = events.next().await {
        hear(shared, event.map_err(|vendor| translate("events", vendor))?);
    }
    Ok(())
}

/// Now, by the engine's clock, in the form in which it wants to be asked.
async fn engine_time(shared: &Shared) -> Result<String> {
    let info = shared.client.call("info", |docker| async move { docker.info().await }).await?;
    let time: Option<jiff::Timestamp> = info.system_time.and_then(|time| time.parse().ok());
    match time {
        Some(time) => Ok(format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())),
        None => Err(error(ErrorKind::Internal, "info", "the engine does not say what time it is")),
    }
}

fn hear(shared: &Shared, event: EventMessage) {
    let labels = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
    let Some(id) = labels::attempt(&labels) else { return };
    match event.action.as_deref() {
        Some("destroy") => shared.book.forget(&id),
        Some("die") => shared.book.told(&id, true),
        Some(_) => shared.book.told(&id, false),
        None => {}
    }
}
