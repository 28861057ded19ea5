// Jobs in containers of their own, made ahead, used once. The supervisor is pid 1 of its container
// and waits for a job on its standard input; when that ends, the container ends and Docker removes
// it.

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "docker/backend.h"
#include "docker/conversation.h"
#include "docker/live_input.h"
#include "docker/place.h"
#include "docker/probe.h"

namespace docker {
namespace {

namespace asio = boost::asio;
using sandbox::Cause;
using sandbox::RunResult;
using sandbox::Spec;

constexpr base::Nanos kCallTime = 30 * base::kSecond;
constexpr base::Nanos kStartTime = 60 * base::kSecond;
// A container that waits is used while it is not older than this; and then it has time for the
// longest run there is, a session of 24 hours.
constexpr base::Nanos kFresh = 24 * base::kHour;
constexpr base::Nanos kLife = kFresh + 25 * base::kHour;
constexpr base::Nanos kMaxWait = 30 * base::kSecond;
constexpr size_t kMaxWaiting = 1024;
constexpr std::chrono::seconds kTryAgain(2);  // after a container that did not start

struct Run {
  sandbox::Backend::RunId id = 0;
  Spec spec;
  bool warm_up = false;
  std::string cache;
  sandbox::Backend::OnOutput on_output;
  sandbox::Backend::OnUsage on_usage;
  std::function<void(Conversation::Outcome)> on_done;
  base::Nanos asked_at = 0;
  std::shared_ptr<Conversation> talk;
  std::shared_ptr<Feed> feed;  // null unless it is live
};

struct Spare {
  std::string name;
  base::Nanos made_at = 0;
  std::shared_ptr<Conversation> talk;
  std::shared_ptr<Run> run;  // once it has one
};

class SingleUseBackend final : public Backend {
 private:
  // Wraps a callback so that it does nothing once this is gone.
  template <typename F>
  auto Guard(F call) {
    return [alive = alive_, call = std::move(call)](auto&&... args) mutable {
      if (*alive) {
        call(std::forward<decltype(args)>(args)...);
      }
    };
  }

 public:
  SingleUseBackend(asio::io_context& loop, Options options, Broker broker,
                   language::Registry& languages, std::function<void()> lost)
      : loop_(loop),
        options_(std::move(options)),
        languages_(languages),
        cli_(loop, std::move(broker), std::move(lost)),
        feeds_(loop),
        timer_(loop) {}

  void Begin() {
    cli_.Call(wire::Command::kListOwned, "", kCallTime,
              Guard([this](const CallResult& result) { RemoveOrphans(result); }));
  }

  SingleUseBackend(const SingleUseBackend&) = delete;
  SingleUseBackend& operator=(const SingleUseBackend&) = delete;

  // NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
  ~SingleUseBackend() override {
    *alive_ = false;
    timer_.cancel();
    for (const auto& spare : spares_) {
      spare->talk->Abandon();
    }
  }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    const auto run = std::make_shared<Run>();
    run->id = ++last_id_;
    run->spec = std::move(spec);
    run->feed = feeds_.Add(run->id, run->spec);
    run->on_output = std::move(on_output);
    run->on_done = [this, id = run->id,
                    on_done = std::move(on_done)](Conversation::Outcome outcome) {
      on_done(
          ToResult(std::move(outcome), options_, "single-use container", cancelled_.erase(id) > 0));
    };
    Add(run);
    return run->id;
  }

  void Cancel(RunId id) override {
    const auto found = runs_.find(id);
    if (found == runs_.end() || !cancelled_.insert(id).second) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    if (run->talk) {
      run->talk->Cancel();
    } else {
      Fail(run, "cancelled");
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->on_usage = std::move(on_usage);
    }
  }

  sandbox::LiveInput& live_input() override { return feeds_; }

  bool settled() const override { return settled_; }

  std::string Problem() const override {
    const bool any = std::any_of(languages_.all().begin(), languages_.all().end(),
                                 [](const auto& language) { return language.available; });
    return any               ? ""
           : !error_.empty() ? error_
                             : "the image " + options_.image +
                                   " has no language; look at "
                                   "SANDBOX_DOCKER_IMAGE and SANDBOX_CONTAINER";
  }

