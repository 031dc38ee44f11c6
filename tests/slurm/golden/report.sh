#!/bin/sh
#SBATCH --job-name=runner-all-0123abcd-report
#SBATCH --cpus-per-task=1
#SBATCH --time=15
#SBATCH --output=/shared/100%%\ mine/all/slurm/20240501T120000Z-42/log/report_%j.log
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --open-mode=append
#SBATCH --chdir=/shared/a\ study
#SBATCH --partition=long
#SBATCH --account=lab7
#SBATCH --qos=low
#SBATCH --constraint=avx512&ib

# Runs when every task has ended, however it ended: the tables list runs that failed or are missing.
grid='/shared/100% mine/all'
set -e
'/opt/runner'\''s/bin/report' "$grid" --format csv > "$grid/summary.csv.$$"
mv "$grid/summary.csv.$$" "$grid/summary.csv"
'/opt/runner'\''s/bin/report' "$grid" --format md > "$grid/summary.md.$$"
mv "$grid/summary.md.$$" "$grid/summary.md"
cat "$grid/summary.md"
