//! Times, spans, names and causes as sentences need them.

use std::time::Duration;

use gofer_queue::Hold;
use gofer_types::{Answer, Cause, Span, TaskId, Timestamp};

/// How many names a sentence has at most.
const NAMED: usize = 5;

/// A span as people say it: to the second from a second on, so that sentences stay short.
pub(crate) fn span(span: Duration) -> String {
    let whole = if span >= Duration::from_secs(1) { Duration::from_secs(span.as_secs()) } else { span };
    let whole = Duration::from_millis(u64::try_from(whole.as_millis()).unwrap_or(u64::MAX));
    Span::from(whole).to_string()
}

/// Names in backticks, the first few and how many more there are.
pub(crate) fn names<'a>(all: impl IntoIterator<Item = &'a TaskId>) -> String {
    let all: Vec<&TaskId> = all.into_iter().collect();
    let mut text = all.iter().take(NAMED).map(|task| format!("`{task}`")).collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    text
}

/// When, and how long ago.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago, at {at}", span(now.since(at)))
}

/// When, and in how much time.
pub(crate) fn ahead(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}, at {at}", span(at.since(now))) } else { format!("now, since {at}") }
}

/// The place in a line.
pub(crate) fn place(hold: &Hold) -> String {
    format!("place {} of {}", hold.place, hold.of)
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// How an attempt ended, as the end of "it ...".
pub(crate) fn ended(cause: &Cause) -> String {
    match cause {
        Cause::ExitCode(code) => format!("ended with exit code {code}"),
        Cause::Signal(signal) => format!("was ended by signal {signal}"),
        Cause::OutOfMemory => "used more memory than it may".to_owned(),
        Cause::CannotStart(why) => format!("could not be started: {why}"),
        Cause::Lost(why) => format!("was lost: {why}"),
        Cause::Deadline(limit) => format!("ran longer than its limit of {}", span(*limit)),
        Cause::RunDeadline(limit) => {
            format!("was ended with its run, whose limit of {} passed", span(*limit))
        }
        Cause::Cancelled(reason) => format!("was cancelled{}", because(reason)),
        Cause::Approved(answer) => format!("was approved {}", answered(answer)),
        Cause::Rejected(answer) => format!("was rejected {}", answered(answer)),
        Cause::ChildRun { run, state } => format!("is run {run}, which is {state}"),
        Cause::FannedOut { tasks: 1, .. } => "has read its list and became 1 task".to_owned(),
        Cause::FannedOut { tasks, .. } => format!("has read its list and became {tasks} tasks"),
        Cause::CannotKeep(why) => format!("ended well, but its outputs could not be kept: {why}"),
        other => format!("ended: {other:?}"),
    }
}

/// Who answered, and what.
pub(crate) fn answered(answer: &Answer) -> String {
    format!("by {}{}{}", answer.actor, answer.with_fields(), because(&answer.note))
}

/// A reason that somebody gave, if one was given.
pub(crate) fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// A word of a command as every shell takes it: the ids of combinations have signs that shells would expand.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+".contains(&byte);
    // no id has a quote in it
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{word}'") }
}
