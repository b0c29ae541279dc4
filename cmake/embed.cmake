# SPDX-License-Identifier: Apache-2.0
# Writes the files below IN as C arrays of (path, text), so that `shoal init --demo` needs no files beside the program.
file(GLOB_RECURSE files RELATIVE ${IN} ${IN}/*)
list(SORT files)
set(out "/* Generated from examples/ by cmake/embed.cmake. */\n#include \"cli/demo.h\"\n\nconst cli_demo_file cli_demo_files[] = {\n")
foreach(f ${files})
  file(READ ${IN}/${f} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" text "${hex}")
  string(REGEX REPLACE "(\\\\x0a)" "\\1\"\n    \"" text "${text}")
  string(APPEND out "  {\"${f}\",\n    \"${text}\"},\n")
endforeach()
string(APPEND out "  {0, 0}};\n")
file(WRITE ${OUT} "${out}")
