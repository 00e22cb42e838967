//! Who judges: what is on disk, what really ran, what clients were told, and the laws that hold between them.
//!
//! The server is never asked about itself while a history goes on. Everything that reaches the disk comes here at once, and the
//! laws about changes are evaluated then; the others when the history is over.

mod claims;
mod ends;
mod last;
mod ledger;
mod progress;
mod starts;
mod tally;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_backend::Clock;
use gofer_records::{Records, keys};
use gofer_scheduler::TaskExit;
use gofer_storage::fake::FakeStorage;
use gofer_storage::{Batch, KeyRange, Revision, Storage};
use gofer_types::{AttemptId, RunRef, VersionNumber};

pub(crate) use claims::rank;
pub use claims::{Claims, Read};
pub use last::{Answers, judge};
pub use ledger::{Change, Ledger, RunView};
pub use tally::{DISK, EXPLAINED, LAWS, Tally};
pub use witness::{Seen, Witness, stream_name};

/// Everything that the court knows.
#[derive(Debug, Default)]
pub struct Case {
    /// What is on disk.
    pub ledger: Ledger,
    /// What really ran.
    pub witness: Witness,
    /// What clients did and were told.
    pub claims: Claims,
    /// The laws.
    pub tally: Tally,
    /// The history as text, a line for each thing that happened.
    pub trace: Vec<String>,
    /// The newest life that took the state over.
    newest_life: u32,
    /// The commit by which it did.
    taken_over: Revision,
    /// The newest life before the machine started anew.
    before_boot: u32,
    /// When each attempt was first on disk, by monotonic time, and in which life.
    pub intended_at: BTreeMap<AttemptId, (std::time::Duration, u32)>,
    /// When each run began to run, and in which life.
    pub began_at: BTreeMap<RunRef, (std::time::Duration, u32)>,
    /// Runs that another has passed while they waited: in which life, and which run.
    overtaken: BTreeMap<RunRef, (u32, RunRef)>,
    /// When it was on disk that an attempt runs.
    told_at: BTreeMap<AttemptId, std::time::Duration>,
    /// When it was on disk that the time of an attempt is over.
    over_at: BTreeMap<AttemptId, std::time::Duration>,
    /// The attempts of which an event says that they run.
    said_to_run: BTreeSet<AttemptId>,
    /// Since when all is well.
    pub healed: Option<std::time::Duration>,
    /// Whether the process may stand still.
    pub pauses: bool,
    /// When each attempt's end was committed, by monotonic time.
    pub ended_at: BTreeMap<AttemptId, (std::time::Duration, u32)>,
    /// The greatest run number of each pipeline.
    numbers: BTreeMap<gofer_types::PipelineRef, u64>,
    /// Runs whose records were damaged by the history.
    pub damaged: BTreeSet<RunRef>,
    /// In which life each output was read last.
    read_in: BTreeMap<(RunRef, String), u32>,
    /// What each attempt is of.
    pub names: BTreeMap<AttemptId, (RunRef, u32, u32)>,
    /// Attempts of which a start had an effect that nobody was told.
    pub untold: BTreeSet<AttemptId>,
    /// Attempts that ran when a process died.
    pub lived_through: BTreeSet<AttemptId>,
    /// The limits on what runs at once: runs of the server, of a namespace, tasks.
    pub limits: (usize, usize, usize),
    /// How many bytes a log may have.
    pub log_limit: u64,
    /// Whether the wall clock may have made an idempotency key older than it is.
    pub wall_jumped: bool,
    /// Whether two processes may write at once: one was taken over from and does not know it yet.
    pub two_at_once: bool,
    /// Whether old runs are deleted by rule.
    pub deletes: bool,
    /// Whether the disk of the logs was ever full, or lost power.
    pub logs_disturbed: bool,
}

/// The court.
pub struct Court {
    clock: Arc<dyn Clock>,
    case: Mutex<Case>,
    disk: Mutex<Option<Arc<FakeStorage>>>,
}

