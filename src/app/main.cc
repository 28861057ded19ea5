// sandboxd: reads the configuration, starts the launcher while it still may, gives up its
// privileges, and runs the API and worker roles on one event loop.

#include <malloc.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "app/announce.h"
#include "app/api_keys.h"
#include "app/command_line.h"
#include "app/config.h"
#include "app/confine.h"
#include "app/docker_backend.h"
#include "app/fleet.h"
#include "app/key_command.h"
#include "app/options.h"
#include "app/privileges.h"
#include "app/stores.h"
#include "app/toolchains.h"
#include "app/webhooks.h"
#include "base/log.h"
#include "base/text.h"
#include "executor/compile_cache.h"
#include "executor/executor.h"
#include "http/server.h"
#include "language/language.h"
#include "linux/syscall.h"
#include "sandbox/client.h"
#include "sandbox/policy.h"
#include "service/service.h"
#include "service/validate.h"

namespace app {
namespace {

namespace asio = boost::asio;
using base::Error;
using base::Log;
using base::LogLevel;
using base::Result;

constexpr std::chrono::milliseconds kAskForKeysAgain(20);

int Fail(const Error& error) {
  std::fprintf(stderr, "sandboxd: %s\n", error.message.c_str());
  return error.kind == base::ErrorKind::kInvalidArgument ? kUsageError : 1;
}

// What runs once everything is built; owns the parts in the order in which they depend on each
// other.
class App {
 public:
  explicit App(Config config)
      : config_(std::move(config)), signals_(loop_), sweep_timer_(loop_), keys_timer_(loop_) {}

  int Run() {
    if (auto prepared = Prepare(); !prepared) {
      return Fail(prepared.error());
    }
    if (auto started = Serve(); !started) {
      return Fail(started.error());
    }
    loop_.run();
    return exit_code_;
  }

  // Everything that start-up finds out, without serving.
  int Doctor() {
    const auto prepared = Prepare();
    AnnounceMachine(config_, machine_, languages_);
    if (!prepared) {
      return Fail(prepared.error());
    }
    Say(runs_jobs() ? "This machine can run jobs." : "This machine can serve the API.");
    return 0;
  }

 private:
  // Up to the point where this process has given up its privileges.
  Result<void> Prepare() {
    std::optional<User> user;
    if (::geteuid() == 0) {
      auto found = FindUser(config_.service_user);
      if (!found) {
        return found.error();
      }
      user = *found;
    }
    auto languages = language::Registry::Load(config_.language_dir);
    if (!languages) {
      return languages.error();
    }
    languages_ = std::move(*languages);
    if (auto read = ReadApiKeysFile(config_.http_api_keys_file, &config_.http_api_keys); !read) {
      return read;
    }
    for (job::Key& key : config_.http_api_keys) {
      if (const auto wrong = service::ValidateKey(languages_, &key); !wrong.empty()) {
        return base::InvalidArgument("HTTP_API_KEYS_FILE: key '" + key.name +
                                     "': " + wrong[0].field + " " + wrong[0].message);
      }
    }
    if (runs_jobs()) {
      if (auto prepared = PrepareToRunJobs(user ? &*user : nullptr); !prepared) {
        return prepared;
      }
    } else {
      // Until workers say what they offer, jobs of all languages wait for one.
      for (const language::Language& language : languages_.all()) {
        languages_.Offer(std::string(language.id), "");
      }
    }
    if (user) {
      if (auto dropped = DropPrivileges(*user); !dropped) {
        return dropped;
      }
    }
    if (auto hardened = Harden(); !hardened) {
      return hardened;
    }
    if (auto reachable = CheckStateDir(config_); !reachable) {
      return reachable;
    }
    auto confined = Confine(ConfinementFor(config_));
    if (!confined) {
      return confined.error();
    }
    machine_.confined = std::move(*confined);
    return docker_ ? LookAtContainers() : Result<void>();
  }

  // Everything about containers goes through the broker: no privilege is needed any more.
  Result<void> LookAtContainers() {
    machine_.isolation = "docker (" + config_.docker_mode + ")";
    auto opened = OpenDocker(
        loop_, *std::exchange(docker_, std::nullopt), languages_, [this] { OnLanguages(); },
        [this] { asio::post(loop_, [this] { LoseLauncher(); }); });
    if (!opened) {
      return opened.error();
    }
    containers_ = opened->get();
    backend_ = std::move(*opened);
    return {};
  }