  std::vector<ContainerHealth> Health() const override {
    ContainerHealth health;
    health.name = "single-use";
    for (const language::Language& language : languages_.all()) {
      if (language.available) {
        health.languages.push_back(language.id);
      }
    }
    health.state = error_.empty() ? "up" : "down";
    health.slots = options_.slots;
    health.running = static_cast<int>(std::count_if(
        spares_.begin(), spares_.end(), [](const auto& spare) { return spare->run != nullptr; }));
    health.error = error_;
    return {health};
  }

 private:
  // What a sandboxd that was killed has left, if anything: its containers end with their input.
  void RemoveOrphans(const CallResult& result) {
    if (!result.ok()) {
      SetError(Describe(result));
      settled_ = true;  // nothing to be found out
      return Retry([this] {
        cli_.Call(wire::Command::kListOwned, "", kCallTime,
                  Guard([this](const CallResult& again) { RemoveOrphans(again); }));
      });
    }
    std::istringstream lines(result.output);
    for (std::string name; std::getline(lines, name);) {
      cli_.Call(wire::Command::kRemove, name, kCallTime, [](const CallResult&) {});
    }
    begun_ = true;
    Refill();
    ProbeNext(0);
  }

  void ProbeNext(size_t index) {
    if (index >= languages_.all().size()) {
      settled_ = true;
      return;
    }
    const language::Language wanted = languages_.all()[index];
    if (wanted.available) {
      return ProbeNext(index + 1);
    }
    ProbeLanguage(
        wanted, options_.image, options_.job_dir,
        [this](Spec spec, std::string cache, std::function<void(Conversation::Outcome)> done) {
          const auto run = std::make_shared<Run>();
          run->id = ++last_id_;
          run->warm_up = !cache.empty();
          run->cache = std::move(cache);
          run->spec = std::move(spec);
          run->on_done = std::move(done);
          Add(run);
        },
        Guard([this, index, wanted](const base::Result<language::Language>& found) {
          if (found) {
            languages_.Replace(*found);
            if (options_.languages_changed) {
              options_.languages_changed();
            }
          } else {
            language::Language copy = wanted;
            copy.unavailable_reason = "image " + options_.image + ": " + found.error().message;
            languages_.Replace(std::move(copy));
          }
          ProbeNext(index + 1);
        }));
  }

  void Add(const std::shared_ptr<Run>& run) {
    run->asked_at = base::MonotonicNow();
    runs_[run->id] = run;
    if (run->warm_up) {
      return Launch(run);
    }
    if (waiting_.size() >= kMaxWaiting) {
      return Fail(run, "too many jobs wait for a container");
    }
    waiting_.push_back(run);
    Match();
    Refill();
  }

  // A container of its own, not out of the spares.
  void Launch(const std::shared_ptr<Run>& run) {
    const auto spare = Make(wire::Command::kRunAsRoot);
    Give(spare, run);
  }

  void Give(const std::shared_ptr<Spare>& spare, const std::shared_ptr<Run>& run) {
    Spec spec = run->spec;
    if (run->feed) {
      run->feed->TakeSize(&spec);
    }
    JobPlace place;
    place.flags = wire::kWarmUp;
    place.job_dir = options_.job_dir;
    place.cache = run->cache;
    auto bytes = run->warm_up ? EncodeJob(spec, place, "")
                              : PrepareJob(options_, languages_, 0, wire::kSingleUse, &spec);
    if (!bytes) {
      return Fail(run, bytes.error().message);
    }
    spare->run = run;
    run->talk = spare->talk;
    spare->talk->WatchUsage([weak = std::weak_ptr<Run>(run)](const sandbox::LiveUsage& usage) {
      if (const auto held = weak.lock(); held && held->on_usage) {
        held->on_usage(usage);
      }
    });
    spare->talk->Send(spec, *std::move(bytes), run->on_output, run->feed);
  }

  std::shared_ptr<Spare> Make(wire::Command command) {
    auto spare = std::make_shared<Spare>();
    spare->name = wire::kOwnedPrefix + options_.owner + "-" + std::to_string(++made_) + "-" +
                  std::to_string(base::WallNow());
    spare->made_at = base::MonotonicNow();
    spare->talk = std::make_shared<Conversation>(loop_, cli_);
    spares_.push_back(spare);
    spare->talk->Open(
        command, spare->name, kLife, Guard([this] {
          SetError("");
          Match();
        }),
        Guard([this, spare](Conversation::Outcome outcome) { Ended(spare, std::move(outcome)); }));
    spare->talk->ExpectHello(kStartTime);
    return spare;
  }

