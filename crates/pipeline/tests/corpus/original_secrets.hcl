id   = "secrets"
name = "[example] Secrets"

task "log" "ghcr.io/example/debug/log:latest" {
  registry_auth {
    user = "somebody"
    pass = "secret{{ registry_pass }}"
  }

  env_vars = {
    "LOGS_HEADER" = "secret{{logs_header}}"
  }
}
