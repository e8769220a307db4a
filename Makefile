# The only front door. `make` alone tells what there is.
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)

# One configuration for everything: another set of flags would rebuild the world on each change
# between `build` and `test`. Tests therefore use public and package names, not @testable.
SWIFT_BUILD := swift build -c release -j $(JOBS)
BIN := .build/release
MAN := .build/man
COMPLETIONS := .build/completions
# A manual has a date; that of the last commit makes the same bytes of the same source.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
MANUAL_DATE = $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%F)

BINDIR := $(DESTDIR)$(PREFIX)/bin
MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
SHARE := $(DESTDIR)$(PREFIX)/share
BASH_COMPLETION := $(SHARE)/bash-completion/completions/socklb
ZSH_COMPLETION := $(SHARE)/zsh/site-functions/_socklb
FISH_COMPLETION := $(SHARE)/fish/vendor_completions.d/socklb.fish

.DEFAULT_GOAL := help
.PHONY: help deps build docs test test-unit test-kernel test-vm soak lint format demo bench \
	bench-compare deb install uninstall clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Variables: PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) JOBS=$(JOBS)"

deps: ## Install the Debian packages that are missing (root), or name them
	@scripts/install-deps.sh --for build --for test --for demo --for bench --for lint

build: ## Build the static binary, the tests with it
	@scripts/install-deps.sh --for build
	$(SWIFT_BUILD) --build-tests
	@echo "$(CURDIR)/$(BIN)/socklb"

docs: $(MAN)/socklb.1 $(COMPLETIONS)/socklb.bash ## Man pages and shell completions

test: build docs ## Every test; without root those that need none
	@scripts/test.sh

test-unit: build ## The tests that need neither root nor a kernel of their own
	@scripts/test.sh unit cli input static examples

test-kernel: build ## Kernel tests on this kernel; needs root, and nothing may be skipped
	@KERNEL_TESTS=1 scripts/test.sh kernel

# Minutes of torture, 1,000 upgrades, every fault and every kill instead of a random part of them.
TORTURE_SECONDS ?= 600
soak: build ## What takes longer: sockets, upgrades, torture, faults and kills (root)
	@PAGE=$(CURDIR)/.build/page.html scripts/test-debugging.sh
	@scripts/browse-page.sh .build/page.html .build/page || [ $$? = 77 ]
	@SOCKETS=1000000 KERNEL_TESTS=1 $(BIN)/socklb-kernel-tests --filter cilium_42649
	@TORTURE_SECONDS=$(TORTURE_SECONDS) $(BIN)/socklb-kernel-tests --filter torture_
	@FAULTS=all $(BIN)/socklb-kernel-tests --filter fault_in_
	@FAULTS=all $(BIN)/socklb-kernel-tests --filter crash_
	@FAULTS=all $(BIN)/socklb-kernel-tests --filter that_was_killed
	@CLUSTER_CHURN_SECONDS=600 $(BIN)/socklb-kernel-tests --filter cluster_churn
	@CLUSTER_ROUNDS=60 $(BIN)/socklb-kernel-tests --filter cluster_random
	@VM_ALL=1 KERNEL_TESTS=1 scripts/test.sh vm
	@MIGRATIONS=100 KERNEL_TESTS=1 $(BIN)/socklb-kernel-tests --filter migration_there_and_back
	@UPGRADES=1000 KERNEL_TESTS=1 $(BIN)/socklb-kernel-tests --filter upgrade_between_two_builds

test-vm: build ## Kernel tests on Debian's kernels in qemu
	@scripts/test.sh vm

lint: ## Formatting, sizes and the rules about unsafe code
	@scripts/install-deps.sh --for lint
	@scripts/lint.sh

format: ## Rewrite the sources in the house format
	@scripts/install-deps.sh --for lint
	@scripts/lint.sh --fix

demo: build ## From nothing to answered connections, in a namespace of its own (root)
	@scripts/install-deps.sh --for demo
	@scripts/demo.sh

# The parts are scripts/bench/PART.sh.
BENCH ?=
bench: build ## Measure against the bars (root); BENCH=PART: one of hooks, paths, programming, memory
	@scripts/install-deps.sh --for bench
	@scripts/bench.sh $(BENCH)

# BASE is a commit. It is built once; its socklb-bench stays in .build/compare.
BASE ?= HEAD~1
bench-compare: build ## What the hooks cost here and in BASE; fails when it is more here (root)
	@scripts/bench-compare.sh $(BASE)

deb: build docs ## A Debian package in .build/deb
	@scripts/make-deb.sh

# These are rules for files, so that `sudo make install` after `make build docs` builds nothing:
# root may have no Swift in its path.
$(BIN)/socklb:
	@$(MAKE) build

$(MAN)/socklb.1: $(BIN)/socklb
	$(SWIFT_BUILD) --product generate-manual
	@rm -rf $(MAN) && mkdir -p $(MAN)
	$(BIN)/generate-manual $(BIN)/socklb --multi-page --date $(MANUAL_DATE) --output-directory $(MAN)
	@rm -f $(MAN)/socklb.help.1
	@sed -i -f scripts/package/manual.sed $(MAN)/*.1

$(COMPLETIONS)/socklb.bash: $(BIN)/socklb
	@mkdir -p $(COMPLETIONS)
	@for shell in zsh fish bash; do \
		$(BIN)/socklb --generate-completion-script $$shell | sed '1{/^#!/d}' \
			>$(COMPLETIONS)/socklb.$$shell || exit 1; \
	done

install: $(BIN)/socklb docs ## Install below DESTDIR/PREFIX, with man pages and completions
	install -D -m 755 $(BIN)/socklb $(BINDIR)/socklb
	install -d $(MANDIR)
	install -m 644 $(MAN)/*.1 $(MANDIR)/
	install -D -m 644 $(COMPLETIONS)/socklb.bash $(BASH_COMPLETION)
	install -D -m 644 $(COMPLETIONS)/socklb.zsh $(ZSH_COMPLETION)
	install -D -m 644 $(COMPLETIONS)/socklb.fish $(FISH_COMPLETION)

uninstall: ## Remove what install put there
	rm -f $(BINDIR)/socklb $(MANDIR)/socklb.1 $(MANDIR)/socklb.*.1
	rm -f $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)

clean: ## Remove everything that was built or fetched
	rm -rf .build
