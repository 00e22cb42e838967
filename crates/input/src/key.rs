//! The key under which a start that is repeated finds the first run.

use gofer_output::error::Failure;
use gofer_types::{LONGEST_KEY, is_idempotency_key};

/// The key of a start as it is sent; empty where none was typed.
pub fn key(typed: Option<&str>) -> Result<String, Failure> {
    let Some(key) = typed else { return Ok(String::new()) };
    if is_idempotency_key(key) {
        return Ok(key.to_owned());
    }
    let rule = format!("the key of `--idempotency-key` has 1 to {LONGEST_KEY} visible ASCII characters");
    let found = match key.chars().find(|c| !c.is_ascii_graphic()) {
        _ if key.is_empty() => "this one is empty".to_owned(),
        Some(c) => format!("{c:?} is none"),
        None => format!("this one has {}", key.len()),
    };
    Err(Failure::usage("E0507", format!("{rule}; {found}"))
        .hint("a UUID is a good key; without the flag each start has a key of its own"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_refused_by_its_rule_before_a_server_is_asked() {
        let said = |typed: &str| key(Some(typed)).map_err(|failure| failure.message.clone());
        assert_eq!(key(None), Ok(String::new()));
        for good in ["k", &"k".repeat(128), "0190-~!"] {
            assert_eq!(said(good), Ok(good.to_owned()));
        }
        let wrong =
            [("", "is empty"), ("K 1", "' ' is none"), ("\u{e4}", "is none"), (&"k".repeat(129), "has 129")];
        for (typed, found) in wrong {
            let said = said(typed).expect_err(typed);
            assert!(said.contains("1 to 128 visible ASCII characters") && said.contains(found), "{said}");
        }
    }
}
