// Jobs in long-lived containers, each by one `docker exec` of the supervisor.

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "base/log.h"
#include "docker/backend.h"
#include "docker/conversation.h"
#include "docker/keeper.h"
#include "docker/live_input.h"
#include "docker/place.h"
#include "docker/pool.h"

namespace docker {
namespace {

namespace asio = boost::asio;
using sandbox::Cause;
using sandbox::RunResult;
using sandbox::Spec;

// How long a job waits for a container that can take it, and how many may wait.
constexpr base::Nanos kMaxWait = 15 * base::kSecond;
constexpr size_t kMaxWaiting = 1024;
constexpr std::chrono::milliseconds kLookAgain(200);

struct Run {
  sandbox::Backend::RunId id = 0;
  Spec spec;
  sandbox::Backend::OnOutput on_output;
  sandbox::Backend::OnUsage on_usage;
  sandbox::Backend::OnDone on_done;
  base::Nanos asked_at = 0;
  std::string container;
  std::shared_ptr<Conversation> talk;
  std::shared_ptr<Feed> feed;  // null unless it is live
  bool cancelled = false;
};

class ExecBackend final : public Backend {
 public:
  ExecBackend(asio::io_context& loop, Options options, Broker broker, language::Registry& languages,
              std::function<void()> lost)
      : loop_(loop),
        options_(std::move(options)),
        languages_(languages),
        cli_(loop, std::move(broker), std::move(lost)),
        pool_(options_.slots),
        feeds_(loop),
        timer_(loop) {
    keeper_ = std::make_shared<Keeper>(loop, options_, cli_, pool_, languages_,
                                       [this] { PlaceWaiting(); });
    keeper_->Begin();
  }

  ExecBackend(const ExecBackend&) = delete;
  ExecBackend& operator=(const ExecBackend&) = delete;

  // NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
  ~ExecBackend() override {
    *alive_ = false;
    timer_.cancel();
    keeper_->Stop();
    for (const auto& [id, run] : runs_) {
      if (run->talk) {
        run->talk->Abandon();
      }
    }
  }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    const auto run = std::make_shared<Run>();
    run->id = ++last_id_;
    run->spec = std::move(spec);
    run->on_output = std::move(on_output);
    run->on_done = std::move(on_done);
    run->asked_at = base::MonotonicNow();
    run->feed = feeds_.Add(run->id, run->spec);
    runs_[run->id] = run;
    if (!Place(run)) {
      if (waiting_.size() >= kMaxWaiting) {
        Fail(run, "too many jobs wait for a container");
      } else {
        waiting_.push_back(run);
        ArmTimer();
      }
    }
    return run->id;
  }

  void Cancel(RunId id) override {
    const auto found = runs_.find(id);
    if (found == runs_.end() || found->second->cancelled) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    run->cancelled = true;
    if (run->talk) {
      run->talk->Cancel();
    } else if (std::erase(waiting_, run) > 0) {
      RunResult result;
      result.cause = Cause::kCancelled;
      PostFinish(run, std::move(result));
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->on_usage = std::move(on_usage);
    }
  }

  sandbox::LiveInput& live_input() override { return feeds_; }

  bool settled() const override { return keeper_->settled(); }

  std::string Problem() const override {
    if (!keeper_->daemon_error().empty()) {
      return keeper_->daemon_error();
    }
    std::string out;
    for (const Container& container : pool_.all()) {
      if (container.state == Container::State::kUp) {
        return "";
      }
      out += (out.empty() ? "" : "; ") + ("container " + container.name + ": " + container.error);
    }
    return out.empty() ? "no container is known; look at SANDBOX_CONTAINER, "
                         "SANDBOX_LANGUAGE_CONTAINERS and the label sandbox.language"
                       : out;
  }

  std::vector<ContainerHealth> Health() const override {
    std::vector<ContainerHealth> out;
    for (const Container& c : pool_.all()) {
      ContainerHealth health;
      health.name = c.name;
      health.languages.assign(c.ready.begin(), c.ready.end());
      health.state = StateName(c.state);
      health.slots = pool_.slots();
      health.running = c.running + c.live;
      health.error = c.error;
      if (c.state == Container::State::kUp) {
        for (const auto& [language, why] : c.lacking) {
          health.error += (health.error.empty() ? "" : "; ") + language + ": " + why;
        }
      }
      out.push_back(std::move(health));
    }
    return out;
  }

