# A graph with branches: two tasks at once, one that fails and is allowed to, a branch that is taken because of it, and
# one that is skipped because of it. The run succeeds all the same.
#
#   gofer local examples/dag

id   = "dag"
name = "A graph with branches"

task "fetch" "alpine:3.22" {
  script = "echo fetched"
}

task "lint" "alpine:3.22" {
  depends_on = { fetch = "successful" }
  script     = "echo no problems found"
}

task "probe" "alpine:3.22" {
  description   = "Fails; the run may succeed although it does."
  depends_on    = { fetch = "successful" }
  allow_failure = true
  script        = <<EOT
echo "the service does not answer" >&2
exit 3
EOT
}

task "repair" "alpine:3.22" {
  description = "Taken because the probe failed."
  depends_on  = { probe = "failure" }
  script      = "echo repaired"
}

task "celebrate" "alpine:3.22" {
  description = "Skipped because the probe failed."
  depends_on  = { probe = "successful" }
  script      = "echo never printed"
}

task "report" "alpine:3.22" {
  description = "Runs whatever happened before."
  depends_on  = { lint = "successful", repair = "always", celebrate = "always" }
  script      = "echo done"
}
