#!/bin/bash
# Runs the stages of the tests on what is already built, all of them even if one fails.
# usage: test.sh [unit|cli|input|static|examples|package|demo|debugging|kernel|vm]...      (default: all)
#
# A stage that cannot run here (no root, no network) is left out and named at the end. With
# CI=true or KERNEL_TESTS=1 leaving one out, or skipping a kernel test, is a failure.
# The last line, `result: N passed, M failed`, is for programs.
set -euo pipefail
cd "$(dirname "$0")/.."
build=.build/release
. scripts/stage.sh
rm -rf "$results"
mkdir -p "$results"

strict=no
[ "${CI:-}" != true ] && [ "${KERNEL_TESTS:-0}" != 1 ] || strict=yes

left_out=()
passed=0 failed=0 kernel_run=0 kernel_skipped=0

leave_out() { left_out+=("$1"); echo "== left out: $1"; }

count() { grep -c "$1" "$2" || true; }

# A stage that broke without naming a failed test still counts as one.
add() {
	local ok=$1 bad=$2
	[ "$code" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + ok)) failed=$((failed + bad))
}

# Scripts print one line per check that begins with `ok ` or `FAIL `.
checks() {
	stage "$1" "${2:-300}" "scripts/test-$1.sh"
	if [ "$code" = 77 ]; then
		unset 'failed_stages[-1]'
		leave_out "$1: $(tail -n 1 "$results/$1.log")"
		return
	fi
	add "$(count '^ok ' "$results/$1.log")" "$(count '^FAIL ' "$results/$1.log")"
}

# unit_stage NAME ARGUMENT...: a part of the unit tests.
unit_stage() {
	local name=$1 file=$PWD/$results/$1.xml tests=0 bad=0
	shift
	stage "$name" 900 swift test -c release --skip-build --disable-testable-imports --disable-xctest \
		--xunit-output "$file" "$@"
	if [ -f "$file" ]; then
		tests=$(($(attribute tests "$file") - $(attribute skipped "$file")))
		bad=$(attribute failures "$file")
	fi
	[ "$code" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$tests" -ge "$bad" ] || tests=$bad
	echo "$name tests: $((tests - bad)) passed, $bad failed"
	passed=$((passed + tests - bad)) failed=$((failed + bad))
}

# Those that wait for sockets are not to wait for those that compute.
unit() {
	unit_stage unit --skip 'ClusterClientTests|APIServerKitTests|NodeHTTPTests'
	unit_stage network --filter 'ClusterClientTests|APIServerKitTests|NodeHTTPTests'
}

# kernel_stage NAME LIMIT COMMAND...: one run of the kernel tests, somewhere.
kernel_stage() {
	local log=$results/$1.log line run=0 skipped=0 bad
	stage "$@"
	line=$(sed -n 's/^kernel tests: \([0-9]*\) run, \([0-9]*\) skipped$/\1 \2/p' "$log" | tail -n 1)
	if [ -z "$line" ] && [ "$code" = 0 ]; then
		code=1
		failed_stages+=("$1 (no summary)")
	fi
	read -r run skipped <<<"${line:-0 0}"
	bad=$(count '^FAIL ' "$log")
	[ "$code" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$run" -ge "$bad" ] || run=$bad
	add $((run - bad)) "$bad"
	kernel_run=$((kernel_run + run)) kernel_skipped=$((kernel_skipped + skipped))
}

kernel() {
	if [ "$(id -u)" != 0 ]; then
		leave_out "kernel tests on this kernel: they need root (sudo make test)"
		return
	fi
	kernel_stage "kernel-$(uname -r)" 2700 "$build/socklb-kernel-tests" --socklb "$PWD/$build/socklb"
}

vm() {
	local series kernel status limit=1500 kernels=() part=(--every-kernel)
	if ! command -v qemu-system-x86_64 cpio >/dev/null; then
		leave_out "kernel tests in qemu: scripts/install-deps.sh --for test, as root"
		return
	fi
	for series in 6.1 newest; do
		status=0
		kernel=$(scripts/fetch-kernel.sh "$series") || status=$?
		if [ "$status" = 0 ]; then
			kernels+=("$kernel")
		elif [ "$series" = newest ]; then
			echo "== note: no kernel newer than 6.1 is offered here; not tested"
		else
			leave_out "kernel tests on Linux $series: no kernel to be had"
		fi
	done
	[ ${#kernels[@]} -gt 0 ] || return 0
	# What is the same on each kernel was tested on this one (Tests/KernelTests/EveryKernel.swift).
	[ "${VM_ALL:-0}" != 1 ] || { part=() limit=7200; }
	VM_TIMEOUT=$limit kernel_stage vm $((limit + 60)) scripts/vm-parts.sh "${kernels[@]}" -- "${part[@]}"
}

[ $# -gt 0 ] || set -- unit cli input static examples package demo debugging kernel vm
# Without root these name what is missing; what can run without it runs.
case " $* " in *" cli "* | *" package "* | *" kernel "* | *" vm "*) scripts/install-deps.sh --for test || true ;; esac
case " $* " in *" demo "* | *" debugging "*) scripts/install-deps.sh --for demo || true ;; esac
for name in "$@"; do
	case $name in
	unit | kernel | vm) $name ;;
	cli | input | static | examples | package | demo | debugging) checks "$name" "$([ "$name" != package ] || echo 700)" ;;
	*) sed -n '3s/^# //p' "$0" >&2; exit 64 ;;
	esac
done

status=0
for stage in "${failed_stages[@]}"; do
	echo "FAILED: $stage"
	status=1
done
for stage in "${left_out[@]}"; do
	echo "LEFT OUT, NOT TESTED: $stage"
	[ "$strict" = no ] || status=1
done
if [ "$strict" = yes ] && [ "$kernel_skipped" != 0 ]; then
	echo "FAILED: kernel tests were skipped"
	status=1
fi
case " $* " in *" kernel "* | *" vm "*)
	echo "kernel tests: $kernel_run run, $kernel_skipped skipped"
	;;
esac
# What was left out where nothing may be is a failure too, and the count says so.
[ "$status" = 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "result: $passed passed, $failed failed"
exit "$status"
