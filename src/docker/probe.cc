#include "docker/probe.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/text.h"
#include "language/detect.h"
#include "language/loader.h"
#include "language/process.h"
#include "language/warm_up.h"

namespace docker {
namespace {

using base::Result;
using language::Language;

constexpr base::Nanos kWarmUpTime = 15 * base::kMinute;

class Probe : public std::enable_shared_from_this<Probe> {
 public:
  Probe(Language wanted, std::string stamp, std::string job_dir, RunInside run,
        std::function<void(const Result<Language>&)> done)
      : wanted_(std::move(wanted)),
        stamp_(std::move(stamp)),
        job_dir_(std::move(job_dir)),
        run_(std::move(run)),
        done_(std::move(done)) {}

  void Begin() {
    paths_ =
        wanted_.available ? std::vector<std::string>{wanted_.tool} : language::ToolPaths(wanted_);
    TryNext();
  }

 private:
  void TryNext() {
    if (next_ >= paths_.size()) {
      done_(base::Internal(reason_.empty() ? "none of its tools is in the container's image"
                                           : reason_));
      return;
    }
    const std::string tool = paths_[next_++];
    const language::Command command = language::VersionCommand(wanted_, tool);
    sandbox::Spec spec;
    spec.profile = sandbox::Profile::kCompile;
    spec.language = wanted_.id;
    spec.argv = command.argv;
    spec.env = command.env;
    spec.limits.wall_time = command.deadline;
    spec.limits.memory_bytes = int64_t{1} << 30;
    spec.limits.processes = 256;
    spec.limits.output_bytes = 64 << 10;
    run_(std::move(spec), "", [self = shared_from_this(), tool](Conversation::Outcome outcome) {
      self->OnVersion(tool, std::move(outcome));
    });
  }

  void OnVersion(const std::string& tool, Conversation::Outcome outcome) {
    const sandbox::RunResult& r = outcome.result;
    if (!outcome.answered) {
      done_(base::Error{base::ErrorKind::kUnavailable, r.message, 0});
      return;
    }
    if (r.cause == sandbox::Cause::kInternal) {
      if (outcome.error != ENOENT && outcome.error != EACCES) {
        reason_ = tool + ": " + r.message;
      }
      return TryNext();
    }
    language::CommandResult result;
    result.exit_code = r.cause == sandbox::Cause::kExited ? r.exit_code : 128 + r.signal;
    result.output = r.stdout_data + r.stderr_data;
    auto version = language::ReadVersion(wanted_, tool, result);
    if (!version) {
      reason_ = version.error().message;
      return TryNext();
    }
    if (!wanted_.available) {
      wanted_.tool_stamp = stamp_;
      language::Adopt(tool, *version, &wanted_);
    } else if (*version != wanted_.version) {
      done_(base::Internal("it has version " + base::Printable(*version) + ", others have " +
                           wanted_.version));
      return;
    }
    WarmUp();
  }

  void WarmUp() {
    if (!wanted_.warm_up) {
      return done_(std::move(wanted_));
    }
    const std::string cache = CachePath(job_dir_, wanted_);
    // Where it is filled, as the supervisor has it.
    const std::string building = cache + ".new";
    sandbox::Spec spec;
    spec.language = wanted_.id;
    for (const std::string& arg : wanted_.warm_up->argv) {
      spec.argv.push_back(language::Expand(arg, "{cache}", building));
    }
    for (const auto& [name, value] : language::ToolEnv(wanted_.warm_up->env)) {
      spec.env.emplace_back(name, language::Expand(value, "{cache}", building));
    }
    spec.limits.wall_time = kWarmUpTime;
    spec.limits.memory_bytes = int64_t{16} << 30;
    spec.limits.processes = 30'000;
    spec.limits.output_bytes = 64 << 10;
    run_(std::move(spec), cache, [self = shared_from_this()](Conversation::Outcome outcome) {
      const sandbox::RunResult& r = outcome.result;
      if (r.cause == sandbox::Cause::kExited && r.exit_code == 0) {
        self->done_(std::move(self->wanted_));
        return;
      }
      self->done_(base::Internal("its warm-up failed: " +
                                 (r.cause == sandbox::Cause::kInternal
                                      ? r.message
                                      : "exit code " + std::to_string(r.exit_code) + ": " +
                                            base::Printable(r.stdout_data + r.stderr_data, 300))));
    });
  }

  Language wanted_;
  const std::string stamp_;
  const std::string job_dir_;
  const RunInside run_;
  const std::function<void(const Result<Language>&)> done_;
  std::vector<std::string> paths_;
  size_t next_ = 0;
  std::string reason_;
};

}  // namespace

std::string CachePath(const std::string& job_dir, const Language& language) {
  return job_dir + "/cache/" + language::WarmUpName(language);
}

void ProbeLanguage(Language wanted, std::string stamp, std::string job_dir, RunInside run,
                   std::function<void(const Result<Language>&)> done) {
  std::make_shared<Probe>(std::move(wanted), std::move(stamp), std::move(job_dir), std::move(run),
                          std::move(done))
      ->Begin();
}

}  // namespace docker
