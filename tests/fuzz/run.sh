#!/bin/sh
# Runs every target for a while, then proves that a seeded bug would have been found.
# Usage: run.sh [seconds per target]
set -eu
cd "$(dirname "$0")"
# Flags from outside would take the place of those in .cargo/config.toml.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR
seconds="${1:-20}"
mkdir -p artifacts

cargo build --release --quiet
for source in targets/*.rs; do
    name="$(basename "$source" .rs)"
    mkdir -p "corpus/$name"
    echo "== $name"
    cargo run --release --quiet --bin "$name" -- \
        -max_total_time="$seconds" -max_len=512 -verbosity=0 -print_final_stats=1 -artifact_prefix=artifacts/ "corpus/$name"
done

echo "== canary"
log=target/canary.log
if cargo run --release --quiet --features canary --bin lines -- \
    -max_total_time=60 -max_len=512 -artifact_prefix=target/ >"$log" 2>&1; then
    echo "the seeded bug was not found: this rig finds nothing" >&2
    exit 1
fi
grep -q "a stream means the same however it is cut" "$log" || { cat "$log" >&2; exit 1; }
echo "found"
