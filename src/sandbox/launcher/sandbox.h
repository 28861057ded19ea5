#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <utility>

#include "base/unique_fd.h"
#include "linux/cgroup.h"
#include "sandbox/launcher/context.h"
#include "sandbox/wire.h"

namespace sandbox::launcher {

// What a claim hands to a sandbox: the request and its descriptors.
struct Claim {
  uint64_t id = 0;
  ControlRun run{};
  int64_t collect_bytes = 0;
  uint32_t collect_count = 0;
  std::array<wire::Name, wire::kMaxCollect> collect{};
  std::array<base::UniqueFd, wire::kMaxFds> fds;
  int fd_count = 0;
};

// The limits of a control group that each job brings; 0: none has been written.
struct GroupLimits {
  int64_t memory_bytes = 0;
  int64_t processes = 0;
};

// What sandboxes of one kind have been through, for wire::PoolKind.
struct Tally {
  uint64_t built = 0;
  uint64_t failed = 0;
  std::array<int64_t, wire::kBuildSteps> build_time{};
  uint64_t zygotes_started = 0;
  uint64_t forks = 0;
  GroupLimits last_limits;  // of the last run: the next mostly has the same
};

// By kind: plain ones, then those of each warm program.
using Tallies = std::array<Tally, wire::kMaxKinds>;

// What a builder tells before it ends.
struct BuilderReport {
  wire::Step step;
  int32_t error;
  pid_t pid;  // of pid 1, as the launcher sees it; <= 0 when there is none
};

// One sandbox, from its building to the proof that nothing of it is left. Used by one job at most;
// the slot (index, host ids) is used again only after the removal. All calls come from the
// launcher's loop and do not block, but for the builder's exit, which follows its report at once.
//
//   kFree -> kBuilding -> kParked -> kRunning -> kEnding -> kRemoving -> kFree
//
// A zygote (zygote.h) is built, watched and removed in the same way. Parked, it serves; it is never
// claimed.
class Sandbox {
 public:
  enum class State { kFree, kBuilding, kParked, kRunning, kEnding, kRemoving };
  enum class Role { kPlain, kWarm, kZygote };

  // What the loop must watch for: the descriptors may be -1.
  enum Source : uint32_t { kBuilder = 0, kControl = 1, kProcess = 2 };

  // `closer`: a socket to a process that closes what it is sent (pool.cc). `tallies` outlives it.
  void Init(Context* context, int index, int epoll, int closer, Tallies* tallies);

  // kFree -> kBuilding. Forks the builder: a child that makes the cgroup, enters it (which may
  // stall), and clones pid 1 from within, so that nothing ever migrates while a job waits.
  bool Build(int64_t now) { return Build(Role::kPlain, 0, nullptr, now); }

  // The same for warm program number `kind`, whose process `zygote` forks, or with null is started
  // in the sandbox itself. REQUIRES: zygote is kParked, or null and the program's are not forked.
  // `rehearse`: as in ForkRequest.
  bool BuildWarm(uint32_t kind, Sandbox* zygote, bool rehearse, int64_t now) {
    rehearse_ = rehearse;
    return Build(Role::kWarm, kind, zygote, now);
  }

  bool BuildZygote(uint32_t kind, int64_t now) { return Build(Role::kZygote, kind, nullptr, now); }

  // REQUIRES: kBuilding without a claim, or kParked. A building one starts the job when it is
  // ready.
  void Assign(Claim claim, int64_t now);

  // Ends the job for a reason; ignored unless it runs or waits to.
  void End(uint32_t flag, int64_t now);

  // Sends a signal to the program's process group; ignored unless it runs with a pipe or a
  // terminal as its input.
  void Signal(int signal);

  // Ends whatever this sandbox is at, claimed or not: the launcher stops.
  void Discard(int64_t now);

  // The program's output is closed: looks whether the program has ended. Its outcome may be there
  // then, while the kernel still frees its memory.
  void OnOutputClosed(int64_t now);

  void OnEvent(Source source, int64_t now);

  // Deadlines and polled limits.
  void OnTick(int64_t now);

  // Not null once the job's outcome is known and every process of it is dead, or nothing but the
  // kernel's freeing of it is left; also, as an internal
  // error, when they have not died within 5 s of being killed. The slot is used again only after
  // Forget. The collected files go with it.
  const wire::Reply* outcome() const { return has_reply_ ? &reply_ : nullptr; }

  // True when what the running program uses is to be told; until Usage has been called.
  bool usage_due() const { return usage_due_ && state_ == State::kRunning; }

  // Measures it: a reply with kStillRuns. REQUIRES: usage_due.
  wire::Reply Usage(int64_t now);

  const std::array<base::UniqueFd, wire::kMaxCollect>& collected() const { return collected_; }

  // The outcome has been sent. `kill`: what is left of the sandbox may be killed at once; else it
  // is a moment later, when the answer has reached its client.
  void Forget(bool kill, int64_t now);

  State state() const { return state_; }

  // Of what was built last.
  Role role() const { return role_; }

  uint32_t kind() const { return kind_; }

