#!/bin/bash
# Measures how tables get into the kernel and out; prints that section of docs/benchmarks.md.
# usage: programming.sh RESULTS.tsv [ROUNDS]          (default: 5; root)
#
# RESULTS.tsv gets a line for each figure.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
output=$(realpath "$1")
rounds=${2:-5}
# shellcheck source=scripts/bench/sandbox.sh
. "$(dirname "$0")/sandbox.sh"

add() { echo "$2" >>"$results/$1"; }
# milliseconds FIGURE COMMAND...: adds its wall time, and the most memory it had.
milliseconds() {
	local figure=$1 start end
	shift
	start=$(date +%s%N)
	command time -o "$work/time" -f %M "$@" >"$work/out" 2>"$work/err" \
		|| { cat "$work/err" >&2; exit 1; }
	end=$(date +%s%N)
	add "$figure" "$(((end - start) / 100000))"
	sed -i '$s/.$/.&/' "$results/$figure"
	add "$figure-rss" "$(($(tail -n 1 "$work/time") / 1024))"
}
# row FIGURE TEXT [MUST AIM]
row() {
	sort -n "$results/$1" | awk -v name="$2" -v must="${3:-}" -v aim="${4:-}" -v figure="$1" -v tsv="$output" '
		{ value[NR] = $1 }
		END {
			median = value[int((NR + 1) / 2)]
			verdict = must == "" ? "" : median > must ? "OVER" : median > aim ? "must" : "aim"
			printf "| %s | %s | %s … %s | %s | %s | %s |\n", name, median, value[1], value[NR], must, aim, verdict
			printf "%s\tours\tmedian\t%s\t%s\t%s\n", figure, median, value[1], value[NR] >>tsv
		}'
}
heading() { printf '\n### %s\n\n| what | median | least … most | must | aim | |\n|---|---|---|---|---|---|\n' "$1"; }

for services in 1000 10000 100000; do
	"$build/socklb-bench" generate "$services" 10 >"$work/$services.yaml"
done
ln -s 10000.yaml "$work/10k.yaml"
socklb_time() { milliseconds "$1" "$build/socklb" "${@:2}" --pin "$work/bpf/socklb" --state "$work/state"; }
# apply_of SERVICES: from a file into an empty table.
apply_of() {
	attach_empty
	socklb_time "apply-$1" apply -f "$work/$1.yaml"
	[ "$(socklb dump | wc -l)" = "$1" ] || { echo "the kernel holds another table" >&2; exit 1; }
	socklb detach 2>/dev/null
}
for round in $(seq "$rounds"); do
	apply_of 1000
	# Takes as long as all others together.
	[ "$round" != 1 ] || apply_of 100000
	attach_empty
	socklb_time apply apply -f "$work/10k.yaml"
	lines=$(wc -l <"$work/out")
	[ "$lines" = 20000 ] || { echo "apply spoke of $lines objects" >&2; exit 1; }
	[ "$(socklb dump | wc -l)" = 10000 ] || { echo "the kernel holds another table" >&2; exit 1; }
	socklb_time again apply -f "$work/10k.yaml"
	socklb dump objects -o json >"$work/10k.json"
	socklb detach 2>/dev/null
	attach_empty
	socklb_time json apply -f "$work/10k.json"
	[ "$(socklb dump | wc -l)" = 10000 ] || { echo "the kernel holds another table" >&2; exit 1; }
	socklb detach 2>/dev/null
	"$build/socklb-bench" stages "$work/10k.yaml" | sed -n 's/ ms$//p' >"$work/stages"
	while IFS=$'\t' read -r name value; do
		add "stage-${name// /-}" "$value"
		grep -qx "$name" "$results/stages" 2>/dev/null || add stages "$name"
	done <"$work/stages"

	for services in 1000 10000 100000; do
		attach_empty
		"$build/socklb-bench" fill "$work/bpf/socklb" "$services" 10 | sed 's/ ms$//' >"$work/fill"
		for figure in plan write; do
			add "$figure-$services" "$(sed -n "s/^$figure\t//p" "$work/fill")"
		done
		add "both-$services" "$(awk '$1 == "plan" || $1 == "write" { sum += $2 } END { print sum }' "$work/fill")"
		# The first ones grow what grows once.
		"$build/socklb-bench" change "$work/bpf/socklb" "$services" 10 30 | grep '^change' | tail -n +11 \
			| tr -d 'us' | cut -f 2 >>"$results/change-$services"
		if [ "$round" = 1 ]; then
			SOCKLB_BENCH_MARK=1 strace -qq -o "$work/strace" \
				"$build/socklb-bench" change "$work/bpf/socklb" "$services" 10 20 >"$work/marked"
			# Between the marks of each change.
			awk '/^getppid/ { if (inside) print calls; inside = !inside; calls = 0; next } inside { calls++ }' \
				"$work/strace" >"$results/calls-$services"
			awk '$1 == "stores" { print $2 }' "$work/marked" >"$results/stores-$services"
			awk '$1 == "stores" { print $3 }' "$work/marked" >"$results/bytes-$services"
			[ "$(wc -l <"$results/calls-$services")" = 40 ] || { echo "marks are missing" >&2; exit 1; }
		fi
		socklb_time "dump-$services" dump
		[ "$(wc -l <"$work/out")" = "$services" ] || { echo "the dump has too few lines" >&2; exit 1; }
		socklb_time "dump-json-$services" dump -o json
		socklb detach 2>/dev/null
	done
