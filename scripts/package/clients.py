"""What both tests of the unit need: manifests, clients, and lines that say how a check went."""

import os
import subprocess
import sys

failures = []


def check(name, good, detail=""):
    print(("ok " if good else "FAIL ") + name, flush=True)
    if not good:
        failures.append(name)
        print("    " + str(detail).strip().replace("\n", "\n    "), flush=True)


def service(manifests, name, address, port, protocol, backend, more=""):
    endpoints = f"[{{addresses: [{backend}]}}]" if backend else "[]"
    text = f"""apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  clusterIP: {address}
  ports: [{{port: {port}, protocol: {protocol}}}]
{more}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: {endpoints}
ports: [{{name: "", port: {port}, protocol: {protocol}}}]
"""
    with open(f"{manifests}/.{name}", "w") as file:
        file.write(text)
    os.rename(f"{manifests}/.{name}", f"{manifests}/{name}.yaml")


CLIENT = """
import errno, select, socket, sys
out, held = sys.stdout, None
for line in sys.stdin:
    word, address, port = (line.split() + ["", ""])[:3]
    try:
        if word == "listen":
            server = socket.create_server((address, int(port)))
            answer = "listening"
        elif word == "tcp":
            with socket.create_connection((address, int(port)), timeout=3) as s:
                answer = "connected"
        elif word == "hold":
            held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            held.connect((address, int(port)))
            answer = "held"
        elif word == "ended":
            poll = select.poll(); poll.register(held, select.POLLIN)
            poll.poll(3000)
            answer = errno.errorcode.get(held.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "alive")
    except OSError as error:
        answer = errno.errorcode.get(error.errno, str(error))
    print(answer, flush=True)
"""


class Client:
    """A process of another user, in another network namespace if `alone`."""

    def __init__(self, cgroup, address, alone):
        setup = f"ip link set lo up; ip address add {address}/32 dev lo; " if alone else ""
        words = ["bash", "-euc", setup + 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"',
                 "bash", sys.executable, "-c", CLIENT]
        self.process = subprocess.Popen(
            (["unshare", "--net"] if alone else []) + words, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: open(cgroup + "/cgroup.procs", "w").write("0"))

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


class Clients:
    """One here and one of another user in another network namespace, each beside a backend."""

    BALANCER = """  type: LoadBalancer
  loadBalancerSourceRanges: [10.9.0.0/24]
status: {loadBalancer: {ingress: [{ip: 203.0.113.9}]}}
"""

    def __init__(self, cgroup, manifests):
        self.manifests = manifests
        self.here, self.there = Client(cgroup, "10.0.0.1", False), Client(cgroup, "10.9.0.1", True)
        for address, client in ("10.0.0.1", self.here), ("10.9.0.1", self.there):
            check(f"a backend at {address}", client.ask("listen", address, 8080) == "listening")

    def describe(self):
        service(self.manifests, "web", "172.30.0.1", 8080, "TCP", "10.0.0.1")
        service(self.manifests, "far", "172.30.0.2", 8080, "TCP", "10.9.0.1", self.BALANCER)
        service(self.manifests, "dns", "172.30.0.3", 53, "UDP", "10.9.0.1")
        # Of another user, and for nobody else to read.
        os.chmod(f"{self.manifests}/web.yaml", 0o600)
        os.chown(f"{self.manifests}/web.yaml", 65534, 65534)

    def served(self):
        return self.here.ask("tcp", "172.30.0.1", 8080) == "connected"

    def check_rights(self, messages):
        """What needs the most rights: namespaces and sockets of other users."""
        answer = self.there.ask("tcp", "203.0.113.9", 8080)
        check("source ranges: another user's address in another network namespace",
              answer == "connected", answer + "\n" + messages())
        answer = self.here.ask("tcp", "203.0.113.9", 8080)
        check("source ranges: who is outside of them", answer == "EACCES", answer)
        check("a connected UDP socket", self.there.ask("hold", "172.30.0.3", 53) == "held")
        service(self.manifests, "dns", "172.30.0.3", 53, "UDP", None)
        answer = self.there.ask("ended")
        check("is ended there when its backend goes", answer == "ECONNABORTED",
              answer + "\n" + messages())

    def end(self):
        self.here.end()
        self.there.end()
