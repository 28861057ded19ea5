#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

namespace executor {

// How a program and the interactor that it talked with have ended.
struct InteractionResult {
  // Whoever ends badly first (not with exit code 0) decides, and the other is killed. Who ends
  // well leaves the other the end of its input, and the last word.
  enum class Decider {
    kProgram,     // it ended badly
    kInteractor,  // its exit code is the answer
    kSilence,     // both were idle for too long, and were killed
  };

  Decider decider = Decider::kInteractor;
  sandbox::RunResult program;  // kCancelled when it was killed
  sandbox::RunResult interactor;
  base::Nanos silence = 0;  // how long both had been idle before the first of their ends
  std::string failure;      // of a sandbox: nothing else counts then
};

// Runs a program and an interactor at once, each in a sandbox of its own, the stdout of each being
// the stdin of the other. What one has said and the other has not taken waits here: it is bounded
// by the speaker's limit of output. Nobody hears the end of the other's output before the other has
// ended. Lives on the loop's thread; loop and backend must outlive it; it keeps itself alive while
// a sandbox runs.
class Interaction : public std::enable_shared_from_this<Interaction> {
 public:
  // Called once, never from within Start or Cancel; nothing runs then.
  using Done = std::function<void(InteractionResult)>;
  // What one of its two runs uses, as Backend::WatchUsage tells it.
  using OnUsage = std::function<void(sandbox::Backend::RunId, const sandbox::LiveUsage&)>;

  // A program that fails by itself may have been right about the interactor's last word ("-1: that
  // was wrong") before the interactor has ended: its complaint counts when it comes within this
  // time, and without having been told of the program's end.
  static constexpr base::Nanos kGrace = 200 * base::kMillisecond;

  // How long both may be idle where it is not said, and where the backend measures what they
  // compute: else a program that thinks in silence would pass for one that waits.
  static constexpr base::Nanos kIdleTime = 2 * base::kSecond;

  // `idle_time`: how long both may neither say nor take a word, nor compute (as far as that is
  // measured) while both run; 0: kIdleTime.
  Interaction(boost::asio::io_context& loop, sandbox::Backend& backend, base::Nanos idle_time,
              OnUsage on_usage, Done done);
  ~Interaction();

  // REQUIRES: live_input of both.
  void Start(sandbox::Spec program, sandbox::Spec interactor);

  // Once it is started.
  sandbox::Backend::RunId program() const { return parties_[kProgram].id; }

  sandbox::Backend::RunId interactor() const { return parties_[kInteractor].id; }

  // Kills both; `done` follows, and says nothing of use.
  void Cancel();

 private:
  enum Side : size_t { kProgram, kInteractor };

  struct Party {
    sandbox::Backend::RunId id = 0;
    bool ended = false;
    bool killed = false;  // by us
    sandbox::RunResult result;
    bool runs = false;                        // it was heard of: a container may have to start
    std::optional<sandbox::LiveUsage> usage;  // as measured last
    std::string unread;                       // what the other has said
    bool writing = false;                     // what was unread before is on its way
  };

  struct Timer;

  void StartOne(Side side, sandbox::Spec spec);
  void Hear(Side from, sandbox::Stream stream, std::string_view data);
  void Feed(Side to);
  void EndInput(Side to);
  void OnEnded(Side side, sandbox::RunResult result);
  void ProgramEnded();
  void InteractorEnded();
  void Decide(InteractionResult::Decider decider);
  void Kill(Side side);
  void Measure(Side side, const sandbox::LiveUsage& usage);
  void WatchSilence(base::Nanos left);
  void OnSilence();
  void AllowComplaint();
  void Finish();

  sandbox::Backend& backend_;
  const base::Nanos idle_time_;  // 0: not said
  const OnUsage on_usage_;
  Done done_;
  const std::unique_ptr<Timer> timer_;  // of the silence, then of the grace
  std::array<Party, 2> parties_;        // by Side
  std::optional<InteractionResult::Decider> decider_;
  std::string failure_;
  base::Nanos active_at_ = 0;  // monotonic
  base::Nanos silence_ = 0;
};

}  // namespace executor
