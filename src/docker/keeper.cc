#include "docker/keeper.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "docker/probe.h"
#include "sandbox/wire.h"

namespace docker {
namespace {

constexpr std::chrono::seconds kTick(2);
constexpr base::Nanos kCallTime = 15 * base::kSecond;
constexpr base::Nanos kCheckAgain = 10 * base::kSecond;  // after a failure

}  // namespace

struct Keeper::Timer {
  explicit Timer(boost::asio::io_context& loop) : timer(loop) {}

  boost::asio::steady_timer timer;
};

// One container, step by step: is it running, is it connected, does it see the supervisor, which
// languages does it have.
class Keeper::Check : public std::enable_shared_from_this<Keeper::Check> {
 public:
  Check(std::shared_ptr<Keeper> keeper, std::string name)
      : keeper_(std::move(keeper)), name_(std::move(name)) {}

  void Begin() {
    keeper_->cli_.Call(wire::Command::kInspect, name_, kCallTime,
                       [self = shared_from_this()](const CallResult& result) {
                         self->OnInspected(result, false);
                       });
  }

 private:
  Container* container() { return keeper_->stopped_ ? nullptr : keeper_->pool_.Find(name_); }

  void End(const std::string& error) { keeper_->EndCheck(name_, error); }

  void OnInspected(const CallResult& result, bool connected) {
    Container* c = container();
    if (c == nullptr) {
      return End("");
    }
    if (!result.ok()) {
      const bool missing = result.started && result.errors.find("o such") != std::string::npos;
      return End(missing ? "there is no such container; look at SANDBOX_CONTAINER and "
                           "SANDBOX_LANGUAGE_CONTAINERS"
                         : Describe(result));
    }
    auto inspected = ParseInspected(result.output);
    if (!inspected) {
      return End(inspected.error().message);
    }
    c->id = inspected->id;
    c->image = inspected->image;
    c->bounds_memory = inspected->bounds_memory;
    if (inspected->status != "running") {
      return End("it is " + base::Printable(inspected->status) +
                 "; start it, or look at SANDBOX_CONTAINER");
    }
    const std::string& network = keeper_->options_.network;
    if (network.empty() || inspected->networks.count(network) != 0) {
      return CheckInside();
    }
    if (connected) {
      return End("it is not connected to the network '" + network + "'; look at SANDBOX_NETWORK");
    }
    keeper_->cli_.Call(
        wire::Command::kConnect, name_, kCallTime,
        [self = shared_from_this()](const CallResult& answer) { self->OnConnected(answer); });
  }

  void OnConnected(const CallResult& result) {
    // "already exists": somebody else was faster.
    if (!result.ok() && result.errors.find("already exists") == std::string::npos) {
      return End("it cannot be connected to SANDBOX_NETWORK: " + Describe(result));
    }
    keeper_->cli_.Call(
        wire::Command::kInspect, name_, kCallTime,
        [self = shared_from_this()](const CallResult& answer) { self->OnInspected(answer, true); });
  }

  // By its id: that is what tells containers apart inside, too.
  void CheckInside() {
    Container* c = container();
    if (c == nullptr) {
      return End("");
    }
    const auto talk = std::make_shared<Conversation>(keeper_->loop_, keeper_->cli_);
    talk->Open(wire::Command::kCheck, c->id, kCallTime, nullptr,
               [self = shared_from_this(), talk](Conversation::Outcome outcome) {
                 self->OnChecked(*talk, outcome);
               });
  }

  void OnChecked(const Conversation& talk, const Conversation::Outcome& outcome) {
    const std::string& folder = keeper_->options_.job_dir;
    if (!outcome.accepted) {
      const std::string& message = outcome.result.message;
      const bool unseen = message.find("o such file") != std::string::npos ||
                          message.find("executable file not found") != std::string::npos;
      return End(unseen ? "it does not see SANDBOX_JOB_DIR (" + folder +
                              "); share that folder with it at the same path (--volume " + folder +
                              ":" + folder + ")"
                        : message);
    }
    if (talk.hello().error != 0) {
      return End("the supervisor cannot use SANDBOX_JOB_DIR (" + folder +
                 ") as SANDBOX_DOCKER_USER (" + keeper_->options_.user + "): " +
                 sandbox::wire::StepName(static_cast<sandbox::wire::Step>(talk.hello().step)) +
                 ": " + base::SysError("error", talk.hello().error).message);
    }
    Container* c = container();
    if (c == nullptr) {
      return End("");
    }
    c->ready.clear();
    c->lacking.clear();
    for (const language::Language& language : keeper_->languages_.all()) {
      if (c->languages.empty() || c->languages.count(language.id) != 0) {
        languages_.push_back(language.id);
      }
    }
    NextLanguage();
  }

