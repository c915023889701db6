#!/usr/bin/env bash
# What the crate costs a script that makes one call: crates, seconds of a cold release build, bytes
# of the stripped binary, and the time and memory of a run; beside the same script by hand on ureq
# (rustls), serde (derive), serde_json, thiserror and backoff. Then what each feature adds.
#
#   benches/build_cost.sh            # everything: about ten cold builds
#   benches/build_cost.sh compare    # the crate beside by hand
#   benches/build_cost.sh features   # the table of features
#
# Seconds are of the processor (user and system, all of cargo's children), for on a busy machine the
# clock says nothing; the builds run in turn, ROUNDS (3) times, and figures and ratios are medians of
# the rounds. The versions are those of Cargo.lock.
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

median() {
    sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

# ratio A B: of two files, line by line.
ratio() {
    paste "$1" "$2" | awk '{ printf "%.3f\n", $1 / $2 }' | median
}

by_hand() {
    printf '%s\n' "ureq = $1" 'serde = { version = "1", features = ["derive"] }' 'serde_json = "1"' \
        'thiserror = "2"' 'backoff = "0.4"'
}

# row NAME GOAL MEASURE UNIT: what each of the three took, in files.
row() {
    local sdk="$work/sdk.$3" hand="$work/hand.$3" full="$work/full.$3"
    printf '%s %s %s %s %s\n' "$(median <"$sdk")" "$(median <"$hand")" "$(median <"$full")" \
        "$(ratio "$sdk" "$hand")" "$(ratio "$sdk" "$full")" |
        awk -v name="$1" -v goal="$2" -v unit="$4" '{
            printf "| %s | %.0f | %.0f | %.2f | %.0f | %.2f | %s |\n",
                name, $1 / unit, $2 / unit, $4, $3 / unit, $5, goal }'
}

compare() {
    project sdk sdk "bimpeai = { path = \"$root\" }"
    project hand hand "$(by_hand '{ version = "~3.5.2", default-features = false, features = ["rustls"] }')"
    project full hand "$(by_hand '"~3.5.2"')"
    local each
    for _ in $(seq "${ROUNDS:-3}"); do
        for each in sdk hand full; do
            build $each >>"$work/$each.seconds"
            size $each >>"$work/$each.bytes"
        done
    done
    echo "| script of one call | this crate | by hand, ureq with rustls alone | ratio | by hand, ureq as it comes | ratio | goal |"
    echo "|---|---|---|---|---|---|---|"
    echo "| crates | $(crates sdk) | $(crates hand) | | $(crates full) | | |"
    row 'cold release build, processor seconds' '≤ 1.25' seconds 1
    row 'stripped binary, KiB' '≤ 1.10' bytes 1024
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
`rustls`, `batch`|features = ["batch"]
TABLE
}

case "${1:-all}" in
    compare) compare ;;
    features) features ;;
    *) compare && features ;;
esac
