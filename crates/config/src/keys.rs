//! Every key that the configuration has, with its default, its bounds and its meaning.
//!
//! Defaults, known names, bounds and `config show` come from this table. The keys
//! inside a backend's table are not here; they belong to the backend.

use gofer_types::{ByteSize, Span};

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A name of an instance of the family.
    Instance,
    /// An address with a port.
    Address,
    /// A path; a relative one in a file is relative to that file.
    Path,
    /// A span of time within bounds.
    Duration {
        /// The shortest.
        least: Span,
        /// The longest.
        most: Span,
    },
    /// A size within bounds.
    Size {
        /// The smallest.
        least: ByteSize,
        /// The greatest.
        most: ByteSize,
    },
    /// A whole number within bounds.
    Count {
        /// The smallest.
        least: u32,
        /// The greatest.
        most: u32,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Namespaces and their weights, as `name=weight`, separated by spaces.
    Weights,
}

impl Kind {
    /// What would be accepted, for people.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Instance => "the name of one of the section's tables".to_owned(),
            Self::Address => "an address with a port, such as \"127.0.0.1:7400\"".to_owned(),
            Self::Path => "a path that is not empty".to_owned(),
            Self::Duration { least, most } => format!("a duration from \"{least}\" to \"{most}\""),
            Self::Size { least, most } => format!("a size from \"{least}\" to \"{most}\""),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::Weights => "namespaces with weights from 1 to 10, such as \"prod=5 dev=1\"".to_owned(),
            Self::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
        }
    }
}

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// The section, such as `server`.
    pub section: &'static str,
    /// The name in the section, such as `listen`.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// The default, as it would stand in the file; empty where it depends on the environment.
    pub default: &'static str,
    /// One sentence: what it does.
    pub doc: &'static str,
}

impl Key {
    /// The key as overrides write it: `server.listen`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable of the environment that sets it: `GOFER_SERVER__LISTEN`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("GOFER_{}__{}", self.section.to_uppercase(), self.name.to_uppercase())
    }
}

/// The sections whose tables are named instances of a backend family.
pub(crate) const FAMILIES: [&str; 3] = ["storage", "scheduler", "objects"];

/// All keys, in the order in which they are shown.
#[must_use]
pub fn keys() -> &'static [Key] {
    KEYS
}

pub(crate) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

const HOUR: u64 = 3600;

const fn duration(least: Span, most_seconds: u64) -> Kind {
    Kind::Duration { least, most: Span::from_secs(most_seconds) }
}

const fn size(least_kib: u64, most_mib: u64) -> Kind {
    Kind::Size { least: ByteSize::from_bytes(least_kib << 10), most: ByteSize::from_mib(most_mib) }
}

const fn count(least: u32, most: u32) -> Kind {
    Kind::Count { least, most }
}

const fn key(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { section, name, kind, default, doc }
}

const TIME_LIMIT: Kind = duration(Span::from_millis(1), 365 * 24 * HOUR);

const AGE: Kind = duration(Span::from_secs(0), 100 * 365 * 24 * HOUR);

