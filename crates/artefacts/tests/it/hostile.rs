//! A corpus of archives that must not be unpacked. Each is refused by its reason, and nothing changes anywhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use gofer_artefacts::{Limits, unpack};
use gofer_types::ByteSize;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::raw::{LONG_LINK, Raw, archive, dir, file, long, long_file, odd, padded, pax};
use crate::world::{World, snapshot};

/// One archive, and the place that awaits it.
struct Case {
    name: String,
    archive: Vec<u8>,
    /// The problem, as its debug form.
    problem: String,
    limits: Limits,
    prepare: fn(&Path),
}

#[derive(Default)]
struct Corpus(Vec<Case>);

impl Corpus {
    fn add(&mut self, name: &str, archive: Vec<u8>, problem: &str) -> &mut Case {
        let case = Case {
            name: name.to_owned(),
            archive,
            problem: problem.to_owned(),
            limits: Limits::default(),
            prepare: |_| (),
        };
        self.0.push(case);
        self.0.last_mut().unwrap()
    }

    /// An archive of one entry behind a sound one, which has to be removed again.
    fn entry(&mut self, name: &str, entry: Vec<u8>, problem: &str) {
        self.add(name, archive(&[dir("!"), file("!/sound", b"sound"), entry]), problem);
    }

    /// Run all, and tell every one that goes wrong.
    fn run(self) {
        let mut wrong = Vec::new();
        for case in &self.0 {
            if let Err(why) = run(case) {
                wrong.push(format!("{}: {why}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), self.0.len(), wrong.join("\n"));
    }
}

fn run(case: &Case) -> Result<(), String> {
    let world = World::new();
    (case.prepare)(world.path());
    let before = snapshot(world.path());
    let Err(error) = unpack(case.archive.as_slice(), &world.target(), &case.limits) else {
        return Err("was unpacked".to_owned());
    };
    if snapshot(world.path()) != before {
        return Err(format!("left something behind: {error}"));
    }
    if format!("{:?}", error.problem) != case.problem {
        return Err(format!("{:?} instead of {}", error.problem, case.problem));
    }
    let text = error.to_string();
    if error.cleanup.left > 0 || text.chars().any(char::is_control) || text.chars().count() > 600 {
        return Err(format!("badly told: {text:?}"));
    }
    Ok(())
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let mut corpus = Corpus::default();
    for (name, path, problem) in [
        ("one up", "../evil", "Path(Parent)"),
        ("many up", "../../../../../../../../tmp/evil", "Path(Parent)"),
        ("down and up", "-/../../evil", "Path(Parent)"),
        ("up at the end", "-/..", "Path(Parent)"),
        ("only up", "..", "Path(Parent)"),
        ("only here", ".", "Path(Here)"),
        ("from here", "./a", "Path(Here)"),
        ("here within", "-/./a", "Path(Here)"),
        ("absolute", "/tmp/evil", "Path(Absolute)"),
        ("absolute twice", "//tmp/evil", "Path(Absolute)"),
        ("the root", "/", "Path(Absolute)"),
        ("empty segment", "-//a", "Path(EmptySegment)"),
        ("backslash up", "..\\evil", "Path(Backslash)"),
        ("drive", "C:\\evil", "Path(Backslash)"),
        ("share", "\\\\host\\share\\evil", "Path(Backslash)"),
        ("mixed separators", "-/..\\..\\evil", "Path(Backslash)"),
        ("line end", "a\nb", "Path(Control)"),
        ("escape sequence", "a\x1b[2J\x1b]0;evil\x07", "Path(Control)"),
        ("delete", "a\x7f", "Path(Control)"),
        ("C1 control", "a\u{9b}2J", "Path(Control)"),
        ("NUL within", "a\0b", "Path(Nul)"),
        ("NUL before the way up", "a\0/../../evil", "Path(Nul)"),
        ("NUL first", "\0../evil", "Path(Nul)"),
        ("percent encoded", "%2e%2e/evil", "NoParent"),
        ("full width dots", "．．/evil", "NoParent"),
    ] {
        corpus.entry(&format!("file: {name}"), file(path, b"evil"), problem);
        corpus.entry(&format!("directory: {name}"), dir(path), problem);
    }
    corpus.entry("no name", file("", b"evil"), "Path(Empty)");
    corpus.entry("directory without name", dir(""), "Path(Empty)");
    corpus.entry("file with a slash behind", file("a/", b"evil"), "Path(EmptySegment)");
    corpus.entry("directory with two slashes behind", dir("a//"), "Path(EmptySegment)");
    corpus.entry("directory that is only slashes", dir("//"), "Path(Absolute)");
    corpus.entry("up with a slash behind", dir("../"), "Path(Parent)");
    corpus.entry("no UTF-8", file(b"a\xff\xfe", b""), "Path(NotUtf8)");
    corpus.entry("overlong dots", file(b"\xc0\xae\xc0\xae/evil", b""), "Path(NotUtf8)");
    corpus.entry("surrogates", file(b"\xed\xa0\x80\xed\xb0\x80", b""), "Path(NotUtf8)");
    corpus.entry("up in the prefix", Raw::posix(b"..", b"evil", b'0', 0).seal(), "Path(Parent)");
    corpus.entry("absolute prefix", Raw::posix(b"/tmp", b"evil", b'0', 0).seal(), "Path(Absolute)");
    corpus.entry(
        "slash between prefix and name",
        Raw::posix(b"-", b"/a", b'0', 0).seal(),
        "Path(EmptySegment)",
    );
    corpus.entry("prefix without a name", Raw::posix(b"-", b"", b'0', 0).seal(), "Path(EmptySegment)");
    corpus.entry("NUL in the prefix", Raw::posix(b"a\0b", b"c", b'0', 0).seal(), "Path(Nul)");
    corpus.run();
}

#[test]
fn an_absolute_name_of_a_sibling_writes_nothing_there() {
    let world = World::new();
    let target = world.outside().join("evil");
    let before = snapshot(world.path());
    let bytes = archive(&[file(target.to_str().unwrap(), b"evil")]);
    let error = unpack(bytes.as_slice(), &world.target(), &Limits::default()).unwrap_err();
    assert_eq!(format!("{:?}", error.problem), "Path(Absolute)");
    assert_eq!(snapshot(world.path()), before);
}

#[test]
fn long_names_are_refused_unless_they_are_needed_and_true() {
    let mut corpus = Corpus::default();
    let hundred_one = "b".repeat(101);
    let with = |path: &str| [path.as_bytes(), b"\0"].concat();
    let deep = |levels: usize| ["b"].repeat(levels).join("/");
    corpus.entry(
        "long segment",
        long_file("b".repeat(256).as_bytes()),
        "Path(SegmentTooLong { limit: 255 })",
    );
    corpus.entry("1,025 bytes", long_file(&padded_path(1025)), "Path(TooLong { limit: 1024 })");
    corpus.entry("4 KiB", long_file(&padded_path(4096)), "Path(TooLong { limit: 1024 })");
    let claims = Raw::new(LONG_LINK, b'L', 0o777_7777_7777).seal();
    corpus.entry("8 GiB claimed", claims, "Path(TooLong { limit: 1024 })");
    corpus.entry("65 levels", long_file(deep(65).as_bytes()), "Path(TooDeep { limit: 64 })");
    corpus.entry("the way up", long_file(format!("../{hundred_one}").as_bytes()), "Path(Parent)");
    corpus.entry("absolute", long_file(format!("/tmp/{hundred_one}").as_bytes()), "Path(Absolute)");
    corpus.entry("NUL within", long_file(format!("{hundred_one}\0{hundred_one}").as_bytes()), "Path(Nul)");
    corpus.entry(
        "slash behind a file",
        long_file(format!("{hundred_one}/").as_bytes()),
        "Path(EmptySegment)",
    );

    let bad = "Header(LongName)";
    corpus.entry("not needed", [long(&with("a")), file("a", b"")].concat(), bad);
    corpus.entry("just not needed", long_file(&[b'b'; 100]), bad);
    corpus.entry("up, and not needed", [long(&with("../evil")), file("a", b"")].concat(), bad);
    corpus.entry("empty", [long(b""), file("a", b"")].concat(), bad);
    let other = [long(&with(&hundred_one)), file("a", b"")].concat();
    corpus.entry("of another entry", other, bad);
    corpus.entry("without NUL", [long(&[b'b'; 120]), file(&hundred_one, b"")].concat(), bad);
    let twice = [long(&with(&hundred_one)), long(&with(&hundred_one)), file(&hundred_one, b"")].concat();
    corpus.entry("twice", twice, bad);
    corpus.entry("followed by nothing", long(&with(&hundred_one)), bad);
    let name = Raw::new(b"other", b'L', 102).seal();
    let named = [name, padded(&with(&hundred_one)), file(&hundred_one, b"")].concat();
    corpus.entry("under another name", named, bad);
    let link = [long(&with(&hundred_one)), odd(&hundred_one[..100], b'2', "/etc")].concat();
    corpus.entry("followed by a link", link, "Kind(SymbolicLink)");
    let mut dirty = long_file(hundred_one.as_bytes());
    dirty[512 + 300] = 1;
    corpus.entry("something behind it", dirty, "Header(Leftover)");
    corpus.add("cut off", long(&with(&hundred_one))[..600].to_vec(), "Truncated");
    corpus.run();
}

/// A path of plain segments of that many bytes.
fn padded_path(bytes: usize) -> Vec<u8> {
    let mut path = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/".repeat(bytes / 40 + 1).into_bytes();
    path.truncate(bytes);
    if let Some(last) = path.last_mut() {
        *last = b'b';
    }
    path
}

#[test]
fn only_files_and_directories_are_unpacked() {
    let mut corpus = Corpus::default();
    for (name, letter, target, kind) in [
        ("symbolic link to a file", b'2', "/etc/passwd", "SymbolicLink"),
        ("symbolic link to the sibling", b'2', "../outside", "SymbolicLink"),
        ("symbolic link within", b'2', "!/sound", "SymbolicLink"),
        ("symbolic link to itself", b'2', "a", "SymbolicLink"),
        ("symbolic link to nothing", b'2', "", "SymbolicLink"),
        ("hard link to the sibling", b'1', "../outside/canary", "HardLink"),
        ("hard link within", b'1', "!/sound", "HardLink"),
        ("hard link to itself", b'1', "a", "HardLink"),
        ("character device", b'3', "", "Device"),
        ("block device", b'4', "", "Device"),
        ("named pipe", b'6', "", "Fifo"),
        ("contiguous file", b'7', "", "Other(55)"),
        ("long link target", b'K', "", "LongLink"),
        ("list of a directory", b'D', "", "Other(68)"),
        ("part of another volume", b'M', "", "Other(77)"),
        ("old long names", b'N', "", "Other(78)"),
        ("label of a volume", b'V', "", "Other(86)"),
        ("access control list", b'A', "", "Other(65)"),
        ("file of before POSIX", 0, "", "Other(0)"),
        ("letter that nobody has", 0xff, "", "Other(255)"),
    ] {
        corpus.entry(name, odd("a", letter, target), &format!("Kind({kind})"));
    }
    corpus.run();
}

#[test]
fn nothing_is_written_through_what_an_archive_brings() {
    let mut corpus = Corpus::default();
    let two = |letter, target, then: Vec<u8>| archive(&[odd("a", letter, target), then]);
    corpus.add(
        "link, then a file through it",
        two(b'2', "../outside", file("a/evil", b"evil")),
        "Kind(SymbolicLink)",
    );
    corpus.add("link, then a directory over it", two(b'2', "../outside", dir("a")), "Kind(SymbolicLink)");
    corpus.add(
        "link to a file, then its content",
        two(b'2', "../outside/canary", file("a", b"x")),
        "Kind(SymbolicLink)",
    );
    corpus.add(
        "hard link, then its content",
        two(b'1', "../outside/canary", file("a", b"x")),
        "Kind(HardLink)",
    );
    let chain = [dir("a"), odd("a/b", b'2', ".."), odd("a/b/c", b'2', ".."), file("a/b/c/evil", b"evil")];
    corpus.add("chain of links", archive(&chain), "Kind(SymbolicLink)");
    let device =
        Raw::new(b"a", b'3', 0).with(329, b"0000001\0").with(337, b"0000003\0").with(100, b"0006777\0");
    corpus.entry("device with numbers and setuid", device.seal(), "Kind(Device)");
    let sparse =
        Raw::new(b"a", b'S', 512).with(386, b"00000000000\x0000000001000\0").with(483, b"77777777777\0");
    corpus.entry("sparse file of GNU", [sparse.seal(), padded(b"x")].concat(), "Kind(Sparse)");
    corpus.run();
}

#[test]
fn no_header_of_pax_contradicts_the_next() {
    let mut corpus = Corpus::default();
    for (name, letter, records) in [
        ("size", b'x', vec![("size", "0")]),
        ("size of the next header", b'x', vec![("size", "1024")]),
        ("size below zero", b'x', vec![("size", "-1")]),
        ("path", b'x', vec![("path", "../evil")]),
        ("target of a link", b'x', vec![("linkpath", "/etc/passwd")]),
        (
            "sparse by name",
            b'x',
            vec![("GNU.sparse.name", "../evil"), ("GNU.sparse.realsize", "99999999999")],
        ),
        ("sparse with a map", b'x', vec![("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]),
        ("extended attributes", b'x', vec![("SCHILY.xattr.security.capability", "x")]),
        ("for all that follow", b'g', vec![("path", "../evil"), ("size", "0")]),
        ("of Solaris", b'X', vec![("path", "../evil")]),
        ("without records", b'x', vec![]),
    ] {
        let hidden = archive(&[file("evil", b"evil")]);
        corpus.entry(name, [pax(letter, &records), file("a", &hidden)].concat(), "Kind(Pax)");
    }
    corpus.run();
}

#[test]
fn headers_that_readers_understand_differently_are_refused() {
    let mut corpus = Corpus::default();
    let a = |size| Raw::new(b"a", b'0', size);
    let number = "Header(Number)";
    corpus.entry("wrong checksum", a(0).with(148, b"000001\0 ").unsealed(), "Header(Checksum)");
    corpus.entry("no checksum", a(0).unsealed(), "Header(Checksum)");
    corpus.entry("checksum of signed bytes", signed(Raw::new("ä".as_bytes(), b'0', 0)), "Header(Checksum)");
    corpus.entry("no magic", a(0).with(257, &[0; 8]).seal(), "Header(Format)");
    corpus.entry("magic without version", a(0).with(257, b"ustar\0\0\0").seal(), "Header(Format)");
    corpus.entry("half POSIX, half GNU", a(0).with(257, b"ustar 00").seal(), "Header(Format)");
    corpus.entry("size of base 256", a(0).with(124, b"\x80\0\0\0\0\0\0\0\0\0\0\x01").seal(), number);
    corpus.entry("size below zero", a(0).with(124, &[0xff; 12]).seal(), number);
    corpus.entry("size with a sign", a(0).with(124, b"-0000000001\0").seal(), number);
    corpus.entry("size with a space before", a(0).with(124, b" 0000000001\0").seal(), number);
    corpus.entry("size in two parts", a(0).with(124, b"0000\x000000001").seal(), number);
    corpus.entry("size not octal", a(0).with(124, b"00000000009\0").seal(), number);
    corpus.entry("size in hexadecimal", a(0).with(124, b"0x000000010\0").seal(), number);
    corpus.entry("no size", a(0).with(124, &[0; 12]).seal(), number);
    corpus.entry("mode not octal", a(0).with(100, b"rwxr-xr-").seal(), number);
    corpus.entry("no mode", a(0).with(100, &[0; 8]).seal(), number);
    corpus.entry("file with a target", a(0).link("/etc/passwd").seal(), "Header(Leftover)");
    corpus.entry("GNU header with a prefix", a(0).with(345, b"../..").seal(), "Header(Leftover)");
    corpus.entry("file with a sparse map", a(0).with(482, &[1]).seal(), "Header(Leftover)");
    corpus.entry("file with a real size", a(0).with(483, b"77777777777\0").seal(), "Header(Leftover)");
    corpus.entry(
        "something behind the prefix",
        Raw::posix(b"", b"a", b'0', 0).with(500, b"tar\0").seal(),
        "Header(Leftover)",
    );
    let full = [Raw::new(b"a/", b'5', 512).seal(), file("evil", b"")].concat();
    corpus.entry("directory with content", full, "Header(Content)");
    let mut dirty = file("a", b"x");
    dirty[1023] = 1;
    corpus.entry("something behind the content", dirty, "Header(Leftover)");
    corpus.add("gzip", [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &[7; 2000]].concat(), "Header(Checksum)");
    corpus.add("zip", [&b"PK\x03\x04"[..], &[0; 2000]].concat(), "Header(Checksum)");
    corpus.add("text", b"<html>".repeat(200), "Header(Checksum)");
    corpus.run();
}

/// A header with the checksum that some old programs wrote.
fn signed(header: Raw) -> Vec<u8> {
    let blank = header.with(148, b"        ");
    let sum: i32 = blank.clone().unsealed().iter().map(|byte| i32::from(byte.cast_signed())).sum();
    blank.with(148, format!("{sum:06o}\0 ").as_bytes()).unsealed()
}

#[test]
fn what_comes_twice_or_out_of_order_is_refused() {
    let mut corpus = Corpus::default();
    let (a, b) = (|| file("a", b"first"), || file("b", b""));
    corpus.add("file twice", archive(&[a(), a()]), "Duplicate");
    corpus.add("file twice, another between", archive(&[a(), b(), file("a", b"other")]), "Duplicate");
    corpus.add("directory twice", archive(&[dir("a"), dir("a/")]), "Duplicate");
    corpus.add(
        "directory twice, a file between",
        archive(&[dir("a"), file("a/b", b""), dir("a")]),
        "Duplicate",
    );
    corpus.add("directory over a file", archive(&[a(), dir("a")]), "Duplicate");
    corpus.add("file over a directory", archive(&[dir("a"), a()]), "Duplicate");
    corpus.add("file in a file", archive(&[a(), file("a/b", b"")]), "NoParent");
    corpus.add("file without its directory", archive(&[file("a/b", b"")]), "NoParent");
    corpus.add("file in another's directory", archive(&[dir("a"), dir("a/b"), file("b/c", b"")]), "NoParent");
    corpus.add("file two levels too deep", archive(&[dir("a"), file("a/b/c", b"")]), "NoParent");
    corpus.add("descending", archive(&[b(), a()]), "OutOfOrder");
    corpus.add("back into a directory", archive(&[dir("a"), dir("b"), file("a/c", b"")]), "OutOfOrder");
    corpus.add(
        "directory after its file",
        archive(&[dir("a"), file("a/b/", b""), dir("a/b")]),
        "Path(EmptySegment)",
    );
    corpus.run();
}

#[test]
fn too_much_is_refused_by_what_it_claims() {
    let mut corpus = Corpus::default();
    let small = Limits { entries: 3, bytes: ByteSize::from_bytes(1000), ..Limits::default() };
    let many: Vec<_> = (0..4).map(|number| file(format!("{number}"), b"")).collect();
    corpus.add("entries", archive(&many), "TooManyEntries { limit: 3 }").limits = small;
    let many: Vec<_> = (0..4).map(|number| dir(format!("{number}"))).collect();
    corpus.add("directories", archive(&many), "TooManyEntries { limit: 3 }").limits = small;
    let many: Vec<_> = (0..2001).map(|number| file(format!("{number:04}"), b"")).collect();
    let limits = Limits { entries: 2000, ..Limits::default() };
    corpus.add("thousands of entries", archive(&many), "TooManyEntries { limit: 2000 }").limits = limits;
    let bytes = "TooManyBytes { limit: 1000B }";
    let two = archive(&[file("a", &[1; 600]), file("b", &[1; 600])]);
    corpus.add("bytes together", two, bytes).limits = small;
    corpus.add("bytes of one", archive(&[file("a", &[1; 1001])]), bytes).limits = small;
    let limit = "TooManyBytes { limit: 1GiB }";
    corpus.entry("8 GiB claimed", Raw::new(b"a", b'0', 0o777_7777_7777).seal(), limit);
    let ten = Raw::new(b"a", b'0', 0).with(124, b"112402762000").seal();
    corpus.entry("10 GB claimed", ten.clone(), limit);
    let limits = Limits { bytes: ByteSize::from_bytes(u64::MAX), ..Limits::default() };
    let most = "TooManyBytes { limit: 8589934591B }";
    corpus.add("10 GB claimed, without a limit", archive(&[ten]), most).limits = limits;
    corpus.run();
}

#[test]
fn what_ends_early_or_late_is_refused() {
    let mut corpus = Corpus::default();
    let whole = archive(&[file("a", &[1; 700])]);
    for (name, length) in [
        ("nothing", 0),
        ("half a header", 300),
        ("header only", 512),
        ("half the content", 900),
        ("content without its padding", 1212),
        ("no end", 1536),
        ("half the end", 2048),
        ("one byte short", 2559),
    ] {
        corpus.add(name, whole[..length].to_vec(), "Truncated");
    }
    let claims = Raw::new(b"a", b'0', 1 << 20).seal();
    corpus.add("claims more than follows", [claims, padded(b"x"), vec![0; 1024]].concat(), "Truncated");
    let behind = |zeros: usize, more: Vec<u8>| [file("a", b""), vec![0; zeros], more].concat();
    corpus.add("file behind one block", behind(512, file("evil", b"")), "Trailing");
    corpus.add("file behind the end", behind(1024, file("evil", b"")), "Trailing");
    corpus.add("archive behind the end", behind(10_240, archive(&[file("evil", b"")])), "Trailing");
    corpus.add("byte behind the end", behind(1024, vec![1]), "Trailing");
    corpus.add("zeros without end", behind(1024 + 70_000, vec![]), "Trailing");
    corpus.run();
}

#[test]
fn nothing_in_the_work_directory_is_followed_or_overwritten() {
    let mut corpus = Corpus::default();
    let through = || archive(&[dir("-"), file("-/a", b"sound"), dir("d"), file("d/canary", b"evil")]);
    let over = || archive(&[dir("-"), file("-/a", b"sound"), file("d", b"evil")]);
    let deep = || archive(&[dir("d"), dir("d/e"), file("d/e/canary", b"evil")]);
    type Prepare = fn(&Path);
    let to_folder: Prepare = |world| symlink(world.join("outside"), world.join("into/d")).unwrap();
    let to_sibling: Prepare = |world| symlink("../outside", world.join("into/d")).unwrap();
    let to_file: Prepare = |world| symlink("../outside/canary", world.join("into/d")).unwrap();
    let dangling: Prepare = |world| symlink("../outside/new", world.join("into/d")).unwrap();
    let to_itself: Prepare = |world| symlink("d", world.join("into/d")).unwrap();
    let within: Prepare = |world| {
        fs::create_dir(world.join("into/real")).unwrap();
        symlink("real", world.join("into/d")).unwrap();
    };
    let second: Prepare = |world| {
        fs::create_dir(world.join("into/d")).unwrap();
        symlink("../../outside", world.join("into/d/e")).unwrap();
    };
    let there: Prepare = |world| fs::write(world.join("into/d"), "mine").unwrap();
    let hard: Prepare = |world| fs::hard_link(world.join("outside/canary"), world.join("into/d")).unwrap();
    let folder: Prepare = |world| fs::create_dir(world.join("into/d")).unwrap();
    let fifo: Prepare = |world| {
        mknodat(CWD, world.join("into/d"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    };
    for (name, archive, prepare, problem) in [
        ("link to a folder", through(), to_folder, "LinkInTheWay"),
        ("link to the sibling", through(), to_sibling, "LinkInTheWay"),
        ("link to a file", through(), to_file, "LinkInTheWay"),
        ("link to nothing", through(), dangling, "LinkInTheWay"),
        ("link to itself", through(), to_itself, "LinkInTheWay"),
        ("link within", through(), within, "LinkInTheWay"),
        ("link on the second level", deep(), second, "LinkInTheWay"),
        ("file where a directory should be", through(), there, "Exists"),
        ("pipe where a directory should be", through(), fifo, "Exists"),
        ("file over a link to a folder", over(), to_folder, "LinkInTheWay"),
        ("file over a link to a file", over(), to_file, "LinkInTheWay"),
        ("file over a link to nothing", over(), dangling, "LinkInTheWay"),
        ("file over a file", over(), there, "Exists"),
        ("file over a hard link", over(), hard, "Exists"),
        ("file over a directory", over(), folder, "Exists"),
        ("file over a pipe", over(), fifo, "Exists"),
    ] {
        corpus.add(name, archive, problem).prepare = prepare;
    }
    corpus.run();
}
