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
