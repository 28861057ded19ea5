# The fuzzers: every .cc of this folder but the replay is a program of its own, which links the modules
# compiled with libFuzzer's coverage.
file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/*.cc)
list(FILTER fuzzers EXCLUDE REGEX "_test\\.cc$")
add_custom_target(fuzzers)
foreach(source ${fuzzers})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${source})
  target_compile_definitions(fuzz_${name} PRIVATE LIBFUZZER SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(fuzz_${name} PRIVATE http executor store docker sandbox language
    launcher_parts
    -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
endforeach()
target_sources(fuzz_config PRIVATE src/app/config.cc src/app/api_keys.cc)
