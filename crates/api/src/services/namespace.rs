//! Namespaces.

use gofer_contract::{Problem, convert};
use gofer_proto::v1::namespace_service_server::NamespaceService;
use gofer_proto::v1::{
    CreateNamespaceRequest, CreateNamespaceResponse, DeleteNamespaceRequest, DeleteNamespaceResponse,
    GetNamespaceRequest, GetNamespaceResponse, ListNamespacesRequest, ListNamespacesResponse,
    UpdateNamespaceRequest, UpdateNamespaceResponse,
};
use tonic::{Request, Response, Status};

use super::{Api, caller};
use crate::fields::Fields;
use crate::paging;

/// How long a description may be, in characters.
const DESCRIPTION: usize = 3_000;

#[tonic::async_trait]
impl NamespaceService for Api {
    async fn create_namespace(
        &self,
        request: Request<CreateNamespaceRequest>,
    ) -> Result<Response<CreateNamespaceResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let name = fields.namespace("name", &request.name);
        let description = fields.text("description", request.description, DESCRIPTION);
        let (name, description) = fields.finish(name.zip(description))?;
        let record = self.engine.create_namespace(&caller, name, description).await.map_err(Problem::from)?;
        Ok(Response::new(CreateNamespaceResponse { namespace: Some(convert::namespace(record)) }))
    }

    async fn get_namespace(
        &self,
        request: Request<GetNamespaceRequest>,
    ) -> Result<Response<GetNamespaceResponse>, Status> {
        let mut fields = Fields::default();
        let name = fields.namespace("name", &request.get_ref().name);
        let name = fields.finish(name)?;
        let record = self.engine.get_namespace(&name).await.map_err(Problem::from)?;
        Ok(Response::new(GetNamespaceResponse { namespace: Some(convert::namespace(record)) }))
    }

    async fn list_namespaces(
        &self,
        request: Request<ListNamespacesRequest>,
    ) -> Result<Response<ListNamespacesResponse>, Status> {
        let mut fields = Fields::default();
        let page = fields.page(request.into_inner().page);
        let page = fields.finish(page)?;
        let fetch = |page| self.engine.list_namespaces(page);
        let answer = paging::fitting(page, fetch, |listing| ListNamespacesResponse {
            namespaces: listing.items.into_iter().map(convert::namespace).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }

    async fn update_namespace(
        &self,
        request: Request<UpdateNamespaceRequest>,
    ) -> Result<Response<UpdateNamespaceResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::default();
        let name = fields.namespace("name", &request.name);
        let description = fields.text("description", request.description, DESCRIPTION);
        let (name, description) = fields.finish(name.zip(description))?;
        let record =
            self.engine.update_namespace(&caller, &name, description).await.map_err(Problem::from)?;
        Ok(Response::new(UpdateNamespaceResponse { namespace: Some(convert::namespace(record)) }))
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<DeleteNamespaceResponse>, Status> {
        let caller = caller(&request)?;
        let mut fields = Fields::default();
        let name = fields.namespace("name", &request.get_ref().name);
        let name = fields.finish(name)?;
        self.engine.delete_namespace(&caller, &name).await.map_err(Problem::from)?;
        Ok(Response::new(DeleteNamespaceResponse {}))
    }
}
