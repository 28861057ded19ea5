#include "sandbox/outputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/text.h"

namespace sandbox {
namespace {

namespace fs = std::filesystem;

bool Matches(const char* pattern, const char* path) {
  int64_t steps = kMaxSteps;
  return MatchesPattern(pattern, path, &steps);
}

TEST(MatchesPattern, KeepsStarsWithinAPart) {
  EXPECT_TRUE(Matches("*.txt", "a.txt"));
  EXPECT_TRUE(Matches("*.txt", ".txt"));
  EXPECT_FALSE(Matches("*.txt", "d/a.txt"));
  EXPECT_TRUE(Matches("*/a", "d/a"));
  EXPECT_FALSE(Matches("*", "d/a"));
  EXPECT_TRUE(Matches("*a*b*c", "xxaabbbcc"));
  EXPECT_FALSE(Matches("*a*b*c", "xxaabbbccd"));
  EXPECT_TRUE(Matches("a?c", "abc"));
  EXPECT_TRUE(Matches("a?c",
                      "a\xC3\xA9"
                      "c"));
  EXPECT_FALSE(Matches("a?c", "a/c"));
  EXPECT_FALSE(Matches("a?", "a"));
  EXPECT_TRUE(Matches("", ""));
  EXPECT_FALSE(Matches("a", "ab"));
  EXPECT_FALSE(Matches("ab", "a"));
  EXPECT_TRUE(Matches("*", ""));
}

TEST(MatchesPattern, DoubleStarCrossesFolders) {
  EXPECT_TRUE(Matches("**", "a/b/c"));
  EXPECT_TRUE(Matches("**/x", "x"));
  EXPECT_TRUE(Matches("**/x", "a/b/x"));
  EXPECT_FALSE(Matches("**/x", "a/bx"));
  EXPECT_TRUE(Matches("a/**/x", "a/x"));
  EXPECT_TRUE(Matches("a/**/x", "a/b/c/x"));
  EXPECT_FALSE(Matches("a/**/x", "ax"));
  EXPECT_TRUE(Matches("a/**", "a/b/c"));
  EXPECT_TRUE(Matches("**/*.log", "a/b.c/d.log"));
  EXPECT_TRUE(Matches("**/b/*", "a/b/c/b/d"));
}

TEST(MatchesPattern, EndsWithItsSteps) {
  int64_t steps = 1000;
  const std::string pattern = "**a*a*a*a*a*a*a*a*a*a*a*a*b";
  EXPECT_FALSE(MatchesPattern(pattern.c_str(), std::string(240, 'a').c_str(), &steps));
  EXPECT_LE(steps, 0);
}

class FindOutputsTest : public testing::Test {
 protected:
  FindOutputsTest() : root_(fs::path(testing::TempDir()) / ("box-" + base::RandomId())) {
    fs::create_directories(root_);
    box_.reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  ~FindOutputsTest() override { fs::remove_all(root_); }

  void Write(const std::string& path) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << "x";
  }

  // Sorted after those that are no patterns; "!" at the end when there is more.
  std::vector<std::string> Find(const std::vector<std::string>& names) {
    std::vector<std::string> found;
    const bool all = FindOutputs(
        box_.get(), names.size(), [&](size_t i) { return names[i].c_str(); },
        [&](const char* path) { found.emplace_back(path); });
    std::sort(found.begin(), found.end());
    if (!all) {
      found.emplace_back("!");
    }
    return found;
  }

  const fs::path root_;
  base::UniqueFd box_;
};

using Names = std::vector<std::string>;

TEST_F(FindOutputsTest, TakesPathsAsTheyAreAndPatternsWhereTheyMatch) {
  for (const char* path : {"a.txt", "b.txt", "c.log", "d/e.txt", "d/f/g.txt"}) {
    Write(path);
  }
  EXPECT_EQ(Find({"missing", "c.log"}), (Names{"c.log", "missing"}));
  EXPECT_EQ(Find({"*.txt"}), (Names{"a.txt", "b.txt"}));
  EXPECT_EQ(Find({"**/*.txt", "*.txt", "a.txt"}),
            (Names{"a.txt", "b.txt", "d/e.txt", "d/f/g.txt"}));
  EXPECT_EQ(Find({"d/*"}), Names{"d/e.txt"});
  EXPECT_EQ(Find({"nothing*"}), Names{});
}

TEST_F(FindOutputsTest, SeesRegularFilesOnly) {
  Write("d/real");
  fs::create_symlink("/etc/passwd", root_ / "link");
  fs::create_directory_symlink("/etc", root_ / "etc");
  fs::create_directory_symlink(root_ / "d", root_ / "again");
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(Find({"**"}), Names{"d/real"});
}

TEST_F(FindOutputsTest, IsBounded) {
  for (size_t i = 0; i < kMaxOutputs; ++i) {
    Write("f" + std::to_string(i));
  }
  EXPECT_EQ(Find({"f*"}).size(), kMaxOutputs);
  Write("f-one-more");
  const Names found = Find({"f*"});
  EXPECT_EQ(found.size(), kMaxOutputs + 1);
  EXPECT_EQ(found.back(), "!");
}

TEST_F(FindOutputsTest, ToldOfFoldersThatAreTooDeep) {
  std::string deep;
  for (int i = 0; i <= kMaxOutputDepth; ++i) {
    deep += "d/";
  }
  Write(deep + "file");
  EXPECT_EQ(Find({"**"}), Names{"!"});
}

TEST_F(FindOutputsTest, PatternsThatCostMuchAreGivenUp) {
  for (int i = 0; i < 200; ++i) {
    Write(std::string(200, 'a') + std::to_string(i));
  }
  Names names(kMaxOutputs, "**a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
  EXPECT_EQ(Find(names), Names{"!"});
}

}  // namespace
}  // namespace sandbox
