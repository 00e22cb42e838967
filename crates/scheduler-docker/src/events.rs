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
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as Vendor;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use gofer_backend::{ErrorKind, Result};
use gofer_container::labels;
use gofer_container::needs_record;
use gofer_types::AttemptId;

use crate::error::{error, translate};
use crate::shared::{Shared, engine_time};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many events are taken at once; engines remember 256.
const MOST_REMEMBERED: usize = 10_000;

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
        let mut proven = false;
        let Err(fault) = follow_once(shared, &mut proven).await;
        tracing::debug!(scheduler = shared.name, error = fault.chain(), "events are not followed");
        pause = if proven { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        // sleeps: a back-off; nobody tells that an engine is there again
        tokio::time::sleep(pause).await;
    }
}

async fn follow_once(shared: &Shared, proven: &mut bool) -> Result<Infallible> {
    let docker = shared.client.connect("events").await?;
    let since = at(now(shared).await?);
    let mut events = pin!(docker.events(Some(span(shared, since, None))));
    // The stream is asked for first. Every answer of the survey is by the same life of the engine, or the stream breaks.
    let mut survey = pin!(survey(shared));
    let mut early = Vec::new();
    let survey = loop {
        tokio::select! {
            biased;
            event = events.next() => early.push(heard(event)?),
            survey = &mut survey => break survey?,
        }
        if early.len() > MOST_REMEMBERED {
            return Err(error(ErrorKind::Exhausted, "events", "the engine tells more than can be kept"));
        }
    };
    for id in &survey.witnessed {
        shared.book.told(id, true);
    }
    shared.book.linked(&survey.standing.ended, &survey.standing.running);
    listen(shared, (early, events), survey.from, proven).await
}

fn heard(event: Option<std::result::Result<EventMessage, Vendor>>) -> Result<EventMessage> {
    let ended = || error(ErrorKind::Unavailable, "events", "the engine ended its events");
    event.ok_or_else(ended)?.map_err(|vendor| translate("events", vendor))
}

/// How things stand when events begin to be followed.
struct Survey {
    /// From when on the deaths of the stream are those of the life of the engine that tells of them. Those before it may
    /// have been caused by the engine's own start.
    from: jiff::Timestamp,
    standing: Standing,
    /// Those whose end counts as seen although it was before.
    witnessed: HashSet<AttemptId>,
}

async fn survey(shared: &Shared) -> Result<Survey> {
    let from = now(shared).await?;
    let standing = standing(shared).await?;
    let witnessed = remembered(shared, now(shared).await?).await?;
    Ok(Survey { from, standing, witnessed })
}

fn span(shared: &Shared, since: String, until: Option<String>) -> EventsOptions {
    let mut filters = labels::filter(&shared.owner);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    EventsOptions { since: Some(since), until, filters: Some(filters) }
}

/// The deaths of the time before that count as seen. An engine remembers its last events, and those of its own life alone: a
/// container that it started and that died then did not die by its going away or coming back, for it answers still.
async fn remembered(shared: &Shared, until: jiff::Timestamp) -> Result<HashSet<AttemptId>> {
    let span = span(shared, "0".to_owned(), Some(at(until)));
    let read = |docker: bollard::Docker| async move {
        docker.events(Some(span)).take(MOST_REMEMBERED).try_collect::<Vec<_>>().await
    };
    match shared.client.call("events", read).await {
        Ok(events) => Ok(witnessed(events)),
        // Without this memory less is known, and nothing else is wrong.
        Err(fault) if fault.kind() == ErrorKind::TimedOut || !fault.kind().outcome_unknown() => {
            tracing::debug!(error = fault.chain(), "the engine does not tell what it remembers");
            Ok(HashSet::new())
        }
        // The engine may have gone away.
        Err(fault) => Err(fault),
    }
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

/// Hears what the engine tells, until it tells no more. It is `proven` by an event, or by staying for a while.
async fn listen(
    shared: &Shared,
    (early, events): (Vec<EventMessage>, impl Stream<Item = std::result::Result<EventMessage, Vendor>>),
    from: jiff::Timestamp,
    proven: &mut bool,
) -> Result<Infallible> {
    let mut events = pin!(stream::iter(early.into_iter().map(Ok)).chain(events));
    // Ends with this stream: a death is confirmed by the same life of the engine or not at all.
    let mut doubtful = FuturesUnordered::new();
    let mut behind = HashSet::new();
    let mut look = tokio::time::interval(shared.client.deadline());
    look.tick().await;
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                let event = heard(event)?;
                *proven = true;
                if let Some(id) = hear(shared, event, from) {
                    doubtful.push(confirmed(shared, id));
                }
            }
            Some(id) = doubtful.next() => shared.book.told(&id, true),
            _ = look.tick() => {
                *proven = true;
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

/// Now, by the engine's clock.
async fn now(shared: &Shared) -> Result<jiff::Timestamp> {
    let time = engine_time(&shared.info("events").await?);
    time.ok_or_else(|| error(ErrorKind::Internal, "info", "the engine does not say what time it is"))
}

/// A time in the form in which an engine wants to be asked.
fn at(time: jiff::Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

/// Notes an event. Answers the attempt whose death has to be confirmed, which is one that may have been a killing.
fn hear(shared: &Shared, event: EventMessage, from: jiff::Timestamp) -> Option<AttemptId> {
    let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
    let id = labels::attempt(&attributes)?;
    let counts = event.time_nano.is_none_or(|time| i128::from(time) >= from.as_nanosecond());
    let died = counts && event.action.as_deref() == Some("die");
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