 private:
  // False when no container can take it now.
  bool Place(const std::shared_ptr<Run>& run) {
    Container* container = pool_.Choose(run->spec.language, run->spec.live_input);
    if (container == nullptr) {
      return false;
    }
    Spec spec = run->spec;
    if (run->feed) {
      run->feed->TakeSize(&spec);
    }
    auto bytes = PrepareJob(options_, languages_, SpaceOf(container->id), wire::kTidy, &spec);
    if (!bytes) {
      Fail(run, bytes.error().message);
      return true;
    }
    run->container = container->name;
    ++(spec.live_input ? container->live : container->running);
    container->jobs += 1;
    run->talk = std::make_shared<Conversation>(loop_, cli_);
    run->talk->Open(wire::Command::kExec, container->id, spec.limits.wall_time + base::kMinute,
                    nullptr, [this, alive = alive_, run](Conversation::Outcome outcome) {
                      if (*alive) {
                        Ended(run, std::move(outcome));
                      }
                    });
    run->talk->WatchUsage([weak = std::weak_ptr<Run>(run)](const sandbox::LiveUsage& usage) {
      if (const auto held = weak.lock(); held && held->on_usage) {
        held->on_usage(usage);
      }
    });
    run->talk->Send(spec, *std::move(bytes), run->on_output, run->feed);
    return true;
  }

  void Ended(const std::shared_ptr<Run>& run, Conversation::Outcome outcome) {
    const bool answered = outcome.answered;
    RunResult result =
        ToResult(std::move(outcome), options_, "container " + run->container, run->cancelled);
    if (Container* container = pool_.Find(run->container)) {
      --(run->spec.live_input ? container->live : container->running);
      if (!answered) {
        keeper_->Suspect(run->container, "a job was lost in it: " + result.message);
      }
    }
    if (!answered) {
      base::Log(base::LogLevel::kWarning, "a container has lost a job",
                {{"container", run->container}, {"error", result.message}});
    }
    Finish(run, std::move(result));
    keeper_->Drained();
    PlaceWaiting();
  }

  void PlaceWaiting() {
    const base::Nanos now = base::MonotonicNow();
    for (const std::shared_ptr<Run>& run : std::exchange(waiting_, {})) {
      if (Place(run)) {
        continue;
      }
      // While containers for it are up but full, it waits for its turn.
      if (now - run->asked_at > kMaxWait && !pool_.HasUp(run->spec.language)) {
        Fail(run, "no container can run '" + run->spec.language + "': " +
                      (keeper_->daemon_error().empty() ? pool_.WhyNot(run->spec.language)
                                                       : keeper_->daemon_error()));
      } else {
        waiting_.push_back(run);
      }
    }
    ArmTimer();
  }

  void ArmTimer() {
    if (waiting_.empty() || armed_) {
      return;
    }
    armed_ = true;
    timer_.expires_after(kLookAgain);
    timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
      if (!error && *alive) {
        armed_ = false;
        PlaceWaiting();
      }
    });
  }

  void Fail(const std::shared_ptr<Run>& run, std::string message) {
    RunResult result;
    result.cause = Cause::kInternal;
    result.message = std::move(message);
    PostFinish(run, std::move(result));
  }

  void PostFinish(const std::shared_ptr<Run>& run, RunResult result) {
    asio::post(loop_, [this, alive = alive_, run, result = std::move(result)]() mutable {
      if (*alive) {
        Finish(run, std::move(result));
      }
    });
  }

  void Finish(const std::shared_ptr<Run>& run, RunResult result) {
    if (runs_.erase(run->id) == 0) {
      return;
    }
    run->talk = nullptr;
    feeds_.Remove(run->id);
    const OnDone done = std::exchange(run->on_done, nullptr);
    done(std::move(result));
  }

  asio::io_context& loop_;
  const Options options_;
  language::Registry& languages_;
  Cli cli_;
  Pool pool_;
  Feeds feeds_;
  std::shared_ptr<Keeper> keeper_;
  asio::steady_timer timer_;
  bool armed_ = false;
  std::map<RunId, std::shared_ptr<Run>> runs_;
  std::vector<std::shared_ptr<Run>> waiting_;
  RunId last_id_ = 0;
  // Tells late handlers of the loop that this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Backend> MakeExecBackend(asio::io_context& loop, Options options, Broker broker,
                                         language::Registry& languages,
                                         std::function<void()> lost) {
  return std::make_unique<ExecBackend>(loop, std::move(options), std::move(broker), languages,
                                       std::move(lost));
}

}  // namespace docker
