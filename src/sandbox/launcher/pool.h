#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "sandbox/launcher/context.h"
#include "sandbox/launcher/sandbox.h"
#include "sandbox/wire.h"

namespace sandbox::launcher {

// All sandboxes of the launcher and the zygotes of its warm programs: keeps the wanted number of
// each kind ready. Used from the launcher's loop only.
class Pool {
 public:
  // False when there can be no helper process.
  bool Init(Context* context, int epoll);

  // Those that have been used so far: they are taken from the front, so few are looked through.
  std::span<Sandbox> sandboxes() { return {sandboxes_.data(), used_}; }

  std::span<const Sandbox> sandboxes() const { return {sandboxes_.data(), used_}; }

  // By the number that its events carry: zygotes come after the sandboxes.
  Sandbox& At(uint64_t number);

  // For a run that asks for warm program `warm` - 1, or for none: a parked sandbox, else one that
  // is being built, else a new one. Null when there is no room.
  Sandbox* Claimable(uint32_t warm, int64_t now);

  // Starts what is missing, unless building it fails, and replaces zygotes that have served long
  // enough.
  void Refill(int64_t now);

  // The outcome of a job has been sent.
  void Answered(int64_t now) { last_answer_ = now; }

  // Sandboxes with a program that runs, or whose end is not over.
  int64_t Runs() const;

  // Deadlines of all, and the next time at which there is something to do, at most a minute away.
  void Tick(int64_t now);
  int64_t NextTick(int64_t now) const;

  // What is there now and has been done so far.
  void Report(wire::PoolReport* report) const;

  void Discard(int64_t now);
  bool busy() const;

 private:
  // One warm program. Two zygotes take turns: the next one starts while the other still serves.
  struct Warm {
    std::array<Sandbox*, 2> zygotes{};
    // The current zygote, and it has not been seen to end. Without zygotes: starts come to the
    // point at which they wait.
    bool started = false;
    uint32_t failures = 0;  // in a row
    int64_t next_try = 0;
    int64_t busy_until = 0;  // without zygotes: so long there is use for it
  };

  bool Serves(uint32_t kind) const;

  bool Forks(uint32_t kind) const { return context_->setup.warm_forks[kind] != 0; }

  void TendZygotes(uint32_t kind, int64_t now);
  void TendStarts(uint32_t kind, int64_t now);
  void DiscardOne(uint32_t kind, int64_t now);
  bool InUse(const Sandbox& zygote) const;
  uint32_t Spare(Sandbox::Role role, uint32_t kind) const;
  Sandbox* FindClaimable(Sandbox::Role role, uint32_t kind);
  Sandbox* FindFree();
  Sandbox* Take(Sandbox::Role role, uint32_t kind);

  long cpus_ = 1;
  Context* context_ = nullptr;
  std::array<Sandbox, wire::kMaxSandboxes> sandboxes_;
  size_t used_ = 1;
  std::array<Sandbox, wire::kMaxZygotes> zygotes_;
  std::array<Warm, wire::kMaxWarm> warm_;
  Tallies tallies_{};
  std::array<std::array<uint64_t, wire::kFounds>, wire::kMaxKinds> claims_{};
  base::UniqueFd closer_;
  int64_t last_claim_ = 0;
  int64_t last_answer_ = 0;
};

}  // namespace sandbox::launcher
