//! What is said about files that are refused: exactly, and all at once.

use gofer_pipeline::{Limits, Source, Style, parse, render_parts};

use crate::common::{codes, codes_as, refuse, refuse_as, with_task};

/// A case: its name and the file.
type Case = (&'static str, &'static str);

const FILES: &[Case] = &[
    (
        "sensitive_shown",
        "id = \"p\"\nvariable \"key\" {\n  sensitive = true\n}\ntask \"a\" {\n  approval {\n    message = \"Go with ${var.key}?\"\n  }\n}\ntask \"b\" {\n  pipeline {\n    id = \"other\"\n    variables = { k = var.key }\n  }\n}\ntask \"c\" \"x\" {\n  env_vars = { K = var.key }\n}\n",
    ),
    (
        "two_files_of_one_name",
        "id = \"p\"\ntask \"a\" \"x\" {\n  outputs = { list = \"a.json\" }\n}\ntask \"b\" \"x\" {\n  outputs = { list = \"b.json\" }\n}\n",
    ),
    (
        "sensitive_answer",
        "id = \"p\"\nvariable \"key\" {\n  sensitive = \"yes\"\n}\ntask \"a\" {\n  approval {\n    message = \"Go?\"\n    fields = { pin = { sensitive = true } }\n  }\n}\n",
    ),
    (
        "gate_too_long",
        "id = \"p\"\ntask \"ask\" {\n  approval {\n    message = \"Go?\"\n    expires = \"90d\"\n  }\n}\n",
    ),
    ("unclosed_text", "id = \"build\nname = \"x\"\n"),
    ("unclosed_brace", "id = \"p\"\ntask \"t\" \"a\" {\n  command = [\"x\"]\n"),
    ("unclosed_heredoc", "id = \"p\"\ntask \"t\" \"a\" {\n  script = <<EOT\n  echo\n}\n"),
    ("unclosed_reference", "id = \"p\"\ntask \"t\" \"a\" {\n  script = \"a ${var.x\"\n}\n"),
    ("unclosed_comment", "id = \"p\"\n/* task\n"),
    ("two_on_one_line", "id = \"p\" name = \"x\"\n"),
    ("one_line_block", "id = \"p\"\ntask \"t\" \"a\" {\n  retry { attempts = 3, backoff = \"1s\" }\n}\n"),
    ("bare_store", "id = \"p\"\ntask \"t\" \"a\" {\n  env_vars = { A = secret{{ k }} }\n}\n"),
    ("comma", "id = \"p\",\nname = \"x\"\n"),
    ("no_value", "id =\nname = \"x\"\n"),
    ("escape", "id = \"p\"\nname = \"a\\qb\"\n"),
    ("empty_file", ""),
    ("only_comments", "# nothing\n"),
    ("bare_word", "id = build\ntask \"t\" \"a\" { }\n"),
    (
        "function",
        "id = lower(\"P\")\nname = 1 + 1\ndescription = true ? \"a\" : \"b\"\nlabels = { for k in [1] : k => k }\ntask \"t\" \"a\" { }\n",
    ),
    ("duplicate_attribute", "id = \"p\"\nid = \"q\"\ntask \"t\" \"a\" { }\n"),
    ("duplicate_key", "id = \"p\"\nlabels = { a = 1, \"a\" = 2 }\ntask \"t\" \"a\" { }\n"),
    ("duplicate_task", "id = \"p\"\ntask \"t\" \"a\" { }\ntask \"t\" \"b\" { }\n"),
    (
        "duplicate_trigger",
        "id = \"p\"\ntrigger \"cron\" \"x\" { }\ntrigger \"interval\" \"x\" { }\ntask \"t\" \"a\" { }\n",
    ),
    ("unknown_block", "id = \"p\"\ntasks \"t\" \"a\" { }\ntask \"u\" \"a\" { }\n"),
    (
        "labels",
        "id = \"p\"\ntask \"a\" \"b\" \"c\" { }\nvariable { }\nnotify \"x\" { }\ntask \"t\" \"a\" {\n  retry \"x\" {\n    attempts = 1\n  }\n}\n",
    ),
    (
        "missing_parent",
        "id = \"p\"\ntask \"test\" \"a\" { }\ntask \"package\" \"a\" {\n  depends_on = { tests = \"successful\", other = \"any\" }\n}\n",
    ),
    (
        "cycle",
        "id = \"p\"\ntask \"a\" \"x\" {\n  depends_on = { c = \"any\" }\n}\ntask \"b\" \"x\" {\n  depends_on = { a = \"any\" }\n}\ntask \"c\" \"x\" {\n  depends_on = { b = \"any\" }\n}\n",
    ),
    ("self_edge", "id = \"p\"\ntask \"a\" \"x\" {\n  depends_on = { a = \"any\" }\n}\n"),
    (
        "conditions",
        "id = \"p\"\ntask \"a\" \"x\" { }\ntask \"b\" \"x\" {\n  depends_on = { a = \"succesful\" }\n}\ntask \"c\" \"x\" {\n  depends_on = { a = \"failed\" }\n}\n",
    ),
    ("parents_as_list", "id = \"p\"\ntask \"a\" \"x\" { }\ntask \"b\" \"x\" {\n  depends_on = [\"a\"]\n}\n"),
    (
        "ids",
        "id = \"my build\"\nnamespace = \"a/b\"\nlabels = { \"-x\" = \"y\" }\ntask \"é\" \"x\" { }\ntask \"\" \"x\" { }\ntrigger \"a b\" \"c.d\" { }\n",
    ),
    (
        "words",
        "id = \"p\"\nqueue = \"replaced\"\nvariable \"v\" {\n  type = \"int\"\n}\nnotify \"x\" \"y\" {\n  on = [\"fails\", \"failed\"]\n}\ntask \"t\" \"a\" { }\n",
    ),
    (
        "variables",
        "id = \"p\"\nvariable \"1x\" { }\nvariable \"v\" {\n  type = \"bool\"\n  default = \"yes\"\n}\nvariable \"w\" {\n  default = \"c\"\n  allowed = [\"a\", \"b\"]\n}\nvariable \"w\" { }\ntask \"t\" \"a\" { }\n",
    ),
    (
        "trigger_references",
        "id = \"p\"\nvariable \"v\" { }\ntrigger \"x\" \"y\" {\n  a = var.v\n  b = [\"${run.id}\"]\n  c = pipeline.id\n  d = { e = matrix.os }\n  f { }\n}\ntask \"t\" \"a\" { }\n",
    ),
    (
        "artefacts",
        "id = \"p\"\ntask \"a\" \"x\" {\n  outputs = { dist = [\"/abs\", \"../up\"], log = [\"l\"] }\n}\ntask \"b\" \"x\" {\n  depends_on = { a = \"any\" }\n  inputs = [\"logs\"]\n}\n",
    ),
    ("nothing_to_run", "id = \"p\"\ntask \"t\" { }\n"),
    ("json_shape", "id = \"p\"\ntask = { t = { image = \"a\" } }\n"),
];

