#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/unique_fd.h"

// Finds what a job has left in its work folder, once all its processes are dead. For the launcher
// and the supervisor, which use no library: no allocation, no exception. Names and folders are the
// job's: everything is bounded, nothing is resolved through a link or onto another file system.
//
// A name to collect is a path, or a pattern: '*' stands for any characters but '/', '?' for one,
// "**" for any characters, and a part "**" also for no folder at all.
namespace sandbox {

inline constexpr size_t kMaxOutputs = 32;        // names to collect, and files that are found
inline constexpr size_t kMaxOutputPath = 256;    // with its final NUL
inline constexpr int kMaxOutputDepth = 16;       // of folders
inline constexpr int64_t kMaxEntries = 10'000;   // of all folders that are looked at
inline constexpr int64_t kMaxSteps = 2'000'000;  // of comparisons: a few milliseconds

inline bool IsPattern(const char* name) {
  return std::strpbrk(name, "*?") != nullptr;
}

// Every step costs one of `steps`; false when they are used up.
inline bool MatchesPattern(const char* pattern, const char* path, int64_t* steps) {
  const char* star = nullptr;  // after the last '*', and the text that it leaves
  const char* star_text = nullptr;
  const char* deep = nullptr;  // after the last "**", likewise
  const char* deep_text = nullptr;
  bool deep_folders = false;  // it was "**/": whole folders
  for (;;) {
    if (--*steps < 0) {
      return false;
    }
    if (pattern[0] == '*' && pattern[1] == '*') {
      deep_folders = pattern[2] == '/';
      pattern += deep_folders ? 3 : 2;
      deep = pattern;
      deep_text = path;
      star = nullptr;
    } else if (*pattern == '*') {
      star = ++pattern;
      star_text = path;
    } else if (*pattern == '?' && *path != '\0' && *path != '/') {
      ++pattern;
      do {
        ++path;
      } while ((static_cast<unsigned char>(*path) & 0xC0) == 0x80);  // the rest of a character
    } else if (*path != '\0' && *pattern == *path) {
      ++pattern;
      ++path;
    } else if (*pattern == '\0' && *path == '\0') {
      return true;
    } else if (star != nullptr && *star_text != '\0' && *star_text != '/') {
      pattern = star;
      path = ++star_text;
    } else if (deep != nullptr && *deep_text != '\0') {
      if (deep_folders) {
        deep_text = std::strchr(deep_text, '/');
        if (deep_text == nullptr) {
          return false;
        }
      }
      pattern = deep;
      path = ++deep_text;
      star = nullptr;
    } else {
      return false;
    }
  }
}

// The regular files below a folder, folder by folder.
class OutputWalk {
 public:
  explicit OutputWalk(int box) : box_(::openat(box, ".", kFolder)) {
    struct stat info {};

    complete_ = box_.valid() && ::fstat(box_.get(), &info) == 0;
    device_ = info.st_dev;
  }

  // Calls visit(path) for each until it answers false. False when it could not see all.
  template <typename Visit>
  bool Run(Visit visit) {
    if (complete_) {
      Enter(box_.get(), 0, 0, visit);
    }
    return complete_;
  }

 private:
  static constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

  // As the kernel has it (getdents64(2)).
  struct Entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[1];
  };

  // Some file systems do not tell it with the name.
  static uint8_t TypeOf(int folder, const Entry& entry) {
    struct stat info {};

    if (entry.type != DT_UNKNOWN ||
        ::fstatat(folder, entry.name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return entry.type;
    }
    return static_cast<uint8_t>(IFTODT(info.st_mode));
  }

  // False: enough.
  template <typename Visit>
  bool Enter(int folder, size_t length, int depth, Visit& visit) {
    alignas(Entry) std::array<char, 2048> buffer;
    for (;;) {
      const long bytes = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size());
      complete_ = complete_ && bytes >= 0;
      if (bytes <= 0) {
        return true;
      }
      for (long at = 0; at < bytes;) {
        const auto* entry = reinterpret_cast<const Entry*>(buffer.data() + at);
        at += entry->size;
        if (--entries_ < 0) {
          complete_ = false;
          return false;
        }
        if (!Look(folder, *entry, length, depth, visit)) {
          return false;
        }
      }
    }
  }

  template <typename Visit>
  bool Look(int folder, const Entry& entry, size_t length, int depth, Visit& visit) {
    const char* name = entry.name;
    const size_t size = std::strlen(name);
    const bool dots = name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'));
    const uint8_t type = dots ? uint8_t{DT_UNKNOWN} : TypeOf(folder, entry);
    const bool is_folder = type == DT_DIR;
    if (!is_folder && type != DT_REG) {
      return true;
    }
    if (length + size + 2 > path_.size() || (is_folder && depth + 1 >= kMaxOutputDepth)) {
      complete_ = false;  // no pattern reaches it
      return true;
    }
    std::memcpy(path_.data() + length, name, size + 1);
    if (!is_folder) {
      return visit(path_.data());
    }
    const base::UniqueFd inner(::openat(folder, name, kFolder));

    struct stat info {};

    if (!inner.valid() || ::fstat(inner.get(), &info) != 0 || info.st_dev != device_) {
      complete_ = false;
      return true;
    }
    path_[length + size] = '/';
    return Enter(inner.get(), length + size + 1, depth + 1, visit);
  }

  base::UniqueFd box_;
  dev_t device_ = 0;
  bool complete_ = false;
  int64_t entries_ = kMaxEntries;
  std::array<char, kMaxOutputPath> path_{};
};

// Calls take(path) for every name that is a path, whether the file exists or not, then for every
// regular file that a pattern matches and that was not among them; at most kMaxOutputs times.
// `name_of(i)` is the i-th of `count` names. False when there are more, or when not all could be
// looked at.
template <typename NameOf, typename Take>
bool FindOutputs(int box, size_t count, NameOf name_of, Take take) {
  size_t taken = 0;
  bool patterns = false;
  for (size_t i = 0; i < count && taken < kMaxOutputs; ++i) {
    if (IsPattern(name_of(i))) {
      patterns = true;
    } else {
      take(name_of(i));
      ++taken;
    }
  }
  if (!patterns) {
    return true;
  }
  int64_t steps = kMaxSteps;
  bool room = true;
  OutputWalk walk(box);
  const bool complete = walk.Run([&](const char* path) {
    bool matches = false;
    for (size_t i = 0; i < count; ++i) {
      const char* name = name_of(i);
      if (!IsPattern(name)) {
        if (std::strcmp(name, path) == 0) {
          return true;
        }
      } else if (!matches) {
        matches = MatchesPattern(name, path, &steps);
      }
    }
    if (matches && taken == kMaxOutputs) {
      room = false;
    } else if (matches) {
      take(path);
      ++taken;
    }
    return room && steps > 0;
  });
  return complete && room && steps > 0;
}

}  // namespace sandbox
