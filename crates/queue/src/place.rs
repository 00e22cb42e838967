//! Why a run waits, and at which place. It changes nothing.

use std::collections::HashMap;

use gofer_types::{PipelineRef, RunRef};

use crate::hold::{Hold, Limit};
use crate::item::Phase;
use crate::line::{Key, Lane, Space};
use crate::runs::Runs;

impl Runs {
    /// What holds a run back, if it waits and anything does.
    pub(crate) fn limit_of(&self, run: &RunRef) -> Option<Limit> {
        let (key, lane, space) = self.waiting(run)?;
        if let Some(part) = lane.parts.get(&key) {
            return lane.limit_of_part(*part);
        }
        let waiting = *lane.line.get(&key)?;
        let ahead = lane.ahead(key, waiting.parallelism);
        lane.limit_at(waiting, ahead).or_else(|| self.shared_limit(space))
    }

    /// The same with the place.
    pub(crate) fn held(&self, run: &RunRef) -> Option<Hold> {
        let (key, lane, space) = self.waiting(run)?;
        let limit = self.limit_of(run)?;
        if lane.parts.contains_key(&key) {
            return Some(Hold { limit, place: lane.parts.range(..=key).count(), of: lane.parts.len() });
        }
        let (place, of) = match limit {
            Limit::Pipeline { .. } | Limit::Predecessors | Limit::Replaced => {
                (lane.line.range(..=key).count(), lane.line.len())
            }
            Limit::Namespace { .. } => (self.place_in(space, key), self.eligible(space).count()),
            _ => {
                let nth = self.place_in(space, key);
                let waiting = |other: &_| self.spaces.get(other).map_or(0, |of| self.eligible(of).count());
                let (places, of) = self.fair.places(&run.pipeline.namespace, &[nth], waiting);
                (places.first().copied().unwrap_or(of), of)
            }
        };
        Some(Hold { limit, place, of })
    }

    fn waiting(&self, run: &RunRef) -> Option<(Key, &Lane, &Space)> {
        let seat = self.seats.get(run).filter(|seat| seat.phase == Phase::Queued)?;
        Some((seat.key, self.lanes.get(&run.pipeline)?, self.spaces.get(&run.pipeline.namespace)?))
    }

    /// What the namespace or the server has against one more start.
    fn shared_limit(&self, space: &Space) -> Option<Limit> {
        let server = self.limits.server.running_runs;
        if !space.has_room() {
            Some(Limit::Namespace { runs: space.limits.bounds.running_runs })
        } else if self.running >= server {
            Some(Limit::Server { runs: server })
        } else {
            self.bucket.as_ref().map(|bucket| Limit::Rate(bucket.rate))
        }
    }

    fn place_in(&self, space: &Space, key: Key) -> usize {
        self.eligible(space).take_while(|other| *other <= key).count()
    }

    /// The runs of a namespace that wait and that their pipelines do not hold back, in order.
    fn eligible<'a>(&'a self, space: &'a Space) -> impl Iterator<Item = Key> + 'a {
        let mut seen: HashMap<&PipelineRef, usize> = HashMap::new();
        space.line.iter().filter_map(move |(key, run)| {
            let lane = self.lanes.get(&run.pipeline)?;
            let ahead = seen.entry(&run.pipeline).or_default();
            let limit = lane.limit_at(*lane.line.get(key)?, *ahead);
            *ahead += 1;
            limit.is_none().then_some(*key)
        })
    }
}
