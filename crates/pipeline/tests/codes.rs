//! Every code has a page, and the examples of the page are true.

use std::path::PathBuf;

use gofer_pipeline::{CODES, Limits, Severity, Source, Supported, parse, unsupported};

use crate::common::accept;

fn page(code: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors").join(format!("{code}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The examples of a page: those behind "Refused:" and those behind "Accepted:".
fn examples<'p>(page: &'p str, word: &str) -> Vec<&'p str> {
    let marker = format!("{word}:\n\n```hcl\n");
    page.split(&marker).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_code_has_a_page_with_its_title() {
    for (code, title) in CODES {
        let page = page(code.as_str());
        assert!(page.starts_with(&format!("# {code}: {title}\n")), "{code}: the page has another title");
        assert!(!examples(&page, "Accepted").is_empty(), "{code}: the page has no example that is accepted");
    }
}

#[test]
fn every_page_has_its_code() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.trim_end_matches(".md");
        if code.starts_with("E04") {
            assert!(CODES.iter().any(|(known, _)| known.as_str() == code), "{name} belongs to no code");
        }
    }
}

#[test]
fn the_refused_example_of_each_page_provokes_its_code_alone() {
    for (code, _) in CODES {
        let page = page(code.as_str());
        let refused = examples(&page, "Refused");
        if code.as_str() == "E0402" {
            assert!(refused.is_empty(), "a page cannot show bytes that are no text");
            continue;
        }
        assert_eq!(refused.len(), 1, "{code}: one refused example");
        let source = Source::new("pipeline.hcl", refused[0]);
        let parsed = parse(&source, &Limits::default());
        let mut problems = parsed.problems;
        if let Some(pipeline) = &parsed.pipeline {
            let parts = unsupported(pipeline, &Supported::NONE);
            problems
                .extend(parts.iter().map(|part| part.diagnostic(Severity::Error, &parsed.spans, &source)));
        }
        let found: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(found, [*code]);
    }
}

#[test]
fn the_accepted_examples_of_each_page_are_accepted() {
    for (code, _) in CODES {
        for example in examples(&page(code.as_str()), "Accepted") {
            accept(example);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    let problem =
        Source::from_bytes("p.hcl", b"id = \"a\"\nname = \"\xff\"", &Limits::default()).unwrap_err();
    assert_eq!(problem.code.as_str(), "E0402");
    let span = problem.span.unwrap();
    assert_eq!((span.line, span.column), (2, 9));
}
