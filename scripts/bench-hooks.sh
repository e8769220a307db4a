#!/bin/bash
# Measures what each hook costs, and writes that section of docs/benchmarks.md.
# usage: bench-hooks.sh [OPTIONS OF socklb-bench hooks]          (root)
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "bench-hooks.sh needs root" >&2; exit 77; }
report=docs/benchmarks.md
title="## What each hook costs"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

.build/release/socklb-bench hooks "$@" -o markdown >"$work/figures"
# Everything before the section, and its text up to the figures, stays as it is.
awk -v title="$title" '$0 == title { inside = 1 } inside && /^### Figures/ { exit } { print }' \
	"$report" >"$work/report"
grep -q "^$title\$" "$work/report" || { echo "$report has no section '$title'" >&2; exit 1; }
{
	cat "$work/report"
	echo "### Figures"
	echo
	echo "- machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "- kernel: Linux $(uname -r | sed 's/-.*//')"
	echo "- commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
	echo
	cat "$work/figures"
} >"$work/new"
cp "$work/new" "$report"
cat "$work/figures"
