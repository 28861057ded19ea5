#include "app/webhooks.h"

#include <utility>

namespace app {
namespace {

webhook::Policy PolicyOf(const Config& config) {
  return {config.http_webhooks != "off", config.http_webhooks == "all", config.http_webhook_ports};
}

}  // namespace

std::function<std::vector<job::FieldError>(const job::Webhook&)> WebhookErrors(
    const Config& config) {
  const bool has_secret = !config.http_webhook_secret.empty();
  return [policy = PolicyOf(config), has_secret](const job::Webhook& webhook) {
    std::vector<job::FieldError> errors;
    if (auto problem = webhook::UrlProblem(policy, webhook.url)) {
      errors.push_back({"webhook.url", *std::move(problem)});
    }
    if (webhook.secret.empty() && !has_secret && policy.enabled) {
      errors.push_back({"webhook.secret", "is required: the service has none of its own"});
    }
    return errors;
  };
}

base::Result<std::unique_ptr<webhook::Dispatcher>> StartWebhooks(const Config& config,
                                                                 boost::asio::io_context& loop,
                                                                 job::Store& store) {
  if (config.http_webhooks == "off" || store.deliveries() == nullptr) {
    return std::unique_ptr<webhook::Dispatcher>();
  }
  webhook::Options options;
  options.client.policy = PolicyOf(config);
  options.client.timeout = config.http_webhook_timeout;
  options.client.ca_file = config.http_webhook_ca;
  options.secret = config.http_webhook_secret;
  options.attempts = static_cast<int>(config.http_webhook_attempts);
  options.first_pause = config.http_webhook_pause;
  auto started = webhook::Dispatcher::Make(loop, std::move(options), *store.deliveries());
  if (!started) {
    return base::InvalidArgument("HTTP_WEBHOOK_CA: " + started.error().message);
  }
  return started;
}

}  // namespace app