  void Refill() {
    const auto free = std::count_if(spares_.begin(), spares_.end(),
                                    [](const auto& spare) { return spare->run == nullptr; });
    for (auto n = free; begun_ && !backing_off_ && n < options_.slots; ++n) {
      Make(wire::Command::kRun);
    }
  }

  void Match() {
    for (const auto& spare : spares_) {
      if (waiting_.empty()) {
        return;
      }
      if (spare->run != nullptr || !spare->talk->greeted()) {
        continue;
      }
      if (base::MonotonicNow() - spare->made_at > kFresh) {
        spare->talk->Close();  // another one is made when it has ended
      } else {
        const std::shared_ptr<Run> run = waiting_.front();
        waiting_.pop_front();
        Give(spare, run);
      }
    }
    Refill();
  }

  void Ended(const std::shared_ptr<Spare>& spare, Conversation::Outcome outcome) {
    spares_.remove(spare);
    if (!outcome.answered) {
      // Docker removes it when it has ended; this one may hang.
      cli_.Call(wire::Command::kRemove, spare->name, kCallTime, [](const CallResult&) {});
    }
    if (!outcome.accepted) {
      const std::string& message = outcome.result.message;
      SetError(message.find("no such file") != std::string::npos
                   ? message + "; look at SANDBOX_JOB_DIR"
                   : message + "; look at SANDBOX_DOCKER_IMAGE and SANDBOX_DOCKER_RUNTIME");
      Retry([this] { Refill(); });
    }
    if (spare->run) {
      Finish(spare->run, std::move(outcome));
    }
    DropLate();
    Refill();
    Match();
  }

  void SetError(const std::string& error) {
    if (error != error_ && !error.empty()) {
      base::Log(base::LogLevel::kError, "single-use containers do not start", {{"error", error}});
    }
    error_ = error;
  }

  // Once, after a pause.
  void Retry(std::function<void()> what) {
    if (std::exchange(backing_off_, true)) {
      return;
    }
    timer_.expires_after(kTryAgain);
    timer_.async_wait(
        [this, alive = alive_, what = std::move(what)](const boost::system::error_code& error) {
          if (!error && *alive) {
            backing_off_ = false;
            DropLate();
            what();
          }
        });
  }

  void DropLate() {
    const base::Nanos now = base::MonotonicNow();
    const base::Nanos patience = settled_ ? kMaxWait : 0;  // at start the operator waits for it
    while (!waiting_.empty() && !error_.empty() && now - waiting_.front()->asked_at > patience) {
      const std::shared_ptr<Run> run = waiting_.front();
      waiting_.pop_front();
      Fail(run, error_);
    }
  }

  void Fail(const std::shared_ptr<Run>& run, std::string message) {
    waiting_.remove(run);
    asio::post(loop_, Guard([this, run, message = std::move(message)]() mutable {
                 Conversation::Outcome outcome;
                 outcome.result.message = std::move(message);
                 Finish(run, std::move(outcome));
               }));
  }

  void Finish(const std::shared_ptr<Run>& run, Conversation::Outcome outcome) {
    if (runs_.erase(run->id) == 0) {
      return;
    }
    run->talk = nullptr;
    feeds_.Remove(run->id);
    const auto done = std::exchange(run->on_done, nullptr);
    done(std::move(outcome));
  }

  asio::io_context& loop_;
  const Options options_;
  language::Registry& languages_;
  Cli cli_;
  Feeds feeds_;
  asio::steady_timer timer_;
  std::list<std::shared_ptr<Spare>> spares_;  // those with a job, too
  std::list<std::shared_ptr<Run>> waiting_;
  std::map<RunId, std::shared_ptr<Run>> runs_;
  std::set<RunId> cancelled_;
  std::string error_;
  bool begun_ = false;
  bool settled_ = false;
  bool backing_off_ = false;
  RunId last_id_ = 0;
  uint64_t made_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Backend> MakeSingleUseBackend(asio::io_context& loop, Options options,
                                              Broker broker, language::Registry& languages,
                                              std::function<void()> lost) {
  auto backend = std::make_unique<SingleUseBackend>(loop, std::move(options), std::move(broker),
                                                    languages, std::move(lost));
  backend->Begin();
  return backend;
}

}  // namespace docker
