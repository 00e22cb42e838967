//! Builds the first process of containers, so that it lies in this crate as bytes.
//!
//! It must run in every image: it is linked statically, is small, and asks nothing of the image but the processor. Cargo
//! cannot build one package of a workspace in another way than the rest, so a second cargo does, in a folder of its own
//! and from the same lock file. What the first cargo says about flags, wrappers and folders is not for the second.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const CRATE: &str = "../task-init";
const PROGRAM: &str = "gofer-task-init";
/// Between two flags of rustc.
const SEPARATOR: &str = "\u{1f}";
/// What tells cargo where it finds packages, tools and other builds at work. Every other `CARGO_` is left out.
const KEPT: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "CARGO_TARGET_",
    "CARGO_MAKEFLAGS",
];
/// Of those with the beginnings above: folders of the build that goes on, and flags.
const DROPPED: [&str; 4] = ["CARGO_TARGET_DIR", "CARGO_TARGET_TMPDIR", "_RUSTFLAGS", "_RUNNER"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in ["src", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={CRATE}/{file}");
    }
    // What it is built of besides: the versions of others.
    println!("cargo:rerun-if-changed=../../Cargo.lock");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let target = env::var("TARGET")?;
    let folder = out.join("task-init");
    let output = cargo(&target, &folder)?.output()?;
    if !output.status.success() {
        return Err(explained(&target, &String::from_utf8_lossy(&output.stderr)).into());
    }
    let program = folder.join(&target).join("release").join(PROGRAM);
    fs::copy(&program, out.join("init")).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(())
}

/// The second cargo.
fn cargo(target: &str, folder: &Path) -> Result<Command, Box<dyn Error>> {
    let manifest = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(CRATE).join("Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo does not say where it is")?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_the_first) {
            cargo.env_remove(name);
        }
    }
    let flags = ["-C", "target-feature=+crt-static", "-C", "relocation-model=static"].join(SEPARATOR);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    cargo.args(["build", "--quiet", "--locked", "--release", "--bin", PROGRAM, "--target", target]);
    for setting in ["opt-level='s'", "panic='abort'", "strip='symbols'", "lto='fat'"] {
        cargo.arg("--config").arg(format!("profile.release.{setting}"));
    }
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(folder);
    Ok(cargo)
}

/// Whether a variable was meant for the cargo that runs this, and would mislead another.
fn is_of_the_first(name: &str) -> bool {
    let kept =
        KEPT.iter().any(|start| name.starts_with(start)) && !DROPPED.iter().any(|part| name.contains(part));
    let cargo = name.starts_with("CARGO_") && !kept;
    cargo || ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS"].contains(&name)
}

fn explained(target: &str, said: &str) -> String {
    format!(
        "the first process of containers cannot be built for {target}.\n\
         It is linked statically and needs the C library as an archive (libc.a): Debian and Ubuntu have it in libc6-dev, \
         Fedora in glibc-static, Alpine in musl-dev.\n\
         cargo said:\n{said}"
    )
}
