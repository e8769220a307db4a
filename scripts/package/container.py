"""Starts the container of the DaemonSet as a runtime would, without a runtime: what it is given (root
directory, mounts, capabilities, arguments) is read from what kustomize prints.

usage: container.py BINARY YAML DIRECTORY CGROUP     in namespaces of its own, as root

DIRECTORY stands for the node's file system, CGROUP for its first cgroup.
"""

import os
import re
import signal
import subprocess
import sys
import time

import yaml

from clients import Clients, check, failures

binary, rendered, directory, cgroup = sys.argv[1:]
manifests = directory + "/services"

# What a runtime does for a container with hostPID and hostNetwork and its own cgroup namespace: there,
# /sys/fs/cgroup is the container's own cgroup. Mounts come as "FROM TO OPTIONS" lines.
RUNTIME = r"""
root=$1 binary=$2 capabilities=$3 manifests=$4 python=$5 last=$6
shift 6
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr/bin proc sys manifests
cp "$binary" usr/bin/socklb
mount --rbind /proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 -o ro cgroup2 sys/fs/cgroup
while read -r from to options; do
	mkdir -p ".$to"
	mount --bind "$from" ".$to"
	[ -z "$options" ] || mount -o "remount,bind,$options" ".$to"
done
mount --bind "$manifests" manifests
mount -o remount,ro .
exec "$python" -c "$last" "$capabilities" "$@"
"""

# Nothing but the binary is in the new root directory, so rights are dropped by who is running already.
LAST = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
os.chroot(".")
kept = [int(number) for number in sys.argv[1].split(",")]
for number in range(64):
    if number not in kept:
        libc.prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv("/usr/bin/socklb", ["socklb", *sys.argv[2:]])
"""

# linux/capability.h
CAPABILITIES = {"DAC_READ_SEARCH": 2, "NET_ADMIN": 12, "SYS_PTRACE": 19, "SYS_ADMIN": 21, "PERFMON": 38,
                "BPF": 39}


def main():
    assert os.readlink("/proc/self/ns/net") != os.environ["PACKAGE_PARENT_NAMESPACE"]
    with open(rendered) as text:
        objects = list(yaml.safe_load_all(text))
    pod = next(o for o in objects if o["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    config = next(o for o in objects if o["kind"] == "ConfigMap")["data"]
    container = pod["containers"][0]
    environment = {"NODE_NAME": "node-1"}
    for variable in container["env"]:
        source = variable["valueFrom"].get("configMapKeyRef")
        if source:
            environment[variable["name"]] = config[source["key"]]
    arguments = [re.sub(r"\$\((\w+)\)", lambda m: environment[m[1]], word) for word in container["args"]]
    check("hostPID, hostNetwork, not privileged", pod["hostPID"] and pod["hostNetwork"]
          and not container["securityContext"]["privileged"])

    # There is no cluster here: its objects come from a directory.
    clusters = ("--in-cluster", "--server", "--healthz-bind-address", "--metrics-bind-address")
    arguments = [a for a in arguments if not a.startswith(clusters)] + ["--manifests", "/manifests"]

    node = {"/sys/fs/bpf": "/sys/fs/bpf", "/sys/fs/cgroup": cgroup, "/var/lib/socklb": directory + "/state"}
    paths = {volume["name"]: node[volume["hostPath"]["path"]] for volume in pod["volumes"]}
    mounts = "".join(
        f'{paths[m["name"]]} {m["mountPath"]} {"ro" if m.get("readOnly") else ""}\n'
        for m in container["volumeMounts"])
    for name in ("state", "services", "root"):
        os.makedirs(f"{directory}/{name}")
    clients = Clients(cgroup, manifests)
    clients.describe()
    os.makedirs(cgroup + "/kubepods/container")
    numbers = ",".join(
        str(CAPABILITIES[name]) for name in container["securityContext"]["capabilities"]["add"])
    log = directory + "/log"

    def messages():
        with open(log) as text:
            return text.read()

    def start():
        with open(log, "w") as out:
            process = subprocess.Popen(
                ["unshare", "--cgroup", "--mount", "bash", "-euc", RUNTIME, "bash", directory + "/root",
                 binary, numbers, manifests, sys.executable, LAST, *arguments],
                stdin=subprocess.PIPE, stderr=out, text=True,
                preexec_fn=lambda: open(cgroup + "/kubepods/container/cgroup.procs", "w").write("0"))
        process.stdin.write(mounts)
        process.stdin.close()
        end = time.monotonic() + 30
        while "following" not in messages() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        return process

    process = start()
    check("the container follows", "following" in messages(), messages())
    check("processes of other Pods are served", clients.served(), messages())
    clients.check_rights(messages)
    check("nothing was warned of", not re.search(r'"(warning|error)"', messages()), messages())
    check("it is the node's bpffs", os.path.exists("/sys/fs/bpf/socklb/maps"))
    # As `kubectl exec POD -- socklb doctor` would.
    for words in ("doctor",), ("status",), ("explain", "172.30.0.1:8080"):
        done = subprocess.run(
            ["nsenter", "-t", str(process.pid), "-m", "-C", "-r", "/usr/bin/socklb", *words],
            capture_output=True, text=True,
            preexec_fn=lambda: open(cgroup + "/kubepods/container/cgroup.procs", "w").write("0"))
        check(f"kubectl exec: socklb {words[0]}", done.returncode == 0, done.stdout + done.stderr)
    done = subprocess.run([binary, "doctor", "--state", directory + "/state"], capture_output=True, text=True)
    check("doctor by a binary on the node tries every hook",
          done.returncode == 0 and "ok       canary" in done.stdout, done.stdout + done.stderr)
    process.send_signal(signal.SIGTERM)
    check("it ends with 0", process.wait(20) == 0, messages())
    check("served without it", clients.served())
    process = start()
    check("the next container takes over", "following" in messages()
          and "already attached" in messages(), messages())
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    check("served after a kill", clients.served())
    done = subprocess.run([binary, "detach", "--state", directory + "/state"], capture_output=True, text=True)
    check("detach by a binary on the node", done.returncode == 0 and not clients.served(), done.stderr)
    subprocess.run(["umount", "-l", "/sys/fs/bpf"], check=True)
    process = start()
    if process.poll() is None:
        process.terminate()
    check("without a bpffs on the node it starts nothing that would end with the container",
          process.wait(20) == 69 and "on the machine itself" in messages(), messages())
    clients.end()
    for name in ("kubepods/container", "kubepods"):
        os.rmdir(f"{cgroup}/{name}")
    return bool(failures)


sys.exit(main())
