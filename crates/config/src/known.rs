//! Which sections and keys there are: everything else is a complaint, with a suggestion where one is close.

use std::collections::BTreeSet;

use crate::complaint::{Complaint, Origin, code};
use crate::keys::{self, keys};
use crate::layer::{KeyPath, Layer, dotted};
use crate::overrides::is_family;

/// Complains of every place that does not exist, once.
pub(crate) fn check(layer: &Layer, complaints: &mut Vec<Complaint>) {
    let mut told: BTreeSet<KeyPath> = BTreeSet::new();
    let tables = layer.tables.iter().map(|(path, origin)| (path, origin, true));
    let leaves = layer.leaves.iter().map(|(path, leaf)| (path, &leaf.origin, false));
    for (path, origin, is_table) in tables.chain(leaves) {
        if let Some((wrong, complaint)) = check_place(path, origin, is_table)
            && told.insert(wrong)
        {
            complaints.push(complaint);
        }
    }
}

/// The wrong part of the path, by which complaints are told once.
type Wrong = (KeyPath, Complaint);

fn check_place(path: &[String], origin: &Origin, is_table: bool) -> Option<Wrong> {
    let section = path[0].as_str();
    if !sections().contains(section) {
        return Some(unknown_section(path, origin));
    }
    if path.len() == 1 {
        return (!is_table).then(|| not_a_section(path, origin));
    }
    if is_family(section) { check_family(path, origin, is_table) } else { check_key(path, origin, is_table) }
}

fn check_key(path: &[String], origin: &Origin, is_table: bool) -> Option<Wrong> {
    let Some(key) = keys::find(&path[0], &path[1]) else {
        return Some(unknown_key(path, origin));
    };
    if !is_table && path.len() == 2 {
        return None;
    }
    let message = format!("`{}` wants {}, not a table", key.path(), key.kind.wanted());
    Some((path[..2].to_vec(), Complaint::new(code::BAD_VALUE, message, origin)))
}

fn check_family(path: &[String], origin: &Origin, is_table: bool) -> Option<Wrong> {
    if path[1] == "default" {
        return check_key(path, origin, is_table);
    }
    if path.len() == 2 && !is_table {
        return Some(unknown_key(path, origin));
    }
    if gofer_types::SchedulerName::new(path[1].as_str()).is_err() {
        let message =
            format!("`{}` is not a name: 1 to 63 of letters, digits, `-` and `_`", dotted(&path[1..2]));
        return Some((path[..2].to_vec(), Complaint::new(code::BAD_VALUE, message, origin)));
    }
    None
}

fn sections() -> BTreeSet<&'static str> {
    keys().iter().map(|key| key.section).collect()
}

fn unknown_section(path: &[String], origin: &Origin) -> Wrong {
    let known = sections();
    let list: Vec<&str> = known.iter().copied().collect();
    let complaint =
        Complaint::new(code::UNKNOWN_KEY, format!("there is no section `{}`", dotted(&path[..1])), origin)
            .hint(format!("the sections are {}", list.join(", ")))
            .did_you_mean(&path[0], known);
    (path[..1].to_vec(), complaint)
}

fn not_a_section(path: &[String], origin: &Origin) -> Wrong {
    let message = format!("`{0}` is a section: write `[{0}]` and its keys below", path[0]);
    (path.to_vec(), Complaint::new(code::BAD_VALUE, message, origin))
}

fn unknown_key(path: &[String], origin: &Origin) -> Wrong {
    let names: Vec<&str> = keys().iter().filter(|key| key.section == path[0]).map(|key| key.name).collect();
    let message = format!("there is no key `{}` in `[{}]`", dotted(&path[1..2]), path[0]);
    let complaint = Complaint::new(code::UNKNOWN_KEY, message, origin)
        .hint(format!("its keys are {}", names.join(", ")))
        .did_you_mean(&path[1], names);
    (path[..2].to_vec(), complaint)
}
