#!/bin/bash
# Measures programming and dumping, and writes docs/benchmarks.md.
# usage: bench.sh [ROUNDS]          (default: 5; root)
#
# Everything happens in a network and mount namespace and a cgroup of its own. Each figure is the
# median of the rounds, with the smallest and the largest beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
build=$PWD/.build/release

if [ "${SOCKLB_BENCH_INSIDE:-}" != "$(readlink /proc/self/ns/net)" ]; then
	[ "$(id -u)" = 0 ] || { echo "bench.sh needs root" >&2; exit 77; }
	[ -z "${SOCKLB_BENCH_INSIDE:-}" ] || { echo "no namespace of its own" >&2; exit 1; }
	exec unshare --net --mount --propagation private -- bash -c \
		'SOCKLB_BENCH_INSIDE=$(readlink /proc/self/ns/net) exec bash "$@"' bash "$0" "$rounds"
fi

cgroup_root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
cgroup=$cgroup_root/socklb-bench-$$
work=$(mktemp -d)
socklb() { "$build/socklb" "$@" --pin "$work/bpf/socklb" --state "$work/state"; }
cleanup() {
	socklb detach >/dev/null 2>&1 || true
	umount "$work/bpf" 2>/dev/null || true
	rmdir "$cgroup" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
mkdir "$cgroup" "$work/bpf"
mount -t bpf bpf "$work/bpf"

# seconds FILE COMMAND...: adds the wall time of a command, in milliseconds, to FILE.
results=$work/results
mkdir "$results"
milliseconds() {
	local file=$results/$1 start end
	shift
	start=$(date +%s%N)
	"$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; exit 1; }
	end=$(date +%s%N)
	echo $(((end - start) / 100000)) | sed 's/.$/.&/' >>"$file"
}
row() {
	sort -n "$results/$1" | awk -v name="$2" -v limit="$3" '
		{ value[NR] = $1 }
		END { printf "| %s | %s | %s … %s | %s |\n", name, value[int((NR + 1) / 2)], value[1], value[NR], limit }'
}

echo "generating manifests"
"$build/socklb-bench" generate 10000 10 >"$work/10k.yaml"
for round in $(seq "$rounds"); do
	echo "round $round of $rounds"
	rm -rf "$work/state"
	socklb attach --cgroup "$cgroup" 2>/dev/null
	milliseconds apply socklb apply -f "$work/10k.yaml"
	lines=$(wc -l <"$work/out")
	[ "$lines" = 20000 ] || { echo "apply spoke of $lines objects" >&2; exit 1; }
	[ "$(socklb dump | wc -l)" = 10000 ] || { echo "the kernel holds another table" >&2; exit 1; }
	milliseconds again socklb apply -f "$work/10k.yaml"
	socklb dump objects -o json >"$work/10k.json"
	milliseconds json socklb apply -f "$work/10k.json"
	socklb detach 2>/dev/null
	"$build/socklb-bench" stages "$work/10k.yaml" | sed -n 's/ ms$//p' | while IFS=$'\t' read -r name value; do
		echo "$value" >>"$results/stage-${name// /-}"
		echo "${name// /-}" >>"$results/stages"
	done

	rm -rf "$work/state"
	socklb attach --cgroup "$cgroup" --max-services 131072 2>/dev/null
	"$build/socklb-bench" fill "$work/bpf/socklb" 100000 10 | awk -F '\t' '
		/^plan/ { print $2 + 0 > plan } /^write/ { print $2 + 0 > write }' \
		plan="$work/plan" write="$work/write"
	cat "$work/plan" >>"$results/plan"
	cat "$work/write" >>"$results/write"
	milliseconds dump socklb dump
	[ "$(wc -l <"$work/out")" = 100000 ] || { echo "the dump has too few lines" >&2; exit 1; }
	milliseconds dump-json socklb dump -o json
	socklb detach 2>/dev/null
done

report=docs/benchmarks.md
# That section is written by bench-hooks.sh.
hooks=$(sed -n '/^## What each hook costs$/,$p' "$report")
{
	echo "# Benchmarks"
	echo
	echo "Written by \`make bench\`; $rounds rounds, interleaved; milliseconds of wall time."
	echo
	echo "- machine: $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "- kernel: Linux $(uname -r | sed 's/-.*//')"
	echo "- commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
	echo "- input: $(($(stat -c %s "$work/10k.yaml") / 1000000)) MB of YAML," \
		"$(($(stat -c %s "$work/10k.json") / 1000000)) MB of JSON: 10,000 Services and 10,000 EndpointSlices of 10 endpoints"
	echo
	echo "## Commands, from start to exit"
	echo
	echo "| what | median ms | min … max | must |"
	echo "|---|---|---|---|"
	row apply "\`apply\` of the YAML into an empty table" "2000"
	row again "\`apply\` of the same YAML again" ""
	row json "\`apply\` of the same objects as JSON" ""
	row dump "\`dump\` of 100,000 Services × 10 backends" "1000"
	row dump-json "\`dump -o json\` of the same" ""
	echo
	echo "## Where the time of \`apply\` goes (one process, one stage after the other)"
	echo
	echo "| stage | median ms | min … max | |"
	echo "|---|---|---|---|"
	awk '!seen[$0]++' "$results/stages" | while read -r stage; do
		row "stage-$stage" "${stage//-/ }" ""
	done
	echo
	echo "## A computed table of 100,000 Services × 10 into the kernel"
	echo
	echo "| stage | median ms | min … max | |"
	echo "|---|---|---|---|"
	row plan "plan (reading the maps included)" ""
	row write "write" ""
	[ -z "$hooks" ] || printf '\n%s\n' "$hooks"
} >"$report"
cat "$report"
