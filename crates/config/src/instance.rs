//! Backend families: sections whose tables are named instances.
//!
//! The settings of an instance are the backend's. They may hold credentials, so that neither `Debug` nor a complaint
//! shows a value of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use toml::Value;

use crate::complaint::{Complaint, Origin, code};
use crate::layer::{KeyPath, Layer, dotted};
use crate::show::is_secret;

/// One family: its instances and which of them is the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The section, such as `scheduler`.
    pub section: &'static str,
    /// The name of the default instance; it is one of `instances`.
    pub default: String,
    /// The instances, by name.
    pub instances: Vec<Instance>,
}

impl Family {
    /// The instance of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }
}

/// One configured backend.
#[derive(Clone, PartialEq)]
pub struct Instance {
    /// The section, such as `scheduler`.
    pub family: &'static str,
    /// Its name: that of its table.
    pub name: String,
    /// Which backend it is; the name where the table does not say.
    pub kind: String,
    /// Where it was declared; [`Origin::Default`] for the one that is there when nothing is configured.
    pub origin: Origin,
    /// Where its kind was set; its own origin where the table does not say.
    pub kind_origin: Origin,
    leaves: BTreeMap<KeyPath, (Value, Origin)>,
}

impl Instance {
    /// Reads the settings into the backend's own struct, which must `deny_unknown_fields`. No I/O.
    ///
    /// The complaint stands at the key that is wrong.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Complaint> {
        let (text, ends) = self.text();
        toml::from_str(&text).map_err(|error| {
            // A span over nothing or over everything means that something is missing, not that something is wrong.
            let wrong = error.span().filter(|span| !span.is_empty() && span.len() < text.trim_end().len());
            let start = wrong.map(|span| span.start);
            let index = start.map(|start| ends.partition_point(|end| *end <= start));
            let leaf = index.and_then(|index| self.leaves.iter().nth(index));
            self.refused(leaf.map(|(path, (_, origin))| (path.as_slice(), origin)), error.message())
        })
    }

    /// The settings as TOML, one assignment after the other, and where each ends: an error's place tells its leaf.
    fn text(&self) -> (String, Vec<usize>) {
        let mut text = String::new();
        let mut ends = Vec::new();
        for (path, (value, _)) in &self.leaves {
            text.push_str(&format!("{} = {value}\n", dotted(path)));
            ends.push(text.len());
        }
        (text, ends)
    }

    /// Says that a setting cannot be: for rules that a struct cannot express. `key` is the name within the table, `kind`
    /// included.
    #[must_use]
    pub fn refuse(&self, key: &str, message: &str) -> Complaint {
        let path: KeyPath = key.split('.').map(str::to_owned).collect();
        let unset = if key == "kind" { &self.kind_origin } else { &self.origin };
        let origin = self.leaves.get(&path).map_or(unset, |(_, origin)| origin);
        self.refused(Some((&path, origin)), message)
    }

    /// Says that there is no such kind. `known` lists those that there are.
    #[must_use]
    pub fn unknown_kind<'a>(&self, known: impl IntoIterator<Item = &'a str> + Clone) -> Complaint {
        let list: Vec<&str> = known.clone().into_iter().collect();
        let message = format!("there is no {} of kind `{}`", self.noun(), self.kind);
        Complaint::new(code::UNKNOWN_KIND, message, &self.kind_origin)
            .hint(format!("this build has {}", list.join(", ")))
            .did_you_mean(&self.kind, known)
    }

    /// What an instance of its family is, for people: `storage`, `scheduler`, `object store`.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        if self.family == "objects" { "object store" } else { self.family }
    }

    pub(crate) fn leaves(&self) -> impl Iterator<Item = (&[String], &Value, &Origin)> {
        self.leaves.iter().map(|(path, (value, origin))| (path.as_slice(), value, origin))
    }

    fn refused(&self, leaf: Option<(&[String], &Origin)>, why: &str) -> Complaint {
        let table = format!("[{}.{}]", self.family, self.name);
        let (place, origin) = match leaf {
            Some((path, origin)) => (format!("`{}` in `{table}`", dotted(path)), origin),
            None => (format!("`{table}`"), &self.origin),
        };
        // A reader's message may quote the value.
        let secret = leaf.is_some_and(|(path, _)| is_secret(path));
        let why = if secret { "the value is not what it wants".to_owned() } else { one_line(why) };
        Complaint::new(code::BACKEND_SETTING, format!("{place}: {why}"), origin)
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.leaves.keys().map(|path| dotted(path)).collect();
        f.debug_struct("Instance")
            .field("family", &self.family)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("origin", &self.origin)
            .field("settings", &names)
            .finish_non_exhaustive()
    }
}

