"""Starts `socklb run` as the unit would, and listens to what it tells the service manager.

usage: service.py BINARY UNIT DIRECTORY CGROUP     in namespaces of its own, as root

Capabilities, arguments and exit codes are read from the unit, so that the two cannot disagree.
Clients of another user live in another network namespace: what socklb does for them (their source
address, ending their sockets) needs the most rights.
Environment: CAPABILITIES instead of the unit's, to try out what fails without one.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

from clients import Clients, check, failures

binary, unit_file, directory, cgroup = sys.argv[1:]
state, manifests, pin = directory + "/state", directory + "/services", "/sys/fs/bpf/socklb"


def read_unit():
    unit = {}
    with open(unit_file) as lines:
        for line in lines:
            if "=" in line and not line.startswith("#"):
                name, value = line.strip().split("=", 1)
                unit[name] = value
    return unit


unit = read_unit()
capabilities = os.environ.get("CAPABILITIES", unit["CapabilityBoundingSet"])


class Manager:
    """The side of systemd in sd_notify(3)."""

    def __init__(self):
        self.path = directory + "/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.lines, self.senders = [], set()

    def receive(self, seconds):
        """One more message, if there is one in time."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        data, control, _, _ = self.socket.recvmsg(65536, 64)
        self.senders.add(int.from_bytes(control[0][2][:4], sys.byteorder))
        self.lines += data.decode().split("\n")
        return True

    def wait(self, prefix, seconds, count=1):
        end = time.monotonic() + seconds
        while sum(line.startswith(prefix) for line in self.lines) < count:
            left = end - time.monotonic()
            if left <= 0 or not self.receive(left):
                return False
        return True


class Run:
    def __init__(self, manager, name, *more, watchdog=None):
        self.log = f"{directory}/{name}.log"
        environment = {"PATH": "/usr/bin", "NOTIFY_SOCKET": manager.path}
        if watchdog:
            environment["WATCHDOG_USEC"] = str(watchdog)
        names = ",".join("+" + c.removeprefix("CAP_").lower() for c in capabilities.split())
        words = [w for w in unit["ExecStart"].split()[1:] if w != "$SOCKLB_OPTIONS"]
        self.process = subprocess.Popen(
            ["setpriv", "--bounding-set", "-all," + names, "--no-new-privs", binary, *words]
            + ["--manifests", manifests, "--state", state, "--cgroup", cgroup, *more],
            env=environment, stdin=subprocess.DEVNULL, stderr=open(self.log, "wb"))

    def end(self, number=signal.SIGTERM, seconds=20):
        self.process.send_signal(number)
        return self.code(seconds)

    def code(self, seconds=20):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return f"no end after {seconds} s"

    @property
    def messages(self):
        with open(self.log) as text:
            return text.read()


def socklb(*words):
    return subprocess.run([binary, *words, "--state", state], capture_output=True, text=True)


def main():
    os.makedirs(manifests)
    assert os.readlink("/proc/self/ns/net") != os.environ["PACKAGE_PARENT_NAMESPACE"]
    manager, clients = Manager(), Clients(cgroup, manifests)
    clients.describe()

    run = Run(manager, "first", watchdog=1_000_000)
    check("READY=1", manager.wait("READY=1", 30), run.messages)
    check("Type=notify, NotifyAccess=main",
          unit["Type"] == "notify" and manager.senders == {run.process.pid}, manager.senders)
    check("served when it is ready", clients.served(), run.messages)
    check("STATUS= says what is followed", manager.wait("STATUS=3 files", 5), manager.lines)
    check("WATCHDOG=1 twice in the time that the manager gives", manager.wait("WATCHDOG=1", 2.2, 4),
          manager.lines)
    clients.check_rights(lambda: run.messages)

    second = Run(manager, "second")
    code = second.code()
    check("another one leaves with 75", code == 75, f"{code}: {second.messages}")
    check("which the unit does not try again", "75" in unit["RestartPreventExitStatus"].split())

    check("SIGHUP (ExecReload=)", "HUP" in unit["ExecReload"]
          and run.process.send_signal(signal.SIGHUP) is None and run.process.poll() is None)
    manager.lines.clear()
    code = run.end()
    check("SIGTERM ends it with 0", code == 0, f"{code}: {run.messages}")
    check("STOPPING=1", manager.wait("STOPPING=1", 1), manager.lines)
    check("served without it", clients.served())

    endpoints = socklb("dump", "counters").stdout
    manager.lines.clear()
    run = Run(manager, "third")
    check("READY=1 of the next one", manager.wait("READY=1", 30), run.messages)
    check("it adopts what is there, counters too", socklb("dump", "counters").stdout == endpoints
          and re.search(r"default/web:\S* TCP translated=2 ", endpoints), endpoints)
    code = run.end(signal.SIGKILL)
    check("killed: a failure, after which Restart= starts it anew",
          code == -9 and unit["Restart"] in ("on-failure", "always"), code)
    check("served meanwhile", clients.served())
    manager.lines.clear()
    run = Run(manager, "fourth")
    check("READY=1 after the kill", manager.wait("READY=1", 30), run.messages)
    code = socklb("detach").returncode
    check("it ends with 1 when somebody detaches", code == 0 and run.code() == 1, run.messages)
    check("nothing is pinned then", not os.path.exists(pin))
    check("nothing was warned of", not re.search(r"^(warning|error)", "\n".join(
        open(f"{directory}/{name}.log").read() for name in ("first", "third")), re.M),
        "\n".join(open(f"{directory}/{name}.log").read() for name in ("first", "third")))
    clients.end()
    sys.exit(bool(failures))


main()
