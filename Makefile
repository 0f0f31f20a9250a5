# One way to do each everyday thing.
#
#   make run          build, load the demo data, leave a server running
#   make test         all that CI runs: lint, Go tests, conformance, real clients
#   make bench        the benchmarks of bench/
#   make soak         the randomized tests with new seeds, many times
#   make fuzz         every fuzz target for a short time
#   make conformance  replay what MongoDB answers (needs ../shared/recorded)

GO      ?= go
RECORDED ?= ../shared/recorded
export CGO_ENABLED = 0

.PHONY: docs build run test lint unit conformance conformance-update clients bench fuzz soak clean

build:
	$(GO) build -trimpath -o bin/argon ./cmd/argon

run: build
	bin/argon demo

test: lint unit conformance clients

lint:
	@bad=$$(gofmt -l cmd internal pkg test bench 2>/dev/null); if [ -n "$$bad" ]; then echo "gofmt: $$bad"; exit 1; fi
	$(GO) vet ./...

unit:
	$(GO) test ./...

# The randomized tests take fixed seeds in "test"; here new ones, again and again.
SOAK ?= 20
soak:
	ARGON_SEED=random ARGON_DIFF_PROGRAMS=500 $(GO) test -count $(SOAK) -timeout 0 -run 'Random|Model|Crash|Power|Kill|Law|Indexes|Retr|WriteErrors|Faults|Cut' \
		./internal/store ./internal/branch ./internal/command ./internal/query/... ./test/...

# Every fuzz target for a while. A crash stays as a file in the package's testdata.
FUZZTIME ?= 20s
fuzz:
	@grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u | while read dir; do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z]*' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$dir </dev/null || exit 1; \
		done; \
	done

conformance: build
	@if [ -d $(RECORDED) ]; then $(GO) run ./test/compat -dir $(RECORDED); \
	else echo "conformance: $(RECORDED) is not here, skipped"; fi

conformance-update: build
	$(GO) run ./test/compat -dir $(RECORDED) -update

clients: build
	test/clients/run

# The compatibility page, from the server's tables.
docs:
	$(GO) run ./test/docs

bench: build
	$(GO) run ./bench

clean:
	rm -rf bin .cache argon-data
