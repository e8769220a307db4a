#!/usr/bin/python3
"""Runs the commands of a document and compares what they print with what it says.

usage: run.py DOCUMENT [--write]        started by test-debugging.sh, in namespaces of its own

A block that begins with ```console has commands, each behind "$ ", and below each what it prints.
"…" in a line stands for anything, a line "…" for any lines. Times, process ids, ports that the kernel
chose and durations differ from run to run and are not compared. A block ```console beside runs beside
the next one and is ended after it, as with Ctrl-C. <!-- world: … --> brings about what a story is
about; see `World`. --write puts what was printed into the document instead of comparing it.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 172.30.0.1
  %sports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
%s
"""


class World:
    """Servers that play Pods, the Service shop/web, and connections that are held."""

    def __init__(self):
        self.servers = {}
        self.held = []
        self.accepted = []

    def serve(self, *addresses):
        for address in addresses:
            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((address, 8080))
            server.listen(64)
            self.servers[address] = server
            threading.Thread(target=self.answer, args=(server, address), daemon=True).start()

    def answer(self, server, address):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            # Whoever says nothing wants the connection to stay.
            self.accepted.append(connection)
            threading.Thread(target=self.speak, args=(connection, address), daemon=True).start()

    @staticmethod
    def speak(connection, address):
        if connection.recv(4096):
            text = f"I am {address}\n"
            connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            connection.close()

    def stop(self, *addresses):
        for address in addresses:
            server = self.servers.pop(address)
            server.shutdown(socket.SHUT_RDWR)
            server.close()

    def apply(self, *words):
        """Addresses; with a ! behind it, one that is not ready; `affinity`: session affinity."""
        spec = "sessionAffinity: ClientIP\n  " if "affinity" in words else ""
        endpoints = "".join(
            "- {addresses: [%s], conditions: {ready: %s}}\n"
            % (word.rstrip("!"), "false" if word.endswith("!") else "true")
            for word in words if word != "affinity")
        run = subprocess.run(["socklb", "apply", "-f", "-"], input=SERVICE % (spec, endpoints),
                             text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if run.returncode:
            raise SystemExit(f"world: apply {words}: {run.stderr}")

    def hold(self, number):
        for _ in range(int(number)):
            connection = socket.create_connection(("172.30.0.1", 80))
            self.held.append(connection)

    def first(self):
        """A client that session affinity remembers from now on."""
        socket.create_connection(("172.30.0.1", 80)).close()

    def do(self, text):
        words = text.split()
        getattr(self, words[0])(*words[1:])


def shell(command):
    return ["bash", "-c", 'sudo() { "$@"; }; ' + command]


def environment():
    # Messages of curl and the shell in one language.
    return {**os.environ, "LC_ALL": "C.UTF-8"}


class Beside:
    """A command that runs beside the next block."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            shell("exec " + command.removeprefix("sudo ")), text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment())
        self.errors = ""
        reader = threading.Thread(target=self.read_errors, daemon=True)
        reader.start()
        for _ in range(1000):
            if "tracing;" in self.errors:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"{command} does not run: {self.errors}")

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def end(self):
        # What has just happened has its line a moment later.
        time.sleep(1.3)
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=20)
        return output


NORMAL = [
    (r"\b\d\d:\d\d:\d\d\.\d{6}\b", "TIME"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b\d+/(curl|python3|bash)\b", r"PID/\1"),
    (r"\bafter \d+(\.\d+)? (µs|ms|s)\b", "after TIME"),
    (r"\bage=\S+", "age=TIME"),
    (r"\bleft=\S+", "left=TIME"),
    (r"\b((?:10\.0\.0|172\.30\.0)\.\d+):(3[2-9]|[45]\d|60)\d{3}\b", r"\1:PORT"),
    # uniq -c
    (r"^ +\d+ ", "N "),
    (r"client=netns:\d+", "client=netns:N"),
    (r"\s+$", ""),
]


def normal(line):
    for pattern, text in NORMAL:
        line = re.sub(pattern, text, line)
    if "NEW/s" in line or "%/" in line:
        # Of `top`: rates, shares and times differ, and with them where columns begin.
        line = re.sub(r"\b\d+(\.\d+)?(µs|ms)|(?<= )\d+\.\d+(?= )|\b\d+(?=%/)", "N", line)
        line = re.sub(r" +", " ", line)
    return line


def matches(expected, found):
    """Lists of normal lines."""
    if not expected:
        return not found
    if expected[0] == "…":
        return any(matches(expected[1:], found[i:]) for i in range(len(found) + 1))
    if not found:
        return False
    pattern = ".*".join(re.escape(part) for part in expected[0].split("…"))
    return re.fullmatch(pattern, found[0]) is not None and matches(expected[1:], found[1:])


class Block:
    """Commands with what they ought to print."""

    def __init__(self, lines, line, is_beside):
        self.line = line
        self.is_beside = is_beside
        self.steps = []
        for text in lines:
            if text.startswith("$ "):
                self.steps.append((text[2:], []))
            elif self.steps:
                self.steps[-1][1].append(text)
            else:
                raise SystemExit(f"line {line}: a block begins with '$ '")
        if is_beside and len(self.steps) != 1:
            raise SystemExit(f"line {line}: one command runs beside others")


def parse(text):
    """(kind, value, first line, last line): what there is to be done, in order."""
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        world = re.fullmatch(r"<!-- world: (.*) -->", lines[i])
        if world:
            yield "world", world[1], i, i
        elif lines[i].startswith("```console"):
            end = lines.index("```", i)
            yield "block", Block(lines[i + 1:end], i + 1, lines[i].endswith(" beside")), i, end
            i = end
        i += 1


def main():
    path = sys.argv[1]
    write = "--write" in sys.argv
    text = open(path, encoding="utf-8").read()
    lines = text.split("\n")
    world, failed, count = World(), 0, 0
    changes = []
    beside = None

    def compare(command, expected, output, line):
        nonlocal failed, count
        count += 1
        found = output.rstrip("\n").split("\n") if output.strip() else []
        if matches([normal(x) for x in expected], [normal(x) for x in found]):
            print(f"ok {os.path.basename(path)}:{line}: {command}")
            return expected
        if write:
            return found
        failed += 1
        print(f"FAIL {os.path.basename(path)}:{line}: {command}")
        for name, part in [("it says", expected), ("printed", found)]:
            print(f"    {name}:")
            for x in part:
                print(f"        {normal(x)}")
        return expected

    def finish(block, end, outputs):
        new = []
        for (command, expected), output in zip(block.steps, outputs):
            new += ["$ " + command] + compare(command, expected, output, block.line)
        changes.append((block.line, end, new))

    for kind, value, _, end in parse(text):
        if kind == "world":
            world.do(value)
            continue
        if value.is_beside:
            beside = (Beside(value.steps[0][0]), value, end)
            continue
        outputs = []
        for command, _ in value.steps:
            run = subprocess.run(shell(command), text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, timeout=60, env=environment())
            outputs.append(run.stdout)
        finish(value, end, outputs)
        if beside:
            finish(beside[1], beside[2], [beside[0].end()])
            beside = None
    if count == 0:
        print("FAIL there is nothing to run in the document")
        failed = 1
    if write:
        for start, end, new in sorted(changes, reverse=True):
            lines[start:end] = new
        open(path, "w", encoding="utf-8").write("\n".join(lines))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
