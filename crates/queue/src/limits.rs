//! The limits that the operator sets, checked where they enter. It counts nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_types::Namespace;

use crate::rate::Rate;

/// What one level of priority is worth where the operator says nothing else.
const AGEING: Duration = Duration::from_secs(600);

/// Why a value is none of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The weight is out of its range.
    #[error("a weight is from 1 to 10, not {found}")]
    Weight {
        /// What was given.
        found: u8,
    },
    /// The priority is out of its range.
    #[error("a priority is from -10 to 10, not {found}")]
    Priority {
        /// What was given.
        found: i8,
    },
    /// The rate lets nothing start at all, or has no span of time.
    #[error("a rate has at least one start and a span of time that is not 0")]
    Rate,
}

/// The share of a namespace: one with weight 2 gets twice as many starts as one with weight 1 while both have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(u8);

impl Weight {
    /// A weight from 1 to 10; anything else is an error.
    pub fn new(weight: u8) -> Result<Self, ValueError> {
        if (1..=10).contains(&weight) { Ok(Self(weight)) } else { Err(ValueError::Weight { found: weight }) }
    }

    /// The weight as a number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

/// How many there may be at once; `usize::MAX` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Runs that run.
    pub running_runs: usize,
    /// Tasks that hold a slot.
    pub running_tasks: usize,
    /// Runs that wait. It refuses only what would have to wait.
    pub queued_runs: usize,
}

impl Bounds {
    /// No limit at all.
    pub const NONE: Self =
        Self { running_runs: usize::MAX, running_tasks: usize::MAX, queued_runs: usize::MAX };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::NONE
    }
}

/// What one namespace is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamespaceLimits {
    /// How much at once.
    pub bounds: Bounds,
    /// Its share while others wait too.
    pub weight: Weight,
}

/// All limits of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Those of the server as a whole.
    pub server: Bounds,
    /// Those of each namespace that has none of its own; its weight is 1.
    pub namespace: Bounds,
    /// Those of single namespaces.
    pub namespaces: BTreeMap<Namespace, NamespaceLimits>,
    /// How much waiting one level of priority is worth, to the microsecond. 0 means that priorities change nothing.
    pub ageing: Duration,
    /// How fast runs may start.
    pub starts: Option<Rate>,
}

impl Limits {
    /// What a namespace is granted.
    #[must_use]
    pub fn of(&self, namespace: &Namespace) -> NamespaceLimits {
        let common = NamespaceLimits { bounds: self.namespace, weight: Weight::default() };
        self.namespaces.get(namespace).copied().unwrap_or(common)
    }
}

impl Default for Limits {
    /// No limits; one level of priority is worth ten minutes.
    fn default() -> Self {
        Self {
            server: Bounds::NONE,
            namespace: Bounds::NONE,
            namespaces: BTreeMap::new(),
            ageing: AGEING,
            starts: None,
        }
    }
}
