#!/bin/bash
# Measures what each hook costs; prints that section of docs/benchmarks.md.
# usage: hooks.sh RESULTS.tsv [OPTIONS OF socklb-bench hooks]          (root)
#
# RESULTS.tsv gets a line for each case, variant and measure, with the median and the quartiles.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "hooks.sh needs root" >&2; exit 77; }
bench=$(dirname "$0")/../../.build/release/socklb-bench
results=$1
shift
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT

"$bench" hooks "$@" -o markdown --tsv "$results" >"$figures"
cat <<'TEXT'
## What each hook costs

Written by `BENCH=hooks make bench` (`.build/release/socklb-bench hooks --help` has the options; root). Each
kind of traffic was measured with these programs on the client's cgroup, in turn:

| variant | programs |
|---|---|
| none | none at all |
| empty | `r0 = 1; exit` on the same hooks |
| floor | the smallest translator there can be: one look-up in a hash, one store of address and port. One backend a Service; `getpeername` and `recvmsg` show the backend; nothing is counted |
| peers | the layout most peers use, ours after its description; not any peer's program: a service hash by slot, a backend hash, an LRU hash of reverse addresses, a longest-prefix look-up on a miss. Without their affinity, source ranges, counters, events and look at the backend's state (`Benchmarks/HookPrograms/bpf`) |
| ours | socklb's: exact reverse addresses, counters, a Service's backends by chance |

Two things are said of each kind:

- **Programs**: the time that the kernel measured for them (`BPF_ENABLE_STATS`, which is what
  `kernel.bpf_stats_enabled` turns on), *net* of the empty programs on the same hooks. The measuring itself takes
  some 55 ns per run, which is what an empty program shows. The bars are about net, except where it says otherwise.
- **Thread CPU**: `CLOCK_THREAD_CPUTIME_ID` over the system calls, statistics off. *More* is socklb's less none:
  what an application pays. It holds what program time does not show: the kernel's way to the program (`sendmsg`
  and `recvmsg` lock the socket for it), and what a socket's storage costs when the socket is closed.

How it is measured:

- In network and mount namespaces and a cgroup of its own; every address of the backends is that namespace's own, and
  one server answers at all of them. VIPs are nobody's: without translation a connect to one fails. The loops are in
  C (`Benchmarks/HookKit`). Maps have the sizes that `attach` and `apply` give them for the table.
- The variants take turns on **one** cgroup within each round, each one beginning as often as the others.
  They are never attached side by side: a program on any cgroup of the machine makes the kernel do more for
  all cgroups, so "none" beside others would not be none. When others have such programs during a run, a note says so.
- Where socklb translates, none and empty send to backends of the same Services directly. Before anything is measured,
  each variant makes sure, for up to 64 of the VIPs, that the traffic came to a backend of that Service (or to the
  stranger, who is no Service), that `getpeername` and `recvmsg` show the address that was asked for (floor: the
  backend), and that socklb counted each translation, or none; in every batch again that the address shown is right
  and every datagram arrived; and that each hook ran once per operation or never. Else there is no figure.
- Servers and what they accept are in another cgroup: it is the client's programs that are counted.
- A reading is 2000 operations (250 where sockets are made), with real-time priority, after some hundred to
  warm up, before the clock and again after statistics were turned on. Net and more are
  taken in each round; the median of the rounds is shown, with the quartiles, or for thread CPU with ± what the
  median is good for (95 %). Thread CPU of whole connections is noisy: `--rounds 100 --case "tcp4 no"` for better.
- `tcp…` is socket, connect, close, and `getpeername` is seen to be right beside what is measured; `past the
  service` goes to a backend's own address; `new sockets` is socket, the call, close; in all other cases one
  socket repeats one call. `used a service`: the socket has a translation, and now talks to somebody else; for
  `connect4` each connect is that of another socket, whose connect to a VIP before is not counted. A stranger's
  address needs no clearing of what the socket remembers, as no socket was ever led there: one look into the
  filter of addresses tells. Only `past the service, used it` has something to clear.
- `@ N` has N Services of ten endpoints each, with as many backends as that makes, in the one family and protocol
  that is asked for. *hot* asks for one VIP, *random* for all in an order that is not that of the maps. To ask for
  all of a table once before the clock runs was tried and changes nothing that is seen above the noise.
- *With a reader of the trace*: socklb's programs with nobody who traces and, in turn, with one who does: in a thread on another
  CPU, which takes what was decided 50 times a second, as `socklb trace` does. *Adds* is the difference in each round.
- *Two cores*: the same traffic from one thread, and from two at once on a CPU each. Program time or thread CPU that
  grows with the second one shows a cache line that both write.
- Such a machine is in one of several states for minutes: what finds its caches cold (`tcp…`, `random`) then takes up
  to 1.7 times as long, for all variants. So each case gets its rounds in several passes over all cases of a table,
  and those with one Service half of them at the end. Compare within a line, and commits with `make bench-compare
  BASE=…`.
- OVER, must, aim: which bar the net figure reaches (and *more*, where it has a bar).

### Figures

TEXT
cat "$figures"