  bool runs_jobs() const { return config_.role != "api"; }

  // The toolchains, and the launcher with what only root can give it.
  Result<void> PrepareToRunJobs(const User* owner) {
    if (auto made = MakeFolder(config_.state_dir, 0711, owner); !made) {
      return made;
    }
    if (auto made = MakeFolder(config_.cache_dir, 0755, nullptr); !made) {
      return made;
    }
    if (auto made = MakeFolder(config_.compiled_dir, 0700, owner); !made) {
      return made;
    }
    if (config_.backend == "docker") {
      auto prepared = PrepareDocker(config_, languages_);
      if (!prepared) {
        return prepared.error();
      }
      docker_ = std::move(*prepared);
      return {};
    }
    sandbox::NativeOptions native;
    auto rootfs = FindToolchains(config_, owner, &languages_, &native);
    if (!rootfs) {
      return rootfs.error();
    }
    machine_.rootfs = *std::move(rootfs);
    if (auto chosen = ChooseWarm(config_, languages_, &native); !chosen) {
      return chosen;
    }
    auto filters = sandbox::CompileFilters(config_.seccomp_dir);
    if (!filters) {
      return filters.error();
    }
    native.launcher = config_.launcher;
    native.min_isolation = config_.min_isolation;
    native.park = static_cast<uint32_t>(config_.slots);
    native.cpus = static_cast<uint32_t>(config_.cpus);
    auto launcher = sandbox::StartLauncher(native, *filters);
    if (!launcher) {
      return launcher.error();
    }
    machine_.isolation = launcher->isolation + " (" + launcher->detail + ")";
    machine_.not_limited = launcher->not_limited;
    launcher_ = std::move(*launcher);
    return {};
  }

