//! What was typed cannot be understood: says so with a code, and what was probably meant.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use gofer_output::error::{Failure, nearest};

use crate::{Understood, not_yet};

/// Explains why a command line is not a command.
pub(crate) fn explain(error: &clap::Error, args: &[OsString]) -> Understood {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Understood::Help(error.render().to_string()),
        ErrorKind::InvalidSubcommand => Understood::Mistake(unknown_command(error, args)),
        _ => Understood::Mistake(argument(error, args)),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        other => Some(other.to_string()),
    }
}

/// The commands that were understood before the first word that is none.
fn understood(args: &[OsString]) -> (String, clap::Command) {
    let mut command = crate::grammar();
    let mut path = Vec::new();
    for word in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
        if let Some(next) = command.find_subcommand(word).cloned() {
            path.push(next.get_name().to_owned());
            command = next;
        }
    }
    (path.join(" "), command)
}

fn unknown_command(error: &clap::Error, args: &[OsString]) -> Failure {
    let typed = context(error, ContextKind::InvalidSubcommand).unwrap_or_default();
    let (parent, command) = understood(args);
    let path = format!("{parent} {typed}").trim().to_owned();
    if not_yet::is_planned(&path) || not_yet::is_planned(&typed) && parent.is_empty() {
        return Failure::usage("E0003", format!("`gofer {path}` is not there yet"))
            .hint(format!("`gofer {}` shows what is", format!("{parent} --help").trim_start()));
    }
    let owner = format!("gofer {parent}").trim_end().to_owned();
    let failure = Failure::usage("E0001", format!("`{owner}` has no command `{typed}`"));
    let names: Vec<&str> =
        command.get_subcommands().flat_map(clap::Command::get_name_and_visible_aliases).collect();
    let guess = not_yet::meant(&path)
        .map(|meant| format!("gofer {meant}"))
        .or_else(|| nearest(&typed, names).map(|near| format!("{owner} {near}")))
        .or_else(|| (parent == "run").then(|| format!("gofer start {typed}")));
    match guess {
        Some(guess) => failure.hint(format!("did you mean `{guess}`?")),
        None => failure.hint(format!("`{owner} --help` shows its commands")),
    }
}

fn argument(error: &clap::Error, args: &[OsString]) -> Failure {
    let text = error.render().to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let missing =
        matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::InvalidValue).then(|| {
            text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim).collect::<Vec<_>>()
        });
    let details = missing.filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "));
    let message = match details {
        Some(details) if error.kind() == ErrorKind::MissingRequiredArgument => format!("missing: {details}"),
        Some(details) => format!("{message}: {}", details.trim_start_matches('[').trim_end_matches(']')),
        None => message,
    };
    let (path, _) = understood(args);
    let suggestion = context(error, ContextKind::SuggestedArg)
        .or_else(|| context(error, ContextKind::SuggestedValue))
        .map(|near| format!("did you mean `{near}`? "))
        .unwrap_or_default();
    let help = format!("gofer {path} --help").replace("  ", " ");
    Failure::usage("E0002", message).hint(format!("{suggestion}`{help}` shows what is accepted"))
}
