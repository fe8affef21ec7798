# Building and running needs Go alone. `make generate` needs clang-19,
# llvm-strip-19 and libbpf-dev (Debian: clang-19 llvm-19 libbpf-dev); `make lint`
# needs clang-format-19.
# `make help` lists the targets.

export CGO_ENABLED = 0
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: all help build demo test race test-long cases golden bench test-kernels \
	fmt lint generate check-generated man licences dependencies \
	release test-release test-packages clean

all: build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z].*:.*## / { printf "%-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The go command records the tag and the commit, in a clone; not in a work tree of git's.
build: ## make ./ebpftop
	go build -trimpath -buildvcs=auto -ldflags='-s -w' -o ebpftop ./cmd/ebpftop

# A lab of network namespaces with traffic in it, and the dashboard inside.
demo: build ## open the dashboard in a lab with traffic of its own
	$(SUDO) ./ebpftop demo

# Runs tests, and shows what they report in the end.
reported = @report=$$(mktemp); export EBPFTOP_TEST_REPORT=$$report; $(1); status=$$?; \
	echo "Linux $$(uname -r)"; sort $$report; rm $$report; exit $$status

# What needs root runs when it is root. EBPFTOP_TEST_REQUIRE_ROOT=1 makes a
# test fail that would be skipped.
test: ## run the tests: as root all of them, else those that need no kernel
	$(call reported,go test -count=1 -timeout 30m ./...)
ifneq ($(shell id -u),0)
	@echo "Not root: the tests that need the kernel were skipped. Run: sudo make test"
endif

# Where goroutines meet. The detector needs cgo, and makes the screen's tests ten times slower:
# those are in test-long.
slowest = ^Test(WhoOwnsWhat|FromBefore|AcceptedByAWorker|PassedOn|SameTuple|SharedPort|TakenOver)$$
race: ## run the tests of what goroutines share under the race detector (needs gcc)
	CGO_ENABLED=1 go test -race -count=1 -skip '$(slowest)' ./ui/snapshot ./ui/terminal ./probes/inspect \
		./probes/live ./probes/crossconnect/linksfile ./probes/internal/kernel

# For hours: an hour's soak, floods of a minute, 500 processes killed, and at each
# system call (needs strace), 1,000 interfaces and reloads, 5 million frames, and each fuzz
# test for ten minutes.
test-long: ## run the long tests, for hours
	$(call reported,go test -count=1 -timeout 0 ./cmd/ebpftop \
		-soak 1h -flood 1m -kills 500 -each-step -veths 1000 -reloads 1000 && \
		go test -count=1 -timeout 0 ./probes/packets -run Parser -frames 5000000)
	CGO_ENABLED=1 go test -race -count=1 -timeout 0 ./ui
	.ci/fuzz

# make cases CASES="one.sh two.py"
cases: build ## play scripts that try ebpftop, see .ci/cases
	$(SUDO) .ci/cases $(CASES)

# What ebpftop costs, beside a bridge, bare programs, others of its kind and
# nothing at all; needs root and iperf3, and measures btop, iftop, nethogs and
# bmon (Debian calls them so) where they are installed. All of it takes more than
# half an hour. make bench BENCH="-run wire -rounds 9". What it prints is for benchstat.
bench: build ## measure what ebpftop costs, more than half an hour
	go build -trimpath -o .bench/ ./cmd/bench
	go test -c -o .bench/ ./probes/live ./probes/packets ./ui
	$(SUDO) .bench/bench -tests .bench $(BENCH)

# Boots Debian's kernels under QEMU and runs the tests that need one inside; on
# some of them by make test-kernels KERNELS="6.1 6.12", or KERNELS=amd64.
test-kernels: ## run the tests on other kernels, under QEMU
	.ci/kernels/run $(KERNELS)

sources = bpf cmd packaging/sbom probes ui

# Where programs for the kernel are, and what they compile to.
compiled = bpf cmd/bench/baselines

# The screens that tests of package ui compare with. Look at the difference.
golden: ## write the golden files of the screen anew
	go test -count=1 ./ui -update

# The C there is.
c = $(wildcard headers/*.h $(addsuffix /*.bpf.c,$(compiled)))

fmt: ## format the sources, the C with clang-format-19
	gofmt -w $(sources)
	clang-format-19 -i $(c)

# Functions that only these have a use for are not dead: what tests share.
helpers = probes/lab/labtest|ui/internal/fake|ui/terminal/emulated

lint: ## check the sources, and what the documents say of them
	test -z "$$(gofmt -l $(sources))" || { gofmt -l $(sources); exit 1; }
	clang-format-19 --dry-run -Werror $(c)
	go mod tidy -diff
	go vet ./...
	GOOS=darwin go vet ./ui/...
	go tool staticcheck ./...
	go tool errcheck -ignoretests -exclude .errcheck ./...
	go tool predeclared ./...
	go tool depguard ./...
	.ci/imports
	@! go tool deadcode ./... | grep -vE '^($(helpers))/'
	go build -o .bench/unstripped ./cmd/ebpftop
	@if go tool nm .bench/unstripped | grep 'T reflect.Value.MethodByName$$'; then \
		echo "calls methods by name, as templates do: the linker then keeps all there are, 4 MB" && exit 1; fi
	.ci/tests-named
	.ci/links

# Debian keeps asm/types.h, which <linux/types.h> needs, in a folder for each
# architecture; the types in it are the same on all.
generate: export BPF2GO_CFLAGS = -idirafter /usr/include/$(shell uname -m)-linux-gnu
generate: ## compile the C, with clang-19
	go generate $(addprefix ./,$(compiled))

# Fails if what is committed is not what the C in the tree compiles to.
check-generated: generate ## compare what is committed with what the C compiles to
	git diff --exit-code -- $(compiled)
	test -z "$$(git ls-files --others --exclude-standard $(compiled))"

# TestPackaged compares.
man: ## write what packages hold of the commands anew
	go test -count=1 ./cmd/ebpftop -run '^TestPackaged$$' -write-packaged

# Of what is committed. A release is of a tag: git tag v1.2.3, then this.
release: ## make archives, packages, SBOMs and checksums in dist/
	packaging/release

test-release: ## make a release twice, and compare; minutes
	packaging/test-release

# Needs root and, of Debian, lintian and mmdebstrap.
test-packages: ## install, use and purge the package in a fresh Debian
	packaging/test-packages

licences: ## write .github/licences anew
	.ci/licences >.github/licences

# Of what we use: it is what was published, under licences that permit it, and nothing bad
# is known of it in the entries of a fixed version of the database: the newest are looked
# into by .ci/vulnerabilities latest. Where none is in reach, it says so.
dependencies: ## check licences and known vulnerabilities of what is used
	go mod verify
	.ci/licences | diff -u .github/licences -
	.ci/vulnerabilities

clean: ## remove what was built
	rm -rf ebpftop .bench dist
