//! Help about things that are no commands: `gofer help TOPIC`.

use std::ffi::OsString;

use crate::exit::Exit;

const ADDRESSES: &str = "\
Addresses

  [NAMESPACE::]PIPELINE[@VERSION][/RUN[/TASK[#ATTEMPT]]]

  hello            the pipeline `hello` of the default namespace, or of --namespace
  team::hello@3    version 3 of `hello` in the namespace `team`
  hello/12         run 12
  hello/latest     the newest run; hello/latest-failed the newest that failed
  hello/12/test    the task `test` of run 12; hello/12/test#2 its second attempt
  -                the last run that you touched on this server; -/test a task of it

A pasted link such as http://HOST/r/NAMESPACE/PIPELINE/RUN is accepted too.
";

const ENVIRONMENT: &str = "\
Environment

  GOFER_ADDR        --addr          the server
  GOFER_NAMESPACE   --namespace     the namespace where an address names none
  GOFER_OUTPUT      --output        the form of the output
  GOFER_COLOR       --color         when to use colour
  GOFER_YES         --yes           answer yes to every question
  GOFER_NO_INPUT    --no-input      never ask
  GOFER_TIMEOUT     --timeout       how long one request may take
  GOFER_TIME        --time          how times are written
  GOFER_HINTS       --hints         whether next commands are suggested
  GOFER_CONFIG      --config        the configuration of a server

  NO_COLOR, CLICOLOR_FORCE, FORCE_COLOR, TERM=dumb   colour, where GOFER_COLOR says nothing
  LC_ALL, LC_CTYPE, LANG                             signs beyond ASCII only in UTF-8
  CI                                                 set: never ask
  XDG_STATE_HOME, HOME                               where the last run is remembered
  USER, LOGNAME                                      under which name deeds are recorded

A flag beats its variable. A server reads GOFER_SECTION__KEY too; see `gofer server config show --sources`.
";

const JSON: &str = "\
JSON

  -o json, --json     one document; a stream (logs -f, watch, start --follow, event follow) is one object a line
  -o jsonl            one object a line, also for lists
  --json=ref,state    only these fields; a wrong one lists those that there are

Every object has a `schema`, such as gofer.v1.Run. A list is {\"schema\", \"items\", \"next_page_token\"}; an empty one
has no items and is a success. Names are snake_case, times RFC 3339 in UTC, durations `*_ms`. What is not set is absent.
A stream ends with an object of type `end`. Fields are only ever added; treat unknown words as unknown.
An error leaves standard output empty and is one line on standard error: {\"error\": {\"code\", \"name\", \"message\", ...}}.
";

const COLOURS: &str = "\
Colours

  --color auto|always|never, then GOFER_COLOR, then NO_COLOR (any value: off), CLICOLOR_FORCE or FORCE_COLOR (not 0: on),
  then TERM=dumb (off), then whether the output is a terminal.

Each task has a colour of its own, the same in every run. Red and green only ever mean bad and good, and the word always
stands beside them. Of what tasks print, colours pass to a terminal; every other escape sequence is dropped, unless
`gofer logs --raw` is used.
";

/// The topics with their texts.
fn topic(name: &str) -> Option<String> {
    Some(match name {
        "addresses" => ADDRESSES.to_owned(),
        "environment" => ENVIRONMENT.to_owned(),
        "exit-codes" => format!("Exit codes\n\n{}", Exit::table()),
        "json" => JSON.to_owned(),
        "colours" | "colors" => COLOURS.to_owned(),
        _ => return None,
    })
}

/// The text of the topic that these words ask for.
pub(crate) fn asked(args: &[OsString]) -> Option<String> {
    match args {
        [_, help, name] if help == "help" => topic(name.to_str()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(command: &clap::Command, found: &mut Vec<String>) {
        found.extend(command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned())));
        command.get_subcommands().for_each(|inner| variables(inner, found));
    }

    #[test]
    fn every_variable_is_in_the_help_about_the_environment() {
        let mut found = Vec::new();
        variables(&crate::args::grammar(), &mut found);
        found.extend(crate::output::style::Surroundings::VARS.map(str::to_owned));
        for name in found {
            assert!(ENVIRONMENT.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_exit_is_in_the_help_about_exit_codes() {
        let text = topic("exit-codes").expect("a topic");
        assert!(Exit::ALL.iter().all(|exit| text.contains(exit.name())));
    }

    #[test]
    fn topics_are_asked_for_by_name_and_commands_are_left_alone() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for name in ["addresses", "environment", "exit-codes", "json", "colours"] {
            assert!(asked(&words(&format!("gofer help {name}"))).is_some(), "{name}");
        }
        assert!(asked(&words("gofer help start")).is_none());
        assert!(asked(&words("gofer start json")).is_none());
    }
}
