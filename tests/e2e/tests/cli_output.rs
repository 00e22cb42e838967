//! What commands print against a real server: tables for people, JSON for programs, and not a byte too many.

use gofer_testkit::{Binary, Output, Running, ServerBox, World, golden};

const HELLO: &str = "id = \"hello\"\nname = \"Hello\"\nvariable \"who\" {\n  default = \"you\"\n}\n\
task \"greet\" \"alpine:3\" {\n  env_vars = { WHO = var.who }\n  script = \"echo hello $WHO\"\n}\n\
task \"bye\" {\n  depends_on = { greet = \"successful\" }\n  script = \"echo careful >&2\"\n}\n";

fn server() -> ServerBox {
    let server = ServerBox::start();
    server.world().write("pipeline.hcl", HELLO);
    let path = server.world().join("pipeline.hcl").display().to_string();
    let _ = server.gofer(["up", &path, "--yes"]).ok();
    let _ = server.gofer(["start", "hello", "--follow"]).ok();
    for scope in ["pipeline=hello", "run=hello/1"] {
        let _ = server.gofer(["object", "put", &path, "out/a.hcl", "--scope", scope]).ok();
    }
    server
}

fn gofer(server: &ServerBox, line: &str) -> Output {
    server.gofer(line.split_whitespace())
}

/// Replaces what differs from run to run: times, durations, ids, ports, processes.
fn steady(server: &ServerBox, text: &str) -> String {
    let text = text.replace(&server.world().path().display().to_string(), "WORLD");
    let text = text.replace(&server.addr().to_string(), "ADDR");
    let word = |word: &str| -> String {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let time = bare.len() >= 20 && bare.contains('T') && bare.ends_with('Z');
        let number = bare.trim_end_matches("ms").trim_end_matches('s');
        let span = bare.ends_with('s') && digits > 0 && number.parse::<f64>().is_ok();
        let id = [12, 32, 64].contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_hexdigit());
        match (time, span, id) {
            (true, ..) => word.replace(bare, "TIME"),
            (_, true, _) => word.replace(bare, "SPAN"),
            (.., true) => word.replace(bare, "DIGEST"),
            _ => word.to_owned(),
        }
    };
    text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn tables_have_fixed_columns() {
    let server = server();
    let lines = [
        "run list",
        "run list --no-headers",
        "ps",
        "task list hello/1",
        "pipeline list",
        "pipeline get hello",
        "pipeline versions hello",
        "pipeline graph hello",
        "namespace list",
        "run get hello/1",
        "logs hello/1",
        "logs hello/1/greet --no-prefix",
        "logs hello/1 --stream err",
        "wait hello/1",
        "pipeline diff hello@1 hello",
        "object list --scope run=hello/1",
        "object list out --scope pipeline=hello --no-headers",
        "object stat out/a.hcl --scope run=-",
        "object usage",
        "object put pipeline.hcl --scope pipeline=hello",
        "object get out/a.hcl --scope pipeline=hello",
        "object cp out/a.hcl b --scope run=hello/1",
        "object delete b --scope run=hello/1 --yes",
        "object delete b --scope run=hello/1 --yes",
    ];
    let shown = |line: &&str| {
        let output = gofer(&server, line).ok();
        format!("$ gofer {line}\n{}{}", steady(&server, &output.stdout), steady(&server, &output.stderr))
    };
    let text: Vec<String> = lines.iter().map(shown).collect();
    golden::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cli_tables.txt"), text.join("\n"));
}

#[test]
fn standard_output_is_pure_json_for_every_command_that_has_it() {
    let server = server();
    let lines = [
        "run list",
        "run get hello/1",
        "ps",
        "task list hello/1",
        "task get hello/1/greet",
        "pipeline list",
        "pipeline get hello",
        "pipeline get hello@1",
        "pipeline versions hello",
        "pipeline graph hello",
        "pipeline diff hello@1 hello",
        "pipeline enable hello",
        "namespace list",
        "namespace get default",
        "event list",
        "status --check",
        "doctor",
        "server health",
        "server config check",
        "server config show",
        "explain E0101",
        "version",
        "wait hello/1",
        "run list --state failed",
        "start hello",
        "cancel hello/1",
        "object list --scope run=hello/1",
        "object list nothing --scope pipeline=hello",
        "object stat out/a.hcl --scope run=hello/1",
        "object put pipeline.hcl --scope run=hello/1",
        "object get out/a.hcl there --scope run=hello/1",
        "object cp out/a.hcl c --scope run=hello/1 --to-scope pipeline=hello",
        "object delete c --scope pipeline=hello --yes",
        "object usage",
    ];
    for line in lines {
        let output = gofer(&server, &format!("{line} -o json")).ok();
        let document: serde_json::Value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("{line}: {error}\n{}", output.stdout));
        let schema = document["schema"].as_str().unwrap_or_default();
        assert!(schema.starts_with("gofer.v1."), "{line}: {schema:?}");
    }
}

