//! What the language accepts, and what it makes of it.

use gofer_pipeline::digest;
use gofer_types::pipeline::{
    Action, Axis, Output, QueuePolicy, ReferenceRoot, Store, TemplatePart, Text, Value, VariableType,
};
use gofer_types::{ByteSize, Condition, Span};

use crate::common::{accept, accept_as, codes, task, with_task};

const EVERYTHING: &str = include_str!("corpus/everything.hcl");
const EVERYTHING_JSON: &str = include_str!("corpus/everything.json");

#[test]
fn every_attribute_and_block_arrives() {
    let pipeline = accept(EVERYTHING);
    insta::assert_snapshot!("everything", format!("{pipeline:#?}"));
}

#[test]
fn the_same_tree_as_json_is_the_same_pipeline() {
    let (hcl, json) = (accept(EVERYTHING), accept_as("pipeline.json", EVERYTHING_JSON));
    assert_eq!(hcl, json);
    assert_eq!(digest(&hcl), digest(&json));
}

#[test]
fn files_of_the_original_stay_valid() {
    for (name, text) in [
        ("simple", include_str!("corpus/original_simple.hcl")),
        ("secrets", include_str!("corpus/original_secrets.hcl")),
        ("trigger", include_str!("corpus/original_trigger.hcl")),
        ("dag", include_str!("corpus/original_dag.hcl")),
        ("script", include_str!("corpus/script.hcl")),
    ] {
        let pipeline = accept_as(&format!("{name}.hcl"), text);
        insta::assert_snapshot!(format!("corpus_{name}"), serde_json::to_string_pretty(&pipeline).unwrap());
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let pipeline = accept("id = \"p\"\ntask \"t\" \"alpine\" { }\n");
    assert_eq!((pipeline.name.as_str(), pipeline.parallelism, pipeline.queue), ("p", 0, QueuePolicy::Wait));
    assert!(pipeline.logging && !pipeline.exec && pipeline.namespace.is_none());
    assert_eq!(pipeline.tasks[0].action, Action::Image);
}

#[test]
fn sequential_means_one_run_at_a_time() {
    assert_eq!(accept("id = \"p\"\nsequential = true\ntask \"t\" \"a\" { }\n").parallelism, 1);
    assert_eq!(accept("id = \"p\"\nsequential = false\ntask \"t\" \"a\" { }\n").parallelism, 0);
    assert_eq!(codes("id = \"p\"\nsequential = true\nparallelism = 3\ntask \"t\" \"a\" { }\n"), ["E0428"]);
}

#[test]
fn a_matrix_may_take_its_values_from_an_object_that_a_parent_leaves() {
    let text = "id = \"p\"\ntask \"list\" \"a\" {\n  outputs = { platforms = \"out/list.json\", log = [\"log\"] }\n}\n\
        task \"build\" \"a\" {\n  depends_on = { list = \"successful\" }\n  inputs = [\"log\", \"platforms\"]\n\
        \x20 matrix = { os = \"run{{ platforms }}\", n = [1, 2] }\n  command = [\"make\", matrix.os]\n}\n";
    let pipeline = accept(text);
    let (list, build) = (&pipeline.tasks[0], &pipeline.tasks[1]);
    assert_eq!(list.outputs["platforms"], Output::File("out/list.json".to_owned()));
    assert_eq!(list.outputs["log"], Output::Archive(vec!["log".to_owned()]));
    assert_eq!(build.matrix["os"], Axis::Object("platforms".to_owned()));
    assert!(build.fans_out_late() && !list.fans_out_late());
}

#[test]
fn a_variable_may_be_sensitive() {
    let text =
        "id = \"p\"\nvariable \"key\" {\n  sensitive = true\n}\nvariable \"rev\" { }\ntask \"t\" \"a\" { }\n";
    let sensitive: Vec<bool> = accept(text).variables.values().map(|variable| variable.sensitive).collect();
    assert_eq!(sensitive, [true, false]);
}

#[test]
fn the_image_is_a_label_or_an_attribute() {
    let label = accept("id = \"p\"\ntask \"t\" \"alpine:3\" { }\n");
    let attribute = accept("id = \"p\"\ntask \"t\" {\n  image = \"alpine:3\"\n}\n");
    assert_eq!(label, attribute);
    assert_eq!(codes("id = \"p\"\ntask \"t\" \"a\" {\n  image = \"b\"\n}\n"), ["E0428"]);
}

#[test]
fn parts_are_blocks_or_maps() {
    let block = task("retry {\n  attempts = 3\n  backoff = \"1s\"\n}");
    let map = task("retry = { attempts = 3, backoff = \"1s\" }");
    assert_eq!(block, map);
    assert_eq!(block.retry.unwrap().max_backoff, Span::from_secs(300));
}

#[test]
fn the_longest_wait_is_never_shorter_than_the_first() {
    let unsaid = task("retry {\n  attempts = 2\n  backoff = \"10m\"\n}");
    assert_eq!(unsaid.retry.unwrap().max_backoff, Span::from_secs(600));
    let text =
        "id = \"p\"\ntask \"t\" \"x\" {\n  retry {\n    attempts = 2\n    max_backoff = \"5s\"\n  }\n}\n";
    assert_eq!(codes(text), ["E0419"]);
}

#[test]
fn maps_take_colons_and_quoted_keys_and_words_in_capitals() {
    let text = "id = \"p\"\ntask \"a\" \"x\" { }\ntask \"b\" \"x\" {\n  depends_on = { \"a\" : \"SUCCESSFUL\" }\n}\n";
    let tasks = accept(text).tasks;
    assert_eq!(tasks[1].depends_on.values().collect::<Vec<_>>(), [&Condition::Successful]);
}

#[test]
fn references_are_kept_for_the_run() {
    let var = TemplatePart::Reference { root: ReferenceRoot::Var, name: "rev".to_owned() };
    let bare = task("env_vars = { A = var.rev }");
    let quoted = task("env_vars = { A = \"${var.rev}\" }");
    assert_eq!(bare, quoted);
    let Text::Template(template) = &bare.env_vars["A"] else { panic!("not a template") };
    assert_eq!(template.parts, std::slice::from_ref(&var));
    let mixed = task("command = [\"a ${ var.rev } b $${x} %%{y}\"]");
    let Action::Command(command) = mixed.action else { panic!("no command") };
    let Text::Template(template) = &command[0] else { panic!("not a template") };
    let literal = |text: &str| TemplatePart::Literal(text.to_owned());
    assert_eq!(template.parts, [literal("a "), var, literal(" b ${x} %{y}")]);
}

#[test]
fn a_heredoc_is_a_text_of_several_lines() {
    let plain = task("script = <<EOT\necho $HOME\n  echo $${HOME}\nEOT");
    let indented = task("script = <<-EOT\n    echo $HOME\n      echo $${HOME}\n    EOT");
    let carriage = task("script = <<EOT\r\necho $HOME\r\n  echo $${HOME}\r\nEOT");
    for task in [plain, indented, carriage] {
        let Action::Script { script, shell } = task.action else { panic!("no script") };
        assert_eq!(script, Text::from("echo $HOME\n  echo ${HOME}\n"));
        assert_eq!(shell, ["sh", "-eu", "-c"]);
    }
}

#[test]
fn a_file_with_a_byte_order_mark_and_carriage_returns_is_accepted() {
    let text = "\u{feff}id = \"p\"\r\ntask \"t\" \"alpine\" {\r\n  command = [\"true\"]\r\n}\r\n";
    assert_eq!(accept(text), accept(&text.replace(['\u{feff}', '\r'], "")));
}

#[test]
fn a_store_stands_for_a_whole_value() {
    let task =
        task("env_vars = { A = \" secret{{ a/b }} \", B = \"{{ x }}\", C = \"helm run{{ .Values }}\" }");
    let Text::Store(store) = &task.env_vars["A"] else { panic!("no store") };
    assert_eq!((store.store, store.key.as_str()), (Store::Secret, "a/b"));
    assert_eq!(task.env_vars["B"], Text::from("{{ x }}"));
    assert_eq!(task.env_vars["C"], Text::from("helm run{{ .Values }}"));
}

#[test]
fn numbers_and_truth_values_are_texts_where_texts_are_wanted() {
    let task = task("user = 1000\nenv_vars = { A = 1, B = true, C = 0.5, D = -3 }\nalways_pull = \"true\"");
    assert_eq!(task.user.as_deref(), Some("1000"));
    assert_eq!(
        task.env_vars.values().cloned().collect::<Vec<_>>(),
        ["1", "true", "0.5", "-3"].map(Text::from)
    );
    assert!(task.always_pull);
}

#[test]
fn null_is_absence() {
    let with = accept(&with_task("timeout = null\nenv_vars = null"));
    assert_eq!(with, accept(&with_task("")));
}

#[test]
fn resources_are_cores_and_bytes() {
    let resources = task("resources = { cpu = 0.5, memory = \"256MiB\" }").resources;
    assert_eq!((resources.cpu, resources.memory), (Some(0.5), Some(ByteSize::from_mib(256))));
}

#[test]
fn settings_of_plugins_are_handed_on() {
    let text = "id = \"p\"\ntrigger \"x\" \"y\" {\n  a = [1, { b = null }, true]\n  c = \"secret{{ k }}\"\n}\ntask \"t\" \"a\" { }\n";
    let settings = &accept(text).triggers[0].settings;
    let inner = Value::Map([("b".to_owned(), Value::Null)].into());
    assert_eq!(settings["a"], Value::List(vec![Value::Number(1.0), inner, Value::Bool(true)]));
    assert!(matches!(&settings["c"], Value::String(Text::Store(_))));
}

#[test]
fn a_trigger_gives_variables_that_are_defined() {
    let head = "id = \"p\"\nvariable \"n\" {\n  type = \"number\"\n}\ntask \"t\" \"a\" { }\n";
    let with = |value: &str| format!("{head}trigger \"x\" \"y\" {{\n  variables = {value}\n}}\n");
    let pipeline = accept(&with("{ n = 3 }"));
    assert_eq!(pipeline.triggers[0].variables["n"], "3");
    assert_eq!(pipeline.variables["n"].kind, VariableType::Number);
    assert_eq!(codes(&with("{ n = \"x\" }")), ["E0430"]);
    assert_eq!(codes(&with("{ m = 3 }")), ["E0421"]);
}

#[test]
fn json_holds_labels_as_keys_or_lists_of_them() {
    let one = accept_as("p.json", r#"{"id": "p", "task": {"a": {"image": "x"}, "b": {"image": "x"}}}"#);
    let many =
        accept_as("p.json", r#"{"id": "p", "task": [{"a": {"image": "x"}}, {"b": [{"image": "x"}]}]}"#);
    assert_eq!(one, many);
}

#[test]
fn json_texts_are_read_as_json_says() {
    let text = r#"{"id": "p", "task": {"a": {"command": ["\u00e4\ud83d\ude00\n\t\"\\\/", "${1}x$${y}"]}}}"#;
    let Action::Command(command) = &accept_as("p.json", text).tasks[0].action else { panic!("no command") };
    assert_eq!(command[0], Text::from("ä😀\n\t\"\\/"));
    assert_eq!(command[1], Text::from("1x${y}"));
}

#[test]
fn the_digest_changes_with_the_content_and_not_with_the_layout() {
    let one = accept("id = \"p\"\nname = \"n\"\ntask \"t\" \"a\" { }\n");
    let same = accept("# a comment\nname=\"n\"\n\nid = \"p\"\ntask \"t\" \"a\" {\n}\n");
    let other = accept("id = \"p\"\nname = \"m\"\ntask \"t\" \"a\" { }\n");
    assert_eq!(digest(&one), digest(&same));
    assert_ne!(digest(&one), digest(&other));
    assert_eq!(digest(&one).len(), 64);
}

#[test]
fn a_task_may_ask_somebody_or_be_a_run_of_another_pipeline() {
    use gofer_types::pipeline::{Action, VariableType};
    let text = r#"
id = "ship"
variable "rev" { default = "main" }
task "ask" {
  approval {
    message = "Ship ${var.rev}?"
    expires = "2d"
    fields  = { reason = { description = "Why" }, canary = { type = "number", default = "10" } }
  }
}
task "deploy" {
  depends_on = { ask = "successful" }
  pipeline   = { id = "deploy", namespace = "prod", version = 3, variables = { rev = var.rev } }
}
"#;
    let pipeline = accept(text);
    let Action::Approval(approval) = &pipeline.tasks[0].action else { panic!("an approval") };
    assert_eq!(approval.expires, Some(Span::from_secs(2 * 24 * 3600)));
    let kinds: Vec<VariableType> = approval.fields.values().map(|field| field.kind).collect();
    assert_eq!(kinds, [VariableType::Number, VariableType::String]);
    let Action::Pipeline(child) = &pipeline.tasks[1].action else { panic!("a pipeline") };
    assert_eq!((child.id.as_str(), child.version.map(|version| version.0)), ("deploy", Some(3)));
    assert_eq!(child.variables.len(), 1);
}
