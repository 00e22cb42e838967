//! How a container ended: pure, from what the engine says, what the first process recorded, and what was seen.
//!
//! An end from outside is the difficult one. An engine that restarts without keeping its containers alive ends them, and
//! afterwards tells exit codes as if they had ended by themselves. Who ended a container is known only while the stream of
//! events is followed, and for as long as the engine remembers: an end in sight is told as it was, one that nobody saw is lost.

use gofer_task_init::{End, is_ambiguous};
use gofer_types::Cause;

/// A killed process, as an exit code.
const KILLED: i32 = 128 + SIGKILL;
const SIGKILL: i32 = 9;
/// What an engine tells of a container of which nothing is known any more, such as after a power cut. (moby, `restore` of the
/// daemon: a container without a task gets this code.)
const UNKNOWN: i32 = 255;

/// Where an end was observed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// We asked for it.
    Ours,
    /// The engine told of it as it happened, or remembers it together with the start.
    Seen,
    /// It happened while nobody followed the engine's events, and the engine does not remember all of it.
    Unseen,
    /// The engine's events have not come that far.
    NotYet,
}

/// What is known of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The engine's exit code.
    pub code: i32,
    /// Whether the kernel killed something in the container for want of memory.
    pub out_of_memory: bool,
    /// What the first process recorded.
    pub record: Option<End>,
    /// Where the end was observed from.
    pub sight: Sight,
}

/// Whether the record of the first process is needed to tell this end.
#[must_use]
pub fn needs_record(code: i32) -> bool {
    is_ambiguous(code) || code == UNKNOWN
}

/// The cause of the end; nothing while that depends on what the engine has yet to tell.
#[must_use]
pub fn cause(facts: &Facts) -> Option<Cause> {
    let memory = |signal| facts.out_of_memory && signal == SIGKILL;
    match &facts.record {
        Some(End::CannotStart(why)) => Some(Cause::CannotStart(why.clone())),
        Some(End::Code(code)) if memory(code - 128) => Some(Cause::OutOfMemory),
        Some(End::Code(code)) => Some(Cause::ExitCode(*code)),
        Some(End::Signal { signal, .. }) if memory(*signal) => Some(Cause::OutOfMemory),
        Some(End::Signal { signal, asked: false }) => Some(Cause::Signal(*signal)),
        Some(End::Signal { signal, asked: true }) => outside(*signal, facts.sight),
        None if facts.code == KILLED && facts.out_of_memory => Some(Cause::OutOfMemory),
        // The first process itself was killed, which nothing in the container can do.
        None if facts.code == KILLED => outside(SIGKILL, facts.sight),
        None if facts.code == UNKNOWN => match facts.sight {
            Sight::Ours | Sight::Seen => Some(Cause::ExitCode(UNKNOWN)),
            Sight::Unseen => Some(Cause::Lost("daemon_restart: nothing tells how it ended".to_owned())),
            Sight::NotYet => None,
        },
        None if is_ambiguous(facts.code) && facts.code > 128 => Some(Cause::Signal(facts.code - 128)),
        None => Some(Cause::ExitCode(facts.code)),
    }
}

fn outside(signal: i32, sight: Sight) -> Option<Cause> {
    match sight {
        Sight::Ours | Sight::Seen => Some(Cause::Signal(signal)),
        Sight::Unseen => Some(Cause::Lost(format!(
            "daemon_restart: signal {signal} ended it from outside while the engine restarted or nobody watched it"
        ))),
        Sight::NotYet => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(code: i32, record: Option<End>, sight: Sight) -> Facts {
        Facts { code, out_of_memory: false, record, sight }
    }

    fn own(signal: i32) -> Option<End> {
        Some(End::Signal { signal, asked: false })
    }

    fn asked(signal: i32) -> Option<End> {
        Some(End::Signal { signal, asked: true })
    }

    #[test]
    fn codes_and_signals_are_told_apart_although_the_engine_does_not() {
        for sight in [Sight::Ours, Sight::Seen, Sight::Unseen, Sight::NotYet] {
            for code in [0, 1, 125, 128, 193, 254] {
                assert_eq!(cause(&facts(code, None, sight)), Some(Cause::ExitCode(code)));
            }
            assert_eq!(cause(&facts(255, Some(End::Code(255)), sight)), Some(Cause::ExitCode(255)));
            assert_eq!(cause(&facts(137, Some(End::Code(137)), sight)), Some(Cause::ExitCode(137)));
            assert_eq!(cause(&facts(137, own(9), sight)), Some(Cause::Signal(9)));
            assert_eq!(cause(&facts(143, own(15), sight)), Some(Cause::Signal(15)));
            let never = Some(End::CannotStart("no such program".to_owned()));
            assert!(matches!(cause(&facts(127, never, sight)), Some(Cause::CannotStart(_))));
            assert_eq!(cause(&facts(127, Some(End::Code(127)), sight)), Some(Cause::ExitCode(127)));
        }
    }

    #[test]
    fn an_end_from_outside_is_lost_unless_it_was_seen_or_asked_for() {
        for (code, record, signal) in [(137, None, 9), (143, asked(15), 15)] {
            let told = |sight| cause(&facts(code, record.clone(), sight));
            assert_eq!(told(Sight::Ours), Some(Cause::Signal(signal)));
            assert_eq!(told(Sight::Seen), Some(Cause::Signal(signal)));
            assert!(matches!(told(Sight::Unseen), Some(Cause::Lost(why)) if why.contains("daemon_restart")));
            assert_eq!(told(Sight::NotYet), None);
        }
    }

    #[test]
    fn an_engine_s_word_for_nothing_known_is_believed_only_if_the_end_was_seen() {
        let told = |sight| cause(&facts(255, None, sight));
        assert_eq!(told(Sight::Ours), Some(Cause::ExitCode(255)));
        assert_eq!(told(Sight::Seen), Some(Cause::ExitCode(255)));
        assert!(matches!(told(Sight::Unseen), Some(Cause::Lost(why)) if why.contains("daemon_restart")));
        assert_eq!(told(Sight::NotYet), None);
        assert!(needs_record(255) && !needs_record(254));
    }

    #[test]
    fn an_end_by_memory_is_told_whoever_recorded_it() {
        for record in [None, own(9), Some(End::Code(137))] {
            let facts = Facts { out_of_memory: true, ..facts(137, record, Sight::Unseen) };
            assert_eq!(cause(&facts), Some(Cause::OutOfMemory));
        }
        // A descendant was killed; the task itself went on and ended as it wanted.
        let facts = Facts { out_of_memory: true, ..facts(1, None, Sight::Seen) };
        assert_eq!(cause(&facts), Some(Cause::ExitCode(1)));
    }
}
