#include "language/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "language/process.h"
#include "language/warm_up.h"

namespace language {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ToolTest : public testing::Test {
 protected:
  ToolTest() : root_(fs::canonical(testing::TempDir()) / ("tools-" + base::RandomId())) {
    fs::create_directories(root_ / "usr");
    fs::create_directories(root_ / "opt");
    options_.roots = {(root_ / "usr").string()};
    options_.path = {(root_ / "usr").string()};
    language_.id = "toy";
    language_.name = "Toy";
    language_.source = "main.toy";
    language_.version_argv = {"{tool}", "--version"};
    language_.version_pattern = "toy (\\d+\\.\\d+)";
    language_.run.argv = {"{tool}", "{source}"};
  }

  ~ToolTest() override { fs::remove_all(root_); }

  std::string Script(const std::string& name, const std::string& text) {
    const fs::path path = root_ / name;
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }

  void Detect() { BlockingDetect(options_, &language_); }

  fs::path root_;
  DetectOptions options_;
  Language language_;
};

TEST_F(ToolTest, Detect_TakesTheFirstCandidateThatAnswers) {
  Script("usr/broken", "echo broken >&2; exit 3");
  const std::string tool = Script("usr/toy", "echo toy 1.25 $1");
  language_.tools = {"/nonexistent/toy", "broken", "toy"};
  Detect();
  EXPECT_TRUE(language_.available) << language_.unavailable_reason;
  EXPECT_EQ(language_.tool, tool);
  EXPECT_EQ(language_.version, "1.25");
  EXPECT_THAT(language_.run.argv, ElementsAre(tool, "{source}"));
}

TEST_F(ToolTest, Detect_LeavesOutModulesThatAreNotThere) {
  const std::string tool = Script(
      "usr/toy", "[ $1 = --version ] && echo toy 1.2 || { shift; echo $* | sed s/absent.//g; }");
  language_.tools = {tool};
  language_.modules_argv = {"{tool}", "modules"};
  language_.run.preload = {{"json", "absent1"}, {"absent2"}, {"numpy"}};
  Detect();
  EXPECT_TRUE(language_.available) << language_.unavailable_reason;
  EXPECT_THAT(language_.run.preload, ElementsAre(ElementsAre("json"), ElementsAre("numpy")));

  Script("usr/toy", "[ $1 = --version ] && echo toy 1.2 || { echo json numpy; exit 1; }");
  Detect();
  EXPECT_TRUE(language_.available);
  EXPECT_THAT(language_.run.preload, ElementsAre());
}

TEST_F(ToolTest, Detect_SaysThatNothingWasFound) {
  language_.tools = {"/nonexistent/toy", "toy"};
  Detect();
  EXPECT_FALSE(language_.available);
  EXPECT_EQ(language_.unavailable_reason, "none of its tools was found: /nonexistent/toy, toy");
}

TEST_F(ToolTest, Detect_RefusesAToolThatJobsCannotSee) {
  const std::string outside = Script("opt/toy", "echo toy 1.0");
  fs::create_symlink(outside, root_ / "usr/toy");
  language_.tools = {"toy"};
  Detect();
  EXPECT_FALSE(language_.available);
  EXPECT_THAT(language_.unavailable_reason, HasSubstr("where jobs cannot see it"));
}

TEST_F(ToolTest, Detect_ResolvesALinkFromOutside) {
  const std::string tool = Script("usr/toy", "echo toy 1.0");
  fs::create_symlink(tool, root_ / "opt/toy");
  language_.tools = {(root_ / "opt/toy").string()};
  Detect();
  EXPECT_EQ(language_.tool, tool) << language_.unavailable_reason;
}

TEST_F(ToolTest, Detect_GivesTheReasonOfAFailingTool) {
  Script("usr/toy", "echo no such luck; exit 3");
  language_.tools = {"toy"};
  Detect();
  EXPECT_THAT(language_.unavailable_reason, HasSubstr("exit code 3"));
  Script("usr/toy", "echo tool 9");
  Detect();
  EXPECT_THAT(language_.unavailable_reason, HasSubstr("answered without a version: tool 9"));
}

TEST_F(ToolTest, Detect_GivesUpOnAToolThatHangs) {
  Script("usr/toy", "sleep 60 & sleep 60");
  language_.tools = {"toy"};
  options_.deadline = 50 * base::kMillisecond;
  Detect();
  EXPECT_THAT(language_.unavailable_reason, HasSubstr("did not end within 50ms"));
}

TEST_F(ToolTest, Detect_LooksWhereJobsRun) {
  // Tools of the place exist only behind this prefix: "toy" answers, all else is not there.
  const std::string enter = Script(
      "opt/enter", "[ \"$2\" = /usr/bin/toy ] || exit 127; [ \"$1\" = in ] && echo toy 2.5 $3");
  options_.place.name = "the place";
  options_.place.prefix = [&](const CacheMount* cache) {
    EXPECT_EQ(cache, nullptr);
    return std::vector<std::string>{enter, "in"};
  };
  options_.path = {"/nowhere", "/usr/bin"};
  Script("usr/other", "echo toy 1.0");  // of this machine
  language_.tools = {"other", "toy"};
  Detect();
  EXPECT_EQ(language_.tool, "/usr/bin/toy") << language_.unavailable_reason;
  EXPECT_EQ(language_.version, "2.5");
  EXPECT_THAT(language_.run.argv, ElementsAre("/usr/bin/toy", "{source}"));
}

TEST_F(ToolTest, Detect_NamesThePlaceThatHasNoTool) {
  const std::string enter = Script("opt/enter", "exit 127");
  options_.place.name = "the place";
  options_.place.prefix = [&](const CacheMount*) { return std::vector<std::string>{enter}; };
  language_.tools = {"toy"};
  Detect();
  EXPECT_EQ(language_.unavailable_reason, "none of its tools was found in the place: toy");
}

TEST_F(ToolTest, BlockingRun_GivesTheToolACleanWorld) {
  Command command;
  command.argv = {
      Script("usr/show", "pwd; env | sort | grep -v '^_=\\|^PWD='; read x || echo eof")};
  command.env = ToolEnv({{"HOME", "/own"}, {"A", "b c"}});
  command.folder = (root_ / "opt").string();
  const auto result = BlockingRun(command);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(result->output,
            command.folder + "\nA=b c\nHOME=/own\nLANG=C.UTF-8\nPATH=" + kToolPath + "\neof\n");
}

TEST_F(ToolTest, BlockingRun_DoesNotWaitForWhatAToolLeavesBehind) {
  Command command;
  command.argv = {Script("usr/leave", "sleep 60 & echo done")};
  command.env = ToolEnv({});
  const auto result = BlockingRun(command);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->output, "done\n");
}

