//! What is asked of a pipeline once it is valid: variables, places, and what a build cannot run.

use std::collections::BTreeMap;

use gofer_pipeline::{
    Feature, Limits, Severity, Source, Supported, VariableProblem, parse, render, resolve_variables,
    unsupported,
};

use crate::common::accept;

const VARIABLES: &str = r#"
id = "p"
variable "rev" {
  default = "main"
  allowed = ["main", "next"]
}
variable "count" {
  type        = "number"
  description = "how many"
}
variable "fast" {
  type    = "bool"
  default = false
}
task "t" "alpine" { }
"#;

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_run_gets_what_it_is_given_and_the_defaults() {
    let resolved =
        resolve_variables(&accept(VARIABLES), &given(&[("count", "-1.5"), ("rev", "next")])).unwrap();
    let resolved: Vec<_> = resolved.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(resolved, [("count", "-1.5"), ("fast", "false"), ("rev", "next")]);
}

#[test]
fn everything_that_is_wrong_with_what_is_given_is_told() {
    let wrong = given(&[("rev", "old"), ("fast", "yes"), ("cuont", "1"), ("x", "1")]);
    let problems = resolve_variables(&accept(VARIABLES), &wrong).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "the pipeline has no variable `cuont`",
            "the pipeline has no variable `x`",
            "the variable `count` is required",
            "the variable `fast` must be a bool",
            "the variable `rev` must be one of main, next",
        ]
    );
    let VariableProblem::Unknown { meant: Some(meant), .. } = &problems[0] else { panic!("no suggestion") };
    assert_eq!(meant.as_str(), "count");
}

#[test]
fn what_is_given_is_data() {
    let text = "id = \"p\"\nvariable \"v\" { }\ntask \"t\" \"alpine\" { }\n";
    let resolved = resolve_variables(&accept(text), &given(&[("v", "${var.v} secret{{ k }}")])).unwrap();
    assert_eq!(resolved.values().collect::<Vec<_>>(), ["${var.v} secret{{ k }}"]);
    let problems = resolve_variables(&accept(text), &given(&[("v", "a\0")])).unwrap_err();
    assert!(matches!(problems.as_slice(), [VariableProblem::Nul { .. }]));
}

#[test]
fn numbers_are_written_in_digits() {
    for (text, sound) in [
        ("0", true),
        ("-12.50", true),
        ("1e5", false),
        ("inf", false),
        ("", false),
        ("1.", false),
        ("+1", false),
    ] {
        let result = resolve_variables(&accept(VARIABLES), &given(&[("count", text)]));
        assert_eq!(result.is_ok(), sound, "{text:?}");
    }
}

#[test]
fn every_part_that_a_build_cannot_run_is_named_at_its_place() {
    let source = Source::new("pipeline.hcl", include_str!("corpus/everything.hcl"));
    let parsed = parse(&source, &Limits::default());
    let parts = unsupported(parsed.pipeline.as_ref().unwrap(), &Supported::NONE);
    let mut features: Vec<Feature> = parts.iter().map(|part| part.feature).collect();
    features.sort_unstable();
    features.dedup();
    assert_eq!(features, Feature::ALL);
    let texts: Vec<String> = parts
        .iter()
        .map(|part| render(&part.diagnostic(Severity::Warning, &parsed.spans, &source), &source))
        .collect();
    insta::assert_snapshot!("unsupported", texts.join("\n"));
}

#[test]
fn what_a_build_can_run_is_not_named() {
    let pipeline = accept(include_str!("corpus/everything.hcl"));
    let all = Feature::ALL.iter().fold(Supported::NONE, |supported, feature| supported.with(*feature));
    assert_eq!(unsupported(&pipeline, &all), []);
    let all_but = Feature::ALL
        .iter()
        .filter(|feature| **feature != Feature::InjectToken)
        .fold(Supported::NONE, |supported, feature| supported.with(*feature));
    let left: Vec<_> = unsupported(&pipeline, &all_but).into_iter().map(|part| part.path).collect();
    assert_eq!(left, ["task.compile.inject_token"]);
}

#[test]
fn a_plain_pipeline_runs_everywhere() {
    for text in [include_str!("corpus/original_simple.hcl"), include_str!("corpus/original_dag.hcl")] {
        assert_eq!(unsupported(&accept(text), &Supported::NONE), []);
    }
}

#[test]
fn the_place_of_a_part_that_is_not_written_is_that_of_the_part_around_it() {
    let source = Source::new("p.hcl", "id = \"p\"\ntask \"t\" \"alpine\" {\n  retry = { attempts = 2 }\n}\n");
    let spans = parse(&source, &Limits::default()).spans;
    let text = |path: &str| spans.range(path).map(|range| &source.text()[range]);
    assert_eq!(text("task.t.retry"), Some("retry"));
    assert_eq!(text("task.t.retry.attempts"), Some("attempts"));
    assert_eq!(text("task.t.matrix"), Some("task \"t\" \"alpine\""));
    assert_eq!(text("task.t.image"), Some("\"alpine\""));
    assert_eq!(text("timeout"), None);
}
