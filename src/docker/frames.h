#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "docker/wire.h"
#include "sandbox/spec.h"

// The conversation with a supervisor: jobs to bytes, bytes to results.
namespace docker {

struct JobPlace {
  uint64_t space = 0;   // of the container
  uint32_t flags = 0;   // wire::JobFlag
  std::string job_dir;  // SANDBOX_JOB_DIR
  std::string cache;    // of the language; empty for none
};

// All that the supervisor reads before Controls; what a live program reads first is a Control's.
// `filter` is the seccomp program; empty for warm-ups. Errors name
// what is too large.
base::Result<std::string> EncodeJob(const sandbox::Spec& spec, const JobPlace& place,
                                    std::string_view filter);

// Reads a supervisor's frames. The container is hostile: order, sizes and sums are checked, and a
// violation is an error from which there is no way back. Memory is bounded by the limits of the
// job.
class FrameParser {
 public:
  struct Events {
    std::function<void(const wire::Hello&)> on_hello;
    std::function<void()> on_started;
    std::function<void(sandbox::Stream, std::string_view)> on_output;
    std::function<void(const sandbox::LiveUsage&)> on_usage;
    std::function<bool(uint32_t bytes)> on_taken;  // false: more than was sent
  };

  // Without a spec only kHello is accepted.
  explicit FrameParser(Events events) : events_(std::move(events)) {}

  // From now on a job's answer is accepted.
  void Expect(const sandbox::Spec& spec);

  base::Result<void> Feed(std::string_view bytes);

  // True once kDone has arrived: then result() is complete.
  bool done() const { return done_; }

  // Causes, output, usage, files, as far as they have arrived.
  sandbox::RunResult& result() { return result_; }

  // errno of the failing step when the cause is kInternal.
  int error() const { return error_; }

 private:
  enum class Phase { kHello, kIdle, kOutput, kFiles, kDone };

  base::Result<void> Take(wire::FrameType type, std::string_view payload);
  base::Result<void> TakeOutput(sandbox::Stream stream, std::string_view payload);
  bool IsWanted(const wire::File& file) const;
  base::Result<void> TakeUsage(std::string_view payload);
  base::Result<void> TakeFile(std::string_view payload);
  base::Result<void> TakeFileData(std::string_view payload);
  base::Result<void> TakeDone(std::string_view payload);
  base::Result<void> CloseFile();

  Events events_;
  Phase phase_ = Phase::kHello;
  std::string pending_;
  sandbox::RunResult result_;
  int64_t output_limit_ = 0;
  int64_t collect_left_ = 0;
  size_t asked_ = 0;                   // files that were asked for by their path
  std::vector<std::string> patterns_;  // others are those that match
  uint32_t files_ = 0;                 // seen
  int64_t file_left_ = 0;              // of the current file
  std::string file_content_;           // of the current file
  bool started_ = false;
  int64_t wall_limit_ = 0;
  int64_t measured_ = 0;  // the wall time of the last usage
  bool done_ = false;
  int error_ = 0;
};

}  // namespace docker
