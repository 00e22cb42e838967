//! The JSON form of labelled blocks: a map from labels to bodies, or a list of such maps.

use super::Blocks;
use crate::codes;
use crate::diagnostic::show;
use crate::reading::Reading;
use crate::tree::{Item, Kind, Name, Node};

/// Makes blocks of the keys of a file that stand for blocks.
pub(super) fn expand(cx: &mut Reading<'_>, items: Vec<Item>, words: &Blocks) -> Vec<Item> {
    let mut expanded = Vec::with_capacity(items.len());
    for item in items {
        match words.iter().find(|(block, _)| *block == item.key.text) {
            Some((_, wanted)) => level(
                cx,
                Level { key: item.key, labels: Vec::new(), wanted: *wanted },
                item.value,
                &mut expanded,
            ),
            None => expanded.push(item),
        }
    }
    expanded
}

/// How far into the labels of a block one is.
struct Level {
    key: Name,
    labels: Vec<Name>,
    wanted: usize,
}

fn level(cx: &mut Reading<'_>, at: Level, value: Node, out: &mut Vec<Item>) {
    let Level { key, labels, wanted } = at;
    match value.kind {
        Kind::Invalid => {}
        Kind::List(values) => {
            for value in values {
                match value.kind {
                    Kind::Map(_) => {
                        let at = Level { key: key.clone(), labels: labels.clone(), wanted };
                        level(cx, at, value, out);
                    }
                    _ => refuse(cx, &key, wanted, &value),
                }
            }
        }
        Kind::Map(_) if labels.len() == wanted => out.push(Item { key, labels, value, block: true }),
        Kind::Map(items) => {
            for item in items {
                let mut labels = labels.clone();
                labels.push(item.key);
                level(cx, Level { key: key.clone(), labels, wanted }, item.value, out);
            }
        }
        _ => refuse(cx, &key, wanted, &value),
    }
}

fn refuse(cx: &mut Reading<'_>, key: &Name, labels: usize, value: &Node) {
    cx.read_whole = false;
    let word = show(&key.text);
    let form =
        if labels == 2 { "{ \"<kind>\": { \"<label>\": { ... } } }" } else { "{ \"<name>\": { ... } }" };
    cx.error(codes::WRONG_TYPE, &value.span, format!("a `{word}` is a map, not {}", value.what()))
        .label("expected a map")
        .help(format!("write `\"{word}\": {form}`"));
}
