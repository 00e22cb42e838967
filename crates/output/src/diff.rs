//! What differs between two configurations, as lines: `~` changed, `+` new, `-` gone.

use crate::sanitize::plain;
use serde_json::Value;

/// The longest value that a line shows.
const LONGEST: usize = 60;

/// The differences, in the order of the tree.
#[must_use]
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", (old, new), &mut found);
    found
}

fn walk(path: &str, (old, new): (&Value, &Value), found: &mut Vec<String>) {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        if old != new {
            found.push(format!("~ {path}  {} -> {}", short(old), short(new)));
        }
        return;
    };
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => walk(&path, (old, new), found),
            (None, Some(new)) => one_sided('+', &path, new, found),
            (Some(old), None) => one_sided('-', &path, old, found),
            (None, None) => {}
        }
    }
}

/// Groups of named things (`task`, `trigger.cron`) are taken apart; a thing itself is one line.
fn one_sided(mark: char, path: &str, value: &Value, found: &mut Vec<String>) {
    let depth = match path.split('.').next() {
        Some("task" | "variable") => 2,
        Some("trigger" | "notify") => 3,
        _ => 1,
    };
    match value {
        Value::Object(map) if path.split('.').count() < depth => {
            for (key, value) in map {
                one_sided(mark, &format!("{path}.{key}"), value, found);
            }
        }
        value => found.push(format!("{mark} {path}  {}", short(value)).trim_end().to_owned()),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let text = plain(&text);
    if text.chars().count() <= LONGEST {
        return text;
    }
    let cut: String = text.chars().take(LONGEST).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_change_is_one_line() {
        let old = json!({"id": "x", "task": {"test": {"image": "rust:1.90"}, "old": {"image": "a"}},
            "trigger": {"cron": {"nightly": {"expression": "0 3 * * *"}}}});
        let new = json!({"id": "x", "parallelism": 1,
            "task": {"test": {"image": "rust:1.91"}, "audit": {"image": "b", "script": "x"}}});
        assert_eq!(
            changes(&old, &new),
            [
                "+ parallelism  1",
                "+ task.audit  image, script",
                "- task.old  image",
                "~ task.test.image  \"rust:1.90\" -> \"rust:1.91\"",
                "- trigger.cron.nightly  expression",
            ]
        );
    }

    #[test]
    fn equal_trees_have_no_changes() {
        let tree = json!({"a": [1, {"b": null}]});
        assert!(changes(&tree, &tree).is_empty());
    }

    #[test]
    fn a_long_value_is_cut_and_cannot_steer_the_terminal() {
        let changes = changes(&json!({"a": "x"}), &json!({"a": "\u{1b}[2Jy".repeat(40)}));
        assert!(changes[0].chars().count() < 100 && !changes[0].contains('\u{1b}'), "{changes:?}");
    }
}
