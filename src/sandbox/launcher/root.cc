// The file system view: a tmpfs of our own with read-only clones of the machine's folders or of
// those of a prepared root (SANDBOX_ROOTFS), and of the operator's, device
// files, work folders of bounded size, and a proc that shows the sandbox only. Mount points are
// made while the tmpfs is still empty, so nothing foreign can redirect them.

#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

// Folders that make up a usable system, beside the operator's mounts. /bin and the like
// are symbolic links into /usr on merged systems and are then made again as links.
constexpr const char* kSystemFolders[] = {"/usr",   "/bin",   "/sbin",  "/lib",
                                          "/lib32", "/lib64", "/libx32"};
constexpr const char* kSystemFiles[] = {"/etc/ld.so.cache", "/etc/alternatives"};
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom"};

constexpr int kMaxSources = 32;

enum class Kind { kReadOnly, kWritable, kDevice };

struct Source {
  const char* target = nullptr;
  Kind kind = Kind::kReadOnly;
  bool folder = false;
  int tree = -1;
  char link[256] = "";  // not empty: make a symbolic link instead
};

// Filled by OpenSources, used by BuildRoot, in the same process.
Source g_sources[kMaxSources];
int g_source_count = 0;

constexpr char kPasswd[] =
    "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
    "sandbox:x:1000:1000:sandbox:/box:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
constexpr char kGroup[] = "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n";
constexpr char kHosts[] = "127.0.0.1 localhost sandbox\n::1 localhost\n";
constexpr char kNsswitch[] =
    "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n";
constexpr char kHostname[] = "sandbox\n";

