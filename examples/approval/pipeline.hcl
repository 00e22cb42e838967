# A task that waits for a person, and takes no slot meanwhile. It needs a server, where somebody can answer:
#
#   gofer up examples/approval && gofer start approval --detach
#   gofer run approve approval/latest/ask --field channel=beta      # or --reject
#
# `gofer run explain approval/latest` tells what is asked, by whom it may be answered, and how.

id   = "approval"
name = "Ask before"

task "build" "alpine:3.22" {
  script = "echo built"
}

task "ask" {
  depends_on = { build = "successful" }

  approval {
    message = "Release it?"
    expires = "2d"                # then the task has failed, and nothing is released
    fields  = { channel = { description = "Where to", default = "stable", allowed = ["stable", "beta"] } }
  }
}

task "release" "alpine:3.22" {
  description = "Is given the answer as variables."
  depends_on  = { ask = "successful" }
  script      = "echo \"released to $channel\""
}
