# What checks a crate of gofer, as a pipeline of gofer. Tasks start with a clean environment, so everything that they need
# is a variable:
#
#   gofer local examples/gofer-ci -v workspace="$PWD" -v cargo_home="$HOME/.cargo" -v package=gofer-types

id   = "gofer-ci"
name = "Check a crate of gofer"

variable "workspace" {
  default     = "."
  description = "The root of the workspace, as an absolute path"
}

variable "cargo_home" {
  default     = "/usr/local/cargo"
  description = "Where cargo keeps its programs and its registry; rustup's directory lies beside it"
}

variable "target" {
  default     = ""
  description = "Where cargo builds; empty means the workspace's own place"
}

variable "package" {
  default     = "gofer-types"
  description = "The package to check"
}

task "fmt" "rust:1.95" {
  description = "The formatting."
  env_vars = {
    WORKSPACE  = var.workspace
    PACKAGE    = var.package
    CARGO_HOME = var.cargo_home
    TARGET     = var.target
  }
  script = <<EOT
. "$WORKSPACE/examples/gofer-ci/rust.sh"
cargo fmt --package "$PACKAGE" --check
EOT
}

task "clippy" "rust:1.95" {
  description = "The lints."
  env_vars = {
    WORKSPACE  = var.workspace
    PACKAGE    = var.package
    CARGO_HOME = var.cargo_home
    TARGET     = var.target
  }
  script = <<EOT
. "$WORKSPACE/examples/gofer-ci/rust.sh"
cargo clippy --quiet --package "$PACKAGE" --all-targets -- -D warnings
EOT
}

task "build" "rust:1.95" {
  description = "The library, whatever the two before it found."
  depends_on  = { fmt = "any", clippy = "any" }
  env_vars = {
    WORKSPACE  = var.workspace
    PACKAGE    = var.package
    CARGO_HOME = var.cargo_home
    TARGET     = var.target
  }
  script = <<EOT
. "$WORKSPACE/examples/gofer-ci/rust.sh"
cargo build --quiet --package "$PACKAGE"
EOT
}

task "test" "rust:1.95" {
  description = "The tests."
  depends_on  = { build = "successful" }
  env_vars = {
    WORKSPACE  = var.workspace
    PACKAGE    = var.package
    CARGO_HOME = var.cargo_home
    TARGET     = var.target
  }
  script = <<EOT
. "$WORKSPACE/examples/gofer-ci/rust.sh"
cargo test --quiet --package "$PACKAGE"
EOT
}
