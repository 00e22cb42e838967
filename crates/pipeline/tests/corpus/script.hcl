id = "script"

task "many_lines" "ubuntu:latest" {
  script = <<EOT
set -x
for n in 1 2 3; do
  echo "$n of $${TOTAL:-3} in ${pipeline.id}, run ${run.id}"
done
EOT
}
