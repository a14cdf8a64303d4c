# openped: everything a person or a machine runs. `make help` lists it.

SHELL := /bin/bash
GO ?= go
FUZZTIME ?= 10s
export GO FUZZTIME

# No commit goes into a binary: git refuses to tell it in a folder of another
# owner, and the build would fail.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

COMMANDS := pedserver pedclient softped hsmcm

# The hostile channel tests try every byte of every message: a target of their
# own, without the race detector, which would make minutes out of seconds.
HOSTILE := Hostile

.DEFAULT_GOAL := help
.PHONY: help setup build demo test race hostile crash flood faults test-usb test-usb-full test-service imports fuzz vectors bench scale lint cross packages test-packages test-windows clean

help:   ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@scripts/setup

build: setup   ## bin/pedserver bin/pedclient bin/softped bin/hsmcm
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/ $(COMMANDS:%=./cmd/%)

demo: build   ## the whole system in about a minute; INTERACTIVE=1 gives you the PED's keypad
	@$(GO) build -trimpath -o bin/demo ./test/demo
	@bin/demo -bin bin $(if $(filter-out 0 no,$(INTERACTIVE)),-interactive)

test: setup   ## all tests, with Wycheproof's vectors
	@NEED_NET=1 scripts/setup
	$(GO) test $(TESTFLAGS) ./...

# What test/ starts are ordinary programs, in which the detector sees nothing:
# of test/ only what runs in the test's own process is worth the time.
race: setup   ## the tests under the race detector, except the hostile ones
	@NEED_CC=1 scripts/setup
	CGO_ENABLED=1 $(GO) test -race -skip '$(HOSTILE)' $$($(GO) list ./... | grep -v '^openped/test/') ./test/thief

hostile: setup   ## every byte of the channel flipped, cut, repeated, reflected
	@scripts/hostile '$(HOSTILE)'

crash: setup   ## kill -9 of every program at every step of the ceremonies: minutes
	@scripts/crash

flood: setup   ## 200 strangers a second, FLOODTIME long (default 30s), while ceremonies run
	@scripts/flood

faults: setup   ## full disks, stopped processes, dead networks, wrong clocks, crashes: two minutes
	@scripts/faults

test-usb: setup   ## a software PED on a real USB stack, in an emulated machine: three minutes
	@scripts/test-usb

test-usb-full: setup   ## the long ones of it too: plugged 50 times, cut at every screen, hostile devices, speed
	@scripts/test-usb -full

test-service: setup   ## the packages under this machine's own systemd, in namespaces; root: three minutes
	@scripts/test-service

imports: setup   ## the import rules of the house
	$(GO) test -count=1 ./test/imports

fuzz: setup   ## every fuzz target for FUZZTIME (default 10s) each
	@scripts/fuzz

vectors: setup   ## official ACVP vectors in OPENPED_VECTORS (default ../shared/vectors)
	@scripts/vectors

bench: setup   ## speed: one `name value` per line
	@$(GO) run ./test/bench

scale: setup   ## one pedclient logs 200 slots in at once: cost per session, which must grow linearly
	@$(GO) test -count=1 -run TestScale -v ./test/scale -args -slots 1,10,50,200

lint: setup   ## gofmt, vet, staticcheck, govulncheck where its database can be reached
	@scripts/lint

cross: setup   ## what we ship must build for Linux and Windows, with and without USB
	@NEED_MINGW=1 scripts/setup
	CGO_ENABLED=0 GOOS=linux $(GO) build ./...
	$(GO) build -tags nousb ./...
	CGO_ENABLED=0 GOOS=windows $(GO) build ./...
	CGO_ENABLED=0 GOOS=windows $(GO) vet ./...
	@scripts/cross-usb

test-windows: setup   ## the programs for Windows, their services and their .msi, in Wine: three minutes
	@scripts/test-windows

packages:   ## .deb, .rpm, .msi and .zip for amd64 and arm64 in out/packages; ARCHS, FORMATS, VERSION, USB=0
	@scripts/packages
	@scripts/packages-windows

test-packages:   ## builds them twice, compares, looks into each, installs and removes them
	@scripts/test-packages

clean:   ## what was built
	rm -rf bin out