impl fmt::Debug for Court {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Court").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Court {
    /// A court that knows nothing yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, case: Mutex::default(), disk: Mutex::default() }
    }

    /// What is known.
    pub fn case(&self) -> MutexGuard<'_, Case> {
        lock(&self.case)
    }

    /// Adds a line to the history.
    pub fn note(&self, what: impl fmt::Display) {
        let now = self.clock.monotonic();
        self.case().trace.push(format!("{:>10.3}s {what}", now.as_secs_f64()));
    }

    /// Evaluates a law.
    pub fn holds(&self, law: u8, holds: bool, what: impl FnOnce() -> String) {
        self.case().tally.holds(law, holds, what);
        if !holds {
            self.note(format_args!("INV-{law} IS BROKEN"));
        }
    }

    /// A process has opened the disk: what the former one left there without an answer is taken in.
    pub async fn opened(&self, storage: &Arc<FakeStorage>) {
        *lock(&self.disk) = Some(Arc::clone(storage));
        self.look(storage).await;
    }

    /// Takes in what is on the disk and was not told.
    async fn look(&self, storage: &Arc<FakeStorage>) {
        let rows = storage.scan(KeyRange::prefix(b""), usize::MAX).await.unwrap_or_default();
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.key, row.value)).collect();
        let difference = self.case().ledger.difference(&rows);
        if difference.writes.is_empty() {
            return;
        }
        self.take_in(None, &difference).await;
    }

    /// A batch is on disk.
    pub async fn committed(&self, (life, revision): (u32, Revision), batch: &Batch) {
        if batch.writes.is_empty() {
            return;
        }
        let two = self.case().two_at_once;
        if !two {
            return self.take_in(Some((life, revision)), batch).await;
        }
        // whose answer comes first says nothing then: what is on the disk says it
        let disk = lock(&self.disk).clone();
        if let Some(disk) = disk {
            self.case().own((life, revision), batch);
            self.look(&disk).await;
        }
    }

    async fn take_in(&self, of: Option<(u32, Revision)>, batch: &Batch) {
        let now = self.clock.monotonic();
        let changes = {
            let mut case = self.case();
            if let Some(of) = of {
                case.own(of, batch);
            }
            case.ledger.apply(batch)
        };
        self.learn_versions().await;
        let mut case = self.case();
        let before = case.tally.broken.len();
        progress::judge(&mut case, &changes, now);
        starts::judge(&mut case, &changes, now);
        ends::judge(&mut case, &changes, now);
        case.tell(&changes, now, of.map(|(life, _)| life));
        let broken: Vec<String> = case.tally.broken[before..].to_vec();
        for one in broken {
            case.trace.push(format!("{:>10.3}s BROKEN {one}", now.as_secs_f64()));
        }
    }

    /// Looks at the versions that runs name.
    async fn learn_versions(&self) {
        let unknown = self.case().ledger.unknown_versions();
        let Some(storage) = lock(&self.disk).clone() else { return };
        let records = Records::new(storage);
        for (pipeline, number) in unknown {
            if let Ok(Some(version)) = records.version(&pipeline, VersionNumber(number)).await {
                let mut case = self.case();
                progress::version(&mut case.tally, &version);
                case.ledger.configs.insert((pipeline, number), version.config);
            }
        }
    }

    /// The scheduler is about to start this.
    pub fn asked_to_start(&self, id: &AttemptId) {
        let known = self.case().names.contains_key(id);
        self.holds(17, known, || format!("{id} is asked for, and is not on disk"));
        self.note(format_args!("scheduler: start {id}"));
    }

    /// A start of this has had its effect, and the answer is lost.
    pub fn untold(&self, id: &AttemptId) {
        self.note(format_args!("scheduler: nobody is told of the start of {id}"));
        self.case().untold.insert(id.clone());
    }

    /// Whether this was not seen to begin yet.
    pub fn is_new(&self, id: &AttemptId) -> bool {
        !self.case().witness.tasks.contains_key(id)
    }

    /// This began.
    pub fn started(&self, id: &AttemptId) {
        let now = self.clock.monotonic();
        self.note(format_args!("scheduler: {id} begins"));
        let mut case = self.case();
        starts::began(&mut case, id, now);
    }

    /// Something was printed.
    pub fn printed(&self, id: &AttemptId, item: &gofer_scheduler::LogItem) {
        let mut case = self.case();
        let Some(seen) = case.witness.tasks.get_mut(id) else { return };
        match item {
            gofer_scheduler::LogItem::Data { stream, bytes } => {
                seen.printed.entry(stream_name(*stream)).or_default().extend_from_slice(bytes);
            }
            gofer_scheduler::LogItem::Gap { bytes, .. } => {
                seen.lost = (seen.lost.0 + bytes.unwrap_or(0), seen.lost.1 || bytes.is_none());
            }
        }
    }

    /// This ended; without an exit, the backend has forgotten it.
    pub fn ended(&self, id: &AttemptId, exit: Option<TaskExit>) {
        let now = self.clock.monotonic();
        let how = exit.as_ref().map_or("is forgotten".to_owned(), |exit| format!("ends: {:?}", exit.cause));
        self.note(format_args!("scheduler: {id} {how}"));
        self.case().witness.ended(id, now, exit);
    }

    /// The server asks this to end.
    pub fn asked_to_stop(&self, id: &AttemptId) {
        let now = self.clock.monotonic();
        self.note(format_args!("scheduler: stop {id}"));
        if let Some(seen) = self.case().witness.tasks.get_mut(id) {
            seen.asked_to_stop.get_or_insert(now);
        }
    }

    /// A process died, or lost the state to another.
    pub fn died(&self) {
        let mut case = self.case();
        let alive: Vec<AttemptId> = case.witness.tasks.keys().cloned().collect();
        let alive = alive.into_iter().filter(|id| case.witness.is_alive(id)).collect::<Vec<_>>();
        case.lived_through.extend(alive);
    }
}

