#!/bin/sh
# Imports a file as a Slurm array: one task for each shard.
#
#     sbatch --array=0-15 slurm.sh agents.jsonl
#
# The array ids may start anywhere and have a step, as in 1-16 or 0-30:2. The folder has to be on a file
# system that all nodes share. A task that is preempted, or whose node fails, is requeued by Slurm and
# goes on where it was; so is one that reaches its time limit, by the last lines below. To run the tasks
# that failed once more, submit the whole array again: those that are done end at once.
#
#SBATCH --job-name=batch_import
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@60
set -u
input=${1:?usage: sbatch --array=0-15 slurm.sh FILE}

srun --ntasks=1 "${BATCH_IMPORT:-batch_import}" --input "$input" --journal "$input.journal"
code=$?
# Interrupted a minute before the time limit.
if [ "$code" -eq 130 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
