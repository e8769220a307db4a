#!/bin/bash
# Measures, and writes docs/benchmarks.md: a section per part, as scripts/bench/PART.sh prints it.
# usage: bench.sh [PART]...          (default: all of hooks, paths, programming, memory; root)
#
# The sections of other parts stay as they are. What is measured is in docs/benchmarks/PART.tsv, too.
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

# draw FILE ALT ARGUMENT OF socklb-bench plot...: a picture, and the line of the report that shows it.
draw() {
	local file=$1 alt=$2
	shift 2
	.build/release/socklb-bench plot "$@" >"$data/$file.svg"
	printf '\n![%s](benchmarks/%s.svg)\n' "$alt" "$file"
}

pictures_of_hooks() {
	draw hooks "Program time of typical traffic" bars "$data/hooks.tsv" \
		--variant floor --variant peers --variant ours --title "Programs, net of empty ones" --unit "ns" \
		--case "tcp4 service" --case "tcp4 no service" --case "sendmsg4 hit" --case "sendmsg4 miss" \
		--case "recvmsg4 hit" --case "sendto4 hit, new sockets"
	draw hooks-sizes "Program time against the size of the table" lines "$data/hooks.tsv" \
		--variant floor --variant peers --variant ours --case "udp4 new sockets" \
		--title "A new UDP socket's connect, net of empty programs" --unit "ns"
}

pictures_of_paths() {
	draw paths "Latency of a TCP connect" bars "$data/paths.tsv" --case "TCP connect" --measure "p50 µs" \
		--variant direct --variant "socklb, 5000" --variant "nft, 5000" --variant "iptables, 1" \
		--variant "iptables, 5000" --variant "iptables, 5000, last" --title "TCP connect, p50" --unit "µs"
}

for part in "${all[@]}"; do section "$part" >"$work/$part"; done
for part in "$@"; do
	echo "measuring: $part" >&2
	: >"$work/$part.tsv"
	"scripts/bench/$part.sh" "$work/$part.tsv" >"$work/new"
	# Tools expect a line with names.
	head -n 1 "$work/$part.tsv" | grep -q '^case' \
		|| sed -i '1i case\tvariant\tmeasure\tmedian\tlow\thigh' "$work/$part.tsv"
	cp "$work/$part.tsv" "$data/$part.tsv"
	{
		cat "$work/new"
		case $part in hooks | paths) "pictures_of_$part" ;; esac
		echo
		echo "Measured on $(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1))," \
			"Linux $(uname -r | sed 's/-.*//'), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)."
	} >"$work/$part"
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
