//! The variables of a run: from flags and files.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use gofer_grammar::Variables;
use gofer_output::error::Failure;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// The greatest file of variables, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The name that means standard input.
const STDIN: &str = "-";

/// Reads the file, then the flags, which win.
pub fn read(variables: &Variables) -> Result<HashMap<String, String>, Failure> {
    let mut given = match &variables.var_file {
        Some(path) => file(path)?,
        None => HashMap::new(),
    };
    for flag in &variables.var {
        let (name, value) = pair(flag).ok_or_else(|| bad(&format!("`-v {flag}`")))?;
        given.insert(name, value);
    }
    Ok(given)
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.to_owned()))
}

fn bad(what: &str) -> Failure {
    Failure::usage("E0007", format!("{what} is not NAME=VALUE"))
}

/// The name says which form a file has. One whose name says nothing is JSON if it begins as an object does, else lines.
fn file(path: &Path) -> Result<HashMap<String, String>, Failure> {
    let stdin = path.as_os_str() == STDIN;
    let name = if stdin { "standard input".to_owned() } else { path.display().to_string() };
    let read = if stdin { bounded(std::io::stdin()) } else { std::fs::File::open(path).and_then(bounded) };
    let bytes = read.map_err(|cause| Failure::file("read", Path::new(&name), &cause))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(Failure::usage("E0007", format!("{name} is larger than 1 MiB")));
    }
    let text = String::from_utf8(bytes).map_err(|cause| {
        let line =
            cause.as_bytes().iter().take(cause.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n');
        Failure::usage("E0007", format!("{name}:{} is not text in UTF-8", line.count() + 1))
    })?;
    let text = text.trim_start_matches('\u{feff}');
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => json(&name, text),
        Some("toml") => toml(&name, text),
        _ if text.trim_start().starts_with('{') => json(&name, text),
        _ => lines(&name, text),
    }
}

/// One byte more than allowed is enough to be refused for its size.
fn bounded(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lines(name: &str, text: &str) -> Result<HashMap<String, String>, Failure> {
    let wanted = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let numbered = text.lines().enumerate().filter(|(_, line)| wanted(line));
    numbered.map(|(n, line)| pair(line).ok_or_else(|| bad(&format!("{name}:{}", n + 1)))).collect()
}

fn json(name: &str, text: &str) -> Result<HashMap<String, String>, Failure> {
    let map: HashMap<String, Plain> = serde_json::from_str(text).map_err(|cause| {
        let why = cause.to_string();
        // the end of the text says where, too
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        no_object(name, cause.line(), why)
    })?;
    Ok(texts(map))
}

fn toml(name: &str, text: &str) -> Result<HashMap<String, String>, Failure> {
    let map: HashMap<String, Plain> = toml::from_str(text).map_err(|cause| {
        let before = text.get(..cause.span().map_or(0, |span| span.start)).unwrap_or_default();
        no_object(name, before.matches('\n').count() + 1, cause.message())
    })?;
    Ok(texts(map))
}

fn no_object(name: &str, line: usize, why: &str) -> Failure {
    let why = why.lines().collect::<Vec<_>>().join("; ");
    Failure::usage("E0007", format!("{name}:{line}: {why}")).hint(
        "a file of variables is one object of texts, numbers, `true` and `false`, or has lines NAME=VALUE",
    )
}

fn texts(map: HashMap<String, Plain>) -> HashMap<String, String> {
    map.into_iter().map(|(name, value)| (name, value.0)).collect()
}

/// A text, a number or a truth, as text.
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(PlainVisitor)
    }
}

struct PlainVisitor;

impl Visitor<'_> for PlainVisitor {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, `true` or `false`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Plain, E> {
        Ok(Plain(on.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
        Ok(Plain(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Plain, E> {
        Ok(Plain(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Plain, E> {
        let number = serde_json::Number::from_f64(number);
        number.map(|number| Plain(number.to_string())).ok_or_else(|| E::custom("not a finite number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(var: &[&str], file: Option<(&str, &[u8])>) -> Result<HashMap<String, String>, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let var_file = file.map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        });
        let variables = Variables { var: var.iter().map(|v| (*v).to_owned()).collect(), var_file };
        read(&variables).map_err(|failure| {
            let place = format!("{}/", dir.path().display());
            format!("{}: {}", failure.code, failure.message.replace(&place, ""))
        })
    }

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_beat_the_file() {
        let file = ("vars", "\u{feff}# note\r\na=1\r\n\n  # more\nb= x=y".as_bytes());
        assert_eq!(given(&["a=2=3"], Some(file)), Ok(map(&[("a", "2=3"), ("b", " x=y")])));
    }

    #[test]
    fn json_and_toml_give_plain_values() {
        let wanted = Ok(map(&[("a", "x"), ("n", "1"), ("f", "1.5"), ("b", "true")]));
        let json = br#"{"a": "x", "n": 1, "f": 1.5, "b": true}"#;
        for name in ["vars.json", "vars"] {
            assert_eq!(given(&[], Some((name, json))), wanted, "{name}");
        }
        assert_eq!(given(&[], Some(("vars.toml", b"a = 'x'\nn = 1\nf = 1.5\nb = true\n"))), wanted);
    }

    #[test]
    fn what_is_not_a_variable_is_refused_with_its_file_and_line() {
        let told = |name, text: &[u8]| given(&[], Some((name, text))).expect_err("a failure");
        assert_eq!(given(&["a"], None), Err("E0007: `-v a` is not NAME=VALUE".to_owned()));
        assert_eq!(given(&["=1"], None), Err("E0007: `-v =1` is not NAME=VALUE".to_owned()));
        assert_eq!(told("vars", b"# x\n\na"), "E0007: vars:3 is not NAME=VALUE");
        assert_eq!(told("vars", b"a=1\nb=\xff"), "E0007: vars:2 is not text in UTF-8");
        let list = "invalid type: sequence, expected a text, a number, `true` or `false`";
        assert_eq!(told("v.json", b"{\n\"a\":\n[]}"), format!("E0007: v.json:3: {list}"));
        assert_eq!(told("v.toml", b"b = 1\na = []\n"), format!("E0007: v.toml:2: {list}"));
        assert!(told("v.json", b"{\n\"a\": 1").starts_with("E0007: v.json:2: EOF"));
        assert!(told("v.toml", b"a = 1\nb").starts_with("E0007: v.toml:2: "));
        let large = vec![b'#'; 1 + (1 << 20)];
        assert_eq!(told("vars", &large), "E0007: vars is larger than 1 MiB");
    }
}
