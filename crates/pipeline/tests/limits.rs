//! The bounds: accepted at the limit, refused one beyond it, and quickly whatever the input.

use std::fmt::Write as _;

use gofer_pipeline::{Limits, Parsed, Source, parse};
use gofer_types::Span;

use crate::common::with_task;

fn parsed(text: &str, limits: &Limits) -> Parsed {
    parse(&Source::new("p.hcl", text), limits)
}

fn is_limit(text: &str, limits: &Limits) -> bool {
    let parsed = parsed(text, limits);
    let codes: Vec<_> = parsed.problems.iter().map(|problem| problem.code.as_str()).collect();
    match codes.as_slice() {
        [] => false,
        ["E0403"] => true,
        other => panic!("{other:?}: {:?}", parsed.problems),
    }
}

/// A pipeline of a chain of tasks.
fn chain(tasks: usize) -> String {
    let mut text = "id = \"p\"\ntask \"t0\" \"x\" { }\n".to_owned();
    for n in 1..tasks {
        let _ = writeln!(text, "task \"t{n}\" \"x\" {{\n  depends_on = {{ t{} = \"any\" }}\n}}", n - 1);
    }
    text
}

#[test]
fn bytes() {
    let text = with_task("");
    let at = |file_bytes| Limits { file_bytes, ..Limits::default() };
    assert!(!is_limit(&text, &at(text.len())));
    assert!(is_limit(&text, &at(text.len() - 1)));
    assert_eq!(Source::from_bytes("p", text.as_bytes(), &at(3)).unwrap_err().code.as_str(), "E0403");
}

#[test]
fn words_texts_and_signs() {
    let at = |elements| Limits { elements, ..Limits::default() };
    let text = "id = \"p\"\ntask \"t\" \"x\" { }\n";
    assert!(!is_limit(text, &at(7)));
    assert!(is_limit(text, &at(6)));
    let json = Source::new("p.json", r#"{"id": "p", "task": {"t": {"image": "x"}}}"#);
    assert!(parse(&json, &at(10)).pipeline.is_some());
    assert_eq!(parse(&json, &at(9)).problems[0].code.as_str(), "E0403");
}

#[test]
fn levels() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!("id = \"p\"\ntrigger \"a\" \"b\" {{\n  x = {open}{close}\n}}\ntask \"t\" \"x\" {{ }}\n")
    };
    let json = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 4), "]".repeat(depth - 4));
        format!(
            r#"{{"id": "p", "task": {{"t": {{"image": "x"}}}}, "trigger": {{"a": {{"b": {{"x": {open}{close}}}}}}}}}"#
        )
    };
    let limits = Limits::default();
    assert!(!is_limit(&nested(64), &limits));
    assert!(is_limit(&nested(65), &limits));
    let code =
        |text: &str| parse(&Source::new("p.json", text), &limits).problems.first().map(|p| p.code.as_str());
    assert_eq!(code(&json(64)), None);
    assert_eq!(code(&json(65)), Some("E0403"));
}

#[test]
fn tasks_and_dependencies() {
    let text = chain(10);
    let at = |tasks, edges| Limits { tasks, edges, ..Limits::default() };
    assert!(!is_limit(&text, &at(10, 9)));
    assert!(is_limit(&text, &at(9, 9)));
    assert!(is_limit(&text, &at(10, 8)));
}

#[test]
fn combinations_are_refused_with_their_number() {
    let text = with_task("matrix = { a = [1, 2, 3], b = [1, 2] }");
    let at = |matrix_combinations| Limits { matrix_combinations, ..Limits::default() };
    assert!(!is_limit(&text, &at(6)));
    assert!(is_limit(&text, &at(5)));
    assert!(parsed(&text, &at(5)).problems[0].message.contains("6 combinations; at most 5"));
}

#[test]
fn the_environment() {
    let text = with_task("env_vars = { A = \"12\", B = \"34\" }");
    let at = |env_vars, env_bytes| Limits { env_vars, env_bytes, ..Limits::default() };
    assert!(!is_limit(&text, &at(2, 6)));
    assert!(is_limit(&text, &at(1, 6)));
    assert!(is_limit(&text, &at(2, 5)));
}

#[test]
fn time_limits() {
    let limits =
        Limits { timeout_min: Span::from_secs(1), timeout_max: Span::from_secs(2), ..Limits::default() };
    for (timeout, accepted) in [("1s", true), ("2s", true), ("999ms", false), ("2001ms", false)] {
        let text = with_task(&format!("timeout = \"{timeout}\""));
        assert_eq!(parsed(&text, &limits).pipeline.is_some(), accepted, "{timeout}");
    }
}

