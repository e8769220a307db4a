# shellcheck shell=bash
# For test-package.sh: deploy/ as kustomize prints it, and the container file.
# shellcheck disable=SC2154,SC2034 # variables of test-package.sh

# As docs/replace-kube-proxy.md has it. These words are known to kubectl 1.20 and to those of today.
mkdir "$work/cluster"
ln -s "$root/deploy" "$work/deploy"
cp deploy/beside-kube-proxy.yaml "$work/cluster/"
cat >"$work/cluster/kustomization.yaml" <<'YAML'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: kube-system
bases: [../deploy]
images: [{name: socklb, newName: registry.example/socklb, newTag: "1"}]
configMapGenerator:
  - {name: socklb, behavior: merge, literals: ["server=https://192.0.2.10:6443"]}
patchesStrategicMerge: [beside-kube-proxy.yaml]
YAML
for name in deploy cluster; do
	if kubectl kustomize "$work/$name" >"$work/$name.yaml" 2>"$work/out"; then
		ok "kubectl kustomize $name"
	else
		bad "kubectl kustomize $name"
	fi
done
python3 scripts/package/check_deploy.py "$work/deploy.yaml" "$work/cluster.yaml" "$unit" "$binary" || failed=1

# No engine is needed to see that a container file can be followed: what it copies is in the context,
# and what it starts is what it copied, which needs nothing else.
copied=$(sed -n 's/^COPY \(--[^ ]* \)*\([^ ]*\) .*/\2/p' deploy/Containerfile)
check "the container file copies what is there" test -x "$BUILD/$copied"
to=$(sed -n 's/^COPY .* //p' deploy/Containerfile)
check "and starts it" grep -qx "ENTRYPOINT \[\"$to\"\]" deploy/Containerfile
check "FROM scratch" grep -qx 'FROM scratch' deploy/Containerfile
if readelf -lW "$binary" | grep -q INTERP; then bad "which needs a static binary"; else ok "a static binary"; fi

# What keeps kube-proxy on: each rule once, and a Service that needs nothing.
cat >"$work/cluster.json" <<'JSON'
{"items": [
{"kind": "Service", "metadata": {"name": "plain", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.2", "ports": [{"port": 80}]}},
{"kind": "Service", "metadata": {"name": "dns", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.3", "ports": [{"port": 53, "protocol": "UDP"}]}},
{"kind": "Service", "metadata": {"name": "node", "namespace": "a"}, "spec": {"type": "NodePort", "clusterIP": "10.96.0.4", "ports": [{"port": 80, "nodePort": 30080}]}},
{"kind": "Service", "metadata": {"name": "balanced", "namespace": "a"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.5", "ports": [{"port": 80}]}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}},
{"kind": "Service", "metadata": {"name": "proxied", "namespace": "a"}, "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.6", "ports": [{"port": 80}]}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.2", "ipMode": "Proxy"}]}}},
{"kind": "Service", "metadata": {"name": "outside", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.7", "externalIPs": ["203.0.113.3"], "ports": [{"port": 80}]}},
{"kind": "Service", "metadata": {"name": "signal", "namespace": "a"}, "spec": {"clusterIP": "10.96.0.8", "ports": [{"port": 80, "protocol": "SCTP"}]}},
{"kind": "Service", "metadata": {"name": "others", "namespace": "a", "labels": {"service.kubernetes.io/service-proxy-name": "x"}}, "spec": {"clusterIP": "10.96.0.9", "externalIPs": ["203.0.113.4"], "ports": [{"port": 80}]}},
{"kind": "Pod", "metadata": {"name": "kata", "namespace": "a"}, "spec": {"runtimeClassName": "kata"}},
{"kind": "Pod", "metadata": {"name": "vm", "namespace": "a", "labels": {"kubevirt.io": "virt-launcher"}}, "spec": {}},
{"kind": "Pod", "metadata": {"name": "done", "namespace": "a"}, "spec": {"runtimeClassName": "kata"}, "status": {"phase": "Succeeded"}},
{"kind": "Node", "metadata": {"name": "w", "labels": {"kubernetes.io/os": "windows"}}}]}
JSON
status=0
python3 deploy/needs_kube_proxy.py <"$work/cluster.json" >"$work/out" 2>/dev/null || status=$?
stops=$(sed -n 's/^STOP  [A-Za-z]* \([^:]*\):.*/\1/p' "$work/out" | tr '\n' ' ')
if [ "$status" = 1 ] && [ "$stops" = "a/node a/balanced a/outside a/signal a/kata a/vm w " ] \
	&& grep -q '^note  Service a/dns: UDP' "$work/out"; then
	ok "what needs kube-proxy is named"
else
	bad "what needs kube-proxy is named: $status, $stops"
fi
sed '/"plain"/!{/items/!d;}' "$work/cluster.json" | sed 's/,$/]}/' >"$work/plain.json"
check "and what does not is not" python3 deploy/needs_kube_proxy.py <"$work/plain.json"
