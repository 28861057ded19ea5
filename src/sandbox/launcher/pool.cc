#include "sandbox/launcher/pool.h"

#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"

namespace sandbox::launcher {
namespace {

using State = Sandbox::State;
using Role = Sandbox::Role;

constexpr int64_t kSecond = 1'000'000'000;
// Between tries of a warm program that does not start or does not live: doubled each time up to
// this.
constexpr int64_t kMaxPause = 64 * kSecond;

// While a job runs, for so long after its claim, and for a moment after its end, in which sandboxd
// answers, no other sandbox is made unless few are left: making one takes a processor, and where a
// process moves into a control group every fork and exit of the machine waits for it.
constexpr int64_t kQuiet = 20'000'000;
constexpr int64_t kAnswering = 4'000'000;

// So long after a job came and found nothing ready, twice as many are kept ready: making them waits
// for the kernel more than for a processor.
constexpr int64_t kBusy = 2 * kSecond;

// A program that is not forked is kept ready so long after a job that asked for it: each of these
// processes holds memory of its own.
constexpr int64_t kInUse = 60 * kSecond;

// Closes what it is sent, and does nothing else: the helper that unmounts dead sandboxes while the
// launcher goes on. Ends with the launcher.
[[noreturn]] void CloserMain(int socket) {
  const auto keep = static_cast<unsigned>(socket);
  if (linux::CloseRange(keep + 1, ~0U, 0) != 0 ||
      (keep > 0 && linux::CloseRange(0, keep - 1, 0) != 0) ||
      (::geteuid() == 0 && !linux::DropBoundingSet()) ||  // another user has none
      !linux::DropCapabilities() || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    ::_exit(1);
  }
  char nothing = 0;
  int fds[linux::kMaxMessageFds];
  int count = 0;
  while (linux::ReceiveMessage(socket, &nothing, sizeof(nothing), fds, &count) > 0) {
    for (int i = 0; i < count; ++i) {
      ::close(fds[i]);
    }
  }
  ::_exit(0);
}

base::UniqueFd StartCloser() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return base::UniqueFd();
  }
  base::UniqueFd ours(ends[0]);
  const base::UniqueFd theirs(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    CloserMain(theirs.get());
  }
  return pid > 0 ? std::move(ours) : base::UniqueFd();
}

bool IsSpare(const Sandbox& sandbox, Role role, uint32_t kind) {
  return !sandbox.has_claim() && sandbox.role() == role && sandbox.kind() == kind &&
         (sandbox.state() == State::kParked || sandbox.state() == State::kBuilding);
}

}  // namespace

bool Pool::Init(Context* context, int epoll) {
  context_ = context;
  cpus_ = ::sysconf(_SC_NPROCESSORS_ONLN);
  closer_ = StartCloser();
  int number = 0;
  for (Sandbox& sandbox : sandboxes_) {
    sandbox.Init(context, number++, epoll, closer_.get(), &tallies_);
  }
  for (size_t i = 0; i < zygotes_.size(); ++i) {
    zygotes_[i].Init(context, number++, epoll, closer_.get(), &tallies_);
    warm_[i / 2].zygotes[i % 2] = &zygotes_[i];
  }
  return closer_.valid();
}

Sandbox& Pool::At(uint64_t number) {
  return number < sandboxes_.size() ? sandboxes_[number] : zygotes_[number - sandboxes_.size()];
}

Sandbox* Pool::FindFree() {
  const auto found = std::find_if(sandboxes_.begin(), sandboxes_.end(), [](const Sandbox& s) {
    return s.state() == State::kFree && !s.has_claim();
  });
  if (found == sandboxes_.end()) {
    return nullptr;
  }
  used_ = std::max(used_, static_cast<size_t>(found - sandboxes_.begin()) + 1);
  return &*found;
}

uint32_t Pool::Spare(Role role, uint32_t kind) const {
  const auto all = sandboxes();
  return static_cast<uint32_t>(std::count_if(
      all.begin(), all.end(), [&](const Sandbox& s) { return IsSpare(s, role, kind); }));
}

bool Pool::Serves(uint32_t kind) const {
  const Sandbox& zygote = *warm_[kind].zygotes[0];
  return zygote.state() == State::kParked && zygote.forks() < context_->setup.warm_jobs;
}

bool Pool::InUse(const Sandbox& zygote) const {
  const auto all = sandboxes();
  return std::any_of(all.begin(), all.end(), [&](const Sandbox& s) { return s.waits_for(zygote); });
}

