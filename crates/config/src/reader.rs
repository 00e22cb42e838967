//! Reads typed values out of the merged layers, collecting complaints instead of stopping at the first.
//!
//! A wrong value is replaced by the default of its key, so that the reading can go on; the plan fails anyway.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use gofer_types::{ByteSize, Namespace, Span};
use toml::Value;

use crate::complaint::{Complaint, Origin, code};
use crate::config::{Config, Limits, Log, LogFormat, LogLevel, Logs, Retention, Server};
use crate::instance::family;
use crate::keys::{self, Key, Kind};
use crate::layer::{Layer, Leaf};
use crate::show::plain;

/// Reads the whole configuration.
pub(crate) fn read(merged: &Layer, complaints: &mut Vec<Complaint>) -> Config {
    let mut reader = Reader { merged, complaints };
    let server = Server {
        listen: reader.address("server", "listen"),
        data_dir: reader.path("server", "data_dir"),
        drain_timeout: reader.span("server", "drain_timeout"),
    };
    reader.instance("storage", "default");
    reader.instance("scheduler", "default");
    reader.instance("objects", "default");
    let limits = reader.limits();
    let logs = Logs {
        max_bytes_per_task: reader.size("logs", "max_bytes_per_task"),
        collect_timeout: reader.span("logs", "collect_timeout"),
        segment_bytes: reader.size("logs", "segment_bytes"),
    };
    let retention = reader.retention();
    let log = Log {
        level: LogLevel::from_word(&reader.word("log", "level")).unwrap_or(LogLevel::Info),
        format: LogFormat::from_word(&reader.word("log", "format")).unwrap_or(LogFormat::Text),
    };
    let storage = family("storage", merged, complaints);
    let scheduler = family("scheduler", merged, complaints);
    let objects = family("objects", merged, complaints);
    Config { server, storage, scheduler, objects, limits, logs, retention, log }
}

struct Reader<'a> {
    merged: &'a Layer,
    complaints: &'a mut Vec<Complaint>,
}

