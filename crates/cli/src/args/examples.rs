//! The examples of every command's help. Each is parsed by a test.

use clap::Command;

/// A command, and what it is good for.
type Example = (&'static str, &'static str);

/// Commands below `gofer`, with at least two examples each.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            ("gofer local examples/hello", "run a file here, without a server"),
            ("gofer start hello", "start a run and follow it"),
        ],
    ),
    (
        "init",
        &[
            ("gofer init hello", "write ./hello/pipeline.hcl"),
            ("gofer init --template dag demo", "one with branches"),
        ],
    ),
    (
        "local",
        &[("gofer local", "run ./pipeline.hcl"), ("gofer local ci.hcl -v rev=main", "give it a variable")],
    ),
    (
        "dev",
        &[
            ("gofer dev", "serve, and apply ./*.hcl when saved"),
            ("gofer dev --ephemeral --port 0", "forget all at the end"),
        ],
    ),
    (
        "up",
        &[
            ("gofer up", "register ./pipeline.hcl after asking"),
            ("gofer up ci.hcl --yes --start", "in a script"),
        ],
    ),
    (
        "start",
        &[
            ("gofer start hello", "start and follow"),
            ("gofer start build@3 -v rev=next --detach", "an older version"),
        ],
    ),
    (
        "watch",
        &[
            ("gofer watch hello/12", "until it ends"),
            ("gofer watch - -o jsonl", "your last run, for programs"),
        ],
    ),
    (
        "logs",
        &[
            ("gofer logs hello/12 -f", "all tasks, until the run ends"),
            ("gofer logs - --failed --tail 50", "why it failed"),
        ],
    ),
    (
        "wait",
        &[
            ("gofer wait hello/12 --timeout 10m", "give up after that"),
            ("gofer wait - && echo done", "the exit code tells"),
        ],
    ),
    (
        "cancel",
        &[
            ("gofer cancel hello/12 --reason 'wrong branch'", "let it clean up"),
            ("gofer cancel - --force", "kill at once"),
        ],
    ),
    (
        "ps",
        &[
            ("gofer ps", "everything that runs or waits"),
            ("gofer ps hello --json=ref,state", "of one pipeline"),
        ],
    ),
    (
        "status",
        &[
            ("gofer status --check", "ask each backend now"),
            ("gofer status --json=running_runs", "for a monitor"),
        ],
    ),
    ("pipeline", &[("gofer pipeline list", ""), ("gofer pipeline get hello", "")]),
    (
        "pipeline list",
        &[
            ("gofer pipeline list", "of all namespaces"),
            ("gofer pipeline ls -n team -o name", "only addresses"),
        ],
    ),
    (
        "pipeline get",
        &[
            ("gofer pipeline get hello", "its newest version"),
            ("gofer pipeline get hello@2 --json", "an older one"),
        ],
    ),
    (
        "pipeline apply",
        &[
            ("gofer pipeline apply ci.hcl", "ask before"),
            ("gofer pipeline apply ci.hcl --yes", "in a script"),
        ],
    ),
    (
        "pipeline plan",
        &[
            ("gofer pipeline plan", "what would change"),
            ("gofer pipeline plan ci.hcl --exit-code", "20 if something"),
        ],
    ),
    (
        "pipeline validate",
        &[("gofer pipeline validate", "check ./pipeline.hcl"), ("gofer pipeline validate ci.hcl --json", "")],
    ),
    (
        "pipeline graph",
        &[
            ("gofer pipeline graph hello", ""),
            ("gofer pipeline graph --file pipeline.hcl", "without a server"),
        ],
    ),
    (
        "pipeline diff",
        &[
            ("gofer pipeline diff hello@1 hello@2", ""),
            ("gofer pipeline diff hello@1 hello", "against the newest"),
        ],
    ),
    (
        "pipeline versions",
        &[("gofer pipeline versions hello", ""), ("gofer pipeline versions hello --limit 5", "")],
    ),
    ("pipeline enable", &[("gofer pipeline enable hello", ""), ("gofer pipeline enable team::hello", "")]),
    ("pipeline disable", &[("gofer pipeline disable hello", ""), ("gofer pipeline disable team::hello", "")]),
    (
        "pipeline delete",
        &[("gofer pipeline delete hello", "asks before"), ("gofer pipeline rm hello --yes", "in a script")],
    ),
    (
        "pipeline export",
        &[("gofer pipeline export hello", ""), ("gofer pipeline export hello@2", "an older version")],
    ),
    ("run", &[("gofer run list", ""), ("gofer run get hello/latest", "")]),
    (
        "run list",
        &[("gofer run list hello", "of one pipeline"), ("gofer run ls --state failed --all -o name", "")],
    ),
    ("run get", &[("gofer run get hello/12", ""), ("gofer run get hello/latest-failed --json", "")]),
    ("run start", &[("gofer run start hello", ""), ("gofer run start hello --wait 10m", "without output")]),
    ("run watch", &[("gofer run watch hello/12", ""), ("gofer run watch -", "your last run")]),
    ("run logs", &[("gofer run logs hello/12 --task test", ""), ("gofer run logs - -f", "your last run")]),
    ("run wait", &[("gofer run wait hello/12", ""), ("gofer run wait - --timeout 5m", "give up after that")]),
    ("run cancel", &[("gofer run cancel hello/12", ""), ("gofer run cancel -", "your last run")]),
    ("task", &[("gofer task list hello/12", ""), ("gofer task get hello/12/test", "")]),
    (
        "task list",
        &[("gofer task list hello/12", ""), ("gofer task ls - --json=task,state", "of your last run")],
    ),
    (
        "task get",
        &[("gofer task get hello/12/test", "with its attempts"), ("gofer task get -/test --json", "")],
    ),
    (
        "task logs",
        &[("gofer task logs hello/12/test", ""), ("gofer task logs hello/12/test#2", "the second attempt")],
    ),
    ("event", &[("gofer event list --newest", ""), ("gofer event follow", "")]),
    (
        "event list",
        &[("gofer event list --newest --limit 5", ""), ("gofer event list hello --type run --since 1h", "")],
    ),
    (
        "event follow",
        &[
            ("gofer event follow", "from now on"),
            ("gofer event follow --since-seq 1 -o jsonl", "from the beginning"),
        ],
    ),
    ("namespace", &[("gofer namespace list", ""), ("gofer namespace create team", "")]),
    ("namespace list", &[("gofer namespace list", ""), ("gofer namespace ls -o name", "")]),
    ("namespace get", &[("gofer namespace get team", ""), ("gofer namespace get default --json", "")]),
    (
        "namespace create",
        &[("gofer namespace create team", ""), ("gofer namespace create team --description 'The team'", "")],
    ),
    (
        "namespace update",
        &[
            ("gofer namespace update team --description 'Us'", ""),
            ("gofer namespace update team", "forget it"),
        ],
    ),
    (
        "namespace delete",
        &[("gofer namespace delete team", "asks before"), ("gofer namespace rm team --yes", "in a script")],
    ),
    ("server", &[("gofer server start", ""), ("gofer server health", "")]),
    (
        "server start",
        &[
            ("gofer server start --config gofer.toml", ""),
            ("gofer server start --listen 127.0.0.1:0 --data ./data", ""),
        ],
    ),
    (
        "server config",
        &[("gofer server config check --config gofer.toml", ""), ("gofer server config show --sources", "")],
    ),
    (
        "server config check",
        &[
            ("gofer server config check", "defaults and environment"),
            ("gofer server config check --config gofer.toml", ""),
        ],
    ),
    (
        "server config show",
        &[("gofer server config show", ""), ("gofer server config show --sources --config gofer.toml", "")],
    ),
    (
        "server health",
        &[
            ("gofer server health", "exit 7 if it does not answer"),
            ("gofer server health -o none", "only the exit code"),
        ],
    ),
    ("doctor", &[("gofer doctor", "exit 6 if something is wrong"), ("gofer doctor --json", "for a report")]),
    ("explain", &[("gofer explain E0101", "a code"), ("gofer explain timed_out", "a state")]),
    (
        "completion",
        &[
            ("gofer completion bash > ~/.local/share/bash-completion/completions/gofer", ""),
            ("gofer completion zsh", ""),
        ],
    ),
    ("version", &[("gofer version", ""), ("gofer version --json=version", "")]),
];

