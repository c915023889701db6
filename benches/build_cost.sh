#!/usr/bin/env bash
# What the crate costs a script that makes one call: crates, seconds of a cold release build, bytes
# of the stripped binary, and the time and memory of a run; beside the same script by hand on ureq
# (rustls), serde (derive), serde_json, thiserror and backoff. Then what each feature adds.
#
#   benches/build_cost.sh            # everything: about ten cold builds
#   benches/build_cost.sh compare    # the crate beside by hand
#   benches/build_cost.sh features   # the table of features
#
# Seconds are of the processor (user and system, all of cargo's children), the least of ROUNDS (2)
# builds in turn: on a busy machine the clock says nothing. The versions are those of Cargo.lock.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A target directory of the caller's is for the benchmark itself; what is built cold has its own.
target=${CARGO_TARGET_DIR:-$root/target}
unset CARGO_TARGET_DIR

# project NAME SOURCE DEPENDENCIES: a package with one binary.
project() {
    mkdir -p "$work/$1/src"
    cp "$root/benches/scripts/$2.rs" "$work/$1/src/main.rs"
    cat >"$work/$1/Cargo.toml" <<TOML
[package]
name = "script"
version = "0.0.0"
edition = "2024"

[dependencies]
$3

[profile.release]
strip = true

[workspace]
TOML
    cp "$root/Cargo.lock" "$work/$1/Cargo.lock"
    # Once, so that the lock file is this package's own; nothing is built.
    (cd "$work/$1" && cargo fetch --quiet)
}

# build NAME: cold; prints the processor's seconds.
build() {
    rm -rf "$work/$1/target"
    local TIMEFORMAT='%U %S'
    { time (cd "$work/$1" && cargo build --release --quiet --offline 2>"$work/log" || cat "$work/log" >&2); } 2>&1 |
        awk '{ printf "%.1f\n", $1 + $2 }'
}

crates() {
    (cd "$work/$1" && cargo tree --offline --edges normal,build --prefix none --no-dedupe |
        awk 'NF { print $1, $2 }' | sort -u | wc -l) | awk '{ print $1 - 1 }'
}

size() {
    stat -c %s "$work/$1/target/release/script"
}

least() {
    sort -n | head -1
}

by_hand() {
    printf '%s\n' "ureq = $1" 'serde = { version = "1", features = ["derive"] }' 'serde_json = "1"' \
        'thiserror = "2"' 'backoff = "0.4"'
}

# row NAME UNIT GOAL OWN HAND FULL
row() {
    awk -v name="$1" -v unit="$2" -v goal="$3" -v a="$4" -v b="$5" -v c="$6" 'BEGIN {
        printf "| %s | %.0f | %.0f | %.2f | %.0f | %.2f | %s |\n",
            name, a / unit, b / unit, a / b, c / unit, a / c, goal }'
}

compare() {
    project sdk sdk "bimpeai = { path = \"$root\" }"
    project hand hand "$(by_hand '{ version = "~3.5.2", default-features = false, features = ["rustls"] }')"
    project full hand "$(by_hand '"~3.5.2"')"
    local each
    for _ in $(seq "${ROUNDS:-2}"); do
        for each in sdk hand full; do
            build $each >>"$work/$each.seconds"
        done
    done
    echo "| script of one call | this crate | by hand, ureq with rustls alone | ratio | by hand, ureq as it comes | ratio | goal |"
    echo "|---|---|---|---|---|---|---|"
    echo "| crates | $(crates sdk) | $(crates hand) | | $(crates full) | | |"
    row 'cold release build, processor seconds' 1 '≤ 1.25' \
        "$(least <"$work/sdk.seconds")" "$(least <"$work/hand.seconds")" "$(least <"$work/full.seconds")"
    row 'stripped binary, KiB' 1024 '≤ 1.10' "$(size sdk)" "$(size hand)" "$(size full)"
    cd "$root"
    CARGO_TARGET_DIR=$target cargo bench --quiet --bench figures -- scripts \
        "$work/sdk/target/release/script" "$work/hand/target/release/script"
}

features() {
    echo
    echo "| features | crates | processor seconds of a cold build | stripped binary, KiB |"
    echo "|---|---|---|---|"
    local name
    while IFS='|' read -r name dependency; do
        project features sdk "bimpeai = { path = \"$root\", $dependency }"
        local seconds
        seconds=$(build features)
        if [ -e "$work/features/target/release/script" ]; then
            awk -v name="$name" -v crates="$(crates features)" -v s="$seconds" \
                -v size="$(size features)" 'BEGIN {
                printf "| %s | %s | %.1f | %.0f |\n", name, crates, s, size / 1024 }'
        else
            echo "| $name | $(crates features) | does not build here | |"
        fi
        rm -rf "$work/features"
    done <<'TABLE'
none (plain http only)|default-features = false
`rustls` (the default)|features = []
`rustls`, `gzip`|features = ["gzip"]
`rustls`, `socks`|features = ["socks"]
`rustls`, `platform-verifier`|features = ["platform-verifier"]
`native-tls` alone|default-features = false, features = ["native-tls"]
`rustls`, `emulator`|features = ["emulator"]
TABLE
}

case "${1:-all}" in
    compare) compare ;;
    features) features ;;
    *) compare && features ;;
esac
