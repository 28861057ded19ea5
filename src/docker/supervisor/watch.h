#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "docker/supervisor/feeder.h"
#include "docker/supervisor/input.h"
#include "docker/supervisor/launch.h"
#include "docker/supervisor/output.h"
#include "docker/supervisor/processes.h"
#include "docker/supervisor/terminal.h"

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
  bool ConnectPipes(Launch* launch, base::UniqueFd* in, base::UniqueFd* out, base::UniqueFd* err);
  bool ConnectTerminal(Launch* launch);
  void Turn();
  void ReadStart();
  void ReadControl();
  size_t TakeControl(std::string_view data);
  void Obey(const wire::Control& control);
  void Signal(int signal);
  void Stir();
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
  Terminal terminal_;  // without its master
  Feeder feeder_;
  std::string controls_;     // read, and not whole yet
  uint32_t input_left_ = 0;  // bytes of a kInput that are to come
  base::UniqueFd start_;     // ends when the program has been executed
  base::UniqueFd signals_;
  pid_t main_ = 0;
  int64_t started_at_ = 0;
  int64_t next_measure_ = 0;
  int64_t next_usage_ = 0;  // 0: not before it has started
  int64_t children_before_ = 0;
  int64_t cpu_ = 0;         // as measured last
  int64_t stirred_at_ = 0;  // when something was last said or computed
  bool idle_ = false;       // for a while: measured less often
  bool ended_ = false;
  bool abandoned_ = false;
};

}  // namespace docker::supervisor
