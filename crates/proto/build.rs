//! Generates the messages, the client and server traits, and the file descriptor set of the public API.
//!
//! `protox` compiles the contract, so that no `protoc` is needed on the machine. The descriptor set keeps the comments
//! and the options of calls; reflection and the contract's own tests read them.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// The root that imports are resolved against.
const ROOT: &str = "../../proto";
/// The files of the contract.
const FILES: [&str; 9] = [
    "gofer/v1/options.proto",
    "gofer/v1/common.proto",
    "gofer/v1/namespace.proto",
    "gofer/v1/pipeline.proto",
    "gofer/v1/run.proto",
    "gofer/v1/log.proto",
    "gofer/v1/event.proto",
    "gofer/v1/object.proto",
    "gofer/v1/system.proto",
];
/// The fields that hold bytes in bulk: not copied when they are read.
const BULK: [&str; 2] = [".gofer.v1.PutObjectRequest.chunk", ".gofer.v1.GetObjectResponse.chunk"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={ROOT}");
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(FILES)?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("gofer.v1.bin"), compiler.encode_file_descriptor_set())?;
    let builder = BULK.iter().fold(tonic_prost_build::configure(), tonic_prost_build::Builder::bytes);
    builder.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
