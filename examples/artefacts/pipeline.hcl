# Files that one task leaves and another is given. Each task has a work directory of its own, and it goes with the task;
# what `outputs` names stays with the run.
#
#   gofer local examples/artefacts

id   = "artefacts"
name = "Files from task to task"

task "build" "alpine:3.22" {
  description = "Leaves a folder and a file as one archive, and a single file as it is."
  outputs     = { dist = ["dist", "version"], notes = "notes.txt" }
  script      = <<EOT
mkdir -p dist/bin
printf '#!/bin/sh\necho "the app says hello"\n' > dist/bin/app
chmod +x dist/bin/app
echo 1.2.3 > version
echo "first release" > notes.txt
EOT
}

task "test" "alpine:3.22" {
  description = "Is given the archive, unpacked where it was packed: it can be executed as it was."
  depends_on  = { build = "successful" }
  inputs      = ["dist"]
  script      = "./dist/bin/app"
}

task "announce" "alpine:3.22" {
  description = "Is given both. On a server: gofer object get notes --scope run=artefacts/latest"
  depends_on  = { build = "successful", test = "successful" }
  inputs      = ["dist", "notes"]
  script      = "echo \"$(cat version): $(cat notes.txt)\""
}
