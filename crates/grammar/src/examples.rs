//! The examples of every command's help: `help/examples.txt`. Each is parsed by a test.
//!
//! The file has the path of a command at the beginning of a line, and its examples indented below it.

use clap::Command;

const EXAMPLES: &str = include_str!("../help/examples.txt");

/// The path of the whole program in the file.
const ROOT: &str = "gofer";

/// What stands before a remark.
const REMARK: &str = "   # ";

/// The last line of every long help.
const MORE: &str = "More: `gofer help exit-codes`, also addresses, environment, json, colours.";

/// Adds the examples to a command and to all below it. The path is without the name of the program.
pub(crate) fn attach(command: Command, path: &str) -> Command {
    let lines = aligned(&of(if path.is_empty() { ROOT } else { path }));
    let text = format!("Examples:\n{}", lines.join("\n"));
    let command = if lines.is_empty() {
        command
    } else {
        command.after_help(text.clone()).after_long_help(format!("{text}\n\n{MORE}"))
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        attach(inner, path.trim_start())
    })
}

/// The examples of one command, as they stand in the file.
fn of(path: &str) -> Vec<&'static str> {
    let below = EXAMPLES.lines().skip_while(|line| *line != path).skip(1);
    below.take_while(|line| line.starts_with(' ')).collect()
}

/// The same with the remarks in one column.
fn aligned(lines: &[&str]) -> Vec<String> {
    let parts: Vec<(&str, &str)> =
        lines.iter().map(|line| line.split_once(REMARK).unwrap_or((line, ""))).collect();
    let width = parts.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let line = |(command, remark): &(&str, &str)| match *remark {
        "" => (*command).to_owned(),
        remark => format!("{command:width$}{REMARK}{remark}"),
    };
    parts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(command: &Command, path: &str, all: &mut Vec<String>) {
        all.push(if path.is_empty() { ROOT.to_owned() } else { path.to_owned() });
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            paths(inner, format!("{path} {}", inner.get_name()).trim_start(), all);
        }
    }

    /// Splits as a shell would, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let line = [REMARK, " > ", " && ", " | "]
            .iter()
            .fold(line, |line, end| line.split(end).next().unwrap_or(line));
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
        paths(&crate::grammar(), "", &mut all);
        let with: Vec<&str> = EXAMPLES.lines().filter(|line| !line.starts_with(' ')).collect();
        assert_eq!(all, with);
        assert!(all.iter().all(|path| of(path).len() >= 2));
    }

    #[test]
    fn every_example_can_be_typed() {
        for line in EXAMPLES.lines().filter(|line| line.starts_with(' ')) {
            let parsed = crate::grammar().try_get_matches_from(words(line));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        }
    }

    #[test]
    fn the_short_help_of_every_command_fits_a_screen() {
        const SCREEN: usize = 40;
        let mut all = Vec::new();
        paths(&crate::grammar(), "", &mut all);
        for path in all {
            let text = help(&path, "-h");
            assert!(text.lines().count() <= SCREEN, "{path}: {} lines\n{text}", text.lines().count());
        }
    }

    #[test]
    fn the_short_help_of_every_command_is_known() {
        let mut all = Vec::new();
        paths(&crate::grammar(), "", &mut all);
        let texts: Vec<String> =
            all.iter().map(|path| format!("$ {path} -h\n{}", help(path, "-h"))).collect();
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn the_long_help_tells_everything() {
        insta::assert_snapshot!(help("start", "--help"));
    }

    fn help(path: &str, flag: &str) -> String {
        let words = path.split(' ').filter(|word| *word != ROOT).chain([flag]);
        let error = crate::grammar().term_width(100).try_get_matches_from([ROOT].into_iter().chain(words));
        error.expect_err("help is no command").to_string()
    }
}
