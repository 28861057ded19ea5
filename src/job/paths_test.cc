#include "job/paths.h"

#include <gtest/gtest.h>

#include <string>

#include "job/environment.h"

namespace job {
namespace {

using std::string_literals::operator""s;

TEST(PathProblem, TakesNamesOfFiles) {
  for (const char* path : {"a", "a.b", "a..b", "..a", "...", "a/b/c.py", ".hidden", "é/ü", "a b",
                           "a-b", "a/-b", "~", "C:\\x", "*"}) {
    EXPECT_FALSE(PathProblem(path)) << path;
  }
  EXPECT_FALSE(PathProblem(std::string(kMaxPathBytes, 'a')));
}

TEST(PathProblem, RefusesWhatLeadsElsewhere) {
  for (const std::string& path :
       {""s, "/"s, "/a"s, "."s, ".."s, "../a"s, "a/.."s, "a/../b"s, "a/./b"s, "./a"s, "a//b"s,
        "a/"s, "-c"s, "a\0b"s, "a\nb"s, "a\x7F"s, "a\xC2\x85"s, "a\xFF"s,
        std::string(kMaxPathBytes + 1, 'a')}) {
    EXPECT_TRUE(PathProblem(path)) << path;
  }
  std::string deep = "a";
  for (size_t i = 1; i < kMaxPathParts; ++i) {
    deep += "/a";
  }
  EXPECT_FALSE(PathProblem(deep));
  EXPECT_TRUE(PathProblem(deep + "/a"));
}

TEST(FindPathConflict, FindsTheSecondOfTwo) {
  EXPECT_FALSE(FindPathConflict({}));
  EXPECT_FALSE(FindPathConflict({"a", "b", "c/a", "c/b", "ab", "a.b"}));
  EXPECT_EQ(FindPathConflict({"a", "b", "a"}), 2U);
  EXPECT_EQ(FindPathConflict({"a/b", "x", "a"}), 2U);
  EXPECT_EQ(FindPathConflict({"a", "x", "a/b/c"}), 2U);
  EXPECT_EQ(FindPathConflict({"a/b", "a/b/c"}), 1U);
}

TEST(VariableProblem, TellsNamesFromOthers) {
  for (const char* name : {"A", "_", "a1", "HOME", "LANG", "GOMAXPROCS", "LDX", "PATHS"}) {
    EXPECT_FALSE(VariableProblem(name)) << name;
  }
  EXPECT_FALSE(VariableProblem(std::string(kMaxVariableName, 'A')));
  for (const std::string& name : {""s,
                                  "1"s,
                                  "A-B"s,
                                  "A=B"s,
                                  "A B"s,
                                  "é"s,
                                  "A\0"s,
                                  std::string(kMaxVariableName + 1, 'A'),
                                  "LD_"s,
                                  "LD_PRELOAD"s,
                                  "LD_LIBRARY_PATH"s,
                                  "PATH"s,
                                  "IFS"s,
                                  "BASH_ENV"s,
                                  "ENV"s,
                                  "PYTHONSTARTUP"s,
                                  "PYTHONHOME"s,
                                  "PYTHONPATH"s,
                                  "GOFLAGS"s,
                                  "NODE_OPTIONS"s,
                                  "GLIBC_TUNABLES"s}) {
    EXPECT_TRUE(VariableProblem(name)) << name;
  }
}

}  // namespace
}  // namespace job
