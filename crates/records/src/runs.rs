//! Lists of runs, by what is wanted: each page looks at a bounded number of rows, wherever it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use gofer_types::{LabelKey, Namespace, PipelineId, PipelineRef, RunNumber, RunRecord, RunRef, RunState};

use crate::codec::decode;
use crate::error::Result;
use crate::keys::{self, family};
use crate::page::{PageRequest, Slice};
use crate::records::{BUDGET, Records};

/// Which runs are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this namespace.
    pub namespace: Option<Namespace>,
    /// Only of this pipeline; without a namespace the default one is meant.
    pub pipeline: Option<PipelineId>,
    /// Only in one of these states; empty means all.
    pub states: Vec<RunState>,
    /// Only runs that have not ended.
    pub active: bool,
    /// Only with all of these labels.
    pub labels: BTreeMap<LabelKey, String>,
}

impl RunFilter {
    /// The pipeline whose runs are wanted, if it is one.
    #[must_use]
    pub fn one_pipeline(&self) -> Option<PipelineRef> {
        let namespace = self.namespace.clone().unwrap_or_else(Namespace::default_name);
        self.pipeline.clone().map(|pipeline| PipelineRef { namespace, pipeline })
    }

    /// Whether it may be wanted, as far as its name says.
    #[must_use]
    pub fn in_place(&self, run: &RunRef) -> bool {
        self.pipeline.as_ref().is_none_or(|pipeline| run.pipeline.pipeline == *pipeline)
            && match &self.namespace {
                Some(namespace) => run.pipeline.namespace == *namespace,
                None => self.pipeline.is_none() || run.pipeline.namespace == Namespace::default_name(),
            }
    }

    /// Whether a run of the right place is wanted.
    #[must_use]
    pub fn wants(&self, run: &RunRecord) -> bool {
        let state = self.states.is_empty() || self.states.contains(&run.state);
        let labels = self.labels.iter().all(|(key, value)| run.labels.get(key) == Some(value));
        state && labels && !(self.active && run.state.is_terminal())
    }

    /// Whether only runs that have not ended are wanted.
    #[must_use]
    pub fn is_about_active(&self) -> bool {
        let open =
            |states: &[RunState]| !states.is_empty() && states.iter().all(|state| !state.is_terminal());
        self.active || open(&self.states)
    }
}

impl Records {
    /// The runs that are wanted, newest first. A page may have fewer items than it could although more follow.
    pub async fn list_runs(&self, filter: &RunFilter, page: &PageRequest) -> Result<Slice<RunRecord>> {
        let wanted = |run: &RunRecord| filter.wants(run);
        if !filter.labels.is_empty() {
            let in_place = |run: &RunRef| filter.in_place(run);
            return self.labelled_runs(&filter.labels, page, (in_place, wanted)).await;
        }
        match filter.one_pipeline() {
            Some(id) => self.runs(&id, page, wanted).await,
            None => self.recent_runs(filter.namespace.as_ref(), page, wanted).await,
        }
    }

    /// The runs of a pipeline that are wanted, newest first. Damaged ones are left out. A page may have fewer items than it
    /// could although more follow.
    pub async fn runs(
        &self,
        id: &PipelineRef,
        page: &PageRequest,
        wanted: impl Fn(&RunRecord) -> bool,
    ) -> Result<Slice<RunRecord>> {
        let prefix = keys::all_of_pipeline(family::RUN, id);
        self.page(&prefix, page, |key, value| decode(key, value).ok().filter(|run| wanted(run))).await
    }

    /// The runs of a namespace, or all, newest first. As [`Records::runs`].
    pub async fn recent_runs(
        &self,
        of: Option<&Namespace>,
        page: &PageRequest,
        wanted: impl Fn(&RunRecord) -> bool,
    ) -> Result<Slice<RunRecord>> {
        let prefix =
            of.map_or_else(|| Bytes::from_static(family::RECENT.as_bytes()), keys::recent_of_namespace);
        self.listed_runs(&prefix, page, (keys::recent_run, wanted)).await
    }

    /// A page of runs that another list than their own leads to. `run_of` answers `None` for a row that is not wanted.
    pub(crate) async fn listed_runs(
        &self,
        prefix: &[u8],
        page: &PageRequest,
        (run_of, wanted): (impl Fn(&[u8]) -> Option<RunRef>, impl Fn(&RunRecord) -> bool),
    ) -> Result<Slice<RunRecord>> {
        let mut page = page.clone();
        let size = page.size.max(1);
        let mut items = Vec::new();
        let mut seen = 0;
        loop {
            page.size = size - items.len();
            let slice = self.page(prefix, &page, |key, _| run_of(key)).await?;
            let is_short = slice.items.len() < page.size;
            seen += slice.items.len();
            for id in slice.items {
                match self.run(&id).await {
                    Ok(run) => items.extend(run.filter(&wanted)),
                    Err(error) if error.is_about_one_record() => {}
                    Err(error) => return Err(error),
                }
            }
            if slice.next.is_none() || items.len() >= size || is_short || seen >= BUDGET / 4 {
                return Ok(Slice { items, next: slice.next });
            }
            page.token = slice.next;
        }
    }

    /// The newest run of a pipeline that is wanted, looking at no more than a bounded number of runs at once.
    pub async fn newest_run(
        &self,
        id: &PipelineRef,
        wanted: impl Fn(&RunRecord) -> bool,
    ) -> Result<Option<RunNumber>> {
        let mut page = PageRequest { size: 1, token: None };
        loop {
            let slice = self.runs(id, &page, &wanted).await?;
            if let Some(run) = slice.items.first() {
                return Ok(Some(run.id.run));
            }
            if slice.next.is_none() {
                return Ok(None);
            }
            page.token = slice.next;
        }
    }
}
