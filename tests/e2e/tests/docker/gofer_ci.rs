//! The pipeline that checks a crate of gofer, in containers: with an image that is made here, of this machine's toolchain.

use std::collections::BTreeSet;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gofer_testkit::docker::Docker;
use gofer_testkit::{Binary, Running, World};
use libtest_mimic::Failed;

const IMAGE: &str = "gofer-test-ci:1";
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
/// What a linker takes from there, by the beginning of its name.
const LINKED: [&str; 12] = [
    "crt",
    "Scrt1",
    "gcrt1",
    "libc.",
    "libc_nonshared",
    "libm.",
    "libmvec",
    "libgcc_s",
    "libpthread",
    "libdl",
    "librt",
    "libutil",
];

pub(crate) fn checks_a_crate(engine: &Docker) -> Result<(), Failed> {
    let made = image(engine).and_then(|()| run(engine));
    // It is large, and made anew each time.
    let _ = engine.delete(&format!("/images/{IMAGE}?force=true"));
    made
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn run(engine: &Docker) -> Result<(), Failed> {
    let world = World::new();
    let text = std::fs::read_to_string(repository().join("examples/gofer-ci/pipeline.hcl"))?;
    world.write("pipeline.hcl", text.replace("rust:1.95", IMAGE));
    let mut command = Binary::find().command(&world);
    command.env("DOCKER_HOST", engine.url()).args(["local", "pipeline.hcl", "--scheduler", "docker"]);
    for variable in ["workspace=/src", "cargo_home=/cargo", "target=/tmp/target", "package=gofer-types"] {
        command.args(["-v", variable]);
    }
    let output = Running::start(command, &world).wait(Duration::from_secs(900)).ok();
    let printed = output.stdout + &output.stderr;
    let good = printed.contains("test result: ok") && printed.contains("scheduler docker");
    if good { Ok(()) } else { Err(printed.into()) }
}

/// Sends the image to the engine while it is made.
fn image(engine: &Docker) -> Result<(), Failed> {
    let mut stream = UnixStream::connect(engine.socket())?;
    let path = "/images/create?fromSrc=-&repo=gofer-test-ci&tag=1";
    let head = "Host: docker\r\nConnection: close\r\nContent-Type: application/x-tar";
    write!(stream, "POST {path} HTTP/1.1\r\n{head}\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut tar = tar::Builder::new(BufWriter::with_capacity(1 << 20, Chunks(stream.try_clone()?)));
    tar.follow_symlinks(false);
    fill(&mut tar)?;
    tar.into_inner()?.flush()?;
    write!(stream, "0\r\n\r\n")?;
    let mut answer = String::new();
    BufReader::new(stream).read_to_string(&mut answer)?;
    let good = answer.starts_with("HTTP/1.1 200") && !answer.contains("\"error\"");
    if good { Ok(()) } else { Err(format!("the engine does not take the image: {answer}").into()) }
}

/// A body whose length is not known before.
struct Chunks(UnixStream);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !bytes.is_empty() {
            write!(self.0, "{:x}\r\n", bytes.len())?;
            self.0.write_all(bytes)?;
            self.0.write_all(b"\r\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn fill<W: Write>(tar: &mut tar::Builder<W>) -> Result<(), Failed> {
    let sysroot = PathBuf::from(output("rustc", &["--print", "sysroot"])?.trim()).canonicalize()?;
    for part in ["bin", "lib", "libexec"] {
        tar.append_dir_all(format!("toolchain/{part}"), sysroot.join(part))?;
    }
    for program in std::fs::read_dir(sysroot.join("bin"))? {
        let name = program?.file_name().to_string_lossy().into_owned();
        link(tar, &format!("cargo/bin/{name}"), &format!("/toolchain/bin/{name}"))?;
    }
    shell(tar)?;
    let mut programs: Vec<PathBuf> =
        std::fs::read_dir(sysroot.join("bin"))?.flatten().map(|it| it.path()).collect();
    programs.extend(linker(tar)?);
    libraries(tar, &programs)?;
    registry(tar)?;
    source(tar)
}

fn output(program: &str, args: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(args).current_dir(repository()).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn link<W: Write>(tar: &mut tar::Builder<W>, path: &str, target: &str) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    tar.append_link(&mut header, path, target)
}

/// A shell, a place for what is temporary, and a user.
fn shell<W: Write>(tar: &mut tar::Builder<W>) -> Result<(), Failed> {
    let busybox = BUSYBOX.into_iter().find(|path| Path::new(path).is_file()).ok_or("there is no busybox")?;
    tar.append_path_with_name(busybox, "bin/busybox")?;
    for program in ["sh", "cat", "ls", "env", "echo", "mkdir"] {
        link(tar, &format!("bin/{program}"), "busybox")?;
    }
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(0o1777);
    folder.set_size(0);
    tar.append_data(&mut folder, "tmp/", std::io::empty())?;
    let users = b"root:x:0:0:root:/tmp:/bin/sh\n";
    let mut file = tar::Header::new_gnu();
    file.set_size(users.len() as u64);
    file.set_mode(0o644);
    tar.append_data(&mut file, "etc/passwd", users.as_slice())?;
    Ok(())
}

/// What `cc` needs to link; answers the programs among it.
fn linker<W: Write>(tar: &mut tar::Builder<W>) -> Result<Vec<PathBuf>, Failed> {
    let mut programs = Vec::new();
    for name in ["cc", "ld", "as"] {
        let path =
            PathBuf::from(output("sh", &["-c", &format!("command -v {name}")])?.trim()).canonicalize()?;
        tar.append_path_with_name(&path, format!("usr/bin/{name}"))?;
        programs.push(path);
    }
    let collect = PathBuf::from(output("cc", &["-print-prog-name=collect2"])?.trim()).canonicalize()?;
    let folder = collect.parent().ok_or("the compiler has no folder")?;
    for file in std::fs::read_dir(folder)?.flatten().filter(|file| file.path().is_file()) {
        let name = file.file_name().to_string_lossy().into_owned();
        // The compilers themselves are large, and nothing is compiled but Rust.
        if !["cc1", "cc1plus", "lto1", "f951", "gnat1", "d21", "go1"].contains(&name.as_str()) {
            tar.append_path_with_name(file.path(), inside(&file.path()))?;
        }
    }
    programs.push(collect);
    Ok(programs)
}

/// A path of this machine as one in the image.
fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

/// The libraries that these programs load, and those that are linked against.
fn libraries<W: Write>(tar: &mut tar::Builder<W>, programs: &[PathBuf]) -> Result<(), Failed> {
    let mut wanted = BTreeSet::new();
    for program in programs {
        let listed = output("ldd", &[&program.display().to_string()])?;
        // `/lib`, `/lib64` and what lies below `/usr`; the toolchain's own are there already.
        let paths =
            listed.split_whitespace().filter(|word| word.starts_with("/lib") || word.starts_with("/usr/lib"));
        wanted.extend(paths.map(PathBuf::from));
    }
    for file in std::fs::read_dir(LIBRARIES)?.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if LINKED.iter().any(|start| name.starts_with(start)) && file.path().try_exists().unwrap_or(false) {
            wanted.insert(file.path());
        }
    }
    // Under their usual places, whether or not these are links on this machine.
    link(tar, "lib", "usr/lib")?;
    link(tar, "lib64", "usr/lib64")?;
    let mut seen = BTreeSet::new();
    for path in wanted {
        let at = inside(&path);
        let at = if at.starts_with("usr") { at } else { Path::new("usr").join(at) };
        if seen.insert(at.clone()) {
            tar.append_path_with_name(path.canonicalize()?, at)?;
        }
    }
    Ok(())
}

/// The crates that cargo has fetched, and that it is to fetch no others.
fn registry<W: Write>(tar: &mut tar::Builder<W>) -> Result<(), Failed> {
    let home = std::env::var("CARGO_HOME").map(PathBuf::from);
    let home =
        home.unwrap_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cargo"));
    for part in ["index", "cache"] {
        tar.append_dir_all(format!("cargo/registry/{part}"), home.join("registry").join(part))?;
    }
    let mut config = std::fs::read_to_string(home.join("config.toml")).unwrap_or_default();
    config.push_str("\n[net]\noffline = true\n");
    let mut header = tar::Header::new_gnu();
    header.set_size(config.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "cargo/config.toml", config.as_bytes())?;
    Ok(())
}

/// This repository, as far as git knows it.
fn source<W: Write>(tar: &mut tar::Builder<W>) -> Result<(), Failed> {
    let files = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    for file in files.lines().filter(|file| repository().join(file).is_file()) {
        tar.append_path_with_name(repository().join(file), Path::new("src").join(file))?;
    }
    Ok(())
}
