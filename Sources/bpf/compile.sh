#!/bin/sh
# Compiles the BPF programs and writes them as a Swift file: NAME.bpf.c becomes EmbeddedObject.NAME.
# usage: compile.sh SOURCE-DIR OUT.swift [OPTION OF CLANG]...
# The toolchain's own clang is used (it lies beside `swift`); SOCKLB_CLANG overrides it.
set -eu
source=$1
out=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tools=
for candidate in $(command -v swift) $(command -v swiftc); do
	directory=$(dirname "$(readlink -f "$candidate")")
	if [ -x "$directory/clang" ] && [ -x "$directory/llvm-objcopy" ]; then
		tools=$directory/
		break
	fi
done
# As libbpf names it: where a store that comes last takes no barrier (lib/decision.h).
architecture=$(uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
clang=${SOCKLB_CLANG:-${tools}clang}

# compile NAME [OPTION]...: the constant for one object.
compile() {
	name=$1
	shift
	"$clang" -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-function \
		-idirafter "/usr/include/$(uname -m)-linux-gnu" \
		-I "$source" -I "$source/abi/include" -ffile-prefix-map="$source"=bpf \
		"-D__TARGET_ARCH_$architecture" "$@" -c "$source/$name.bpf.c" -o "$work/$name.bpf.o"
	"${tools}llvm-objcopy" --strip-debug "$work/$name.bpf.o"
	printf '  static let %s: StaticString = "' "$name"
	base64 -w0 "$work/$name.bpf.o"
	echo '"'
}

{
	echo '// Written by Sources/bpf/compile.sh from Sources/bpf/*.bpf.c.'
	echo 'enum EmbeddedObject {'
	for file in "$source"/*.bpf.c; do compile "$(basename "$file" .bpf.c)" "$@"; done
	echo '}'
} >"$work/out.swift"
mv "$work/out.swift" "$out"
