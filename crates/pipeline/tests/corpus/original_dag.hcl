id   = "dag"
name = "[example] Chains by the end of a task"

task "depend_on_nothing" "ubuntu:latest" {
  command = ["echo", "one"]
}

task "depend_on_both" "ubuntu:latest" {
  command    = ["echo", "three"]
  depends_on = { "depend_on_one" = "successful", "clean_up" = "any" }
}

task "depend_on_one" "ubuntu:latest" {
  command    = ["echo", "two"]
  depends_on = { "depend_on_nothing" = "any" }
}

task "clean_up" "ubuntu:latest" {
  command    = ["echo", "failed"]
  depends_on = { "depend_on_nothing" = "failure" }
}
