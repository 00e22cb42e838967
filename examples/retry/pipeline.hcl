# A task that is tried again, after a wait that grows, and only for the ends that are worth it.
#
#   gofer local examples/retry

id   = "retry"
name = "Tried again"

task "download" "alpine:3.22" {
  description = "Fails twice with the code that means `try again`; the third attempt succeeds."
  script      = <<EOT
echo "attempt $GOFER_ATTEMPT"
[ "$GOFER_ATTEMPT" -ge 3 ] || exit 75
EOT

  retry {
    attempts    = 3
    backoff     = "200ms"
    factor      = 2       # 200 ms before the second attempt, 400 ms before the third
    max_backoff = "5s"    # and never more than this
    on          = ["failed", "lost"]
    exit_codes  = [75]
  }
}

task "parse" "alpine:3.22" {
  description   = "Fails with another code: no use to try it again, and the run may succeed all the same."
  depends_on    = { download = "successful" }
  allow_failure = true
  script        = "echo 'no such field' >&2; exit 2"

  retry {
    attempts   = 3
    exit_codes = [75]
  }
}
