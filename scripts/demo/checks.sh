# shellcheck shell=bash disable=SC2154 # variables of story.sh, which reads this file
# What the story is told with: sentences, commands, and checks that end it when they do not hold.

number=0
step() {
	number=$((number + 1))
	printf '\n%2d. %s\n' "$number" "$1"
}
say() { fold -s -w 92 <<<"$*" | sed 's/ *$//; s/^/    /'; }
broken() {
	say "NOT AS SAID: $*"
	exit 1
}

# The command's own place options would only hide what matters; they are always the same.
socklb() { "$binary" "$@" --pin "$bpf/socklb" --state "$work/state"; }

# shown COMMAND...: prints the command, runs it, and shows what it prints (also in $work/shown).
# It must end with 0, or with what `expected=N shown ...` says.
shown() {
	local status=0
	echo "    \$ $*" | sed "s|$root/||g; s|$work/||g"
	"$@" >"$work/shown" 2>&1 || status=$?
	sed 's/^/      /' "$work/shown"
	[ "$status" = "${expected:-0}" ] \
		|| broken "that ended with exit code $status instead of ${expected:-0}"
}

# in_cgroup COMMAND...: runs a client where the programs are attached. In the background, because
# a signal would otherwise be heard only when the client has ended.
in_cgroup() {
	(
		[ "${DEMO_CLIENTS_OUTSIDE:-0}" = 1 ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
		exec "$@"
	) <&0 &
	wait "$!"
}

# address FAMILY SERVICE:PORT: the clusterIP, from the table in the kernel.
address() {
	socklb dump frontends | awk -v family="$1" -v label="$2" '
		$3 == label && ($1 ~ /^\[/) == (family == 6) {
			sub(/:[0-9]+\/[A-Z]+$/, "", $1); gsub(/[][]/, "", $1); print $1; exit
		}'
}
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# curl_many VIP COUNT: so many requests in one curl, each over a connection of its own. One line
# for each: name, peer address, peer port (getpeername), number of new connections.
curl_many() {
	in_cgroup curl -q -sS --noproxy '*' --fail-early --connect-timeout 5 --max-time 10 \
		-w '%{remote_ip} %{remote_port} %{num_connects}\n' \
		"http://$(bracketed "$1")/[1-$2]" >"$work/answers" 2>"$work/errors" \
		|| broken "curl: $(head -n 1 "$work/errors")"
	paste -d ' ' - - <"$work/answers" >"$work/lines"
}

# udp_many VIP COUNT connect|sendto: the same with datagrams (see udp_client.py).
udp_many() {
	in_cgroup "$python" "$root/scripts/demo/udp_client.py" "$1" 7 "$2" "$3" \
		>"$work/lines" 2>"$work/errors" || broken "$(head -n 1 "$work/errors")"
}

# all_from ADDRESS PORT COUNT: every line of $work/lines shows this peer, and there are so many.
all_from() {
	local wrong
	wrong=$(awk -v a="$1" -v p="$2" '$2 != a || $3 != p || (NF > 3 && $4 != 1)' "$work/lines")
	[ -z "$wrong" ] || broken "not all see $1 port $2: $(head -n 1 <<<"$wrong")"
	[ "$(wc -l <"$work/lines")" = "$3" ] || broken "$(wc -l <"$work/lines") answers, not $3"
}

# spread NAME...: the answers are spread over exactly these names, uniformly: each within five
# standard deviations of its share, which happens by chance less than once in a million runs.
spread() {
	awk -v names="$*" '
		{ count[$1]++ }
		END {
			k = split(names, name, " ")
			for (i = 1; i <= k; i++) known[name[i]] = 1
			for (other in count) if (!(other in known)) { print "unexpected answer: " other; bad = 1 }
			share = NR / k
			allowed = 5 * sqrt(NR * (1 / k) * (1 - 1 / k))
			for (i = 1; i <= k; i++) {
				n = count[name[i]] + 0
				bar = ""
				for (j = 0; j < 60 * n / NR; j++) bar = bar "█"
				printf "      %-6s %5d  %5.1f %%  %s\n", name[i], n, 100 * n / NR, bar
				if (n < share - allowed || n > share + allowed) bad = 1
			}
			exit bad
		}' "$work/lines" || broken "that is no uniform spread over $*"
}

# fails_with PATTERN VIP PORT: a connect fails at once, for this reason.
fails_with() {
	local before=$SECONDS
	if in_cgroup nc -v -z -w 5 "$2" "$3" >"$work/shown" 2>&1; then
		broken "the connect to $2 port $3 did not fail"
	fi
	grep -q "$1" "$work/shown" || broken "the connect to $2 failed otherwise: $(cat "$work/shown")"
	[ $((SECONDS - before)) -le 2 ] || broken "that took $((SECONDS - before)) s"
	sed 's/^/      /' "$work/shown"
}

# counter SERVICE:PORT translated|refused
counter() {
	socklb dump counters | awk -v label="$1" -v what="$2" '
		$1 == label && $3 != "->" { for (i = 3; i <= NF; i++) if (split($i, f, "=") == 2 && f[1] == what) print f[2] }'
}
is_counted() {
	local value
	value=$(counter "$1" "$2")
	[ "$value" = "$3" ] || broken "$1 counts ${value:-nothing} $2, but there were $3"
}
