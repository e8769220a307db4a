#!/usr/bin/env python3
"""Lists what in a cluster needs kube-proxy on, because socklb does not replace it.

usage: kubectl get services,pods,nodes -A -o json | needs_kube_proxy.py

A line for each: STOP (kube-proxy has to stay on the nodes concerned) or note, the object, and why.
Exit code 1 when there is a STOP, 0 when there is none. What cannot be seen in objects is in
docs/replace-kube-proxy.md: clients of Services that are routed through nodes, and the like.
"""

import json
import sys


def ports(service, member="port"):
    return ",".join(f'{p[member]}/{p.get("protocol", "TCP")}' for p in service["spec"].get("ports", [])
                    if p.get(member))


def of_service(service):
    spec, labels = service["spec"], service["metadata"].get("labels") or {}
    if "service.kubernetes.io/service-proxy-name" in labels or spec.get("type") == "ExternalName":
        return
    if any(p.get("protocol") == "SCTP" for p in spec.get("ports", [])):
        yield "STOP", "SCTP is not translated at the socket"
    if spec.get("clusterIP") == "None":
        return
    if ports(service, "nodePort"):
        yield "STOP", f'node ports {ports(service, "nodePort")}: clients outside of the node'
    addresses = [i["ip"] for i in (service.get("status", {}).get("loadBalancer", {}).get("ingress") or [])
                 if i.get("ip") and i.get("ipMode", "VIP") == "VIP"]
    if addresses:
        yield "STOP", f'load balancer {",".join(addresses)}: clients outside of the node'
    if spec.get("externalIPs"):
        yield "STOP", f'externalIPs {",".join(spec["externalIPs"])}: clients outside of the node'
    if spec.get("healthCheckNodePort"):
        yield "note", f'a load balancer asks nodes at {spec["healthCheckNodePort"]} whether they have Pods'
    if any(p.get("protocol") == "UDP" for p in spec.get("ports", [])):
        yield "note", "UDP: sockets that are connected already depend on kube-proxy's rules until they end"


def of_pod(pod):
    spec, labels = pod["spec"], pod["metadata"].get("labels") or {}
    if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return
    if spec.get("runtimeClassName"):
        yield "STOP", (f'runtimeClassName {spec["runtimeClassName"]}: if its sockets are not those of the '
                       "node's kernel (gVisor, Kata), it reaches no Service without kube-proxy")
    if any(name.startswith(("kubevirt.io", "vm.kubevirt.io")) for name in labels):
        yield "STOP", "a virtual machine: its sockets are not those of the node's kernel"


def of_node(node):
    system = (node["metadata"].get("labels") or {}).get("kubernetes.io/os", "linux")
    if system != "linux":
        yield "STOP", f"{system}: socklb is for Linux"


def main():
    rules = {"Service": of_service, "Pod": of_pod, "Node": of_node}
    items, stops = json.load(sys.stdin).get("items", []), 0
    for item in items:
        for word, why in rules.get(item["kind"], lambda _: ())(item):
            name = item["metadata"].get("namespace", "")
            print(f'{word}  {item["kind"]} {name and name + "/"}{item["metadata"]["name"]}: {why}')
            stops += word == "STOP"
    print(f"{len(items)} objects, {stops} reasons to keep kube-proxy", file=sys.stderr)
    return 1 if stops else 0


if __name__ == "__main__":
    sys.exit(main())
