#include "sandbox/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <map>
#include <thread>
#include <utility>

#include "base/log.h"
#include "sandbox/channel.h"
#include "sandbox/outputs.h"
#include "sandbox/pool_metrics.h"
#include "sandbox/reply.h"
#include "sandbox/request.h"
#include "sandbox/streams.h"
#include "sandbox/wire.h"

namespace sandbox {
namespace {

namespace asio = boost::asio;
using base::Result;

constexpr auto kMetricsDeadline = std::chrono::milliseconds(900);

// One run, from Start to on_done.
struct Run {
  uint64_t id = 0;
  Backend::OnDone on_done;
  Backend::OnUsage on_usage;
  base::Nanos started = 0;
  std::shared_ptr<Streams> streams;
  bool warm = false;  // it may run in a process that was started ahead
  bool answered = false;
  RunResult result;
};

class NativeBackend final : public Backend,
                            public LiveInput,
                            public std::enable_shared_from_this<NativeBackend> {
 public:
  NativeBackend(asio::io_context& loop, Launcher launcher, std::function<void()> lost)
      : loop_(loop),
        isolation_(std::move(launcher.isolation)),
        warm_(std::move(launcher.warm)),
        lost_(std::move(lost)),
        metrics_(Names(warm_)),
        metrics_deadline_(loop),
        channel_(MakeChannel(loop, std::move(launcher.socket))) {}

  void Begin() {
    const auto weak = weak_from_this();
    channel_->Begin({[weak](const wire::Reply& reply, std::vector<base::UniqueFd> files) {
                       if (const auto self = weak.lock()) {
                         self->OnReply(reply, std::move(files));
                       }
                     },
                     [weak](const wire::PoolReport& report, size_t size) {
                       const auto self = weak.lock();
                       return self != nullptr && self->OnPool(report, size);
                     },
                     [weak](uint64_t id, const std::string& why) {
                       if (const auto self = weak.lock()) {
                         self->Finish(id, Cause::kInternal, why);
                       }
                     },
                     [weak] {
                       if (const auto self = weak.lock()) {
                         self->OnLost();
                       }
                     }});
  }

  void Shut() {
    channel_->Close();
    for (const auto& [id, run] : runs_) {
      run->streams->Close();
    }
    runs_.clear();
  }

  std::string_view isolation() const override { return isolation_; }

  uint32_t quarantined() const override { return quarantined_; }

  // As many as ask meanwhile share the answer.
  void FreshenMetrics(std::function<void()> done) override {
    if (channel_->behind()) {
      return done();  // the launcher is behind: nothing more is piled up
    }
    want_metrics_.push_back(std::move(done));
    if (want_metrics_.size() > 1) {
      return;
    }
    metrics_deadline_.expires_after(kMetricsDeadline);
    metrics_deadline_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self != nullptr && !error) {
        self->MetricsAreFresh();
      }
    });
    Tell(wire::RequestType::kPool, wire::kNoRun, 0);
  }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    auto run = std::make_shared<Run>();
    run->id = ++last_id_;
    run->on_done = std::move(on_done);
    run->started = base::MonotonicNow();
    run->streams = StreamsOf(run->id, spec.limits.output_bytes, std::move(on_output));
    for (const std::string& path : spec.collect) {
      if (!IsPattern(path.c_str())) {
        run->result.collected.push_back({path, 0, nullptr, "not collected"});
      }
    }
    runs_[run->id] = run;
    if (auto sent = Send(*run, spec); !sent) {
      asio::post(loop_, [self = shared_from_this(), id = run->id, message = sent.error().message] {
        self->Finish(id, Cause::kInternal, message);
      });
    }
    return run->id;
  }

  void Cancel(RunId id) override {
    if (runs_.count(id) != 0) {
      Kill(id, wire::KillReason::kCancel);
    }
  }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->on_usage = std::move(on_usage);
    }
  }

  LiveInput& live_input() override { return *this; }

  void Write(uint64_t id, std::string data, std::function<void()> done) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->streams->Write(std::move(data), std::move(done));
    } else {
      asio::post(loop_, std::move(done));
    }
  }

  void CloseInput(uint64_t id) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->streams->CloseInput();
    }
  }

  void Resize(uint64_t id, TerminalSize size) override {
    if (const auto run = runs_.find(id); run != runs_.end()) {
      run->second->streams->Resize(size);
    }
  }

  void Signal(uint64_t id, int signal) override {
    // One that would have to wait is lost: so their number is bounded, too.
    if (runs_.count(id) != 0 && !channel_->behind()) {
      Tell(wire::RequestType::kSignal, id, static_cast<uint32_t>(signal));
    }
  }

 private:
  static std::vector<std::string> Names(const std::vector<WarmProgram>& warm) {
    std::vector<std::string> names;
    for (const WarmProgram& program : warm) {
      names.push_back(program.name);
    }
    return names;
  }

  void MetricsAreFresh() {
    metrics_deadline_.cancel();
    for (const auto& done : std::exchange(want_metrics_, {})) {
      done();
    }
  }

  std::shared_ptr<Streams> StreamsOf(uint64_t id, int64_t limit, OnOutput on_output) {
    const auto weak = weak_from_this();
    Streams::Handlers handlers;
    handlers.on_output = std::move(on_output);
    handlers.on_over = [weak, id] {
      if (const auto self = weak.lock()) {
        self->Kill(id, wire::KillReason::kOutputLimit);
      }
    };
    handlers.on_end = [weak, id] {
      if (const auto self = weak.lock()) {
        self->OnOutputEnd(id);
      }
    };
    return MakeStreams(loop_, limit, std::move(handlers));
  }

  Result<void> Send(Run& run, const Spec& spec) {
    auto message = EncodeRun(spec, warm_);
    if (!message) {
      return message.error();
    }
    message->request.id = run.id;
    run.warm = message->request.warm != 0;
    if (auto opened = run.streams->Open(spec, &*message); !opened) {
      return opened;
    }
    channel_->Post(*std::move(message));
    return {};
  }

  void Kill(uint64_t id, wire::KillReason reason) {
    Tell(wire::RequestType::kKill, id, static_cast<uint32_t>(reason));
  }

  // The number of words that wait is bounded by that of the runs.
  void Tell(wire::RequestType type, uint64_t id, uint32_t detail) {
    channel_->Post(EncodeWord(type, id, detail));
  }

  bool OnPool(const wire::PoolReport& report, size_t size) {
    if (!metrics_.Take(report, size)) {
      return false;
    }
    MetricsAreFresh();
    return true;
  }

  void OnLost() {
    base::Log(base::LogLevel::kError, "sandbox-launcher has ended");
    MetricsAreFresh();
    std::vector<uint64_t> ids;
    for (const auto& [id, run] : runs_) {
      ids.push_back(id);
    }
    for (const uint64_t id : ids) {
      Finish(id, Cause::kInternal, "sandbox-launcher has ended");
    }
    if (lost_) {
      lost_();
    }
  }

  void OnReply(const wire::Reply& reply, std::vector<base::UniqueFd> files) {
    quarantined_ = reply.quarantined;
    const auto found = runs_.find(reply.id);
    if (found == runs_.end()) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    if ((reply.flags & wire::kStillRuns) != 0) {
      if (const OnUsage on_usage = run->on_usage) {
        on_usage(ToUsage(reply));
      }
      return;
    }
    TakeReply(reply, std::move(files), run->started, &run->result);
    run->answered = true;
    if (reply.step == static_cast<uint32_t>(wire::Step::kKillAll)) {
      // Processes that could not be killed hold the pipes' other ends.
      std::string message = run->result.message;
      return Finish(run->id, run->result.cause, std::move(message));
    }
    MaybeDone(run->id);
  }

  // A warm program that has closed its output is mostly about to end. While there are processors to
  // spare, the launcher looks.
  void OnOutputEnd(uint64_t id) {
    const auto run = runs_.find(id);
    if (run != runs_.end() && run->second->warm && !run->second->answered &&
        runs_.size() <= processors_) {
      Tell(wire::RequestType::kClosed, id, 0);
    }
    MaybeDone(id);
  }

  // The reply says that every writer is dead, so the pipes end as soon as they are read empty.
  void MaybeDone(uint64_t id) {
    const auto run = runs_.find(id);
    if (run != runs_.end() && run->second->answered && run->second->streams->ended()) {
      Finish(id, run->second->result.cause, run->second->result.message);
    }
  }

  void Finish(uint64_t id, Cause cause, std::string message) {
    const auto found = runs_.find(id);
    if (found == runs_.end()) {
      return;
    }
    const std::shared_ptr<Run> run = found->second;
    runs_.erase(found);
    run->streams->Close();
    run->streams->DropAwaiting();
    RunResult result = std::move(run->result);
    result.cause = cause;
    result.message = std::move(message);
    run->streams->TakeOutput(&result);
    // Output beyond the limit that arrived after the program had already exited is the same
    // verdict.
    const bool over = result.stdout_truncated || result.stderr_truncated;
    if (over && static_cast<int>(result.cause) > static_cast<int>(Cause::kOutputLimit)) {
      result.cause = Cause::kOutputLimit;
    }
    const OnDone on_done = std::move(run->on_done);
    on_done(std::move(result));
  }

  asio::io_context& loop_;
  std::string isolation_;
  std::vector<WarmProgram> warm_;
  std::function<void()> lost_;
  PoolMetrics metrics_;
  std::vector<std::function<void()>> want_metrics_;
  asio::steady_timer metrics_deadline_;
  const std::shared_ptr<Channel> channel_;
  std::map<uint64_t, std::shared_ptr<Run>> runs_;
  uint64_t last_id_ = 0;
  uint32_t quarantined_ = 0;
  const size_t processors_ = std::thread::hardware_concurrency();
};