impl Reader<'_> {
    fn limits(&mut self) -> Limits {
        Limits {
            max_running_tasks: self.count("limits", "max_running_tasks"),
            max_running_runs: self.count("limits", "max_running_runs"),
            max_queued_runs: self.count("limits", "max_queued_runs"),
            max_running_tasks_per_namespace: self.limit("max_running_tasks_per_namespace"),
            max_running_runs_per_namespace: self.limit("max_running_runs_per_namespace"),
            max_queued_runs_per_namespace: self.limit("max_queued_runs_per_namespace"),
            priority_ageing: self.span("limits", "priority_ageing"),
            max_starts: self.limit("max_starts"),
            max_starts_per: self.span("limits", "max_starts_per"),
            namespace_weights: self.weights("limits", "namespace_weights"),
            max_tasks_per_pipeline: self.count("limits", "max_tasks_per_pipeline"),
            max_tasks_per_run: self.count("limits", "max_tasks_per_run"),
            max_matrix_combinations: self.count("limits", "max_matrix_combinations"),
            max_artefact_bytes: self.size("limits", "max_artefact_bytes"),
            max_artefact_entries: self.count("limits", "max_artefact_entries"),
            task_timeout_default: self.span("limits", "task_timeout_default"),
            task_timeout_min: self.span("limits", "task_timeout_min"),
            task_timeout_max: self.span("limits", "task_timeout_max"),
            run_timeout_max: self.span("limits", "run_timeout_max"),
            stop_grace: self.span("limits", "stop_grace"),
            max_message_in: self.size("limits", "max_message_in"),
            max_message_out: self.size("limits", "max_message_out"),
            max_followers: self.count("limits", "max_followers"),
            max_object_bytes: self.size("limits", "max_object_bytes"),
            max_object_bytes_per_namespace: self.size("limits", "max_object_bytes_per_namespace"),
            pipeline_objects: self.count("limits", "pipeline_objects"),
            max_objects_per_run: self.count("limits", "max_objects_per_run"),
            run_objects_kept_runs: self.count("limits", "run_objects_kept_runs"),
        }
    }

    fn retention(&mut self) -> Retention {
        let age =
            |reader: &mut Self, name| Some(reader.span("retention", name)).filter(|age| !age.get().is_zero());
        let bytes = self.size("retention", "logs_bytes_per_pipeline");
        Retention {
            logs_runs: self.count("retention", "logs_runs"),
            logs_age: age(self, "logs_age"),
            logs_bytes_per_pipeline: Some(bytes).filter(|bytes| bytes.get() > 0),
            runs: self.count("retention", "runs"),
            runs_age: age(self, "runs_age"),
            events: self.count("retention", "events"),
            events_age: age(self, "events_age"),
        }
    }

    fn address(&mut self, section: &str, name: &str) -> SocketAddr {
        let fallback = SocketAddr::from(([127, 0, 0, 1], 0));
        self.value(section, name, fallback, |_, value| parsed(value))
    }

    fn path(&mut self, section: &str, name: &str) -> PathBuf {
        let path = self.value(section, name, PathBuf::new(), |_, value| {
            value.as_str().filter(|text| !text.is_empty()).map(PathBuf::from)
        });
        match self.merged.leaf(section, name).map(|leaf| &leaf.origin) {
            Some(Origin::File { path: file, .. }) => {
                file.parent().map_or(path.clone(), |dir| dir.join(&path))
            }
            _ => path,
        }
    }

    fn span(&mut self, section: &str, name: &str) -> Span {
        self.value(section, name, Span::default(), |kind, value| {
            let Kind::Duration { least, most } = kind else { return None };
            parsed(value).filter(|span| (least..=most).contains(&span))
        })
    }

    fn size(&mut self, section: &str, name: &str) -> ByteSize {
        self.value(section, name, ByteSize::default(), |kind, value| {
            let Kind::Size { least, most } = kind else { return None };
            parsed(value).filter(|size| (least..=most).contains(&size))
        })
    }

    fn count(&mut self, section: &str, name: &str) -> u32 {
        self.value(section, name, 0, |kind, value| {
            let Kind::Count { least, most } = kind else { return None };
            let number = u32::try_from(value.as_integer()?).ok();
            number.filter(|number| (least..=most).contains(&number))
        })
    }

    /// A limit of which 0 says that there is none.
    fn limit(&mut self, name: &str) -> Option<u32> {
        Some(self.count("limits", name)).filter(|count| *count > 0)
    }

    fn weights(&mut self, section: &str, name: &str) -> BTreeMap<Namespace, u8> {
        self.value(section, name, BTreeMap::new(), |_, value| {
            let weight = |word: &str| {
                let (name, weight) = word.split_once('=')?;
                let weight = weight.parse().ok().filter(|weight| (1..=10).contains(weight))?;
                Some((Namespace::new(name).ok()?, weight))
            };
            value.as_str()?.split_whitespace().map(weight).collect()
        })
    }

    fn word(&mut self, section: &str, name: &str) -> String {
        self.value(section, name, String::new(), |kind, value| {
            let Kind::Word(words) = kind else { return None };
            value.as_str().filter(|word| words.contains(word)).map(str::to_owned)
        })
    }

    fn instance(&mut self, section: &str, name: &str) -> String {
        self.value(section, name, String::new(), |_, value| value.as_str().map(str::to_owned))
    }

    /// The value of a key; a complaint and its default if it is wrong. `fallback` is for a key that has none.
    fn value<T>(
        &mut self,
        section: &str,
        name: &str,
        fallback: T,
        accept: impl Fn(&Kind, &Value) -> Option<T>,
    ) -> T {
        let (Some(key), Some(leaf)) = (keys::find(section, name), self.merged.leaf(section, name)) else {
            return fallback;
        };
        if let Some(value) = accept(&key.kind, &leaf.value) {
            return value;
        }
        self.complaints.push(wrong(key, leaf));
        let default = Value::from_str(key.default).ok();
        default.and_then(|default| accept(&key.kind, &default)).unwrap_or(fallback)
    }
}

fn parsed<T: FromStr>(value: &Value) -> Option<T> {
    value.as_str()?.parse().ok()
}

fn wrong(key: &Key, leaf: &Leaf) -> Complaint {
    let message = format!("`{}` wants {}, not {}", key.path(), key.kind.wanted(), plain(&leaf.value));
    let complaint = Complaint::new(code::BAD_VALUE, message, &leaf.origin);
    match (&key.kind, leaf.value.as_str()) {
        (Kind::Word(words), Some(written)) => complaint.did_you_mean(written, words.iter().copied()),
        _ => complaint,
    }
}
