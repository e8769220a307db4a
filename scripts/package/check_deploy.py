"""What kustomize prints: that parts which have to agree do, and that rights are the least.

usage: check_deploy.py DEPLOY CLUSTER UNIT BINARY      both as YAML; CLUSTER is patched for a cluster
"""

import re
import subprocess
import sys

import yaml

from clients import check, failures

deploy, cluster, unit_file, binary = sys.argv[1:]


def read(name):
    with open(name) as text:
        return {o["kind"]: o for o in yaml.safe_load_all(text)}


def container(objects):
    return objects["DaemonSet"]["spec"]["template"]["spec"]["containers"][0]


base, patched = read(deploy), read(cluster)
check("the kinds of objects", sorted(base) == ["ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet",
                                               "ServiceAccount"], base.keys())
for objects in base, patched:
    name = objects["ConfigMap"]["metadata"]["name"]
    names = {v["valueFrom"]["configMapKeyRef"]["name"] for v in container(objects)["env"]
             if "configMapKeyRef" in v["valueFrom"]}
    check(f"variables are those of {name}", names == {name}, names)
    known = {v["name"] for v in container(objects)["env"]}
    used = set(re.findall(r"\$\((\w+)\)", " ".join(container(objects)["args"])))
    check("every variable is known and used", used == known, (used, known))
    ports = {p["name"]: p["containerPort"] for p in container(objects)["ports"]}
    check("probes ask where it listens", f'--healthz-bind-address=0.0.0.0:{ports["healthz"]}'
          in container(objects)["args"] and all(
              container(objects)[kind + "Probe"]["httpGet"]["port"] == "healthz"
              for kind in ("startup", "liveness", "readiness")), ports)

account = base["ServiceAccount"]["metadata"]
subject = base["ClusterRoleBinding"]["subjects"][0]
check("the role is bound to the account of the Pods", (subject["name"], subject["namespace"])
      == (account["name"], account["namespace"]) and base["DaemonSet"]["spec"]["template"]["spec"]
      ["serviceAccountName"] == account["name"]
      and base["ClusterRoleBinding"]["roleRef"]["name"] == base["ClusterRole"]["metadata"]["name"])
rights = {(group, resource): sorted(rule["verbs"]) for rule in base["ClusterRole"]["rules"]
          for group in rule["apiGroups"] for resource in rule["resources"]}
check("rights are the least", rights == {
    ("", "services"): ["list", "watch"], ("discovery.k8s.io", "endpointslices"): ["list", "watch"],
    ("", "nodes"): ["list", "watch"], ("", "pods"): ["list", "watch"],
    ("", "events"): ["create"]}, rights)
with open(unit_file) as text:
    bounds = re.search(r"^CapabilityBoundingSet=(.*)$", text.read(), re.M)[1].split()
added = ["CAP_" + name for name in container(base)["securityContext"]["capabilities"]["add"]]
check("capabilities are those of the unit", sorted(added) == sorted(bounds), (added, bounds))

# The image, the server, the ports, the nodes: nothing else is another one in a cluster.
first, second = container(base), container(patched)
check("the image can be another one", second["image"] == "registry.example/socklb:1", second["image"])
check("the server can be another one", patched["ConfigMap"]["data"]["server"] == "https://192.0.2.10:6443"
      and patched["ConfigMap"]["data"].keys() == base["ConfigMap"]["data"].keys())
check("beside kube-proxy: other ports, chosen nodes, and nothing else", [
    a for a in second["args"] if a not in first["args"]] == [
        "--healthz-bind-address=0.0.0.0:10356", "--metrics-bind-address=127.0.0.1:10349"]
      and len(first["args"]) == len(second["args"]) and len(second["ports"]) == 1
      and patched["DaemonSet"]["spec"]["template"]["spec"]["nodeSelector"] == {
          "kubernetes.io/os": "linux", "socklb.io/serve": "true"})

help_text = subprocess.run([binary, "run", "--help"], capture_output=True, text=True).stdout
if "--in-cluster" in help_text:
    options = {a.split("=")[0] for a in first["args"] if a.startswith("--")}
    unknown = sorted(o for o in options if not re.search(rf"{o}\b", help_text))
    check("options are those of `socklb run`", not unknown, unknown)
else:
    print("note: this binary has no --in-cluster yet; options were not compared")
sys.exit(bool(failures))
