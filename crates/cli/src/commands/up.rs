//! `up`, `pipeline apply` and `pipeline plan`: from a file to a version, after saying what changes.

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::{Attend, Choice, Start, Up, Variables, resources};
use gofer_input::source::{self, Valid};
use gofer_output::diff;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::Sign;
use gofer_pipeline::{Limits, Source};
use gofer_types::Pipeline;
use gofer_views::{Plan, address, human, language};
use serde_json::{Value, json};

use crate::context::Cx;
use crate::remote::incomplete;

/// A file, and what registering it would change.
struct Change {
    file: Valid,
    namespace: String,
    plan: Plan,
}

/// `up` and `pipeline apply`.
pub(super) async fn up(cx: &Cx, args: &Up) -> Result<Exit, Failure> {
    let file = source::read_for_server(&args.path)?.valid()?;
    let remote = cx.remote().await?;
    let mut change = compare(cx, &remote, file).await?;
    say(cx, &change);
    if args.plan {
        cx.ui.object(&change.plan, |style| human::plan(&change.plan, style))?;
        return Ok(Exit::Ok);
    }
    if change.plan.unchanged {
        cx.ui.object(&change.plan, |style| human::plan(&change.plan, style))?;
    } else {
        apply(cx, &remote, &mut change).await?;
    }
    if args.start {
        return super::start::start(cx, starting(&change.plan.r#ref, args)).await;
    }
    cx.ui.next(&[(format!("gofer start {}", change.plan.r#ref), "start a run")]);
    Ok(Exit::Ok)
}

/// `pipeline plan`.
pub(super) async fn plan(cx: &Cx, args: &resources::Plan) -> Result<Exit, Failure> {
    let file = source::read_for_server(&args.file.path)?.valid()?;
    let change = compare(cx, &cx.remote().await?, file).await?;
    say(cx, &change);
    cx.ui.object(&change.plan, |style| human::plan(&change.plan, style))?;
    Ok(if args.exit_code && !change.plan.unchanged { Exit::Changes } else { Exit::Ok })
}

fn say(cx: &Cx, change: &Change) {
    for warning in &change.file.warnings {
        cx.ui.note(warning.trim_end());
    }
    cx.ui.note(&format!("{}  ok  {}", change.file.source.name(), source::describe(&change.file.pipeline)));
}

/// Has the server look at a file, by its own limits and abilities.
async fn examined(remote: &Client, source: &Source, namespace: &str) -> Result<(), Failure> {
    let request = pb::ValidatePipelineRequest { source: Some(sent(source)), namespace: namespace.to_owned() };
    let found = remote.validate_pipeline(request).await?.diagnostics;
    let errors: Vec<&str> = found.iter().filter(|one| one.error).map(|one| one.code.as_str()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let rendered = found.iter().map(|one| one.rendered.clone()).collect();
    Err(source::invalid(source.name(), rendered, &errors))
}

fn sent(source: &Source) -> pb::SourceFile {
    pb::SourceFile { name: source.name().to_owned(), content: source.text().to_owned() }
}

async fn compare(cx: &Cx, remote: &Client, file: Valid) -> Result<Change, Failure> {
    let own = file.pipeline.namespace.as_ref().map(ToString::to_string);
    let namespace = own.unwrap_or_else(|| cx.addresses.namespace());
    examined(remote, &file.source, &namespace).await?;
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
    let plan = Plan { r#ref: address(&namespace, &id), changes, unchanged, version, registered: None };
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
    let source = Source::new("version.json", version.json.as_str());
    gofer_pipeline::parse(&source, &Limits::of_any_server()).pipeline.ok_or_else(incomplete)
}

async fn apply(cx: &Cx, remote: &Client, change: &mut Change) -> Result<(), Failure> {
    cx.ui.text(&human::plan(&change.plan, &cx.ui.style))?;
    let count = human::count(change.plan.changes.len(), "change");
    let namespace = if change.namespace.is_empty() { "default" } else { &change.namespace };
    cx.confirm(&format!("Apply {count} to {namespace} on {}?", cx.global.addr))?;
    let request = pb::RegisterPipelineRequest {
        source: Some(sent(&change.file.source)),
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

/// What two versions differ in.
pub(super) fn between(old: &Pipeline, new: &Pipeline) -> Vec<String> {
    let (old, new): (Value, Value) = (language::tree(old), language::tree(new));
    diff::changes(&old, &new)
}

fn starting(reference: &str, args: &Up) -> Start {
    Start {
        pipeline: reference.to_owned(),
        variables: Variables::default(),
        choice: Choice::default(),
        label: Vec::new(),
        priority: 0,
        attend: Attend { follow: args.follow, ..Attend::default() },
    }
}
