//! What the command line says when it cannot do what it was asked: every form of error that needs no server.

use gofer_testkit::{Binary, Output, World, golden};

fn gofer(world: &World, line: &str) -> Output {
    Binary::find().run(world, line.split_whitespace())
}

/// What was typed and what was answered, for the golden file.
fn shown(world: &World, line: &str) -> String {
    let output = gofer(world, line);
    let code = output.code().map_or_else(|| "a signal".to_owned(), |code| code.to_string());
    let text = format!("$ gofer {line}\n{}{}[exit {code}]\n", output.stdout, output.stderr);
    text.replace(&world.path().display().to_string(), "WORLD")
}

fn check(name: &str, lines: &[&str]) {
    let world = World::new();
    world.write("vars", "a=1\nb\n");
    world.write("there/pipeline.hcl", "id = \"there\"\n");
    let text: Vec<String> = lines.iter().map(|line| shown(&world, line)).collect();
    golden::check(format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR")), text.join("\n"));
}

#[test]
fn mistyped_commands_are_told_apart_from_missing_ones() {
    check(
        "cli_commands",
        &[
            "strat",
            "run hello",
            "pipeline lst",
            "pipeline history",
            "stop",
            "secret list",
            "run exec hello/1",
            "server config init",
            "frobnicate",
            "explain E9999",
            "exp",
        ],
    );
}

#[test]
fn wrong_arguments_are_told_with_what_is_accepted() {
    check(
        "cli_arguments",
        &[
            "start",
            "logs hello/1 --tial 5",
            "run list --state faild",
            "run list --limit 0",
            "--output yaml version",
            "start hello -v name",
            "start hello --var-file vars",
            "start hello --detach --follow",
            "logs hello/1 --since yesterday",
            "object list",
            "object put - --scope run=hello/1",
            "object cp a --scope run=hello/1",
            "--timeout soon status",
        ],
    );
}

#[test]
fn addresses_are_refused_with_their_form() {
    check(
        "cli_addresses",
        &[
            "logs a/b/c/d/e",
            "logs hello",
            "logs hello@2/1",
            "logs -",
            "task get hello/1",
            "run get hello/1/test",
            "pipeline delete hello/1",
            "logs http://ci.example/settings",
            "object list --scope hello",
            "object list --scope run=hello",
            "object list --scope pipeline=hello/1",
            "--addr nowhere status",
        ],
    );
}

#[test]
fn forms_of_output_are_checked_before_anything_is_done() {
    check(
        "cli_forms",
        &[
            "version --json=vers",
            "version --json=",
            "completion bash --json",
            "-o name --json version",
            "init --json=x x",
            "object get a - --scope run=hello/1 --json",
            "object list --scope run=hello/1 --json=siz",
        ],
    );
    let world = World::new();
    let _ = gofer(&world, "init --json=x x").expect_code(2);
    assert!(!world.join("x").try_exists().unwrap(), "a wrong field writes nothing");
}

#[test]
fn files_are_named() {
    check(
        "cli_files",
        &[
            "local nowhere.hcl",
            "local .",
            "local there",
            "pipeline validate there",
            "init there",
            "pipeline graph --file there",
            "object put nowhere a --scope run=hello/1",
            "object put there a --scope run=hello/1",
            "object get vars --scope run=hello/1",
        ],
    );
}

#[test]
fn programs_read_errors_as_one_line() {
    let world = World::new();
    for line in ["logs hello -o json", "secret list -o jsonl", "local nowhere.hcl --json", "start --json"] {
        let output = gofer(&world, line);
        assert_eq!(
            (output.stdout.as_str(), output.stderr.lines().count()),
            ("", 1),
            "{line}: {}",
            output.stderr
        );
        let error: serde_json::Value = serde_json::from_str(&output.stderr).unwrap();
        let code = error["error"]["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok());
        assert_eq!(code, output.code(), "{line}");
        assert!(error["error"]["code"].as_str().is_some_and(|code| code.starts_with('E')), "{line}");
    }
}

#[test]
fn every_code_that_is_said_can_be_explained() {
    let world = World::new();
    let index = gofer(&world, "explain").ok().stdout;
    let codes: Vec<&str> = index.lines().filter_map(|line| line.split("  ").next()).collect();
    assert!(codes.len() > 50, "{index}");
    for code in codes {
        assert!(gofer(&world, &format!("explain {code}")).ok().stdout.contains(code), "{code}");
    }
}
