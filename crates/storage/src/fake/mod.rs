//! A storage in memory whose faults are scripted: the same calls give the same answers, every time.
//!
//! [`FakeDisk`] plays the disk: it outlives the storages that are opened on it, forgets what was not synced when its power is
//! cut, and can be full. [`FakeStorage`] is a storage on it. [`FaultPlan`] makes the n-th operation fail, wait or lose its
//! answer. [`Defect`] switches on one deliberate breach of the contract, so that the suite can be shown to see it.
//! [`FaultyStorage`] puts a plan around any other storage.
//!
//! Nothing here starts a thread, reads a clock or sleeps.

mod defect;
mod disk;
mod faulty;
mod plan;
mod storage;
mod view;

pub use defect::Defect;
pub use disk::FakeDisk;
pub use faulty::FaultyStorage;
pub use plan::{Fault, FaultPlan, Gate, Operation};
pub use storage::{FakeStorage, KIND};
