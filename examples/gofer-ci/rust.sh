# Sourced by the tasks of this pipeline: finds the Rust toolchain in an environment that is otherwise clean.

PATH="$CARGO_HOME/bin:$PATH"
if [ -d "$CARGO_HOME/../rustup" ]; then
  RUSTUP_HOME="$CARGO_HOME/../rustup"
else
  RUSTUP_HOME="$CARGO_HOME/../.rustup"
fi
export PATH CARGO_HOME RUSTUP_HOME
if [ -n "$TARGET" ]; then
  CARGO_TARGET_DIR="$TARGET"
  export CARGO_TARGET_DIR
fi
cd "$WORKSPACE"
