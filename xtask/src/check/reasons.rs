//! Bans, skips and ignored advisories say why.

use toml::{Table, Value};

use super::Outcome;
use crate::tree::Tree;

/// Where lists of explained entries stand: a file, and the tables down to the list.
const LISTS: [(&str, &[&str]); 6] = [
    ("deny.toml", &["bans", "deny"]),
    ("deny.toml", &["bans", "skip"]),
    ("deny.toml", &["bans", "skip-tree"]),
    ("deny.toml", &["advisories", "ignore"]),
    ("clippy.toml", &["disallowed-methods"]),
    ("clippy.toml", &["disallowed-types"]),
];

pub(crate) fn check(tree: &Tree) -> Outcome {
    Outcome::of(LISTS.iter().flat_map(|(path, place)| unexplained(tree, path, place)).collect())
}

fn unexplained(tree: &Tree, path: &str, place: &[&str]) -> Vec<String> {
    let Some(file) = tree.get(path) else { return vec![format!("{path}: missing")] };
    let table: Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let root = Value::Table(table);
    let list = place.iter().try_fold(&root, |value, name| value.get(name)).and_then(Value::as_array);
    let silent = list.into_iter().flatten().filter(|entry| !explained(entry));
    silent.map(|entry| format!("{path}: {} has no reason: {entry}", place.join("."))).collect()
}

fn explained(entry: &Value) -> bool {
    entry.get("reason").and_then(Value::as_str).is_some_and(|reason| reason.len() > 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::File;

    #[test]
    fn an_entry_without_a_reason_is_told() {
        let text = "[bans]\nskip = [{ crate = 'a', reason = 'an old branch' }, { crate = 'b' }, 'c']\n";
        let tree = Tree { files: vec![File { path: "deny.toml".to_owned(), text: text.to_owned() }] };
        assert_eq!(unexplained(&tree, "deny.toml", &["bans", "skip"]).len(), 2);
        assert_eq!(unexplained(&tree, "clippy.toml", &["disallowed-methods"]), ["clippy.toml: missing"]);
    }
}
