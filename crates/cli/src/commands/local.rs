//! `local`: a pipeline file from beginning to end, in this process, without a server.

use std::path::Path;

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::Local;
use gofer_input::source::{self, Valid};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_types::Task;
use gofer_views::follow::{Follower, OnInterrupt, Shown};
use gofer_views::signals::Stops;
use gofer_views::{human, language};

use super::start::wish;
use crate::context::Cx;
use crate::embedded;
use crate::remote::incomplete;
use gofer_views::ask::by_number;

/// `local`.
pub(super) async fn local(cx: &Cx, args: Local) -> Result<Exit, Failure> {
    let file = source::read(&args.path)?.valid()?;
    let start = wish(&args.variables, args.choice)?;
    for warning in &file.warnings {
        cx.ui.note(warning.trim_end());
    }
    let imageless = |task: &&Task| task.image.is_empty() && !start.images.contains_key(task.id.as_str());
    let imageless = file.pipeline.tasks.iter().find(imageless);
    let chosen =
        embedded::choose(args.scheduler, &cx.engines, imageless.map(|task| task.id.as_str())).await?;
    let source = runnable(cx, file);
    // Before anything is started that would outlive this process.
    let mut stops = Stops::of_owner()?;
    cx.ui.note(&format!("note: scheduler {}", chosen.told));
    embedded::log(if cx.ui.verbose > 0 { "debug" } else { "error" }, false, None)?;
    let containers = chosen.containers;
    let server = embedded::local(chosen, &cx.actor).await?;
    let outcome = run(cx, &server.client(), (source, start), &mut stops).await;
    if let Some(kept) = server.shutdown(args.keep).await {
        let kept = kept.display();
        cx.ui.note(&format!("records and logs are kept in {kept}"));
        cx.ui.next(&[(format!("gofer server start --data {kept}"), "a server over them")]);
    }
    if let Ok(exit) = &outcome {
        cx.ui.next(&next(&args.path, *exit, containers));
    }
    outcome
}

/// What may be done after a run that did not succeed.
fn next(path: &Path, exit: Exit, containers: bool) -> Vec<(String, &'static str)> {
    let mut next = Vec::new();
    if matches!(exit, Exit::RunFailed | Exit::RunErrored | Exit::RunTimedOut) {
        next.push((
            format!("gofer local {} --keep", path.display()),
            "run it again and keep its records and logs",
        ));
    }
    if containers && exit == Exit::RunErrored {
        let again = format!("gofer local {} --scheduler process", path.display());
        next.push((again, "without containers: on this machine, in no sandbox, images ignored"));
    }
    next
}

/// The file as it is run here: without what would start it or tell of it.
fn runnable(cx: &Cx, file: Valid) -> pb::SourceFile {
    let Valid { source, mut pipeline, .. } = file;
    let ignored: Vec<String> = [(pipeline.triggers.len(), "trigger"), (pipeline.notifiers.len(), "notifier")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, noun)| human::count(n, noun))
        .collect();
    if ignored.is_empty() {
        return pb::SourceFile { name: source.name().to_owned(), content: source.text().to_owned() };
    }
    cx.ui.note(&format!("note: {} ignored: this runs once, now", ignored.join(" and ")));
    pipeline.triggers.clear();
    pipeline.notifiers.clear();
    pb::SourceFile { name: "pipeline.json".to_owned(), content: language::file(&pipeline) }
}

async fn run(
    cx: &Cx,
    client: &Client,
    (source, start): (pb::SourceFile, pb::StartRunRequest),
    stops: &mut Stops,
) -> Result<Exit, Failure> {
    let register = pb::RegisterPipelineRequest { source: Some(source), ..Default::default() };
    let registered = tokio::select! {
        biased;
        () = stops.next() => {
            cx.ui.note("\ninterrupted: nothing was started");
            return Ok(Exit::Interrupted);
        }
        registered = client.register_pipeline(register) => registered?,
    };
    let pb::Pipeline { namespace, id: pipeline, .. } = registered.pipeline.ok_or_else(incomplete)?;
    let reference = pb::PipelineRef { namespace: namespace.clone(), pipeline: pipeline.clone() };
    let start = pb::StartRunRequest { pipeline: Some(reference), ..start };
    let (known, shown) = (cx.forgetful(), Shown::everything(OnInterrupt::Cancel));
    let followed = async {
        // Not given up halfway: a signal is kept meanwhile, and cancels the run as soon as there is one.
        let run = by_number(&client.start_run(start).await?.run.ok_or_else(incomplete)?);
        Follower::new(&cx.ui, client, &known, shown).follow_until(run, stops).await
    };
    match followed.await {
        Ok(ending) => Ok(ending.exit()),
        Err(failure) => {
            // The only run that there can be, also when its start was not answered.
            let selector = Some(pb::run_ref::Selector::Latest(pb::Latest::Unspecified.into()));
            end(client, pb::RunRef { namespace, pipeline, selector }).await;
            Err(failure)
        }
    }
}

/// Nobody looks any more: ends the run, so that nothing of it stays behind.
async fn end(client: &Client, run: pb::RunRef) {
    use futures_util::StreamExt;
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
    let reason = "nobody follows any more".to_owned();
    let _ = client.cancel_run(pb::CancelRunRequest { run: Some(run.clone()), reason, force: true }).await;
    if let Ok(mut updates) = client.watch_run(pb::WatchRunRequest { run: Some(run) }).await {
        let _ = tokio::time::timeout(PATIENCE, async { while updates.next().await.is_some() {} }).await;
    }
}