TEST_F(ToolTest, BlockingRun_KeepsTheEndOfLongOutput) {
  Command command;
  command.argv = {
      Script("usr/loud", "head -c 1000000 /dev/zero | tr '\\0' x; echo end; kill -9 $$")};
  command.env = ToolEnv({});
  const auto result = BlockingRun(command);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 137);
  EXPECT_LE(result->output.size(), 64UL << 10);
  EXPECT_TRUE(result->output.ends_with("xend\n"));
}

TEST_F(ToolTest, BlockingRun_SaysWhatCannotStart) {
  Command command;
  command.argv = {"/nonexistent/tool"};
  EXPECT_EQ(BlockingRun(command).error().kind, base::ErrorKind::kNotFound);
  command.argv.clear();
  EXPECT_FALSE(BlockingRun(command));
}

class WarmUpTest : public ToolTest {
 protected:
  WarmUpTest() {
    language_.available = true;
    language_.version = "1.0";
    language_.tool = Script("usr/toy", "echo ran >> " + (root_ / "log").string() +
                                           "\numask 077; mkdir $C/sub; echo $1 > $C/sub/file");
    language_.warm_up = WarmUp{{language_.tool, "{cache}"}, {{"C", "{cache}"}}, "/cache/toy"};
  }

  base::Result<std::string> WarmUpOne(base::Nanos deadline = 10 * base::kSecond) {
    return BlockingWarmUpOne(language_, (root_ / "cache").string(), deadline,
                             [this](std::string text) { said_.push_back(std::move(text)); });
  }

