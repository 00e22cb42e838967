//! The variables of a run: from flags and files.

use std::collections::HashMap;

use gofer_output::error::Failure;

use crate::args::Variables;

/// The greatest file of variables.
const MAX_FILE: u64 = 1 << 20;

/// Reads the file, then the flags, which win.
pub(super) fn read(variables: &Variables) -> Result<HashMap<String, String>, Failure> {
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

fn file(path: &std::path::Path) -> Result<HashMap<String, String>, Failure> {
    let size = std::fs::metadata(path).map_err(|cause| Failure::file("read", path, &cause))?.len();
    if size > MAX_FILE {
        return Err(Failure::usage("E0007", format!("{} is larger than 1 MiB", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::file("read", path, &cause))?;
    if text.trim_start().starts_with('{') { json(path, &text) } else { lines(path, &text) }
}

fn lines(path: &std::path::Path, text: &str) -> Result<HashMap<String, String>, Failure> {
    let wanted = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let numbered = text.lines().enumerate().filter(|(_, line)| wanted(line));
    numbered
        .map(|(n, line)| pair(line).ok_or_else(|| bad(&format!("{}:{}", path.display(), n + 1))))
        .collect()
}

fn json(path: &std::path::Path, text: &str) -> Result<HashMap<String, String>, Failure> {
    let fail = || Failure::usage("E0007", format!("{} is not a JSON object of plain values", path.display()));
    let map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|cause| fail().because(&cause))?;
    map.into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => Ok((name, text)),
            serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Ok((name, value.to_string())),
            _ => Err(fail()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(var: &[&str], file: Option<&str>) -> Result<HashMap<String, String>, String> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("vars");
        let var_file = file.map(|text| {
            std::fs::write(&path, text).expect("a file");
            path.clone()
        });
        let variables = Variables { var: var.iter().map(|v| (*v).to_owned()).collect(), var_file };
        read(&variables).map_err(|failure| failure.code.clone())
    }

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_beat_the_file() {
        assert_eq!(given(&["a=2=3"], Some("# note\na=1\n\nb= x")), Ok(map(&[("a", "2=3"), ("b", " x")])));
    }

    #[test]
    fn a_json_file_gives_plain_values() {
        assert_eq!(
            given(&[], Some(r#"{"a": "x", "n": 1, "b": true}"#)),
            Ok(map(&[("a", "x"), ("n", "1"), ("b", "true")]))
        );
    }

    #[test]
    fn what_is_not_a_variable_is_refused() {
        for (var, file) in [(&["a"][..], None), (&["=1"], None), (&[], Some("a")), (&[], Some("{\"a\": []}"))]
        {
            assert_eq!(given(var, file), Err("E0007".to_owned()), "{var:?} {file:?}");
        }
    }
}