const KEYS: &[Key] = &[
    key(
        "server",
        "listen",
        Kind::Address,
        "\"127.0.0.1:7400\"",
        "Where the API listens; port 0 takes a free one.",
    ),
    key(
        "server",
        "data_dir",
        Kind::Path,
        "",
        "Where state, logs and work directories live; default $XDG_DATA_HOME/gofer, else ~/.local/share/gofer.",
    ),
    key(
        "server",
        "drain_timeout",
        duration(Span::from_secs(0), HOUR),
        "\"15s\"",
        "How long a stop waits for requests under way; tasks are not stopped.",
    ),
    key("storage", "default", Kind::Instance, "\"redb\"", "Which storage holds the state."),
    key("scheduler", "default", Kind::Instance, "\"process\"", "Which scheduler runs tasks that name none."),
    key("objects", "default", Kind::Instance, "\"files\"", "Which object store keeps the objects."),
    key(
        "limits",
        "max_running_tasks",
        count(1, 100_000),
        "2000",
        "How many tasks run at once on this server.",
    ),
    key("limits", "max_running_runs", count(1, 1_000_000), "10000", "How many runs may run at once."),
    key(
        "limits",
        "max_queued_runs",
        count(0, 1_000_000),
        "100000",
        "How many runs may wait for their turn; more are refused.",
    ),
    key(
        "limits",
        "max_running_tasks_per_namespace",
        count(0, 100_000),
        "0",
        "How many tasks of one namespace run at once; 0 is no limit of its own.",
    ),
    key(
        "limits",
        "max_running_runs_per_namespace",
        count(0, 1_000_000),
        "0",
        "How many runs of one namespace may run at once; 0 is no limit of its own.",
    ),
    key(
        "limits",
        "max_queued_runs_per_namespace",
        count(0, 1_000_000),
        "0",
        "How many runs of one namespace may wait for their turn; more are refused; 0 is no limit of its own.",
    ),
    key(
        "limits",
        "priority_ageing",
        duration(Span::from_secs(0), 24 * HOUR),
        "\"10m\"",
        "How long a run waits until it comes before newer ones whose priority is greater by one; 0 lets priorities change nothing.",
    ),
    key(
        "limits",
        "max_starts",
        count(0, 100_000),
        "0",
        "How many runs may start within `max_starts_per`; 0 is no limit.",
    ),
    key(
        "limits",
        "max_starts_per",
        duration(Span::from_millis(100), 24 * HOUR),
        "\"1m\"",
        "The span of time that `max_starts` is counted in.",
    ),
    key(
        "limits",
        "namespace_weights",
        Kind::Weights,
        "\"\"",
        "The shares of namespaces that wait for the same room, such as \"prod=5 dev=1\"; from 1 to 10, 1 where none is named.",
    ),
    key("limits", "max_tasks_per_pipeline", count(1, 10_000), "1000", "How many tasks a pipeline may have."),
    key(
        "limits",
        "max_tasks_per_run",
        count(1, 20_000),
        "10000",
        "How many tasks a run may have, with all combinations of matrices. What ends at once is recorded at once.",
    ),
    key(
        "limits",
        "max_matrix_combinations",
        count(1, 1_000),
        "256",
        "How many combinations the matrix of a task may have.",
    ),
    key(
        "limits",
        "max_artefact_bytes",
        size(1, 1 << 20),
        "\"1GiB\"",
        "How large an artefact of a task may be.",
    ),
    key(
        "limits",
        "max_artefact_entries",
        count(1, 10_000_000),
        "100000",
        "How many files and directories an artefact of a task may have.",
    ),
    key("limits", "task_timeout_default", TIME_LIMIT, "\"8h\"", "The time limit of a task that names none."),
    key("limits", "task_timeout_min", TIME_LIMIT, "\"5m\"", "The shortest time limit that a task may name."),
    key("limits", "task_timeout_max", TIME_LIMIT, "\"8h\"", "The longest time limit that a task may name."),
    key(
        "limits",
        "run_timeout_max",
        TIME_LIMIT,
        "\"7d\"",
        "The time limit of every run; a pipeline may name a lower one.",
    ),
    key(
        "limits",
        "stop_grace",
        duration(Span::from_secs(0), 24 * HOUR),
        "\"5m\"",
        "How long a task that is asked to stop may take before it is killed.",
    ),
    key("limits", "max_message_in", size(64, 64), "\"4MiB\"", "The largest request that the API accepts."),
    key("limits", "max_message_out", size(64, 256), "\"16MiB\"", "The largest answer that the API sends."),
    key(
        "limits",
        "max_followers",
        count(1, 100_000),
        "10000",
        "How many clients may follow logs and events at once.",
    ),
    key("limits", "max_object_bytes", size(1, 1 << 20), "\"1GiB\"", "The largest object."),
    key(
        "limits",
        "max_object_bytes_per_namespace",
        size(1, 1 << 30),
        "\"10GiB\"",
        "How much the objects of one namespace may have together; what is beyond is refused.",
    ),
    key(
        "limits",
        "pipeline_objects",
        count(1, 1000),
        "10",
        "How many objects a pipeline keeps; the oldest goes when there is one more.",
    ),
    key(
        "limits",
        "max_objects_per_run",
        count(1, 10_000),
        "1000",
        "How many objects a run may have; more are refused.",
    ),
    key(
        "limits",
        "run_objects_kept_runs",
        count(1, 1_000_000),
        "20",
        "How many of the newest runs of a pipeline keep their objects; those of older ones go once they have ended.",
    ),
    key(
        "logs",
        "max_bytes_per_task",
        size(1, 1 << 20),
        "\"512MiB\"",
        "How much output of one task is kept; what is beyond is told as a gap.",
    ),
    key(
        "logs",
        "collect_timeout",
        duration(Span::from_secs(10), 24 * HOUR),
        "\"10m\"",
        "How long the output of an ended task is waited for, from the end or the start of the server on.",
    ),
    key("logs", "segment_bytes", size(64, 1024), "\"64MiB\"", "The size of one file of a task's output."),
    key(
        "retention",
        "logs_runs",
        count(0, 1_000_000),
        "20",
        "Of how many of the newest runs of a pipeline the output is kept; 0 is no bound.",
    ),
    key(
        "retention",
        "logs_age",
        AGE,
        "\"0s\"",
        "How long the output of a run is kept from its end on; 0s is no bound.",
    ),
    key(
        "retention",
        "logs_bytes_per_pipeline",
        size(0, 1 << 30),
        "\"0KiB\"",
        "How much output of one pipeline is kept; the oldest goes first; 0KiB is no bound.",
    ),
    key(
        "retention",
        "runs",
        count(0, 100_000_000),
        "10000",
        "How many of the newest runs of a pipeline are kept; 0 is no bound.",
    ),
    key("retention", "runs_age", AGE, "\"0s\"", "How long a run is kept from its end on; 0s is no bound."),
    key(
        "retention",
        "events",
        count(0, 1_000_000_000),
        "10000000",
        "How many events are kept; 0 is no bound.",
    ),
    key("retention", "events_age", AGE, "\"0s\"", "How long events are kept; 0s is no bound."),
    key(
        "log",
        "level",
        Kind::Word(&["error", "warn", "info", "debug", "trace"]),
        "\"info\"",
        "How much the server says about itself.",
    ),
    key(
        "log",
        "format",
        Kind::Word(&["text", "json"]),
        "\"text\"",
        "How the server says it: lines for people, or one JSON object a line.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_of_a_key_is_its_path_in_capitals() {
        assert_eq!(find("server", "data_dir").unwrap().variable(), "GOFER_SERVER__DATA_DIR");
    }

    #[test]
    fn no_key_is_there_twice() {
        let mut paths: Vec<_> = KEYS.iter().map(Key::path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), KEYS.len());
    }

    #[test]
    fn every_doc_is_a_sentence() {
        for key in KEYS {
            assert!(key.doc.ends_with('.') && key.doc.len() > 15, "{}", key.path());
        }
    }
}