#[test]
fn streams_are_one_object_a_line_and_end_with_an_end() {
    let server = server();
    for line in ["logs hello/1 -f --json", "watch hello/1 -o jsonl", "start hello --follow -o json"] {
        let output = gofer(&server, line).ok();
        let lines: Vec<serde_json::Value> =
            output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for one in &lines {
            for field in ["schema", "seq", "time", "type"] {
                assert!(!one[field].is_null(), "{line}: no {field} in {one}");
            }
        }
        let end = lines.last().unwrap();
        assert_eq!((end["type"].as_str(), end["exit_code"].as_i64()), (Some("end"), Some(0)), "{line}");
    }
}

#[test]
fn no_escape_leaves_without_a_terminal_and_colour_can_be_forced() {
    let world = World::new();
    let script = r"printf '\033[31mred\033[0m \033]0;owned\007\033[2J\n'";
    world.write("pipeline.hcl", format!("id = \"a\"\ntask \"t\" {{\n  script = {script:?}\n}}\n"));
    let local = |vars: &[(&str, &str)]| {
        let mut command = Binary::find().command(&world);
        command.arg("local").envs(vars.iter().copied());
        Running::start(command, &world).wait(std::time::Duration::from_secs(30)).ok().stdout
    };
    for plain in
        [local(&[]), local(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), local(&[("TERM", "dumb")])]
    {
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
    }
    let forced = local(&[("CLICOLOR_FORCE", "1")]);
    assert!(forced.contains("\u{1b}[31mred"), "{forced:?}");
    assert!(!forced.contains("owned") && !forced.contains("\u{1b}[2J"), "{forced:?}");
}

#[test]
fn without_unicode_every_byte_is_ascii() {
    let world = World::new();
    world.write("pipeline.hcl", "id = \"a\"\ntask \"t\" {\n  command = [\"false\"]\n}\n");
    let mut command = Binary::find().command(&world);
    command.arg("local").env("LANG", "C");
    let output = Running::start(command, &world).wait(std::time::Duration::from_secs(30)).expect_code(10);
    assert!((output.stdout.clone() + &output.stderr).is_ascii(), "{}", output.stdout);
}

#[test]
fn the_last_run_is_remembered() {
    let server = server();
    let _ = gofer(&server, "start hello --detach").ok();
    assert_eq!(gofer(&server, "run get - -o name").ok().stdout, "hello/2\n");
    assert_eq!(gofer(&server, "task get -/bye -o name").ok().stdout, "hello/2/bye\n");
    let link = format!("http://{}/r/default/hello/1", server.addr());
    assert_eq!(gofer(&server, &format!("run get {link} -o name")).ok().stdout, "hello/1\n");
    assert_eq!(gofer(&server, "wait - -o name").ok().stdout, "hello/1\n");
}

#[test]
fn pages_follow_each_other() {
    let server = server();
    for _ in 0..4 {
        let _ = gofer(&server, "start hello --detach").ok();
    }
    let first = gofer(&server, "run list --limit 2 --json").ok().stdout;
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    let token = first["next_page_token"].as_str().unwrap();
    let second = gofer(&server, &format!("run list --limit 2 --page-token {token} -o name")).ok().stdout;
    assert_eq!(second, "hello/3\nhello/2\n");
    let hint = gofer(&server, "run list --limit 2").ok().stderr;
    let (_, command) = hint.split_once("next: gofer ").unwrap();
    let (command, _) = command.split_once("   ").unwrap();
    assert_eq!(command, format!("run list --limit 2 --page-token {token}"));
    assert_eq!(gofer(&server, "run list --all -o name").ok().stdout.lines().count(), 5);
}

const VARIABLES: &str = r#"id = "vars"
variable "channel" {
  allowed     = ["beta", "stable"]
  default     = "beta"
  description = "Where it goes"
}
variable "percent" {
  type    = "number"
  default = "5"
}
variable "fast" {
  type = "bool"
}
task "t" {
  command = ["true"]
}
"#;

