#include "linux/confine.h"

#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>

#include "linux/syscall.h"

// Debian 12's kernel headers end at ABI 2; later rights and scopes keep their numbers for ever.
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

namespace linux {
namespace {

constexpr uint64_t kBindTcp = 1ULL << 0;  // ABI 4
constexpr uint64_t kConnectTcp = 1ULL << 1;
constexpr int kRuleNetPort = 2;

struct NetPortAttr {
  uint64_t allowed_access;
  uint64_t port;
};

constexpr uint64_t kScopeAbstractUnixSocket = 1ULL << 0;  // ABI 6
constexpr uint64_t kScopeSignal = 1ULL << 1;

// struct landlock_ruleset_attr as of ABI 6; older kernels take its first members.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

constexpr uint64_t kReadOnly =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

uint64_t AllRights(int abi) {
  uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;  // ABI 1
  rights |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
  rights |= abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
  rights |= abi >= 5 ? LANDLOCK_ACCESS_FS_IOCTL_DEV : 0;
  return rights;
}

// A path that does not exist needs no rule. A rule for a file may carry no right of folders.
bool Allow(int ruleset, const char* path, uint64_t rights) {
  const base::UniqueFd fd(::open(path, O_PATH | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ENOENT;
  }

  struct stat info {};

  if (::fstat(fd.get(), &info) != 0) {
    return false;
  }
  if (!S_ISDIR(info.st_mode)) {
    rights &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
              LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
              LANDLOCK_ACCESS_FS_IOCTL_DEV;
  }
  landlock_path_beneath_attr rule{};
  rule.allowed_access = rights;
  rule.parent_fd = fd.get();
  return ::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool SetCapabilities(const __user_cap_data_struct* sets) {
  __user_cap_header_struct header{};
  header.version = _LINUX_CAPABILITY_VERSION_3;
  return ::syscall(SYS_capset, &header, sets) == 0 &&
         ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

bool AllowPort(int ruleset, uint16_t port, uint64_t rights) {
  const NetPortAttr rule{rights, port};
  return ::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &rule, 0) == 0;
}

}  // namespace

bool DropBoundingSet() {
  int held = 0;
  for (int cap = 0; (held = ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; ++cap) {
    if (held == 1 && ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) {
      return false;
    }
  }
  return ::prctl(PR_SET_SECUREBITS,
                 SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |
                     SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
                 0, 0, 0) == 0;
}

bool DropCapabilities() {
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return SetCapabilities(none);
}

bool DropCapabilitiesBut(int capability) {
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  __user_cap_data_struct& word = data[CAP_TO_INDEX(capability)];
  word.effective = CAP_TO_MASK(capability);
  word.permitted = word.effective;
  return SetCapabilities(data);
}

bool LimitTo(__rlimit_resource resource, rlim_t value) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) {
    return false;
  }
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(resource, &limit) == 0;
}

int LandlockAbi() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

bool RestrictWithLandlock(int abi, const char* const* read_only, const char* const* writable,
                          const char* const* devices) {
  const uint64_t all = AllRights(abi);
  RulesetAttr attr{};
  attr.handled_access_fs = all;
  size_t size = sizeof(attr.handled_access_fs);
  if (abi >= 6) {
    attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
    size = sizeof(attr);
  }
  const base::UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  if (!ruleset.valid()) {
    return false;
  }
  const int fd = ruleset.get();
  const uint64_t free_use = all & ~(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK);
  bool ok = Allow(fd, "/", LANDLOCK_ACCESS_FS_READ_DIR);
  for (const char* const* path = read_only; ok && *path != nullptr; ++path) {
    ok = Allow(fd, *path, kReadOnly);
  }
  for (const char* const* path = writable; ok && *path != nullptr; ++path) {
    ok = Allow(fd, *path, free_use);
  }
  const uint64_t device_use = all & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                     LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV);
  for (const char* path : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}) {
    ok = ok && Allow(fd, path, device_use);
  }
  for (const char* const* path = devices; ok && *path != nullptr; ++path) {
    ok = Allow(fd, *path, device_use);
  }
  // /proc: its own files, write access included (a program may name its threads); the mount hides
  // the rest.
  ok = ok && Allow(fd, "/proc",
                   LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                       LANDLOCK_ACCESS_FS_WRITE_FILE);
  return ok && ::syscall(SYS_landlock_restrict_self, fd, 0) == 0;
}

bool RestrictService(int abi, const ServiceRules& rules) {
  const uint64_t all = AllRights(abi);
  RulesetAttr attr{};
  attr.handled_access_fs = all;
  size_t size = sizeof(attr.handled_access_fs);
  if (abi >= 4) {
    attr.handled_access_net = kBindTcp | kConnectTcp;
    size = offsetof(RulesetAttr, scoped);
  }
  if (abi >= 6) {
    attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
    size = sizeof(attr);
  }
  const base::UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
  const int fd = ruleset.get();
  bool ok = ruleset.valid();
  for (const char* const* path = rules.read; ok && *path != nullptr; ++path) {
    ok = Allow(fd, *path, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
  }
  for (const char* const* path = rules.write; ok && *path != nullptr; ++path) {
    ok = Allow(fd, *path,
               all & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                      LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                      LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR));
  }
  for (const uint16_t* port = rules.listen; ok && abi >= 4 && *port != 0; ++port) {
    ok = AllowPort(fd, *port, kBindTcp);
  }
  for (const uint16_t* port = rules.connect; ok && abi >= 4 && *port != 0; ++port) {
    ok = AllowPort(fd, *port, kConnectTcp);
  }
  return ok && ::syscall(SYS_landlock_restrict_self, fd, 0) == 0;
}

bool LoadSeccomp(const sock_fprog& program, SeccompLog log) {
  const unsigned flags = log == SeccompLog::kRefusals ? SECCOMP_FILTER_FLAG_LOG : 0;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
}

}  // namespace linux
