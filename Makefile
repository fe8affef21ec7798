# Building and running needs Go alone. `make generate` needs clang-19,
# llvm-strip-19 and libbpf-dev (Debian: clang-19 llvm-19 libbpf-dev).

export CGO_ENABLED = 0
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: all build bench bench-json demo test test-long test-kernels lint generate check-generated licences dependencies clean

all: build

build:
	go build -trimpath -o ebpftop ./cmd/ebpftop

# A lab of network namespaces with traffic in it, and the dashboard inside.
demo: build
	$(SUDO) ./ebpftop demo

# Runs tests, and shows what they report in the end.
reported = @report=$$(mktemp); export EBPFTOP_TEST_REPORT=$$report; $(1); status=$$?; \
	echo "Linux $$(uname -r)"; sort $$report; rm $$report; exit $$status

# What needs root runs when it is root. EBPFTOP_TEST_REQUIRE_ROOT=1 makes a
# test fail that would be skipped.
test:
	$(call reported,go test -count=1 -timeout 15m ./...)
ifneq ($(shell id -u),0)
	@echo "Not root: the tests that need the kernel were skipped. Run: sudo make test"
endif

# For hours: an hour's soak, floods of a minute, 500 processes killed, and at each
# system call (needs strace), 1,000 interfaces and reloads, 5 million frames.
test-long:
	$(call reported,go test -count=1 -timeout 0 ./cmd/ebpftop \
		-soak 1h -flood 1m -kills 500 -each-step -veths 1000 -reloads 1000 && \
		go test -count=1 -timeout 0 ./probes -run Parser -frames 5000000)

# What ebpftop costs, beside a bridge, bare programs, others of its kind and
# nothing at all; needs root and iperf3, and measures btop, iftop, nethogs and
# bmon (Debian calls them so) where they are installed. All of it takes half an
# hour. make bench BENCH="-run wire -rounds 9"; bench-json is for a machine.
bench bench-json: build
	go build -trimpath -o .bench/ ./cmd/bench
	go test -c -o .bench/ ./probes ./ui
	$(SUDO) .bench/bench -tests .bench $(if $(filter bench-json,$@),-json) $(BENCH)

# Boots Debian's kernels under QEMU and runs the tests that need one inside; on
# some of them by make test-kernels KERNELS="6.1 6.12", or KERNELS=amd64.
test-kernels:
	.ci/kernels/run $(KERNELS)

lint: build
	test -z "$$(gofmt -l bpf cmd probes ui)" || { gofmt -l bpf cmd probes ui; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go tool errcheck -ignoretests -exclude .errcheck ./...
	go tool depguard ./...
	@if go tool nm ebpftop | grep 'T reflect.Value.MethodByName$$'; then \
		echo "calls methods by name, as templates do: the linker then keeps all there are, 4 MB" && exit 1; fi
	@! for test in $$(grep -oE '\<(Test|Fuzz)[A-Z]\w+' README.md | sort -u); do \
		grep -rqs --include='*_test.go' "^func $$test(" . || echo "README.md names $$test, which is no test"; \
	done | grep .

# Debian keeps asm/types.h, which <linux/types.h> needs, in a folder for each
# architecture; the types in it are the same on all.
generate: export BPF2GO_CFLAGS = -idirafter /usr/include/$(shell uname -m)-linux-gnu
generate:
	go generate ./bpf

# Fails if what is committed is not what the C in the tree compiles to.
check-generated: generate
	git diff --exit-code -- bpf
	test -z "$$(git ls-files --others --exclude-standard bpf)"

licences:
	.ci/licences >.github/licences

# Of what we use: it is what was published, under licences that permit it, and
# nothing bad is known of it. Where no database is in reach to tell, it says so; a
# copy of one does, by make dependencies VULNDB=file:///...
dependencies:
	go mod verify
	.ci/licences | diff -u .github/licences -
	@report=$$(go tool govulncheck $(if $(VULNDB),-db $(VULNDB)) ./... 2>&1); status=$$?; echo "$$report"; \
	case "$$report" in \
	"govulncheck: fetching vulnerabilities: "*) echo "No database of vulnerabilities in reach: none was looked for." ;; \
	*) exit $$status ;; \
	esac

clean:
	rm -rf ebpftop .bench
