# SPDX-License-Identifier: Apache-2.0
# The entry points. CMake and Ninja do the work below build/.
SHELL := /bin/bash
BUILD ?= build
JOBS ?= $(shell nproc)
export SHOAL_DEPS ?= $(CURDIR)/.deps

.PHONY: all deps demo test sanitize lint bench interop soak fuzz clean install format
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) -j $(JOBS) $(if $(V),-v,--quiet)

deps:
	@tools/fetch build
$(BUILD)/build.ninja: CMakeLists.txt tools/fetch | deps
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }; mv $(BUILD).log $(BUILD)/configure.log
demo: all
	@tools/demo
test: all
	@tools/test
sanitize:
	@tools/sanitize
lint:
	@tools/lint
bench: all
	@tools/bench
interop: all
	@tools/interop
soak: all
	@tools/soak $(or $(MINUTES),10)
fuzz:
	@tools/fuzz $(or $(SECONDS),60)
format:
	@tools/fetch lint && clang-format-14 -i $$(git ls-files '*.c' '*.h')
install: all
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))
clean:
	rm -rf $(BUILD) build-*
