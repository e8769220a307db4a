#!/bin/bash
# Measures what an application sees: a VIP through socklb, iptables and nftables, against the pod.
# usage: paths.sh RESULTS.tsv [OPTIONS OF socklb-bench paths]          (root)
#
# Its section of docs/benchmarks.md goes to standard output, the figures for programs (case, variant,
# measure, median, low, high) to RESULTS.tsv.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "paths.sh needs root" >&2; exit 77; }
results=$(realpath "$1")
shift
cd "$(dirname "$0")/../.."
scripts/install-deps.sh --for bench

version() { PATH=$PATH:/usr/sbin:/sbin "$1" --version | head -n 1; }
cat <<END
## What an application sees

Written by \`BENCH=paths make bench\` (\`.build/release/socklb-bench paths --help\` has the options; two
minutes; root). A client connects to pods (direct), or to the VIP of a Service with ten of them, through socklb,
iptables or nftables. The rules do what kube-proxy's do, in the chains that it makes: \`$(version iptables-legacy)\`,
\`$(version nft)\`.

- Client and pods are in two namespaces, joined by a veth pair, without a way out. The rules are in the client's: each
  packet passes them once, as on a node whose pod sends it. All ways have this one hop and no more: a longer way would
  bring all ratios nearer to 1. Each set of rules has namespaces of its own; direct and socklb share two without any
  rules and conntrack, and programs are attached only while it is socklb's turn.
- VIP and pod take turns, one right after the other, each beginning as often as the other, 50 rounds of all ways. Ratios
  are medians of the ratios of such neighbours; 25…75 %: quartiles of the rounds.
- Both ends are in one thread, on one CPU, with real-time priority: veth gives a packet to the other end within the
  system call that sent it. So connect() returns when the whole handshake is done, thread CPU is that of both ends,
  and no scheduler, which would cost all ways the same and hide what differs, comes between. Servers are in another
  cgroup than the client.
- What is kept has fixed buffers and Reno: the kernel's guesses at a path's speed made some connections three times as
  fast as others with the same packets.
- Connections are reset and conntrack is emptied after each turn, outside of the clock. That is kind to the rules: a
  node has many more connections to remember.
- The Service that is asked stands in the middle of the rules, where a list that is searched from its beginning costs
  what it costs on average; for iptables the last one is asked too. It has a UDP port besides the one for TCP.
- Before anything is measured, and for every connection again: the pod is one of the Service, and sees the client's own
  address and port; getpeername shows the VIP, or for direct the pod. Most pods had connections, socklb counted each
  translation and conntrack remembered each connection that it should, and none where there should be none.
- p99 and p99.9 are those of five rounds together. CPU: socket, connect and close. Packets of an exchange: two.
- Loading: for the rules from start to exit of the tool, in a new namespace, with the text ready, once if it takes more
  than five seconds; for socklb from a table in memory until its writer is done. Both tools are treated kindly:
  \`nft -f\` gets 500 Services in a transaction (all 5,000 in one were not done after 58 s of CPU), and iptables-restore is
  the legacy variant (the other one, of nf_tables, took 6 s of CPU for 1,000 Services, and was not done with 5,000 after
  a minute).

END
# In place of this shell: an interrupt goes to the program that cleans up.
exec .build/release/socklb-bench paths --results "$results" "$@"
