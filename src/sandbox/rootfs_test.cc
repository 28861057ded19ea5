#include "sandbox/rootfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace sandbox {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RootfsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "only root can make files that belong to root";
    }
    fs::create_directories(root_ / "usr/bin");
    fs::create_directories(root_ / "etc");
    fs::create_symlink("usr/bin", root_ / "bin");
    std::ofstream(root_ / "usr/bin/tool") << "#!/bin/sh\n";
    Chmod("usr/bin/tool", 0755);
  }

  void TearDown() override { fs::remove_all(root_); }

  void Chmod(const char* path, mode_t mode) const {
    ASSERT_EQ(::chmod((root_ / path).c_str(), mode), 0);
  }

  // What is said against the root; empty when nothing is.
  std::string Complaint(std::optional<uid_t> service_user = std::nullopt) const {
    const auto checked = BlockingCheckRootfs(root_.string(), service_user);
    return checked ? "" : checked.error().message;
  }

  fs::path root_ = fs::canonical(testing::TempDir()) / ("rootfs-" + base::RandomId());
};

TEST_F(RootfsTest, TakesACleanRootAndResolvesItsPath) {
  const fs::path link = root_.string() + ".link";
  fs::create_directory_symlink(root_, link);
  const auto checked = BlockingCheckRootfs(link.string(), 65534);
  fs::remove(link);
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->path, root_.string());
  EXPECT_EQ(checked->files, 4);  // usr, usr/bin, usr/bin/tool, bin
}

TEST_F(RootfsTest, FingerprintFollowsTheFiles) {
  const auto before = BlockingCheckRootfs(root_.string(), std::nullopt);
  const auto again = BlockingCheckRootfs(root_.string(), std::nullopt);
  std::ofstream(root_ / "usr/bin/tool", std::ios::app) << "exit 1\n";
  const auto after = BlockingCheckRootfs(root_.string(), std::nullopt);
  ASSERT_TRUE(before && again && after);
  EXPECT_EQ(before->fingerprint, again->fingerprint);
  EXPECT_NE(before->fingerprint, after->fingerprint);
}

TEST_F(RootfsTest, RefusesSetuidAndSetgidFiles) {
  Chmod("usr/bin/tool", 04755);
  EXPECT_THAT(Complaint(), HasSubstr("usr/bin/tool has the setuid or setgid bit"));
  Chmod("usr/bin/tool", 02755);
  EXPECT_THAT(Complaint(), HasSubstr("usr/bin/tool has the setuid or setgid bit"));
}

TEST_F(RootfsTest, RefusesWhatOthersMayWrite) {
  Chmod("usr/bin", 0777);
  EXPECT_THAT(Complaint(), HasSubstr("usr/bin may be written by others"));
  Chmod("usr/bin", 0755);
  ASSERT_EQ(::chown((root_ / "usr/bin/tool").c_str(), 65534, 65534), 0);
  EXPECT_THAT(Complaint(), HasSubstr("usr/bin/tool belongs to uid 65534"));
}

TEST_F(RootfsTest, RefusesDevices) {
  ASSERT_EQ(::mkfifo((root_ / "usr/pipe").c_str(), 0600), 0);
  EXPECT_THAT(Complaint(), HasSubstr("usr/pipe is neither a file"));
}

TEST_F(RootfsTest, RefusesARootThatOthersMayExchange) {
  const fs::path above = root_.string() + ".above";
  fs::create_directory(above);
  const auto check = [&] {
    const auto checked = BlockingCheckRootfs((above / "root").string(), 65534);
    return checked ? std::string() : checked.error().message;
  };
  fs::rename(root_, above / "root");
  ASSERT_EQ(::chmod(above.c_str(), 0777), 0);
  EXPECT_THAT(check(), HasSubstr("may be written by others than its owner"));
  ASSERT_EQ(::chmod(above.c_str(), 0755), 0);
  ASSERT_EQ(::chown(above.c_str(), 65534, 65534), 0);
  EXPECT_THAT(check(), HasSubstr("belongs to the user that the service runs as"));
  ASSERT_EQ(::chown(above.c_str(), 0, 0), 0);
  EXPECT_EQ(check(), "");
  fs::remove_all(above);
}

TEST_F(RootfsTest, RefusesTheMachinesOwnRootAndWhatIsNone) {
  EXPECT_THAT(BlockingCheckRootfs("/", std::nullopt).error().message, HasSubstr("or is /"));
  EXPECT_THAT(BlockingCheckRootfs("/nonexistent/root", std::nullopt).error().message,
              HasSubstr("SANDBOX_ROOTFS: /nonexistent/root cannot be used"));
  fs::remove_all(root_ / "usr");
  EXPECT_THAT(Complaint(), HasSubstr("has no folder usr"));
}

}  // namespace
}  // namespace sandbox
