//! What holds for any input.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gofer_pipeline::{Limits, Source, Syntax, digest, parse, render, render_parts};
use gofer_types::pipeline::{Action, DEFAULT_SHELL, Pipeline, Task};
use gofer_types::{Condition, TaskId};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::common::{accept, accept_as, codes};

/// Pieces of the language, so that random files get past the first line.
const PIECES: &[&str] = &[
    "id",
    "name",
    "task",
    "trigger",
    "variable",
    "retry",
    "env_vars",
    "depends_on",
    "command",
    "script",
    "matrix",
    "=",
    "=",
    ":",
    ",",
    "\n",
    "\n",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\"a\"",
    "\"b\"",
    "\"any\"",
    "${",
    "}",
    "%{",
    "$${",
    "var.x",
    "run.id",
    "secret{{ k }}",
    "{{",
    "}}",
    "<<EOT\n",
    "\nEOT\n",
    "<<-A\n",
    "\nA\n",
    "1",
    "-1",
    "0.5",
    "true",
    "null",
    "for",
    "if",
    "?",
    "#",
    "//",
    "/*",
    "*/",
    "\\",
    "\\u0000",
    "\0",
    "\u{feff}",
    "é",
    "\r\n",
    "\t",
    " ",
    " ",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

fn never_panics(text: &str) {
    for syntax in [Syntax::Hcl, Syntax::Json] {
        let source = Source::with_syntax("p", text, syntax);
        let parsed = parse(&source, &Limits::default());
        assert!(
            parsed.pipeline.is_some() || !parsed.problems.is_empty(),
            "nothing is said about what is refused"
        );
        for problem in &parsed.problems {
            let rendered = render(problem, &source);
            assert!(rendered.ends_with('\n') && !render_parts(problem, &source).is_empty());
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,12}"
}

/// Any text that a file can hold, with what must be escaped in either notation.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "[ -~]{0,6}",
        "[äé😀\n\t\r]{0,3}",
        Just("\\".to_owned()),
        Just("\"".to_owned()),
        Just("$${".to_owned()),
        Just("${".to_owned()),
        Just("%{".to_owned()),
        Just("$".to_owned()),
    ];
    let texts = prop::collection::vec(pieces, 0..5).prop_map(|pieces| pieces.concat());
    texts.prop_filter("a store's value is not a text", |text| !text.contains("{{"))
}

/// A pipeline as a value: its attributes and its tasks with theirs.
fn tree() -> impl Strategy<Value = Json> {
    let env = prop::collection::btree_map("[A-FH-Z][A-Z0-9_]{0,5}", text(), 0..3);
    let task = (
        prop::collection::vec(text(), 1..4),
        env,
        any::<bool>(),
        300_u32..28_800,
        prop::option::of(1_u32..100),
    );
    let task = task.prop_map(|(command, env, cleanup, seconds, attempts)| {
        let mut task = json!({
            "image": "alpine", "command": command, "env_vars": env, "cleanup": cleanup,
            "timeout": format!("{seconds}s"),
        });
        if let Some(attempts) = attempts {
            task["retry"] = json!({ "attempts": attempts, "factor": 1.5 });
        }
        task
    });
    let tasks = prop::collection::btree_map(word(), task, 1..5);
    (word(), "[ -~]{0,40}", 0_u32..9, tasks).prop_map(|(id, description, parallelism, tasks)| {
        let description = description.replace('{', "");
        json!({ "id": id, "description": description, "parallelism": parallelism, "task": tasks })
    })
}

fn escaped(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

/// The value with every text escaped, as texts are templates.
fn json_file(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(escaped(text)),
        Json::Array(values) => values.iter().map(json_file).collect(),
        Json::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), json_file(value))).collect(),
        other => other.clone(),
    }
}

