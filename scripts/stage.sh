# shellcheck shell=bash
# For test.sh: runs one stage under a limit, and reads what it left.
# Adds to `failed_stages` there.
results=.build/test-results
failed_stages=()
code=0
running=

# stage NAME LIMIT COMMAND...: shows and keeps the output; `code` is how it ended.
stage() {
	local name=$1 limit=$2 log=$results/$1.log viewer
	shift 2
	echo "== $name"
	mkfifo "$log.pipe"
	tee "$log" <"$log.pipe" &
	viewer=$!
	# In a process group of its own, so that the limit ends all of it; hence the trap below.
	timeout --kill-after=20 "$limit" "$@" </dev/null >"$log.pipe" 2>&1 &
	running=$!
	code=0
	wait "$running" || code=$?
	running=
	wait "$viewer"
	rm "$log.pipe"
	[ "$code" != 124 ] || echo "FAIL $name: no end after $limit s" | tee -a "$log"
	[ "$code" = 0 ] || failed_stages+=("$name (exit $code)")
}

interrupted() {
	[ -z "$running" ] || { kill -TERM "$running" && wait "$running"; } 2>/dev/null || true
	exit 130
}
trap interrupted INT TERM

# attribute NAME FILE: the sum of an attribute over the suites of a JUnit file.
attribute() {
	sed -n "s/.*<testsuite .* $1=\"\([0-9]*\)\".*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}
