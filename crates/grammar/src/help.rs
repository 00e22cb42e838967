//! Help about things that are no commands: `gofer help TOPIC`.

use std::ffi::OsString;

use gofer_output::exit::Exit;

const ADDRESSES: &str = include_str!("../help/addresses.txt");
const ENVIRONMENT: &str = include_str!("../help/environment.txt");
const JSON: &str = include_str!("../help/json.txt");
const COLOURS: &str = include_str!("../help/colours.txt");

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
        variables(&crate::grammar(), &mut found);
        found.extend(gofer_output::style::Surroundings::VARS.map(str::to_owned));
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
