# shellcheck shell=bash disable=SC2154 # from checks.sh
# For test-cli.sh: what `run`, `report`, `doctor --bundle`, --watch and `top` promise where nothing is attached.
check "run without a directory" 64 manifests run "${place[@]}"
check "run with a relative directory" 64 'absolute path' run --manifests here "${place[@]}"
check "run with an unknown log level" 64 'log-level' run --manifests /etc --log-level loud "${place[@]}"
check "run without privilege" 77 'CAP_BPF' run --manifests /etc "${place[@]}"
check "a report to nowhere" 64 '-o FILE' report "${place[@]}"
check "an observation of no duration" 64 '500ms' report -o - --observe 10 "${place[@]}"
check "a watch of no duration" 64 '500ms' status --every 10 "${place[@]}"
check "report, not attached" 0 'No Service is known' report -o - "${place[@]}"
if python3 "$(dirname "$0")/debugging/check_page.py" "$work/out" >"$work/all"; then
	ok "a report of nothing is a whole page"
else
	bad "a report of nothing is a whole page"
fi
install -m 600 /dev/null "$work/page.html"
check "a report over a private file" 0 'wrote' report -o page.html "${place[@]}"
if [ "$(stat -c %a "$work/page.html")" = 600 ]; then ok "it stays private"; else bad "it stays private"; fi
rm -f "$work/page.html"
check "a report where nobody may write" 74 'writing' report -o /no/such/directory/page.html "${place[@]}"
check "a bundle without anything" 1 'wrote' doctor --bundle bundle.tar.gz "${place[@]}"
if tar tzf "$work/bundle.tar.gz" | grep -q README.txt; then ok "it is an archive"; else bad "it is an archive"; fi
if [ "$(stat -c %a "$work/bundle.tar.gz")" = 600 ]; then ok "it is private"; else bad "it is private"; fi
rm -f "$work/bundle.tar.gz"
check "top without privilege" 77 'CAP_BPF.*CAP_PERFMON' top --once "${place[@]}"
check "top of no duration" 64 '500ms' top --interval 10 "${place[@]}"
check "top of what is no Service" 64 'NAMESPACE/NAME' top --service a/b/c "${place[@]}"
check "top sorted by what there is not" 64 'p99' top --sort size "${place[@]}"
check "top once and twice" 64 'count 1' top --once --count 2 "${place[@]}"
check "top without rows" 64 'limit' top --limit 0 "${place[@]}"
