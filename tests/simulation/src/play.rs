//! One history, from its beginning to the verdict.
//!
//! First there is chaos for a while; then everything is well, the process is killed once more, and what is under way has the
//! time that its limits give it. Then the court judges.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::Clock;
use gofer_records::keys;
use gofer_storage::fake::FakeStorage;
use gofer_storage::{Batch, Storage};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::chance::{Dice, keyed};
use crate::clients::Visitor;
use crate::court::{Tally, judge};
use crate::plan::{Act, CHAOS, Plan};
use crate::world::life::Appointment;
use crate::world::{Process, World};

mod closing;

/// How often a process is started in vain once all is well.
const STARTS: u32 = 20;

/// What became of a history.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In figures.
    pub summary: Summary,
    /// What happened, a line for each thing.
    pub trace: Vec<String>,
}

/// What became of a history, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The laws.
    pub tally: Tally,
    /// How often each fault struck.
    pub struck: BTreeMap<String, u64>,
    /// How many runs there were.
    pub runs: u64,
    /// How many tasks began.
    pub tasks: u64,
    /// How many commits there were.
    pub commits: u64,
    /// How many processes.
    pub lives: u64,
    /// How long it took, by its own clock.
    pub lasted: Duration,
    /// A number that belongs to all that happened: another history has another one.
    pub digest: u64,
}

impl Summary {
    /// Of a history that came to no verdict.
    #[must_use]
    pub fn broken(why: String) -> Self {
        Self { tally: Tally { broken: vec![why], ..Tally::default() }, ..Self::default() }
    }
}

