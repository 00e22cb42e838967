//! One layer of values with their origins, and how layers are put on top of each other.

use std::collections::BTreeMap;

use toml::Value;

use crate::complaint::Origin;

/// The place of a value: section, then names downwards.
pub(crate) type KeyPath = Vec<String>;

/// A value that is not a table, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Values by place. Tables are remembered too: an empty one still declares an instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    pub(crate) leaves: BTreeMap<KeyPath, Leaf>,
    pub(crate) tables: BTreeMap<KeyPath, Origin>,
}

impl Layer {
    pub(crate) fn set(&mut self, path: KeyPath, value: Value, origin: Origin) {
        for depth in 1..path.len() {
            self.tables.entry(path[..depth].to_vec()).or_insert_with(|| origin.clone());
        }
        self.leaves.insert(path, Leaf { value, origin });
    }

    /// Puts another layer on top: where both have a value, or a value stands where the other has a table, it wins.
    pub(crate) fn cover_with(&mut self, upper: Self) {
        for (path, leaf) in upper.leaves {
            self.leaves.retain(|old, _| !old.starts_with(&path) && !path.starts_with(old));
            self.tables.retain(|old, _| !old.starts_with(&path));
            self.leaves.insert(path, leaf);
        }
        for (path, origin) in upper.tables {
            self.leaves.retain(|old, _| !path.starts_with(old));
            self.tables.entry(path).or_insert(origin);
        }
    }

    pub(crate) fn leaf(&self, section: &str, name: &str) -> Option<&Leaf> {
        self.leaves.get(&[section.to_owned(), name.to_owned()][..])
    }

    /// All leaves below a place, with what remains of their paths.
    pub(crate) fn below<'a>(
        &'a self,
        prefix: &'a [String],
    ) -> impl Iterator<Item = (&'a [String], &'a Leaf)> {
        self.leaves.iter().filter_map(move |(path, leaf)| Some((path.strip_prefix(prefix)?, leaf)))
    }
}

/// A path as it stands in a file: dots between names, quotes where a name needs them.
pub(crate) fn dotted(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|name| quoted(name)).collect();
    names.join(".")
}

pub(crate) fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> KeyPath {
        text.split('.').map(str::to_owned).collect()
    }

    fn layer(values: &[(&str, i64)]) -> Layer {
        let mut layer = Layer::default();
        for (place, value) in values {
            layer.set(path(place), Value::from(*value), Origin::Default);
        }
        layer
    }

    fn values(layer: &Layer) -> Vec<(String, i64)> {
        layer.leaves.iter().map(|(path, leaf)| (dotted(path), leaf.value.as_integer().unwrap())).collect()
    }

    #[test]
    fn the_upper_value_wins_and_the_others_stay() {
        let mut merged = layer(&[("a.x", 1), ("a.y", 2)]);
        merged.cover_with(layer(&[("a.y", 3)]));
        assert_eq!(values(&merged), [("a.x".to_owned(), 1), ("a.y".to_owned(), 3)]);
    }

    #[test]
    fn a_value_replaces_a_whole_table_and_the_reverse() {
        let mut merged = layer(&[("a.x.p", 1), ("a.x.q", 2)]);
        merged.cover_with(layer(&[("a.x", 3)]));
        assert_eq!(values(&merged), [("a.x".to_owned(), 3)]);
        merged.cover_with(layer(&[("a.x.p", 4)]));
        assert_eq!(values(&merged), [("a.x.p".to_owned(), 4)]);
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(dotted(&["a".to_owned(), "b.c".to_owned()]), "a.\"b.c\"");
    }
}
