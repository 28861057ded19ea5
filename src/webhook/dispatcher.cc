#include "webhook/dispatcher.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "job/hmac.h"
#include "job/json.h"

namespace webhook {

using base::Result;

namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr base::Nanos kLookEvery = base::kSecond / 2;
constexpr int kTakeAtOnce = 4;  // jobs come with results, which may be large
constexpr base::Nanos kHoldMargin = 30 * base::kSecond;  // for the store to hear of the end
constexpr base::Nanos kBusyPause = base::kSecond;        // for a tenant that has enough under way
constexpr int kGone = 410;                               // the receiver wants no more

void Count(const char* outcome) {
  static base::Counter deliveries("sandbox_webhooks_total", "Attempts to tell of a job's end.",
                                  {"outcome"});
  deliveries.Add({outcome});
}

}  // namespace

std::string Signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                      std::string_view body) {
  std::string key(secret);
  if (secret.starts_with(kSecretPrefix)) {
    if (const auto decoded = base::Base64Decode(secret.substr(kSecretPrefix.size()))) {
      key = *decoded;
    }
  }
  std::string text;
  text.reserve(id.size() + timestamp.size() + body.size() + 2);
  text.append(id).append(".").append(timestamp).append(".").append(body);
  return "v1," + base::Base64Encode(job::HmacSha256(key, text));
}

base::Nanos PauseAfter(int attempts, base::Nanos first_pause) {
  base::Nanos pause = first_pause;
  for (int i = 1; i < attempts && pause < kMaxPause; ++i) {
    pause *= 4;
  }
  return std::min(pause, kMaxPause);
}

std::string BodyOf(const job::Job& job) {
  std::string body = job::ToWebhookJson(job, true);
  return body.size() <= kMaxWebhookBody ? body : job::ToWebhookJson(job, false);
}

class Dispatcher::Impl : public std::enable_shared_from_this<Dispatcher::Impl> {
 public:
  Impl(boost::asio::io_context& loop, Options options, std::unique_ptr<Client> client,
       job::DeliveryStore& store)
      : options_(std::move(options)), client_(std::move(client)), store_(store), timer_(loop) {}

  void Look() {
    const int room = std::min(kTakeAtOnce, kAtOnce - under_way_);
    if (room <= 0) {
      return LookLater();
    }
    store_.TakeDue(room, options_.client.timeout + kHoldMargin,
                   [weak = weak_from_this(), room](const Result<std::vector<job::Delivery>>& due) {
                     const auto self = weak.lock();
                     if (!self || self->closed_) {
                       return;
                     }
                     if (due) {  // a store that is away says so itself
                       for (const job::Delivery& delivery : *due) {
                         self->Begin(delivery);
                       }
                     }
                     if (due && static_cast<int>(due->size()) == room) {
                       self->Look();
                     } else {
                       self->LookLater();
                     }
                   });
  }

  void Close() {
    closed_ = true;
    timer_.cancel();
    client_.reset();
  }

 private:
  void LookLater() {
    timer_.expires_after(std::chrono::nanoseconds(kLookEvery));
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!error && self && !self->closed_) {
        self->Look();
      }
    });
  }

  void Begin(const job::Delivery& delivery) {
    const job::Job& job = delivery.job;
    const auto url = ParseUrl(job.submission.webhook.url);
    if (!url) {  // of a record that another version made
      GiveUp(job.id, "its URL cannot be read");
      return;
    }
    int& of_tenant = of_tenant_[job.tenant];
    if (of_tenant >= kAtOnceOfTenant) {
      store_.Postpone(job.id, delivery.attempts, kBusyPause, [](const Result<void>&) {});
      return;
    }
    ++of_tenant;
    ++under_way_;
    const std::string id = "msg_" + job.id;
    const std::string timestamp = std::to_string(base::WallNow() / base::kSecond);
    Post post{*url, {{"webhook-id", id}, {"webhook-timestamp", timestamp}}, BodyOf(job)};
    const std::string& own = job.submission.webhook.secret;
    const std::string& secret = own.empty() ? options_.secret : own;
    if (!secret.empty()) {
      post.headers.emplace_back("webhook-signature", Signature(secret, id, timestamp, post.body));
    }
    client_->Send(std::move(post), [weak = weak_from_this(), id = job.id, tenant = job.tenant,
                                    attempts = delivery.attempts + 1](const Outcome& outcome) {
      if (const auto self = weak.lock()) {
        self->OnSent(id, tenant, attempts, outcome);
      }
    });
  }

  void OnSent(const std::string& id, const std::string& tenant, int attempts,
              const Outcome& outcome) {
    --under_way_;
    if (const auto of_tenant = of_tenant_.find(tenant); --of_tenant->second == 0) {
      of_tenant_.erase(of_tenant);
    }
    if (outcome.status >= 200 && outcome.status < 300) {
      Count("told");
      store_.Settle(id, [](const Result<void>&) {});
      return;
    }
    const std::string why =
        outcome.status == 0 ? outcome.error : "the answer is " + std::to_string(outcome.status);
    if (outcome.status == kGone || attempts >= options_.attempts) {
      GiveUp(id, why);
      return;
    }
    Count("failed");
    base::Log(base::LogLevel::kDebug, "a webhook is tried again",
              {{"job", id}, {"attempts", std::to_string(attempts)}, {"error", why}});
    store_.Postpone(id, attempts, PauseAfter(attempts, options_.first_pause),
                    [](const Result<void>&) {});
  }

  // URLs are not logged: they may hold secrets.
  void GiveUp(const std::string& id, const std::string& why) {
    Count("given_up");
    base::Log(base::LogLevel::kWarning, "a webhook is given up", {{"job", id}, {"error", why}});
    store_.Settle(id, [](const Result<void>&) {});
  }

  const Options options_;
  std::unique_ptr<Client> client_;
  job::DeliveryStore& store_;
  boost::asio::steady_timer timer_;
  int under_way_ = 0;
  std::map<std::string, int> of_tenant_;  // those that have some under way
  bool closed_ = false;
};

Dispatcher::Dispatcher(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
Dispatcher::~Dispatcher() {
  impl_->Close();
}

Result<std::unique_ptr<Dispatcher>> Dispatcher::Make(boost::asio::io_context& loop, Options options,
                                                     job::DeliveryStore& store) {
  auto client = Client::Make(loop, options.client);
  if (!client) {
    return client.error();
  }
  auto impl = std::make_shared<Impl>(loop, std::move(options), std::move(*client), store);
  impl->Look();
  return std::unique_ptr<Dispatcher>(new Dispatcher(std::move(impl)));
}

}  // namespace webhook
