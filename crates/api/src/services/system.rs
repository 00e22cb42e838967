//! The server itself.

use gofer_contract::{Problem, convert};
use gofer_proto::v1::system_service_server::SystemService;
use gofer_proto::v1::{GetInfoRequest, GetInfoResponse, GetStatusRequest, GetStatusResponse};
use tonic::{Request, Response, Status};

use super::Api;

#[tonic::async_trait]
impl SystemService for Api {
    async fn get_info(&self, _request: Request<GetInfoRequest>) -> Result<Response<GetInfoResponse>, Status> {
        Ok(Response::new(GetInfoResponse {
            version: self.options.version.clone(),
            api: gofer_proto::API,
            now: Some(convert::timestamp(self.options.clock.now())),
        }))
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let engine = self.engine.status(request.get_ref().check).await.map_err(Problem::from)?;
        let (version, data_dir) = (self.options.version.clone(), self.options.data_dir.clone());
        Ok(Response::new(convert::status(engine, version, data_dir)))
    }
}
