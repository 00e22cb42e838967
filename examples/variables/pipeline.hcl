# What a run may be given: checked before it starts, and one value that is shown to nobody.
#
#   gofer local examples/variables -v token=s3cr3t
#   gofer local examples/variables -v token=s3cr3t -v env=staging -v replicas=5

id   = "variables"
name = "Variables"

variable "env" {
  default     = "test"
  allowed     = ["test", "staging"]
  description = "Where to deploy; nothing else is accepted"
}

variable "replicas" {
  type    = "number"
  default = 2
}

variable "token" {
  sensitive   = true    # recorded for the run; lists, events and `gofer run get` do not show it
  description = "No default: a run without it is refused"
}

task "deploy" "alpine:3.22" {
  description = "Its environment has each of them by its name; `var.env` stands where a text needs it."
  env_vars    = { TARGET = "${var.env}.example" }
  script      = <<EOT
echo "$replicas replicas on $TARGET"
printf %s "$token" | wc -c | xargs echo "length of the token:"
EOT
}
