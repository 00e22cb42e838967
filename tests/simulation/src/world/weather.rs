//! What goes wrong now: rates while there is chaos, nothing behind it. Each fault that strikes is counted by its name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gofer_backend::Clock as _;

use super::clock::SimClock;
use crate::chance::keyed;
use crate::plan::{SchedulerFaults, Setting, StorageFaults};

/// The faults of a history.
#[derive(Debug)]
pub struct Weather {
    /// The time.
    pub clock: Arc<SimClock>,
    seed: u64,
    scheduler: SchedulerFaults,
    storage: StorageFaults,
    calm: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often each thing was drawn.
    drawn: BTreeMap<String, u64>,
    /// How often each fault struck.
    struck: BTreeMap<&'static str, u64>,
    storage_full_until: Duration,
    away_until: Duration,
}

impl Weather {
    /// The weather of a plan.
    #[must_use]
    pub fn new(seed: u64, setting: &Setting, clock: Arc<SimClock>) -> Self {
        Self {
            clock,
            seed,
            scheduler: setting.scheduler.clone(),
            storage: setting.storage.clone(),
            calm: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets nothing go wrong for now, or lets it again.
    pub fn hold_back(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    /// From here on nothing goes wrong.
    pub fn calm_down(&self) {
        self.hold_back(true);
        let mut state = self.state();
        state.storage_full_until = Duration::ZERO;
        state.away_until = Duration::ZERO;
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// The faults of the scheduler now.
    pub fn scheduler(&self) -> SchedulerFaults {
        if self.is_calm() { SchedulerFaults::default() } else { self.scheduler.clone() }
    }

    /// The faults of the storage now.
    pub fn storage(&self) -> StorageFaults {
        if self.is_calm() { StorageFaults::default() } else { self.storage.clone() }
    }

    /// The next number below a limit for a thing of this name.
    pub fn draw(&self, name: &str, limit: u64) -> u64 {
        let mut state = self.state();
        let nth = state.drawn.entry(name.to_owned()).or_default();
        *nth += 1;
        keyed(self.seed, name, *nth).checked_rem(limit).unwrap_or(0)
    }

    /// Whether a fault strikes now, of so many times in a thousand.
    pub fn strikes(&self, rate: u32, name: &'static str) -> bool {
        let strikes = rate > 0 && self.draw(name, 1000) < u64::from(rate);
        if strikes {
            self.struck(name);
        }
        strikes
    }

    /// As [`Weather::strikes`], drawn for a thing of its own: another history draws the same for it.
    pub fn strikes_at(&self, rate: u32, name: &'static str, thing: &str) -> bool {
        let strikes = rate > 0 && self.draw(&format!("{name} {thing}"), 1000) < u64::from(rate);
        if strikes {
            self.struck(name);
        }
        strikes
    }

    /// Counts a fault that struck.
    pub fn struck(&self, name: &'static str) {
        *self.state().struck.entry(name).or_default() += 1;
    }

    /// How often each fault struck.
    #[must_use]
    pub fn all_struck(&self) -> BTreeMap<&'static str, u64> {
        self.state().struck.clone()
    }

    /// Fills the disk of the state for so long.
    pub fn fill_storage(&self, span: Duration) {
        self.state().storage_full_until = self.clock.monotonic() + span;
    }

    /// Whether the disk of the state is full.
    pub fn is_storage_full(&self) -> bool {
        let full = self.state().storage_full_until > self.clock.monotonic();
        if full {
            self.struck("full disk for a while");
        }
        full
    }

    /// Takes the scheduler away for so long.
    pub fn take_scheduler_away(&self, span: Duration) {
        self.state().away_until = self.clock.monotonic() + span;
    }

    /// Whether the scheduler is away.
    pub fn is_scheduler_away(&self) -> bool {
        let away = self.state().away_until > self.clock.monotonic();
        if away {
            self.struck("scheduler away");
        }
        away
    }
}
