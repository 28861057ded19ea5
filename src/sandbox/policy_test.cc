#include "sandbox/policy.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace sandbox {
namespace {

class PolicyTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& text) {
    const std::string path = ::testing::TempDir() + "/policy.toml";
    std::ofstream(path) << text;
    return path;
  }
};

TEST_F(PolicyTest, ShippedPoliciesCompile) {
  const auto filters = CompileFilters(std::string(SOURCE_DIR) + "/config/seccomp");
  ASSERT_TRUE(filters) << filters.error().message;
  for (const auto& filter : *filters) {
    struct stat info {};

    ASSERT_EQ(fstat(filter.get(), &info), 0);
    EXPECT_GT(info.st_size, 0);
  }
}

TEST_F(PolicyTest, MistakesNameFileAndLine) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"default = \"ENOSYS\"\ndefalt = 1\n[[rule]]\nreason=\"r\"\ncalls=[\"read\"]",
       ":2: unknown key 'defalt'"},
      {"default = \"maybe\"", ":1: default must be"},
      {"[[rule]]\nreason=\"r\"\ncalls=[\"no_such_call\"]",
       ":3: unknown system call 'no_such_call'"},
      {"[[rule]]\ncalls=[\"read\"]", ":1: a rule needs a reason"},
      {"[[rule]]\nreason=\"r\"\ncalls=[\"read\"]\naction=\"ENOSYS\"", "is the default action"},
      {"[[rule]]\nreason=\"r\"\ncalls=[\"ioctl\"]\nargs=[{index=9,value=1}]", ":4: index must be"},
      {"[[rule]]\nreason=\"r\"\ncalls=[\"ioctl\"]\nargs=[{index=1,value=0x100000000}]",
       ":4: index must be"},
      {"[[rule]\n", ":1: "},
  };

  for (const auto& c : kCases) {
    const auto filter = CompileFilter(Write(c.text));
    ASSERT_FALSE(filter) << c.text;
    EXPECT_NE(filter.error().message.find(c.message), std::string::npos) << filter.error().message;
  }
}

}  // namespace
}  // namespace sandbox
