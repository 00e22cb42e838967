//! `trigger` and `notify` blocks: whose they are, what is ours in them, and the rest as it is.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Item, Kind, Name, Node};
use gofer_types::VariableName;
use gofer_types::pipeline::{NotifierUse, PluginUse, Value, Variable};

use super::fields::{Place, items};
use super::text::{self, Scope};
use super::value;
use super::variable;
use crate::codes;
use crate::context::Context;

/// The ends, and the other moments, that a notifier can tell of.
const MOMENTS: [&str; 8] =
    ["succeeded", "failed", "errored", "cancelled", "timed_out", "finished", "recovered", "started"];

const TRIGGER_SCOPE: Scope<'static> = Scope {
    no_run: Some("a trigger is set up before there is a run"),
    matrix: None,
    store: true,
    shown: None,
};

/// Why a notifier may not be told a sensitive variable.
const TOLD: &str = "a notifier tells it to others";

const NOTIFIER_SCOPE: Scope<'static> = Scope { no_run: None, matrix: None, store: true, shown: Some(TOLD) };

/// All uses of triggers.
pub(super) fn triggers(
    cx: &mut Context<'_>,
    blocks: &[&Item],
    defined: &BTreeMap<VariableName, Variable>,
) -> Vec<PluginUse> {
    each(cx, "trigger", blocks, |cx, block, place| {
        let given = own(cx, block, "variables", place);
        let variables =
            given.and_then(|node| variable::given(cx, node, &place.attribute("variables"), defined));
        let settings = settings(cx, block, place, ("variables", TRIGGER_SCOPE))?;
        Some(PluginUse { variables: variables.unwrap_or_default(), ..plugin(block, settings) })
    })
}

/// All uses of notifiers.
pub(super) fn notifiers(cx: &mut Context<'_>, blocks: &[&Item]) -> Vec<NotifierUse> {
    each(cx, "notify", blocks, |cx, block, place| {
        let on = own(cx, block, "on", place);
        let on = on.and_then(|node| moments(cx, node, &place.attribute("on")));
        let settings = settings(cx, block, place, ("on", NOTIFIER_SCOPE))?;
        Some(NotifierUse { plugin: plugin(block, settings), on: on.unwrap_or_default() })
    })
}

fn moments(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Vec<String>> {
    value::some(cx, node, place, |cx, node, place| {
        value::word(cx, node, place, (codes::WORD, &MOMENTS)).map(str::to_owned)
    })
}

fn plugin(block: &Item, settings: BTreeMap<String, Value>) -> PluginUse {
    let label = |index: usize| block.labels.get(index).map(|label| label.text.clone()).unwrap_or_default();
    PluginUse { kind: label(0), label: label(1), settings, variables: BTreeMap::new() }
}

fn each<T>(
    cx: &mut Context<'_>,
    word: &str,
    blocks: &[&Item],
    mut read: impl FnMut(&mut Context<'_>, &Item, &Place) -> Option<T>,
) -> Vec<T> {
    let mut seen: BTreeMap<&str, &Name> = BTreeMap::new();
    let mut uses = Vec::with_capacity(blocks.len());
    for block in blocks {
        let [kind, label] = block.labels.as_slice() else {
            cx.error(
                codes::LABELS,
                &block.header(),
                format!("a `{word}` block has two labels: its kind and its name"),
            )
            .help(format!("write `{word} \"<kind>\" \"<name>\" {{ ... }}`"));
            continue;
        };
        let place = Place::part(word, &block.labels);
        cx.spans.insert(place.path.clone(), block.header());
        let most = cx.limits.task_id_length;
        let named = value::is_name(cx, kind, &format!("kind of {word}"), most);
        let labelled = value::is_name(cx, label, &format!("label of a {word}"), most);
        if let Some(first) = seen.insert(&label.text, label) {
            super::root::duplicate(cx, word, label, first);
        }
        let found = read(cx, block, &place);
        uses.extend(found.filter(|_| named && labelled));
    }
    uses
}

/// The attribute of the block that is ours.
fn own<'t>(cx: &mut Context<'_>, block: &'t Item, name: &str, place: &Place) -> Option<&'t Node> {
    let items = items(cx, &block.value, place)?;
    let item = items.iter().find(|item| item.key.text == name && !item.block)?;
    (!matches!(item.value.kind, Kind::Null)).then_some(&item.value)
}

/// Everything else in the block.
fn settings(
    cx: &mut Context<'_>,
    block: &Item,
    place: &Place,
    (own, scope): (&str, Scope<'_>),
) -> Option<BTreeMap<String, Value>> {
    let mut settings = BTreeMap::new();
    for item in items(cx, &block.value, place)? {
        let name = &item.key.text;
        if item.block {
            let message = format!("{} has no blocks", place.what);
            cx.error(codes::UNKNOWN_BLOCK, &item.header(), message)
                .help(format!("write it as an attribute: `{} = {{ ... }}`", show(name)));
            continue;
        }
        let place = place.attribute(name);
        cx.spans.insert(place.path.clone(), item.key.span.clone());
        if name != own
            && let Some(value) = setting(cx, &item.value, &place, scope)
        {
            settings.insert(name.clone(), value);
        }
    }
    Some(settings)
}

fn setting(cx: &mut Context<'_>, node: &Node, place: &Place, scope: Scope<'_>) -> Option<Value> {
    Some(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(word) => Value::Bool(*word),
        Kind::Number(number) => Value::Number(number.as_f64()?),
        Kind::Text(_) => Value::String(text::text(cx, node, place, scope)?),
        Kind::List(_) => {
            Value::List(value::list(cx, node, place, |cx, node, place| setting(cx, node, place, scope))?)
        }
        Kind::Map(_) => Value::Map(value::map(cx, node, place, |cx, key, node, place| {
            setting(cx, node, place, scope).map(|value| (key.text.clone(), value))
        })?),
        Kind::Invalid => return None,
    })
}
