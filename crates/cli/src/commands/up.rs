//! `up`, `pipeline apply` and `pipeline plan`: from a file to a version, after saying what changes.

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_output::diff;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::{Colour, Sign, Style};
use gofer_types::Pipeline;
use serde_json::{Value, json};

use crate::args::{Start, Up, Variables, resources};
use crate::context::Cx;
use crate::language;
use crate::remote::incomplete;
use crate::source::{self, Valid};
use crate::views::{self, Plan};

/// A file, and what registering it would change.
struct Change {
    file: Valid,
    namespace: String,
    plan: Plan,
}

/// `up` and `pipeline apply`.
pub(super) async fn up(cx: &Cx, args: &Up) -> Result<Exit, Failure> {
    let file = source::read(&args.path)?.valid()?;
    let remote = cx.remote().await?;
    let mut change = compare(cx, &remote, file).await?;
    say(cx, &change);
    if args.plan {
        cx.ui.object(&change.plan, |style| human(&change.plan, style))?;
        return Ok(Exit::Ok);
    }
    if change.plan.unchanged {
        cx.ui.object(&change.plan, |style| human(&change.plan, style))?;
    } else {
        apply(cx, &remote, &mut change).await?;
    }
    if args.start {
        return super::run::start(cx, starting(&change.plan.r#ref, args)).await;
    }
    cx.ui.next(&[(format!("gofer start {}", change.plan.r#ref), "start a run")]);
    Ok(Exit::Ok)
}

/// `pipeline plan`.
pub(super) async fn plan(cx: &Cx, args: &resources::Plan) -> Result<Exit, Failure> {
    let file = source::read(&args.file.path)?.valid()?;
    let change = compare(cx, &cx.remote().await?, file).await?;
    say(cx, &change);
    cx.ui.object(&change.plan, |style| human(&change.plan, style))?;
    Ok(if args.exit_code && !change.plan.unchanged { Exit::Changes } else { Exit::Ok })
}

fn say(cx: &Cx, change: &Change) {
    for warning in &change.file.warnings {
        cx.ui.note(warning.trim_end());
    }
    cx.ui.note(&format!("{}  ok  {}", change.file.source.name(), source::describe(&change.file.pipeline)));
}

async fn compare(cx: &Cx, remote: &Client, file: Valid) -> Result<Change, Failure> {
    let own = file.pipeline.namespace.as_ref().map(ToString::to_string);
    let namespace = own.unwrap_or_else(|| cx.addresses.namespace());
    let id = file.pipeline.id.to_string();
    let newest = newest(remote, &namespace, &id).await?;
    let (version, old) = match &newest {
        None => (0, json!({})),
        Some((version, pipeline)) => (*version, language::tree(pipeline)),
    };
    let mut changes = diff::changes(&old, &language::tree(&file.pipeline));
    let unchanged = newest.is_some_and(|(_, pipeline)| pipeline == file.pipeline);
    if changes.is_empty() && !unchanged {
        changes.push("~ task  in another order".to_owned());
    }
    let plan = Plan { r#ref: views::address(&namespace, &id), changes, unchanged, version, registered: None };
    Ok(Change { file, namespace, plan })
}

/// The newest version of a pipeline; `None` if there is no such pipeline.
async fn newest(remote: &Client, namespace: &str, id: &str) -> Result<Option<(u64, Pipeline)>, Failure> {
    let pipeline = Some(pb::PipelineRef { namespace: namespace.to_owned(), pipeline: id.to_owned() });
    match remote.get_version(pb::GetVersionRequest { pipeline, version: 0 }).await {
        Ok(answer) => {
            let version = answer.version.ok_or_else(incomplete)?;
            Ok(Some((version.version, of_version(&version)?)))
        }
        Err(error) if error.code() == Some("E0302") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The configuration that a version holds.
pub(super) fn of_version(version: &pb::Version) -> Result<Pipeline, Failure> {
    let stored: Result<Pipeline, _> = serde_json::from_str(&version.json);
    if let Ok(pipeline) = stored {
        return Ok(pipeline);
    }
    let source = gofer_pipeline::Source::new("version.json", version.json.as_str());
    gofer_pipeline::parse(&source, &gofer_pipeline::Limits::default()).pipeline.ok_or_else(incomplete)
}

async fn apply(cx: &Cx, remote: &Client, change: &mut Change) -> Result<(), Failure> {
    cx.ui.text(&human(&change.plan, &cx.ui.style))?;
    let count = source::count(change.plan.changes.len(), "change");
    let namespace = if change.namespace.is_empty() { "default" } else { &change.namespace };
    cx.confirm(&format!("Apply {count} to {namespace} on {}?", cx.global.addr))?;
    let source = &change.file.source;
    let request = pb::RegisterPipelineRequest {
        source: Some(pb::SourceFile { name: source.name().to_owned(), content: source.text().to_owned() }),
        namespace: change.namespace.clone(),
        expected_version: Some(change.plan.version),
    };
    let version = remote.register_pipeline(request).await?.version.ok_or_else(incomplete)?.version;
    change.plan.registered = Some(version);
    match cx.ui.machine() {
        true => cx.ui.item(&change.plan),
        false => cx.ui.object(&change.plan, |style| {
            let sign = style.sign(Sign::Good);
            format!("{sign} {} v{version} registered, receiving all new runs\n", change.plan.r#ref)
        }),
    }
}

/// A plan for people.
pub(super) fn human(plan: &Plan, style: &Style) -> String {
    if plan.unchanged {
        return format!("{} v{} is unchanged\n", plan.r#ref, plan.version);
    }
    let mut text = match plan.version {
        0 => format!("{} is new\n", plan.r#ref),
        version => format!("{}  v{version} -> v{}\n", plan.r#ref, version + 1),
    };
    for line in &plan.changes {
        text.push_str(&coloured(line, style));
    }
    text
}

/// One difference, in its colour.
pub(super) fn coloured(line: &str, style: &Style) -> String {
    let colour = match line.chars().next() {
        Some('+') => Colour::Green,
        Some('-') => Colour::Red,
        _ => Colour::Bold,
    };
    format!("  {}\n", style.paint(colour, line))
}

/// What two versions differ in.
pub(super) fn between(old: &Pipeline, new: &Pipeline) -> Vec<String> {
    let (old, new): (Value, Value) = (language::tree(old), language::tree(new));
    diff::changes(&old, &new)
}

fn starting(reference: &str, args: &Up) -> Start {
    Start {
        pipeline: reference.to_owned(),
        variables: Variables { var: Vec::new(), var_file: None },
        detach: false,
        follow: args.follow,
        wait: None,
        idempotency_key: None,
    }
}