/// Makes a family of the merged layers.
pub(crate) fn family(section: &'static str, merged: &Layer, complaints: &mut Vec<Complaint>) -> Family {
    let mut instances: Vec<Instance> = merged
        .tables
        .iter()
        .filter(|(path, _)| path.len() == 2 && path[0] == section && path[1] != "default")
        .map(|(path, origin)| instance(section, &path[1], origin, merged, complaints))
        .collect();
    let default = default_of(section, merged, &instances, complaints);
    if instances.is_empty() {
        instances.push(instance(section, &default, &Origin::Default, merged, complaints));
    }
    Family { section, default, instances }
}

fn instance(
    family: &'static str,
    name: &str,
    origin: &Origin,
    merged: &Layer,
    complaints: &mut Vec<Complaint>,
) -> Instance {
    let prefix = [family.to_owned(), name.to_owned()];
    let mut leaves: BTreeMap<KeyPath, (Value, Origin)> = merged
        .below(&prefix)
        .map(|(path, leaf)| (path.to_vec(), (leaf.value.clone(), leaf.origin.clone())))
        .collect();
    let kind = leaves.remove(&["kind".to_owned()][..]);
    let (kind, kind_origin) = match kind {
        None => (name.to_owned(), origin.clone()),
        Some((Value::String(kind), place)) => (kind, place),
        Some((_, place)) => {
            let message = format!("`{}.kind` wants the name of a backend", dotted(&prefix));
            complaints.push(Complaint::new(code::BAD_VALUE, message, &place));
            (name.to_owned(), place)
        }
    };
    Instance { family, name: name.to_owned(), kind, origin: origin.clone(), kind_origin, leaves }
}

/// The default: as configured; else the only instance there is; else the built-in one.
fn default_of(
    section: &str,
    merged: &Layer,
    instances: &[Instance],
    complaints: &mut Vec<Complaint>,
) -> String {
    let leaf = merged.leaf(section, "default");
    let named = leaf.and_then(|leaf| leaf.value.as_str()).unwrap_or_default().to_owned();
    let exists = instances.iter().any(|instance| instance.name == named);
    let origin = leaf.map_or(&Origin::Default, |leaf| &leaf.origin);
    if instances.is_empty() || exists {
        return named;
    }
    if let ([only], Origin::Default) = (instances, origin) {
        return only.name.clone();
    }
    let names: Vec<&str> = instances.iter().map(|instance| instance.name.as_str()).collect();
    let list = names.join(", ");
    complaints.push(match origin {
        Origin::Default => Complaint::new(
            code::NO_DEFAULT,
            format!("`[{section}]` has several tables ({list}) and does not say which is the default"),
            &instances[0].origin,
        )
        .hint(format!("write `default = \"{}\"` in `[{section}]`", names[0])),
        _ => Complaint::new(
            code::NO_DEFAULT,
            format!("the default of `[{section}]` is `{named}`, and there is no `[{section}.{named}]`"),
            origin,
        )
        .hint(format!("its tables are {list}"))
        .did_you_mean(&named, names),
    });
    named
}
