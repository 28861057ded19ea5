// Reads what the client sent for one job. Runs in pid 1 of the sandbox, so that a mistake here is
// confined like the job itself; every length is checked all the same.

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

class Reader {
 public:
  Reader(char* data, size_t size) : at_(data), left_(size) {}

  char* Take(size_t size) {
    if (size > left_) {
      return nullptr;
    }
    char* taken = at_;
    at_ += size;
    left_ -= size;
    return taken;
  }

  template <typename T>
  bool Read(T* out) {
    const char* bytes = Take(sizeof(T));
    if (bytes != nullptr) {
      std::memcpy(out, bytes, sizeof(T));
    }
    return bytes != nullptr;
  }

  // A string that is followed by NUL and holds none.
  char* ReadString() {
    uint32_t length = 0;
    if (!Read(&length) || length >= left_) {
      return nullptr;
    }
    char* text = Take(size_t{length} + 1);
    return text != nullptr && text[length] == '\0' && std::strlen(text) == length ? text : nullptr;
  }

 private:
  char* at_;
  size_t left_;
};

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

bool BadPath(const char* path) {
  return path[0] == '\0' || path[0] == '/' || std::strstr(path, "..") != nullptr;
}

}  // namespace

bool LoadPayload(int payload, const int* file_fds, uint32_t file_fd_count, bool root, char*** argv,
                 char*** envp, Step* step) {
  *step = Step::kPayload;

  struct stat info {};

  if (::fstat(payload, &info) != 0) {
    return false;
  }
  errno = EINVAL;
  if (info.st_size < static_cast<off_t>(sizeof(wire::PayloadHeader)) ||
      info.st_size > wire::kMaxPayload) {
    return false;
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, payload, 0);
  if (mapping == MAP_FAILED) {
    return false;
  }
  Reader reader(static_cast<char*>(mapping), size);
  wire::PayloadHeader header{};
  if (!reader.Read(&header) || header.magic != wire::kPayloadMagic || header.argc == 0 ||
      header.argc > wire::kMaxStrings || header.envc > wire::kMaxStrings ||
      header.files > wire::kMaxStrings) {
    return false;
  }
  static char*
      strings[2 * wire::kMaxStrings + 2];  // static: the stack of pid 1 need not hold 64 KiB
  *argv = strings;
  *envp = strings + header.argc + 1;
  for (uint32_t i = 0; i < header.argc + header.envc; ++i) {
    char* text = reader.ReadString();
    if (text == nullptr) {
      return false;
    }
    strings[i + (i >= header.argc ? 1 : 0)] = text;
  }
  for (uint32_t i = 0; i < header.files; ++i) {
    wire::PayloadFile file{};
    char* path = nullptr;
    errno = EINVAL;
    if (!reader.Read(&file) || (path = reader.ReadString()) == nullptr || BadPath(path)) {
      *step = Step::kPayload;
      return false;
    }
    const char* content = file.fd_index < 0 ? reader.Take(file.size) : nullptr;
    if (file.fd_index < 0 ? content == nullptr
                          : static_cast<uint32_t>(file.fd_index) >= file_fd_count) {
      return false;
    }
    *step = Step::kWriteFiles;
    if (!MakeParents(path, root)) {
      return false;
    }
    const base::UniqueFd out(::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                    file.executable != 0 ? 0755 : 0644));
    if (!out.valid() || (root && ::fchown(out.get(), kJobUid, kJobUid) != 0) ||
        !(file.fd_index < 0 ? linux::WriteAll(out.get(), content, file.size)
                            : CopyFrom(file_fds[file.fd_index], out.get()))) {
      return false;
    }
  }
  return true;
}

}  // namespace sandbox::launcher