  Result<void> Serve() {
    if (runs_jobs() && !backend_) {
      backend_ = sandbox::MakeNativeBackend(
          loop_, std::move(launcher_), [this] { asio::post(loop_, [this] { LoseLauncher(); }); });
    }
    const std::string isolation(backend_ ? backend_->isolation() : "none");
    auto opened = OpenStore(config_, loop_);
    if (!opened) {
      return opened.error();
    }
    store_ = std::move(opened->store);
    offered_ = languages_;
    if (opened->fleet != nullptr) {
      fleet_.emplace(loop_, *opened->fleet);
      if (config_.role != "worker") {
        fleet_->Follow(offered_);
      }
    }
    const http::Options http_options = HttpOptions(config_);
    service_ = std::make_unique<service::Service>(ServiceOptions(config_, http_options), *store_,
                                                  offered_, ApiKeys());
    http::HealthInfo health;
    health.version = PROJECT_VERSION;
    health.isolation = isolation;
    health.store = std::string(store_->name());
    health.backend = config_.backend;
    health.role = config_.role;
    health.metrics_for_all = config_.http_metrics == "all";
    health.not_limited = machine_.not_limited;
    health.containers = ContainersForHealth(containers_);
    health.freshen_metrics = [this](std::function<void()> done) {
      backend_ == nullptr ? done() : backend_->FreshenMetrics(std::move(done));
    };
    health.quarantined = [this] { return backend_ == nullptr ? 0 : backend_->quarantined(); };
    server_ = std::make_unique<http::Server>(loop_, http_options, std::move(health), *service_,
                                             Sessions());
    auto port = server_->Listen();
    if (!port) {
      return base::InvalidArgument("HTTP_HOST, HTTP_PORT: cannot listen on " + config_.http_host +
                                   ":" + std::to_string(config_.http_port) + ": " +
                                   port.error().message);
    }
    if (config_.role != "worker") {
      auto webhooks = StartWebhooks(config_, loop_, *store_);
      if (!webhooks) {
        return webhooks.error();
      }
      webhooks_ = std::move(*webhooks);
    }
    if (runs_jobs()) {
      if (auto cache = OpenCompileCache(); !cache) {
        return cache;
      }
      StartWorker();
    }
    const bool v6 = config_.http_host.find(':') != std::string::npos;
    Say("Code Sandbox API " PROJECT_VERSION " on http://" +
        (v6 ? "[" + config_.http_host + "]" : config_.http_host) + ":" + std::to_string(*port));
    AnnounceMachine(config_, machine_, languages_);
    if (config_.role != "worker") {
      LearnKeys();
    }
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) {
        Stop();
      }
    });
    Sweep();
    return {};
  }

  http::SessionSource Sessions() {
    http::SessionSource source;
    if (!runs_jobs()) {
      source.why_not =
          "interactive programs run on the node that has the connection, and this one "
          "runs none: its role is api";
    } else if (config_.sessions == 0) {
      source.why_not = "SANDBOX_SESSIONS is 0: there are no interactive programs";
    } else {
      source.host = [this]() -> job::SessionHost* { return executor_.get(); };
    }
    return source;
  }

  Result<void> OpenCompileCache() {
    auto opened = executor::CompileCache::Open(loop_, config_.compiled_dir, config_.compile_cache);
    if (!opened) {
      return opened.error();
    }
    compile_cache_ = std::move(*opened);
    return {};
  }

  // A container has shown to have a language that was missing.
  void OnLanguages() {
    if (!service_) {
      return;  // still starting
    }
    if (fleet_) {
      Announce();
    } else {
      for (const language::Language& language : languages_.all()) {
        offered_.Replace(language);
      }
    }
  }

  void Announce() {
    job::Worker worker;
    worker.name = worker_name_;
    for (const language::Language& language : languages_.all()) {
      if (language.available) {
        worker.languages[language.id] = language.version;
      }
    }
    fleet_->Announce(std::move(worker));
  }

  service::Keys ApiKeys() {
    using Mode = service::Keys::Mode;
    // A worker has no call that needs one, and does not learn which there are.
    const Mode mode = config_.http_auth == "off" || config_.role == "worker" ? Mode::kOff
                      : config_.http_auth == "required"                      ? Mode::kRequired
                                                                             : Mode::kAuto;
    for (job::Key& key : config_.http_api_keys) {
      key.created_at = base::WallNow();
    }
    return service::Keys(mode, std::move(config_.http_api_keys));
  }

  // Until the store tells its keys, the API serves nothing; so it is asked again soon.
  void LearnKeys() {
    service_->RefreshKeys([this] {
      if (service_->keys().revision()) {
        return AnnounceAccess(config_, service_->keys());
      }
      keys_timer_.expires_after(kAskForKeysAgain);
      keys_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !stopping_) {
          LearnKeys();
        }
      });
    });
  }

  void StartWorker() {
    executor_ =
        std::make_unique<executor::Executor>(loop_, ExecutorOptions(config_, worker_name_), *store_,
                                             *backend_, languages_, compile_cache_.get());
    executor_->OnEnd([this](const std::shared_ptr<const job::Job>& job) { service_->OnEnd(job); });
    // This process is alone on its store: whatever runs there ran in a process that is dead.
    store_->Recover([this](Result<int64_t> recovered) {
      if (!recovered) {
        Log(LogLevel::kError, "cannot recover jobs", {{"error", recovered.error().message}});
        exit_code_ = 1;
        return Stop();
      }
      if (*recovered > 0) {
        Log(LogLevel::kInfo, "jobs of the last run go back to the queue",
            {{"jobs", std::to_string(*recovered)}});
      }
      if (!stopping_) {
        executor_->Start();
      }
    });
    if (fleet_) {
      Announce();
    }
  }

  void Sweep() {
    sweep_timer_.expires_after(std::chrono::seconds(1));
    sweep_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error || stopping_) {
        return;
      }
      if (config_.role != "worker" && service_->keys().revision()) {
        service_->RefreshKeys();
      }
      store_->Sweep([this](Result<void> swept) {
        // A store that is away says so itself.
        if (!swept && swept.error().kind != base::ErrorKind::kUnavailable) {
          Log(LogLevel::kWarning, "sweep failed", {{"error", swept.error().message}});
        }
        Sweep();
      });
    });
  }

  // Graceful: no new connections and jobs, running ones finish within the time or go back to the
  // queue.
  void Stop() {
    if (stopping_) {
      return;
    }
    stopping_ = true;
    Log(LogLevel::kInfo, "stopping",
        {{"running", std::to_string(executor_ ? executor_->running() : 0)}});
    sweep_timer_.cancel();
    keys_timer_.cancel();
    boost::system::error_code ignored;
    signals_.cancel(ignored);
    // A little less for jobs than for everything, so that their outcomes and last answers still get
    // out.
    const base::Nanos total = config_.http_shutdown_timeout;
    const base::Nanos for_jobs =
        std::max<base::Nanos>(0, total - std::max(total / 5, base::kSecond));
    if (fleet_) {
      fleet_->Leave();
    }
    if (executor_) {
      executor_->Stop(for_jobs, [this] { StopServing(); });
    } else {
      StopServing();
    }
  }

  void StopServing() {
    if (std::exchange(serving_ends_, true)) {
      return;
    }
    if (!server_) {
      return loop_.stop();
    }
    server_->Stop(config_.http_shutdown_timeout / 5, [this] { loop_.stop(); });
  }

  // Its rights are gone from this process: only a new start can bring it back. The jobs are not to
  // blame, so they get no outcome: they stay leased, and whoever takes the leases over runs them.
  void LoseLauncher() {
    exit_code_ = 1;
    executor_.reset();
    if (stopping_) {
      StopServing();
    } else {
      Stop();
    }
  }

  Config config_;
  asio::io_context loop_{1};
  asio::signal_set signals_;
  asio::steady_timer sweep_timer_;
  asio::steady_timer keys_timer_;
  language::Registry languages_;  // what this machine has
  language::Registry offered_;    // what jobs may ask for
  sandbox::Launcher launcher_;    // until the backend takes it over
  Machine machine_;
  std::optional<PreparedDocker> docker_;  // likewise
  std::unique_ptr<sandbox::Backend> backend_;
  const docker::Backend* containers_ = nullptr;  // backend_, when it is that of containers
  const std::string worker_name_ = base::RandomId(6);
  std::unique_ptr<job::Store> store_;
  std::optional<FleetMember> fleet_;  // when the store is shared
  std::unique_ptr<service::Service> service_;
  std::unique_ptr<webhook::Dispatcher> webhooks_;  // null: there are none
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<executor::CompileCache> compile_cache_;
  std::unique_ptr<executor::Executor> executor_;
  bool stopping_ = false;
  bool serving_ends_ = false;
  int exit_code_ = 0;
};