// The first zygote is the one that serves; the second is on its way to be, or was.
void Pool::TendZygotes(uint32_t kind, int64_t now) {
  Warm& warm = warm_[kind];
  if (warm.started && warm.zygotes[0]->state() == State::kFree) {
    warm.started = false;
    warm.next_try = now + std::min(kMaxPause, kSecond << std::min(warm.failures, 10U));
    ++warm.failures;
  }
  Sandbox& current = *warm.zygotes[0];
  Sandbox& other = *warm.zygotes[1];
  for (Sandbox& sandbox : sandboxes()) {
    if (sandbox.TakeForkFailed(&current)) {
      current.Discard(now);  // whatever is wrong may be wrong in it
    }
  }
  const bool worn = current.state() == State::kParked && !Serves(kind);
  if (current.state() == State::kParked && current.forks() > 0) {
    warm.failures = 0;
  }
  if (other.state() == State::kParked) {
    if (worn) {
      std::swap(warm.zygotes[0], warm.zygotes[1]);
    } else if (!InUse(other)) {
      other.Discard(now);
    }
  } else if ((worn && other.state() == State::kFree) ||
             (!warm.started && current.state() == State::kFree)) {
    if (now >= warm.next_try) {
      Sandbox& next = worn ? other : current;
      warm.started = next.BuildZygote(kind, now) || warm.started;
      warm.next_try = now + kSecond;  // for the next one of a pair
    }
  }
}

// What was started ahead for one job each: a failure ends all tries for a while.
void Pool::TendStarts(uint32_t kind, int64_t now) {
  Warm& warm = warm_[kind];
  for (Sandbox& sandbox : sandboxes()) {
    if (sandbox.TakeStartFailed(kind)) {
      if (now >= warm.next_try) {
        warm.next_try = now + std::min(kMaxPause, kSecond << std::min(warm.failures, 10U));
        ++warm.failures;
      }
      warm.started = false;
    } else if (sandbox.state() == State::kParked && IsSpare(sandbox, Role::kWarm, kind)) {
      warm.started = true;
      warm.failures = 0;
    }
  }
}

int64_t Pool::Runs() const {
  const auto all = sandboxes();
  return std::count_if(all.begin(), all.end(), [](const Sandbox& s) {
    return s.state() == State::kRunning || s.state() == State::kEnding;
  });
}

void Pool::Refill(int64_t now) {
  const int64_t runs = Runs();
  // With every processor at work it only takes time from others.
  const bool rehearse = runs < cpus_;
  const bool quiet = now < last_answer_ + kAnswering || (runs > 0 && now < last_claim_ + kQuiet);
  const auto few = [quiet](uint32_t wanted) { return quiet ? (wanted + 1) / 2 : wanted; };
  for (uint32_t ready = Spare(Role::kPlain, 0); ready < few(context_->setup.park); ++ready) {
    Sandbox* sandbox = FindFree();
    if (sandbox == nullptr || sandbox->build_failed() || !sandbox->Build(now)) {
      return;
    }
  }
  for (uint32_t kind = 0; kind < context_->setup.warm_count; ++kind) {
    const bool forks = Forks(kind);
    if (forks) {
      TendZygotes(kind, now);
    } else {
      TendStarts(kind, now);
    }
    const bool busy = now < warm_[kind].busy_until;
    const uint32_t park = forks || busy ? context_->setup.warm_park : 0;
    const uint32_t wanted = forks && busy ? 2 * park : few(park);
    uint32_t ready = Spare(Role::kWarm, kind);
    for (; (forks ? Serves(kind) : now >= warm_[kind].next_try) && ready < wanted; ++ready) {
      Sandbox* sandbox = FindFree();
      Sandbox* zygote = forks ? warm_[kind].zygotes[0] : nullptr;
      if (sandbox == nullptr || !sandbox->BuildWarm(kind, zygote, rehearse, now)) {
        break;
      }
    }
    if (ready > park && !(forks && busy)) {
      DiscardOne(kind, now);
    }
  }
}

void Pool::DiscardOne(uint32_t kind, int64_t now) {
  for (Sandbox& sandbox : sandboxes()) {
    if (sandbox.state() == State::kParked && IsSpare(sandbox, Role::kWarm, kind)) {
      return sandbox.Discard(now);
    }
  }
}

