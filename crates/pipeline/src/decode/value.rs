//! Single values that are no texts: numbers, words, durations, names, and lists and maps of any value.
//!
//! A number or a truth value in quotes is taken as what it says, as HCL itself does.

use std::collections::BTreeMap;

use gofer_syntax::tree::{Kind, Name, Node, Part};
use gofer_syntax::{Code, show};
use gofer_types::{ByteSize, Span};

use super::fields::{Place, items};
use super::text::plain;
use crate::codes;
use crate::context::Context;

pub(super) fn wrong_type<T>(cx: &mut Context<'_>, node: &Node, place: &Place, wanted: &str) -> Option<T> {
    if !matches!(node.kind, Kind::Invalid) {
        cx.error(codes::WRONG_TYPE, &node.span, format!("{} must be {wanted}", place.what))
            .label(format!("this is {}", node.what()));
    }
    None
}

pub(super) fn out_of_range<T>(cx: &mut Context<'_>, node: &Node, place: &Place, rule: &str) -> Option<T> {
    cx.error(codes::RANGE, &node.span, format!("{} {rule}", place.what));
    None
}

pub(super) fn boolean(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<bool> {
    match &node.kind {
        Kind::Bool(word) => Some(*word),
        Kind::Text(parts) => match parts.as_slice() {
            [Part::Literal(word)] if word == "true" => Some(true),
            [Part::Literal(word)] if word == "false" => Some(false),
            _ => wrong_type(cx, node, place, "true or false"),
        },
        _ => wrong_type(cx, node, place, "true or false"),
    }
}

pub(super) fn number(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<f64> {
    let number = match &node.kind {
        Kind::Number(number) => number.as_f64(),
        Kind::Text(parts) => match parts.as_slice() {
            [Part::Literal(text)] => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        },
        _ => None,
    };
    number.or_else(|| wrong_type(cx, node, place, "a number"))
}

/// A whole number within bounds.
pub(super) fn whole(cx: &mut Context<'_>, node: &Node, place: &Place, bounds: (i64, i64)) -> Option<i64> {
    let value = number(cx, node, place)?;
    let (least, most) = bounds;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "only numbers without a fraction and within bounds are used"
    )]
    let integer = value as i64;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number that loses precision is out of every bound used here"
    )]
    let exact = integer as f64 == value;
    if exact && (least..=most).contains(&integer) {
        return Some(integer);
    }
    out_of_range(cx, node, place, &format!("must be a whole number from {least} to {most}"))
}

/// A whole number from `least` to the largest of 32 bits.
pub(super) fn count(cx: &mut Context<'_>, node: &Node, place: &Place, least: u32) -> Option<u32> {
    whole(cx, node, place, (i64::from(least), i64::from(u32::MAX))).and_then(|n| u32::try_from(n).ok())
}

/// A number within bounds, with a fraction or not.
pub(super) fn ratio(cx: &mut Context<'_>, node: &Node, place: &Place, bounds: (f64, f64)) -> Option<f64> {
    let value = number(cx, node, place)?;
    let (least, most) = bounds;
    if (least..=most).contains(&value) {
        return Some(value);
    }
    out_of_range(cx, node, place, &format!("must be a number from {least} to {most}"))
}

