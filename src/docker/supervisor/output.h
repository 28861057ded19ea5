#pragma once

#include <cstdint>
#include <string>

#include "docker/wire.h"

// Frames to sandboxd over standard output, which is not blocking: what it does not take at once
// waits here.
namespace docker::supervisor {

class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}

  void Put(wire::FrameType type, const void* data, size_t size);

  template <typename T>
  void Put(wire::FrameType type, const T& value) {
    Put(type, &value, sizeof(value));
  }

  // Writes what fits without blocking. False when the reader is gone.
  bool Flush();

  // Writes everything, at most until `deadline`. False when that failed.
  bool FlushAll(int64_t deadline);

  bool empty() const { return sent_ == buffer_.size(); }

  // True when no more should be put for now.
  bool full() const { return buffer_.size() - sent_ > (256U << 10); }

 private:
  int fd_;
  std::string buffer_;
  size_t sent_ = 0;
};

}  // namespace docker::supervisor
