"""Installs the package beside a systemd, and does with the unit what happens to units.

usage: installed.py PACKAGE        inside of what machine.sh makes
"""

import os
import subprocess
import sys
import time

from clients import Clients, check, failures

package = sys.argv[1]
manifests, cgroup, log = "/etc/socklb/services", "/sys/fs/cgroup/clients", "/run/socklb.log"
pin, state = "/sys/fs/bpf/socklb", "/var/lib/socklb"


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                               "DEBIAN_FRONTEND": "noninteractive"})
    return done.returncode, done.stdout


def dpkg(*words):
    # What it needs is there, and is not in the empty list of packages.
    return run("dpkg", "--force-depends", "--log=/dev/null", *words)


def show(name):
    return run("systemctl", "show", "socklb", "--value", "-p", name)[1].strip()


def messages():
    with open(log) as text:
        return text.read()


def wait(what, seconds=15):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def main():
    os.mkdir(cgroup)
    # Nobody keeps a journal here.
    os.makedirs("/etc/systemd/system/socklb.service.d")
    with open("/etc/systemd/system/socklb.service.d/log.conf", "w") as file:
        file.write(f"[Service]\nStandardOutput=append:{log}\nStandardError=append:{log}\n")

    code, said = dpkg("-i", package)
    check("dpkg -i", code == 0, said)
    check("installing it attaches nothing", not os.path.exists(pin) and not os.path.exists(state)
          and run("systemctl", "is-enabled", "socklb")[1].strip() == "disabled"
          and show("ActiveState") == "inactive", said)
    clients = Clients(cgroup, manifests)
    clients.describe()
    code, said = run("systemctl", "enable", "--now", "socklb")
    check("systemctl enable --now", code == 0, said + (messages() if os.path.exists(log) else ""))
    check("the unit is active, and says what it follows",
          show("ActiveState") == "active" and "3 files" in show("StatusText"), show("StatusText"))
    check("served when it is started", clients.served(), messages())
    clients.check_rights(messages)
    check("nothing was refused by the sandbox", "warning" not in messages() and "error" not in messages(),
          messages())
    code, said = run("socklb", "run", "--manifests", manifests)
    check("another one leaves with 75", code == 75, said)
    code, said = run("systemctl", "reload", "socklb")
    check("systemctl reload", code == 0 and wait(lambda: "SIGHUP" in messages()), said + messages())
    code, said = run("socklb", "doctor")
    check("doctor", code == 0, said)

    ids = run("socklb", "dump", "backends")[1]
    counted = run("socklb", "dump", "counters")[1]
    code, said = run("systemctl", "restart", "socklb")
    check("systemctl restart", code == 0 and clients.served(), said)
    run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "socklb")
    check("served while it is killed", wait(lambda: show("ActiveState") != "active") and clients.served())
    check("and started anew", wait(lambda: show("NRestarts") == "1" and show("ActiveState") == "active"),
          show("ActiveState") + messages())
    with open("/etc/systemd/system/socklb.service.d/hurry.conf", "w") as file:
        file.write("[Service]\nWatchdogSec=2s\nRestartSec=500ms\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "socklb")
    first = show("MainPID")
    run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "socklb")
    check("the watchdog ends one that hangs, and it is started anew", wait(lambda: (
        show("MainPID") not in ("0", first) and show("ActiveState") == "active")) and clients.served(),
          show("Result"))
    first = show("MainPID")
    code, said = dpkg("-i", package)
    check("an upgrade starts the new one", code == 0 and show("MainPID") != first
          and show("ActiveState") == "active"
          and run("systemctl", "is-enabled", "socklb")[1].strip() == "enabled", said)
    check("and leaves the data plane as it was", clients.served()
          and run("socklb", "dump", "backends")[1] == ids
          and run("socklb", "dump", "counters")[1] != counted, counted)

    code, said = dpkg("-r", "socklb")
    check("removal stops it and says what stays", code == 0 and "are served on" in said
          and show("ActiveState") == "inactive", said)
    check("and what is served is served on", clients.served() and os.path.exists(pin))
    code, said = dpkg("-i", package)
    check("installed again it is enabled as before", code == 0
          and run("systemctl", "is-enabled", "socklb")[1].strip() == "enabled", said)
    os.remove(f"{manifests}/dns.yaml")
    run("systemctl", "restart", "socklb")
    check("and goes on from there", clients.served() and "10.9.0.1:8080" in run("socklb", "dump", "all")[1])
    code, said = dpkg("-P", "socklb")
    check("purge", code == 0, said)
    check("nothing is left", not os.path.exists(pin) and not os.path.exists(state)
          and not os.path.exists("/etc/default/socklb") and not os.path.exists("/usr/bin/socklb"), said)
    check("nothing is served", not clients.served())
    check("manifests are the administrator's, and stay", os.path.exists(f"{manifests}/web.yaml"))
    clients.end()
    return bool(failures)


sys.exit(main())
