//! Examples: each directory is a pipeline, and the end-to-end tests run it: by its name, or all that there are.

use std::collections::BTreeSet;

use super::Outcome;
use crate::tree::Tree;

pub(crate) fn check(tree: &Tree) -> Outcome {
    let paths = tree.files.iter().filter_map(|file| file.path.strip_prefix("examples/"));
    let names: BTreeSet<&str> = paths.filter_map(|path| path.split_once('/')).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Outcome::of(vec!["examples/: there is none".to_owned()]);
    }
    Outcome::of(names.iter().flat_map(|name| findings(tree, name)).collect())
}

fn findings(tree: &Tree, name: &str) -> Vec<String> {
    let is_there = |file: &str| tree.get(&format!("examples/{name}/{file}")).is_some();
    let is_pipeline = is_there("pipeline.hcl") || is_there("pipeline.json");
    let place = format!("examples/{name}");
    let mut tests = tree.rust().filter(|file| file.path.starts_with("tests/e2e/"));
    let runs_all = |text: &str| text.contains("\"examples\"") && text.contains("read_dir");
    let is_run = tests.any(|file| file.text.contains(&place) || runs_all(&file.text));
    let pipeline = (!is_pipeline).then(|| format!("{place}: neither pipeline.hcl nor pipeline.json"));
    let run = (!is_run).then(|| format!("{place}: no test under tests/e2e runs it"));
    pipeline.into_iter().chain(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::File;

    #[test]
    fn an_example_that_no_test_runs_is_told() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let mut files = vec![file("examples/hello/pipeline.hcl", "")];
        assert_eq!(findings(&Tree { files: vec![] }, "hello").len(), 2);
        files.push(file("tests/e2e/tests/a.rs", "\"examples/hello\""));
        assert!(findings(&Tree { files }, "hello").is_empty());
    }
}
