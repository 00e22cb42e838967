//! The event log.

use futures_util::stream::BoxStream;
use gofer_contract::{Problem, convert};
use gofer_engine::{EventFilter, EventPage, EventRange};
use gofer_proto::v1;
use gofer_proto::v1::event_service_server::EventService;
use gofer_proto::v1::{FollowEventsRequest, FollowEventsResponse, ListEventsRequest, ListEventsResponse};
use gofer_types::RunNumber;
use tonic::{Request, Response, Status};

use super::Api;
use crate::fields::Fields;
use crate::paging;

/// A filter, checked.
fn filter(fields: &mut Fields, filter: Option<v1::EventFilter>) -> Option<EventFilter> {
    let filter = filter.unwrap_or_default();
    let namespace = fields.namespace_filter("filter.namespace", &filter.namespace);
    let pipeline = fields.pipeline_filter("filter.pipeline", &filter.pipeline);
    let types = fields.event_types("filter.types", filter.types);
    if filter.run > 0 && filter.pipeline.is_empty() {
        return fields.refuse("filter.run", "it needs `filter.pipeline`");
    }
    let run = (filter.run > 0).then_some(RunNumber(filter.run));
    Some(EventFilter { namespace: namespace?, pipeline: pipeline?, run, types: types? })
}

fn page(page: &EventPage) -> FollowEventsResponse {
    FollowEventsResponse { events: page.events.iter().map(convert::event).collect(), seq: page.seq }
}

#[tonic::async_trait]
impl EventService for Api {
    type FollowEventsStream = BoxStream<'static, Result<FollowEventsResponse, Status>>;

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let filter = filter(&mut fields, request.filter);
        let since = fields.time("since", request.since);
        let page = fields.page(request.page);
        let ((filter, since), page) = fields.finish(filter.zip(since).zip(page))?;
        let range = EventRange { from_seq: request.from_seq, since, newest_first: request.newest_first };
        let fetch = |page| self.engine.list_events(filter.clone(), range, page);
        let answer = paging::fitting(page, fetch, |listing| ListEventsResponse {
            events: listing.items.iter().map(convert::event).collect(),
            next_page_token: listing.next.unwrap_or_default(),
        });
        Ok(Response::new(answer.await?))
    }

    async fn follow_events(
        &self,
        request: Request<FollowEventsRequest>,
    ) -> Result<Response<Self::FollowEventsStream>, Status> {
        let request = request.into_inner();
        let mut fields = Fields::default();
        let filter = filter(&mut fields, request.filter);
        let filter = fields.finish(filter)?;
        let pages = self.engine.follow_events(filter, request.from_seq).await.map_err(Problem::from)?;
        Ok(Response::new(self.answers(pages, |item| page(&item))))
    }
}
