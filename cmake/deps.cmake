# SPDX-License-Identifier: Apache-2.0
# What tools/fetch brought, as one interface target. Fetched sources are compiled as their own objects, without the
# project's warnings and without UBSan. Debian's libraries are linked statically, which keeps the start of a process short.
set(B3 ${SHOAL_DEPS}/blake3)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(B3_ARCH ${B3}/blake3_sse2_x86-64_unix.S ${B3}/blake3_sse41_x86-64_unix.S ${B3}/blake3_avx2_x86-64_unix.S
      ${B3}/blake3_avx512_x86-64_unix.S)
else()
  set(B3_ARCH ${B3}/blake3_neon.c)
endif()
add_library(blake3 STATIC ${B3}/blake3.c ${B3}/blake3_dispatch.c ${B3}/blake3_portable.c ${B3_ARCH})
target_include_directories(blake3 SYSTEM PUBLIC ${B3})
target_compile_options(blake3 PRIVATE -w -O3)
add_library(yyjson STATIC ${SHOAL_DEPS}/yyjson/yyjson.c)
target_include_directories(yyjson SYSTEM PUBLIC ${SHOAL_DEPS}/yyjson)
target_compile_options(yyjson PRIVATE -w -O3)
# Deletion vectors.
add_library(roaring STATIC ${SHOAL_DEPS}/roaring/roaring.c)
target_include_directories(roaring SYSTEM PUBLIC ${SHOAL_DEPS}/roaring)
target_compile_options(roaring PRIVATE -w -O3)
# Arrow's C data interface and IPC streams.
set(NA ${SHOAL_DEPS}/nanoarrow)
add_library(nanoarrow STATIC ${NA}/src/nanoarrow/common/array.c ${NA}/src/nanoarrow/common/schema.c
            ${NA}/src/nanoarrow/common/array_stream.c ${NA}/src/nanoarrow/common/utils.c ${NA}/src/nanoarrow/ipc/encoder.c
            ${NA}/src/nanoarrow/ipc/reader.c ${NA}/src/nanoarrow/ipc/writer.c ${NA}/src/nanoarrow/ipc/decoder.c
            ${NA}/src/nanoarrow/ipc/codecs.c ${NA}/runtime/verifier.c ${NA}/runtime/builder.c ${NA}/runtime/emitter.c ${NA}/runtime/refmap.c)
target_include_directories(nanoarrow SYSTEM PUBLIC ${NA}/src PRIVATE ${NA}/include)
target_compile_options(nanoarrow PRIVATE -w -O3)
find_library(ZLIB_LIB NAMES libz.a REQUIRED)
find_library(XXHASH_LIB NAMES libxxhash.a REQUIRED)
find_library(YAML_LIB NAMES libyaml.a REQUIRED)
add_library(lmdb STATIC ${SHOAL_DEPS}/lmdb/mdb.c ${SHOAL_DEPS}/lmdb/midl.c)
target_include_directories(lmdb SYSTEM PUBLIC ${SHOAL_DEPS}/lmdb)
target_compile_options(lmdb PRIVATE -w -O2)
add_library(shoal_deps INTERFACE)
target_include_directories(shoal_deps SYSTEM INTERFACE ${SHOAL_DEPS}/duckdb)
target_link_libraries(shoal_deps INTERFACE blake3 yyjson roaring nanoarrow ${ZLIB_LIB} ${XXHASH_LIB} ${YAML_LIB} lmdb)
