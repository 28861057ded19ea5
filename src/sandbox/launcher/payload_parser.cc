#include <cstring>

#include "sandbox/launcher/payload.h"

namespace sandbox::launcher {
namespace {

// Absolute, or with an empty, "." or ".." part.
bool IsBadPath(const char* path) {
  for (const char* part = path;; ++part) {
    const char* end = std::strchr(part, '/');
    const size_t length = end == nullptr ? std::strlen(part) : static_cast<size_t>(end - part);
    const bool dots = part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'));
    if (length == 0 || dots) {
      return true;
    }
    if (end == nullptr) {
      return false;
    }
    part = end;
  }
}

}  // namespace

char* PayloadParser::Take(size_t size) {
  if (size > left_) {
    return nullptr;
  }
  char* taken = at_;
  at_ += size;
  left_ -= size;
  return taken;
}

template <typename T>
bool PayloadParser::Read(T* out) {
  const char* bytes = Take(sizeof(T));
  if (bytes != nullptr) {
    std::memcpy(out, bytes, sizeof(T));
  }
  return bytes != nullptr;
}

// A string that is followed by NUL and holds none.
char* PayloadParser::ReadString() {
  uint32_t length = 0;
  if (!Read(&length) || length >= left_) {
    return nullptr;
  }
  char* text = Take(size_t{length} + 1);
  return text != nullptr && text[length] == '\0' && std::strlen(text) == length ? text : nullptr;
}

bool PayloadParser::ReadStrings(char*** argv, char*** envp) {
  // Static: the stack of pid 1 need not hold 64 KiB.
  static char* strings[2 * wire::kMaxStrings + 2];
  wire::PayloadHeader header{};
  if (!Read(&header) || header.magic != wire::kPayloadMagic || header.argc == 0 ||
      header.argc > wire::kMaxStrings || header.envc > wire::kMaxStrings ||
      header.files > wire::kMaxStrings) {
    return false;
  }
  *argv = strings;
  *envp = strings + header.argc + 1;
  for (uint32_t i = 0; i < header.argc; ++i) {
    if (((*argv)[i] = ReadString()) == nullptr) {
      return false;
    }
  }
  for (uint32_t i = 0; i < header.envc; ++i) {
    if (((*envp)[i] = ReadString()) == nullptr) {
      return false;
    }
  }
  (*argv)[header.argc] = nullptr;
  (*envp)[header.envc] = nullptr;
  files_ = header.files;
  return files_ > 0 || left_ == 0;
}

bool PayloadParser::ReadFile(File* file) {
  wire::PayloadFile header{};
  if (!Read(&header) || (file->path = ReadString()) == nullptr || IsBadPath(file->path)) {
    return false;
  }
  file->executable = header.executable != 0;
  file->size = header.size;
  file->content = nullptr;
  file->fd_index = 0;
  if (header.fd_index < 0) {
    file->content = Take(header.size);
    if (file->content == nullptr) {
      return false;
    }
  } else {
    file->fd_index = static_cast<uint32_t>(header.fd_index);
    if (file->fd_index >= file_fds_) {
      return false;
    }
  }
  --files_;
  return files_ > 0 || left_ == 0;
}

}  // namespace sandbox::launcher
