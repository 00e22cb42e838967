//! The values in a list that a task left. Pure: bytes in, values or what is wrong with them out.

use std::collections::HashSet;

use gofer_types::pipeline::matrix_value_problem;

/// How many bytes a list may have, and all lists of a matrix together: they become a part of a record.
pub(crate) const MOST_BYTES: usize = 16 * 1024;

/// The values of a list: a JSON list of texts, numbers and truth values, or the lines of a text. White space around a line and
/// lines with nothing else are left out.
pub(crate) fn of(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let values = if text.trim_start().starts_with('[') { json(text)? } else { lines(no_json(text)?) };
    let mut seen = HashSet::new();
    for value in &values {
        if let Some(problem) = matrix_value_problem(value) {
            return Err(format!("the value {value:?} {problem}"));
        }
        if !seen.insert(value) {
            return Err(format!("the value {value:?} is there twice"));
        }
    }
    Ok(values)
}

/// Refuses what is JSON and no list, which somebody meant to be one: an object, a text in quotes, `null`.
fn no_json(text: &str) -> Result<&str, String> {
    let what = match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_)) => "an object",
        Ok(serde_json::Value::String(_)) => "one text",
        Ok(serde_json::Value::Null) => "null",
        _ => return Ok(text),
    };
    Err(format!("it is JSON, but {what} and no list"))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn json(text: &str) -> Result<Vec<String>, String> {
    let list: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    let value = |(at, value): (usize, serde_json::Value)| match value {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        serde_json::Value::Bool(truth) => Ok(truth.to_string()),
        _ => Err(format!("its item {} is neither a text nor a number nor true or false", at + 1)),
    };
    list.into_iter().enumerate().map(value).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_json_or_lines() {
        assert_eq!(of(b" [\"a b\", 1, 2.5, true]\n").unwrap(), ["a b", "1", "2.5", "true"]);
        assert_eq!(of(b"linux\r\n  mac \n\n").unwrap(), ["linux", "mac"]);
        assert_eq!(
            (of(b"7\n").unwrap(), of(b"null\nnil").unwrap()),
            (vec!["7".to_owned()], vec!["null".to_owned(), "nil".to_owned()])
        );
        assert!(
            of(b"[]").unwrap().is_empty() && of(b"\n").unwrap().is_empty() && of(b"").unwrap().is_empty()
        );
    }

    #[test]
    fn what_is_no_list_of_values_is_refused_with_the_reason() {
        let refused = [
            &b"\xff"[..],
            b"[\"a\"",
            b"[null]",
            b"[[\"a\"]]",
            b"[\"a\", \"a\"]",
            b"a\nb\na",
            b"a,b",
            b"[\"\"]",
            b"[\"a\\u0007\"]",
            b"{\"a\": 1}",
            b" \"a\"\n",
            b"null\n",
        ];
        let reasons: Vec<String> = refused.iter().map(|bytes| of(bytes).unwrap_err()).collect();
        insta::assert_snapshot!(reasons.join("\n"));
        assert!(of("x".repeat(81).as_bytes()).unwrap_err().contains("longer than 80"));
    }

    proptest! {
        // a longer value may be too long for an id once its signs are written out: that is refused where the ids are made
        #[test]
        fn what_is_accepted_and_short_can_name_a_task(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(values) = of(&bytes) {
                let id = gofer_types::TaskId::new("build").unwrap();
                for value in &values {
                    let instance = id.instance([value.as_str()]).unwrap();
                    prop_assert_eq!(instance.values(), [value.clone()]);
                }
            }
        }
    }
}
