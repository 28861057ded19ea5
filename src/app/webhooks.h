#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "app/config.h"
#include "base/result.h"
#include "job/json.h"
#include "job/store.h"
#include "webhook/dispatcher.h"

namespace app {

// For service::Options: what is wrong with a webhook, as the configuration has it.
std::function<std::vector<job::FieldError>(const job::Webhook&)> WebhookErrors(
    const Config& config);

// Null where webhooks are off.
base::Result<std::unique_ptr<webhook::Dispatcher>> StartWebhooks(const Config& config,
                                                                 boost::asio::io_context& loop,
                                                                 job::Store& store);

}  // namespace app