const TASKS: &[Case] = &[
    ("unknown_attribute", "comand = [\"x\"]\nenvironment = { }\nxyzzy = 1"),
    (
        "types",
        "command = \"echo hi\"\nenv_vars = [1]\ncleanup = \"yes\"\nworkdir = { }\nresources = { cpu = \"many\" }",
    ),
    ("durations", "timeout = \"1 hour\"\nretry = { attempts = 2, backoff = \"5\" }"),
    ("short_timeout", "timeout = \"30s\""),
    ("long_timeout", "timeout = \"9h\""),
    ("resources", "resources {\n  cpu = 0\n  memory = \"1GB\"\n  disk = \"1GiB\"\n}"),
    ("retry", "retry {\n  attempts = 0\n  factor = 0.5\n  on = [\"success\"]\n  exit_codes = [256, 1.5]\n}"),
    ("retry_without_attempts", "retry { }"),
    ("environment", "env_vars = { \"A=B\" = \"x\", GOFER_RUN_ID = \"1\", \"\" = \"y\", OK = \"a\\u0000b\" }"),
    ("undefined_variable", "env_vars = { A = var.rve, B = \"x ${var.other}\" }"),
    (
        "unknown_facts",
        "env_vars = { A = run.idd, B = pipeline.secret, C = matrix.os, D = var.a.b, E = data.x }",
    ),
    ("shell_variable", "script = <<EOT\necho ${HOME}\nEOT"),
    ("directive", "script = \"%{ if true }x%{ endif }\""),
    ("strip", "script = \"a ${~ var.rev }\""),
    ("index", "env_vars = { A = var.rev[0] }"),
    ("references_in_wrong_places", "workdir = \"/src/${var.rev}\"\nscheduler = var.rev"),
    (
        "stores_in_wrong_places",
        "command = [\"secret{{ k }}\"]\nworkdir = \"run{{ k }}\"\nscript = \"x pipeline{{ k }}\"",
    ),
    (
        "stores_within_text",
        "env_vars = { A = \"Bearer secret{{ k }}\", B = \"secret{{ ${var.rev} }}\", C = \"secret{{ a b }}\" }",
    ),
    ("command_and_script", "command = [\"x\"]\nscript = \"y\""),
    ("shell_alone", "shell = [\"bash\"]"),
    ("empty", "command = []"),
    ("matrix", "matrix = { os = [\"a\", \"a\"], \"b c\" = [1], n = [], m = [\"x,y\"] }"),
    ("late_matrix_alone", "matrix = { os = \"run{{ list }}\" }"),
    (
        "late_matrix",
        "depends_on = { list = \"successful\" }\nmatrix = { os = \"linux\", n = \"secret{{ k }}\", m = \"run{{ a b }}\" }",
    ),
    (
        "one_file_of_many",
        "matrix = { os = [\"a\", \"b\"] }\noutputs = { log = \"log.txt\", dist = [\"dist\"] }",
    ),
    ("output_paths", "outputs = { a = \"/etc/passwd\", b = [\"../up\", \"b/*.js\"], c = [], d = 7 }"),
    ("registry", "registry_auth {\n  usr = \"x\"\n}"),
    ("checkout", "checkout {\n  depth = 0\n  auth = \"secret{{ git }}\"\n}"),
    ("block_for_attribute", "env_vars {\n  A = \"1\"\n}"),
    ("computed_key", "env_vars = { (var.rev) = \"x\" }"),
    ("tabs_and_wide_characters", "\tcommand = [\"ä€\", \"😀 ${var.nope}\"]"),
];

