//! What is refused, by the program or by the server: for the right reason, with every place, and with a way out that works.

use std::fmt::Write as _;

use gofer_testkit::{Binary, Output, ServerBox, World, wait_for_blocking};

/// Checks the code, the exit code, and that these fragments are said.
#[track_caller]
fn refused(output: Output, exit: i32, code: &str, fragments: &[&str]) -> String {
    let output = output.expect_code(exit);
    for fragment in fragments.iter().chain([&format!("error[{code}]").as_str()]) {
        assert!(output.stderr.contains(fragment), "{fragment:?} is not in:\n{}", output.stderr);
    }
    assert_eq!(output.stdout, "", "nothing was done");
    output.stderr
}

/// A task that is over within a second of its limit.
const QUICK: &str = "id = \"quick\"\ntask \"t\" {\n  command = [\"true\"]\n  timeout = \"2s\"\n}\n";

/// More tasks than a server accepts by itself.
fn many() -> String {
    let mut text = "id = \"many\"\n".to_owned();
    for number in 0..1_001 {
        let _ = write!(text, "task \"t{number}\" {{\n  command = [\"true\"]\n}}\n");
    }
    text
}

#[test]
fn a_file_is_held_to_the_limits_of_the_server_that_it_goes_to() {
    let wide = "[limits]\ntask_timeout_min = \"1s\"\nmax_tasks_per_pipeline = 5000";
    let (wide, plain) = (ServerBox::builder().config(wide).start(), ServerBox::start());
    for server in [&wide, &plain] {
        server.world().write("quick.hcl", QUICK);
        server.world().write("many.hcl", many());
    }
    for file in ["quick.hcl", "many.hcl"] {
        let _ = wide.gofer(["pipeline", "plan", file]).ok();
        let _ = wide.gofer(["up", file, "--yes"]).ok();
        let unchanged = wide.gofer(["up", file, "--yes"]).ok();
        assert!(unchanged.stdout.contains("unchanged"), "{}", unchanged.stdout);
    }
    for verb in [&["up", "--yes"][..], &["pipeline", "plan"]] {
        let run = |file| plain.gofer(verb.iter().copied().chain([file]));
        let said = ["quick.hcl:4:13", "must be from 5m to 8h", "not a valid pipeline: 1 error"];
        let _ = refused(run("quick.hcl"), 6, "E0416", &said);
        let _ = refused(run("many.hcl"), 6, "E0403", &["many.hcl:3002:1", "at most 1000"]);
    }
}

/// A pipeline with two parts that no build can run yet.
const AHEAD: &str = r#"id = "ahead"
trigger "cron" "nightly" {
  expression = "0 3 * * *"
}
task "t" {
  command  = ["true"]
  env_vars = { TOKEN = "secret{{ token }}" }
}
"#;

#[test]
fn what_this_build_cannot_run_is_told_at_each_place_without_a_server_too() {
    let server = ServerBox::start();
    server.world().write("ahead.hcl", AHEAD);
    let places = ["ahead.hcl:2", "ahead.hcl:7", "valid, but cannot be run yet: 2 errors"];
    let alone = refused(server.gofer(["pipeline", "validate", "ahead.hcl"]), 6, "E0431", &places);
    let there = refused(server.gofer(["up", "ahead.hcl", "--yes"]), 6, "E0431", &places);
    assert_eq!(alone, there, "both say the same");
    let world = World::new();
    world.write("ahead.hcl", AHEAD);
    let output = Binary::find().run(&world, ["pipeline", "validate", "ahead.hcl", "--json"]).expect_code(6);
    for part in [r#""valid":false"#, r#""code":"E0431""#, r#""line":7"#] {
        assert!(output.stdout.contains(part), "{part} is not in {}", output.stdout);
    }
}

#[test]
fn a_key_that_cannot_be_one_is_refused_before_a_server_is_asked() {
    let world = World::new();
    for verb in [["start", "hello"], ["retry", "hello/1"]] {
        for key in ["", "K 1", "\u{e4}", &"k".repeat(129)] {
            let line = verb.iter().copied().chain(["--addr", "127.0.0.1:1", "--idempotency-key", key]);
            let output = Binary::find().run(&world, line);
            let rule =
                ["--idempotency-key", "1 to 128 visible ASCII characters", "hint: a UUID is a good key"];
            let _ = refused(output, 2, "E0507", &rule);
        }
    }
}

/// A server that has a pipeline of this content.
fn with(content: &str) -> ServerBox {
    let server = ServerBox::start();
    server.world().write("pipeline.hcl", content);
    let _ = server.gofer(["up", "pipeline.hcl", "--yes"]).ok();
    server
}

const TASK: &str = "task \"t\" {\n  command = [\"true\"]\n}\n";

