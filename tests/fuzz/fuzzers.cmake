# The fuzzers: every .cc of this folder but the replay is a program of its own. The code under test is
# compiled once, with libFuzzer's coverage.
file(GLOB fuzzed CONFIGURE_DEPENDS src/base/*.cc src/job/*.cc src/language/*.cc)
list(FILTER fuzzed EXCLUDE REGEX "_test\\.cc$")
add_library(fuzzed STATIC ${fuzzed}
  src/app/config.cc
  src/http/router.cc
  src/sandbox/policy.cc
  src/sandbox/launcher/check.cc
  src/sandbox/launcher/payload_parser.cc)
target_link_libraries(fuzzed PUBLIC boost_json spdlog::spdlog Threads::Threads PkgConfig::SECCOMP
  PkgConfig::TOMLPP)

file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/*.cc)
list(FILTER fuzzers EXCLUDE REGEX "_test\\.cc$")
foreach(source ${fuzzers})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} ${source})
  target_compile_definitions(fuzz_${name} PRIVATE LIBFUZZER SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(fuzz_${name} PRIVATE fuzzed -fsanitize=fuzzer)
endforeach()
