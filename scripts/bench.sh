#!/bin/bash
# Measures, and writes docs/benchmarks.md: a section per part, as scripts/bench/PART.sh prints it.
# usage: bench.sh [PART]...          (default: all of hooks, paths, programming, memory; root)
#
# The sections of other parts stay as they are. Figures for programs are in docs/benchmarks/PART.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench.sh needs root" >&2; exit 77; }
report=docs/benchmarks.md
data=docs/benchmarks
all=(hooks paths programming memory)
[ $# -gt 0 ] || set -- "${all[@]}"
for part in "$@"; do
	[ -x "scripts/bench/$part.sh" ] || { echo "no part $part; there are: ${all[*]}" >&2; exit 64; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$data"

# What the report has of a part.
section() { sed -n "/^<!-- $1 -->$/,/^<!-- end of $1 -->$/p" "$report" 2>/dev/null | sed '1d;$d'; }

for part in "${all[@]}"; do section "$part" >"$work/$part"; done
for part in "$@"; do
	echo "measuring: $part" >&2
	: >"$work/$part.tsv"
	"scripts/bench/$part.sh" "$work/$part.tsv" >"$work/new"
	{
		cat "$work/new"
		echo
		echo "Measured on $(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1))," \
			"Linux $(uname -r | sed 's/-.*//'), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)."
	} >"$work/$part"
	sort "$work/$part.tsv" >"$data/$part.tsv"
done

{
	echo "# Benchmarks"
	echo
	echo "Written by \`make bench\` (all parts) and \`BENCH=PART make bench\`; do not edit. Figures for programs are in"
	echo "[benchmarks/](benchmarks). \`make bench-compare BASE=COMMIT\` compares hooks with those of another commit."
	for part in "${all[@]}"; do
		[ -s "$work/$part" ] || continue
		printf '\n<!-- %s -->\n' "$part"
		cat "$work/$part"
		printf '<!-- end of %s -->\n' "$part"
	done
} >"$work/report"
cp "$work/report" "$report"