const JSON: &[Case] = &[
    ("json_syntax", "{\"id\": \"p\",\n \"task\": {}},"),
    ("json_trailing_comma", "{\"id\": \"p\",}"),
    ("json_list", "[1]"),
    ("json_escape", "{\"id\": \"\\x\"}"),
    ("json_surrogate", "{\"id\": \"\\ud800x\"}"),
    ("json_number", "{\"id\": 01}"),
    ("json_huge_number", "{\"id\": 1e999}"),
    (
        "json_duplicate",
        "{\"id\": \"p\", \"id\": \"q\", \"task\": {\"a\": {\"image\": \"x\"}, \"a\": {\"image\": \"x\"}}}",
    ),
    (
        "json_places",
        "{\n  \"id\": \"p\",\n  \"task\": {\n    \"a\": {\n      \"comand\": [],\n      \"timeout\": \"x\",\n      \"script\": \"${var.x} ${HOME}\"\n    }\n  }\n}\n",
    ),
    ("json_blocks", "{\"id\": \"p\", \"task\": {\"a\": 1}, \"trigger\": {\"cron\": {\"x\": []}, \"y\": 2}}"),
    ("json_open", "{\"id\": \"p"),
];

#[test]
fn files() {
    for (name, text) in FILES {
        insta::assert_snapshot!(*name, refuse(text));
    }
}

#[test]
fn bodies_of_tasks() {
    for (name, body) in TASKS {
        insta::assert_snapshot!(format!("task_{name}"), refuse(&with_task(body)));
    }
}

#[test]
fn json_files() {
    for (name, text) in JSON {
        insta::assert_snapshot!(*name, refuse_as("pipeline.json", text));
    }
}