done

: >"$output"
cat <<TEXT
## How tables get there

Written by \`BENCH=programming make bench\`; $rounds rounds, in each of them everything once. The input of \`apply\`:
10,000 Services and 10,000 EndpointSlices of 10 endpoints, $(($(stat -L -c %s "$work/10k.yaml") / 1000000)) MB of YAML,
$(($(stat -c %s "$work/10k.json") / 1000000)) MB of JSON. Each time the kernel's table is read back and compared.
TEXT
heading "Commands, from start to exit: milliseconds"
row apply "\`apply\` of the YAML into an empty table" 1500 800
row json "\`apply\` of the same objects as JSON" 1000 400
row again "\`apply\` of the same YAML again"
row apply-1000 "\`apply\` of 1,000 Services and slices"
row apply-100000 "\`apply\` of 100,000 Services and slices (once)"
for services in 1000 10000 100000; do
	row "dump-$services" "\`dump\` of $services Services × 10"
	row "dump-json-$services" "\`dump -o json\` of the same"
done
heading "The most memory they had: MB"
row apply-rss "\`apply\` of the YAML" 250 120
row json-rss "\`apply\` of the JSON" 250 120
row apply-1000-rss "\`apply\` of 1,000 Services and slices"
row apply-100000-rss "\`apply\` of 100,000 Services and slices"
for services in 1000 10000 100000; do row "dump-$services-rss" "\`dump\` of $services Services × 10"; done
heading "A computed table × 10 into the kernel: milliseconds"
for services in 1000 10000; do row "both-$services" "$services Services: plan and write"; done
row both-100000 "100000 Services: plan and write" 250 100
row plan-100000 "of these: plan, the reading of the maps included"
row write-100000 "of these: write"
heading "One endpoint in a table × 10, from the change to where a connect sees it: microseconds"
for services in 1000 10000; do row "change-$services" "$services Services"; done
row change-100000 "100000 Services" 200 50
for services in 1000 10000 100000; do
	row "calls-$services" "system calls until then, $services Services" 2 0
	row "stores-$services" "stores into maps"
	row "bytes-$services" "bytes of them"
done
echo
echo "The change is made by a process that has read the table before (\`ResidentTable\`): a store in mapped memory and no"
echo "system call (strace counts them); one follows, for the grace period, when the process has nothing else to do."
heading "Where the time of \`apply\` goes, one stage after the other in one process: milliseconds"
while read -r stage; do row "stage-${stage// /-}" "$stage"; done <"$results/stages"
