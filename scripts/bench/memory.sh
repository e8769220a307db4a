#!/bin/bash
# Measures what the maps take of the kernel's memory; prints that section of docs/benchmarks.md.
# usage: memory.sh RESULTS.tsv          (root)
#
# RESULTS.tsv gets a line for each figure.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
output=$(realpath "$1")
# shellcheck source=scripts/bench/sandbox.sh
. "$(dirname "$0")/sandbox.sh"

for services in 0 1000 10000 100000; do
	attach_empty
	[ "$services" = 0 ] || "$build/socklb-bench" fill "$work/bpf/socklb" "$services" 10 >/dev/null
	"$build/socklb-bench" memory "$work/bpf/socklb" >"$results/$services"
	socklb detach 2>/dev/null
done
cpus=$(awk -F '[-,]' '{ print $NF + 1 }' /sys/devices/system/cpu/possible)

: >"$output"
cat <<TEXT
## What the maps take

Written by \`BENCH=memory make bench\`: \`memlock\` of each pinned map after \`attach\` and a table of so many IPv4
Services × 10, as the kernel counts it. $cpus possible CPUs; the column for 64 is computed: the part of the per-CPU maps
is as many times as large, and tallies have eight stripes. The layout most peers use takes 266 MB for 100,000 × 10.

| Services | MB here | MB with 64 CPUs |
|---|---|---|
TEXT
for services in 0 1000 10000 100000; do
	awk -F '\t' -v services="$services" -v cpus="$cpus" -v tsv="$output" '
		$1 ~ /^tallies/ { tallies += $2 }
		$1 == "all" { all = $2; each = $3 }
		END {
			for (stripes = 1; stripes < cpus && stripes < 8;) stripes *= 2
			# Per-CPU maps count the part of each possible CPU.
			printf "| %d | %.1f | %.1f |\n", services, all / 1e6,
				(all + each * (64 - cpus) + tallies * (8 / stripes - 1)) / 1e6
			printf "memory-%d\tours\tMB\t%.1f\t\t\n", services, all / 1e6 >>tsv
		}' "$results/$services"
done
echo
echo "Bars: at 100,000 × 10 at most 60 MB (aim 40) with 2 CPUs, 120 MB (aim 80) with 64."
echo
echo "The largest at 100,000:"
echo
echo "| map | MB |"
echo "|---|---|"
grep -v '^all' "$results/100000" | sort -t "$(printf '\t')" -k 2 -rn | head -n 14 \
	| awk -F '\t' '{ printf "| `%s` | %.1f |\n", $1, $2 / 1e6 }'
