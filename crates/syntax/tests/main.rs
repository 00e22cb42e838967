//! The form of files: what both notations become, and what is said where the form is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use gofer_syntax::tree::{Item, Kind, Part};
use gofer_syntax::{Blocks, ReadLimits, Reading, Source, Syntax, codes, read, render};
use proptest::prelude::*;

const BLOCKS: &Blocks = &[("step", 1), ("hook", 2)];

/// The tree of a file, without its places, and the problems as they are rendered.
fn read_as(name: &str, text: &str, limits: ReadLimits) -> (Option<String>, Vec<String>) {
    let source = Source::new(name, text);
    let mut reading = Reading::new(&source, limits);
    let tree = read(&mut reading, BLOCKS).map(|items| shape(&items));
    let (problems, _) = reading.finish();
    (tree, problems.iter().map(|problem| render(problem, &source)).collect())
}

fn tree(name: &str, text: &str) -> String {
    let (tree, problems) = read_as(name, text, ReadLimits::default());
    assert!(problems.is_empty(), "{problems:?}");
    tree.unwrap()
}

/// The code of the only problem.
fn refused(name: &str, text: &str, limits: ReadLimits) -> String {
    let (_, problems) = read_as(name, text, limits);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

fn shape(items: &[Item]) -> String {
    let item = |item: &Item| {
        let labels: String = item.labels.iter().map(|label| format!(" {}", label.text)).collect();
        let sign = if item.block { "" } else { " =" };
        format!("{}{labels}{sign} {}", item.key.text, value(&item.value.kind))
    };
    format!("{{ {} }}", items.iter().map(item).collect::<Vec<_>>().join("; "))
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(word) => word.to_string(),
        Kind::Number(number) => number.to_string(),
        Kind::Text(parts) => parts.iter().map(part).collect::<Vec<_>>().join("+"),
        Kind::List(values) => {
            format!("[{}]", values.iter().map(|node| value(&node.kind)).collect::<Vec<_>>().join(", "))
        }
        Kind::Map(items) => shape(items),
        Kind::Invalid => "invalid".to_owned(),
    }
}

fn part(part: &Part) -> String {
    match part {
        Part::Literal(text) => format!("{text:?}"),
        Part::Reference { root, name, .. } => format!("{root:?}.{name}"),
    }
}

#[test]
fn both_notations_become_the_same_tree() {
    let hcl = "a = 1\nb = [true, null, \"x ${var.y}\"]\nstep \"s\" {\n  c = { d = \"$${e}\" }\n}\nhook \"k\" \"l\" {}\n";
    let json = r#"{ "a": 1, "b": [true, null, "x ${var.y}"],
        "step": { "s": { "c": { "d": "$${e}" } } }, "hook": { "k": { "l": {} } } }"#;
    let expected = r#"{ a = 1; b = [true, null, "x "+Var.y]; step s { c = { d = "${e}" } }; hook k l {  } }"#;
    assert_eq!(tree("p.hcl", hcl), expected);
    assert_eq!(tree("p.json", json), expected);
}

#[test]
fn a_word_that_stands_for_no_block_is_a_map() {
    assert_eq!(tree("p.json", r#"{ "other": { "s": {} } }"#), "{ other = { s = {  } } }");
}

#[test]
fn a_block_that_is_no_map_is_refused_with_the_form_of_its_labels() {
    let problem = refused("p.json", r#"{ "hook": 1 }"#, ReadLimits::default());
    assert!(problem.contains(codes::WRONG_TYPE.as_str()) && problem.contains("\"<kind>\""), "{problem}");
    let problem = refused("p.json", r#"{ "step": 1 }"#, ReadLimits::default());
    assert!(problem.contains("\"<name>\""), "{problem}");
}

#[test]
fn a_key_that_is_written_twice_is_refused_in_both_notations() {
    for (name, text) in [("p.json", r#"{ "a": 1, "a": 2 }"#), ("p.hcl", "m = { a = 1, a = 2 }\n")] {
        let problem = refused(name, text, ReadLimits::default());
        assert!(problem.contains(codes::DUPLICATE.as_str()), "{problem}");
    }
}

#[test]
fn every_bound_is_kept_in_both_notations() {
    let files = [
        ("p.json", r#"{ "a": [[[[1]]]], "b": [1, 2, 3, 4] }"#),
        ("p.hcl", "a = [[[[1]]]]\nb = [1, 2, 3, 4]\n"),
    ];
    let all = ReadLimits::default();
    let bounds = [
        ReadLimits { file_bytes: 8, ..all },
        ReadLimits { elements: 8, ..all },
        ReadLimits { depth: 3, ..all },
    ];
    for (name, text) in files {
        for limits in bounds {
            let problem = refused(name, text, limits);
            assert!(problem.contains(codes::LIMIT.as_str()), "{name}: {limits:?}: {problem}");
        }
        assert!(read_as(name, text, all).1.is_empty());
    }
}

#[test]
fn problems_beyond_the_bound_are_counted() {
    let source = Source::new("p.hcl", "a = f()\nb = f()\nc = f()\n");
    let mut reading = Reading::new(&source, ReadLimits { problems: 2, ..ReadLimits::default() });
    read(&mut reading, BLOCKS);
    assert!(reading.is_full() && reading.has_errors());
    let (problems, omitted) = reading.finish();
    assert_eq!((problems.len(), omitted), (2, 1));
    assert!(problems.iter().all(|problem| problem.code == codes::EXPRESSION));
}

#[test]
fn a_problem_points_at_its_characters() {
    let problem = refused("p.hcl", "\u{feff}é = \"x\" + 1\n", ReadLimits::default());
    let expected = "error[E0404]: pipeline files do not compute: an operator cannot be used\n \
                    --> p.hcl:1:5\n1 | é = \"x\" + 1\n  |     ^^^^^^^ only texts";
    assert!(problem.starts_with(expected), "{problem}");
}

#[test]
fn what_steers_a_terminal_is_not_printed() {
    let problem = refused("p.hcl", "a = f(\"\u{1b}[2J\u{202e}\")\n", ReadLimits::default());
    assert!(!problem.contains(['\u{1b}', '\u{202e}']), "{problem}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[\\PC\n\"{}\\[\\]$<=:,\\\\]{0,200}", json: bool) {
        let syntax = if json { Syntax::Json } else { Syntax::Hcl };
        let source = Source::with_syntax("p", text, syntax);
        let mut reading = Reading::new(&source, ReadLimits::default());
        let whole = read(&mut reading, BLOCKS).is_some();
        let (problems, _) = reading.finish();
        prop_assert!(whole || !problems.is_empty());
        for problem in &problems {
            prop_assert!(problem.span.is_none_or(|span| span.start <= span.end && span.end <= source.text().len()));
            prop_assert!(!render(problem, &source).is_empty());
        }
    }
}
