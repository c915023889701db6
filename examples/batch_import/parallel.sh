#!/bin/sh
# Imports a file with GNU parallel: one process for each shard, all of them at once.
#
#     ./parallel.sh agents.jsonl 8
#
# Run it again after a crash or a failure: parallel repeats the shards whose exit code in the log is not
# 0, and each of them goes on where it was. BATCH_IMPORT is the program, if it is not in PATH.
set -eu
input=${1:?usage: parallel.sh FILE [SHARDS]}
shards=${2:-4}
journal=$input.journal
mkdir -p -m 700 "$journal"

# parallel knows its jobs by number alone, so each content and each number of shards has its own log.
# It is in the journal's folder: without the journal, nothing is done.
log=$journal/parallel-$shards-$(cksum <"$input" | cut -d ' ' -f 1).log

# The jobs wait for the API, not for a CPU.
exec parallel --jobs "$shards" --joblog "$log" --resume-failed --line-buffer --tag --quote \
    "${BATCH_IMPORT:-batch_import}" --input "$input" --journal "$journal" \
    --shard "{}/$shards" ::: $(seq 0 $((shards - 1)))
