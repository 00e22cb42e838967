//! The fake passes the suite: without a defect it is an object store like any other.

mod common;

fn main() -> std::process::ExitCode {
    gofer_object_store::conformance::main(common::FakeHarness::with(None))
}
