# shellcheck shell=bash disable=SC2154 # variables of story.sh, which reads this file
# The middle of the story: clients use the Service while things happen to it.

step "curl, $count times over IPv4 and $count times over IPv6, each time a new connection"
for vip in "$vip4" "$vip6"; do
	curl_many "$vip" "$count"
	say "http://$(bracketed "$vip")/"
	all_from "$vip" 80 "$count"
	spread web-1 web-2 web-3
	tcp=$((tcp + count))
done
say "Every time the peer's address (getpeername) was the Service's, never the Pod's."

half=$(((count + 1) / 2))
step "Datagrams, $half from sockets that are not connected and $half from connected ones, per family"
for vip in "$vip4" "$vip6"; do
	udp_many "$vip" "$half" sendto
	say "sendto $vip port 7"
	all_from "$vip" 7 "$half"
	spread web-1 web-2 web-3
	udp_many "$vip" "$half" connect
	say "connect and send to $vip port 7"
	all_from "$vip" 7 "$half"
	spread web-1 web-2 web-3
	udp=$((udp + 2 * half))
done
say "The answers came from the Service's address (recvfrom), and so says getpeername."
answer=$(printf hello | in_cgroup nc -u -W 1 -w 5 "$vip4" 7) || broken "nc -u got no answer"
udp=$((udp + 1))
say "The same with netcat: \"hello\" is answered with \"$answer\"."
[[ $answer == web-[123]" hello" ]] || broken "that is no answer of a backend"

step "What is no Service is left alone"
direct=$(in_cgroup curl -q -sS --noproxy '*' --max-time 10 -w '%{remote_ip} %{remote_port}' \
	http://10.244.2.10:8080/ | tr '\n' ' ')
[ "$direct" = "web-2 10.244.2.10 8080" ] || broken "asked directly, web-2 answers: $direct"
say "Asked directly at 10.244.2.10:8080, web-2 answers, and the peer is 10.244.2.10."

step "web-3 goes away: the manifests without it are now the whole truth"
mkdir "$work/manifests"
cp "$root"/Examples/01-demo/*.yaml "$work/manifests/"
rm "$work/manifests/pod-3.yaml"
expected=1 shown socklb diff --prune -f "$work/manifests"
shown socklb apply --prune -f "$work/manifests"
curl_many "$vip4" 300
all_from "$vip4" 80 300
spread web-1 web-2
tcp=$((tcp + 300))
say "None of the next 300 connections went to web-3, although it still runs."

step "A Service that nobody serves refuses at once"
shown socklb apply -f "$root/Examples/15-no-endpoints"
empty=$(address 4 default/nobody:80)
fails_with refused "$empty" 80
refused=$((refused + 1))

step "Nothing has to keep running"
# Goes on until it is told that the processes have been looked at.
: >"$work/all"
while [ ! -e "$work/enough" ]; do
	curl_many "$vip6" 200
	cat "$work/lines" >>"$work/all"
done &
client=$!
for _ in $(seq 100); do
	[ ! -s "$work/all" ] || break
	sleep 0.1
done
running=
for process in /proc/[0-9]*; do
	[ "$(readlink "$process/ns/net" 2>/dev/null)" = "$namespace" ] || continue
	[ "$(readlink "$process/exe" 2>/dev/null)" != "$(readlink -f "$binary")" ] \
		|| running="$running ${process#/proc/}"
done
: >"$work/enough"
wait "$client" || broken "the client failed"
[ -z "$running" ] || broken "a socklb process is running:$running"
mv "$work/all" "$work/lines"
served=$(wc -l <"$work/lines")
tcp=$((tcp + served))
all_from "$vip6" 80 "$served"
spread web-1 web-2
say "While these $served connections were made no process of socklb was alive: the programs are" \
	"pinned, and all the work is theirs."

step "What the kernel says, read from its maps"
shown socklb dump
socklb dump objects >"$work/objects.yaml"
socklb diff --prune -f "$work/objects.yaml" || broken "what dump objects prints is not what is known"
shown socklb dump counters
is_counted default/web:http translated "$tcp"
is_counted default/web:http refused 0
is_counted default/web:echo translated "$udp"
is_counted default/nobody:80 refused "$refused"
say "The counters are exact: $tcp connections and $udp datagrams, all of them answered above, and" \
	"$refused refused."
shown socklb status
