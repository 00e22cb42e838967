//! From sources to a plan: merge, check, and complain of everything at once. No I/O.

use std::net::SocketAddr;
use std::str::FromStr;

use gofer_types::Span;
use toml::Value;

use crate::complaint::{Complaint, Origin, code};
use crate::config::Config;
use crate::keys::keys;
use crate::layer::Layer;
use crate::show::{self, Shown};
use crate::source::Sources;
use crate::{document, known, overrides, reader};

/// The kind of scheduler that runs tasks on this host.
const PROCESS: &str = "process";

/// A configuration that can be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The typed values.
    pub config: Config,
    shown: Vec<Shown>,
}

impl Plan {
    /// Every value with its origin, secrets hidden.
    #[must_use]
    pub fn show(&self) -> &[Shown] {
        &self.shown
    }

    /// The values as a configuration file, secrets hidden; with the origins as comments where asked.
    #[must_use]
    pub fn render(&self, with_origins: bool) -> String {
        show::render(&self.shown, with_origins)
    }
}

/// Merges the layers and checks everything. `Err` holds every complaint, in the order of the layers and of the file.
pub fn plan(sources: &Sources) -> Result<Plan, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut merged = defaults(sources);
    for layer in layers(sources, &mut complaints)? {
        known::check(&layer, &mut complaints);
        merged.cover_with(layer);
    }
    let config = reader::read(&merged, &mut complaints);
    // What follows compares values, and would only repeat complaints of wrong ones.
    if complaints.is_empty() {
        check_data_dir(&merged, &mut complaints);
        check_timeouts(&merged, &config, &mut complaints);
        check_listener(&merged, &config, &mut complaints);
    }
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let shown = show::show(&merged, &config);
    Ok(Plan { config, shown })
}

/// The file, the environment and the overrides. A file that is not TOML ends the planning: its keys are unknown.
fn layers(sources: &Sources, complaints: &mut Vec<Complaint>) -> Result<[Layer; 3], Vec<Complaint>> {
    let file = match &sources.file {
        Some((path, text)) => document::parse(path, text)?,
        None => Layer::default(),
    };
    let environment = overrides::environment(&sources.environment);
    let flags = overrides::flags(&sources.overrides, complaints);
    Ok([file, environment, flags])
}

fn defaults(sources: &Sources) -> Layer {
    let mut layer = Layer::default();
    for key in keys() {
        let value = Value::from_str(key.default).ok();
        let value = value.or_else(|| data_dir(sources).filter(|_| key.path() == "server.data_dir"));
        if let Some(value) = value {
            layer.set(vec![key.section.to_owned(), key.name.to_owned()], value, Origin::Default);
        }
    }
    layer
}

fn data_dir(sources: &Sources) -> Option<Value> {
    let data = sources.variable("XDG_DATA_HOME").filter(|path| path.starts_with('/')).map(str::to_owned);
    let home = || sources.variable("HOME").map(|home| format!("{home}/.local/share"));
    data.or_else(home).map(|data| Value::from(format!("{data}/gofer")))
}

fn check_data_dir(merged: &Layer, complaints: &mut Vec<Complaint>) {
    if merged.leaf("server", "data_dir").is_none() {
        let message = "there is no place for the data: neither HOME nor XDG_DATA_HOME is set";
        let hint = "write `data_dir = \"/var/lib/gofer\"` in `[server]`";
        complaints.push(Complaint::new(code::NO_HOME, message, &Origin::Default).hint(hint));
    }
}

fn check_timeouts(merged: &Layer, config: &Config, complaints: &mut Vec<Complaint>) {
    let limits = &config.limits;
    let mut ordered = |lower: (&str, Span), upper: (&str, Span)| {
        if lower.1 > upper.1 {
            let (low, high) = (format!("limits.{}", lower.0), format!("limits.{}", upper.0));
            let message = format!("`{low}` ({}) is longer than `{high}` ({})", lower.1, upper.1);
            complaints.push(Complaint::new(code::CONTRADICTION, message, set_one(merged, lower.0, upper.0)));
        }
    };
    let min = ("task_timeout_min", limits.task_timeout_min);
    let default = ("task_timeout_default", limits.task_timeout_default);
    let max = ("task_timeout_max", limits.task_timeout_max);
    ordered(min, default);
    ordered(default, max);
    if config.logs.segment_bytes > config.logs.max_bytes_per_task {
        let origin = merged.leaf("logs", "segment_bytes").map_or(&Origin::Default, |leaf| &leaf.origin);
        let message = "`logs.segment_bytes` is larger than `logs.max_bytes_per_task`";
        complaints.push(Complaint::new(code::CONTRADICTION, message, origin));
    }
}

/// The origin of whichever of the two somebody set.
fn set_one<'a>(merged: &'a Layer, first: &str, second: &str) -> &'a Origin {
    let origin = |name| merged.leaf("limits", name).map_or(&Origin::Default, |leaf| &leaf.origin);
    if *origin(first) == Origin::Default { origin(second) } else { origin(first) }
}

fn check_listener(merged: &Layer, config: &Config, complaints: &mut Vec<Complaint>) {
    let listen: SocketAddr = config.server.listen;
    if listen.ip().is_loopback() {
        return;
    }
    let origin = merged.leaf("server", "listen").map_or(&Origin::Default, |leaf| &leaf.origin);
    let message =
        format!("`server.listen` is {listen}: this build has no login, so it listens on loopback only");
    let hint = "use 127.0.0.1 or [::1], and a tunnel or a proxy with a login of its own";
    complaints.push(Complaint::new(code::OPEN_LISTENER, message, origin).hint(hint));
    for instance in &config.scheduler.instances {
        if instance.kind == PROCESS && instance.origin == Origin::Default {
            let message = "tasks would run as processes of this host for a network, and nothing says so";
            let hint = "write `[scheduler.process]` if that is meant";
            complaints.push(Complaint::new(code::UNNAMED_PROCESS_SCHEDULER, message, origin).hint(hint));
        }
    }
}