// Opens `path` below `root`, following no link, or, when `root` is -1, as the machine has it; then
// the last part is not followed.
base::UniqueFd OpenSource(int root, const char* path) {
  if (root < 0) {
    return base::UniqueFd(::open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  }
  return base::UniqueFd(linux::OpenBeneath(root, path + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

// `path` is absolute, also when it is meant below `root`.
bool Add(int root, const char* path, const char* target, Kind kind, bool required) {
  struct stat info {};

  const base::UniqueFd source = kind == Kind::kDevice
                                    ? base::UniqueFd(::open(path, O_PATH | O_CLOEXEC))
                                    : OpenSource(root, path);
  if (!source.valid() || ::fstat(source.get(), &info) != 0) {
    return !required && errno == ENOENT;
  }
  if (g_source_count == kMaxSources) {
    errno = E2BIG;
    return false;
  }
  Source& s = g_sources[g_source_count];
  s.target = target;
  s.kind = kind;
  if (S_ISLNK(info.st_mode)) {
    const ssize_t n = ::readlinkat(source.get(), "", s.link, sizeof(s.link) - 1);
    if (n <= 0) {
      return false;
    }
    s.link[n] = '\0';
  } else {
    s.folder = S_ISDIR(info.st_mode);
    s.tree = static_cast<int>(::syscall(
        SYS_open_tree, source.get(), "",
        AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (s.folder ? AT_RECURSIVE : 0)));
    if (s.tree < 0) {
      return false;
    }
  }
  ++g_source_count;
  return true;
}

bool MakeFile(const char* path, const char* content) {
  const base::UniqueFd fd(::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  return fd.valid() && linux::WriteAll(fd.get(), content, std::strlen(content));
}

// Makes the folders above and at `path` (absolute, taken relative to the current folder).
bool MakeFolders(const char* path, bool last) {
  char part[wire::kMaxName];
  for (size_t i = 1; path[i - 1] != '\0'; ++i) {
    if (path[i] == '/' || (path[i] == '\0' && last)) {
      std::snprintf(part, sizeof(part), ".%.*s", static_cast<int>(i), path);
      if (::mkdir(part, 0755) != 0 && errno != EEXIST) {
        return false;
      }
    }
  }
  return true;
}

bool MakeMountPoint(const Source& s) {
  char at[wire::kMaxName + 1];
  std::snprintf(at, sizeof(at), ".%s", s.target);
  if (!MakeFolders(s.target, s.folder)) {
    return false;
  }
  if (s.link[0] != '\0') {
    return ::symlink(s.link, at) == 0;
  }
  return s.folder || MakeFile(at, "");
}

bool Attach(const Source& s) {
  if (s.link[0] != '\0') {
    return true;
  }
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_NOSUID | (s.kind == Kind::kDevice ? 0 : MOUNT_ATTR_NODEV) |
                  (s.kind == Kind::kReadOnly ? MOUNT_ATTR_RDONLY : 0);
  const unsigned recursive = s.folder ? AT_RECURSIVE : 0;
  if (::syscall(SYS_mount_setattr, s.tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) !=
      0) {
    return false;
  }
  char at[wire::kMaxName + 1];
  std::snprintf(at, sizeof(at), ".%s", s.target);
  const bool ok = ::syscall(SYS_move_mount, s.tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) == 0;
  ::close(s.tree);
  return ok;
}

// Sizes are set again when a job claims the sandbox; the inode numbers bound the time of tear-down.
bool MountTmpfs(const char* at, const char* options) {
  return ::mount("tmpfs", at, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0;
}

}  // namespace

bool OpenSources(const Context& context, Step* step) {
  *step = Step::kBindMounts;
  const char* root_path = context.setup.root.data();
  base::UniqueFd root;
  if (root_path[0] != '\0') {
    // Resolved by sandboxd: a link on the way means that somebody has changed it since.
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    root.reset(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, root_path, &how, sizeof(how))));
    if (!root.valid()) {
      return false;
    }
  }
  for (const char* folder : kSystemFolders) {
    if (!Add(root.get(), folder, folder, Kind::kReadOnly, std::strcmp(folder, "/usr") == 0)) {
      return false;
    }
  }
  for (const char* file : kSystemFiles) {
    if (!Add(root.get(), file, file, Kind::kReadOnly, false)) {
      return false;
    }
  }
  for (uint32_t i = 0; i < context.setup.mount_count; ++i) {
    const wire::Mount& mount = context.setup.mounts[i];
    const Kind kind = context.writable_mounts ? Kind::kWritable : Kind::kReadOnly;
    if (!Add(-1, mount.source.data(), mount.target.data(), kind, true)) {
      return false;
    }
  }
  *step = Step::kDevices;
  for (const char* device : kDevices) {
    if (!Add(-1, device, device, Kind::kDevice, true)) {
      return false;
    }
  }
  return true;
}

bool BuildRoot(const Context& context, const View& view, Step* step) {
  *step = Step::kPrivateMounts;
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return false;
  }
  *step = Step::kRootTmpfs;
  // /tmp exists everywhere and is only a place to hang the new root on; nothing is written to the
  // host.
  if (::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=512,mode=755") !=
          0 ||
      ::chdir("/tmp") != 0) {
    return false;
  }
  *step = Step::kMountPoints;
  ::umask(0);
  for (const char* folder : {"/box", "/tmp", "/dev", "/dev/pts", "/dev/shm", "/proc", "/etc"}) {
    if (!MakeFolders(folder, true)) {
      return false;
    }
  }
  if (!MakeFile("./etc/passwd", kPasswd) || !MakeFile("./etc/group", kGroup) ||
      !MakeFile("./etc/hosts", kHosts) || !MakeFile("./etc/nsswitch.conf", kNsswitch) ||
      !MakeFile("./etc/hostname", kHostname) || ::symlink("/proc/self/fd", "./dev/fd") != 0 ||
      ::symlink("/proc/self/fd/0", "./dev/stdin") != 0 ||
      ::symlink("/proc/self/fd/1", "./dev/stdout") != 0 ||
      ::symlink("/proc/self/fd/2", "./dev/stderr") != 0 ||
      // Where a program has a terminal (terminal.cc) it is that; else there is none.
      ::symlink("pts/0", "./dev/tty") != 0) {
    return false;
  }
  if (view.preload && !MakeFile("./etc/ld.so.preload", kPreloadList)) {
    return false;
  }
  for (int i = 0; i < g_source_count; ++i) {
    if (!MakeMountPoint(g_sources[i])) {
      return false;
    }
  }
  *step = Step::kBindMounts;
  for (int i = 0; i < g_source_count; ++i) {
    if (!Attach(g_sources[i])) {
      return false;
    }
  }
  *step = Step::kTmpfs;
  char options[128];
  const unsigned owner = view.owner;
  std::snprintf(options, sizeof(options), "size=64m,nr_inodes=4096,mode=700,uid=%u,gid=%u", owner,
                owner);
  if (!MountTmpfs("./box", options) || !MountTmpfs("./tmp", "size=64m,nr_inodes=4096,mode=1777") ||
      !MountTmpfs("./dev/shm", "size=16m,nr_inodes=1024,mode=1777")) {
    return false;
  }
  *step = Step::kProc;
  // A zygote is in the launcher's pid namespace, which it has no right to show.
  if (!view.zygote && ::mount("proc", "./proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                              "subset=pid,hidepid=ptraceable") != 0) {
    return false;
  }
  *step = Step::kPivot;
  (void)context;
  const base::UniqueFd old_root(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  char where[64];
  // pivot_root(".", ".") stacks the old root on the new one; leaving by descriptor and unmounting
  // it from there needs no folder for the old root (pivot_root(2)).
  if (!old_root.valid() || linux::PivotRoot(".", ".") != 0 || ::fchdir(old_root.get()) != 0 ||
      ::mount(nullptr, ".", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
              nullptr) != 0 ||
      ::chdir("/box") != 0 || ::getcwd(where, sizeof(where)) == nullptr) {
    return false;
  }
  if (std::strcmp(where, "/box") != 0) {
    errno = ENOTDIR;
    return false;
  }
  return true;
}

}  // namespace sandbox::launcher