Sandbox* Pool::FindClaimable(Role role, uint32_t kind) {
  // Of a program's starts none is waited for before one has come up.
  const bool proven = role == Role::kPlain || Forks(kind) || warm_[kind].started;
  Sandbox* building = nullptr;
  for (Sandbox& sandbox : sandboxes()) {
    if (IsSpare(sandbox, role, kind)) {
      if (sandbox.state() == State::kParked) {
        return &sandbox;
      }
      building = building == nullptr && proven ? &sandbox : building;
    }
  }
  return building;
}

// Counts what is found.
Sandbox* Pool::Take(Role role, uint32_t kind) {
  Sandbox* sandbox = FindClaimable(role, kind);
  const wire::Found found = sandbox == nullptr                   ? wire::Found::kNone
                            : sandbox->state() == State::kParked ? wire::Found::kParked
                                                                 : wire::Found::kBuilding;
  ++claims_[role == Role::kPlain ? 0 : 1 + kind][static_cast<size_t>(found)];
  return sandbox;
}

Sandbox* Pool::Claimable(uint32_t warm, int64_t now) {
  last_claim_ = now;
  if (warm != 0) {
    Sandbox* sandbox = Take(Role::kWarm, warm - 1);
    if (!Forks(warm - 1)) {
      warm_[warm - 1].busy_until = now + kInUse;
    } else if (sandbox == nullptr || sandbox->state() != State::kParked) {
      warm_[warm - 1].busy_until = now + kBusy;
    }
    if (sandbox != nullptr) {
      return sandbox;
    }
  }
  if (Sandbox* sandbox = Take(Role::kPlain, 0)) {
    return sandbox;
  }
  Sandbox* fresh = FindFree();
  return fresh != nullptr && fresh->Build(now) ? fresh : nullptr;
}

void Pool::Tick(int64_t now) {
  for (Sandbox& sandbox : sandboxes()) {
    sandbox.OnTick(now);
  }
  for (Sandbox& zygote : zygotes_) {
    zygote.OnTick(now);
  }
}

int64_t Pool::NextTick(int64_t now) const {
  int64_t next = now + 60 * kSecond;
  for (const int64_t quiet_until : {last_claim_ + kQuiet, last_answer_ + kAnswering}) {
    next = quiet_until > now ? std::min(next, quiet_until) : next;
  }
  for (const Sandbox& sandbox : sandboxes()) {
    next = std::min(next, sandbox.next_tick());
  }
  for (const Sandbox& zygote : zygotes_) {
    next = std::min(next, zygote.next_tick());
  }
  for (uint32_t kind = 0; kind < context_->setup.warm_count; ++kind) {
    const int64_t next_try = warm_[kind].next_try;
    const int64_t busy_until = warm_[kind].busy_until;
    next = busy_until > now ? std::min(next, busy_until) : next;
    next = Serves(kind) || next_try <= now ? next : std::min(next, next_try);
  }
  return next;
}

void Pool::Report(wire::PoolReport* report) const {
  report->kind_count = 1 + context_->setup.warm_count;
  for (uint32_t i = 0; i < report->kind_count; ++i) {
    wire::PoolKind& kind = report->kinds[i];
    for (const Sandbox& sandbox : sandboxes()) {
      if (i == 0 ? IsSpare(sandbox, Role::kPlain, 0) : IsSpare(sandbox, Role::kWarm, i - 1)) {
        ++(sandbox.state() == State::kParked ? kind.parked : kind.building);
      }
    }
    kind.zygotes = i > 0 && Serves(i - 1) ? 1 : 0;
    kind.claims = claims_[i];
    const Tally& tally = tallies_[i];
    kind.built = tally.built;
    kind.failed = tally.failed;
    kind.build_time = tally.build_time;
    kind.zygotes_started = tally.zygotes_started;
    kind.forks = tally.forks;
  }
}

void Pool::Discard(int64_t now) {
  for (Sandbox& sandbox : sandboxes()) {
    sandbox.Discard(now);
  }
  for (Sandbox& zygote : zygotes_) {
    zygote.Discard(now);
  }
}

bool Pool::busy() const {
  const auto is_busy = [](const Sandbox& s) { return s.state() != State::kFree; };
  return std::any_of(sandboxes_.begin(), sandboxes_.end(), is_busy) ||
         std::any_of(zygotes_.begin(), zygotes_.end(), is_busy);
}

}  // namespace sandbox::launcher
