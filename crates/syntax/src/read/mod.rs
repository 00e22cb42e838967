//! The readers: from the text of a file to the one tree, without knowing the language.

mod blocks;
mod hcl;
mod json;
mod scan;
mod template;

use std::collections::HashMap;

use crate::codes;
use crate::diagnostic::show;
use crate::reading::Reading;
use crate::source::{Syntax, too_large};
use crate::tree::{Item, Name};

/// The words that stand for labelled blocks, each with how many labels it has. HCL shows its blocks; JSON does not.
pub type Blocks = [(&'static str, usize)];

/// Reads the whole file; `None` if its form is so wrong that nothing can be said about its content.
pub fn read(cx: &mut Reading<'_>, blocks: &Blocks) -> Option<Vec<Item>> {
    let bytes = cx.source.text().len();
    if bytes > cx.limits.file_bytes {
        let problem = too_large(cx.source.name(), bytes, cx.limits.file_bytes);
        cx.push(problem);
        return None;
    }
    match cx.source.syntax() {
        Syntax::Hcl => hcl::read(cx),
        Syntax::Json => json::read(cx, blocks),
    }
}

/// Complains about keys that a map has twice, and keeps the first of each.
fn refuse_duplicate_keys(cx: &mut Reading<'_>, items: &mut Vec<Item>) {
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(items.len());
    items.retain(|item| {
        let Some(first) = seen.get(&item.key.text) else {
            seen.insert(item.key.text.clone(), item.key.span.start);
            return true;
        };
        duplicate_key(cx, &item.key, *first);
        false
    });
}

fn duplicate_key(cx: &mut Reading<'_>, key: &Name, first: usize) {
    let line = cx.source.line_of(first);
    cx.error(codes::DUPLICATE, &key.span, format!("`{}` is written twice", show(&key.text)))
        .label("the second time")
        .help(format!("the first is on line {line}; keep one of them"));
}
