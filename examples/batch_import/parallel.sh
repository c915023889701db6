#!/bin/sh
# Imports a file with GNU parallel: one process for each shard.
#
#     ./parallel.sh agents.jsonl 8
#
# Run it again after a crash or a failure: parallel repeats the shards whose exit code in the log is not
# 0, and each of them goes on where it was. BATCH_IMPORT is the program, if it is not in PATH.
set -eu
input=${1:?usage: parallel.sh FILE [SHARDS]}
shards=${2:-4}

# 3 (some rows failed) is worth another try; the other codes are not.
exec parallel --joblog "$input.joblog" --resume-failed --line-buffer --tag \
    "${BATCH_IMPORT:-batch_import}" --input "$input" --journal "$input.journal" \
    --shard "{}/$shards" ::: $(seq 0 $((shards - 1)))