// glibc takes large blocks from the kernel and gives them back at once, until the first of them is
// freed: then it keeps blocks of that size, up to 32 MiB, in its heap, where one small block behind
// them holds them for good. Bodies and results are of that size, so the threshold is fixed.
void KeepMemorySmall() {
  // NOLINTBEGIN(concurrency-mt-unsafe): one thread yet
  ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
  ::mallopt(M_ARENA_MAX, 2);  // the loop's thread and the others'
  // NOLINTEND(concurrency-mt-unsafe)
}

int Main(int argc, char** argv) {
  KeepMemorySmall();
  linux::CloseRange(3, ~0U, 0);  // whatever was inherited is nothing that it needs
  int exit_code = 0;
  const std::optional<CommandLine> line = ReadCommandLine(argc, argv, &exit_code);
  if (!line) {
    return exit_code;
  }
  auto config = ReadConfig([&line](const char* name) -> std::optional<std::string> {
    if (line->role && std::string_view(name) == "ROLE") {
      return line->role;
    }
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread yet
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
  if (!config) {
    return Fail(config.error());
  }
  EraseSecrets();
  base::SetLogLevel(config->log_level == "debug"     ? LogLevel::kDebug
                    : config->log_level == "warning" ? LogLevel::kWarning
                    : config->log_level == "error"   ? LogLevel::kError
                                                     : LogLevel::kInfo);
  if (!line->keys.empty()) {
    base::SetLogLevel(LogLevel::kError);
    return RunKeyCommand(line->keys, *config);
  }
  App app(std::move(*config));
  return line->doctor ? app.Doctor() : app.Run();
}

}  // namespace
}  // namespace app

int main(int argc, char** argv) {
  try {
    return app::Main(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "sandboxd: unexpected failure: %s\n", e.what());
    return 1;
  }
}
