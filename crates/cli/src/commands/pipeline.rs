//! `pipeline`: pipelines and their versions.

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::Paging;
use gofer_grammar::resources::{
    Diff, Graph as GraphArgs, Pipeline as Verb, PipelineFile, PipelineReference, Versions,
};
use gofer_input::source;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::{Done, Graph, Pipeline, Plan, Validation, Version, address, human, language};

use super::up;
use crate::context::Cx;
use crate::embedded;
use crate::remote::incomplete;

/// `pipeline`.
pub(super) async fn dispatch(cx: &Cx, command: Verb) -> Result<Exit, Failure> {
    match command {
        Verb::List(paging) => list(cx, paging).await,
        Verb::Get(args) => get(cx, &args).await,
        Verb::Apply(args) => up::up(cx, &args).await,
        Verb::Plan(args) => up::plan(cx, &args).await,
        Verb::Validate(args) => validate(cx, &args),
        Verb::Graph(args) => graph(cx, args).await,
        Verb::Diff(args) => diff(cx, &args).await,
        Verb::Versions(args) => versions(cx, args).await,
        Verb::Enable(args) => enable(cx, &args, true).await,
        Verb::Disable(args) => enable(cx, &args, false).await,
        Verb::Delete(args) => delete(cx, &args).await,
        Verb::Export(args) => export(cx, &args).await,
    }
}

async fn list(cx: &Cx, paging: Paging) -> Result<Exit, Failure> {
    let remote = cx.remote().await?;
    let fetch = async |page| {
        let request = pb::ListPipelinesRequest { namespace: cx.addresses.namespace(), page: Some(page) };
        let answer = remote.list_pipelines(request).await?;
        Ok((answer.pipelines.into_iter().map(Pipeline::from).collect(), answer.next_page_token))
    };
    cx.list::<Pipeline, _>(&paging, ("pipeline", cx.again("pipeline list")), fetch).await?;
    Ok(Exit::Ok)
}

async fn versions(cx: &Cx, args: Versions) -> Result<Exit, Failure> {
    let typed = &args.pipeline.pipeline;
    let pipeline = cx.addresses.pipeline_only(typed)?;
    let remote = cx.remote().await?;
    let fetch = async |page| {
        let request = pb::ListVersionsRequest { pipeline: Some(pipeline.clone()), page: Some(page) };
        let answer = remote.list_versions(request).await?;
        Ok((answer.versions.into_iter().map(Version::from).collect(), answer.next_page_token))
    };
    let again = cx.again(&format!("pipeline versions {typed}"));
    cx.list::<Version, _>(&args.paging, ("version", again), fetch).await?;
    Ok(Exit::Ok)
}

async fn fetch_version(cx: &Cx, remote: &Client, typed: &str) -> Result<pb::Version, Failure> {
    let (pipeline, version) = cx.addresses.pipeline(typed)?;
    let request = pb::GetVersionRequest { pipeline: Some(pipeline), version };
    remote.get_version(request).await?.version.ok_or_else(incomplete)
}

async fn get(cx: &Cx, args: &PipelineReference) -> Result<Exit, Failure> {
    let (pipeline, number) = cx.addresses.pipeline(&args.pipeline)?;
    let remote = cx.remote().await?;
    let version = Version::from(fetch_version(cx, &remote, &args.pipeline).await?);
    if number > 0 {
        cx.ui.object(&version, |style| human::version(&version, style))?;
        return Ok(Exit::Ok);
    }
    let request = pb::GetPipelineRequest { pipeline: Some(pipeline) };
    let view = Pipeline::from(remote.get_pipeline(request).await?.pipeline.ok_or_else(incomplete)?);
    let view = Pipeline { variables: Some(version.variables.clone()), ..view };
    cx.ui.object(&view, |style| human::pipeline(&view, &version, style))?;
    Ok(Exit::Ok)
}

