#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "base/unique_fd.h"
#include "docker/supervisor/input.h"
#include "docker/supervisor/launch.h"
#include "docker/supervisor/output.h"
#include "docker/supervisor/processes.h"

// One program from its start to the death of its last process.
namespace docker::supervisor {

class Watch {
 public:
  Watch(const Job& job, const Family& family, Output* output)
      : job_(job), family_(family), output_(output) {}

  // Starts the program, waits for the first of exit, limit, cancel and the end of standard input,
  // kills everything, and forwards the output that is left. False when standard input has ended:
  // then nobody waits for an answer.
  bool Run(Launch* launch, wire::Done* done);

 private:
  struct Stream {
    base::UniqueFd fd;
    wire::FrameType type{};
    uint32_t truncated = 0;
    int64_t taken = 0;
    bool cut = false;
  };

  bool Start(Launch* launch);
  void Turn();
  void ReadStart();
  void ReadControl();
  void ReadStream(Stream* stream);
  void CheckMain();
  void CheckLimits();
  void TellUsage(int64_t now, const Tally& tally, int64_t cpu);
  void End(uint32_t flag);
  void Fail(sandbox::wire::Step step, int error);
  void Finish();

  const Job& job_;
  const Family family_;
  Output* output_;
  wire::Done done_{};
  std::array<Stream, 2> streams_;
  base::UniqueFd start_;  // ends when the program has been executed
  base::UniqueFd signals_;
  pid_t main_ = 0;
  int64_t started_at_ = 0;
  int64_t next_measure_ = 0;
  int64_t next_usage_ = 0;  // 0: not before it has started
  int64_t children_before_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;
};

}  // namespace docker::supervisor
