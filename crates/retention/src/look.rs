//! One look at a pipeline: what is beyond the bounds, as far as a bounded number of its runs tells.

use gofer_hall::Hall;
use gofer_logs::{LogError, LogStore};
use gofer_records::{LowMark, RecordError, Records, Tx};
use gofer_types::{PipelineRef, RunNumber, RunRef, Timestamp};

use crate::household::{Household, Walks};
use crate::keep::{Bound, Retention};
use crate::sum::Sum;
use crate::walk::{Standing, Walk};

/// How many runs one look looks at, for each thing that it looks for.
const STEP: usize = 256;

/// Where a look finds what it looks for.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The runs that are under way.
    pub hall: &'a Hall,
    /// The records of all.
    pub records: &'a Records,
    /// Their output.
    pub logs: &'a LogStore,
    /// Whose runs they are.
    pub pipeline: &'a PipelineRef,
    /// The number of the newest of them.
    pub newest: u64,
}

/// What one look has found.
#[derive(Debug)]
pub struct Found {
    /// The runs that are to be deleted.
    pub runs: Vec<RunRef>,
    /// The runs whose output is to be deleted.
    pub logs: Vec<RunRef>,
    /// What the marks were before.
    before: (u64, u64),
    pub(crate) walks: Walks,
    pub(crate) sum: Option<Sum>,
    /// Whether there may be more.
    pub(crate) more: bool,
}

impl Found {
    /// The marks, where they have moved on. To be written once everything is deleted.
    #[must_use]
    pub fn marks(&self, pipeline: &PipelineRef) -> Tx {
        let mut tx = Tx::default();
        let runs = (LowMark::Runs, self.before.0, self.walks.runs.mark());
        let logs = (LowMark::Logs, self.before.1, self.walks.logs.mark());
        for (mark, _, now) in [runs, logs].into_iter().filter(|(_, before, now)| now > before) {
            tx.put_low_mark(pipeline, mark, RunNumber(now));
        }
        tx
    }
}

impl Look<'_> {
    /// Finds what is beyond the bounds, from where the look before came to. What is found is to be deleted, and then learnt by the
    /// household; otherwise the household is to forget the sum.
    pub async fn find<E>(
        &self,
        household: &Household,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Found, E>
    where
        E: From<RecordError> + From<LogError>,
    {
        let Retention { logs, runs, .. } = retention;
        let mark = async |of| self.records.low_mark(self.pipeline, of).await.map(|run| run.0);
        let before = (mark(LowMark::Runs).await?, mark(LowMark::Logs).await?);
        let begin = || Walks { runs: Walk::from(before.0), logs: Walk::from(before.1) };
        let mut walks = household.walks(self.pipeline).unwrap_or_else(begin);
        let mut sum =
            logs.bytes.map(|_| household.take_sum(self.pipeline).unwrap_or(Sum::from(walks.next())));
        let (mut first, mut more) = (1, false);
        if let (Some(sum), Some(most)) = (&mut sum, logs.bytes) {
            more |= self.add_up(sum, most).await?;
            first = sum.first();
        }
        let bound = runs.bound(self.newest, now);
        let (old_runs, rest) = self.beyond(&mut walks.runs, &bound).await?;
        more |= rest;
        let bound = logs.bound(self.newest, now).not_below(first);
        let (old_logs, rest) = self.beyond(&mut walks.logs, &bound).await?;
        more |= rest;
        if let Some(sum) = &mut sum {
            // while it is still there
            self.leave_out(sum, walks.next()).await?;
        }
        Ok(Found { runs: old_runs, logs: old_logs, before, walks, sum, more })
    }

    fn run(&self, number: u64) -> RunRef {
        self.pipeline.run(RunNumber(number))
    }

    fn is_open(&self, number: u64) -> bool {
        self.hall.find(&self.run(number)).is_some()
    }

    /// The next runs that are beyond a bound, and whether there may be more.
    async fn beyond(&self, walk: &mut Walk, bound: &Bound) -> Result<(Vec<RunRef>, bool), RecordError> {
        let mut doomed = Vec::new();
        let again: Vec<u64> = walk.open().filter(|number| !self.is_open(*number)).take(STEP).collect();
        let mut done_with = 0;
        for number in &again {
            let standing = self.standing(*number).await?;
            done_with += usize::from(walk.look_again(*number, standing, (bound, &mut doomed)));
        }
        // more of them may be done with; where none was, only time helps
        let rest = again.len() == STEP && done_with > 0;
        for _ in 0..STEP {
            if walk.next() > self.newest || !walk.pass(self.standing(walk.next()).await?, bound, &mut doomed)
            {
                return Ok((doomed, rest));
            }
        }
        Ok((doomed, true))
    }

    /// What a run is to whoever would delete it.
    async fn standing(&self, number: u64) -> Result<Standing, RecordError> {
        let id = self.run(number);
        // asked first: one that leaves the hall in between has ended in its record
        let (is_open, is_aside) = (self.is_open(number), self.hall.why_set_aside(&id).is_some());
        match self.records.run(&id).await {
            Ok(run) if is_open => Ok(Standing::Open(run.map(Box::new))),
            Ok(Some(run)) if run.state.is_terminal() && !is_aside => Ok(Standing::Ended(Box::new(run))),
            // one that was set aside is kept for whoever looks into it
            Ok(_) => Ok(Standing::Nothing),
            Err(error) if error.is_about_one_record() => Ok(Standing::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Goes on adding up what the output of the newest runs takes, and leaves out the oldest while it is too much. True if there
    /// may be more.
    async fn add_up(&self, sum: &mut Sum, most: u64) -> Result<bool, LogError> {
        let (open, ended): (Vec<u64>, Vec<u64>) = sum.open().partition(|number| self.is_open(*number));
        let more = ended.len() > STEP;
        for number in ended.into_iter().take(STEP).chain(open.into_iter().take(STEP)) {
            let (bytes, open) = self.output(number).await?;
            sum.measured(number, bytes, open);
        }
        for number in (sum.next()..=self.newest).take(STEP) {
            let (bytes, open) = self.output(number).await?;
            sum.add(bytes, open);
        }
        for _ in 0..STEP {
            if !sum.is_beyond(most) {
                break;
            }
            self.leave_out(sum, sum.first() + 1).await?;
        }
        Ok(more || sum.next() <= self.newest || sum.is_beyond(most))
    }

    /// Leaves the runs below that one out of a sum.
    async fn leave_out(&self, sum: &mut Sum, below: u64) -> Result<(), LogError> {
        while sum.first() < below {
            let (bytes, _) = self.output(sum.first()).await?;
            sum.leave_out(bytes);
        }
        Ok(())
    }

    /// How much the output of a run takes, and whether it may still grow.
    async fn output(&self, number: u64) -> Result<(u64, bool), LogError> {
        let is_open = self.is_open(number);
        Ok((self.logs.run_bytes(&self.run(number)).await?, is_open))
    }
}
