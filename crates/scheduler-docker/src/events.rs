//! The one stream of events by which the engine tells what happens to our containers.
//!
//! When it breaks it is followed anew, from a moment of the engine's own clock on. What had ended before that moment is
//! marked, unless the engine remembers that it saw all of that container's life, and everybody who waits looks again. So no
//! end is missed, and none that nobody saw is taken for one in sight.
//!
//! Two things are not believed. That nothing happens: from time to time the engine is asked how its containers
//! stand, and a stream that keeps an end back is given up. And a killing, until the engine has answered a call after it: an
//! engine that goes away tells of the containers that it ends as if somebody else had done it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as Vendor;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, TryStreamExt};
use gofer_backend::{ErrorKind, Result};
use gofer_container::needs_record;
use gofer_types::AttemptId;

use crate::error::{error, translate};
use crate::labels;
use crate::shared::{Shared, engine_time};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Engines remember a few hundred events.
const MOST_REMEMBERED: usize = 10_000;
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
        tracing::debug!(
            scheduler = shared.name,
            error = fault.chain(),
            "the engine's events are not followed"
        );
        pause = if linked { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        // sleeps: a back-off; nobody tells that an engine is there again
        tokio::time::sleep(pause).await;
    }
}

async fn follow_once(shared: &Shared, linked: &mut bool) -> Result<()> {
    let docker = shared.client.connect("events").await?;
    let since = now(shared).await?;
    let witnessed = remembered(shared, &since).await;
    let events = docker.events(Some(span(shared, since, None)));
    // This answer comes after the deaths above: the engine was not going away.
    let Standing { ended, running } = standing(shared).await?;
    for id in witnessed.intersection(&ended) {
        shared.book.told(id, true);
    }
    shared.book.linked(&ended, &running);
    *linked = true;
    listen(shared, events).await
}

fn span(shared: &Shared, since: String, until: Option<String>) -> EventsOptions {
    let mut filters = labels::filter(&shared.owner);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    EventsOptions { since: Some(since), until, filters: Some(filters) }
}

/// The deaths of the time before that count as seen. An engine remembers its last events, and those of its own life alone: a
/// container that it started and that died then did not die by its going away or coming back.
async fn remembered(shared: &Shared, until: &str) -> HashSet<AttemptId> {
    let span = span(shared, "0".to_owned(), Some(until.to_owned()));
    let read = |docker: bollard::Docker| async move {
        docker.events(Some(span)).take(MOST_REMEMBERED).try_collect::<Vec<_>>().await
    };
    // Without this memory less is known, and nothing else is wrong.
    shared.client.call("events", read).await.map(witnessed).unwrap_or_default()
}

/// Whose start and death are both among these events.
fn witnessed(events: Vec<EventMessage>) -> HashSet<AttemptId> {
    let (mut started, mut died) = (HashSet::new(), HashSet::new());
    for event in events {
        let actor = event.actor.unwrap_or_default();
        match event.action.as_deref() {
            Some("start") => started.extend(actor.id),
            Some("die") if actor.id.as_ref().is_some_and(|id| started.contains(id)) => {
                died.extend(labels::attempt(&actor.attributes.unwrap_or_default()));
            }
            _ => {}
        }
    }
    died
}

/// Hears what the engine tells, until it tells no more.
async fn listen(
    shared: &Shared,
    events: impl Stream<Item = std::result::Result<EventMessage, Vendor>>,
) -> Result<()> {
    let mut events = pin!(events);
    // Ends with this stream: a death is confirmed by the same life of the engine or not at all.
    let mut doubtful = FuturesUnordered::new();
    let mut behind = HashSet::new();
    let mut look = tokio::time::interval(shared.client.deadline());
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                let Some(event) = event else { return Ok(()) };
                let event = event.map_err(|vendor| translate("events", vendor))?;
                if let Some(id) = hear(shared, event) {
                    doubtful.push(confirmed(shared, id));
                }
            }
            Some(id) = doubtful.next() => shared.book.told(&id, true),
            _ = look.tick() => {
                let Standing { ended, running } = standing(shared).await?;
                let now = shared.book.not_heard_of(&ended, &running);
                // One whose event is on its way is heard of by the next look.
                if now.intersection(&behind).next().is_some() {
                    return Err(error(ErrorKind::Unavailable, "events", "the engine keeps its events back"));
                }
                behind = now;
            }
        }
    }
}

/// How the containers of ours stand.
struct Standing {
    ended: HashSet<AttemptId>,
    running: HashSet<AttemptId>,
}

async fn standing(shared: &Shared) -> Result<Standing> {
    let mut standing = Standing { ended: HashSet::new(), running: HashSet::new() };
    for container in shared.containers("events").await? {
        let Some(id) = labels::attempt(&container.labels.unwrap_or_default()) else { continue };
        match container.state.map(|state| state.to_string()).as_deref() {
            Some("exited" | "dead") => standing.ended.insert(id),
            _ => standing.running.insert(id),
        };
    }
    Ok(standing)
}

/// Answers once it is sure that a death was not the work of an engine that goes away. Such an engine takes no new calls
/// before it ends its containers, and lets this stream run on until they have ended.
async fn confirmed(shared: &Shared, id: AttemptId) -> AttemptId {
    while shared.client.call("ping", |docker| async move { docker.ping().await }).await.is_err() {
        // sleeps: a back-off; if the engine goes away, the end of the stream ends this too
        tokio::time::sleep(FIRST_PAUSE).await;
    }
    id
}

/// Now, by the engine's clock, in the form in which it wants to be asked.
async fn now(shared: &Shared) -> Result<String> {
    match engine_time(&shared.info("events").await?) {
        Some(time) => Ok(format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())),
        None => Err(error(ErrorKind::Internal, "info", "the engine does not say what time it is")),
    }
}

/// Notes an event. Answers the attempt whose death has to be confirmed, which is one that may have been a killing.
fn hear(shared: &Shared, event: EventMessage) -> Option<AttemptId> {
    let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
    let id = labels::attempt(&attributes)?;
    let died = event.action.as_deref() == Some("die");
    let code = attributes.get("exitCode").and_then(|code| code.parse().ok());
    let doubtful = died && code.is_none_or(needs_record);
    match event.action.as_deref() {
        Some("destroy") => shared.book.forget(&id),
        Some(_) => shared.book.told(&id, died && !doubtful),
        None => {}
    }
    doubtful.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, container: &str, number: u128) -> EventMessage {
        let id = AttemptId::from_u128(number);
        let json = format!(
            r#"{{"Action": "{action}", "Actor": {{"ID": "{container}", "Attributes": {{"{}": "{id}"}}}}}}"#,
            labels::ATTEMPT
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_death_counts_as_seen_only_if_the_same_life_of_the_engine_began_it() {
        let whole = vec![event("start", "a", 1), event("kill", "a", 1), event("die", "a", 1)];
        assert_eq!(witnessed(whole), HashSet::from([AttemptId::from_u128(1)]));
        // What an engine does that comes back, to containers of its life before.
        assert!(witnessed(vec![event("kill", "a", 1), event("die", "a", 1)]).is_empty());
        // Another container of the same attempt.
        assert!(witnessed(vec![event("start", "a", 1), event("die", "b", 1)]).is_empty());
        assert!(witnessed(vec![event("start", "a", 1)]).is_empty());
    }
}