#[test]
fn a_pipeline_tells_what_its_variables_may_be() {
    let server = server();
    server.world().write("vars.hcl", VARIABLES);
    let _ = gofer(&server, "up vars.hcl --yes").ok();
    for reference in ["vars", "vars@1"] {
        let text = steady(&server, &gofer(&server, &format!("pipeline get {reference}")).ok().stdout);
        for line in [
            "channel string default \"beta\" one of beta or stable Where it goes\n",
            "percent number default 5\n",
            "fast bool required\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let json = gofer(&server, &format!("pipeline get {reference} --json=variables")).ok().stdout;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let allowed = serde_json::json!(["beta", "stable"]);
        assert_eq!(json["variables"][0]["allowed"], allowed, "{json}");
        assert_eq!(json["variables"][2]["type"], "number", "{json}");
    }
}

const HALF: &str = r#"id = "half"
task "told" {
  command = ["echo", "told"]
}
task "untold" {
  command = ["echo", "untold"]
  logging = false
}
"#;

#[test]
fn output_that_is_not_there_is_never_passed_over_in_silence() {
    let server = server();
    server.world().write("half.hcl", HALF);
    let _ = gofer(&server, "up half.hcl --yes").ok();
    let note = "* output of untold is not kept\n";
    for line in [
        "start half --follow",
        "logs half/1",
        "logs half/1 -f",
        "logs half/1 --json",
        "local half.hcl --scheduler process",
    ] {
        let output = gofer(&server, line).ok();
        assert_eq!(output.stderr.matches(note).count(), 1, "{line}: {}", output.stderr);
        assert!(
            output.stdout.contains("told") && !output.stdout.contains("* output"),
            "{line}: {}",
            output.stdout
        );
    }
    let told = gofer(&server, "logs half/1/told").ok();
    assert!(!told.stderr.contains("not kept"), "{}", told.stderr);
}

#[test]
fn an_attempt_that_never_was_is_not_found() {
    let server = server();
    for line in ["logs hello/1/greet#5", "logs hello/1/greet --attempt 5", "logs hello/1/greet#5 --follow"] {
        let output = gofer(&server, line).expect_code(3);
        let rule = "error[E0304]: hello/1/greet has no attempt 5: it had 1 attempt at most\n";
        assert!(output.stderr.contains(rule), "{line}: {}", output.stderr);
    }
    let output = gofer(&server, "logs hello/1 --attempt 2").expect_code(3);
    assert!(output.stderr.contains("each of its tasks had 1 attempt at most"), "{}", output.stderr);
    assert!(gofer(&server, "logs hello/1/greet#1").ok().stdout.contains("hello you"));
}

#[test]
fn a_run_whose_end_was_not_waited_for_is_named() {
    let server = server();
    server.world().write("slow.hcl", "id = \"slow\"\ntask \"t\" {\n  command = [\"sleep\", \"600\"]\n}\n");
    let _ = gofer(&server, "up slow.hcl --yes").ok();
    let late = gofer(&server, "start slow --wait 200ms").expect_code(8);
    assert_eq!(late.stdout, "");
    for part in ["error[E0107]: slow/1 did not end within 200ms", "next: gofer watch slow/1\n"] {
        assert!(late.stderr.contains(part), "{part} is not in {}", late.stderr);
    }
    let name = gofer(&server, "start slow --wait 200ms -o name").expect_code(8);
    assert_eq!(name.stdout, "slow/2\n");
    let json = gofer(&server, "start slow --wait 200ms --json").expect_code(8).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ref"], &json["schema"]), (&"slow/3".into(), &"gofer.v1.Run".into()));
    let wait = gofer(&server, "wait slow/latest --timeout 200ms").expect_code(8).stderr;
    assert!(wait.contains("slow/3 did not end"), "{wait}");
    for run in ["slow/1", "slow/2", "slow/3"] {
        let _ = gofer(&server, &format!("cancel {run} --force")).ok();
    }
}

#[test]
fn an_exported_pipeline_registers_as_the_same() {
    let server = server();
    let exported = gofer(&server, "pipeline export hello").ok().stdout;
    server.world().write("again/pipeline.json", exported);
    let path = server.world().join("again").display().to_string();
    let output = server.gofer(["up", &path]).ok();
    assert!(output.stdout.contains("unchanged"), "{}", output.stdout);
}
