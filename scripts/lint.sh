#!/bin/bash
# Formatting, sizes, and the rules about unsafe code; every complaint, then exit 1 if there was one.
# usage: lint.sh [--fix]        --fix rewrites Swift and C in the house format and checks nothing
set -euo pipefail
cd "$(dirname "$0")/.."

# New files count before they are added; what git ignores (everything generated) does not.
files() { git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while read -r file; do
	[ ! -f "$file" ] || echo "$file"
done; }
mapfile -t swift_files < <(files '*.swift')
mapfile -t c_files < <(files 'Sources/*.c' 'Sources/*.h')
mapfile -t shell_files < <(files '*.sh' .ci/run)

if [ "${1:-}" = --fix ]; then
	swift format format --in-place --parallel --configuration .swift-format "${swift_files[@]}"
	clang-format -i "${c_files[@]}"
	exit 0
fi

# A file, because most checks run in a pipe, where a variable would be lost.
complaints=$(mktemp)
trap 'rm -f "$complaints"' EXIT
complain() { echo "$*" | tee -a "$complaints"; }
# found TEXT: complains about each line of standard input.
found() { sed "s|\$|: $1|" | tee -a "$complaints"; }

echo "== swift-format"
# Tests may force an unwrap: it fails the test, and that is meant.
test_rules=$(sed 's/"NeverForceUnwrap": true/"NeverForceUnwrap": false/' .swift-format)
mapfile -t product_files < <(printf '%s\n' "${swift_files[@]}" | grep -v '^Tests/')
mapfile -t test_files < <(printf '%s\n' "${swift_files[@]}" | grep '^Tests/')
swift format lint --strict --parallel --configuration .swift-format "${product_files[@]}" \
	|| complain "swift-format complained"
swift format lint --strict --parallel --configuration "$test_rules" "${test_files[@]}" \
	|| complain "swift-format complained about the tests"

echo "== clang-format"
if command -v clang-format >/dev/null; then
	for file in "${c_files[@]}"; do
		clang-format --dry-run -Werror "$file" >/dev/null 2>&1 \
			|| complain "$file: not in the house format (make format)"
	done
else
	complain "clang-format is missing: scripts/install-deps.sh --for lint"
fi

echo "== shellcheck"
if command -v shellcheck >/dev/null; then
	shellcheck -S warning "${shell_files[@]}" || complain "shellcheck complained"
else
	complain "shellcheck is missing: scripts/install-deps.sh --for lint"
fi

echo "== sizes"
for file in "${swift_files[@]}" "${c_files[@]}" "${shell_files[@]}"; do
	most=500
	case $file in
	Tests/*) most=700 ;;
	*.sh | .ci/*) most=150 ;;
	esac
	lines=$(wc -l <"$file")
	[ "$lines" -le "$most" ] || complain "$file: $lines lines, at most $most are allowed"
done

# code FILE...: the lines without their comments, as FILE:LINE:TEXT. A // in a string literal cuts
# the rest of that line off, which hides it from the checks below; strings seldom hold code.
code() {
	[ $# -gt 0 ] || return 0
	awk '{ sub(/\/\/.*/, ""); print FILENAME ":" FNR ":" $0 }' "$@"
}
in_code() { code "${sources[@]}" | grep -E "^[^:]*:[0-9]*:$1" || true; }
outside() { grep -vE "^($1):[0-9]+:" || true; }
sources=()
for file in "${swift_files[@]}"; do
	case $file in Sources/*) sources+=("$file") ;; esac
done

echo "== the fence around unsafe code"
in_code '(.*[^A-Za-z0-9_."])?unsafe([^A-Za-z0-9_:"]|$)' | outside 'Sources/[^:]*/Internal/[^:]*' \
	| found "unsafe belongs in an Internal folder"
in_code '.*import (Glibc|Musl|CKernel)' | outside 'Sources/[^:]*/Internal/[^:]*' \
	| found "system calls belong in an Internal folder"
in_code '.*import CLibBPF' | outside 'Sources/BPFLoader/Internal/[^:]*' \
	| found "only BPFLoader/Internal may use libbpf"
in_code '.*import CServiceABI' | outside 'Sources/(ServiceMaps/Entries|ServiceDataplane|[^:]*/Internal)/[^:]*' \
	| found "wire structs are for ServiceMaps/Entries, ServiceDataplane and Internal folders"
in_code '(.*[^A-Za-z0-9_])?(fatalError|preconditionFailure|try!)' \
	| found "an error is thrown, not a crash"
code "${swift_files[@]}" | { grep '@testable' || true; } \
	| found "use package access (see Makefile)"

# Every use of unsafe says why it is safe: in the lines above it, on the line itself, or once for a
# file whose uses are all of one kind ("SAFETY, all of this file:").
for file in "${sources[@]}"; do
	case $file in */Internal/*) ;; *) continue ;; esac
	! grep -q 'SAFETY, all of this file:' "$file" || continue
	awk '
		/SAFETY:/ { said = FNR }
		{
			text = $0
			sub(/\/\/.*/, "", text)
			if (text ~ /(^|[^A-Za-z0-9_."@])unsafe([^A-Za-z0-9_:"]|$)/) {
				# One reason covers a run of unsafe lines.
				if (said && FNR - said <= 6) said = FNR
				else print FILENAME ":" FNR
			}
		}' "$file"
done | found "unsafe without a // SAFETY: line above"

if [ -s "$complaints" ]; then
	echo "lint: $(wc -l <"$complaints") complaints" >&2
	exit 1
fi
echo "lint: nothing to complain about"
