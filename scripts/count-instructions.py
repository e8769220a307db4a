#!/usr/bin/env python3
"""How many instructions the way of a hit has, with the check for readers of the trace and without.

usage: count-instructions.py CLANG OBJDUMP SOURCE-DIR

The way of a hit is the shortest one through a hook that finds a frontend, asks for the socket's
cookie, counts, and chooses a backend (or goes on with the socket's) and allows the call. With the
check it may be three longer. Functions of their own are not on that way; for AF_INET6 the
one that chooses is, and it is the same in both.
"""
import heapq
import re
import subprocess
import sys
import tempfile

LIMIT = 3
# What each way passes, in this order. Calls: 1 is bpf_map_lookup_elem, 46 bpf_get_socket_cookie.
COUNTED = r"atomic_fetch_add\(\(u64 \*\)\(r\d \+ 0x0\)"
CHOSEN = [r"^call 0x1$", r"^call 0x2e$", r"-0x61c8864680b583eb", COUNTED, r"cmpxchg_64"]
WAYS = {
    "connect4": ("cgroup/connect4", CHOSEN),
    "sendmsg4": ("cgroup/sendmsg4", CHOSEN),
    "sendmsg4, a datagram more": ("cgroup/sendmsg4", [r"^call 0x1$", r"^call 0x2e$", COUNTED]),
    "connect6": ("cgroup/connect6", [r"^call 0x1$", r"^call 0x2e$", r"^call -0x1$"]),
    "sendmsg6": ("cgroup/sendmsg6", [r"^call 0x1$", r"^call 0x2e$", r"^call -0x1$"]),
}


def program(objdump, file, section):
    """The instructions of a section by number; a wide one has two numbers."""
    text = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", "-j", section, file],
        check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r"^\s*(\d+):\s+(.*)$", line)
        if match:
            found[int(match[1])] = re.sub(r"\s+<.*>$", "", match[2].strip())
    return found


def shortest(code, marks):
    numbers = sorted(code)
    following = dict(zip(numbers, numbers[1:]))
    queue = [(0, numbers[0], 0)]
    seen = set()
    while queue:
        length, at, passed = heapq.heappop(queue)
        if (at, passed) in seen:
            continue
        seen.add((at, passed))
        text = code[at]
        if passed < len(marks) and re.search(marks[passed], text):
            passed += 1
        elif text == "call -0x1":  # a function of its own
            continue
        if text == "exit":
            if passed == len(marks):
                return length + 1
            continue
        jump = re.search(r"goto ([+-]0x[0-9a-f]+)", text)
        if jump:
            heapq.heappush(queue, (length + 1, at + 1 + int(jump[1], 16), passed))
        if not text.startswith("goto"):
            heapq.heappush(queue, (length + 1, following[at], passed))
    raise SystemExit(f"no way through {marks}")


def main():
    clang, objdump, source = sys.argv[1:]
    failed = False
    with tempfile.TemporaryDirectory() as work:
        counts = {}
        for name, options in (("without", ["-DSVC_NO_TRACE"]), ("with", [])):
            file = f"{work}/{name}.o"
            machine = subprocess.run(["uname", "-m"], check=True, capture_output=True, text=True)
            subprocess.run(
                [clang, "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-idirafter",
                 f"/usr/include/{machine.stdout.strip()}-linux-gnu", "-I", source, "-I",
                 f"{source}/abi/include", *options, "-c", f"{source}/socklb.bpf.c", "-o", file],
                check=True)
            for way, (section, marks) in WAYS.items():
                counts[way, name] = shortest(program(objdump, file, section), marks)
    for way in WAYS:
        more = counts[way, "with"] - counts[way, "without"]
        verdict = "ok" if more <= LIMIT else "FAIL"
        failed |= more > LIMIT
        print(f"{verdict} {way}: {counts[way, 'without']} instructions, {more:+} for the trace")
    sys.exit(failed)


main()