  // True while `zygote` has yet to fork this one's process.
  bool waits_for(const Sandbox& zygote) const {
    return state_ == State::kBuilding && zygote_ == &zygote;
  }

  // True once when `zygote`, alive, has not brought a process into this one.
  bool TakeForkFailed(const Sandbox* zygote) {
    return fork_failed_by_ == zygote && std::exchange(fork_failed_by_, nullptr) != nullptr;
  }

  // True once when a program that was to be started in this one, or waited there, has failed.
  bool TakeStartFailed(uint32_t kind) {
    return kind_ == kind && std::exchange(start_failed_, false);
  }

  // Of a zygote: how often it was asked to fork.
  uint32_t forks() const { return forks_; }

  bool has_claim() const { return has_claim_; }

  uint64_t id() const { return claim_.id; }

  // The next time at which OnTick has something to do; INT64_MAX for none.
  int64_t next_tick() const { return next_tick_; }

  // True from when it was not dead or not removed in time until it is.
  bool quarantined() const { return quarantined_; }

  // True when the last build failed: parking more would fail as well.
  bool build_failed() const { return build_failed_; }

 private:
  static constexpr int64_t kKillDeadline = 5'000'000'000;
  static constexpr int64_t kInitTasks = 1;  // pid 1 counts in the cgroup, not in the job's limit
  // Memory that is enough, whatever waits in a parked sandbox.
  static constexpr int64_t kSpareMemory = 64 << 20;

  bool Build(Role role, uint32_t kind, Sandbox* zygote, int64_t now);
  [[noreturn]] void BuilderMain(int control, int report);
  void OnBuilt(int64_t now);
  void OnControl(int64_t now);
  void EndStep(wire::BuildStep step, int64_t now);
  Tally& tally() const;
  bool starts_program() const;
  void OnReady(base::UniqueFd* fds, int fd_count, int64_t now);
  void Park(int64_t now);
  void HoldProgram();
  void BeginMeasuring();
  void OnExited(int wait_status, int64_t at, int64_t tasks_left, int64_t now);
  bool AskForFork(const base::UniqueFd* fds, int fd_count);
  void Conclude(int64_t now);
  void OnDead(int64_t now);
  void StartRun(int64_t now);
  void Fail(wire::Step step, int error, int64_t now);
  bool SetGroupLimits(const GroupLimits& limits);
  void KillAll(int64_t now);
  void Kill(int64_t now);
  void KillProcesses();
  void Quarantine(wire::Step step);
  void CloseMounts();
  void Collect();
  void Remove(int64_t now);
  bool KeepGroup();
  bool RemoveGroup();

  // Its control group is there: while it is in use, and while it is kept for the next.
  bool has_group() const { return leaf_.folders[0].valid(); }

  void Watch(int fd, Source source) const;
  void Close(base::UniqueFd* watched) const;

  Context* context_ = nullptr;
  int index_ = 0;
  int epoll_ = -1;
  int closer_ = -1;
  Tallies* tallies_ = nullptr;
  State state_ = State::kFree;
  Role role_ = Role::kPlain;
  uint32_t kind_ = 0;
  Sandbox* zygote_ = nullptr;  // that forks its process; until it has
  uint64_t zygote_generation_ = 0;
  const Sandbox* fork_failed_by_ = nullptr;
  bool rehearse_ = false;
  bool start_failed_ = false;
  base::UniqueFd user_namespace_;  // of a zygote
  uint32_t forks_ = 0;
  uint64_t generation_ = 0;
  std::array<char, 32> name_{};
  bool has_claim_ = false;
  bool has_reply_ = false;
  bool build_failed_ = false;
  bool discarded_ = false;  // nothing of it is kept for the next
  bool kill_due_ = false;   // the outcome is known, and pid 1 is yet to be killed
  bool quarantined_ = false;
  Claim claim_;
  pid_t builder_ = -1;
  base::UniqueFd builder_report_;
  base::UniqueFd control_;
  pid_t init_ = -1;         // pid 1, as this process sees it
  base::UniqueFd process_;  // pidfd of it
  // The process that a zygote has forked, where its end can be seen early.
  pid_t program_ = -1;
  base::UniqueFd program_process_;
  base::UniqueFd box_;
  base::UniqueFd mounts_;  // the mount namespace: its end takes long, and need not be waited for
  linux::CgroupLeaf leaf_;
  GroupLimits limits_;  // that leaf_ has
  wire::Reply reply_{};
  std::array<base::UniqueFd, wire::kMaxCollect> collected_;
  int64_t step_since_ = 0;  // of building
  std::array<int64_t, wire::kBuildSteps> build_time_{};
  int64_t run_since_ = 0;
  int64_t deadline_ = 0;  // of the current state
  int64_t next_tick_ = INT64_MAX;
  int64_t next_usage_ = 0;
  bool usage_due_ = false;
  int64_t cpu_before_ = 0;  // what making the sandbox has cost
  int64_t main_cpu_ = 0;
  int64_t main_rss_ = 0;
};

}  // namespace sandbox::launcher
