# What runs after a failure, and what runs whatever happens. The run succeeds: the only task that fails is allowed to.
#
#   gofer local examples/conditions
#   gofer local examples/conditions -v healthy=yes

id   = "conditions"
name = "After a failure"

variable "healthy" {
  default     = "no"
  allowed     = ["yes", "no"]
  description = "Whether the new version works"
}

task "deploy" "alpine:3.22" {
  allow_failure = true
  env_vars      = { HEALTHY = var.healthy }
  script        = "[ \"$HEALTHY\" = yes ]"
}

task "promote" "alpine:3.22" {
  depends_on = { deploy = "successful" }
  script     = "echo the new version has the traffic"
}

task "rollback" "alpine:3.22" {
  depends_on = { deploy = "failure" }    # it failed, errored, was lost or ran out of time
  script     = "echo the old version keeps the traffic"
}

task "tear_down" "alpine:3.22" {
  description = "Runs after each end of the two, also if one was skipped, and also when the run was cancelled."
  depends_on  = { promote = "always", rollback = "always" }
  cleanup     = true
  script      = "echo the machines are given back"
}
