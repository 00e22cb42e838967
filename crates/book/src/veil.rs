//! The values of sensitive variables, taken out of texts that others wrote: a scheduler that cannot start a program names it.

use gofer_types::{Cause, RunRecord};

/// What stands in the place of a value.
const VEIL: &str = "***";

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// A shorter value is not looked for: it would be found in the middle of words, and can be guessed.
const SHORTEST: usize = 4;

/// The same text without the values that a run must not show.
pub fn veiled(run: &RunRecord, text: String) -> String {
    without(run.sensitive.iter().filter_map(|name| run.variables.get(name)).map(String::as_str), text)
}

fn without<'a>(values: impl Iterator<Item = &'a str>, text: String) -> String {
    let mut values: Vec<&str> = values.filter(|value| value.len() >= SHORTEST).collect();
    // one value may be a part of another
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text, |text, value| {
        // a name in quotes has its signs escaped
        let quoted = value.escape_debug().to_string();
        without_beginning(text.replace(value, VEIL).replace(&quoted, VEIL), value)
    })
}

/// A long text is cut, and its end may be the beginning of a value.
fn without_beginning(text: String, value: &str) -> String {
    let Some(kept) = text.strip_suffix(CUT) else { return text };
    let beginning =
        (SHORTEST..value.len()).rev().filter_map(|end| value.get(..end)).find(|part| kept.ends_with(part));
    match beginning {
        Some(part) => format!("{}{VEIL}{CUT}", &kept[..kept.len() - part.len()]),
        None => text,
    }
}

/// The same of a cause that has a text of somebody else's.
pub fn veiled_cause(run: &RunRecord, cause: Cause) -> Cause {
    match cause {
        Cause::CannotStart(text) => Cause::CannotStart(veiled(run, text)),
        Cause::Lost(text) => Cause::Lost(veiled(run, text)),
        Cause::CannotKeep(text) => Cause::CannotKeep(veiled(run, text)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_out_whole_quoted_or_cut() {
        let values = ["hush-hush", "hush-hush-2", "two\nlines", "cat"];
        let cases = [
            ("it saw hush-hush-2 and hush-hush", "it saw *** and ***"),
            ("no folder \"/x/two\\nlines\"", "no folder \"/x/***\""),
            ("there is no hush-hu…", "there is no ***…"),
            ("there is no hus…", "there is no hus…"),
            ("there is no hush-hu", "there is no hush-hu"),
            ("the cat is short", "the cat is short"),
        ];
        for (text, expected) in cases {
            assert_eq!(without(values.into_iter(), text.to_owned()), expected);
        }
    }
}