pub(super) fn duration(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Span> {
    quantity(cx, node, place, codes::DURATION)
}

/// A duration longer than zero.
pub(super) fn wait(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Span> {
    let span = duration(cx, node, place)?;
    if span > Span::default() {
        return Some(span);
    }
    cx.error(codes::DURATION, &node.span, format!("{} must be longer than zero", place.what));
    None
}

pub(super) fn size(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<ByteSize> {
    let size: ByteSize = quantity(cx, node, place, codes::SIZE)?;
    if size.get() > 0 {
        return Some(size);
    }
    cx.error(codes::SIZE, &node.span, format!("{} must be more than nothing", place.what));
    None
}

fn quantity<T: std::str::FromStr>(cx: &mut Context<'_>, node: &Node, place: &Place, code: Code) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    let text = plain(cx, node, place)?;
    let what = match text.parse() {
        Ok(quantity) => return Some(quantity),
        Err(_) if code == codes::SIZE => "a size such as `256MiB`, `2GiB`, `64KiB` or `100B`",
        Err(_) => "a duration such as `30s`, `5m`, `1h30m` or `250ms`",
    };
    cx.error(code, &node.span, format!("`{}` is not {what}", show(&text))).label(format!(
        "{} wants {}",
        place.what,
        what.split(" such").next().unwrap_or(what)
    ));
    None
}

/// One of some words; capital letters do not matter, as they did not for the original.
pub(super) fn word(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    (code, words): (Code, &[&'static str]),
) -> Option<&'static str> {
    let text = plain(cx, node, place)?;
    if let Some(found) = words.iter().find(|known| known.eq_ignore_ascii_case(text.trim())) {
        return Some(found);
    }
    let help = cx.did_you_mean(text.trim(), words.iter().copied());
    cx.error(code, &node.span, format!("{} cannot be `{}`", place.what, show(&text)))
        .label(format!("one of {}", words.join(", ")))
        .maybe_help(help);
    None
}

/// The elements of a list, each read; one that is wrong makes the whole wrong.
pub(super) fn list<T>(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    mut read: impl FnMut(&mut Context<'_>, &Node, &Place) -> Option<T>,
) -> Option<Vec<T>> {
    let Kind::List(nodes) = &node.kind else {
        return wrong_type(cx, node, place, "a list `[ ... ]`");
    };
    let values: Vec<Option<T>> = nodes.iter().map(|node| read(cx, node, place)).collect();
    values.into_iter().collect()
}

/// The same, and there is at least one.
pub(super) fn some<T>(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    read: impl FnMut(&mut Context<'_>, &Node, &Place) -> Option<T>,
) -> Option<Vec<T>> {
    let values = list(cx, node, place, read)?;
    if values.is_empty() {
        return out_of_range(cx, node, place, "must not be empty");
    }
    Some(values)
}

/// The entries of a map, keys and values read. Where one is wrong, the others are still looked at.
pub(super) fn map<K: Ord, V>(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    mut read: impl FnMut(&mut Context<'_>, &Name, &Node, &Place) -> Option<(K, V)>,
) -> Option<BTreeMap<K, V>> {
    let mut entries = BTreeMap::new();
    let mut sound = true;
    for item in items(cx, node, place)? {
        let place = place.attribute(&item.key.text);
        cx.spans.insert(place.path.clone(), item.key.span.clone());
        match read(cx, &item.key, &item.value, &place) {
            Some((key, value)) => drop(entries.insert(key, value)),
            None => sound = false,
        }
    }
    sound.then_some(entries)
}

/// Whether a word is a name of its kind: 1 to `most` letters, digits, `-` and `_`.
pub(super) fn is_name(cx: &mut Context<'_>, name: &Name, kind: &str, most: usize) -> bool {
    let length = name.text.chars().count();
    let bad = name.text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-' || *c == '_'));
    let problem = match bad {
        _ if length == 0 => "it is empty".to_owned(),
        _ if length > most => format!("it has {length} characters; at most {most} are accepted"),
        Some(' ') => "it contains a space; it consists of letters, digits, `-` and `_`".to_owned(),
        Some(bad) => {
            format!("it contains `{}`; it consists of letters, digits, `-` and `_`", show(&bad.to_string()))
        }
        None => return true,
    };
    malformed(cx, name, kind, problem);
    false
}

pub(super) fn malformed(cx: &mut Context<'_>, name: &Name, kind: &str, problem: impl Into<String>) {
    cx.error(codes::NAME, &name.span, format!("`{}` is not a {kind}", show(&name.text))).label(problem);
}

/// A name of a type that checks itself.
pub(super) fn typed_name<T: std::str::FromStr<Err = gofer_types::NameError>>(
    cx: &mut Context<'_>,
    name: &Name,
    kind: &str,
) -> Option<T> {
    match name.text.parse() {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            malformed(cx, name, kind, error.to_string());
            None
        }
    }
}

/// The text of a value as a name.
pub(super) fn name_of(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Name> {
    plain(cx, node, place).map(|text| Name { text, span: node.span.clone() })
}
