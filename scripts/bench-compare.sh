#!/bin/bash
# Compares what the hooks cost in this tree and in an older commit, and fails when it has become more.
# usage: bench-compare.sh BASE [OPTIONS OF socklb-bench hooks]          (root)
#
# Both builds measure in turn, ROUNDS times (5), the cases that both have; without --case those of one
# Service. For each the median of the runs is compared: net program time, and socklb's thread CPU in
# the same units. Slower is what differs by more than 10 % and by more than both builds' runs among
# themselves. Exit 1: something is slower. OURS=FILE takes another socklb-bench than .build/release's.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "bench-compare.sh needs root" >&2; exit 77; }
base=$(git rev-parse --verify --short "$1^{commit}")
shift
rounds=${ROUNDS:-5}
ours=${OURS:-.build/release/socklb-bench}
theirs=.build/compare/$base/socklb-bench
tree=.build/compare/$base/tree
work=$(mktemp -d)
cleanup() {
	git worktree remove --force "$tree" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

[ -x "$ours" ] || { echo "$ours is missing: make build" >&2; exit 1; }
if [ ! -x "$theirs" ]; then
	echo "building $base" >&2
	mkdir -p "$(dirname "$theirs")"
	git worktree prune
	git worktree add --detach "$tree" "$base" >/dev/null
	swift build -c release --product socklb-bench --package-path "$tree" >"$work/build" 2>&1 \
		|| { tail -n 30 "$work/build" >&2; exit 1; }
	cp "$tree/.build/release/socklb-bench" "$theirs"
	git worktree remove --force "$tree"
fi

# A name that no case has makes it list them.
names() { { "$1" hooks --case 'no such case' 2>&1 || true; } | sed 1d | sort; }
arguments=(--rounds 5 "$@")
if [[ " $* " != *" --case "* ]]; then
	while IFS= read -r name; do arguments+=(--case "$name"); done \
		< <(comm -12 <(names "$ours") <(names "$theirs") | grep -v -e ' @ ' -e '^[0-9]')
fi

# measure BINARY WHO: adds case, who, measure and median to the readings.
measure() {
	"$1" hooks "${arguments[@]}" -o json >"$work/run.json"
	sed -n 's/^ *{"case": "\([^"]*\)".*"net": {"median": \([-0-9.]*\).*"cpuOurs": {"median": \([-0-9.]*\).*/\1\t\2\t\3/p' \
		"$work/run.json" | awk -F '\t' -v OFS='\t' -v who="$2" '
			{ print $1, who, "net", $2; print $1, who, "cpu", $3 }' >>"$work/readings"
}
for round in $(seq "$rounds"); do
	echo "round $round of $rounds" >&2
	if [ $((round % 2)) = 1 ]; then
		measure "$theirs" base
		measure "$ours" here
	else
		measure "$ours" here
		measure "$theirs" base
	fi
done
[ -s "$work/readings" ] || { echo "no case was measured by both" >&2; exit 1; }

echo "base: $base; here: $(git describe --always --dirty); nanoseconds per operation, medians of $rounds runs"
sort -t "$(printf '\t')" -k1,1 -k3,3 -k2,2 -k4,4n "$work/readings" | awk -F '\t' '
	function middle(key) { return value[key, int((count[key] + 1) / 2)] }
	function width(key) { return value[key, count[key]] - value[key, 1] }
	function row(name, what,    a, b, noise, ratio, said) {
		a = name SUBSEP what SUBSEP "base"; b = name SUBSEP what SUBSEP "here"
		if (!count[a] || !count[b]) return
		noise = (width(a) > width(b) ? width(a) : width(b))
		ratio = middle(a) > 0 ? middle(b) / middle(a) : 1
		if (ratio > 1.1 && middle(b) - middle(a) > noise) { said = "SLOWER"; slower++ }
		else if (ratio < 0.9 && middle(a) - middle(b) > noise) said = "faster"
		printf "%-44s %-4s %9.1f %9.1f %7.2f %8.1f  %s\n", name, what, middle(a), middle(b), ratio, noise, said
	}
	BEGIN { printf "%-44s %-4s %9s %9s %7s %8s\n", "case", "", "base", "here", "ratio", "noise" }
	{
		key = $1 SUBSEP $3 SUBSEP $2
		value[key, ++count[key]] = $4
		if (!seen[$1]++) names[++known] = $1
	}
	END {
		for (i = 1; i <= known; i++) { row(names[i], "net"); row(names[i], "cpu") }
		if (slower) { printf "%d slower\n", slower; exit 1 }
	}'
