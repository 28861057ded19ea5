#pragma once

#include <string>

#include "app/config.h"
#include "executor/executor.h"
#include "http/server.h"
#include "service/service.h"

// What the configuration means for each part. Pure functions.
namespace app {

http::Options HttpOptions(const Config& config);

// `http`: of the same configuration; a job is waited for as long as its answer may take.
service::Options ServiceOptions(const Config& config, const http::Options& http);

// `worker`: the name of this process among those that share a store.
executor::Options ExecutorOptions(const Config& config, const std::string& worker);

}  // namespace app
