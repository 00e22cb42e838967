//! What a run may be given, and what an approval asks for, as people read it.

use gofer_output::sanitize::plain;
use gofer_output::style::Style;
use gofer_output::table::{Cell, lay_out};

use crate::Variable;

/// A value as the author of the pipeline writes it: only text is quoted.
pub(crate) fn literal(variable: &Variable, value: &str) -> String {
    if variable.r#type == "string" { format!("{value:?}") } else { plain(value) }
}

/// The values that are accepted, if only some of the type are.
pub(crate) fn allowed(variable: &Variable) -> Option<String> {
    let all: Vec<String> = variable.allowed.iter().map(|value| plain(value)).collect();
    (!all.is_empty()).then(|| all.join(" or "))
}

/// The first line of what the author says about it, if there is one.
pub(crate) fn about(variable: &Variable) -> Option<String> {
    variable.description.lines().next().filter(|line| !line.is_empty()).map(plain)
}

/// Each variable on a line: its type, what it is without a value, what it may be, and what it is for.
pub(crate) fn lines(variables: &[Variable], style: &Style) -> String {
    if variables.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<Cell>> = variables.iter().map(row).collect();
    format!("\nvariables\n{}", lay_out(None, &rows, style))
}

fn row(variable: &Variable) -> Vec<Cell> {
    let is_sensitive = variable.sensitive == Some(true);
    let without = match &variable.default {
        None => "required".to_owned(),
        Some(_) if is_sensitive => "has a default".to_owned(),
        Some(value) => format!("default {}", literal(variable, value)),
    };
    let allowed = allowed(variable).map(|values| format!("one of {values}"));
    let rules = allowed.into_iter().chain(is_sensitive.then(|| "sensitive".to_owned()));
    let rules = rules.collect::<Vec<_>>().join(", ");
    let or_blank = |text: String| if text.is_empty() { " ".to_owned() } else { text };
    vec![
        format!("  {}", plain(&variable.name)).into(),
        variable.r#type.clone().into(),
        without.into(),
        or_blank(rules).into(),
        or_blank(about(variable).unwrap_or_default()).into(),
    ]
}

#[cfg(test)]
mod tests {
    use gofer_output::style::{ColorChoice, Surroundings};
    use gofer_types::Timestamp;

    use super::*;

    fn variable(name: &str, kind: &str, default: Option<&str>) -> Variable {
        Variable {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            allowed: Vec::new(),
            description: String::new(),
            default: default.map(str::to_owned),
            sensitive: None,
        }
    }

    #[test]
    fn a_variable_tells_all_that_a_start_must_know() {
        let style = Style::new(&Surroundings::default(), ColorChoice::Never, None, Timestamp::default());
        let channel = Variable {
            allowed: vec!["beta".to_owned(), "stable".to_owned()],
            description: "Where it goes\nand more".to_owned(),
            ..variable("channel", "string", Some("beta"))
        };
        let token = Variable { sensitive: Some(true), ..variable("token", "string", Some("***")) };
        let all =
            [channel, variable("fast", "bool", Some("true")), variable("percent", "number", None), token];
        insta::assert_snapshot!(lines(&all, &style));
        assert_eq!(lines(&[], &style), "");
    }
}
