//! Pipelines and their versions.
//!
//! A file is parsed here, so that its author sees every problem with its place. Where the file names a namespace, it
//! is that one which is meant; authorisation has to look at the effective one, not at the field of the request.

use gofer_contract::{Problem, codes, convert};
use gofer_engine::Registration;
use gofer_pipeline::{Parsed, Severity, Source};
use gofer_proto::v1;
use gofer_proto::v1::pipeline_service_server::PipelineService;
use gofer_proto::v1::{
    DeletePipelineRequest, DeletePipelineResponse, GetPipelineRequest, GetPipelineResponse,
    GetVersionRequest, GetVersionResponse, ListPipelinesRequest, ListPipelinesResponse, ListVersionsRequest,
    ListVersionsResponse, RegisterPipelineRequest, RegisterPipelineResponse, SetPipelineEnabledRequest,
    SetPipelineEnabledResponse, ValidatePipelineRequest, ValidatePipelineResponse,
};
use gofer_types::{Namespace, Pipeline, PipelineRef};
use tonic::{Code, Request, Response, Status};

use super::{Api, caller};
use crate::fields::Fields;
use crate::paging;

/// The name of a file that has none.
const UNNAMED: &str = "pipeline.hcl";
/// How long the name of a file may be, in characters.
const FILE_NAME: usize = 255;

/// A file that was looked through.
struct Examined {
    pipeline: Option<Pipeline>,
    diagnostics: Vec<v1::Diagnostic>,
}

impl Api {
    /// Parses a file and looks for parts that this server cannot run.
    fn examine(&self, file: &v1::SourceFile) -> Examined {
        let name = if file.name.is_empty() { UNNAMED } else { &file.name };
        let limits = &self.options.pipeline_limits;
        let source = match Source::from_bytes(name, file.content.as_bytes(), limits) {
            Ok(source) => source,
            Err(problem) => {
                let empty = Source::new(name, "");
                return Examined { pipeline: None, diagnostics: vec![convert::diagnostic(&problem, &empty)] };
            }
        };
        let Parsed { pipeline, mut problems, spans, .. } = gofer_pipeline::parse(&source, limits);
        let refused = pipeline.as_ref().map(|pipeline| {
            gofer_pipeline::unsupported(pipeline, &self.options.supported)
                .iter()
                .map(|part| part.diagnostic(Severity::Error, &spans, &source))
                .collect::<Vec<_>>()
        });
        let refused = refused.unwrap_or_default();
        let pipeline = pipeline.filter(|_| refused.is_empty());
        problems.extend(refused);
        problems.truncate(limits.problems);
        Examined {
            pipeline,
            diagnostics: problems.iter().map(|problem| convert::diagnostic(problem, &source)).collect(),
        }
    }
}

/// The file of a request, which must be there and have a proper name, and the namespace that it is meant for.
fn file(
    source: Option<v1::SourceFile>,
    namespace: &str,
    mut fields: Fields,
) -> Result<(v1::SourceFile, Namespace), Status> {
    let file = match source {
        Some(file) => fields.text("source.name", file.name.clone(), FILE_NAME).map(|_| file),
        None => fields.refuse("source", "it must be set"),
    };
    let namespace = fields.namespace_or_default("namespace", namespace);
    fields.finish(file.zip(namespace))
}

/// All that is wrong with a file.
fn invalid(diagnostics: Vec<v1::Diagnostic>) -> Problem {
    let errors: Vec<&v1::Diagnostic> = diagnostics.iter().filter(|problem| problem.error).collect();
    let code = errors.first().map(|problem| problem.code.as_str());
    let code = gofer_pipeline::CODES.iter().find(|(known, _)| Some(known.as_str()) == code);
    let message = match errors.as_slice() {
        [only] => only.message.clone(),
        several => format!("the pipeline file has {} problems", several.len()),
    };
    let code = code.map_or(codes::DEFECT, |(code, _)| code.as_str());
    let mut problem = Problem::new(Code::InvalidArgument, code, message).next("gofer pipeline plan");
    for one in &errors {
        let place = format!("{}:{}:{}: {}", one.file, one.line, one.column, one.message);
        problem = problem.violation("source.content", place);
    }
    Problem { diagnostics, ..problem }
}

#[tonic::async_trait]
impl PipelineService for Api {
    async fn validate_pipeline(
        &self,
        request: Request<ValidatePipelineRequest>,
    ) -> Result<Response<ValidatePipelineResponse>, Status> {
        let request = request.into_inner();
        let (file, _) = file(request.source, &request.namespace, Fields::default())?;
        Ok(Response::new(ValidatePipelineResponse { diagnostics: self.examine(&file).diagnostics }))
    }

