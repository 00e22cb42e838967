//! Texts: plain ones, and those that refer to what is known in a run or stand for a store's value.
//!
//! A number or a truth value where a text is wanted is taken as its text, as HCL itself does.

use gofer_syntax::tree::{Bytes, Kind, Node, Part};
use gofer_syntax::{printable, show};
use gofer_types::pipeline::{ReferenceRoot, StoreRef, Template, TemplatePart, Text};

use super::fields::Place;
use super::value::{out_of_range, wrong_type};
use crate::codes;
use crate::context::Context;
use crate::store_refs;

/// What a text may refer to at its place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope<'s> {
    /// Why a run's variables and facts are not there yet; `None` if they are.
    pub(super) no_run: Option<&'static str>,
    /// The keys of the task's matrix; `None` outside of tasks.
    pub(super) matrix: Option<&'s [String]>,
    /// Whether the whole text may stand for a store's value.
    pub(super) store: bool,
    /// Why no sensitive variable may be in it; `None` if one may.
    pub(super) shown: Option<&'static str>,
}

/// Where a text refers to something it cannot: what stands for a value from a store, anywhere in a text.
fn refuse_store(cx: &mut Context<'_>, node: &Node, place: &Place, found: &str) {
    let message = format!("`{}` cannot be used in {}", show(found), place.what);
    cx.error(codes::MISPLACED_STORE, &node.span, message)
        .label("a store's value is not available here")
        .help("stores are read in `env_vars`, `registry_auth`, `checkout.auth` and the settings of triggers and notifiers, as a whole value");
}

fn no_nul(cx: &mut Context<'_>, node: &Node, place: &Place, text: &str) -> Option<()> {
    if text.contains('\0') {
        cx.error(codes::NUL, &node.span, format!("{} contains a NUL character", place.what))
            .help("no program can be given such a text; remove the character");
        return None;
    }
    Some(())
}

/// A text that is taken as it is; `references` says why there can be none in it.
fn literal(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let parts = match &node.kind {
        Kind::Bool(word) => return Some(word.to_string()),
        Kind::Number(number) => return Some(number.to_string()),
        Kind::Text(parts) => parts,
        _ => return wrong_type(cx, node, place, "a text"),
    };
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Reference { span, .. } => {
                cx.error(
                    codes::MISPLACED_REFERENCE,
                    span,
                    format!("{} cannot refer to anything", place.what),
                )
                .label("this must be known before a run")
                .help("write the value itself; for the text `${` write `$${`");
                return None;
            }
        }
    }
    no_nul(cx, node, place, &text)?;
    Some(text)
}

/// A text for people: anything goes but references.
pub(super) fn prose(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = literal(cx, node, place)?.trim().to_owned();
    let (length, most) = (text.chars().count(), cx.limits.description_length);
    if length > most {
        return out_of_range(
            cx,
            node,
            place,
            &format!("has {length} characters; at most {most} are accepted"),
        );
    }
    Some(text)
}

/// A text that is known before a run.
pub(super) fn plain(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = literal(cx, node, place)?;
    let found = store_refs::whole(&text).map(|_| text.trim()).or_else(|| store_refs::within(&text));
    if let Some(found) = found {
        refuse_store(cx, node, place, found);
        return None;
    }
    Some(text)
}

/// A text of 1 to `most` characters on one line.
pub(super) fn line(cx: &mut Context<'_>, node: &Node, place: &Place, most: usize) -> Option<String> {
    let text = plain(cx, node, place)?;
    let length = text.chars().count();
    if length == 0 || length > most {
        return out_of_range(
            cx,
            node,
            place,
            &format!("must have 1 to {most} characters; this has {length}"),
        );
    }
    if !text.chars().all(printable) {
        return out_of_range(cx, node, place, "must consist of printable characters");
    }
    Some(text)
}

/// A text that may refer to what its scope has.
pub(super) fn text(cx: &mut Context<'_>, node: &Node, place: &Place, scope: Scope<'_>) -> Option<Text> {
    let parts = match &node.kind {
        Kind::Text(parts) if parts.iter().any(|part| matches!(part, Part::Reference { .. })) => parts,
        Kind::Text(_) => return text_without_references(cx, node, place, scope),
        _ => return literal(cx, node, place).map(Text::Plain),
    };
    let mut sound = true;
    let mut joined = String::new();
    let mut template = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Part::Literal(literal) => {
                joined.push_str(literal);
                template.push(TemplatePart::Literal(literal.clone()));
            }
            Part::Reference { root, name, span } => {
                joined.push('x');
                sound &= reference(cx, (*root, name), span, place, scope);
                template.push(TemplatePart::Reference { root: *root, name: name.clone() });
            }
        }
    }
    no_nul(cx, node, place, &joined)?;
    if store_refs::whole(&joined).is_some() || store_refs::within(&joined).is_some() {
        cx.error(
            codes::MISPLACED_STORE,
            &node.span,
            format!("{} mixes a store's value with other text", place.what),
        )
        .help("a store's value stands alone: its key is written out and nothing stands beside it");
        return None;
    }
    sound.then_some(Text::Template(Template { parts: template }))
}

