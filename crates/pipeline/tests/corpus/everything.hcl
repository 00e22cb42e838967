# Every attribute and every block of the language.
id          = "build"
name        = "Build and test"
description = <<EOT
Builds **everything**.
EOT
namespace   = "default"
labels      = { team = "core" }

parallelism = 1
queue       = "replace"
timeout     = "2h"
logging     = false
exec        = true

variable "rev" {
  type        = "string"
  default     = "main"
  allowed     = ["main", "next"]
  description = "What to build"
}

variable "jobs" {
  type    = "number"
  default = 2
}

trigger "interval" "every_hour" {
  every = "1h"
}

trigger "cron" "nightly" {
  expression = "0 3 * * *"
  timezone   = "Europe/Berlin"
  token      = "global{{ cron/token }}"
  variables  = { rev = "next" }
}

notify "webhook" "chat" {
  on      = ["failed", "errored", "recovered"]
  url     = "secret{{ chat_url }}"
  text    = "run ${run.id} of ${pipeline.name}"
  retries = 3
  headers = { accept = ["text/plain"], quiet = true }
}

task "fetch" "alpine/git" {
  outputs = { source = ["src"] }
}

task "compile" "rust:1.95" {
  description = "Compiles"
  command     = ["cargo", "build", "--jobs", "${var.jobs}"]
  entrypoint  = []
  workdir     = "/src"
  user        = "1000"
  env_vars    = { REV = var.rev, TOKEN = "secret{{ deploy_token }}", LAST = "pipeline{{ last_good }}", ONCE = "run{{ once }}" }
  depends_on  = { fetch = "successful" }
  timeout     = "30m"

  retry {
    attempts    = 3
    backoff     = "10s"
    factor      = 2
    max_backoff = "5m"
    on          = ["failed", "lost"]
    exit_codes  = [75]
  }

  resources {
    cpu    = 0.5
    memory = "256MiB"
  }

  registry_auth {
    user = "me"
    pass = "secret{{ registry }}"
  }

  always_pull   = true
  logging       = false
  allow_failure = true
  cleanup       = true
  inject_token  = true
  scheduler     = "docker"
  matrix        = { os = ["a", "b"], n = [1, 2] }

  checkout {
    url    = "https://git.example/x.git"
    ref    = var.rev
    sparse = ["src"]
    depth  = 1
    auth   = "secret{{ git }}"
  }

  inputs  = ["source"]
  outputs = { dist = ["target/release/app"] }
}

task "test" {
  image      = "rust:1.95"
  shell      = ["bash", "-euo", "pipefail", "-c"]
  script     = <<-EOT
    cargo test --jobs ${var.jobs}
    echo "$${HOME}"
  EOT
  depends_on = { "compile" : "any" }
}