  // Names in the cache folder, without the lock.
  std::vector<std::string> Folders() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(root_ / "cache")) {
      if (entry.is_directory()) {
        out.push_back(entry.path().string());
      }
    }
    return out;
  }

  std::vector<std::string> said_;
};

TEST_F(WarmUpTest, FillsAFolderOnceAndMakesItReadable) {
  const auto folder = WarmUpOne();
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_EQ(said_.size(), 2U);
  EXPECT_EQ(fs::status(*folder + "/sub").permissions() & fs::perms::others_all,
            fs::perms::others_read | fs::perms::others_exec);
  EXPECT_EQ(fs::status(*folder + "/sub/file").permissions() & fs::perms::others_all,
            fs::perms::others_read);
  EXPECT_EQ(*WarmUpOne(), *folder);
  EXPECT_EQ(fs::file_size(root_ / "log"), 4U) << "it ran again";
  EXPECT_THAT(Folders(), ElementsAre(*folder));
}

TEST_F(WarmUpTest, SaysWhatAToolThatSucceedsPrintsLast) {
  Script("usr/toy", "echo first; echo 'without the fast way'");
  ASSERT_TRUE(WarmUpOne());
  ASSERT_EQ(said_.size(), 3U);
  EXPECT_EQ(said_[1], language_.name + ": without the fast way");
}

TEST_F(WarmUpTest, ReplacesTheFolderOfAnotherVersionOnly) {
  fs::create_directories(root_ / "cache/toy-plus-0123456789abcdef");
  const auto before = WarmUpOne();
  ASSERT_TRUE(before);
  language_.version = "1.1";
  const auto after = WarmUpOne();
  ASSERT_TRUE(after);
  EXPECT_NE(*before, *after);
  EXPECT_FALSE(fs::exists(*before));
  EXPECT_TRUE(fs::exists(root_ / "cache/toy-plus-0123456789abcdef"));
}

TEST_F(WarmUpTest, RunsWhereJobsRun) {
  Place place;
  place.key = "the place";
  std::string source;
  place.prefix = [&](const CacheMount* cache) {
    source = cache->source;
    EXPECT_EQ(cache->target, "/cache/toy");
    return std::vector<std::string>{"/bin/sh", "-c", "echo $C \"$2\" > " + cache->source + "/args",
                                    "sh"};
  };
  const auto here = WarmUpOne();
  const auto folder = BlockingWarmUpOne(
      language_, (root_ / "cache").string(), 10 * base::kSecond, [](const std::string&) {}, place);
  ASSERT_TRUE(folder) << folder.error().message;
  EXPECT_NE(*folder, *here) << "two places share no cache";
  EXPECT_EQ(source, *folder + ".new");
  std::ifstream args(*folder + "/args");
  std::string line;
  std::getline(args, line);
  EXPECT_EQ(line, "/cache/toy /cache/toy") << "the cache is where jobs see it";
}

TEST_F(WarmUpTest, LeavesNothingBehindWhenItFails) {
  Script("usr/toy", "echo first; echo the reason; exit 1");
  const auto folder = WarmUpOne();
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().message, "the warm-up ended with exit code 1: the reason");
  EXPECT_THAT(Folders(), IsEmpty());
}

TEST_F(WarmUpTest, StartsAgainAfterAnInterruption) {
  const auto folder = WarmUpOne();
  ASSERT_TRUE(folder);
  fs::rename(*folder, *folder + ".new");
  fs::remove(*folder + ".new/warm-up.complete");
  EXPECT_EQ(*WarmUpOne(), *folder);
  EXPECT_THAT(Folders(), ElementsAre(*folder));
}

TEST_F(WarmUpTest, IsBoundedByItsDeadline) {
  Script("usr/toy", "sleep 60");
  EXPECT_EQ(WarmUpOne(50 * base::kMillisecond).error().kind, base::ErrorKind::kDeadline);
  EXPECT_THAT(Folders(), IsEmpty());
}

}  // namespace
}  // namespace language