  void NextLanguage() {
    Container* c = container();
    if (c == nullptr) {
      return End("");
    }
    if (next_ >= languages_.size()) {
      std::string error;
      for (const auto& [language, why] : c->lacking) {
        error += (error.empty() ? "" : "; ") + language + ": " + why;
      }
      return End(!c->ready.empty() ? ""
                 : error.empty()   ? "none of its languages is known; look at "
                                     "SANDBOX_LANGUAGE_CONTAINERS and SANDBOX_LANGUAGE_DIR"
                                   : error);
    }
    const std::string id = languages_[next_++];
    const language::Language* wanted = keeper_->languages_.Find(id);
    ProbeLanguage(
        *wanted, c->image, keeper_->options_.job_dir,
        [self = shared_from_this()](sandbox::Spec spec, std::string cache,
                                    std::function<void(Conversation::Outcome)> done) {
          self->RunOne(std::move(spec), std::move(cache), std::move(done));
        },
        [self = shared_from_this(), id](const base::Result<language::Language>& found) {
          self->OnProbed(id, found);
        });
  }

  void OnProbed(const std::string& id, const base::Result<language::Language>& found) {
    Container* c = container();
    if (c == nullptr) {
      return End("");
    }
    const language::Language* known = keeper_->languages_.Find(id);
    if (!found) {
      if (found.error().kind == base::ErrorKind::kUnavailable) {
        return End(found.error().message);
      }
      c->lacking[id] = found.error().message;
      if (!known->available) {
        language::Language copy = *known;
        copy.unavailable_reason = "container " + name_ + ": " + found.error().message;
        keeper_->languages_.Replace(std::move(copy));
      }
    } else if (!known->available) {
      keeper_->languages_.Replace(*found);
      c->ready.insert(id);
      if (keeper_->options_.languages_changed) {
        keeper_->options_.languages_changed();
      }
    } else if (known->version != found->version || known->tool != found->tool) {
      // Another container was faster, with another toolchain.
      c->lacking[id] = "it has " + found->tool + " " + found->version + ", others have " +
                       known->tool + " " + known->version;
    } else {
      c->ready.insert(id);
    }
    NextLanguage();
  }

  void RunOne(sandbox::Spec spec, std::string cache,
              std::function<void(Conversation::Outcome)> done) {
    const auto fail = [&](const std::string& message) {
      Conversation::Outcome outcome;
      outcome.result.message = message;
      boost::asio::post(keeper_->loop_, [done, outcome] { done(outcome); });
    };
    Container* c = container();
    if (c == nullptr) {
      return fail("the container is gone");
    }
    JobPlace place;
    place.space = SpaceOf(c->id);
    place.flags = cache.empty() ? wire::kTidy : wire::kWarmUp;
    place.job_dir = keeper_->options_.job_dir;
    place.cache = cache;
    auto bytes =
        EncodeJob(spec, place, cache.empty() ? keeper_->options_.filters[1] : std::string_view());
    if (!bytes) {
      return fail(bytes.error().message);
    }
    const auto talk = std::make_shared<Conversation>(keeper_->loop_, keeper_->cli_);
    talk->Open(cache.empty() ? wire::Command::kExec : wire::Command::kExecAsRoot, c->id,
               spec.limits.wall_time + base::kMinute, nullptr,
               [talk, done](Conversation::Outcome outcome) { done(std::move(outcome)); });
    talk->Send(spec, *std::move(bytes), nullptr, nullptr);
  }

