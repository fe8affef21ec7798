# What is wrong with the log of a kernel by the table, a line each:
#
#	awk -v kernel=6.1 -f features.awk features LOG
BEGIN { FS = "\t+" }
/^#/ || /^$/ { next }

NR == FNR && !rows++ { # the header
	for (i = 2; i < NF; i++)
		if ($i == kernel) column = i
	next
}
NR == FNR {
	feature[++features] = $1
	promised[features] = $column
	evidence[features] = $NF
	next
}

/^=/ { diagnosing = /^=doctor/ }
diagnosing && /^    "name": / { finding = "doctor " quoted() }
diagnosing && /^    "status": / { status[finding] = quoted() }
match($0, /--- (PASS|FAIL|SKIP): [^ ]*/) {
	test = substr($0, RSTART + 10, RLENGTH - 10)
	result[test] = result[test] " " substr($0, RSTART + 4, 4)
}

END {
	if (!column) print "the table of features has no column for " kernel
	for (row = 1; column && row <= features; row++) check(feature[row], promised[row], evidence[row])
	for (test in result) {
		if (result[test] ~ /FAIL/) print test " failed"
		if (result[test] ~ /SKIP/ && !(test in excused)) print test " was skipped"
	}
	for (finding in status)
		if (!(finding in listed)) print "the table of features lacks " finding
}

# quoted is the value of a line of JSON.
function quoted() {
	sub(/^[^:]*: "/, "")
	sub(/",?$/, "")
	return $0
}

function check(what, promise, shown,    items, n, i, works) {
	if (promise !~ /^(yes|part|no)$/) print what ": neither yes nor part nor no in the table of features"
	n = split(shown, items, ", ")
	for (i = 1; i <= n; i++) {
		listed[items[i]] = 1
		works = items[i] ~ /^doctor / ? finds(items[i]) : pass(items[i], promise)
		if (works != promise) print what ": " works " by " items[i] ", " promise " in the table of features"
	}
}

function finds(finding) {
	if (status[finding] == "degraded") return "part"
	return status[finding] == "ok" ? "yes" : "no"
}

# pass says whether there are such tests, and all passed. Where they are not
# promised to, those that were skipped are excused.
function pass(name, promise,    test, passed, others) {
	for (test in result) {
		if (test !~ "^(" name ")$") continue
		if (result[test] ~ /^( PASS)+$/) passed++
		else others++
		if (promise != "yes") excused[test] = 1
	}
	return passed && !others ? "yes" : "no"
}
