//! What is said of values that somebody gave: each wrong one by its name, with the rule that it breaks and what to do.

use gofer_engine::FieldProblem;
use gofer_pipeline::VariableProblem;
use gofer_types::pipeline::VariableType;
use tonic::Code;

use super::codes;
use super::problem::Problem;

/// How values are called, and how they are given.
pub(super) struct Given {
    field: &'static str,
    noun: &'static str,
    unknown: &'static str,
    flag: &'static str,
    list: &'static str,
}

/// The variables of a run.
pub(super) const VARIABLES: Given = Given {
    field: "variables",
    noun: "variable",
    unknown: "the pipeline has no variable",
    flag: "--var",
    list: "gofer pipeline get",
};

/// The fields of an approval.
pub(super) const FIELDS: Given = Given {
    field: "fields",
    noun: "field",
    unknown: "the approval asks for no field",
    flag: "--field",
    list: "gofer run explain",
};

/// A value that is not accepted.
struct Wrong {
    field: String,
    rule: String,
    fix: String,
}

/// Parts of a start that are not accepted.
pub(super) fn start(problems: &[FieldProblem]) -> Problem {
    let wrong = |one: &FieldProblem| Wrong {
        field: one.field.clone(),
        rule: one.rule.clone(),
        fix: one.hint.clone(),
    };
    several(codes::START, "parts of the start", problems.iter().map(wrong).collect())
}

/// Values that are not accepted.
pub(super) fn refused(problems: &[VariableProblem], given: &Given) -> Problem {
    let wrong = |one: &VariableProblem| Wrong {
        field: format!("{}[{:?}]", given.field, name(one)),
        rule: rule(one, given),
        fix: fix(one, given),
    };
    several(codes::VARIABLES, &format!("of the {}s", given.noun), problems.iter().map(wrong).collect())
}

/// Values that are too large together.
pub(super) fn too_large(text: String) -> Problem {
    Problem::new(Code::InvalidArgument, codes::VARIABLES, text.clone())
        .hint("pass references to large contents instead of the contents")
        .violation("variables", text)
}

/// A hint stands beside one alone: of several, each says what to do itself.
fn several(code: &'static str, what: &str, all: Vec<Wrong>) -> Problem {
    let problem = match all.as_slice() {
        [Wrong { rule, fix, .. }] => Problem::new(Code::InvalidArgument, code, rule).hint(fix),
        all => Problem::new(Code::InvalidArgument, code, format!("{} {what} are not accepted", all.len())),
    };
    all.into_iter().fold(problem, |problem, Wrong { field, rule, fix }| {
        problem.violation(field, format!("{rule}; {fix}"))
    })
}

/// The name that a value was given by, or is to be given by.
fn name(problem: &VariableProblem) -> &str {
    match problem {
        VariableProblem::Unknown { name, .. } => name,
        VariableProblem::Missing { name, .. }
        | VariableProblem::WrongType { name, .. }
        | VariableProblem::NotAllowed { name, .. }
        | VariableProblem::Nul { name } => name.as_str(),
    }
}

fn rule(problem: &VariableProblem, given: &Given) -> String {
    match problem {
        VariableProblem::Unknown { name, .. } => format!("{} `{name}`", given.unknown),
        other => other.to_string().replacen("variable", given.noun, 1),
    }
}

fn fix(problem: &VariableProblem, given: &Given) -> String {
    let Given { flag, list, .. } = given;
    match problem {
        VariableProblem::Unknown { meant: Some(meant), .. } => format!("did you mean `{meant}`?"),
        VariableProblem::Unknown { meant: None, .. } => format!("`{list}` shows which there are"),
        VariableProblem::Missing { name, description } => {
            let about = if description.is_empty() { String::new() } else { format!(": {description}") };
            format!("give it with `{flag} {name}=VALUE`{about}")
        }
        VariableProblem::WrongType { kind, .. } => written(*kind).to_owned(),
        VariableProblem::NotAllowed { allowed, .. } => {
            format!("choose one, such as `{}`", allowed.first().map_or("", String::as_str))
        }
        VariableProblem::Nul { .. } => "leave the character out".to_owned(),
    }
}

const fn written(kind: VariableType) -> &'static str {
    match kind {
        VariableType::Number => "a number is written `3`, `-1` or `2.5`",
        VariableType::Bool => "a bool is `true` or `false`",
        VariableType::String => "any text is accepted",
    }
}