// Ends the shared state with its owner, so that no handler of the loop touches a dead backend.
class NativeHandle final : public Backend {
 public:
  explicit NativeHandle(std::shared_ptr<NativeBackend> backend) : backend_(std::move(backend)) {
    backend_->Begin();
  }

  NativeHandle(const NativeHandle&) = delete;
  NativeHandle& operator=(const NativeHandle&) = delete;

  ~NativeHandle() override { backend_->Shut(); }

  RunId Start(Spec spec, OnOutput on_output, OnDone on_done) override {
    return backend_->Start(std::move(spec), std::move(on_output), std::move(on_done));
  }

  void Cancel(RunId id) override { backend_->Cancel(id); }

  void WatchUsage(RunId id, OnUsage on_usage) override {
    backend_->WatchUsage(id, std::move(on_usage));
  }

  LiveInput& live_input() override { return *backend_; }

  std::string_view isolation() const override { return backend_->isolation(); }

  uint32_t quarantined() const override { return backend_->quarantined(); }

  void FreshenMetrics(std::function<void()> done) override {
    backend_->FreshenMetrics(std::move(done));
  }

 private:
  std::shared_ptr<NativeBackend> backend_;
};

}  // namespace

std::unique_ptr<Backend> MakeNativeBackend(asio::io_context& loop, Launcher launcher,
                                           std::function<void()> lost) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that is fed may end at any time
  return std::make_unique<NativeHandle>(
      std::make_shared<NativeBackend>(loop, std::move(launcher), std::move(lost)));
}

}  // namespace sandbox
