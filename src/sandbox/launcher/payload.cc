// Reads what the client sent for one job. Runs in pid 1 of the sandbox, so that a mistake here is
// confined like the job itself; every length is checked all the same. The memory is a sealed memfd
// (check.h), so nobody changes it while it is read.

#include "sandbox/launcher/payload.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

// Makes the folders above a relative path below the work folder, owned by the program.
bool MakeParents(char* path, bool root) {
  for (char* slash = std::strchr(path, '/'); slash != nullptr;
       slash = std::strchr(slash + 1, '/')) {
    *slash = '\0';
    const bool made = ::mkdir(path, 0755) == 0;
    const bool ok = made ? (!root || ::lchown(path, kJobUid, kJobUid) == 0) : errno == EEXIST;
    *slash = '/';
    if (!ok) {
      return false;
    }
  }
  return true;
}

bool CopyFrom(int source, int target) {
  struct stat info {};

  if (::fstat(source, &info) != 0 || !S_ISREG(info.st_mode)) {
    errno = EINVAL;
    return false;
  }
  off_t offset = 0;
  while (offset < info.st_size) {
    const ssize_t n =
        ::sendfile(target, source, &offset, static_cast<size_t>(info.st_size - offset));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
  }
  return true;
}

// Null with errno; EINVAL when it cannot be a payload.
char* Map(int payload, size_t* size) {
  struct stat info {};

  if (::fstat(payload, &info) != 0) {
    return nullptr;
  }
  if (info.st_size < static_cast<off_t>(sizeof(wire::PayloadHeader)) ||
      info.st_size > wire::kMaxPayload) {
    errno = EINVAL;
    return nullptr;
  }
  *size = static_cast<size_t>(info.st_size);
  void* mapping = ::mmap(nullptr, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, payload, 0);
  errno = mapping == MAP_FAILED ? errno : EINVAL;  // of whatever is wrong in it
  return mapping == MAP_FAILED ? nullptr : static_cast<char*>(mapping);
}

}  // namespace

bool LoadCommand(int payload, char*** argv, char*** envp) {
  size_t size = 0;
  char* const mapping = Map(payload, &size);
  return mapping != nullptr && PayloadParser(mapping, size, 0).ReadStrings(argv, envp);
}

bool LoadPayload(int payload, const int* file_fds, uint32_t file_fd_count, bool root, char*** argv,
                 char*** envp, Step* step) {
  *step = Step::kPayload;
  size_t size = 0;
  char* const mapping = Map(payload, &size);
  if (mapping == nullptr) {
    return false;
  }
  PayloadParser parser(mapping, size, file_fd_count);
  if (!parser.ReadStrings(argv, envp)) {
    return false;
  }
  while (parser.files_left() > 0) {
    PayloadParser::File file{};
    *step = Step::kPayload;
    errno = EINVAL;
    if (!parser.ReadFile(&file)) {
      return false;
    }
    *step = Step::kWriteFiles;
    if (!MakeParents(file.path, root)) {
      return false;
    }
    const base::UniqueFd out(::open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                    file.executable ? 0755 : 0644));
    if (!out.valid() || (root && ::fchown(out.get(), kJobUid, kJobUid) != 0) ||
        !(file.content != nullptr ? linux::WriteAll(out.get(), file.content, file.size)
                                  : CopyFrom(file_fds[file.fd_index], out.get()))) {
      return false;
    }
  }
  return true;
}

}  // namespace sandbox::launcher
