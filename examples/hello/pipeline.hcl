# Three tasks, one after another. Run it without a server:
#
#   gofer local examples/hello
#   gofer local examples/hello -v name=Ana

id   = "hello"
name = "Hello"

variable "name" {
  default     = "gofer"
  description = "Whom to greet"
}

task "prepare" "alpine:3.22" {
  description = "Says where it runs."
  script      = "echo \"run $GOFER_RUN_ID of $GOFER_PIPELINE_ID\""
}

task "greet" "alpine:3.22" {
  description = "Greets."
  depends_on  = { prepare = "successful" }
  env_vars    = { NAME = var.name }
  script      = "echo \"Hello from $NAME\""
}

task "count" "alpine:3.22" {
  description = "Counts to three."
  depends_on  = { greet = "successful" }
  script      = <<EOT
for n in 1 2 3; do
  echo "$n"
done
echo "that was all" >&2
EOT
}
