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
        let id = bare.len() == 12 && bare.bytes().all(|b| b.is_ascii_hexdigit());
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
    assert_eq!(gofer(&server, "run list --all -o name").ok().stdout.lines().count(), 5);
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
