#include "app/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/text.h"
#include "base/unique_fd.h"
#include "linux/confine.h"

namespace app {

using base::Result;

Result<User> FindUser(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon != std::string::npos) {
    User user;
    const char* end = text.data() + text.size();
    const auto uid = std::from_chars(text.data(), end, user.uid);
    const auto gid = std::from_chars(text.data() + colon + 1, end, user.gid);
    if (uid.ec == std::errc() && uid.ptr == text.data() + colon && gid.ec == std::errc() &&
        gid.ptr == end && user.uid != 0 && user.gid != 0) {
      return user;
    }
    return base::InvalidArgument("SANDBOX_SERVICE_USER: '" + base::Printable(text) +
                                 "' is not accepted; it must be uid:gid, both above 0, or a name");
  }
  const passwd* entry = ::getpwnam(text.c_str());  // NOLINT(concurrency-mt-unsafe): one thread yet
  if (entry == nullptr || entry->pw_uid == 0) {
    return base::InvalidArgument("SANDBOX_SERVICE_USER: there is no user '" +
                                 base::Printable(text) +
                                 "' other than root; create it or name another");
  }
  return User{entry->pw_uid, entry->pw_gid};
}

namespace {

// Files and folders of root's, each by descriptor and through no link.
Result<void> GiveContents(const base::UniqueFd& folder, const User& owner, int depth) {
  DIR* const entries = ::fdopendir(::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entries == nullptr) {
    return base::SysError("opendir", errno);
  }
  Result<void> result;
  while (const dirent* entry = ::readdir(entries)) {  // NOLINT(concurrency-mt-unsafe): one thread
    const std::string name = entry->d_name;
    if (name == "." || name == "..") {
      continue;
    }
    const base::UniqueFd fd(::openat(folder.get(), name.c_str(),
                                     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));

    struct stat info {};

    if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || info.st_uid != 0) {
      continue;
    }
    const bool is_folder = S_ISDIR(info.st_mode);
    if (is_folder && depth > 0) {
      result = GiveContents(fd, owner, depth - 1);
    }
    if (result && (is_folder || (S_ISREG(info.st_mode) && info.st_nlink == 1)) &&
        ::fchown(fd.get(), owner.uid, owner.gid) != 0) {
      result = base::SysError("chown " + name, errno);
    }
    if (!result) {
      break;
    }
  }
  ::closedir(entries);
  return result;
}

}  // namespace

Result<void> MakeFolder(const std::string& path, mode_t mode, const User* owner) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return base::InvalidArgument("cannot create the folder " + path + ": " + error.message());
  }
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));

  struct stat info {};

  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return base::SysError("open " + path, errno);
  }
  if (owner != nullptr && info.st_uid != owner->uid) {
    if (info.st_uid != 0) {
      return base::InvalidArgument("the folder " + path + " belongs to another user (uid " +
                                   std::to_string(info.st_uid) + ")");
    }
    // systemd's StateDirectory= gives all that lies in it to root at each start.
    constexpr int kDepth = 3;
    if (Result<void> given = GiveContents(fd, *owner, kDepth); !given) {
      return given;
    }
    if (::fchown(fd.get(), owner->uid, owner->gid) != 0) {
      return base::SysError("chown " + path, errno);
    }
  }
  if (::fchmod(fd.get(), mode) != 0) {
    return base::SysError("chmod " + path, errno);
  }
  return {};
}

Result<void> DropPrivileges(const User& user) {
  if (!linux::DropBoundingSet() || ::setgroups(0, nullptr) != 0 ||
      ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0) {
    return base::SysError("become the service user", errno);
  }
  return {};
}

Result<void> Harden() {
  if (!linux::DropCapabilities() || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || !linux::LimitTo(RLIMIT_CORE, 1)) {
    return base::SysError("give up privileges", errno);
  }
  return {};
}

}  // namespace app
