//! What all of the tests need.

use gofer_pipeline::{Limits, Parsed, Source, parse, render};
use gofer_types::Pipeline;
use gofer_types::pipeline::Task;

/// A file that must be accepted.
pub(crate) fn accept_as(name: &str, text: &str) -> Pipeline {
    let source = Source::new(name, text);
    let parsed = parse(&source, &Limits::default());
    match parsed.pipeline {
        Some(pipeline) if parsed.problems.is_empty() => pipeline,
        _ => panic!("{}", rendered(&parsed, &source)),
    }
}

pub(crate) fn accept(text: &str) -> Pipeline {
    accept_as("pipeline.hcl", text)
}

/// A pipeline whose one task has the given body.
pub(crate) fn task(body: &str) -> Task {
    accept(&with_task(body)).tasks.into_iter().next().unwrap()
}

pub(crate) fn with_task(body: &str) -> String {
    format!(
        "id = \"p\"\nvariable \"rev\" {{\n  default = \"main\"\n}}\ntask \"t\" \"alpine\" {{\n{body}\n}}\n"
    )
}

pub(crate) fn rendered(parsed: &Parsed, source: &Source) -> String {
    let texts: Vec<String> = parsed.problems.iter().map(|problem| render(problem, source)).collect();
    let omitted = if parsed.omitted > 0 { format!("\n({} more)\n", parsed.omitted) } else { String::new() };
    texts.join("\n") + &omitted
}

/// What is said about a file that must be refused.
pub(crate) fn refuse_as(name: &str, text: &str) -> String {
    let source = Source::new(name, text);
    let parsed = parse(&source, &Limits::default());
    assert!(parsed.pipeline.is_none(), "accepted: {text}");
    rendered(&parsed, &source)
}

pub(crate) fn refuse(text: &str) -> String {
    refuse_as("pipeline.hcl", text)
}

/// The codes of what is said about a file.
pub(crate) fn codes(text: &str) -> Vec<&'static str> {
    codes_as("pipeline.hcl", text)
}

pub(crate) fn codes_as(name: &str, text: &str) -> Vec<&'static str> {
    let parsed = parse(&Source::new(name, text), &Limits::default());
    parsed.problems.iter().map(|problem| problem.code.as_str()).collect()
}