fn text_without_references(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    scope: Scope<'_>,
) -> Option<Text> {
    let text = literal(cx, node, place)?;
    if let Some((store, key)) = store_refs::whole(&text) {
        if !scope.store {
            refuse_store(cx, node, place, text.trim());
            return None;
        }
        if let Some(problem) = store_refs::key_problem(key) {
            cx.error(codes::STORE_KEY, &node.span, format!("`{}` is not a key", show(key))).label(problem);
            return None;
        }
        return Some(Text::Store(StoreRef { store, key: key.to_owned() }));
    }
    if let Some(found) = store_refs::within(&text) {
        if scope.store {
            let message = format!("`{}` must be the whole value of {}", show(found), place.what);
            cx.error(codes::MISPLACED_STORE, &node.span, message)
                .help("give it to the task under a name of its own, and put the text together there");
        } else {
            refuse_store(cx, node, place, found);
        }
        return None;
    }
    Some(Text::Plain(text))
}

const RUN_FACTS: [&str; 2] = ["id", "trigger"];
const PIPELINE_FACTS: [&str; 4] = ["id", "name", "namespace", "version"];

/// Whether a reference names something that there is.
fn reference(
    cx: &mut Context<'_>,
    (root, name): (ReferenceRoot, &str),
    span: &Bytes,
    place: &Place,
    scope: Scope<'_>,
) -> bool {
    let shown = show(name);
    match (root, scope.no_run, scope.matrix) {
        (ReferenceRoot::Var | ReferenceRoot::Run, Some(why), _) => {
            let what = format!("{} cannot refer to a run", place.what);
            cx.error(codes::MISPLACED_REFERENCE, span, what).label(why);
            false
        }
        (ReferenceRoot::Matrix, _, None) => {
            let what = format!("{} cannot refer to a matrix", place.what);
            cx.error(codes::MISPLACED_REFERENCE, span, what).label("only the texts of a task can");
            false
        }
        (ReferenceRoot::Var, None, _) if cx.sensitive.contains(name) && scope.shown.is_some() => {
            let what = format!("{} cannot refer to the sensitive variable `{shown}`", place.what);
            cx.error(codes::MISPLACED_REFERENCE, span, what).label(scope.shown.unwrap_or_default());
            false
        }
        (ReferenceRoot::Var, None, _) => variable(cx, name, span),
        (ReferenceRoot::Matrix, _, Some(keys)) => {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            known(cx, span, &format!("the task's matrix has no `{shown}`"), (name, &keys))
        }
        (ReferenceRoot::Run, None, _) => {
            known(cx, span, &format!("a run has no fact `{shown}`"), (name, &RUN_FACTS))
        }
        (ReferenceRoot::Pipeline, _, _) => {
            known(cx, span, &format!("a pipeline has no fact `{shown}`"), (name, &PIPELINE_FACTS))
        }
    }
}

fn known(cx: &mut Context<'_>, span: &Bytes, message: &str, (name, words): (&str, &[&str])) -> bool {
    if words.contains(&name) {
        return true;
    }
    let help = cx.did_you_mean(name, words.iter().copied());
    let all =
        if words.is_empty() { "it has no matrix".to_owned() } else { format!("known: {}", words.join(", ")) };
    cx.error(codes::UNKNOWN_REFERENCE, span, message).help(help.unwrap_or(all));
    false
}

/// Whether the pipeline defines a variable.
pub(super) fn variable(cx: &mut Context<'_>, name: &str, span: &Bytes) -> bool {
    if cx.variables.contains(name) {
        return true;
    }
    let names = std::mem::take(&mut cx.variables);
    let help = cx.did_you_mean(name, names.iter().map(String::as_str));
    cx.variables = names;
    let shown = show(name);
    let define = format!("define it: `variable \"{shown}\" {{ }}`");
    cx.error(codes::UNDEFINED_VARIABLE, span, format!("nothing defines the variable `{shown}`"))
        .label("no such variable")
        .help(help.unwrap_or(define));
    false
}
