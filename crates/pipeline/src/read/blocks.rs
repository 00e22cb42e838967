//! The JSON form of labelled blocks: a map from labels to bodies, or a list of such maps.

use crate::codes;
use crate::context::Context;
use crate::decode::{BLOCKS, LABELS};
use crate::diagnostic::show;
use crate::tree::{Item, Kind, Name, Node};

/// Makes blocks of the keys of a file that stand for blocks.
pub(super) fn expand(cx: &mut Context<'_>, items: Vec<Item>) -> Vec<Item> {
    let mut expanded = Vec::with_capacity(items.len());
    for item in items {
        match BLOCKS.iter().position(|block| *block == item.key.text) {
            Some(index) => level(
                cx,
                Level { key: item.key, labels: Vec::new(), wanted: LABELS[index] },
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

fn level(cx: &mut Context<'_>, at: Level, value: Node, out: &mut Vec<Item>) {
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
                    _ => refuse(cx, &key, &value),
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
        _ => refuse(cx, &key, &value),
    }
}

fn refuse(cx: &mut Context<'_>, key: &Name, value: &Node) {
    cx.read_whole = false;
    let word = show(&key.text);
    let form = if LABELS[BLOCKS.iter().position(|block| *block == key.text).unwrap_or(0)] == 2 {
        "{ \"<kind>\": { \"<label>\": { ... } } }"
    } else {
        "{ \"<name>\": { ... } }"
    };
    cx.error(codes::WRONG_TYPE, &value.span, format!("a `{word}` is a map, not {}", value.what()))
        .label("expected a map")
        .help(format!("write `\"{word}\": {form}`"));
}
