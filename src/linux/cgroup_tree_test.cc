#include "linux/cgroup_tree.h"

#include <gtest/gtest.h>

namespace linux {
namespace {

constexpr char kUnified[] =
    "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr char kHybrid[] =
    "31 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "33 25 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

TEST(CgroupTree, FindsTheOwnGroupOnVersion2) {
  CgroupPlace place{};
  ASSERT_TRUE(FindCgroupIn(kUnified, "0::/system.slice/sandboxd.service\n", nullptr, &place));
  EXPECT_STREQ(place.mount, "/sys/fs/cgroup");
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup/system.slice/sandboxd.service");
  EXPECT_FALSE(place.at_top);
}

TEST(CgroupTree, KnowsTheTop) {
  CgroupPlace place{};
  ASSERT_TRUE(FindCgroupIn(kUnified, "0::/\n", nullptr, &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup");
  EXPECT_TRUE(place.at_top);
}

TEST(CgroupTree, FindsControllersOfVersion1) {
  constexpr char kOwn[] = "5:cpu,cpuacct:/a\n4:memory:/b/c\n0::/\n";
  CgroupPlace place{};
  ASSERT_TRUE(FindCgroupIn(kHybrid, kOwn, "memory", &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup/memory/b/c");
  ASSERT_TRUE(FindCgroupIn(kHybrid, kOwn, "cpuacct", &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup/cpu,cpuacct/a");
  EXPECT_FALSE(FindCgroupIn(kHybrid, kOwn, "pids", &place));
  ASSERT_TRUE(FindCgroupIn(kHybrid, kOwn, nullptr, &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup/unified");
}

TEST(CgroupTree, CountsFromTheRootOfAMountThatBeginsBelow) {
  // A container without a cgroup namespace: the mount shows the container's group as its top.
  constexpr char kMounts[] = "40 1 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
  CgroupPlace place{};
  ASSERT_TRUE(FindCgroupIn(kMounts, "0::/docker/ab/x\n", nullptr, &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup/x");
  ASSERT_TRUE(FindCgroupIn(kMounts, "0::/docker/ab\n", nullptr, &place));
  EXPECT_STREQ(place.folder, "/sys/fs/cgroup");
  EXPECT_TRUE(place.at_top);
  EXPECT_FALSE(FindCgroupIn(kMounts, "0::/docker/abc\n", nullptr, &place));
  EXPECT_FALSE(FindCgroupIn(kMounts, "0::/../elsewhere\n", nullptr, &place));
}

TEST(CgroupTree, ReadsEscapedMountPoints) {
  CgroupPlace place{};
  ASSERT_TRUE(
      FindCgroupIn("30 22 0:26 / /a\\040b rw - cgroup2 cgroup2 rw\n", "0::/x\n", nullptr, &place));
  EXPECT_STREQ(place.folder, "/a b/x");
}

TEST(CgroupTree, NothingMountedIsNotFound) {
  CgroupPlace place{};
  EXPECT_FALSE(FindCgroupIn("22 1 254:0 / / rw - ext4 /dev/vda rw\n", "0::/\n", nullptr, &place));
  EXPECT_FALSE(FindCgroupIn(kUnified, "", nullptr, &place));
}

}  // namespace
}  // namespace linux
