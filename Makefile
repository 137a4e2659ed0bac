# Recipes exec the pinned Node themselves: between make and a program, npm and sh would swallow
# SIGTERM. Nothing here needs a global tool but make, sh, and npm with the Node it came with.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
NODE := node_modules/.bin/node
INSTALLED := node_modules/.installed
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

FILE ?= examples/streamcluster.yaml

# Programs get these as arguments. In the environment, where make would put them too, names this
# common would reach everything a test starts, down to another make.
unexport PORT DATA FILE SEED SEEDS SECONDS ONLY ARGS
MAKEOVERRIDES :=

# GNU make hands SIGTERM on to what it runs, but not SIGINT: at a terminal Ctrl-C reaches the whole
# process group anyway; `kill -INT` of make alone does not. On either signal make deletes the file
# it was making, so the program is run as the making of this file, and scripts/heed-make.ts takes
# its deletion for the signal. One file per make, so that several may run at once; one left behind
# by a kill -9 must not count as made.
.PHONY: always
RUNNING := .cache/running-$(shell echo $$PPID)

.PHONY: help
help: ## List the targets (this text)
	@echo 'make <target>; variables go behind it, as in `make run PORT=9092`'
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: $(RUNNING) ## Run a cluster here: PORT=9092 DATA=./data FILE=examples/streamcluster.yaml

$(RUNNING): $(INSTALLED) always
	@$(call needs,operator/local/main.ts)
	@mkdir -p .cache && touch $@
	@MAKE_RUNNING=$@ exec $(NODE) --import '$(CURDIR)/scripts/heed-make.ts' operator/local/main.ts \
		$(if $(PORT),--port '$(PORT)') $(if $(DATA),--data '$(DATA)') --file '$(FILE)' $(ARGS)

.PHONY: demo
demo: $(INSTALLED) ## Show a cluster under load growing, shrinking, and losing a broker
	@$(call needs,operator/local/demo.ts)
	@exec $(NODE) operator/local/demo.ts $(ARGS)

.PHONY: test
test: $(INSTALLED) ## Run the tests: all, or ARGS='path/to/x.test.ts -t name'
	@exec $(NODE) --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js $(ARGS)

.PHONY: e2e
e2e: $(INSTALLED) ## Run the tests on a real Kubernetes, started here (Linux, root; builds it the first time)
	@PATH="$$PATH:/usr/local/go/bin" ./scripts/build-s3-servers.sh
	@PATH="$$PATH:/usr/local/go/bin" ./scripts/build-kubernetes.sh
	@exec $(NODE) --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js \
		--config jest.kubernetes.config.js $(ARGS)

.PHONY: check
check: $(INSTALLED) ## Hold the rules: types, format, lint, imports, globals, unused code, sizes, words
	@exec $(NODE) scripts/check.ts

.PHONY: fix
fix: $(INSTALLED) ## Format all code, and repair what the linter can repair safely
	@exec $(NODE) node_modules/@biomejs/biome/bin/biome check --write

.PHONY: sim
sim: $(INSTALLED) ## Simulate a cluster with faults: SEED=7 for one seed, SEEDS=1..200 for many
	@$(call needs,sim/main.ts)
	@exec $(NODE) sim/main.ts $(if $(SEED),--seed '$(SEED)') $(if $(SEEDS),--seeds '$(SEEDS)') $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## Measure speed side by side with peers
	@$(call needs,bench/main.ts)
	@exec $(NODE) bench/main.ts $(ARGS)

.PHONY: compat
compat: $(INSTALLED) ## Run real clients against real brokers, and write docs/compatibility.md
	@exec $(NODE) compat/main.ts $(ARGS)

# V8's Maglev, which compiles in a thread of its own, has ended the fuzzer by a check of its own that
# failed (JSFunctionRef::shared, Node 26.10; nodejs/node issue 66126 tells of the like).
.PHONY: fuzz
fuzz: $(INSTALLED) ## Feed decoders and a broker with bad input: SEED=7 SECONDS=60 ONLY=request
	@exec $(NODE) --no-maglev fuzz/main.ts $(if $(SEED),--seed '$(SEED)') $(if $(SECONDS),--seconds '$(SECONDS)') \
		$(if $(ONLY),--only '$(ONLY)') $(ARGS)

.PHONY: manifests
manifests: $(INSTALLED) ## Write deploy/operator.yaml from the Helm chart (needs scripts/build-kubernetes.sh)
	@exec $(NODE) scripts/manifests.ts

.PHONY: crds
crds: $(INSTALLED) ## Write the resource definitions in crds/ from operator/api
	@exec $(NODE) scripts/crds.ts

.PHONY: install
install: $(INSTALLED) ## Install what package-lock.json lists (all other targets do it first)

# `npm ci` refuses a lock file without the optional packages of other platforms, and npm leaves out
# of it what a registry does not carry. This installs the same versions, checked by the same hashes;
# `make check` holds package.json and package-lock.json in step, which `npm ci` would do otherwise.
$(INSTALLED): package.json package-lock.json
	@command -v node >/dev/null 2>&1 || { echo >&2 'node is missing: install Node.js 20 or later' \
		'(it only runs npm; the program brings its own Node)'; exit 1; }
	@command -v npm >/dev/null 2>&1 || { echo >&2 'npm is missing: install npm 10 or later'; exit 1; }
	npm install --no-save --no-audit --no-fund --loglevel=error </dev/null
	@$(NODE) --version >/dev/null 2>&1 || { echo >&2 '$(NODE) does not run: npm must be allowed to' \
		'run the install script of the package "node" (npm config get ignore-scripts)'; exit 1; }
	@touch $@

needs = test -f $(1) || { echo >&2 '$(1) is not in this checkout'; exit 2; }
