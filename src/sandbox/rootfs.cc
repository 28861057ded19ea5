#include "sandbox/rootfs.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/fingerprint.h"
#include "base/text.h"

namespace sandbox {
namespace {

namespace fs = std::filesystem;
using base::Result;

// As in launcher/root.cc: what of a root sandboxes show.
constexpr std::array<const char*, 9> kShown = {
    "usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "etc/ld.so.cache", "etc/alternatives"};

base::Error Refuse(const fs::path& path, const std::string& what) {
  return base::InvalidArgument("SANDBOX_ROOTFS: " + base::Printable(path.string()) + " " + what);
}

Result<void> CheckEntry(const fs::path& path, const struct stat& st) {
  if (st.st_uid != 0) {
    return Refuse(path, "belongs to uid " + std::to_string(st.st_uid) + " and not to root");
  }
  if (S_ISLNK(st.st_mode)) {
    return {};
  }
  if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
    return Refuse(path, "is neither a file nor a folder nor a link");
  }
  if ((st.st_mode & S_IWOTH) != 0 || ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0)) {
    return Refuse(path, "may be written by others than root");
  }
  if (S_ISREG(st.st_mode)) {
    if ((st.st_mode & (S_ISUID | S_ISGID)) != 0) {
      return Refuse(path, "has the setuid or setgid bit; remove the file or the bit");
    }
    const bool executable = (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
    if (executable && ::lgetxattr(path.c_str(), "security.capability", nullptr, 0) >= 0) {
      return Refuse(path, "has file capabilities; remove them with setcap -r");
    }
  }
  return {};
}

Result<void> CheckTree(const fs::path& top, Rootfs* rootfs, base::Fingerprint* fingerprint) {
  std::vector<fs::path> pending = {top};
  while (!pending.empty()) {
    const fs::path path = std::move(pending.back());
    pending.pop_back();

    struct stat st {};

    if (::lstat(path.c_str(), &st) != 0) {
      if (errno == ENOENT && path == top) {
        return {};
      }
      return base::SysError("stat " + path.string(), errno);
    }
    if (auto checked = CheckEntry(path, st); !checked) {
      return checked;
    }
    fingerprint->Add(path.string());
    fingerprint->Add(st.st_mode);
    fingerprint->Add(st.st_mtim.tv_sec);
    ++rootfs->files;
    if (S_ISREG(st.st_mode)) {
      fingerprint->Add(st.st_size);
    } else if (S_ISLNK(st.st_mode)) {
      fingerprint->Add(fs::read_symlink(path).string());
    } else {
      const auto first = static_cast<std::ptrdiff_t>(pending.size());
      for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
        pending.push_back(entry.path());
      }
      std::sort(pending.begin() + first, pending.end());  // the fingerprint needs one order
    }
  }
  return {};
}

// Whoever may write to a folder above may put another root in the place of this one.
Result<void> CheckAbove(const fs::path& root, std::optional<uid_t> service_user) {
  for (fs::path path = root;; path = path.parent_path()) {
    struct stat st {};

    if (::lstat(path.c_str(), &st) != 0) {
      return base::SysError("stat " + path.string(), errno);
    }
    const bool sticky = path != root && (st.st_mode & S_ISVTX) != 0;
    if (((st.st_mode & S_IWOTH) != 0 || ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0)) &&
        !sticky) {
      return Refuse(path, "may be written by others than its owner");
    }
    if (service_user && st.st_uid == *service_user) {
      return Refuse(path, "belongs to the user that the service runs as");
    }
    if (path == path.parent_path()) {
      return {};
    }
  }
}

Result<Rootfs> CheckUnguarded(const std::string& path, std::optional<uid_t> service_user) {
  std::error_code error;
  const fs::path root = fs::canonical(path, error);
  if (error) {
    return Refuse(path, "cannot be used: " + error.message());
  }
  if (root == "/" || !fs::is_directory(root / "usr")) {
    return Refuse(path, "is no root made by ./dev rootfs: it has no folder usr, or is /");
  }

  struct stat st {};

  if (::lstat(root.c_str(), &st) != 0) {
    return base::SysError("stat " + root.string(), errno);
  }
  if (auto checked = CheckEntry(root, st); !checked) {
    return checked.error();
  }
  if (auto above = CheckAbove(root, service_user); !above) {
    return above.error();
  }
  Rootfs rootfs;
  rootfs.path = root.string();
  base::Fingerprint fingerprint;
  for (const char* shown : kShown) {
    if (auto checked = CheckTree(root / shown, &rootfs, &fingerprint); !checked) {
      return checked.error();
    }
  }
  rootfs.fingerprint = fingerprint.Hex();
  return rootfs;
}

}  // namespace

Result<Rootfs> BlockingCheckRootfs(const std::string& path, std::optional<uid_t> service_user) {
  try {
    return CheckUnguarded(path, service_user);
  } catch (const fs::filesystem_error& e) {
    return Refuse(path, "cannot be read: " + base::Printable(e.what(), 400));
  }
}

}  // namespace sandbox
