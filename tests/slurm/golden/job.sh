#!/bin/sh
#SBATCH --job-name=runner-all-0123abcd
#SBATCH --cpus-per-task=8
#SBATCH --time=45
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --output=/shared/100%%\ mine/all/slurm/20240501T120000Z-42/log/%A_%a.log
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/a\ study
#SBATCH --partition=long
#SBATCH --account=lab7
#SBATCH --qos=low
#SBATCH --constraint=avx512&ib

# A task of the array trains one chunk of the manifest; $1 is the number of the array's first chunk.
manifest='/shared/100% mine/all/slurm/20240501T120000Z-42'/manifest.json
if [ ! -r "$manifest" ]; then
    echo "error: $(hostname) cannot read $manifest: results must be on a file system that all nodes share" >&2
    exit 72
fi
export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"
exec '/opt/runner'\''s/bin/runner' worker --manifest "$manifest" --chunk $(($1 + SLURM_ARRAY_TASK_ID)) --max-requeues 20 --retry-failed
