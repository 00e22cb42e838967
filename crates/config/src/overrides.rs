//! The environment and the command line: text to layers.
//!
//! A key of ours has a type, so its text is taken as that type. A backend's key has none here: a text that reads as a
//! TOML number, boolean, array or quoted string is that; any other text is a string.

use toml::Value;

use crate::complaint::{Complaint, Origin, code};
use crate::keys::{self, FAMILIES, Kind};
use crate::layer::{KeyPath, Layer};

const PREFIX: &str = "GOFER_";

/// Variables of the form `GOFER_SECTION__KEY`. Others, such as `GOFER_ADDR`, are not configuration of the server.
pub(crate) fn environment(variables: &[(String, String)]) -> Layer {
    let mut layer = Layer::default();
    for (variable, text) in variables {
        let Some((section, rest)) = variable.strip_prefix(PREFIX).and_then(|name| name.split_once("__"))
        else {
            continue;
        };
        let names = std::iter::once(section).chain(rest.split("__"));
        let path: KeyPath = names.map(str::to_lowercase).collect();
        let value = value_of(&path, text);
        layer.set(path, value, Origin::Environment { variable: variable.clone() });
    }
    layer
}

/// Overrides of the form `section.key=value`.
pub(crate) fn flags(overrides: &[String], complaints: &mut Vec<Complaint>) -> Layer {
    let mut layer = Layer::default();
    for text in overrides {
        match text.split_once('=') {
            Some((key, value)) if key.split('.').all(|name| !name.trim().is_empty()) && key.contains('.') => {
                let path: KeyPath = key.split('.').map(|name| name.trim().to_owned()).collect();
                let value = value_of(&path, value);
                layer.set(path, value, Origin::Flag { key: key.to_owned() });
            }
            _ => complaints.push(malformed(text)),
        }
    }
    layer
}

fn malformed(text: &str) -> Complaint {
    // Without `=` all of it is a key; with one, what follows may be a secret.
    let key = text.split_once('=').map_or(text, |(key, _)| key);
    Complaint::new(
        code::BAD_OVERRIDE,
        format!("the override `{key}` is not of the form `section.key=value`"),
        &Origin::Flag { key: key.to_owned() },
    )
    .hint("for example `server.listen=127.0.0.1:7500`")
}

fn value_of(path: &[String], text: &str) -> Value {
    let ours = path.len() == 2 || path.get(2).is_some_and(|name| name == "kind" && path.len() == 3);
    if !ours {
        return raw(text);
    }
    let counts = keys::find(&path[0], &path[1]).is_some_and(|key| matches!(key.kind, Kind::Count { .. }));
    match text.trim().parse::<i64>() {
        Ok(number) if counts => Value::from(number),
        _ => Value::from(text),
    }
}

fn raw(text: &str) -> Value {
    match text.trim().parse::<Value>() {
        Ok(value) if !value.is_table() && !value.is_datetime() => value,
        _ => Value::from(text),
    }
}

/// Whether a section holds named instances.
pub(crate) fn is_family(section: &str) -> bool {
    FAMILIES.contains(&section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::dotted;

    fn shown(layer: &Layer) -> Vec<String> {
        layer.leaves.iter().map(|(path, leaf)| format!("{} = {}", dotted(path), leaf.value)).collect()
    }

    fn env(pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        shown(&environment(&pairs))
    }

    #[test]
    fn two_underscores_separate_and_one_is_part_of_the_name() {
        assert_eq!(env(&[("GOFER_SERVER__DATA_DIR", "/x")]), ["server.data_dir = \"/x\""]);
        assert_eq!(
            env(&[("GOFER_SCHEDULER__DOCKER__SOCKET", "unix:///x")]),
            ["scheduler.docker.socket = \"unix:///x\""]
        );
    }

    #[test]
    fn other_variables_are_not_ours() {
        assert!(env(&[("GOFER_ADDR", "x"), ("HOME", "/h"), ("MY__VAR", "1")]).is_empty());
    }

    #[test]
    fn a_text_becomes_what_its_key_wants() {
        assert_eq!(env(&[("GOFER_LIMITS__MAX_RUNNING_TASKS", "5")]), ["limits.max_running_tasks = 5"]);
        assert_eq!(env(&[("GOFER_LIMITS__STOP_GRACE", "5")]), ["limits.stop_grace = \"5\""]);
    }

    #[test]
    fn a_backends_text_is_read_as_toml_where_it_is_toml() {
        for (text, value) in
            [("5", "5"), ("true", "true"), ("abc", "\"abc\""), ("\"5\"", "\"5\""), ("[1]", "[1]")]
        {
            assert_eq!(env(&[("GOFER_STORAGE__REDB__X", text)]), [format!("storage.redb.x = {value}")]);
        }
    }

    #[test]
    fn an_override_may_contain_equal_signs() {
        let mut complaints = Vec::new();
        let layer = flags(&["storage.redb.path=a=b".to_owned()], &mut complaints);
        assert_eq!(shown(&layer), ["storage.redb.path = \"a=b\""]);
        assert!(complaints.is_empty());
    }

    #[test]
    fn a_malformed_override_is_told_without_its_value() {
        let mut complaints = Vec::new();
        for text in ["listen", "=x", "server=hunter2", "server.=hunter2"] {
            flags(&[text.to_owned()], &mut complaints);
        }
        assert_eq!(complaints.len(), 4);
        assert!(!format!("{complaints:?}").contains("hunter2"));
    }
}
