# One task for each combination of values: of values that stand here, and of values that a task finds out.
#
#   gofer local examples/matrix

id   = "matrix"
name = "One task, many values"

task "test" "alpine:3.22" {
  description = "Four task runs: test[debug,1], test[debug,2], test[release,1] and test[release,2]."
  matrix      = { mode = ["debug", "release"], shard = [1, 2] }
  script      = "echo \"shard ${matrix.shard} of 2, ${matrix.mode}\""
}

task "discover" "alpine:3.22" {
  description = "Leaves a list: JSON, or a value on each line."
  outputs     = { services = "services.json" }
  script      = "echo '[\"api\", \"web\", \"worker\"]' > services.json"
}

task "build" "alpine:3.22" {
  description = "As many task runs as there are values in the list, each with a file of its own for the next."
  depends_on  = { discover = "successful" }
  matrix      = { service = "run{{ services }}" }
  outputs     = { images = ["images"] }
  env_vars    = { SERVICE = matrix.service }
  script      = "mkdir images && echo \"image of $SERVICE\" > \"images/$SERVICE\""
}

task "publish" "alpine:3.22" {
  description = "Waits for every combination, and is given what all of them left."
  depends_on  = { test = "successful", build = "successful" }
  inputs      = ["images"]
  script      = "cat images/*"
}