impl Case {
    /// Output was read whole: what was read before of it is its beginning.
    pub fn remember_output(&mut self, of: (RunRef, String), read: Vec<Read>) {
        let before = self.claims.output.get(&of).map(Vec::as_slice).unwrap_or_default();
        // how much is missing in a gap may be told later
        let bare =
            |entry: &Read| Read { gap: entry.gap.as_ref().map(|_| (None, String::new())), ..entry.clone() };
        let begins =
            read.len() >= before.len() && read.iter().zip(before).all(|(now, then)| bare(now) == bare(then));
        let (run, task) = &of;
        let lengths = (before.len(), read.len());
        let life = self.newest_life;
        if self.read_in.insert(of.clone(), life).is_some_and(|before| before < life) {
            self.tally.holds(52, begins, || {
                format!("the output of {task} in {run} is not what it was: {lengths:?}")
            });
        }
        self.tally
            .holds(49, begins, || format!("the output of {task} in {run} is not what it was: {lengths:?}"));
        self.claims.output.insert(of, read);
    }

    /// The machine starts anew.
    pub fn booted(&mut self) {
        self.before_boot = self.newest_life;
    }

    /// Whether what is left of something that began in that life is counted by a wall clock that jumped: nothing else is left where
    /// the machine has started anew since (ADR 0026).
    pub fn by_the_wall(&self, life: u32) -> bool {
        self.wall_jumped && life <= self.before_boot
    }

    /// Looks at who commits.
    fn own(&mut self, (life, revision): (u32, Revision), batch: &Batch) {
        let takes = batch.writes.iter().any(|write| *write.key() == keys::epoch());
        if takes && life > self.newest_life {
            (self.newest_life, self.taken_over) = (life, revision);
        }
        let newest = self.newest_life;
        // whose answer comes first says nothing of whose commit was first
        let owns = life >= newest || revision < self.taken_over;
        self.tally.holds(31, owns, || format!("life {life} commits, and {newest} owns the state"));
    }

    /// Writes down what changed.
    fn tell(&mut self, changes: &[Change], now: std::time::Duration, life: Option<u32>) {
        let life = life.map_or_else(|| "found".to_owned(), |life| format!("life {life}"));
        for change in changes {
            let what = match change {
                Change::Run(_, new) => format!("run {} {} {:?}", new.id, new.state, new.cause),
                Change::Task(.., new) => format!("task {} {} {:?}", new.id, new.state, new.cause),
                Change::Attempt(.., new) => format!(
                    "attempt {} #{} {} started {} exit {:?}{}",
                    new.id,
                    new.number,
                    new.task,
                    new.started.is_some(),
                    new.exit,
                    if new.removed { " removed" } else { "" }
                ),
                Change::Gone(old) => format!("run {} is deleted", old.id),
                Change::Event(_) => continue,
            };
            self.trace.push(format!("{:>10.3}s disk ({life}): {what}", now.as_secs_f64()));
        }
    }
}
