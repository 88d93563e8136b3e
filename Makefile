# What the project does from the shell; `make` lists it. Everything else is cargo.

HOSTS ?= 1
NODES ?= 2
NODE_CPU ?= 16
NODE_MEMORY ?= 64Gi
FUZZ_SECONDS ?= 600
SEED ?= 1
KILLS ?= 200
SEEDS ?= 2000
FIRST ?= 1
CHART_FUZZ_TARGETS ?= template archive values
PLUGIN_FUZZ_TARGETS ?= call handshake
RIG := $(or $(CARGO_TARGET_DIR),target)/debug/rig

.DEFAULT_GOAL := help
.PHONY: bins help quickstart test test-unit test-charts test-hosts test-terraform torment simulate \
	compare-charts fuzz lint docs tools bench-applying bench-planning bench-refreshing bench-render bench-startup rig-up rig-down

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do \
		printf 'make %-16s %s\n' "$$target" "$$text"; done

quickstart: ## A cluster group and two virtual clusters on hosts of its own: create, use, refuse, pause, drift, destroy
	@quickstart/run

test: tools ## Every test, against real API servers and real Terraform
	@tests/run all
	@$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=20 PLUGIN_FUZZ_TARGETS=

test-unit: ## The tests that start no program but ours: seconds
	@tests/run unit

test-charts: tools ## Charts beside real Helm and a real registry, and charts that mean harm
	@tests/run charts

test-hosts: tools ## What we do to hosts, on real API servers
	@tests/run hosts

test-terraform: tools ## What users see, with the real Terraform
	@tests/run terraform

torment: tools ## KILLS times the plugin or Terraform killed, every fault in every operation, random faults; SEED gives them again
	TORMENT_SEED="$(SEED)" TORMENT_KILLS="$(KILLS)" tests/run torment

simulate: ## SEEDS lives of groups and virtual clusters on hosts in memory, from seed FIRST on. SIMULATION_SEED=n plays one again, and prints it
	@SIMULATION_SEEDS="$(SEEDS)" SIMULATION_FIRST="$(FIRST)" \
		cargo test --profile simulation --package terraform-provider-nested --lib simulation -- --nocapture

compare-charts: ## HELM_CHARTS=DIRECTORY: charts of others, every case of their own suites, beside Helm
	@test -n "$(HELM_CHARTS)" || { echo "HELM_CHARTS names no directory of charts." >&2; \
		echo "Put one there for each version, with helm pull vcluster --repo https://charts.loft.sh --version 0.34.7," >&2; \
		echo "or the directory chart of a checkout of github.com/loft-sh/vcluster, which has the test suites, too." >&2; \
		exit 2; }
	HELM_CHARTS="$(HELM_CHARTS)" cargo test --quiet --workspace --test charts suites -- --nocapture

fuzz: ## Feed charts and calls that nobody wrote: FUZZ_SECONDS for each of CHART_FUZZ_TARGETS and PLUGIN_FUZZ_TARGETS
	@for target in $(CHART_FUZZ_TARGETS); do crates/helm-charts/fuzz/run $$target $(FUZZ_SECONDS) || exit 1; done
	@for target in $(PLUGIN_FUZZ_TARGETS); do crates/terraform-plugin/fuzz/run $$target $(FUZZ_SECONDS) || exit 1; done

lint: ## Formatting, Clippy, and the licences, sources and versions of crates, as reviews expect them
	@tests/lint

docs: ## Write the reference pages in docs/ from the schema and the examples
	@UPDATE_DOCS=1 cargo test --quiet --workspace --test unit docs
	@git -c core.pager=cat diff --stat -- docs

tools: bins ## Build what tests and rig need and the machine lacks (once, about 10 minutes from nothing)
	@$(RIG) build
	@for tool in terraform tofu kubectl; do $(RIG) tool $$tool; done
	@for tool in helm registry; do crates/helm-charts/testing/go/build $$tool; done

# The whole workspace, as the tests build it: a package alone has other features, and most of the tree would be compiled twice.
bins:
	@cargo build --workspace --bins

bench-applying: ## 100 virtual clusters created, paused, resumed and destroyed at -parallelism=50: requests, refusals, time
	cargo bench --bench applying

bench-planning: ## Requests to the hosts for planning 1, 100 and 1,000 virtual clusters of a group
	cargo bench --profile dev --bench planning

bench-refreshing: ## A plan over 10, 100 and 1,000 virtual clusters that exist; HELM_PROVIDER=PATH: beside helm_release
	HELM_PROVIDER="$(HELM_PROVIDER)" cargo bench --bench refreshing

bench-render: ## CHART=PATH: time and memory of rendering a chart, beside helm template
	cargo bench --bench render -- $(CHART)

bench-startup: ## Time and memory to the handshake and the schema, beside a Go provider
	cargo bench --bench startup

rig-up: bins ## Start HOSTS host clusters in the background; prints `host-N <kubeconfig path>` for each
	@$(RIG) up --detach \
		--hosts $(HOSTS) --nodes $(NODES) --node-cpu $(NODE_CPU) --node-memory $(NODE_MEMORY)

rig-down: bins ## Stop them; returns when all of it is gone
	@$(RIG) down
