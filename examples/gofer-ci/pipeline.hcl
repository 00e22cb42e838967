# What checks a crate of gofer, as a pipeline of gofer. Tasks start with a clean environment, so everything that they need
# is a variable:
#
#   gofer local examples/gofer-ci -v workspace="$PWD" -v home="$HOME" -v path="$PATH" -v package=gofer-types

id   = "gofer-ci"
name = "Check a crate of gofer"

variable "workspace" {
  default     = "."
  description = "The root of the workspace, as an absolute path"
}

variable "home" {
  description = "The home directory: cargo keeps its registry and toolchains below it"
}

variable "path" {
  default     = "/usr/local/cargo/bin:/usr/local/bin:/usr/bin:/bin"
  description = "Where cargo and a linker are found"
}

variable "package" {
  default     = "gofer-types"
  description = "The package to check"
}

task "fmt" "rust:1.95" {
  description = "The formatting."
  env_vars    = { HOME = var.home, PATH = var.path, WORKSPACE = var.workspace, PACKAGE = var.package }
  script      = "cd \"$WORKSPACE\" && cargo fmt --package \"$PACKAGE\" --check"
}

task "clippy" "rust:1.95" {
  description = "The lints."
  env_vars    = { HOME = var.home, PATH = var.path, WORKSPACE = var.workspace, PACKAGE = var.package }
  script      = "cd \"$WORKSPACE\" && cargo clippy --quiet --package \"$PACKAGE\" --all-targets -- -D warnings"
}

task "build" "rust:1.95" {
  description = "The library."
  depends_on  = { fmt = "any", clippy = "any" }
  env_vars    = { HOME = var.home, PATH = var.path, WORKSPACE = var.workspace, PACKAGE = var.package }
  script      = "cd \"$WORKSPACE\" && cargo build --quiet --package \"$PACKAGE\""
}

task "test" "rust:1.95" {
  description = "The tests."
  depends_on  = { build = "successful" }
  env_vars    = { HOME = var.home, PATH = var.path, WORKSPACE = var.workspace, PACKAGE = var.package }
  script      = "cd \"$WORKSPACE\" && cargo test --quiet --package \"$PACKAGE\""
}
