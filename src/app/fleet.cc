#include "app/fleet.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace app {
namespace {

constexpr base::Nanos kPause = job::kWorkerSilence / 3;
constexpr base::Nanos kPauseAfterFailure = base::kSecond;

}  // namespace

class FleetMember::Impl : public std::enable_shared_from_this<FleetMember::Impl> {
 public:
  Impl(boost::asio::io_context& loop, job::Fleet& fleet)
      : fleet_(fleet), announce_timer_(loop), follow_timer_(loop) {}

  void Announce(job::Worker worker) {
    worker_ = std::move(worker);
    SendAnnouncement();
  }

  void Follow(language::Registry& languages) {
    languages_ = &languages;
    AskForWorkers();
  }

  void Leave() {
    if (!worker_.name.empty()) {
      announce_timer_.cancel();
      fleet_.Leave(std::exchange(worker_, {}).name);
    }
  }

  void Close() {
    worker_ = {};
    languages_ = nullptr;
    announce_timer_.cancel();
    follow_timer_.cancel();
  }

 private:
  void SendAnnouncement() {
    fleet_.Announce(worker_, [weak = weak_from_this()](const base::Result<void>& announced) {
      const auto self = weak.lock();
      if (self && !self->worker_.name.empty()) {
        self->After(self->announce_timer_, announced.has_value(),
                    [](Impl& impl) { impl.SendAnnouncement(); });
      }
    });
  }

  void AskForWorkers() {
    fleet_.Workers(
        [weak = weak_from_this()](const base::Result<std::vector<job::Worker>>& workers) {
          const auto self = weak.lock();
          if (!self || self->languages_ == nullptr) {
            return;
          }
          if (workers) {
            TakeOver(*workers, self->languages_);
          }
          self->After(self->follow_timer_, workers.has_value(),
                      [](Impl& impl) { impl.AskForWorkers(); });
        });
  }

  template <typename Then>
  void After(boost::asio::steady_timer& timer, bool succeeded, Then then) {
    timer.expires_after(std::chrono::nanoseconds(succeeded ? kPause : kPauseAfterFailure));
    timer.async_wait([weak = weak_from_this(), then](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self) {
        then(*self);
      }
    });
  }

  job::Fleet& fleet_;
  boost::asio::steady_timer announce_timer_;
  boost::asio::steady_timer follow_timer_;
  job::Worker worker_;
  language::Registry* languages_ = nullptr;
};

FleetMember::FleetMember(boost::asio::io_context& loop, job::Fleet& fleet)
    : impl_(std::make_shared<Impl>(loop, fleet)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
FleetMember::~FleetMember() {
  impl_->Close();
}

void FleetMember::Announce(job::Worker worker) {
  impl_->Announce(std::move(worker));
}

void FleetMember::Follow(language::Registry& languages) {
  impl_->Follow(languages);
}

void FleetMember::Leave() {
  impl_->Leave();
}

void TakeOver(const std::vector<job::Worker>& workers, language::Registry* languages) {
  if (workers.empty()) {
    return;
  }
  for (const language::Language& language : languages->all()) {
    const std::string id = language.id;
    const job::Worker* without = nullptr;
    for (const job::Worker& worker : workers) {
      if (worker.languages.count(id) == 0) {
        without = &worker;
      }
    }
    if (without == nullptr) {
      languages->Offer(id, workers.front().languages.at(id));
    } else {
      languages->Withdraw(id, "worker " + base::Printable(without->name) + " does not have it");
    }
  }
}

}  // namespace app
