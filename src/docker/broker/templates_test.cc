#include "docker/broker/templates.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace docker::broker {
namespace {

using wire::Command;

Settings Sample() {
  return {"docker", "1000:1000", "/jobs/bin/supervisor",
          "/jobs",  "net",       "image",
          "runsc",  "owner",     "1000",
          "64",     "2",         "2000"};
}

constexpr char kOwn[] = "code-sandbox-owner-1";

bool Has(const std::vector<std::string>& argv, const std::string& word) {
  return std::find(argv.begin(), argv.end(), word) != argv.end();
}

TEST(Templates, NamesAreThoseOfContainersOnly) {
  for (const char* name : {"a", "code-sandbox-runner", "A.b_c-1"}) {
    EXPECT_TRUE(IsContainerName(name)) << name;
  }
  for (const std::string name :
       {"", "-a", "--privileged", "a b", "a/b", "a;b", "a\n", ".a", "a:b", "ä"}) {
    EXPECT_FALSE(IsContainerName(name)) << name;
  }
  EXPECT_FALSE(IsContainerName(std::string(300, 'a')));
}

TEST(Templates, EveryCommandThatNamesAContainerRefusesOptions) {
  for (uint32_t n = 0; n <= static_cast<uint32_t>(Command::kLast) + 1; ++n) {
    EXPECT_TRUE(CommandLine(Sample(), static_cast<Command>(n), "--privileged").empty());
    EXPECT_TRUE(CommandLine(Sample(), static_cast<Command>(n), "a\nb").empty());
  }
}

TEST(Templates, OnlyContainersOfThisServiceAreMadeAndRemoved) {
  for (const Command command : {Command::kRun, Command::kRunAsRoot, Command::kRemove}) {
    EXPECT_FALSE(CommandLine(Sample(), command, kOwn).empty());
    for (const char* other : {"box", "code-sandbox-runner", "code-sandbox-owner",
                              "code-sandbox-other-1", "x-code-sandbox-owner-1"}) {
      EXPECT_TRUE(CommandLine(Sample(), command, other).empty()) << other;
    }
  }
}

TEST(Templates, ExecNamesTheUserAndTheSupervisorOnly) {
  EXPECT_EQ(CommandLine(Sample(), Command::kExec, "box"),
            (std::vector<std::string>{"docker", "exec", "--interactive", "--user", "1000:1000",
                                      "box", "/jobs/bin/supervisor", "run"}));
}

TEST(Templates, SingleUseContainersAreClosed) {
  const auto argv = CommandLine(Sample(), Command::kRun, kOwn);
  for (const char* word : {"--read-only", "--cap-drop", "ALL", "no-new-privileges", "--pids-limit",
                           "--memory", "--memory-swap", "never", "runsc", "--rm"}) {
    EXPECT_TRUE(Has(argv, word)) << word;
  }
  Settings alone = Sample();
  alone.network.clear();
  EXPECT_TRUE(Has(CommandLine(alone, Command::kRun, kOwn), "none"));
  EXPECT_TRUE(CommandLine(alone, Command::kConnect, "box").empty());
}

}  // namespace
}  // namespace docker::broker
