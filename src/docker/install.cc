#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "docker/backend.h"
#include "linux/syscall.h"

namespace docker {
namespace {

using base::Result;
using base::UniqueFd;

constexpr off_t kMaxProgram = off_t{64} << 20;

Result<std::string> ReadFile(int at, const std::string& path) {
  const UniqueFd fd(::openat(at, path.c_str(), O_RDONLY | O_CLOEXEC));

  struct stat info {};

  if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
    return base::SysError("open " + path, errno);
  }
  if (!S_ISREG(info.st_mode) || info.st_size > kMaxProgram) {
    return base::Internal(path + " is not a program");
  }
  std::string content(static_cast<size_t>(info.st_size), '\0');
  for (size_t at_byte = 0; at_byte < content.size();) {
    const ssize_t n = ::pread(fd.get(), content.data() + at_byte, content.size() - at_byte,
                              static_cast<off_t>(at_byte));
    if (n <= 0) {
      return base::SysError("read " + path, n == 0 ? EIO : errno);
    }
    at_byte += static_cast<size_t>(n);
  }
  return content;
}

// FNV-1a: tells versions of our own program apart, guards against nothing.
std::string Hash(const std::string& content) {
  uint64_t state = 0xcbf29ce484222325ULL;
  for (const char c : content) {
    state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  std::array<char, 20> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(state));
  return out.data();
}

struct Ids {
  uid_t uid = 0;
  gid_t gid = 0;
};

Ids ParseUser(const std::string& user) {
  Ids ids;
  const char* end = user.data() + user.size();
  const auto [colon, error] = std::from_chars(user.data(), end, ids.uid);
  ids.gid = ids.uid;
  if (error == std::errc() && colon != end) {
    std::from_chars(colon + 1, end, ids.gid);
  }
  return ids;
}

// By descriptor, because a folder in /tmp is one that others may try to take first.
Result<UniqueFd> MakeFolder(int at, const std::string& path, mode_t mode, const Ids* owner) {
  const bool made = ::mkdirat(at, path.c_str(), mode) == 0;
  if (!made && errno != EEXIST) {
    return base::SysError("SANDBOX_JOB_DIR: mkdir " + path, errno);
  }
  UniqueFd fd(::openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) {
    return base::SysError("SANDBOX_JOB_DIR: open " + path, errno);
  }
  // One that was there keeps its mode: an operator may have set it for a remapped user.
  if (made && ::fchmod(fd.get(), mode) != 0) {
    return base::SysError("SANDBOX_JOB_DIR: chmod " + path, errno);
  }
  if (owner != nullptr && ::geteuid() == 0 && ::fchown(fd.get(), owner->uid, owner->gid) != 0) {
    return base::SysError("SANDBOX_JOB_DIR: chown " + path, errno);
  }
  return fd;
}

}  // namespace

Result<std::string> InstallSupervisor(const std::string& supervisor, const std::string& job_dir,
                                      const std::string& user) {
  auto content = ReadFile(AT_FDCWD, supervisor);
  if (!content) {
    return base::Error{content.error().kind, "SANDBOX_SUPERVISOR: " + content.error().message, 0};
  }
  const Ids ids = ParseUser(user);
  auto root = MakeFolder(AT_FDCWD, job_dir, 0755, nullptr);
  if (!root) {
    return root.error();
  }
  // Somebody else's user cannot be given the folders without root: then they are open to all.
  const bool foreign = ::geteuid() != 0 && ids.uid != ::geteuid();
  for (const char* folder : {"jobs", "locks"}) {
    auto made = MakeFolder(root->get(), folder, foreign ? 01777 : 0755, &ids);
    if (!made) {
      return made.error();
    }
  }
  auto cache = MakeFolder(root->get(), "cache", 0755, nullptr);
  auto bin = MakeFolder(root->get(), "bin", 0755, nullptr);
  if (!cache || !bin) {
    return cache ? bin.error() : cache.error();
  }
  const std::string name = "sandbox-supervisor-" + Hash(*content);
  const std::string path = job_dir + "/bin/" + name;
  const auto there = ReadFile(bin->get(), name);
  if (there && *there == *content) {
    return path;
  }
  const std::string building = name + ".new." + std::to_string(::getpid());
  const UniqueFd out(::openat(bin->get(), building.c_str(),
                              O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0755));
  if (!out.valid() || ::fchmod(out.get(), 0755) != 0 ||
      !linux::WriteAll(out.get(), content->data(), content->size()) || ::fsync(out.get()) != 0 ||
      ::renameat(bin->get(), building.c_str(), bin->get(), name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(bin->get(), building.c_str(), 0);
    return base::SysError("SANDBOX_JOB_DIR: write " + path, error);
  }
  return path;
}

Result<std::array<std::string, 2>> ReadFilters(const sandbox::Filters& filters) {
  std::array<std::string, 2> out;
  for (size_t i = 0; i < out.size(); ++i) {
    struct stat info {};

    if (::fstat(filters[i].get(), &info) != 0) {
      return base::SysError("read a seccomp program", errno);
    }
    out[i].resize(static_cast<size_t>(info.st_size));
    if (::pread(filters[i].get(), out[i].data(), out[i].size(), 0) != info.st_size) {
      return base::Internal("a seccomp program could not be read");
    }
  }
  return out;
}

std::unique_ptr<Backend> MakeBackend(boost::asio::io_context& loop, Options options, Broker broker,
                                     language::Registry& languages, std::function<void()> lost) {
  ::signal(SIGPIPE, SIG_IGN);  // the CLI may end while it is written to
  return options.single_use ? MakeSingleUseBackend(loop, std::move(options), std::move(broker),
                                                   languages, std::move(lost))
                            : MakeExecBackend(loop, std::move(options), std::move(broker),
                                              languages, std::move(lost));
}

}  // namespace docker
