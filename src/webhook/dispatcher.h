#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "job/delivery_store.h"
#include "webhook/client.h"

namespace webhook {

struct Options {
  ClientOptions client;
  std::string secret;                           // signs for jobs that have none; empty: none
  int attempts = 8;                             // of one delivery
  base::Nanos first_pause = 5 * base::kSecond;  // after a failure; four times as long after each
};

constexpr base::Nanos kMaxPause = base::kHour;
constexpr size_t kMaxWebhookBody = size_t{1} << 20;
constexpr int kAtOnce = 32;         // deliveries under way
constexpr int kAtOnceOfTenant = 8;  // so that one that waits for nothing leaves others room

// Tells of ended jobs, as Standard Webhooks has it. What is due lies in the store, so that it is
// kept over restarts and any node may do it; at least once, and perhaps more often. On the event
// loop's thread; loop and store must outlive it.
class Dispatcher {
 public:
  static base::Result<std::unique_ptr<Dispatcher>> Make(boost::asio::io_context& loop,
                                                        Options options, job::DeliveryStore& store);
  ~Dispatcher();  // NOLINT(bugprone-exception-escape): as in dispatcher.cc

 private:
  class Impl;
  explicit Dispatcher(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

// The value of webhook-signature: HMAC-SHA256 of "id.timestamp.body". A secret "whsec_..." is
// base64 of the key, any other is the key itself.
std::string Signature(std::string_view secret, std::string_view id, std::string_view timestamp,
                      std::string_view body);

// How long after the `attempts`-th failure it is tried again.
base::Nanos PauseAfter(int attempts, base::Nanos first_pause);

// What is sent: the job, without its result when the whole would be larger than kMaxWebhookBody.
std::string BodyOf(const job::Job& job);

}  // namespace webhook
