id          = "simple"
name        = "[example] Simple pipeline"
description = <<EOT
Three tasks, one after the other.

It shows that a task may wait for another one.
EOT

task "wait" "ghcr.io/example/debug/wait:latest" {
  description = "Waits for a while"

  env_vars = {
    "WAIT_DURATION" : "20s",
  }
}

task "log" "ghcr.io/example/debug/log:latest" {
  description = "Prints a header"

  depends_on = {
    "wait" : "successful",
  }

  env_vars = {
    "LOGS_HEADER" : "a header that is printed first",
  }
}

task "hello_world" "hello-world" {
  depends_on = {
    "log" : "any",
  }
}
