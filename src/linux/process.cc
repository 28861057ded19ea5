#include "linux/process.h"

#include <fcntl.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "linux/syscall.h"

namespace linux {
namespace {

// proc_pid_stat(5); the numbers are those of the manual, from 1.
enum Field { kFlags = 9, kVirtualSize = 23, kStartCode = 26, kExitCode = 52, kFields = 53 };

constexpr unsigned long long kExiting = 4;  // PF_EXITING, linux/sched.h

using Stat = std::array<unsigned long long, kFields>;

bool ReadStat(pid_t pid, Stat* stat) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  char text[1024];
  if (ReadFileAt(AT_FDCWD, path, text, sizeof(text)) <= 0) {
    return false;
  }
  // The name, field 2, may hold anything. The state, 3, is no number.
  const char* at = std::strrchr(text, ')');
  if (at == nullptr || std::strlen(at) < 4) {
    return false;
  }
  at += 3;
  for (size_t field = 4; field < kFields; ++field) {
    char* end = nullptr;
    (*stat)[field] = std::strtoull(at, &end, 10);
    if (end == at) {
      return false;
    }
    at = end;
  }
  return true;
}

}  // namespace

pid_t OnlyChild(pid_t pid) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
  char text[64];
  if (ReadFileAt(AT_FDCWD, path, text, sizeof(text)) <= 0) {
    return -1;
  }
  char* end = nullptr;
  const long child = std::strtol(text, &end, 10);
  return child > 0 && std::strcmp(end, " ") == 0 ? static_cast<pid_t>(child) : -1;
}

bool MaySeeEnd(pid_t pid) {
  Stat stat{};
  return ReadStat(pid, &stat) && stat[kStartCode] > 1;  // 1 is said to who may not know it
}

bool ReadEnd(pid_t pid, int* wait_status) {
  Stat stat{};
  if (!ReadStat(pid, &stat) || (stat[kFlags] & kExiting) == 0 || stat[kVirtualSize] != 0) {
    return false;
  }
  *wait_status = static_cast<int>(stat[kExitCode]);
  return true;
}

}  // namespace linux
