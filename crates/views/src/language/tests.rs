//! Printing: what is printed reads back to the same, and the tree is a contract of diffs.

use super::*;
use gofer_pipeline::{Limits, Source, parse};

const FULL: &str = r#"
id          = "build"
name        = "Build and $${test}"
namespace   = "team"
labels      = { team = "core" }
parallelism = 1
timeout     = "2h"
variable "rev" {
  default = "main"
  allowed = ["main", "next"]
}
variable "n" { type = "number" }
trigger "cron" "nightly" {
  expression = "0 3 * * *"
  variables  = { rev = "next", n = "1" }
}
notify "webhook" "chat" {
  on  = ["failed"]
  url = "secret{{ chat_url }}"
}
task "zeta" "rust:1.95" {
  script   = "echo $${HOME} ${var.rev} %%{x}"
  shell    = ["bash", "-c"]
  env_vars = { REV = var.rev, TOKEN = "secret{{ deploy }}" }
  timeout  = "30m"
  retry {
    attempts   = 3
    exit_codes = [75]
  }
  resources {
    cpu    = 0.5
    memory = "256MiB"
  }
  registry_auth {
    user = "me"
    pass = "secret{{ registry }}"
  }
  outputs = { dist = ["target"] }
}
task "alpha" "rust:1.95" {
  command       = ["make", "test"]
  depends_on    = { zeta = "any" }
  allow_failure = true
  inputs        = ["dist"]
  matrix        = { os = ["a", "b"] }
  checkout {
    url   = "https://git.example/x.git"
    depth = 1
  }
}
"#;

fn read(name: &str, text: &str) -> Pipeline {
    let source = Source::new(name, text);
    let parsed = parse(&source, &Limits::default());
    let problems: String = parsed.problems.iter().map(|p| gofer_pipeline::render(p, &source)).collect();
    parsed.pipeline.unwrap_or_else(|| panic!("{problems}\n{}", source.text()))
}

#[test]
fn an_exported_pipeline_reads_back_to_the_same() {
    let original = read("pipeline.hcl", FULL);
    assert_eq!(read("pipeline.json", &file(&original)), original);
}

#[test]
fn the_tree_is_what_a_diff_shows() {
    insta::assert_snapshot!(format!("{:#}", tree(&read("pipeline.hcl", FULL))));
}
