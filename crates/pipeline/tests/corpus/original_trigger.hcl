id         = "with_trigger"
name       = "[example] A run each minute"
sequential = true

trigger "interval" "every_minute" {
  every = "1m"
}

task "wait" "ghcr.io/example/debug/wait:latest" {
  env_vars = { "WAIT_DURATION" : "5s" }
}

task "first" "hello-world" {
  depends_on = { "wait" : "successful" }
}

task "second" "hello-world" {
  depends_on = { "wait" : "SUCCESSFUL" }
}
