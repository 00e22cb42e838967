//! The image that tests run: the busybox of this machine under the names of its programs, and little else.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::Docker;

/// The name of the image: one that no engine ever looks for at a public registry, and that all engines spell alike.
pub const TEST_IMAGE: &str = "localhost/gofer-test:1";

/// Stands on the image, so that one that was made in another way is made anew. Change it with the content.
const RECIPE: &str = "gofer.recipe\":\"1\"";
const IMPORT: &str = "/images/create?fromSrc=-&repo=localhost/gofer-test:1&changes=LABEL%20gofer.recipe%3D1";

const BUSYBOX: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"];
const BLOCK: usize = 512;
/// The first bytes of a program that the kernel runs by itself.
const ELF: &[u8] = b"\x7fELF";

/// The name of the test image, which is made if this engine does not have it.
///
/// # Errors
/// What is missing on this machine, or what the engine said.
pub fn test_image(docker: &Docker) -> Result<&'static str, String> {
    // Tests run in many processes; one of them makes the image.
    let lock = File::create(std::env::temp_dir().join("gofer-test-image.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let known = docker.get(&format!("/images/{TEST_IMAGE}/json")).map_err(|error| error.to_string())?;
    if known.status == 200 && known.text().contains(RECIPE) {
        return Ok(TEST_IMAGE);
    }
    let tar = tar()?;
    let answer =
        docker.send("POST", IMPORT, ("application/x-tar", &tar)).map_err(|error| error.to_string())?;
    let text = answer.text();
    if answer.status == 200 && !text.contains("\"error\"") {
        Ok(TEST_IMAGE)
    } else {
        Err(format!("the engine does not take the test image: {text}"))
    }
}

/// The files of the image, as one archive.
fn tar() -> Result<Vec<u8>, String> {
    let path = BUSYBOX.into_iter().map(Path::new).find(|path| path.is_file());
    let path = path.ok_or("there is no busybox to make an image of: install busybox-static")?;
    let busybox = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if !busybox.starts_with(ELF) || has_interpreter(&busybox) {
        return Err(format!("{} is not static: install busybox-static", path.display()));
    }
    let list = Command::new(path).arg("--list").output().map_err(|error| error.to_string())?;
    let mut tar = Tar(Vec::new());
    for (folder, mode) in
        [("bin", 0o755), ("usr", 0o755), ("usr/bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)]
    {
        tar.entry(&format!("{folder}/"), mode, Kind::Folder);
    }
    tar.entry("bin/busybox", 0o755, Kind::File(&busybox));
    for program in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        tar.entry(&format!("bin/{program}"), 0o777, Kind::Link("busybox"));
    }
    tar.entry("usr/bin/env", 0o777, Kind::Link("../../bin/busybox"));
    let users = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
    tar.entry("etc/passwd", 0o644, Kind::File(users));
    tar.entry("etc/group", 0o644, Kind::File(b"root:x:0:\nnogroup:x:65534:\n"));
    Ok(tar.end())
}

/// An archive of one file.
pub(super) fn tar_of_one(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = Tar(Vec::new());
    tar.entry(name, 0o644, Kind::File(content));
    tar.end()
}

/// Whether a program of 64 bits names another one that has to load it.
fn has_interpreter(elf: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, size: usize| {
        let bytes = elf.get(at..at + size).unwrap_or_default();
        bytes.iter().rev().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|header| number(first + header * size, 4) == INTERPRETER as usize)
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    Folder,
    File(&'a [u8]),
    Link(&'a str),
}

/// An archive in the oldest format that all know.
struct Tar(Vec<u8>);

impl Tar {
    fn entry(&mut self, name: &str, mode: u32, kind: Kind<'_>) {
        let (sign, content, target): (u8, &[u8], &str) = match kind {
            Kind::Folder => (b'5', b"", ""),
            Kind::File(content) => (b'0', content, ""),
            Kind::Link(target) => (b'2', b"", target),
        };
        let mut head = [0_u8; BLOCK];
        put(&mut head, 0, name.as_bytes());
        put(&mut head, 100, format!("{mode:07o}").as_bytes());
        put(&mut head, 108, b"0000000");
        put(&mut head, 116, b"0000000");
        put(&mut head, 124, format!("{:011o}", content.len()).as_bytes());
        put(&mut head, 136, b"00000000000");
        put(&mut head, 148, b"        ");
        put(&mut head, 156, &[sign]);
        put(&mut head, 157, target.as_bytes());
        put(&mut head, 257, b"ustar\x0000");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut head, 148, format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&head);
        self.0.extend_from_slice(content);
        let full = self.0.len().next_multiple_of(BLOCK);
        self.0.resize(full, 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

fn put(head: &mut [u8; BLOCK], at: usize, mut bytes: &[u8]) {
    let mut place = head.get_mut(at..).expect("a place in the head");
    std::io::copy(&mut bytes, &mut place).expect("a name that fits");
    place.flush().expect("memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;

    #[test]
    fn the_archive_is_one_that_tar_reads() {
        let mut tar = Tar(Vec::new());
        tar.entry("tmp/", 0o1777, Kind::Folder);
        tar.entry("a", 0o755, Kind::File(b"text"));
        tar.entry("b", 0o777, Kind::Link("a"));
        let world = World::new();
        let path = world.write("x.tar", tar.end());
        let output = Command::new("tar").arg("-tvf").arg(&path).output().expect("tar");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(lines[0].starts_with("drwxrwxrwt 0/0") && lines[0].ends_with("tmp/"), "{text}");
        assert!(lines[1].starts_with("-rwxr-xr-x 0/0") && lines[1].contains(" 4 "), "{text}");
        assert!(lines[2].starts_with('l') && lines[2].ends_with("b -> a"), "{text}");
    }

    #[test]
    fn a_program_that_needs_a_loader_is_found_out() {
        assert!(has_interpreter(&std::fs::read(std::env::current_exe().unwrap()).unwrap()));
        assert!(!has_interpreter(b"\x7fELF"));
    }
}