fn hcl_value(value: &Json) -> String {
    match value {
        Json::String(text) => {
            let text = escaped(text).replace('\\', "\\\\").replace('"', "\\\"");
            let text = text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
            format!("\"{text}\"")
        }
        Json::Array(values) => format!("[{}]", values.iter().map(hcl_value).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("\"{key}\" = {}", hcl_value(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn hcl_file(tree: &Json) -> String {
    let mut file = String::new();
    for (key, value) in tree.as_object().unwrap() {
        let Some(tasks) = value.as_object().filter(|_| key == "task") else {
            let _ = writeln!(file, "{key} = {}", hcl_value(value));
            continue;
        };
        for (id, task) in tasks {
            let _ = writeln!(file, "task \"{id}\" {{");
            for (key, value) in task.as_object().unwrap() {
                let _ = writeln!(file, "  {key} = {}", hcl_value(value));
            }
            file.push_str("}\n");
        }
    }
    file
}

/// Edges of a graph without a cycle: each task may depend on earlier ones.
fn dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (2_usize..30).prop_flat_map(|count| {
        let edges = prop::collection::vec((1..count, any::<prop::sample::Index>()), 0..60);
        edges.prop_map(move |edges| {
            let mut parents = vec![Vec::new(); count];
            for (child, parent) in edges {
                let parent = parent.index(child);
                if !parents[child].contains(&parent) {
                    parents[child].push(parent);
                }
            }
            parents
        })
    })
}

fn graph_file(parents: &[Vec<usize>]) -> String {
    let mut file = "id = \"p\"\n".to_owned();
    for (task, parents) in parents.iter().enumerate() {
        let parents: Vec<_> = parents.iter().map(|parent| format!("t{parent} = \"any\"")).collect();
        let _ = writeln!(file, "task \"t{task}\" \"x\" {{\n  depends_on = {{ {} }}\n}}", parents.join(", "));
    }
    file
}

/// Whether there is a way from one task up to another.
fn leads(parents: &[Vec<usize>], from: usize, to: usize) -> bool {
    from == to || parents[from].iter().any(|parent| leads(parents, *parent, to))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(source) = Source::from_bytes("p.hcl", &bytes, &Limits::default()) {
            never_panics(source.text());
        }
        never_panics(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_soup_of_the_language_is_read_without_a_panic(text in soup()) {
        never_panics(&text);
        never_panics(&format!("id = \"p\"\ntask \"t\" \"x\" {{\n{text}\n}}\n"));
    }

    #[test]
    fn a_file_with_a_piece_cut_out_is_read_without_a_panic(from in 0_usize..2_000, length in 0_usize..200) {
        for text in [include_str!("corpus/everything.hcl"), include_str!("corpus/everything.json")] {
            let from = text.floor_char_boundary(from.min(text.len()));
            let to = text.floor_char_boundary((from + length).min(text.len()));
            never_panics(&format!("{}{}", &text[..from], &text[to..]));
        }
    }

    #[test]
    fn both_notations_of_a_tree_are_the_same_pipeline(tree in tree()) {
        let hcl = accept(&hcl_file(&tree));
        let json = accept_as("p.json", &json_file(&tree).to_string());
        prop_assert_eq!(&hcl, &json);
        prop_assert_eq!(digest(&hcl), digest(&json));
        let stored: Pipeline = serde_json::from_str(&serde_json::to_string(&hcl).unwrap()).unwrap();
        prop_assert_eq!(digest(&stored), digest(&hcl));
    }

    #[test]
    fn a_graph_without_a_cycle_is_accepted(parents in dag()) {
        let pipeline = accept(&graph_file(&parents));
        prop_assert_eq!(pipeline.tasks.len(), parents.len());
    }

    #[test]
    fn an_edge_back_is_refused_with_the_cycle(mut parents in dag(), pick in any::<prop::sample::Index>()) {
        let edges: Vec<(usize, usize)> = (0..parents.len())
            .flat_map(|child| (0..child).map(move |parent| (child, parent)))
            .filter(|(child, parent)| leads(&parents, *child, *parent))
            .collect();
        prop_assume!(!edges.is_empty());
        let (child, parent) = edges[pick.index(edges.len())];
        parents[parent].push(child);
        let file = graph_file(&parents);
        prop_assert_eq!(codes(&file), ["E0412"]);
        let parsed = parse(&Source::new("p.hcl", file), &Limits::default());
        let message = &parsed.problems[0].message;
        let named: Vec<usize> = message.split('`').filter_map(|name| name.strip_prefix('t')?.parse().ok()).collect();
        prop_assert_eq!(named.first(), named.last());
        for pair in named.windows(2) {
            prop_assert!(parents[pair[0]].contains(&pair[1]), "{}", message);
        }
        prop_assert!(named.contains(&child) && named.contains(&parent), "{}", message);
    }

    #[test]
    fn a_task_is_what_its_parts_say(ids in prop::collection::btree_set("[a-z]{1,6}", 1..6), condition in 0_usize..4) {
        let condition = Condition::ALL[condition];
        let mut file = "id = \"p\"\n".to_owned();
        let mut expected: Vec<Task> = Vec::new();
        for id in &ids {
            let parent: BTreeMap<TaskId, Condition> =
                expected.last().map(|parent| (parent.id.clone(), condition)).into_iter().collect();
            let depends: Vec<_> = parent.iter().map(|(id, condition)| format!("{id} = \"{condition}\"")).collect();
            let _ = writeln!(file, "task \"{id}\" {{\n  script = \"{id}\"\n  depends_on = {{ {} }}\n}}", depends.join(""));
            let shell = DEFAULT_SHELL.map(str::to_owned).to_vec();
            let action = Action::Script { shell, script: id.as_str().into() };
            expected.push(Task { depends_on: parent, ..Task::new(TaskId::new(id.as_str()).unwrap(), action) });
        }
        prop_assert_eq!(accept(&file).tasks, expected);
    }
}