/// Plays a history on a thread of its own, which is given the seed.
///
/// # Panics
/// If there is no thread, or no place for files.
#[must_use]
#[expect(clippy::expect_used, reason = "without a thread there is nothing to tell")]
pub fn play(plan: &Plan) -> Outcome {
    let plan = Arc::new(plan.clone());
    let work = move || {
        gofer_tests_chance::seed_thread(plan.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime can be made").block_on(history(plan))
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(work).expect("a thread can be made");
    match thread.join() {
        Ok(outcome) => outcome,
        Err(panic) => crashed(&panic),
    }
}

/// A history in which something panicked: that is a verdict, too.
fn crashed(panic: &(dyn std::any::Any + Send)) -> Outcome {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let summary = Summary::broken(format!("panic: {}", text.unwrap_or_default()));
    Outcome { summary, ..Outcome::default() }
}

/// A history that goes on.
struct Play {
    world: Arc<World>,
    plan: Arc<Plan>,
    process: Option<Process>,
    /// When the next process begins, if none runs.
    begins: Duration,
    /// At which of its commits it dies.
    dies: Option<Appointment>,
    dice: Dice,
    visitors: JoinSet<()>,
    /// What ends by itself after a while.
    timers: JoinSet<()>,
}

#[expect(clippy::expect_used, reason = "without a place for files there is nothing to tell")]
async fn history(plan: Arc<Plan>) -> Outcome {
    let world = Arc::new(World::new(plan.seed, &plan.setting).expect("there is a place for files"));
    let mut play = Play {
        dice: Dice::new(plan.seed ^ 0x5eed),
        world,
        plan,
        process: None,
        begins: Duration::ZERO,
        dies: None,
        visitors: JoinSet::new(),
        timers: JoinSet::new(),
    };
    play.prepare().await;
    play.chaos().await;
    play.heal().await;
    let answers = play.drain().await;
    let world = Arc::clone(&play.world);
    if let Some(answers) = answers {
        judge(&mut world.court.case(), &answers);
    }
    play.visitors.abort_all();
    if let Some(process) = play.process.take() {
        process.end().await;
    }
    outcome(&world)
}

fn outcome(world: &World) -> Outcome {
    let mut case = world.court.case();
    let trace = std::mem::take(&mut case.trace);
    let digest = trace.iter().fold(0, |digest, line| keyed(digest, line, 0));
    let struck = world.weather.all_struck();
    let summary = Summary {
        runs: case.ledger.runs.len() as u64,
        tasks: case.witness.tasks.len() as u64,
        commits: case.ledger.commits,
        lives: world.lives(),
        lasted: world.clock.monotonic(),
        struck: struck.into_iter().map(|(name, times)| (name.to_owned(), times)).collect(),
        tally: std::mem::take(&mut case.tally),
        digest,
    };
    Outcome { summary, trace }
}

impl Play {
    /// What the court must know, and the pipelines, before anything goes wrong.
    async fn prepare(&mut self) {
        let setting = &self.plan.setting;
        let many = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        {
            let mut case = self.world.court.case();
            let (server, namespace) = setting.running_runs;
            case.limits = (many(server), many(namespace), many(setting.running_tasks));
            case.log_limit = setting.log_bytes;
            case.pauses = self.plan.steps.iter().any(|step| matches!(step.act, Act::Pause(_)));
            case.deletes = setting.keep.0 > 0 || setting.keep.1 > 0;
        }
        self.world.weather.hold_back(true);
        self.begin().await;
        self.namespaces().await;
        for place in 0..self.plan.pipelines.len() {
            if let Some(visitor) = self.visitor() {
                visitor.register(place, None).await;
            }
        }
        self.world.weather.hold_back(false);
    }

    async fn namespaces(&self) {
        let Some(visitor) = self.visitor() else { return };
        let request =
            gofer_proto::v1::CreateNamespaceRequest { name: "other".to_owned(), description: String::new() };
        drop(visitor.client.create_namespace(request).await);
    }

    fn visitor(&self) -> Option<Visitor> {
        let process = self.process.as_ref()?;
        Some(Visitor {
            client: process.client.clone(),
            life: Arc::clone(&process.life),
            court: Arc::clone(&self.world.court),
            plan: Arc::clone(&self.plan),
            began_failed: process.life.has_failed(),
        })
    }

    async fn chaos(&mut self) {
        let origin = self.world.clock.monotonic();
        let plan = Arc::clone(&self.plan);
        for step in &plan.steps {
            self.live_until(origin + Duration::from_millis(step.at)).await;
            self.step(&step.act).await;
        }
        self.live_until(origin + Duration::from_millis(CHAOS)).await;
    }

    /// Lets time pass, and sees to it that a process runs: one that dies is followed by another.
    async fn live_until(&mut self, until: Duration) {
        while self.world.clock.monotonic() < until {
            let clock = Arc::clone(&self.world.clock);
            let Some(process) = &self.process else {
                clock.sleep_until(self.begins.min(until)).await;
                if clock.monotonic() >= self.begins {
                    self.begin().await;
                }
                continue;
            };
            let failed = tokio::select! {
                biased;
                () = process.life.over() => "it died at a commit".to_owned(),
                reason = process.engine.failed() => reason,
                () = clock.sleep_until(until) => return,
            };
            self.world.court.note(format_args!("the process ends: {failed}"));
            self.kill(false, 200);
        }
    }

    /// Starts a process; one that does not come up is tried again a while later.
    async fn begin(&mut self) {
        let dies = self.dies.take();
        match self.world.start(dies).await {
            Ok(process) => {
                self.world.court.note(format_args!("life {} begins", process.life.number));
                self.process = Some(process);
            }
            Err(reason) => {
                self.world.court.note(format_args!("a start fails: {reason}"));
                self.world.weather.struck("start of a process fails");
                if dies.is_some() {
                    self.world.weather.struck("recovery cut off");
                }
                self.world.disk.cut_power(usize::MAX);
                self.begins = self.world.clock.monotonic() + Duration::from_millis(500);
            }
        }
    }

    /// Kills the process, if one runs, and the machine with it.
    fn kill(&mut self, power: bool, down: u64) {
        let Some(process) = self.process.take() else { return };
        process.kill();
        self.world.court.died();
        if power {
            self.world.court.case().logs_disturbed = true;
            self.world.court.case().booted();
            self.world.clock.boot();
            drop(self.world.cut_power(&mut self.dice));
        } else {
            self.world.disk.cut_power(usize::MAX);
        }
        self.begins = self.world.clock.monotonic() + Duration::from_millis(down);
    }

    async fn step(&mut self, act: &Act) {
        self.world.court.note(format_args!("step: {act:?}"));
        match *act {
            Act::Crash { power, down, again } => {
                self.world.weather.struck(if power { "power cut" } else { "kill" });
                let behind = self.dice.per_mille(500);
                self.dies = (again > 0).then_some(Appointment { commits: again, behind });
                self.kill(power, down);
            }
            Act::CrashAtCommit { nth, behind } => {
                if let Some(process) = &self.process {
                    process.life.appoint(Appointment { commits: nth, behind });
                }
            }
            Act::Restart { down } => self.restart(down).await,
            Act::TakeOver => self.take_over().await,
            Act::SyncFails => {
                if let Some(process) = &self.process {
                    process.life.let_sync_fail();
                }
            }
            Act::LogsFull(span) => self.fill_logs(Duration::from_millis(span)),
            Act::Damage { run } => self.damage(run).await,
            Act::Leave => {
                self.world.weather.struck("clients go away");
                self.visitors.abort_all();
            }
            ref other if self.turn(other).await => {}
            ref other => {
                if let Some(visitor) = self.visitor() {
                    self.visitors.spawn(visitor.act(other.clone()));
                    while self.visitors.try_join_next().is_some() {}
                }
            }
        }
    }

    /// What changes around the process; `false` for anything else.
    async fn turn(&self, act: &Act) -> bool {
        let (weather, court) = (&self.world.weather, &self.world.court);
        match *act {
            Act::StorageFull(span) => weather.fill_storage(Duration::from_millis(span)),
            Act::Away(span) => weather.take_scheduler_away(Duration::from_millis(span)),
            Act::SchedulerLosesAll => {
                weather.struck("scheduler starts anew");
                let lost = self.world.backend.lose_running("the scheduler started anew");
                court.note(format_args!("the scheduler loses {lost} tasks"));
            }
            Act::WallJumps(seconds) => {
                weather.struck("wall clock jumps");
                court.case().wall_jumped = true;
                self.world.clock.jump(seconds);
            }
            Act::Pause(span) => {
                weather.struck("process stands still");
                tokio::time::advance(Duration::from_millis(span)).await;
            }
            _ => return false,
        }
        true
    }

    async fn restart(&mut self, down: u64) {
        let Some(process) = self.process.take() else { return };
        self.world.weather.struck("restart in order");
        self.world.court.died();
        process.end().await;
        self.world.disk.cut_power(usize::MAX);
        self.begins = self.world.clock.monotonic() + Duration::from_millis(down);
    }

    async fn take_over(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.world.weather.struck("taken over by another");
        self.world.court.case().two_at_once = true;
        process.abandon();
        self.world.court.died();
        self.world.disk.cut_power(usize::MAX);
        self.begin().await;
    }

    fn fill_logs(&mut self, span: Duration) {
        self.world.weather.struck("disk of the logs full");
        self.world.court.case().logs_disturbed = true;
        self.world.log_disk.set_full(true);
        let world = Arc::clone(&self.world);
        self.timers.spawn(async move {
            world.clock.sleep_until(world.clock.monotonic() + span).await;
            world.log_disk.set_full(false);
        });
    }

    /// Damages the record of a run that has not ended, while no process runs.
    async fn damage(&mut self, place: usize) {
        self.kill(false, 100);
        let chosen = {
            let case = self.world.court.case();
            let open = case.ledger.runs.iter().filter(|(_, view)| !view.record.state.is_terminal());
            let open: Vec<_> = open.map(|(id, _)| id.clone()).collect();
            place.checked_rem(open.len()).and_then(|at| open.get(at).cloned())
        };
        let Some(run) = chosen else { return };
        let Ok(vandal) = FakeStorage::open(&self.world.disk, "vandal") else { return };
        let mut batch = Batch::default();
        batch.put(keys::run(&run), vec![1_u8, 255, 255]);
        if vandal.commit(batch).await.is_ok() {
            self.world.weather.struck("record damaged");
            self.world.court.note(format_args!("{run} is damaged"));
            self.world.court.case().damaged.insert(run);
        }
        drop(vandal);
        self.world.disk.cut_power(usize::MAX);
    }

    /// From here on everything is well; the process is killed once more.
    async fn heal(&mut self) {
        self.world.weather.calm_down();
        self.world.log_disk.set_full(false);
        self.world.court.note("everything is well from here on");
        self.world.court.case().healed = Some(self.world.clock.monotonic());
        self.dies = None;
        self.kill(false, 0);
        for _ in 0..STARTS {
            if self.process.is_none() {
                self.begin().await;
            }
        }
        let up = self.process.is_some();
        self.world.court.holds(30, up, || "no process comes up although all is well".to_owned());
    }
}