  const std::shared_ptr<Keeper> keeper_;
  const std::string name_;
  std::vector<std::string> languages_;
  size_t next_ = 0;
};

Keeper::Keeper(boost::asio::io_context& loop, const Options& options, Cli& cli, Pool& pool,
               language::Registry& languages, std::function<void()> changed)
    : loop_(loop),
      options_(options),
      cli_(cli),
      pool_(pool),
      languages_(languages),
      changed_(std::move(changed)),
      timer_(std::make_unique<Timer>(loop)) {}

Keeper::~Keeper() = default;

void Keeper::Begin() {
  if (!options_.language_containers.empty()) {
    pool_.Set(options_.language_containers);
  }
  Tick();
}

void Keeper::Stop() {
  stopped_ = true;
  changed_ = nullptr;
  timer_->timer.cancel();
}

void Keeper::Tick() {
  cli_.Call(wire::Command::kList, "", kCallTime,
            [weak = weak_from_this()](const CallResult& result) {
              const auto self = weak.lock();
              if (self == nullptr || self->stopped_) {
                return;
              }
              self->OnList(result);
              self->timer_->timer.expires_after(kTick);
              self->timer_->timer.async_wait([weak](const boost::system::error_code& error) {
                const auto again = weak.lock();
                if (!error && again != nullptr && !again->stopped_) {
                  again->Tick();
                }
              });
            });
}

void Keeper::OnList(const CallResult& result) {
  const std::string error = result.ok() ? "" : Describe(result);
  if (error != daemon_error_) {
    base::Log(error.empty() ? base::LogLevel::kInfo : base::LogLevel::kError,
              error.empty() ? "Docker answers" : "Docker does not answer", {{"error", error}});
    daemon_error_ = error;
  }
  std::vector<Listed> listed;
  if (result.ok()) {
    listed = ParseListed(result.output);
    if (options_.discover) {
      const LanguageContainers found = Discover(listed);
      // Without any label it is the one container that does all.
      const bool single = found.empty() || options_.container_set;
      pool_.Set(found, single ? options_.container : "");
    }
  }
  for (Container& container : pool_.all()) {
    Update(&container, listed);
  }
  listed_ = true;
  pool_.Prune();
}

void Keeper::Update(Container* c, const std::vector<Listed>& listed) {
  if (!c->wanted || c->state == Container::State::kChecking) {
    return;
  }
  const auto take_out = [&](const std::string& why) {
    if (c->state == Container::State::kUp) {
      base::Log(base::LogLevel::kWarning, "a container is out",
                {{"container", c->name}, {"error", why}});
    }
    c->state = Container::State::kDown;
    c->error = why;
  };
  if (!daemon_error_.empty()) {
    return take_out(daemon_error_);
  }
  const Listed* entry = FindListed(listed, c->name);
  if (entry == nullptr) {
    return take_out(
        "it is not running; start it, or look at SANDBOX_CONTAINER and "
        "SANDBOX_LANGUAGE_CONTAINERS");
  }
  if (!entry->status.empty() && entry->status != "running") {
    return take_out("it is " + base::Printable(entry->status) + "; unpause it");
  }
  if (c->state == Container::State::kUp) {
    if (entry->id == c->id) {
      return;
    }
    c->state = Container::State::kDown;  // another one of the same name
  }
  if (c->state == Container::State::kDraining && c->running + c->live > 0) {
    return;
  }
  if (base::MonotonicNow() >= next_check_[c->name]) {
    StartCheck(c);
  }
}

void Keeper::StartCheck(Container* container) {
  container->state = Container::State::kChecking;
  ++checking_;
  std::make_shared<Check>(shared_from_this(), container->name)->Begin();
}

void Keeper::EndCheck(const std::string& name, const std::string& error) {
  --checking_;
  Container* c = stopped_ ? nullptr : pool_.Find(name);
  if (c == nullptr) {
    return;
  }
  const bool news = c->error != error;
  c->state = error.empty() ? Container::State::kUp : Container::State::kDown;
  c->error = error;
  if (error.empty()) {
    next_check_.erase(name);
    base::Log(base::LogLevel::kInfo, "a container is up", {{"container", name}});
    if (!c->bounds_memory) {
      base::Log(base::LogLevel::kWarning,
                "a container has no memory limit of its own (--memory): what its jobs hold without "
                "having it mapped is bounded by nothing",
                {{"container", name}});
    }
  } else {
    next_check_[name] = base::MonotonicNow() + kCheckAgain;
    if (news) {
      base::Log(base::LogLevel::kWarning, "a container cannot be used",
                {{"container", name}, {"error", error}});
    }
  }
  if (changed_) {
    changed_();
  }
}

void Keeper::Suspect(const std::string& name, const std::string& why) {
  Container* c = pool_.Find(name);
  if (c == nullptr || c->state == Container::State::kChecking) {
    return;
  }
  c->state = Container::State::kDraining;
  c->error = why;
  next_check_[name] = 0;
}

void Keeper::Drained() {
  for (Container& c : pool_.all()) {
    if (c.wanted && c.state == Container::State::kDraining && c.running + c.live == 0 &&
        daemon_error_.empty()) {
      StartCheck(&c);
    }
  }
}

}  // namespace docker
