//! `init`: a pipeline file to start from. Nothing is overwritten unless that is asked for.

use std::io::Write;
use std::path::Path;

use gofer_grammar::{Init, Template};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::Sign;
use gofer_output::table::pairs;
use gofer_views::{Done, Page};

use crate::context::Cx;

const TEMPLATES: [(Template, &str, &str); 2] = [
    (Template::Hello, "hello", "three tasks, one after another"),
    (Template::Dag, "dag", "branches: taken, skipped, allowed to fail"),
];

const fn pipeline(template: Template) -> &'static str {
    match template {
        Template::Hello => include_str!("../../../../examples/hello/pipeline.hcl"),
        Template::Dag => include_str!("../../../../examples/dag/pipeline.hcl"),
    }
}

const README: &str = "\
# A gofer pipeline

- `gofer local` runs it here, without a server.
- `gofer dev` starts a server for development that registers it whenever it is saved.
- `gofer up` registers it on a server, after showing what changes.
";

/// `init`.
pub(super) fn init(cx: &Cx, args: &Init) -> Result<Exit, Failure> {
    if args.list {
        return list(cx);
    }
    let files = [("pipeline.hcl", pipeline(args.template)), ("README.md", README)];
    if !args.force {
        for (name, _) in files {
            refuse_existing(&args.dir.join(name))?;
        }
    }
    std::fs::create_dir_all(&args.dir).map_err(|cause| Failure::file("make", &args.dir, &cause))?;
    let mut names = Vec::new();
    for (name, content) in files {
        let path = args.dir.join(name);
        write(&path, content, args.force)?;
        names.push(path.display().to_string().trim_start_matches("./").to_owned());
    }
    let done = Done { action: "wrote", names };
    cx.ui.object(&done, |style| format!("{} wrote {}\n", style.sign(Sign::Good), done.names.join(", ")))?;
    let there = args.dir.display().to_string();
    let dir = if there == "." { String::new() } else { format!(" {there}") };
    cx.ui.next(&[
        (format!("gofer local{dir}"), "run it here"),
        (format!("gofer dev{dir}"), "a server that follows your changes"),
    ]);
    Ok(Exit::Ok)
}

fn list(cx: &Cx) -> Result<Exit, Failure> {
    if cx.ui.machine() {
        for (template, name, _) in TEMPLATES {
            cx.ui.item(&Page { code: name.to_owned(), text: pipeline(template).to_owned() })?;
        }
        return Ok(Exit::Ok);
    }
    let rows = TEMPLATES.map(|(_, name, what)| (name, what.to_owned()));
    cx.ui.text(&pairs(&rows, &cx.ui.style))?;
    Ok(Exit::Ok)
}

fn refuse_existing(path: &Path) -> Result<(), Failure> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(Failure::new("E0008", Exit::Conflict, format!("{} exists already", path.display()))
            .hint("choose another directory, or overwrite it with `--force`")),
        Err(cause) => Err(Failure::file("look at", path, &cause)),
    }
}

fn write(path: &Path, content: &str, force: bool) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    // Between the look and the write somebody may have made it.
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(path).and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|cause| Failure::file("write", path, &cause))
}
