//! Objects: bytes under a key, of a pipeline or of a run.

mod checked;
mod download;
mod upload;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use gofer_contract::{Problem, codes, convert};
use gofer_engine::objects::{ByteRange, Page};
use gofer_proto::v1;
use gofer_proto::v1::object_service_server::ObjectService;
use gofer_proto::v1::{
    DeleteObjectRequest, DeleteObjectResponse, GetObjectRequest, GetObjectResponse, GetObjectUsageRequest,
    GetObjectUsageResponse, HeadObjectRequest, HeadObjectResponse, ListObjectsRequest, ListObjectsResponse,
    PutObjectRequest, PutObjectResponse,
};
use gofer_types::ObjectScope;
use tonic::{Code, Request, Response, Status, Streaming};

use super::{Api, caller};
use crate::fields::Fields;
use crate::paging;
use checked::Scope;

pub(crate) use upload::{PUT_OBJECT, PUT_OBJECT_PART};

impl Api {
    /// The pipeline or the run that is meant now.
    async fn scope(&self, (pipeline, run): Scope) -> Result<ObjectScope, Status> {
        match run {
            None => Ok(ObjectScope::Pipeline(pipeline)),
            Some(selector) => Ok(ObjectScope::Run(self.resolve((pipeline, selector)).await?)),
        }
    }
}

#[tonic::async_trait]
impl ObjectService for Api {
    type GetObjectStream = BoxStream<'static, Result<GetObjectResponse, Status>>;

    async fn put_object(
        &self,
        request: Request<Streaming<PutObjectRequest>>,
    ) -> Result<Response<PutObjectResponse>, Status> {
        let caller = caller(&request)?;
        let limit = self.options.limits.request;
        let mut parts = request.into_inner().boxed();
        let (scope, path, wish) = checked::put(upload::header(&mut parts, limit).await?)?;
        let (bytes, watch) = upload::bytes(parts, self.draining.clone());
        let work = async {
            let scope = self.scope(scope).await?;
            let put = self.engine.put_object(&caller, (&scope, &path), bytes, wish).await;
            Ok((scope, put.map_err(Problem::from)?))
        };
        let (scope, put) = watch.over(work, limit).await?;
        let evicted = put.evicted.iter().map(ToString::to_string).collect();
        Ok(Response::new(PutObjectResponse { object: Some(convert::object(&scope, &put.meta)), evicted }))
    }

    async fn get_object(
        &self,
        request: Request<GetObjectRequest>,
    ) -> Result<Response<Self::GetObjectStream>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let scope = checked::scope(&mut fields, "scope", request.scope.as_ref());
        let path = fields.object_key("key", &request.key);
        let version = fields.token("version", request.version);
        let ((scope, path), version) = fields.finish(scope.zip(path).zip(version))?;
        let scope = self.scope(scope).await?;
        let range = ByteRange { offset: request.offset, length: request.length };
        let content = self.engine.get_object(&scope, &path, range).await.map_err(Problem::from)?;
        if version.is_some_and(|wanted| wanted != content.meta.version) {
            let text = format!("`{path}` of {scope} was replaced while it was read");
            let replaced = Problem::new(Code::FailedPrecondition, codes::OBJECT_REPLACED, text);
            return Err(replaced.hint("read it again from its beginning").into());
        }
        let part = |part| GetObjectResponse { part: Some(part) };
        Ok(Response::new(self.answers(download::parts(&scope, content), part)))
    }

    async fn head_object(
        &self,
        request: Request<HeadObjectRequest>,
    ) -> Result<Response<HeadObjectResponse>, Status> {
        let HeadObjectRequest { scope, key } = request.into_inner();
        let (scope, path) = checked::place(scope.as_ref(), &key)?;
        let scope = self.scope(scope).await?;
        let meta = self.engine.head_object(&scope, &path).await.map_err(Problem::from)?;
        Ok(Response::new(HeadObjectResponse { object: Some(convert::object(&scope, &meta)) }))
    }

    async fn delete_object(
        &self,
        request: Request<DeleteObjectRequest>,
    ) -> Result<Response<DeleteObjectResponse>, Status> {
        let caller = caller(&request)?;
        let DeleteObjectRequest { scope, key } = request.into_inner();
        let (scope, path) = checked::place(scope.as_ref(), &key)?;
        let scope = self.scope(scope).await?;
        let existed = self.engine.delete_object(&caller, &scope, &path).await.map_err(Problem::from)?;
        Ok(Response::new(DeleteObjectResponse { existed }))
    }

    async fn list_objects(
        &self,
        request: Request<ListObjectsRequest>,
    ) -> Result<Response<ListObjectsResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let scope = checked::scope(&mut fields, "scope", request.scope.as_ref());
        let below = match request.below.as_str() {
            "" => Some(None),
            key => fields.object_key("below", key).map(Some),
        };
        let page = fields.page(request.page);
        let ((scope, below), page) = fields.finish(scope.zip(below).zip(page))?;
        let after = page.token.as_deref().map(checked::after).transpose()?;
        let scope = self.scope(scope).await?;
        let page = Page { after, limit: paging::wanted(page.size) };
        let listing = self.engine.list_objects(&scope, below.as_ref(), page).await.map_err(Problem::from)?;
        let next_page_token = listing.next.as_ref().map(checked::token).unwrap_or_default();
        let objects: Vec<v1::Object> = convert::objects(&scope, &listing);
        Ok(Response::new(ListObjectsResponse { objects, next_page_token }))
    }

    async fn get_object_usage(
        &self,
        request: Request<GetObjectUsageRequest>,
    ) -> Result<Response<GetObjectUsageResponse>, Status> {
        let mut fields = Fields::default();
        let namespace = fields.namespace_or_default("namespace", &request.get_ref().namespace);
        let namespace = fields.finish(namespace)?;
        let usage = self.engine.object_usage(&namespace).await.map_err(Problem::from)?;
        Ok(Response::new(convert::object_usage(usage)))
    }
}
