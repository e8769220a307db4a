"""What docs/replace-kube-proxy.md says of socklb beside kube-proxy: rules as kube-proxy writes them
lead to one backend, socklb to another, so that it can be seen who was at work.

usage: beside.py BINARY DIRECTORY CGROUP     in namespaces of its own, as root
"""

import os
import socket
import subprocess
import sys
import threading

from clients import check, failures

binary, directory, cgroup = sys.argv[1:]
VIP, PORT, PROXY, OURS = "172.30.0.1", 8080, "10.0.0.1", "10.0.0.2"


MANIFEST = f"""apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  clusterIP: {VIP}
  ports: [{{name: t, port: {PORT}, protocol: TCP}}, {{name: u, port: {PORT}, protocol: UDP}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [{OURS}]}}]
ports: [{{name: t, port: {PORT}, protocol: TCP}}, {{name: u, port: {PORT}, protocol: UDP}}]
"""


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def nat(*words):
    code, said = run("iptables", "-w", "-t", "nat", *words)
    if code:
        check("iptables " + " ".join(words), False, said)


def serve(address):
    """Answers every line with the address that it listens at."""
    server = socket.create_server((address, PORT))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, PORT))

    def answer(connection):
        try:
            while connection.recv(64):
                connection.sendall(address.encode())
        except OSError:
            connection.close()

    def accept():
        while True:
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    def reply():
        while True:
            datagrams.sendto(address.encode(), datagrams.recvfrom(64)[1])

    for loop in accept, reply:
        threading.Thread(target=loop, daemon=True).start()


class Connection:
    def __init__(self, kind):
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(2)
        self.socket.connect((VIP, PORT))

    def who(self):
        try:
            self.socket.send(b"?")
            return self.socket.recv(64).decode()
        except OSError as error:
            return str(error)


def ask(kind):
    try:
        return Connection(kind).who()
    except OSError as error:
        return str(error)


def proxy_on():
    nat("-N", "KUBE-SERVICES")
    nat("-I", "OUTPUT", "-j", "KUBE-SERVICES")
    for protocol in "tcp", "udp":
        nat("-A", "KUBE-SERVICES", "-d", VIP, "-p", protocol, "--dport", str(PORT), "-j", "DNAT",
            "--to-destination", f"{PROXY}:{PORT}")


def proxy_off():
    """What `kube-proxy --cleanup` does: chains go, conntrack's entries stay."""
    nat("-D", "OUTPUT", "-j", "KUBE-SERVICES")
    nat("-F", "KUBE-SERVICES")
    nat("-X", "KUBE-SERVICES")


def peers():
    return run("ss", "-Hntu", "state", "connected", "dst", VIP)[1]


def main():
    assert os.readlink("/proc/self/ns/net") != os.environ["PACKAGE_PARENT_NAMESPACE"]
    # Replies to the machine itself leave by lo; the address of the Service needs some route.
    run("ip", "address", "add", f"{OURS}/32", "dev", "lo")
    run("ip", "route", "add", "172.30.0.0/16", "dev", "lo")
    for address in PROXY, OURS:
        serve(address)
    with open(cgroup + "/cgroup.procs", "w") as procs:
        procs.write("0")
    both = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}
    os.makedirs(directory, exist_ok=True)
    with open(directory + "/web.yaml", "w") as file:
        file.write(MANIFEST)
    place = ["--state", directory + "/state"]

    # As most CNI plugins have one. It keeps NAT at work in this network namespace.
    nat("-A", "POSTROUTING", "-s", "10.244.0.0/16", "-j", "MASQUERADE")
    proxy_on()
    old = {name: Connection(kind) for name, kind in both.items()}
    for name, connection in old.items():
        check(f"{name}: kube-proxy's rules are at work", connection.who() == PROXY, connection.who())
    for words in (["attach", "--cgroup", cgroup], ["apply", "-f", directory + "/web.yaml"]):
        code, said = run(binary, *words, *place)
        check(f"socklb {words[0]}", code == 0, said)
    new = {}
    for name, kind in both.items():
        new[name] = Connection(kind)
        check(f"{name}: new sockets are socklb's, beside the rules", new[name].who() == OURS, new[name].who())
        check(f"{name}: older ones go on", old[name].who() == PROXY, old[name].who())
    check("ss shows who depends on the rules yet: those with the Service as their peer",
          len(peers().splitlines()) == 2, peers())
    proxy_off()
    for name, kind in both.items():
        check(f"{name}: served without the rules", ask(kind) == OURS)
        check(f"{name}: older ones go on while conntrack knows them", old[name].who() == PROXY,
              old[name].who())
    nat("-F", "POSTROUTING")
    check("and not without any other rule that needs NAT", "timed out" == old["TCP"].who(), old["TCP"].who())
    check("of which those of socklb need none", new["TCP"].who() == OURS)

    # And back.
    proxy_on()
    check("with the rules there again socklb goes first", all(ask(kind) == OURS for kind in both.values()))
    code, said = run(binary, "detach", *place)
    check("socklb detach", code == 0, said)
    for name, kind in both.items():
        check(f"{name}: new sockets are kube-proxy's", ask(kind) == PROXY, ask(kind))
        check(f"{name}: those of socklb go on", new[name].who() == OURS, new[name].who())
    with open(os.path.dirname(cgroup) + "/cgroup.procs", "w") as procs:
        procs.write("0")
    return bool(failures)


sys.exit(main())
