#pragma once

#include <linux/filter.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "docker/wire.h"

// Reads a job from standard input. sandboxd is trusted with what it asks for, but every length is
// checked all the same.
namespace docker::supervisor {

struct Job {
  wire::JobHeader header{};
  std::array<sock_filter, wire::kMaxFilter> filter{};
  std::string root;   // SANDBOX_JOB_DIR
  std::string cache;  // the folder of a warm-up, or one that jobs may read; empty for none
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::vector<std::string> collect;
  base::UniqueFd stdin_fd;  // of a file in memory, at its start
};

// Blocks for the first byte as long as it takes, then at most a minute in all. Each returns false
// with errno; at the end of input errno is EPIPE.
class Input {
 public:
  explicit Input(int fd) : fd_(fd) {}

  bool ReadJob(Job* job);

  // The job's files, into the work folder; given to `uid` unless that is -1.
  bool WriteFiles(const Job& job, int box, int64_t uid);

  // After the files: the program's stdin.
  bool ReadStdin(Job* job);

 private:
  bool ReadAll(void* data, size_t size);
  bool ReadString(std::string* text);
  bool CopyTo(int fd, uint64_t size);

  int fd_;
  int64_t deadline_ = 0;
};

}  // namespace docker::supervisor
