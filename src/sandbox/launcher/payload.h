#pragma once

#include <cstddef>
#include <cstdint>

#include "sandbox/wire.h"

namespace sandbox::launcher {

// Reads a payload (wire.h) from memory that does not change meanwhile: first the strings, then the
// files one by one. Every length is checked against what is left; nothing is copied, allocated or
// written, and pointers lead into the memory. No exceptions.
class PayloadParser {
 public:
  struct File {
    char* path;           // relative, no "..", ends with NUL
    const char* content;  // null when the content is file descriptor fd_index
    uint64_t size;
    uint32_t fd_index;
    bool executable;
  };

  // `file_fds`: how many descriptors of files came with the request.
  PayloadParser(char* data, size_t size, uint32_t file_fds)
      : at_(data), left_(size), file_fds_(file_fds) {}

  // Fills the lists, each with its final null, in storage that lives as long as the process.
  bool ReadStrings(char*** argv, char*** envp);

  uint32_t files_left() const { return files_; }

  // REQUIRES: files_left() > 0. After the last file the payload must be at its end.
  bool ReadFile(File* file);

 private:
  char* Take(size_t size);
  template <typename T>
  bool Read(T* out);
  char* ReadString();

  char* at_;
  size_t left_;
  uint32_t file_fds_;
  uint32_t files_ = 0;
};

}  // namespace sandbox::launcher
