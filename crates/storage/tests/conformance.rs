//! The fake passes the suite: without a defect it is a storage like any other.

mod common;

fn main() -> std::process::ExitCode {
    gofer_storage::conformance::main(common::FakeHarness::with(gofer_storage::fake::Defect::None))
}