#[test]
fn the_form_of_a_problem() {
    let padding = "# a comment\n".repeat(23);
    let text = format!(
        "id = \"p\"\n{padding}task \"test\" \"rust\" {{\n  command = [\"x\"]\n}}\n\ntask \"package\" \"rust\" {{\n    depends_on = {{ tests = \"successful\" }}\n}}\n"
    );
    let expected = "error[E0411]: task `package` depends on `tests`, which does not exist
  --> pipeline.hcl:30:20
30 |     depends_on = { tests = \"successful\" }
   |                    ^^^^^ no task with this name
   = help: a task named `test` is defined on line 25
";
    assert_eq!(refuse(&text), expected);
}

#[test]
fn a_problem_as_json_has_all_its_parts() {
    let source = Source::new("p.hcl", "id = \"p\"\ntask \"t\" \"a\" {\n  comand = []\n}\n");
    let parsed = parse(&source, &Limits::default());
    let json = serde_json::to_value(&parsed.problems[0]).unwrap();
    let expected = serde_json::json!({
        "code": "E0405", "severity": "error", "message": "task `t` has no attribute `comand`", "file": "p.hcl",
        "span": { "line": 3, "column": 3, "start": 26, "end": 32 },
        "label": "no such attribute", "help": ["did you mean `command`?"], "related": [],
    });
    assert_eq!(json, expected);
}

#[test]
fn the_parts_of_a_rendered_problem_have_styles() {
    let source = Source::new("p.hcl", "id = \"p\"\ntask \"t\" \"a\" {\n  comand = []\n}\n");
    let parsed = parse(&source, &Limits::default());
    let parts = render_parts(&parsed.problems[0], &source);
    let of = |style| parts.iter().find(|part| part.style == style).map(|part| part.text.as_str());
    assert_eq!(of(Style::Error), Some("error[E0405]"));
    assert_eq!(of(Style::Source), Some("  comand = []\n"));
    assert_eq!(of(Style::Mark), Some("  ^^^^^^ no such attribute\n"));
}

#[test]
fn a_message_cannot_steer_a_terminal() {
    let text =
        refuse(&with_task("\"\\u001b[2J\u{1b}[31m\" = 1\nworkdir = \"\u{1b}[2J${x}\"\nuser = \"\u{202e}x\""));
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let long = "x".repeat(5_000);
    let text =
        refuse_as("p.json", &format!("{{\"id\": \"p\", \"a\": \"{long}\", \"idd\": 1, \"b\": \"{long}\"}}"));
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    assert!(text.contains("\"idd\""));
}

#[test]
fn problems_come_in_the_order_of_the_file() {
    let text = "id = \"p\"\ntask \"a\" \"x\" {\n  depends_on = { nope = \"any\" }\n}\ntask \"b\" \"x\" {\n  nope = 1\n}\nqueue = \"x\"\n";
    assert_eq!(codes(text), ["E0411", "E0405", "E0418"]);
}

#[test]
fn one_mistake_is_one_problem() {
    let text = "id = \"p\"\nvariable \"v w\" { }\ntask \"a b\" \"x\" {\n  env_vars = { X = var.y }\n}\ntask \"c\" \"x\" {\n  depends_on = { \"a b\" = \"any\" }\n}\n";
    assert_eq!(codes(text), ["E0415", "E0415", "E0421"]);
    assert_eq!(codes_as("p.json", "{\"id\": 1, \"task\": {\"a\": {\"image\": \"${}\"}}}"), ["E0401"]);
}

#[test]
fn what_asks_or_starts_a_pipeline_runs_nothing_by_itself() {
    for (task, code) in [
        ("task \"t\" \"alpine\" { approval = { message = \"Go?\" } }", "E0428"),
        ("task \"t\" {\n approval = { message = \"Go?\" }\n command = [\"true\"]\n}", "E0428"),
        ("task \"t\" {\n approval = { message = \"Go?\" }\n pipeline = { id = \"p\" }\n}", "E0428"),
        ("task \"t\" { approval = { } }", "E0407"),
        ("task \"t\" { approval = { message = \"Go?\", expires = \"90d\" } }", "E0419"),
        ("task \"t\" { approval = { message = \"Go?\", fields = { v = { } } } }", "E0409"),
        ("task \"t\" { pipeline = { id = \"a b\" } }", "E0415"),
        ("task \"t\" { pipeline = { } }", "E0407"),
    ] {
        let text = format!("id = \"p\"\nvariable \"v\" {{ }}\n{task}\n");
        let found = codes(&text);
        assert_eq!(found, [code], "{task}");
    }
}