#[test]
fn every_refused_variable_is_named_with_its_rule_and_its_fix() {
    let names: Vec<String> = (b'a'..=b'y').map(|letter| char::from(letter).to_string()).collect();
    let variable = |name: &String| format!("variable \"{name}\" {{\n  type = \"number\"\n}}\n");
    let variables: String = names.iter().map(variable).collect();
    let server = with(&format!("id = \"many\"\n{variables}{TASK}"));
    let set = |count: usize| -> Vec<String> {
        let value = |(at, name)| if at < count { format!("{name}=many") } else { format!("{name}=1") };
        names.iter().enumerate().flat_map(|pair| ["--var".to_owned(), value(pair)]).collect()
    };
    let start = |count, more: &[&str]| {
        let set = set(count);
        server.gofer(["start", "many"].into_iter().chain(set.iter().map(String::as_str)).chain(more.to_vec()))
    };
    let one = ["the variable `a` must be a number\n", "hint: a number is written `3`, `-1` or `2.5`"];
    let _ = refused(start(1, &[]), 6, "E0502", &one);
    let five = refused(start(5, &[]), 6, "E0502", &["5 of the variables are not accepted"]);
    for name in ["a", "b", "c", "d", "e"] {
        let said = format!("the variable `{name}` must be a number; a number is written");
        assert_eq!(five.matches(&said).count(), 1, "{said} is not once in {five}");
    }
    let _ = refused(start(25, &[]), 6, "E0502", &["variable `t` must be", "; and 5 more\n"]);
    let json = start(25, &["--json"]).expect_code(6).stderr;
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    let fields: Vec<&str> =
        told["error"]["fields"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    let wanted: Vec<String> = names.iter().map(|name| format!("variables[\"{name}\"]")).collect();
    assert_eq!(fields, wanted);
}

#[test]
fn a_rule_is_said_once() {
    let server = with(&format!("id = \"one\"\n{TASK}"));
    let labels: Vec<String> = (0..70).map(|number| format!("l{number}=x")).collect();
    let labels = labels.iter().flat_map(|label| ["--label", label.as_str()]);
    let said = refused(
        server.gofer(["start", "one"].into_iter().chain(labels)),
        6,
        "E0511",
        &["hint: leave some out"],
    );
    assert_eq!(said.matches("at most 64 labels").count(), 1, "{said}");
    assert_eq!(said.matches("leave some out").count(), 1, "{said}");
    let list: Vec<String> = (0..17).map(|number| number.to_string()).collect();
    let list = list.join(", ");
    let file = format!(
        "id = \"wide\"\ntask \"t\" {{\n  command = [\"true\"]\n  matrix = {{\n    a = [{list}]\n    b = [{list}]\n  }}\n}}\n"
    );
    server.world().write("wide.hcl", file);
    for line in [["up", "wide.hcl", "--yes"], ["local", "wide.hcl", "--scheduler=process"]] {
        let said = refused(server.gofer(line), 6, "E0403", &["wide.hcl:4"]);
        assert_eq!(said.matches("289 combinations").count(), 1, "{said}");
    }
    server.world().write("ahead.hcl", AHEAD.replace("trigger \"cron\"", "notify \"cron\""));
    let said = refused(server.gofer(["local", "ahead.hcl", "--scheduler=process"]), 6, "E0431", &["secret"]);
    assert_eq!(said.matches("values from secrets").count(), 1, "{said}");
}

#[test]
fn what_is_suggested_after_a_failure_shows_something() {
    let server = with("id = \"bad\"\ntask \"t\" {\n  command = [\"false\"]\n}\n");
    let child = "id = \"parent\"\ntask \"part\" {\n  pipeline = { id = \"bad\" }\n}\n";
    let never = "id = \"never\"\ntask \"t\" {\n  command = [\"/no/such/program\"]\n}\n";
    let ask = "id = \"ask\"\ntask \"t\" {\n  approval {\n    message = \"Go?\"\n  }\n}\n";
    for (name, content) in [("child.hcl", child), ("never.hcl", never), ("ask.hcl", ask)] {
        server.world().write(name, content);
        let _ = server.gofer(["up", name, "--yes"]).ok();
    }
    let follow = |pipeline| server.gofer(["start", pipeline, "--follow"]).stderr;
    let bad = follow("bad");
    assert!(bad.contains("gofer logs default::bad/1/t ") || bad.contains("gofer logs bad/1/t "), "{bad}");
    let parent = follow("parent");
    assert!(
        parent.contains("gofer logs bad/2 ") || parent.contains("gofer logs default::bad/2 "),
        "{parent}"
    );
    let never = follow("never");
    assert!(never.contains("gofer task get") && !never.contains("gofer logs"), "{never}");
    let _ = server.gofer(["start", "ask", "--detach"]).ok();
    wait_for_blocking("an answer", || {
        let output = server.gofer(["run", "approve", "ask/1/t", "--reject", "--yes"]);
        if output.code() == Some(0) { Ok(()) } else { Err(output.stderr) }
    });
    let ask = server.gofer(["watch", "ask/1"]).expect_code(10).stderr;
    assert!(ask.contains("gofer task get") && !ask.contains("gofer logs"), "{ask}");
}

#[test]
fn a_pipeline_that_starts_one_that_is_not_there_says_what_to_register_first() {
    let server = ServerBox::start();
    let parent = "id = \"parent\"\ntask \"part\" {\n  pipeline = { id = \"later\" }\n}\n";
    server.world().write("parent.hcl", parent);
    for line in [["up", "parent.hcl", "--yes"], ["local", "parent.hcl", "--scheduler=process"]] {
        let told = server.gofer(line).expect_code(6).stderr;
        let hint = "hint: a pipeline that a task starts must be registered before";
        for part in ["error[E0505]", "task `part` starts pipeline", hint] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        assert!(!told.contains("validate"), "{told}");
    }
}