#[test]
fn lengths_of_names() {
    let limits = Limits {
        pipeline_id_length: 3,
        task_id_length: 2,
        name_length: 4,
        description_length: 5,
        ..Limits::default()
    };
    let file = |id: &str, name: &str, description: &str, task: &str| {
        format!(
            "id = \"{id}\"\nname = \"{name}\"\ndescription = \"{description}\"\ntask \"{task}\" \"x\" {{ }}\n"
        )
    };
    assert!(parsed(&file("abc", "äöüß", " 12345 ", "ab"), &limits).problems.is_empty());
    let codes: Vec<_> = parsed(&file("abcd", "12345", "123456", "abc"), &limits)
        .problems
        .iter()
        .map(|p| p.code.as_str())
        .collect();
    assert_eq!(codes, ["E0415", "E0419", "E0419", "E0415"]);
}

#[test]
fn problems_are_told_up_to_the_limit_and_counted_beyond() {
    let mut text = "id = \"p\"\ntask \"t\" \"x\" { }\n".to_owned();
    (0..150).for_each(|n| {
        let _ = writeln!(text, "nope{n} = 1");
    });
    let parsed = parsed(&text, &Limits::default());
    assert_eq!((parsed.problems.len(), parsed.omitted), (100, 50));
    assert!(parsed.pipeline.is_none());
}

#[test]
fn a_chain_of_ten_thousand_tasks_does_not_recurse() {
    let limits = Limits { tasks: 10_000, ..Limits::default() };
    let pipeline = parsed(&chain(10_000), &limits).pipeline.unwrap();
    assert_eq!(pipeline.tasks.len(), 10_000);
    let ring = chain(10_000).replacen("\"x\" { }", "\"x\" {\n  depends_on = { t9999 = \"any\" }\n}", 1);
    let problems = parsed(&ring, &limits).problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.contains("`t5000`"));
}

#[test]
fn hostile_files_end_soon() {
    let size = 1 << 18;
    let repeat = |head: &str, piece: &str, tail: &str| {
        head.to_owned() + &piece.repeat((size - head.len() - tail.len()) / piece.len()) + tail
    };
    let numbered = |head: &str, piece: fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut n = 0;
        while text.len() < size - 32 {
            text.push_str(&piece(n));
            n += 1;
        }
        text + tail
    };
    let files = [
        repeat("a = ", "[", ""),
        repeat("a = ", "{a=", ""),
        repeat("a = ", "(", ""),
        repeat("a = \"", "${\"", ""),
        repeat("a = ", "!", "1"),
        repeat("a = 1", "+1", ""),
        repeat("a = 1", "?1:1", ""),
        repeat("a = a", ".a", ""),
        repeat("a = a", "[0]", ""),
        repeat("a ", "{\na ", ""),
        repeat("a = <<A\n", "\n ", "A\n"),
        repeat("a = <<A\n", "%{ if a }", ""),
        repeat("id = \"", "secret{{", "\"\ntask \"a\" \"b\" {}\n"),
        repeat("id = \"", "${var.a}", "\"\ntask \"a\" \"b\" {}\n"),
        repeat("", "/*", ""),
        repeat("", "task \"a\" \"b\" {}\n", ""),
        repeat("a = \"", "x", "\"\n"),
        numbered("", |n| format!("a{n}=1\n"), ""),
        numbered("labels = {", |n| format!("a{n}=1,"), "}\n"),
        numbered("id = \"p\"\ntask \"a\" \"b\" {\n", |n| format!("  a{n} = x{n}\n"), "}\n"),
        numbered(
            "id = \"p\"\n",
            |n| {
                format!(
                    "task \"{}{n}\" \"b\" {{\n depends_on = {{ {}{} = \"any\" }}\n}}\n",
                    "t".repeat(60),
                    "t".repeat(60),
                    n + 90_000
                )
            },
            "",
        ),
    ];
    for text in &files {
        for name in ["p.hcl", "p.json"] {
            let parsed = parse(&Source::new(name, text.as_str()), &Limits::default());
            assert!(parsed.pipeline.is_none());
        }
    }
    for text in [
        repeat("{\"a\": ", "[", ""),
        repeat("", "{\"a\":", ""),
        repeat("{\"a\": \"", "\\u0041", "\"}"),
        repeat("{\"a\": \"", "${", "\"}"),
        numbered("{\"a\": 1", |n| format!(",\"a{n}\":1"), "}"),
        numbered(
            "{\"id\": \"p\", \"task\": {\"a\": {\"image\": \"x\"}",
            |n| format!(",\"a{n}\":{{\"image\":\"x\"}}"),
            "}}",
        ),
    ] {
        assert!(parse(&Source::new("p.json", text), &Limits::default()).pipeline.is_none());
    }
}