/// Adds the examples to a command and to all below it.
pub(crate) fn attach(command: Command, path: &str) -> Command {
    let key = path.strip_prefix("gofer").unwrap_or(path).trim_start();
    let command = match text(key) {
        Some(text) => {
            let more = "More: `gofer help exit-codes`, also addresses, environment, json, colours.";
            command.after_help(text.clone()).after_long_help(format!("{text}\n\n{more}"))
        }
        None => command,
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        attach(inner, &path)
    })
}

fn text(key: &str) -> Option<String> {
    let (_, examples) = EXAMPLES.iter().find(|(path, _)| *path == key)?;
    let width = examples.iter().map(|(command, _)| command.len()).max()?;
    let lines: Vec<String> = examples
        .iter()
        .map(|(command, why)| {
            let why = if why.is_empty() { String::new() } else { format!("   # {why}") };
            format!("  {command:width$}{why}").trim_end().to_owned()
        })
        .collect();
    Some(format!("Examples:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(command: &Command, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            paths(inner, format!("{path} {}", inner.get_name()).trim_start(), all);
        }
    }

    /// Splits as a shell would, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" > ").next().unwrap_or(line).split(" && ").next().unwrap_or(line);
        let quoted = |(n, piece): (usize, &str)| -> Vec<String> {
            if n % 2 == 1 {
                vec![piece.to_owned()]
            } else {
                piece.split_whitespace().map(str::to_owned).collect()
            }
        };
        line.split('\'').enumerate().flat_map(quoted).collect()
    }

    #[test]
    fn every_command_has_two_examples_and_every_example_a_command() {
        let mut all = Vec::new();
        paths(&crate::args::grammar(), "", &mut all);
        let with: Vec<String> = EXAMPLES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(all, with);
        assert!(EXAMPLES.iter().all(|(_, examples)| examples.len() >= 2));
    }

    #[test]
    fn every_example_can_be_typed() {
        for (path, examples) in EXAMPLES {
            for (line, _) in *examples {
                assert!(path.is_empty() || line.contains(path.split(' ').next().unwrap_or(path)), "{line}");
                let parsed = crate::args::grammar().try_get_matches_from(words(line));
                assert!(
                    parsed.is_ok(),
                    "{line}: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
