//! The grammar: what can be typed, and what help says about it. Nothing here does anything.
//!
//! - [`understand`] is the whole of it: from the words of a command line to a [`Command`], to help, or to a mistake.
//! - `root` has the commands; `everyday`, `resources` and `server` have what each accepts.
//! - `examples` and `help` are texts for people, from the files under `help/`; [`pages`] are those of `explain`.
//! - `usage` says what is wrong with a command line, and what was probably meant.
//!
//! A flag is here only if it works. What does not exist yet is refused by name in `not_yet`. No server is asked and no file
//! is read: what a word means is said by the commands.

#[cfg(test)]
mod advice;
mod everyday;
mod examples;
mod help;
mod not_yet;
mod objects;
pub mod pages;
mod pair;
pub mod resources;
mod root;
mod server;
mod usage;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};
use gofer_output::error::Failure;

pub use everyday::{
    Approve, Attend, Cancel, Choice, Dev, Init, Local, Logs, Retry, RunReference, Scheduler, Start, Stream,
    Subject, TaskReference, Template, Up, Variables,
};
pub use objects::{
    NoScope, Object, ObjectCopy, ObjectGet, ObjectList, ObjectPlace, ObjectPut, ObjectScope, Of,
};
pub use pair::{NoPair, Pair};
pub use root::{Command, Global, Hints, Paging};
pub use server::{
    Backend, BackendCheck, Completion, ConfigFile, ConfigShow, Doctor, Explain, Server, ServerConfig,
    ServerStart, Status,
};

use root::{Cli, grammar};

/// What a command line means.
#[derive(Debug)]
pub enum Understood {
    /// A command.
    Command(Box<Typed>),
    /// Help or a version, for standard output.
    Help(String),
    /// A mistake.
    Mistake(Failure),
}

/// A command as it was typed.
#[derive(Debug)]
pub struct Typed {
    /// The flags that every command has.
    pub global: Global,
    /// The command.
    pub command: Command,
    /// The number of times that `-v` or `--verbose` was given, at any level.
    pub verbose: u8,
    /// Whether `--output` was typed, rather than set by the environment or left out.
    pub output_typed: bool,
}

/// Reads a command line, whose first word is the name of the program. Of the environment it reads what flags say they do.
#[must_use]
pub fn understand(args: &[OsString]) -> Understood {
    if let Some(topic) = help::asked(args) {
        return Understood::Help(topic);
    }
    match grammar().try_get_matches_from(args) {
        Ok(matches) => command(&matches),
        Err(error) => usage::explain(&error, args),
    }
}

fn command(matches: &ArgMatches) -> Understood {
    match Cli::from_arg_matches(matches) {
        Ok(Cli { global, command, .. }) => Understood::Command(Box::new(Typed {
            global,
            command,
            verbose: root::verbosity(matches),
            output_typed: typed(matches, "output"),
        })),
        Err(error) => Understood::Mistake(Failure::usage("E0002", error.to_string())),
    }
}

/// Whether a flag was typed, rather than set by the environment.
fn typed(matches: &ArgMatches, flag: &str) -> bool {
    let here = matches.value_source(flag) == Some(ValueSource::CommandLine);
    here || matches.subcommand().is_some_and(|(_, inner)| typed(inner, flag))
}

/// The script that completes the words of a command line in a shell.
#[must_use]
pub fn completion(args: &Completion) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut grammar(), "gofer", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Typed {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match understand(&words) {
            Understood::Command(typed) => *typed,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_form_of_output_that_was_typed_is_known_at_any_level() {
        assert!(!typed("gofer run list").output_typed);
        assert!(typed("gofer -o json run list").output_typed);
        assert!(typed("gofer run list -o table").output_typed);
    }

    fn mistake(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        match understand(&words) {
            Understood::Mistake(failure) => failure.message.clone(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_retry_repeats_one_part_of_a_run_or_all_of_it() {
        for line in ["--all", "--from-failed", "--from a --from b --follow"] {
            let _ = typed(&format!("gofer retry hello/1 {line}"));
        }
        for line in ["--all --from-failed", "--all --from a", "--from-failed --from a", "--detach --wait 1s"]
        {
            assert!(mistake(&format!("gofer retry - {line}")).contains("cannot be used with"), "{line}");
        }
    }

    #[test]
    fn tasks_are_chosen_in_both_ways_at_once_and_parents_only_of_a_choice() {
        let line = "gofer start hello --only a --from b --from c --with-parents --priority -3";
        let Command::Start(start) = typed(line).command else { panic!("a start") };
        assert_eq!((start.choice.only.len(), start.choice.from.len(), start.priority), (1, 2, -3));
        assert!(mistake("gofer start hello --with-parents").starts_with("missing: "));
        assert!(mistake("gofer start hello --priority 11").contains("-10..=10"));
        assert!(mistake("gofer local --image alpine").contains("TASK=IMAGE"));
    }

    #[test]
    fn an_answer_has_fields_only_if_it_is_yes() {
        let Command::Run(resources::Run::Approve(yes)) =
            typed("gofer run approve ship/1/ask --field who=ana --field n=1=2 --note ok").command
        else {
            panic!("an answer")
        };
        assert_eq!((yes.reject, yes.field.len(), yes.field[1].value.as_str()), (false, 2, "1=2"));
        let _ = typed("gofer run approve ship/1/ask --reject --note no");
        assert!(mistake("gofer run approve ship/1/ask --reject --field a=b").contains("cannot be used with"));
        assert!(mistake("gofer run approve ship/1/ask --field who").contains("NAME=VALUE"));
    }

    #[test]
    fn output_is_deleted_whole() {
        let Command::Logs(logs) = typed("gofer logs hello/1 --delete --yes").command else { panic!("logs") };
        assert!(logs.delete);
        for line in ["--follow", "--task a", "--failed", "--attempt 1", "--tail 3", "--since 1h", "--raw"] {
            assert!(
                mistake(&format!("gofer logs - --delete {line}")).contains("cannot be used with"),
                "{line}"
            );
        }
    }

    #[test]
    fn verbosity_is_counted_at_every_level() {
        assert_eq!(typed("gofer run list").verbose, 0);
        assert_eq!(typed("gofer -v run -v list -vv").verbose, 4);
        assert_eq!(typed("gofer -v start hello -v a=b").verbose, 1, "`start` has another `-v`");
    }
}