fn validate(cx: &Cx, args: &PipelineFile) -> Result<Exit, Failure> {
    let file = source::read(&args.path)?.runnable(&embedded::supported());
    if !cx.ui.machine() {
        let valid = file.valid()?;
        for warning in &valid.warnings {
            cx.ui.note(warning.trim_end());
        }
        cx.ui.text(&format!("{}  ok  {}\n", valid.source.name(), source::describe(&valid.pipeline)))?;
        return Ok(Exit::Ok);
    }
    let pipeline = file.pipeline.as_ref();
    let view = Validation {
        file: file.source.name().to_owned(),
        valid: pipeline.is_some(),
        pipeline: pipeline.map(|pipeline| pipeline.id.to_string()),
        tasks: pipeline.and_then(|pipeline| u32::try_from(pipeline.tasks.len()).ok()),
        problems: file.problems,
    };
    cx.ui.item(&view)?;
    Ok(if view.valid { Exit::Ok } else { Exit::Invalid })
}

async fn graph(cx: &Cx, args: GraphArgs) -> Result<Exit, Failure> {
    let graph = match (&args.file, &args.pipeline) {
        (Some(path), _) => Graph::from(&source::read(path)?.valid()?.pipeline),
        (None, typed) => {
            let typed = typed.as_deref().unwrap_or_default();
            let version = Version::from(fetch_version(cx, &cx.remote().await?, typed).await?);
            Graph { pipeline: version.r#ref, tasks: version.tasks }
        }
    };
    cx.ui.object(&graph, |style| human::graph(&graph, style))?;
    Ok(Exit::Ok)
}

async fn diff(cx: &Cx, args: &Diff) -> Result<Exit, Failure> {
    let remote = cx.remote().await?;
    let (old, new) =
        (fetch_version(cx, &remote, &args.from).await?, fetch_version(cx, &remote, &args.to).await?);
    let changes = up::between(&up::of_version(&old)?, &up::of_version(&new)?);
    let name = |version: &pb::Version| {
        address(&version.namespace, &format!("{}@{}", version.pipeline, version.version))
    };
    let unchanged = changes.is_empty();
    let plan = Plan { r#ref: name(&new), changes, unchanged, version: old.version, registered: None };
    cx.ui.object(&plan, |style| match unchanged {
        true => format!("{} and {} are the same\n", name(&old), name(&new)),
        false => human::differences(&plan.changes, style),
    })?;
    Ok(Exit::Ok)
}

async fn enable(cx: &Cx, args: &PipelineReference, enabled: bool) -> Result<Exit, Failure> {
    let pipeline = cx.addresses.pipeline_only(&args.pipeline)?;
    let request = pb::SetPipelineEnabledRequest { pipeline: Some(pipeline), enabled };
    let answer = cx.remote().await?.set_pipeline_enabled(request).await?;
    let view = Pipeline::from(answer.pipeline.ok_or_else(incomplete)?);
    cx.ui.object(&view, |_| match enabled {
        true => format!("{} is enabled: new runs may start\n", view.r#ref),
        false => format!("{} is disabled: no new runs start, running ones go on\n", view.r#ref),
    })?;
    Ok(Exit::Ok)
}

async fn delete(cx: &Cx, args: &PipelineReference) -> Result<Exit, Failure> {
    let pipeline = cx.addresses.pipeline_only(&args.pipeline)?;
    let name = address(&pipeline.namespace, &pipeline.pipeline);
    let remote = cx.remote().await?;
    remote.get_pipeline(pb::GetPipelineRequest { pipeline: Some(pipeline.clone()) }).await?;
    cx.confirm(&format!("Delete the pipeline `{name}` with its versions, runs and logs?"))?;
    remote.delete_pipeline(pb::DeletePipelineRequest { pipeline: Some(pipeline) }).await?;
    let done = Done { action: "deleted", names: vec![name] };
    cx.ui.object(&done, |_| format!("{} deleted\n", done.names.concat()))?;
    Ok(Exit::Ok)
}

async fn export(cx: &Cx, args: &PipelineReference) -> Result<Exit, Failure> {
    let version = fetch_version(cx, &cx.remote().await?, &args.pipeline).await?;
    cx.ui.bytes(language::file(&up::of_version(&version)?).as_bytes())?;
    Ok(Exit::Ok)
}