    async fn register_pipeline(
        &self,
        request: Request<RegisterPipelineRequest>,
    ) -> Result<Response<RegisterPipelineResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (file, namespace) = file(request.source, &request.namespace, Fields::default())?;
        let Examined { pipeline, diagnostics } = self.examine(&file);
        let Some(config) = pipeline else { return Err(invalid(diagnostics).into()) };
        let namespace = config.namespace.clone().unwrap_or(namespace);
        let registration = Registration {
            pipeline: PipelineRef { namespace, pipeline: config.id.clone() },
            config,
            expected: request.expected_version,
        };
        let done = self.engine.register_pipeline(&caller, registration).await.map_err(Problem::from)?;
        Ok(Response::new(RegisterPipelineResponse {
            pipeline: Some(convert::pipeline(&done.pipeline, &done.version)),
            version: Some(convert::version(&done.version, true)),
            unchanged: done.unchanged,
            diagnostics,
        }))
    }

    async fn get_pipeline(
        &self,
        request: Request<GetPipelineRequest>,
    ) -> Result<Response<GetPipelineResponse>, Status> {
        let mut fields = Fields::default();
        let id = fields.pipeline("pipeline", request.get_ref().pipeline.as_ref());
        let id = fields.finish(id)?;
        let (record, newest) = self.engine.get_pipeline(&id).await.map_err(Problem::from)?;
        Ok(Response::new(GetPipelineResponse { pipeline: Some(convert::pipeline(&record, &newest)) }))
    }

    async fn list_pipelines(
        &self,
        request: Request<ListPipelinesRequest>,
    ) -> Result<Response<ListPipelinesResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let namespace = fields.namespace_filter("namespace", &request.namespace);
        let page = fields.page(request.page);
        let (namespace, page) = fields.finish(namespace.zip(page))?;
        let fetch = |page| self.engine.list_pipelines(namespace.as_ref(), page);
        let answer = paging::fitting(page, fetch, |listing| ListPipelinesResponse {
            pipelines: listing
                .items
                .iter()
                .map(|(record, newest)| convert::pipeline(record, newest))
                .collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }

    async fn get_version(
        &self,
        request: Request<GetVersionRequest>,
    ) -> Result<Response<GetVersionResponse>, Status> {
        let mut fields = Fields::default();
        let id = fields.pipeline("pipeline", request.get_ref().pipeline.as_ref());
        let id = fields.finish(id)?;
        let number = Fields::version(request.get_ref().version);
        let record = self.engine.get_version(&id, number).await.map_err(Problem::from)?;
        Ok(Response::new(GetVersionResponse { version: Some(convert::version(&record, true)) }))
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let id = fields.pipeline("pipeline", request.pipeline.as_ref());
        let page = fields.page(request.page);
        let (id, page) = fields.finish(id.zip(page))?;
        let fetch = |page| self.engine.list_versions(&id, page);
        let answer = paging::fitting(page, fetch, |listing| ListVersionsResponse {
            versions: listing.items.iter().map(|record| convert::version(record, false)).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }

    async fn set_pipeline_enabled(
        &self,
        request: Request<SetPipelineEnabledRequest>,
    ) -> Result<Response<SetPipelineEnabledResponse>, Status> {
        let caller = caller(&request)?;
        let mut fields = Fields::default();
        let id = fields.pipeline("pipeline", request.get_ref().pipeline.as_ref());
        let id = fields.finish(id)?;
        let enabled = request.get_ref().enabled;
        let record = self.engine.set_pipeline_enabled(&caller, &id, enabled).await.map_err(Problem::from)?;
        let newest = self.engine.get_version(&id, Some(record.latest)).await.map_err(Problem::from)?;
        Ok(Response::new(SetPipelineEnabledResponse { pipeline: Some(convert::pipeline(&record, &newest)) }))
    }

    async fn delete_pipeline(
        &self,
        request: Request<DeletePipelineRequest>,
    ) -> Result<Response<DeletePipelineResponse>, Status> {
        let caller = caller(&request)?;
        let mut fields = Fields::default();
        let id = fields.pipeline("pipeline", request.get_ref().pipeline.as_ref());
        let id = fields.finish(id)?;
        self.engine.delete_pipeline(&caller, &id).await.map_err(Problem::from)?;
        Ok(Response::new(DeletePipelineResponse {}))
    }
}
